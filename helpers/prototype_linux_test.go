package helpers_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	. "github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/linux"
)

// This file asks the running kernel about the prototypes: it calls each helper from each type of program with one
// argument wrong, and reads in the refusal what the kernel wants there.

func bpf(cmd uintptr, attr []byte) (int, error) {
	fd, _, errno := unix.Syscall(unix.SYS_BPF, cmd, uintptr(unsafe.Pointer(&attr[0])), uintptr(len(attr)))
	runtime.KeepAlive(attr)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// newMap creates an array of four values of 8 bytes, or skips the test where the kernel cannot be asked.
func newMap(t *testing.T) int {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Skip("no uname:", err)
	}
	release := string(bytes.TrimRight(u.Release[:], "\x00"))
	if v, err := linux.ParseVersion(release); err != nil || v != linux.Default.Version {
		t.Skipf("the prototypes are of Linux %v; this kernel is %s", linux.Default.Version, release)
	}
	attr := make([]byte, 72)
	for i, v := range []uint32{uint32(linux.MapTypeArray), 4, 8, 4} {
		binary.NativeEndian.PutUint32(attr[4*i:], v)
	}
	fd, err := bpf(unix.BPF_MAP_CREATE, attr)
	if err != nil {
		t.Skip("cannot create a BPF map (needs root):", err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// A liveProg is a type of program that the kernel loads.
type liveProg struct {
	row       *linux.Prog
	typ       linux.ProgType
	attach    linux.AttachType
	sleepable bool
	target    uint32
}

// liveProgs are the program types that the kernel loads without further ado.
func liveProgs(t *testing.T) (out []liveProg) {
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		t.Skip("no kernel BTF:", err)
	}
	id := func(name string, typ btf.Type) uint32 {
		if err := spec.TypeByName(name, &typ); err != nil {
			t.Fatal(err)
		}
		id, err := spec.TypeID(typ)
		if err != nil {
			t.Fatal(err)
		}
		return uint32(id)
	}
	for pt := linux.ProgTypeSocketFilter; pt <= linux.ProgTypeNetfilter; pt++ {
		for at := range linux.AttachType(58) {
			p := linux.Default.Prog(pt, at, "")
			if p == nil || !p.Is(linux.Probed) || p.Attach != at {
				continue
			}
			l := liveProg{row: p, typ: pt, attach: at, sleepable: p.Is(linux.MustSleep)}
			switch {
			case pt == linux.ProgTypeTracing && at == linux.AttachTraceRawTP:
				l.target = id("btf_trace_sys_enter", (*btf.Typedef)(nil))
			case pt == linux.ProgTypeTracing:
				l.target = id("bpf_iter_task", (*btf.Func)(nil))
			case pt == linux.ProgTypeStructOps:
				l.target = id("tcp_congestion_ops", (*btf.Struct)(nil))
			}
			out = append(out, l)
			if p.Is(linux.MaySleep) && !l.sleepable && at == 0 && pt == linux.ProgTypeKprobe {
				l.sleepable = true
				out = append(out, l)
			}
		}
	}
	return out
}

// figure matches the lines at the end of a log.
var figure = regexp.MustCompile(`^(processed \d|verification time|stack depth|insns processed)`)

var logBuffer = make([]byte, 1<<20)

// load loads a program and returns the last line of the log that is not a figure.
func (l *liveProg) load(code []byte) (string, error) {
	license := []byte("GPL\x00")
	attr := make([]byte, 148)
	put32 := func(off int, v uint32) { binary.NativeEndian.PutUint32(attr[off:], v) }
	put64 := func(off int, v uint64) { binary.NativeEndian.PutUint64(attr[off:], v) }
	put32(0, uint32(l.typ))
	put32(4, uint32(len(code)/8))
	put64(8, uint64(uintptr(unsafe.Pointer(&code[0]))))
	put64(16, uint64(uintptr(unsafe.Pointer(&license[0]))))
	put32(24, 1|4) // log level: the way to the refusal, and figures
	put32(28, uint32(len(logBuffer)))
	put64(32, uint64(uintptr(unsafe.Pointer(&logBuffer[0]))))
	if l.sleepable {
		put32(44, 1<<4)
	}
	put32(68, uint32(l.attach))
	put32(108, l.target)
	for {
		logBuffer[0] = 0
		fd, err := bpf(unix.BPF_PROG_LOAD, attr)
		runtime.KeepAlive(code)
		runtime.KeepAlive(license)
		if err == unix.EAGAIN { // a signal was pending: the Go runtime sends itself some
			continue
		}
		if err == nil {
			unix.Close(fd)
		}
		log, _, _ := strings.Cut(string(logBuffer), "\x00")
		lines := strings.Split(strings.TrimRight(log, "\n"), "\n")
		for len(lines) > 1 && figure.MatchString(lines[len(lines)-1]) {
			lines = lines[:len(lines)-1]
		}
		return lines[len(lines)-1], err
	}
}

func insn(op, dst, src uint8, off int16, imm int32) []byte {
	b := make([]byte, 8)
	b[0], b[1] = op, src<<4|dst
	binary.LittleEndian.PutUint16(b[2:], uint16(off))
	binary.LittleEndian.PutUint32(b[4:], uint32(imm))
	return b
}

// supply puts into register arg what its prototype wants; false if that takes more than a few instructions.
func supply(arg uint8, a Arg, mapFD int) ([]byte, bool) {
	switch a.Kind {
	case ArgAnything, ArgScalar:
		return insn(0xb7, arg, 0, 0, 0), true
	case ArgCtx:
		return insn(0xbf, arg, 6, 0, 0), true
	case ArgConstMapPtr:
		return append(insn(0x18, arg, 1, 0, int32(mapFD)), insn(0, 0, 0, 0, 0)...), true
	case ArgMapKey, ArgMapValue, ArgMem:
		return append(insn(0xbf, arg, 10, 0, 0), insn(0x07, arg, 0, 0, -64)...), a.Flags&(DynptrLocal|DynptrRingbuf) == 0
	case ArgConstSize, ArgConstSizeOrZero, ArgConstAllocSizeOrZero:
		return insn(0xb7, arg, 0, 0, 8), true
	}
	return nil, false
}

// askNull passes NULL for an argument that is a pointer.
func (l *liveProg) askNull(t *testing.T, p *Prototype, i int, refusal string, code []byte) {
	try := append(slices.Clone(code), insn(0xb7, uint8(i+1), 0, 0, 0)...)
	try = append(try, insn(0x85, 0, 0, 0, p.ID)...)
	try = append(try, insn(0xb7, 0, 0, 0, 0)...)
	try = append(try, insn(0x95, 0, 0, 0, 0)...)
	got, _ := l.load(try)
	if refused := got == refusal; refused == p.Args[i].Flags.Is(MaybeNull) {
		t.Errorf("%v/%v %s#%d: NULL as argument %d: %q", l.typ, l.attach, p.Name, p.ID, i+1, got)
	}
}

// TestLiveFastCalls spills and fills a register around calls of helpers without arguments: where the call keeps the
// registers, the kernel takes the spill and the fill out, and the program needs no stack.
func TestLiveFastCalls(t *testing.T) {
	newMap(t)
	asked := 0
	for _, l := range liveProgs(t) {
		for id := int32(1); int(id) < NumHelpers; id++ {
			p := ForProg(id, uint32(l.typ), uint32(l.attach), l.sleepable)
			if l.row.Helper(linux.Default, id) != linux.HelperAllowed || p.NumArgs() > 0 {
				continue
			}
			ret := int32(0)
			if l.row.Return.Kind == linux.ReturnRange {
				ret = l.row.Return.Min
			}
			var code []byte
			for _, i := range [][]byte{
				insn(0xb7, 2, 0, 0, 1), insn(0x7b, 10, 2, -8, 0), insn(0x85, 0, 0, 0, id), insn(0x79, 2, 10, -8, 0),
				insn(0xb7, 0, 0, 0, ret), insn(0x95, 0, 0, 0, 0),
			} {
				code = append(code, i...)
			}
			if _, err := l.load(code); err != nil {
				t.Errorf("%v/%v %s#%d: %v", l.typ, l.attach, p.Name, id, err)
				continue
			}
			log, _, _ := strings.Cut(string(logBuffer), "\x00")
			_, depth, _ := strings.Cut(log, "stack depth ")
			depth, _, _ = strings.Cut(depth, "\n")
			asked++
			if p.FastCall != (depth == "0") {
				t.Errorf("%v/%v %s#%d: fast call %v, but the stack depth is %q", l.typ, l.attach, p.Name, id, p.FastCall, depth)
			}
		}
	}
	t.Logf("%d helpers without arguments agree with the kernel", asked)
}

// ownRules are helpers with checks of their own that come before those of a later argument.
var ownRules = map[int32]string{
	linux.HelperTailCall:  "expected prog array map for tail call",
	linux.HelperTimerInit: "R1 ",
}

func TestLivePrototypes(t *testing.T) {
	mapFD := newMap(t)
	asked, none := 0, 0
	seen := map[ArgKind]bool{}
	for _, l := range liveProgs(t) {
		for id := int32(1); int(id) < NumHelpers; id++ {
			use := l.row.Helper(linux.Default, id)
			if use&linux.HelperAllowed == 0 || use&linux.HelperByTarget != 0 || use&linux.HelperSleeps != 0 && !l.sleepable {
				continue
			}
			if testing.Short() && int(id)%7 != int(l.typ)%7 {
				continue
			}
			p := ForProg(id, uint32(l.typ), uint32(l.attach), l.sleepable)
			code := insn(0xbf, 6, 1, 0, 0)
			for off := int16(-64); off < 0; off += 8 {
				code = append(code, insn(0x7a, 10, 0, off, 0)...)
			}
			for i, a := range p.Args {
				arg := uint8(i + 1)
				want := ""
				switch list := a.Kind.Expected(); {
				case a.Kind == ArgNone, a.Kind == ArgAnything, a.Kind == ArgScalar:
					want = fmt.Sprintf("R%d !read_ok", arg) // no argument here, or one that was not given
				case len(list) == 1 && list[0] == "scalar":
					want = fmt.Sprintf("R%d type=ctx expected=scalar", arg)
				default:
					want = fmt.Sprintf("R%d type=scalar expected=%s", arg, strings.Join(list, ", "))
				}
				try := slices.Clone(code)
				switch {
				case strings.HasSuffix(want, "=scalar"):
					try = append(try, insn(0xbf, arg, 6, 0, 0)...)
				case !strings.HasSuffix(want, "read_ok"):
					try = append(try, insn(0xb7, arg, 0, 0, 1)...)
				}
				if arg == 1 && strings.HasSuffix(want, "read_ok") { // R1 holds the context: clobber it
					try = append(try, insn(0x85, 0, 0, 0, linux.HelperKtimeGetNs)...)
				}
				try = append(try, insn(0x85, 0, 0, 0, id)...)
				try = append(try, insn(0xb7, 0, 0, 0, 0)...)
				try = append(try, insn(0x95, 0, 0, 0, 0)...)
				got, err := l.load(try)
				asked++
				seen[a.Kind] = true
				if a.Kind == ArgNone {
					if strings.HasPrefix(got, want) {
						t.Errorf("%v/%v %s: has an argument %d", l.typ, l.attach, p.Name, arg)
					}
					none++
					break
				}
				if rule := ownRules[id]; (err == nil || got != want) && (rule == "" || !strings.HasPrefix(got, rule)) {
					t.Errorf("%v/%v sleepable=%v %s#%d: argument %d %v: %q, want %q", l.typ, l.attach, l.sleepable, p.Name, id, arg, a.Kind, got, want)
					break
				}
				if want != "" && !strings.HasSuffix(want, "read_ok") && !strings.HasSuffix(want, "=scalar") {
					l.askNull(t, p, i, want, code)
				}
				good, ok := supply(arg, a, mapFD)
				if !ok {
					break
				}
				code = append(code, good...)
			}
		}
	}
	t.Logf("%d arguments of %d kinds agree with the kernel", asked-none, len(seen))
}
