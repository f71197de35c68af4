package hook_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/hook"
	"github.com/skepbpf/skep/maps"
)

// A connector is a program of connect4 in one of two cgroups.
type connector struct {
	child  bool
	ret    int32
	retval int32 // what it sets; 1: nothing
}

// connectSpec has a program for each connector: it says its number and what bpf_get_retval returns.
func connectSpec(cs []connector) *ebpf.CollectionSpec {
	c := &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{},
		Maps: map[string]*ebpf.MapSpec{"log": {Name: "log", Type: ebpf.RingBuf, MaxEntries: 1 << 16}}}
	for i, x := range cs {
		insns := asm.Instructions{
			asm.FnGetRetval.Call(),
			asm.LSh.Imm(asm.R0, 8), asm.Or.Imm(asm.R0, int32(i+1)),
			asm.StoreMem(asm.R10, -8, asm.R0, asm.DWord),
			asm.LoadMapPtr(asm.R1, 0).WithReference("log"),
			asm.Mov.Reg(asm.R2, asm.R10), asm.Add.Imm(asm.R2, -8),
			asm.Mov.Imm(asm.R3, 8), asm.Mov.Imm(asm.R4, 0),
			asm.FnRingbufOutput.Call(),
		}
		if x.retval != 1 {
			insns = append(insns, asm.Mov.Imm(asm.R1, x.retval), asm.FnSetRetval.Call())
		}
		name := fmt.Sprintf("p%d", i)
		c.Programs[name] = &ebpf.ProgramSpec{Name: name, Type: ebpf.CGroupSockAddr, AttachType: ebpf.AttachCGroupInet4Connect, License: "GPL",
			Instructions: append(insns, asm.Mov.Imm(asm.R0, x.ret), asm.Return())}
	}
	return c
}

// TestCgroupsAreLinux connects in a cgroup of the running kernel and in one of a Host, with the same programs attached to it and to the one above
// it: they must run in the same order, see the same results of others, and the connect must end with the same error.
func TestCgroupsAreLinux(t *testing.T) {
	root := cgroup2(t)
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skip("no network namespace: ", err)
	}
	require.NoError(t, loopbackUp())
	above, child := join(t, root, "skep-above")
	r := rand.New(rand.NewPCG(1, 9))
	n := 60
	if testing.Short() {
		n = 10
	}
	for range n {
		cs := make([]connector, 1+r.IntN(4))
		for i := range cs {
			cs[i] = connector{r.IntN(2) == 0, int32(r.IntN(2)), []int32{1, 1, 0, -1, -13, -110}[r.IntN(6)]}
		}
		there, kerr := kernelConnect(t, cs, above, child)
		here, err := hostConnect(t, cs)
		require.Equal(t, there, here, "%+v", cs)
		require.Equal(t, kerr, err, "%+v", cs)
	}
}

func hostConnect(t *testing.T, cs []connector) (said []uint64, errno int) {
	h := hook.NewHost(nil)
	c, err := skep.NewCollection(connectSpec(cs), nil)
	require.NoError(t, err)
	defer c.Close()
	for i, x := range cs {
		path := "/above"
		if x.child {
			path += "/child"
		}
		_, err := h.AttachCgroup(hook.CgroupOptions{Path: path, Attach: ebpf.AttachCGroupInet4Connect, Program: c.Programs[fmt.Sprintf("p%d", i)]})
		require.NoError(t, err)
	}
	_, err = h.Cgroup("/above/child").Connect(&hook.SockAddr{Addr: netip.MustParseAddrPort("127.0.0.1:9")})
	r, rerr := skep.NewRingReader(c.Maps["log"])
	require.NoError(t, rerr)
	defer r.Close()
	require.NoError(t, r.Flush())
	for b, err := range r.Records() {
		require.NoError(t, err)
		said = append(said, binary.NativeEndian.Uint64(b))
	}
	return said, int(maps.ErrnoOf(err))
}

func kernelConnect(t *testing.T, cs []connector, above, child string) (said []uint64, errno int) {
	c, err := ebpf.NewCollection(connectSpec(cs))
	if err != nil {
		t.Skip("programs: ", err)
	}
	defer c.Close()
	for i, x := range cs {
		path := above
		if x.child {
			path = child
		}
		l, err := link.AttachCgroup(link.CgroupOptions{Path: path, Attach: ebpf.AttachCGroupInet4Connect, Program: c.Programs[fmt.Sprintf("p%d", i)]})
		if err != nil {
			t.Skip("attach: ", err)
		}
		defer l.Close()
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	require.NoError(t, err)
	defer unix.Close(fd)
	err = unix.Connect(fd, &unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}})
	var e unix.Errno
	errors.As(err, &e)
	r, err := ringbuf.NewReader(c.Maps["log"])
	require.NoError(t, err)
	defer r.Close()
	require.NoError(t, r.Flush())
	for {
		rec, err := r.Read()
		if err != nil {
			return said, int(e)
		}
		said = append(said, binary.NativeEndian.Uint64(rec.RawSample))
	}
}

// cgroup2 is where the hierarchy of cgroups is.
func cgroup2(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces and cgroups need root")
	}
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
			return dir
		}
	}
	t.Skip("there is no hierarchy of cgroups of version 2")
	return ""
}

// join makes a cgroup with one in it, and puts the test into the latter until it ends.
func join(t *testing.T, root, name string) (above, child string) {
	t.Helper()
	above = root + "/" + name
	child = above + "/child"
	if err := os.MkdirAll(child, 0o755); err != nil {
		t.Skip("cgroup: ", err)
	}
	t.Cleanup(func() { os.Remove(child); os.Remove(above) })
	if err := os.WriteFile(child+"/cgroup.procs", fmt.Append(nil, os.Getpid()), 0); err != nil {
		t.Skip("join cgroup: ", err)
	}
	t.Cleanup(func() { os.WriteFile(root+"/cgroup.procs", fmt.Append(nil, os.Getpid()), 0) })
	return above, child
}
