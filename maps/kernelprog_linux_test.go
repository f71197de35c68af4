package maps

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"
	"unsafe"

	"github.com/skepbpf/skep/memory"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// A kernelInsn is an instruction as the kernel takes it.
type kernelInsn struct {
	op   uint8
	regs uint8 // destination, and source in the high half
	off  int16
	imm  int32
}

func mov(dst, src uint8) kernelInsn          { return kernelInsn{op: 0xbf, regs: src<<4 | dst} }
func movImm(dst uint8, imm int32) kernelInsn { return kernelInsn{op: 0xb7, regs: dst, imm: imm} }
func addImm(dst uint8, imm int32) kernelInsn { return kernelInsn{op: 0x07, regs: dst, imm: imm} }
func call(id int32) kernelInsn               { return kernelInsn{op: 0x85, imm: id} }
func load64(dst, src uint8, off int16) kernelInsn {
	return kernelInsn{op: 0x79, regs: src<<4 | dst, off: off}
}
func load8(dst, src uint8, off int16) kernelInsn {
	return kernelInsn{op: 0x71, regs: src<<4 | dst, off: off}
}
func ifZero(r uint8, off int16) kernelInsn { return kernelInsn{op: 0x15, regs: r, off: off} }
func exit() kernelInsn                     { return kernelInsn{op: 0x95} }
func (m *kernelMap) load(dst uint8) []kernelInsn {
	return []kernelInsn{{op: 0x18, regs: 1<<4 | dst, imm: int32(m.fd)}, {}}
}

// Where a program has what it was given, from the frame pointer. The last word is the flags.
const (
	argKey   = -128
	argValue = -64
	argFlags = -8
	argBytes = 128
)

// kernelProg loads a program that reads its arguments from the packet and then does body.
func kernelProg(body ...kernelInsn) (int, error) {
	insns := []kernelInsn{mov(6, 1), movImm(2, 0), mov(3, 10), addImm(3, argKey), movImm(4, argBytes), call(26)} // bpf_skb_load_bytes
	insns = append(append(insns, body...), exit())
	license := []byte("GPL\x00")
	log := make([]byte, 64<<10)
	attr := &struct {
		progType, count   uint32
		insns, license    unsafe.Pointer
		logLevel, logSize uint32
		log               unsafe.Pointer
	}{3, uint32(len(insns)), unsafe.Pointer(&insns[0]), unsafe.Pointer(&license[0]), 1, uint32(len(log)), unsafe.Pointer(&log[0])}
	fd, e := bpf(unix.BPF_PROG_LOAD, unsafe.Pointer(attr), unsafe.Sizeof(*attr))
	if e != 0 {
		return -1, fmt.Errorf("%w\n%s", e, log[:min(1000, len(log))])
	}
	return fd, nil
}

// kernelRun runs a program and returns r0.
func kernelRun(t *rapid.T, fd int, key, value []byte, flags uint64) int32 {
	in := make([]byte, argBytes)
	copy(in, key)
	copy(in[argValue-argKey:], value)
	binary.NativeEndian.PutUint64(in[argFlags-argKey:], flags)
	attr := &struct {
		fd, retval, sizeIn, sizeOut uint32
		in, out                     unsafe.Pointer
		repeat, duration            uint32
	}{fd: uint32(fd), sizeIn: argBytes, in: unsafe.Pointer(&in[0])}
	if _, e := bpf(unix.BPF_PROG_TEST_RUN, unsafe.Pointer(attr), unsafe.Sizeof(*attr)); e != 0 {
		t.Fatalf("test run: %v", e)
	}
	return int32(attr.retval)
}

// TestKernelProgramsAgree lets programs of the running kernel and the program's side of our maps do the same things.
func TestKernelProgramsAgree(t *testing.T) {
	needKernel(t)
	cpus := possibleCPUs(t)
	space := newSpace(t)
	for _, s := range []Spec{
		{Type: Array, KeySize: 4, ValueSize: 5, MaxEntries: 5},
		{Type: PerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: 5},
		{Type: Hash, KeySize: 2, ValueSize: 3, MaxEntries: 5},
		{Type: Hash, KeySize: 4, ValueSize: 8, MaxEntries: 5, Flags: NoPrealloc},
		{Type: PerCPUHash, KeySize: 4, ValueSize: 8, MaxEntries: 5},
		{Type: LPMTrie, KeySize: 6, ValueSize: 4, MaxEntries: 6, Flags: NoPrealloc},
		{Type: Queue, ValueSize: 3, MaxEntries: 3},
		{Type: Stack, ValueSize: 3, MaxEntries: 3},
		{Type: BloomFilter, ValueSize: 3, MaxEntries: 300},
		{Type: RingBuf, MaxEntries: 4096},
		{Type: PerfEventArray, KeySize: 4, ValueSize: 4, MaxEntries: 3},
	} {
		t.Run(fmt.Sprintf("%v-%d-%d-%x", s.Type, s.KeySize, s.ValueSize, s.Flags), func(t *testing.T) {
			stayOnCPU0(t)
			rapid.Check(t, func(t *rapid.T) { programsAgree(t, space, &s, cpus) })
		})
	}
}

// stayOnCPU0 keeps a test on a CPU that we know the number of: that which per-CPU maps of ours are used for. It must be
// called by the goroutine that runs the programs.
func stayOnCPU0(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread) // on the goroutine of the test
	var old, one unix.CPUSet
	one.Set(0)
	if err := unix.SchedGetaffinity(0, &old); err != nil || unix.SchedSetaffinity(0, &one) != nil {
		t.Skip("no way to stay on CPU 0")
	}
	t.Cleanup(func() { unix.SchedSetaffinity(0, &old) })
}

func programsAgree(t *rapid.T, space *memory.Space, s *Spec, cpus int) {
	ours, err := New(space, s, cpus)
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	theirs, e := kernelCreate(s, nil, cpus)
	if e != 0 {
		t.Fatalf("the kernel does not create it: %v", e)
	}
	defer theirs.close()
	d := &differ{spec: *s, ours: ours, theirs: theirs}
	actions := map[string]func(*rapid.T){}
	add := func(name string, do func(key, value []byte, flags uint64) int32, body ...kernelInsn) {
		fd, err := kernelProg(body...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		actions[name] = func(t *rapid.T) {
			key, value := d.key(t), d.value(t)[:s.ValueSize]
			flags := rapid.SampledFrom([]uint64{0, 0, 0, 1, 2, 3, 4, 8, 1 << 60}).Draw(t, "flags")
			// Ours may change the value.
			a := do(key, append([]byte{}, value...), flags)
			if b := kernelRun(t, fd, key, value, flags); a != b {
				t.Fatalf("%s: %d, and Linux says %d", name, a, b)
			}
		}
	}
	sized := []kernelInsn{mov(2, 10), addImm(2, argKey), load8(3, 10, argKey), {op: 0x57, regs: 3, imm: 127}}
	errno := func(err error) int32 { return -int32(ErrnoOf(err)) }
	key, value := []kernelInsn{mov(2, 10), addImm(2, argKey)}, []kernelInsn{mov(3, 10), addImm(3, argValue)}
	switch m := ours.(type) {
	case *RingBuffer:
		add("output", func(k, v []byte, f uint64) int32 { return errno(m.Output(make([]byte, k[0]&127), f)) },
			append(append(theirs.load(1), sized...), load64(4, 10, argFlags), call(130))...)
		add("query", func(_, _ []byte, f uint64) int32 { return int32(m.Query(f)) },
			append(theirs.load(1), load64(2, 10, argFlags), call(134))...)
		for _, n := range []int32{0, 1, 1000, 4072, 4080, 4081, 4088, 1 << 28} {
			for end := range int32(2) {
				add(fmt.Sprint("reserve", n, end), func(_, _ []byte, f uint64) int32 {
					a := m.Reserve(uint64(n))
					if a == 0 {
						return 0
					}
					if end == 0 {
						return errno(m.Submit(a, f)) + 1
					}
					return errno(m.Discard(a, f)) + 1
				}, append(theirs.load(1), movImm(2, n), movImm(3, 0), call(131), ifZero(0, 4), mov(1, 0),
					load64(2, 10, argFlags), call(132+end), movImm(0, 1))...)
			}
		}
		t.Repeat(actions)
		return
	case *PerfArray:
		add("output", func(k, _ []byte, f uint64) int32 { return errno(m.Output(0, f, make([]byte, k[0]&127))) },
			append([]kernelInsn{mov(1, 6)}, append(theirs.load(2), load64(3, 10, argFlags), mov(4, 10), addImm(4, argKey),
				movImm(5, 16), call(25))...)...)
		t.Repeat(actions)
		return
	}
	if q, ok := ours.(interface {
		Push([]byte, uint64) error
		Pop([]byte) error
		Peek([]byte) error
	}); ok {
		value := []kernelInsn{mov(2, 10), addImm(2, argValue)}
		add("push", func(_, v []byte, f uint64) int32 { return errno(q.Push(v, f)) },
			append(append(theirs.load(1), value...), load64(3, 10, argFlags), call(87))...)
		// The first byte of what there is, after the error.
		first := func(do func([]byte) error) func(_, v []byte, _ uint64) int32 {
			return func(_, v []byte, _ uint64) int32 {
				if e := errno(do(v)); e != 0 {
					return e
				}
				return int32(v[0])
			}
		}
		then := []kernelInsn{{op: 0x55, off: 1}, load8(0, 10, argValue)}
		add("peek", first(q.Peek), append(append(append(theirs.load(1), value...), call(89)), then...)...)
		if s.Type != BloomFilter {
			add("pop", first(q.Pop), append(append(append(theirs.load(1), value...), call(88)), then...)...)
		}
	} else {
		add("update", func(k, v []byte, f uint64) int32 { return errno(ours.Update(0, k, v, f)) },
			append(append(append(theirs.load(1), key...), value...), load64(4, 10, argFlags), call(2))...)
		add("delete", func(k, _ []byte, _ uint64) int32 { return errno(ours.Delete(k)) },
			append(append(theirs.load(1), key...), call(3))...)
		add("lookup", func(k, _ []byte, _ uint64) int32 {
			a := ours.Lookup(0, k)
			if a == 0 {
				return 0
			}
			return int32(space.Bytes(a, 1)[0]) + 1
		}, append(append(theirs.load(1), key...), call(1), ifZero(0, 2), load8(0, 0, 0), addImm(0, 1))...)
		actions["keys"] = d.keys
	}
	t.Repeat(actions)
}
