package hook_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/hook"
)

// says is a program that says its number in the ring buffer "log", and returns another one.
func says(name string, typ ebpf.ProgramType, attach ebpf.AttachType, number, ret int32) *ebpf.ProgramSpec {
	return &ebpf.ProgramSpec{Name: name, Type: typ, AttachType: attach, License: "GPL", Instructions: asm.Instructions{
		asm.Mov.Imm(asm.R1, number), asm.StoreMem(asm.R10, -8, asm.R1, asm.DWord),
		asm.LoadMapPtr(asm.R1, 0).WithReference("log"),
		asm.Mov.Reg(asm.R2, asm.R10), asm.Add.Imm(asm.R2, -8),
		asm.Mov.Imm(asm.R3, 8), asm.Mov.Imm(asm.R4, 0),
		asm.FnRingbufOutput.Call(),
		asm.Mov.Imm(asm.R0, ret), asm.Return(),
	}}
}

// orderSpec has a program for each hook that a packet passes.
func orderSpec() *ebpf.CollectionSpec {
	c := &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{},
		Maps: map[string]*ebpf.MapSpec{"log": {Name: "log", Type: ebpf.RingBuf, MaxEntries: 1 << 16}}}
	for _, p := range []*ebpf.ProgramSpec{
		says("xdp", ebpf.XDP, ebpf.AttachXDP, 1, 2),
		says("tap", ebpf.SocketFilter, 0, 2, 0x10000),
		says("first", ebpf.SchedCLS, ebpf.AttachTCXIngress, 3, -1),
		says("second", ebpf.SchedCLS, ebpf.AttachTCXIngress, 4, 0),
		says("third", ebpf.SchedCLS, ebpf.AttachTCXIngress, 5, 0), // not reached
		says("in", ebpf.CGroupSKB, ebpf.AttachCGroupInetIngress, 6, 1),
		says("filter", ebpf.SocketFilter, 0, 7, 0x10000),
		says("out", ebpf.CGroupSKB, ebpf.AttachCGroupInetEgress, 8, 1),
		says("egress", ebpf.SchedCLS, ebpf.AttachTCXEgress, 9, 0),
	} {
		c.Programs[p.Name] = p
	}
	return c
}

const (
	orderIn  = "192.0.2.1:5353"
	orderOut = "192.0.2.2:7777"
)

// TestOrderIsLinux sends a packet in and one out, on a pair of network interfaces of the running kernel and on a Host, with the same programs
// attached to the same hooks: they must run in the same order.
func TestOrderIsLinux(t *testing.T) {
	in, out := kernelOrder(t)
	hostIn, hostOut := hostOrder(t)
	require.Equal(t, in, hostIn, "the way in")
	require.Equal(t, out, hostOut, "the way out")
	t.Logf("in: %v, out: %v", in, out)
}

// hostOrder is the order on a Host.
func hostOrder(t *testing.T) (in, out []uint64) {
	h := hook.NewHost(nil)
	c, err := skep.NewCollection(orderSpec(), &skep.Options{Env: h.Env()})
	require.NoError(t, err)
	defer c.Close()
	i := h.AddInterface("eth0")
	sock := h.Listen(hook.UDP, netip.MustParseAddrPort(orderIn))
	sock.Cgroup = h.Cgroup("/order")
	p := c.Programs
	attach := func(_ *hook.Link, err error) { t.Helper(); require.NoError(t, err) }
	attach(h.AttachXDP(hook.XDPOptions{Program: p["xdp"], Interface: i.Index}))
	attach(h.AttachSocketFilter(h.PacketSocket(i), p["tap"]))
	for _, name := range []string{"first", "second", "third"} {
		attach(h.AttachTCX(hook.TCXOptions{Program: p[name], Interface: i.Index, Attach: ebpf.AttachTCXIngress}))
	}
	attach(h.AttachCgroup(hook.CgroupOptions{Path: "/order", Attach: ebpf.AttachCGroupInetIngress, Program: p["in"]}))
	attach(h.AttachSocketFilter(sock, p["filter"]))
	attach(h.AttachCgroup(hook.CgroupOptions{Path: "/order", Attach: ebpf.AttachCGroupInetEgress, Program: p["out"]}))
	attach(h.AttachTCX(hook.TCXOptions{Program: p["egress"], Interface: i.Index, Attach: ebpf.AttachTCXEgress}))

	r, err := skep.NewRingReader(c.Maps["log"])
	require.NoError(t, err)
	defer r.Close()
	read := func() (said []uint64) {
		require.NoError(t, r.Flush())
		for b, err := range r.Records() {
			require.NoError(t, err)
			said = append(said, binary.NativeEndian.Uint64(b))
		}
		return said
	}
	a, b := netip.MustParseAddrPort(orderOut), netip.MustParseAddrPort(orderIn)
	_, err = i.Receive(frame(a, b, "hello"))
	require.NoError(t, err)
	in = read()
	_, err = sock.Send(i, frame(b, a, "hello"))
	require.NoError(t, err)
	return in, read()
}

// kernelOrder is the order in the running kernel, in a network namespace and a cgroup of the test's own.
func kernelOrder(t *testing.T) (in, out []uint64) {
	root := cgroup2(t)
	runtime.LockOSThread() // and never unlocked: the thread ends with the test, and its namespace with it
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skip("no network namespace: ", err)
	}
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Skipf("%s: %v", what, err)
		}
	}
	// Nothing of the kernel's own on the wire.
	must("sysctl", os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0))
	for _, args := range [][]string{{"link", "add", "va", "type", "veth", "peer", "name", "vb"}, {"addr", "add", "192.0.2.1/24", "dev", "vb"},
		{"link", "set", "va", "up"}, {"link", "set", "vb", "up"}, {"neigh", "add", "192.0.2.2", "lladdr", "02:00:00:00:00:02", "dev", "vb"}} {
		b, err := exec.Command("ip", args...).CombinedOutput()
		if err != nil {
			t.Skipf("ip %v: %v: %s", args, err, b)
		}
	}
	vb, err := net.InterfaceByName("vb")
	must("interface", err)
	va, err := net.InterfaceByName("va")
	must("interface", err)

	// The socket's cgroup is that of who makes it.
	group := root + "/skep-order"
	must("cgroup", os.MkdirAll(group, 0o755))
	t.Cleanup(func() { os.Remove(group) })
	must("join cgroup", os.WriteFile(group+"/cgroup.procs", fmt.Append(nil, os.Getpid()), 0))
	t.Cleanup(func() { os.WriteFile(root+"/cgroup.procs", fmt.Append(nil, os.Getpid()), 0) })
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(orderIn)))
	must("socket", err)
	defer conn.Close()
	os.WriteFile(root+"/cgroup.procs", fmt.Append(nil, os.Getpid()), 0)

	c, err := ebpf.NewCollection(orderSpec())
	must("programs", err)
	defer c.Close()
	p := c.Programs
	keep := func(l link.Link, err error) {
		t.Helper()
		must("attach", err)
		t.Cleanup(func() { l.Close() })
	}
	keep(link.AttachXDP(link.XDPOptions{Program: p["xdp"], Interface: vb.Index}))
	tap, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	must("packet socket", err)
	defer unix.Close(tap)
	must("filter", unix.SetsockoptInt(tap, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, p["tap"].FD()))
	const allProtocols = 0x0300 // ETH_P_ALL in network order
	must("bind", unix.Bind(tap, &unix.SockaddrLinklayer{Protocol: allProtocols, Ifindex: vb.Index}))
	for _, name := range []string{"first", "second", "third"} {
		keep(link.AttachTCX(link.TCXOptions{Program: p[name], Interface: vb.Index, Attach: ebpf.AttachTCXIngress}))
	}
	keep(link.AttachCgroup(link.CgroupOptions{Path: group, Attach: ebpf.AttachCGroupInetIngress, Program: p["in"]}))
	keep(link.AttachCgroup(link.CgroupOptions{Path: group, Attach: ebpf.AttachCGroupInetEgress, Program: p["out"]}))
	must("filter", link.AttachSocketFilter(conn, p["filter"]))
	keep(link.AttachTCX(link.TCXOptions{Program: p["egress"], Interface: vb.Index, Attach: ebpf.AttachTCXEgress}))

	r, err := ringbuf.NewReader(c.Maps["log"])
	must("ring buffer", err)
	defer r.Close()
	read := func() (said []uint64) {
		r.SetDeadline(time.Now().Add(200 * time.Millisecond))
		for {
			rec, err := r.Read()
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return said
			}
			require.NoError(t, err)
			said = append(said, binary.NativeEndian.Uint64(rec.RawSample))
		}
	}
	read() // what the kernel sends when interfaces come up
	a, b := netip.MustParseAddrPort(orderOut), netip.MustParseAddrPort(orderIn)
	packet := frame(a, b, "hello")
	copy(packet, vb.HardwareAddr)
	checksum(packet)
	must("send", unix.Sendto(tap, packet, 0, &unix.SockaddrLinklayer{Protocol: 0x0008, Ifindex: va.Index}))
	in = read()
	_, err = conn.WriteToUDPAddrPort([]byte("hello"), a)
	must("send", err)
	return in, read()
}

// checksum fills in that of the IP header.
func checksum(b []byte) {
	sum := uint32(0)
	for i := 14; i < 34; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	sum = sum>>16 + sum&0xffff
	binary.BigEndian.PutUint16(b[24:], ^uint16(sum+sum>>16))
}

// loopbackUp brings up the loopback device of the namespace.
func loopbackUp() error { return exec.Command("ip", "link", "set", "lo", "up").Run() }
