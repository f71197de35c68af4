package hook_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/hook"
	"github.com/skepbpf/skep/maps"
)

// A sockopter is what a program of sockopt does, in this order. -99: nothing.
type sockopter struct {
	child     bool
	ret       int32
	first     int32 // to the first byte of the value
	optlen    int32 // to the field
	field     int32 // to the field retval, of getsockopt
	setRetval int32 // by the helper
}

const nothing = -99

func sockoptSpec(at ebpf.AttachType, os []sockopter) *ebpf.CollectionSpec {
	c := &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{}}
	for i, x := range os {
		insns := asm.Instructions{asm.Mov.Reg(asm.R6, asm.R1)}
		if x.first != nothing {
			insns = append(insns,
				asm.LoadMem(asm.R2, asm.R6, 8, asm.DWord), asm.LoadMem(asm.R3, asm.R6, 16, asm.DWord),
				asm.Mov.Reg(asm.R4, asm.R2), asm.Add.Imm(asm.R4, 1),
				asm.JGT.Reg(asm.R4, asm.R3, "short"),
				asm.Mov.Imm(asm.R5, x.first), asm.StoreMem(asm.R2, 0, asm.R5, asm.Byte),
				asm.Mov.Imm(asm.R5, 0).WithSymbol("short"))
		}
		if x.optlen != nothing {
			insns = append(insns, asm.Mov.Imm(asm.R5, x.optlen), asm.StoreMem(asm.R6, 32, asm.R5, asm.Word))
		}
		if x.field != nothing {
			insns = append(insns, asm.Mov.Imm(asm.R5, x.field), asm.StoreMem(asm.R6, 36, asm.R5, asm.Word))
		}
		if x.setRetval != nothing {
			insns = append(insns, asm.Mov.Imm(asm.R1, x.setRetval), asm.FnSetRetval.Call())
		}
		name := fmt.Sprintf("p%d", i)
		c.Programs[name] = &ebpf.ProgramSpec{Name: name, Type: ebpf.CGroupSockopt, AttachType: at, License: "GPL",
			Instructions: append(insns, asm.Mov.Imm(asm.R0, x.ret), asm.Return())}
	}
	return c
}

// TestSockoptsAreLinux sets and gets an option of a socket (IP_TOS) in a cgroup of the running kernel, and on a Host, with the same
// programs: the errors and the values must be the same.
func TestSockoptsAreLinux(t *testing.T) {
	root := cgroup2(t)
	above, child := join(t, root, "skep-sockopt")
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	require.NoError(t, err)
	defer unix.Close(fd)
	r := rand.New(rand.NewPCG(4, 4))
	n := 200
	if testing.Short() {
		n = 20
	}
	bad := 0
	for range n {
		at := []ebpf.AttachType{ebpf.AttachCGroupSetsockopt, ebpf.AttachCGroupGetsockopt}[r.IntN(2)]
		os := make([]sockopter, 1+r.IntN(3))
		pick := func(of ...int32) int32 { return of[r.IntN(len(of))] }
		for i := range os {
			os[i] = sockopter{r.IntN(2) == 0, pick(0, 1, 1, 1), pick(nothing, nothing, 4, 12), pick(nothing, nothing, nothing, -1, 0, 1, 2, 4, 5, 100),
				nothing, pick(nothing, nothing, nothing, 0, -1, -13)}
			if at == ebpf.AttachCGroupGetsockopt {
				os[i].field = pick(nothing, nothing, 0)
			}
		}
		what := fmt.Sprintf("%v %+v", at, os)
		there, terr := kernelSockopt(t, fd, at, os, above, child)
		here, herr := hostSockopt(t, at, os)
		if fmt.Sprint(there, terr) != fmt.Sprint(here, herr) {
			t.Errorf("%s:\n  %v, %v, kernel %v, %v", what, here, herr, there, terr)
			if bad++; bad > 8 {
				t.FailNow()
			}
		}
	}
}

// tos is the option's value before.
const tos = 8

func hostSockopt(t *testing.T, at ebpf.AttachType, os []sockopter) (value []byte, errno int) {
	h := hook.NewHost(nil)
	c, err := skep.NewCollection(sockoptSpec(at, os), nil)
	require.NoError(t, err)
	defer c.Close()
	for i, x := range os {
		path := "/above"
		if x.child {
			path += "/child"
		}
		_, err := h.AttachCgroup(hook.CgroupOptions{Path: path, Attach: at, Program: c.Programs[fmt.Sprintf("p%d", i)]})
		require.NoError(t, err)
	}
	cg := h.Cgroup("/above/child")
	if at == ebpf.AttachCGroupGetsockopt {
		o := &hook.Sockopt{Level: 0, Name: unix.IP_TOS, Value: []byte{tos, 0, 0, 0}}
		_, err = cg.Getsockopt(o)
		if err == nil && o.Ret < 0 {
			return nil, int(-o.Ret)
		}
		if err != nil {
			return nil, int(maps.ErrnoOf(err))
		}
		return o.Value, 0
	}
	o := &hook.Sockopt{Level: 0, Name: unix.IP_TOS, Value: []byte{16, 0, 0, 0}}
	_, err = cg.Setsockopt(o)
	switch {
	case err != nil:
		return nil, int(maps.ErrnoOf(err))
	case o.Bypass:
		return []byte{tos}, 0
	case len(o.Value) == 0:
		return nil, int(maps.EINVAL) // IP_TOS needs a value
	}
	return o.Value[:1], 0
}

func kernelSockopt(t *testing.T, fd int, at ebpf.AttachType, os []sockopter, above, child string) (value []byte, errno int) {
	require.NoError(t, unix.SetsockoptInt(fd, 0, unix.IP_TOS, tos))
	c, err := ebpf.NewCollection(sockoptSpec(at, os))
	if err != nil {
		t.Skip("programs: ", err)
	}
	defer c.Close()
	var links []link.Link
	detach := func() {
		for _, l := range links {
			l.Close()
		}
		links = nil
	}
	defer detach()
	for i, x := range os {
		path := above
		if x.child {
			path = child
		}
		l, err := link.AttachCgroup(link.CgroupOptions{Path: path, Attach: at, Program: c.Programs[fmt.Sprintf("p%d", i)]})
		if err != nil {
			t.Skip("attach: ", err)
		}
		links = append(links, l)
	}
	if at == ebpf.AttachCGroupGetsockopt {
		b := make([]byte, 4)
		n := uint32(len(b))
		_, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), 0, unix.IP_TOS, uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&n)), 0)
		if e != 0 {
			return nil, int(e)
		}
		return b[:min(int(n), 4)], 0
	}
	err = unix.SetsockoptString(fd, 0, unix.IP_TOS, "\x10\x00\x00\x00")
	var e unix.Errno
	if errors.As(err, &e) {
		return nil, int(e)
	}
	detach()
	v, err := unix.GetsockoptInt(fd, 0, unix.IP_TOS)
	require.NoError(t, err)
	return []byte{byte(v)}, 0
}
