package hook_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/hook"
)

// sysctlSpec is a program that asks for everything, with buffers of a size, and keeps the answers in the map "out": r0 and 40 bytes of each. It
// writes "33" in place of what is written if it is to.
func sysctlSpec(size int32, set bool, ret int32) *ebpf.CollectionSpec {
	insns := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMapValue(asm.R7, 0, 0).WithReference("out"),
	}
	call := func(at int32, f asm.BuiltinFunc, flags int32) {
		insns = append(insns, asm.Mov.Reg(asm.R1, asm.R6), asm.Mov.Reg(asm.R2, asm.R7), asm.Add.Imm(asm.R2, at+8), asm.Mov.Imm(asm.R3, size))
		if f == asm.FnSysctlGetName {
			insns = append(insns, asm.Mov.Imm(asm.R4, flags))
		}
		insns = append(insns, f.Call(), asm.StoreMem(asm.R7, int16(at), asm.R0, asm.DWord))
	}
	call(0, asm.FnSysctlGetName, 0)
	call(48, asm.FnSysctlGetName, 1)
	call(96, asm.FnSysctlGetCurrentValue, 0)
	call(144, asm.FnSysctlGetNewValue, 0)
	if set {
		insns = append(insns, asm.Mov.Imm(asm.R1, 0x3333), asm.StoreMem(asm.R10, -8, asm.R1, asm.DWord),
			asm.Mov.Reg(asm.R1, asm.R6), asm.Mov.Reg(asm.R2, asm.R10), asm.Add.Imm(asm.R2, -8), asm.Mov.Imm(asm.R3, 2),
			asm.FnSysctlSetNewValue.Call(), asm.StoreMem(asm.R7, 192, asm.R0, asm.DWord))
		call(200, asm.FnSysctlGetNewValue, 0)
	}
	insns = append(insns, asm.Mov.Imm(asm.R0, ret), asm.Return())
	return &ebpf.CollectionSpec{
		Maps: map[string]*ebpf.MapSpec{"out": {Name: "out", Type: ebpf.Array, KeySize: 4, ValueSize: 256, MaxEntries: 1}},
		Programs: map[string]*ebpf.ProgramSpec{"p": {Name: "p", Type: ebpf.CGroupSysctl, AttachType: ebpf.AttachCGroupSysctl, License: "GPL",
			Instructions: insns}}}
}

// TestSysctlIsLinux reads and writes a sysctl in a cgroup of the running kernel, and on a Host.
func TestSysctlIsLinux(t *testing.T) {
	root := cgroup2(t)
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skip("no network namespace: ", err)
	}
	_, group := join(t, root, "skep-sysctl")
	const name = "net/ipv4/ip_default_ttl"
	path := "/proc/sys/" + name
	for _, size := range []int32{1, 2, 3, 4, 5, 16, 23, 24, 40} {
		for _, write := range []bool{false, true} {
			for _, set := range []bool{false, true} {
				for _, ret := range []int32{0, 1} {
					what := fmt.Sprintf("buffers of %d, write %v, set %v, returns %d", size, write, set, ret)
					require.NoError(t, os.WriteFile(path, []byte("64\n"), 0))
					c, err := ebpf.NewCollection(sysctlSpec(size, set, ret))
					require.NoError(t, err)
					l, err := link.AttachCgroup(link.CgroupOptions{Path: group, Attach: ebpf.AttachCGroupSysctl, Program: c.Programs["p"]})
					require.NoError(t, err)
					if write {
						err = writeOnce(path, "77\n")
					} else {
						_, err = os.ReadFile(path)
					}
					require.NoError(t, l.Close())
					there, lerr := c.Maps["out"].LookupBytes(uint32(0))
					require.NoError(t, lerr)
					value, rerr := os.ReadFile(path)
					require.NoError(t, rerr)
					c.Close()

					h := hook.NewHost(nil)
					mine, cerr := skep.NewCollection(sysctlSpec(size, set, ret), nil)
					require.NoError(t, cerr)
					_, aerr := h.AttachCgroup(hook.CgroupOptions{Attach: ebpf.AttachCGroupSysctl, Program: mine.Programs["p"]})
					require.NoError(t, aerr)
					s := &hook.Sysctl{Name: name, Current: "64\n", Write: write}
					if write {
						s.New = "77\n"
					}
					_, herr := h.Cgroup("/").Sysctl(s)
					here, lerr := mine.Maps["out"].LookupBytes(uint32(0))
					require.NoError(t, lerr)
					mine.Close()
					require.Equal(t, err != nil, herr != nil, "%s: %v, kernel %v", what, herr, err)
					require.Equal(t, there, here, what)
					if write && err == nil {
						require.Equal(t, strings.TrimSpace(string(value)), strings.TrimSpace(s.New), what)
					}
				}
			}
		}
	}
}

// writeOnce is a single write(2), whose result is what is left of another text, maybe.
func writeOnce(path, text string) error {
	fd, err := unix.Open(path, unix.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(text))
	return err
}
