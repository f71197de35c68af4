package hook_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
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

// pathCases: most of the time goes by while the kernel attaches and detaches.
var pathCases = flag.Int("path.cases", 12, "`number` of cases of TestPathIsLinux")

// A decision is what a program decides: a return value, or a redirect.
type decision struct {
	ret      int32
	redirect bool
	other    bool // to the other interface, not the one that the packet came in on
	flags    int32
}

// A pathCase is what the programs on the way of a packet decide. It comes in on vb, whose peer is va; wb and wa are another pair.
type pathCase struct {
	xdp, tc1, tc2, cgroup, filter decision
	egress                        decision // of both vb and wb
	ingress2                      decision // of wb
}

// deciders are the programs of a case, by name.
func (p *pathCase) spec(vb, wb int) *ebpf.CollectionSpec {
	c := &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{},
		Maps: map[string]*ebpf.MapSpec{"log": {Name: "log", Type: ebpf.RingBuf, MaxEntries: 1 << 16}}}
	add := func(name string, typ ebpf.ProgramType, at ebpf.AttachType, number int32, d decision) {
		s := says(name, typ, at, number, d.ret)
		if d.redirect {
			to := vb
			if d.other {
				to = wb
			}
			n := len(s.Instructions)
			s.Instructions = append(s.Instructions[:n-2:n-2], asm.Mov.Imm(asm.R1, int32(to)), asm.Mov.Imm(asm.R2, d.flags),
				asm.FnRedirect.Call(), asm.Return())
		}
		c.Programs[name] = s
	}
	add("xdp", ebpf.XDP, ebpf.AttachXDP, 1, p.xdp)
	add("tc1", ebpf.SchedCLS, ebpf.AttachTCXIngress, 2, p.tc1)
	add("tc2", ebpf.SchedCLS, ebpf.AttachTCXIngress, 3, p.tc2)
	add("cgroup", ebpf.CGroupSKB, ebpf.AttachCGroupInetIngress, 4, p.cgroup)
	add("filter", ebpf.SocketFilter, 0, 5, p.filter)
	add("egress", ebpf.SchedCLS, ebpf.AttachTCXEgress, 6, p.egress)
	add("egress2", ebpf.SchedCLS, ebpf.AttachTCXEgress, 7, p.egress)
	add("ingress2", ebpf.SchedCLS, ebpf.AttachTCXIngress, 8, p.ingress2)
	return c
}

// A fate is what became of a packet.
type fate struct {
	Said     []uint64
	VA, WA   int      // frames that arrived at the peers
	Received []string // by the socket
}

func randomCase(r *rand.Rand) *pathCase {
	p := &pathCase{xdp: decision{ret: 2}, tc1: decision{ret: -1}, tc2: decision{ret: 0}, cgroup: decision{ret: 1}, filter: decision{ret: 0xffff},
		egress: decision{ret: 0}, ingress2: decision{ret: 0}}
	tc := func() decision {
		switch r.IntN(4) {
		case 0:
			return decision{redirect: true, other: r.IntN(3) > 0, flags: int32(r.IntN(2))}
		}
		return decision{ret: []int32{-1, 0, 2, 3, 1, 8, 77}[r.IntN(7)]}
	}
	if r.IntN(3) == 0 {
		p.xdp = decision{ret: []int32{0, 1, 3, 9}[r.IntN(4)]}
		if r.IntN(2) == 0 {
			p.xdp = decision{redirect: true, other: r.IntN(3) > 0}
		}
	}
	if r.IntN(2) == 0 {
		p.tc1 = tc()
	}
	if r.IntN(2) == 0 {
		p.tc2 = tc()
	}
	if p.tc1.redirect && p.tc1.flags == 1 && !p.tc1.other || p.tc2.redirect && p.tc2.flags == 1 && !p.tc2.other {
		// In again on the same interface, and so on for ever.
		p.tc1, p.tc2 = decision{ret: -1}, decision{ret: 0}
	}
	p.cgroup.ret, p.filter.ret = int32(min(r.IntN(5), 1)), []int32{0, 9, 12, 0xffff, 0xffff}[r.IntN(5)]
	if r.IntN(4) == 0 {
		p.egress.ret = []int32{-1, 2}[r.IntN(2)]
	}
	p.ingress2.ret = []int32{0, 0, 2}[r.IntN(3)]
	return p
}

// TestPathIsLinux sends packets through random decisions, on interfaces of the running kernel and on a Host: the same programs must run, and
// the packets end where Linux lets them end.
func TestPathIsLinux(t *testing.T) {
	k := newKernelPath(t)
	r := rand.New(rand.NewPCG(8, 8))
	n := *pathCases
	if testing.Short() {
		n = min(n, 3)
	}
	bad := 0
	for range n {
		p := randomCase(r)
		there, here := k.run(t, p), hostPath(t, p)
		if fmt.Sprint(there) != fmt.Sprint(here) {
			t.Errorf("%+v:\n  %+v, kernel\n  %+v", *p, here, there)
			if bad++; bad > 5 {
				return
			}
		}
	}
}

func hostPath(t *testing.T, p *pathCase) (f fate) {
	h := hook.NewHost(nil)
	va, vb := h.AddVeth("va", "vb")
	wa, wb := h.AddVeth("wa", "wb")
	for n, i := range []*hook.Interface{vb, va, wa, wb} {
		i.MAC = hook.HardwareAddr{2, 0, 0, 0, 0, byte(n + 1)} // the packet is for vb
	}
	c, err := skep.NewCollection(p.spec(vb.Index, wb.Index), nil)
	require.NoError(t, err)
	defer c.Close()
	sock := h.Listen(hook.UDP, netip.MustParseAddrPort(orderIn))
	taps := map[*hook.Interface]*hook.Socket{va: h.PacketSocket(va), wa: h.PacketSocket(wa)}
	attach := func(_ *hook.Link, err error) { t.Helper(); require.NoError(t, err) }
	tc := func(name string, i *hook.Interface, at ebpf.AttachType) {
		t.Helper()
		attach(h.AttachTCX(hook.TCXOptions{Program: c.Programs[name], Interface: i.Index, Attach: at}))
	}
	attach(h.AttachXDP(hook.XDPOptions{Program: c.Programs["xdp"], Interface: vb.Index}))
	tc("tc1", vb, ebpf.AttachTCXIngress)
	tc("tc2", vb, ebpf.AttachTCXIngress)
	tc("egress", vb, ebpf.AttachTCXEgress)
	tc("egress2", wb, ebpf.AttachTCXEgress)
	tc("ingress2", wb, ebpf.AttachTCXIngress)
	attach(h.AttachCgroup(hook.CgroupOptions{Attach: ebpf.AttachCGroupInetIngress, Program: c.Programs["cgroup"]}))
	attach(h.AttachSocketFilter(sock, c.Programs["filter"]))
	r, err := skep.NewRingReader(c.Maps["log"])
	require.NoError(t, err)
	defer r.Close()
	_, err = va.Send(frame(netip.MustParseAddrPort(orderOut), netip.MustParseAddrPort(orderIn), "hello"))
	require.NoError(t, err)
	require.NoError(t, r.Flush())
	for b, err := range r.Records() {
		require.NoError(t, err)
		f.Said = append(f.Said, binary.NativeEndian.Uint64(b))
	}
	f.VA, f.WA = len(taps[va].Received())-1, len(taps[wa].Received()) // without the one that is sent
	for _, b := range sock.Received() {
		f.Received = append(f.Received, string(b))
	}
	return f
}

// A kernelPath is two pairs of interfaces in a network namespace, a cgroup with a socket, and who listens at the other ends.
type kernelPath struct {
	vb, wb, va *net.Interface
	group      string
	conn       *net.UDPConn
	tapA, tapW int
}

func newKernelPath(t *testing.T) *kernelPath {
	root := cgroup2(t)
	runtime.LockOSThread() // and never unlocked: the namespace ends with the thread
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Skip(err)
		}
	}
	must(unix.Unshare(unix.CLONE_NEWNET))
	must(os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0))
	for _, args := range [][]string{{"link", "add", "va", "type", "veth", "peer", "name", "vb"}, {"link", "add", "wa", "type", "veth", "peer", "name", "wb"},
		{"addr", "add", "192.0.2.1/24", "dev", "vb"}, {"link", "set", "va", "up"}, {"link", "set", "vb", "up"}, {"link", "set", "wa", "up"},
		{"link", "set", "wb", "up"}} {
		if b, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Skipf("ip %v: %v: %s", args, err, b)
		}
	}
	// What comes in on the other interface is for the socket, too.
	for _, name := range []string{"all", "vb", "wb"} {
		must(os.WriteFile("/proc/sys/net/ipv4/conf/"+name+"/rp_filter", []byte("0"), 0))
		must(os.WriteFile("/proc/sys/net/ipv4/conf/"+name+"/accept_local", []byte("1"), 0))
	}
	k := &kernelPath{group: root + "/skep-path"}
	var err error
	k.va, err = net.InterfaceByName("va")
	must(err)
	k.vb, err = net.InterfaceByName("vb")
	must(err)
	k.wb, err = net.InterfaceByName("wb")
	must(err)
	wa, err := net.InterfaceByName("wa")
	must(err)
	must(os.MkdirAll(k.group, 0o755))
	t.Cleanup(func() { os.Remove(k.group) })
	must(os.WriteFile(k.group+"/cgroup.procs", fmt.Append(nil, os.Getpid()), 0))
	k.conn, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(orderIn)))
	os.WriteFile(root+"/cgroup.procs", fmt.Append(nil, os.Getpid()), 0)
	must(err)
	t.Cleanup(func() { k.conn.Close() })
	tap := func(i *net.Interface) int {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK, 0x0300)
		must(err)
		must(unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: 0x0300, Ifindex: i.Index}))
		t.Cleanup(func() { unix.Close(fd) })
		return fd
	}
	k.tapA, k.tapW = tap(k.va), tap(wa)
	return k
}

func (k *kernelPath) run(t *testing.T, p *pathCase) (f fate) {
	c, err := ebpf.NewCollection(p.spec(k.vb.Index, k.wb.Index))
	if err != nil {
		t.Skip("programs: ", err)
	}
	defer c.Close()
	var links []link.Link
	defer func() {
		for _, l := range links {
			l.Close()
		}
	}()
	keep := func(l link.Link, err error) {
		t.Helper()
		if err != nil {
			t.Skip("attach: ", err)
		}
		links = append(links, l)
	}
	tc := func(name string, i *net.Interface, at ebpf.AttachType) {
		t.Helper()
		keep(link.AttachTCX(link.TCXOptions{Program: c.Programs[name], Interface: i.Index, Attach: at}))
	}
	keep(link.AttachXDP(link.XDPOptions{Program: c.Programs["xdp"], Interface: k.vb.Index, Flags: link.XDPGenericMode}))
	tc("tc1", k.vb, ebpf.AttachTCXIngress)
	tc("tc2", k.vb, ebpf.AttachTCXIngress)
	tc("egress", k.vb, ebpf.AttachTCXEgress)
	tc("egress2", k.wb, ebpf.AttachTCXEgress)
	tc("ingress2", k.wb, ebpf.AttachTCXIngress)
	keep(link.AttachCgroup(link.CgroupOptions{Path: k.group, Attach: ebpf.AttachCGroupInetIngress, Program: c.Programs["cgroup"]}))
	require.NoError(t, link.AttachSocketFilter(k.conn, c.Programs["filter"]))
	r, err := ringbuf.NewReader(c.Maps["log"])
	require.NoError(t, err)
	defer r.Close()

	packet := frame(netip.MustParseAddrPort(orderOut), netip.MustParseAddrPort(orderIn), "hello")
	copy(packet, k.vb.HardwareAddr)
	checksum(packet)
	frames(k.tapA)
	frames(k.tapW)
	require.NoError(t, unix.Sendto(k.tapA, packet, 0, &unix.SockaddrLinklayer{Protocol: 0x0008, Ifindex: k.va.Index}))
	time.Sleep(10 * time.Millisecond)
	require.NoError(t, r.Flush())
	for {
		rec, err := r.Read()
		if err != nil {
			break
		}
		f.Said = append(f.Said, binary.NativeEndian.Uint64(rec.RawSample))
	}
	f.VA, f.WA = frames(k.tapA), frames(k.tapW)
	b := make([]byte, 2000)
	for {
		k.conn.SetReadDeadline(time.Now().Add(time.Millisecond))
		n, err := k.conn.Read(b)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return f
		}
		require.NoError(t, err)
		f.Received = append(f.Received, string(b[:n]))
	}
}

// frames counts the frames with the payload that a packet socket has seen come in.
func frames(fd int) (n int) {
	b := make([]byte, 2000)
	for {
		m, from, err := unix.Recvfrom(fd, b, 0)
		if err != nil {
			return n
		}
		if ll, ok := from.(*unix.SockaddrLinklayer); ok && ll.Pkttype != unix.PACKET_OUTGOING && bytes.Contains(b[:m], []byte("hello")) {
			n++
		}
	}
}
