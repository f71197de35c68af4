package interp_test

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/skepbpf/skep/bench"
	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/interp"
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
	"github.com/skepbpf/skep/object"
)

// runText runs a program written as text on a packet of zeros.
func runText(t *testing.T, s string, o interp.Options) (*world, uint64, error) {
	t.Helper()
	w, err := newWorld(t, text(t, s), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.close(t) })
	if err := w.run.SetXDP(make([]byte, 64), helpers.XDP{}); err != nil {
		t.Fatal(err)
	}
	r0, err := w.m.Run(w.run)
	return w, r0, err
}

// TestTraps checks that what no verified program does ends a run, and what is said of it.
func TestTraps(t *testing.T) {
	for _, c := range []struct{ name, prog, want string }{
		{"null", "r0 = *(u64 *)(r2 +0)", "at instruction 0: invalid read of 8 bytes at 0x0: NULL pointer"},
		{"below the stack", "*(u64 *)(r10 -520) = 1", "8 bytes before the start of stack"},
		{"above the stack", "r0 = *(u8 *)(r10 +0)", "past the end of stack"},
		{"past the packet", "r1 = *(u32 *)(r1 +4)\nr0 = *(u8 *)(r1 +0)", "1 byte past the end of packet (64 bytes)"},
		{"past the context", "r0 = *(u32 *)(r1 +24)", "past the end of context (24 bytes)"},
		{"past a value", "r1 = map[m] + 0\n*(u64 *)(r1 +4) = 1", `past the end of map value "m" (8 bytes)`},
		{"inside a map", "r1 = m ll\nr0 = *(u64 *)(r1 +0)", `a program may not look into kernel object "m"`},
		{"bad helper argument", "r1 = 1\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem", "bpf_map_lookup_elem: R1: not a map"},
		{"bad key", "r1 = m ll\nr2 = r10\ncall bpf_map_lookup_elem", "bpf_map_lookup_elem: R2: invalid read of 4 bytes"},
		{"not simulated", "call bpf_sys_close", "bpf_sys_close#168 is not simulated"},
		{"endless", "goto pc-1", "budget"},
		{"callback", "r1 = 3\nr2 = 5 ll\nr3 = 0\nr4 = 0\ncall bpf_loop", "bpf_loop: R2: not a function of the program"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := runText(t, "prog xdp\nname p\nmap m array key=4 value=8 entries=1\n"+c.prog+"\nr0 = 0\nexit\n", interp.Options{Budget: 1000})
			var trap *interp.Trap
			if !errors.As(err, &trap) {
				t.Fatalf("error %v, want a trap", err)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %q, want %q", err, c.want)
			}
			if fault := (*memory.Fault)(nil); errors.As(err, &fault) && (trap.Addr != fault.Addr || trap.Object != fault.Object) {
				t.Errorf("trap %+v of fault %+v", trap, fault)
			}
		})
	}
}

// TestTrapLine checks that a trap names the source line.
func TestTrapLine(t *testing.T) {
	p := text(t, "prog xdp\nname p\nr0 = 1\nr0 = *(u8 *)(r0 +0)\nexit\n")
	p.Lines = []object.LineInfo{{Insn: 0, File: "/src/a.c", Line: 3, Text: "\tint x = 1;"}, {Insn: 1, File: "/src/a.c", Line: 4, Text: "\treturn *x;"}}
	w, err := newWorld(t, p, interp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.close(t)
	_, err = w.m.Run(w.run)
	const want = "trap in p at instruction 1 (a.c:4: return *x;): invalid read of 1 byte at 0x1: NULL pointer plus an offset"
	if err == nil || err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
}

// TestCallbacks checks loops through callbacks: what they are given, what their registers do, how they stop.
func TestCallbacks(t *testing.T) {
	_, r0, err := runText(t, `
prog xdp
	*(u64 *)(r10 -8) = 0
	r6 = 77
	r1 = 100
	r2 = func body
	r3 = r10
	r3 += -8
	r4 = 0
	call bpf_loop
	r0 <<= 32
	r1 = *(u64 *)(r10 -8)
	r0 += r1
	r0 += r6
	exit
body:
	r3 = *(u64 *)(r2 +0)
	r3 += r1
	*(u64 *)(r2 +0) = r3
	r6 = 0
	r0 = 0
	if r1 != 9 goto pc+1
	r0 = 1
	exit
`, interp.Options{})
	if want := uint64(10)<<32 + 45 + 77; err != nil || r0 != want {
		t.Errorf("%#x, %v; want %#x", r0, err, want)
	}
}

// TestForEach goes through a map.
func TestForEach(t *testing.T) {
	_, r0, err := runText(t, `
prog xdp
map m hash key=8 value=8 entries=10
	r6 = 5
	*(u64 *)(r10 -24) = 0
again:
	*(u64 *)(r10 -8) = r6
	*(u64 *)(r10 -16) = r6
	r1 = m ll
	r2 = r10
	r2 += -8
	r3 = r10
	r3 += -16
	r4 = 0
	call bpf_map_update_elem
	r6 -= 1
	if r6 != 0 goto again
	r1 = m ll
	r2 = func body
	r3 = r10
	r3 += -24
	r4 = 0
	call bpf_for_each_map_elem
	r1 = *(u64 *)(r10 -24)
	r0 *= 1000
	r0 += r1
	exit
body:
	r5 = *(u64 *)(r2 +0)
	r3 = *(u64 *)(r3 +0)
	r5 *= r3
	r1 = *(u64 *)(r4 +0)
	r1 += r5
	*(u64 *)(r4 +0) = r1
	r0 = 0
	exit
`, interp.Options{})
	if want := uint64(5*1000 + 1 + 4 + 9 + 16 + 25); err != nil || r0 != want {
		t.Errorf("%d, %v; want %d", r0, err, want)
	}
}

// TestTailCalls checks the limit, and what goes on when there is no program.
func TestTailCalls(t *testing.T) {
	p := text(t, `
prog xdp
map progs prog_array key=4 value=4 entries=2
map count array key=4 value=8 entries=1
	r6 = r1
	r2 = map[count] + 0
	r3 = *(u64 *)(r2 +0)
	r3 += 1
	*(u64 *)(r2 +0) = r3
	r2 = progs ll
	r3 = 1
	call bpf_tail_call
	r1 = r6
	r2 = progs ll
	r3 = 0
	call bpf_tail_call
	r0 = 5
	exit
`)
	w, err := newWorld(t, p, interp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.close(t)
	if err := w.maps[1].(*maps.Programs).SetProgram(0, w.m); err != nil {
		t.Fatal(err)
	}
	if err := w.run.SetXDP(make([]byte, 64), helpers.XDP{}); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if r0, err := w.m.Run(w.run); r0 != 5 || err != nil {
			t.Fatal(r0, err)
		}
		b, err := maps.GetBytes(w.maps[0], make([]byte, 4))
		if got := binary.NativeEndian.Uint64(b); err != nil || got != uint64(34*(i+1)) {
			t.Errorf("the program ran %d times, want %d", got, 34*(i+1))
		}
	}
}

// TestRing reserves, submits and reads a record.
func TestRing(t *testing.T) {
	w, r0, err := runText(t, `
prog xdp
map ring ringbuf entries=4096
	r1 = ring ll
	r2 = 16
	r3 = 0
	call bpf_ringbuf_reserve
	if r0 == 0 goto out
	*(u64 *)(r0 +0) = 1
	*(u64 *)(r0 +8) = 2
	r1 = r0
	r2 = 0
	call bpf_ringbuf_submit
	r1 = ring ll
	r2 = r10
	r2 += -8
	*(u64 *)(r10 -8) = 3
	r3 = 8
	r4 = 0
	call bpf_ringbuf_output
	exit
out:
	r0 = 1
	exit
`, interp.Options{})
	if r0 != 0 || err != nil {
		t.Fatal(r0, err)
	}
	r := w.maps[0].(*maps.RingBuffer).NewReader()
	defer r.Close()
	for i, want := range []int{16, 8} {
		rec, err := r.Read()
		if err != nil || len(rec.RawSample) != want || rec.RawSample[len(rec.RawSample)-8] != byte(i+2) {
			t.Errorf("record %d: %x, %v", i, rec.RawSample, err)
		}
	}
	_, _, err = runText(t, "prog xdp\nmap ring ringbuf entries=4096\nr1 = r10\nr2 = 0\ncall bpf_ringbuf_submit\nr0 = 0\nexit\n", interp.Options{})
	if err == nil || !strings.Contains(err.Error(), "not a record") {
		t.Errorf("submitted what was not reserved: %v", err)
	}
}

// TestTimer arms a timer and lets it fire.
func TestTimer(t *testing.T) {
	w, r0, err := runText(t, `
prog xdp
map m array key=4 value=32 entries=3
	*(u32 *)(r10 -4) = 2
	r1 = m ll
	r2 = r10
	r2 += -4
	call bpf_map_lookup_elem
	if r0 == 0 goto out
	r6 = r0
	r1 = r6
	r2 = m ll
	r3 = 1
	call bpf_timer_init
	if r0 != 0 goto out
	r1 = r6
	r2 = func body
	call bpf_timer_set_callback
	if r0 != 0 goto out
	r1 = r6
	r2 = 1000000
	r3 = 0
	call bpf_timer_start
	exit
out:
	r0 = 99
	exit
body:
	r2 = *(u32 *)(r2 +0)
	*(u64 *)(r3 +16) = r2
	r0 = 0
	exit
`, interp.Options{})
	if r0 != 0 || err != nil {
		t.Fatal(r0, err)
	}
	timers := w.run.Timers
	due, ok := timers.Next()
	if !ok || due < time.Second {
		t.Fatal(due, ok)
	}
	if n, err := timers.Fire(w.run, due-1); n != 0 || err != nil {
		t.Error(n, err)
	}
	if n, err := timers.Fire(w.run, due); n != 1 || err != nil {
		t.Error(n, err)
	}
	b, err := maps.GetBytes(w.maps[0], []byte{2, 0, 0, 0})
	if err != nil || b[16] != 2 {
		t.Errorf("%x, %v", b, err)
	}
}

// TestObserve checks that observing changes nothing and sees every instruction.
func TestObserve(t *testing.T) {
	for _, b := range bench.Programs {
		p, data := loadBench(t, b.Name)
		seen := 0
		w, err := newWorld(t, p, interp.Options{Observe: func(s *interp.State) {
			if s.Insn >= len(p.Insns) || s.Program != p {
				t.Fatalf("%s: %+v", b.Name, s)
			}
			seen++
		}})
		if err != nil {
			t.Fatal(err)
		}
		w.run.SetXDP(data, helpers.XDP{})
		if r0, err := w.m.Run(w.run); err != nil || uint32(r0) != b.First() || seen == 0 {
			t.Errorf("%s: %d, %v, %d instructions", b.Name, uint32(r0), err, seen)
		}
		w.close(t)
	}
}
