package hook_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/examples/filewatch"
	"github.com/skepbpf/skep/hook"
	"github.com/skepbpf/skep/maps"
)

// load makes a program of text, which runs on the host's clock.
func load(t *testing.T, h *hook.Host, text string) *skep.Program {
	t.Helper()
	p, _ := loadMaps(t, h, text)
	return p
}

func loadMaps(t *testing.T, h *hook.Host, text string) (*skep.Program, map[string]*skep.Map) {
	t.Helper()
	c, err := skep.OpenCollection(strings.NewReader(text), &skep.Options{Env: h.Env()})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	for _, p := range c.Programs {
		return p, c.Maps
	}
	return nil, nil
}

// returns is a program that returns a number.
func returns(typ string, n int) string {
	return fmt.Sprintf("prog %s\nname returns_%d\nr0 = %d\nexit\n", typ, max(n, -n), n)
}

// redirects is a program that redirects to an interface.
func redirects(typ string, ifindex, flags int) string {
	return fmt.Sprintf("prog %s\nname redirects\nr1 = %d\nr2 = %d\ncall bpf_redirect\nexit\n", typ, ifindex, flags)
}

var (
	client = netip.MustParseAddrPort("198.51.100.7:40000")
	server = netip.MustParseAddrPort("192.0.2.1:53")
)

// frame is a UDP datagram from one address to another.
func frame(src, dst netip.AddrPort, payload string) []byte {
	b := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, byte(28 + len(payload)), 0, 0, 0, 0, 64, 17, 0, 0}
	s, d := src.Addr().As4(), dst.Addr().As4()
	b = append(append(b, s[:]...), d[:]...)
	for _, v := range []uint16{src.Port(), dst.Port(), uint16(8 + len(payload)), 0} {
		b = append(b, byte(v>>8), byte(v))
	}
	return append(b, payload...)
}

// hooks are where the programs of a trip ran.
func hooks(steps []hook.Step) (out []string) {
	for _, s := range steps {
		out = append(out, fmt.Sprintf("%s %d", s.Hook, s.Return))
	}
	return out
}

func close(t *testing.T, l *hook.Link) {
	t.Helper()
	require.NoError(t, l.Close())
}

func TestOrder(t *testing.T) {
	h := hook.NewHost(nil)
	eth0, eth1 := h.AddInterface("eth0"), h.AddInterface("eth1")
	sock := h.Listen(hook.UDP, server)
	tap := h.PacketSocket(eth0)
	attach := func(l *hook.Link, err error) *hook.Link {
		t.Helper()
		require.NoError(t, err)
		return l
	}
	attach(h.AttachXDP(hook.XDPOptions{Program: load(t, h, returns("xdp", 2)), Interface: eth0.Index}))
	tc := attach(h.AttachTCX(hook.TCXOptions{Program: load(t, h, returns("sched_cls", 0)), Interface: eth0.Index, Attach: ebpf.AttachTCXIngress}))
	next := attach(h.AttachTCX(hook.TCXOptions{Program: load(t, h, returns("sched_cls", -1)), Interface: eth0.Index,
		Attach: ebpf.AttachTCXIngress, Anchor: hook.Before(tc)}))
	attach(h.AttachCgroup(hook.CgroupOptions{Program: load(t, h, returns("cgroup_skb", 1)), Attach: ebpf.AttachCGroupInetIngress}))
	attach(h.AttachSocketFilter(sock, load(t, h, returns("socket_filter", 10))))
	attach(h.AttachSocketFilter(tap, load(t, h, returns("socket_filter", 14))))

	trip, err := eth0.Receive(frame(client, server, "hello"))
	require.NoError(t, err)
	require.Equal(t, hook.Delivered, trip.Verdict)
	require.Same(t, sock, trip.Socket)
	require.Equal(t, []string{"xdp eth0 2", "filter of socket 2 14", "tc ingress eth0 -1", "tc ingress eth0 0",
		"cgroup / cgroup_inet_ingress 1", "filter of socket 1 10"}, hooks(trip.Steps))
	require.Equal(t, [][]byte{[]byte("he")}, sock.Received(), "10 bytes from the UDP header on")
	require.Equal(t, [][]byte{frame(client, server, "hello")[:14]}, tap.Received())

	// What was detached does not run.
	close(t, next)
	close(t, next)
	trip, err = eth0.Receive(frame(client, server, "hello"))
	require.NoError(t, err)
	require.NotContains(t, hooks(trip.Steps), "tc ingress eth0 -1")

	// Update.
	require.NoError(t, tc.Update(load(t, h, redirects("sched_cls", eth1.Index, 0))))
	trip, err = eth0.Receive(frame(client, server, "hello"))
	require.NoError(t, err)
	require.Equal(t, hook.Sent, trip.Verdict)
	require.Same(t, eth1, trip.Interface)
	require.Equal(t, [][]byte{frame(client, server, "hello")}, eth1.Sent())
	require.Empty(t, eth1.Sent())
}

func TestRefusedAttachments(t *testing.T) {
	h := hook.NewHost(nil)
	eth0 := h.AddInterface("eth0")
	xdp, tc := load(t, h, returns("xdp", 2)), load(t, h, returns("sched_cls", 0))
	l, err := h.AttachXDP(hook.XDPOptions{Program: xdp, Interface: eth0.Index})
	require.NoError(t, err)
	for name, attach := range map[string]func() (*hook.Link, error){
		"busy":         func() (*hook.Link, error) { return h.AttachXDP(hook.XDPOptions{Program: xdp, Interface: eth0.Index}) },
		"type":         func() (*hook.Link, error) { return h.AttachXDP(hook.XDPOptions{Program: tc, Interface: 1}) },
		"no interface": func() (*hook.Link, error) { return h.AttachXDP(hook.XDPOptions{Program: xdp, Interface: 9}) },
		"no program":   func() (*hook.Link, error) { return h.Kprobe("do_exit", nil, nil) },
		"cgroup": func() (*hook.Link, error) {
			return h.AttachCgroup(hook.CgroupOptions{Program: xdp, Attach: ebpf.AttachCGroupInetEgress})
		},
		"attach type": func() (*hook.Link, error) {
			return h.AttachCgroup(hook.CgroupOptions{Attach: ebpf.AttachCGroupInet6Connect,
				Program: load(t, h, "prog cgroup_sock_addr\nattach cgroup_inet4_connect\nr0 = 1\nexit\n")})
		},
		"anchor": func() (*hook.Link, error) {
			return h.AttachTCX(hook.TCXOptions{Program: tc, Interface: 2, Attach: ebpf.AttachTCXEgress, Anchor: hook.After(l)})
		},
	} {
		got, err := attach()
		require.Error(t, err, name)
		require.Nil(t, got, name)
	}
	require.Len(t, h.Links(), 1, "nothing is left attached")
	require.ErrorIs(t, l.Update(tc), maps.EINVAL)
	trip, err := eth0.Receive(frame(client, server, ""))
	require.NoError(t, err)
	require.Len(t, trip.Steps, 1)

	// The link keeps the program.
	require.NoError(t, xdp.Close())
	trip, err = eth0.Receive(frame(client, server, ""))
	require.NoError(t, err)
	require.Len(t, trip.Steps, 1)
	close(t, l)
	require.ErrorIs(t, l.Update(tc), hook.ErrClosed)
	require.Empty(t, h.Links())
}

func TestRedirectLoop(t *testing.T) {
	h := hook.NewHost(nil)
	a, b := h.AddVeth("a", "b")
	for _, i := range []*hook.Interface{a, b} {
		_, err := h.AttachXDP(hook.XDPOptions{Program: load(t, h, redirects("xdp", i.Index, 0)), Interface: i.Index})
		require.NoError(t, err)
	}
	trip, err := a.Receive(frame(client, server, ""))
	require.NoError(t, err)
	require.Equal(t, hook.Dropped, trip.Verdict)
	require.Contains(t, trip.Why, "redirects")
}

func TestVeth(t *testing.T) {
	h := hook.NewHost(nil)
	a, b := h.AddVeth("a", "b")
	_, err := h.AttachXDP(hook.XDPOptions{Program: load(t, h, returns("xdp", 3)), Interface: b.Index})
	require.NoError(t, err)
	tap := h.PacketSocket(a)
	trip, err := a.Send(frame(client, server, ""))
	require.NoError(t, err)
	require.Equal(t, []string{"xdp b 3"}, hooks(trip.Steps), "XDP_TX sends it back")
	require.Equal(t, hook.Delivered, trip.Verdict)
	require.Same(t, a, trip.Interface)
	require.Len(t, tap.Received(), 2, "on its way out and back")
}

// TestMarks: what TC writes to the packet's fields stays with it.
func TestMarks(t *testing.T) {
	h := hook.NewHost(nil)
	eth0 := h.AddInterface("eth0")
	set := load(t, h, "prog sched_cls\nr2 = 77\n*(u32 *)(r1 +8) = r2\nr0 = -1\nexit\n")
	get := load(t, h, "prog sched_cls\nr0 = *(u32 *)(r1 +8)\nif r0 == 77 goto ok\nr0 = 2\nexit\nok:\nr0 = 0\nexit\n")
	for _, p := range []*skep.Program{set, get} {
		_, err := h.AttachTCX(hook.TCXOptions{Program: p, Interface: eth0.Index, Attach: ebpf.AttachTCXEgress})
		require.NoError(t, err)
	}
	trip, err := eth0.Send(frame(client, server, ""))
	require.NoError(t, err)
	require.Equal(t, hook.Sent, trip.Verdict)
	require.Len(t, eth0.Sent(), 1)
}

// TestCgroupSKB: all programs of a cgroup and of those above it must agree.
func TestCgroupSKB(t *testing.T) {
	h := hook.NewHost(nil)
	eth0 := h.AddInterface("eth0")
	s := h.Dial(hook.UDP, server, client)
	s.Cgroup = h.Cgroup("/web/api")
	for path, n := range map[string]int{"/web/api": 1, "/web": 0, "/": 1, "/other": 0} {
		_, err := h.AttachCgroup(hook.CgroupOptions{Path: path, Program: load(t, h, returns("cgroup_skb", n)), Attach: ebpf.AttachCGroupInetEgress})
		require.NoError(t, err)
	}
	trip, err := s.Send(eth0, frame(server, client, ""))
	require.NoError(t, err)
	require.Equal(t, hook.Dropped, trip.Verdict)
	require.Equal(t, []string{"cgroup /web/api cgroup_inet_egress 1", "cgroup /web cgroup_inet_egress 0", "cgroup / cgroup_inet_egress 1"},
		hooks(trip.Steps))
	require.Empty(t, eth0.Sent())
}

// TestClone: a copy goes out of another interface.
func TestClone(t *testing.T) {
	h := hook.NewHost(nil)
	eth0, eth1 := h.AddInterface("eth0"), h.AddInterface("eth1")
	p := load(t, h, fmt.Sprintf("prog sched_cls\nr2 = %d\nr3 = 0\ncall bpf_clone_redirect\nr0 = 2\nexit\n", eth1.Index))
	_, err := h.AttachTCX(hook.TCXOptions{Program: p, Interface: eth0.Index, Attach: ebpf.AttachTCXIngress})
	require.NoError(t, err)
	trip, err := eth0.Receive(frame(client, server, "x"))
	require.NoError(t, err)
	require.Equal(t, hook.Dropped, trip.Verdict)
	require.Len(t, trip.Clones, 1)
	require.Equal(t, hook.Sent, trip.Clones[0].Verdict)
	require.Equal(t, [][]byte{frame(client, server, "x")}, eth1.Sent())
}

// TestTimer: a timer fires when the clock is moved on.
func TestTimer(t *testing.T) {
	h := hook.NewHost(nil)
	require.Equal(t, time.Second, h.Now())
	n, err := h.Advance(time.Hour)
	require.NoError(t, err)
	require.Zero(t, n)
	_, err = h.Advance(-1)
	require.Error(t, err)
	p := load(t, h, "prog kprobe\ncall bpf_ktime_get_ns\nexit\n")
	_, err = h.Kprobe("do_exit", p, nil)
	require.NoError(t, err)
	done, err := h.Call("do_exit", 0)
	require.NoError(t, err)
	require.Len(t, done.Steps, 1)
	require.EqualValues(t, int32((time.Hour+time.Second).Nanoseconds()&0xffffffff), done.Steps[0].Return)
}

// TestDevMap: redirects by a map of devices: to one, whose program sees the packet, and to all.
func TestDevMap(t *testing.T) {
	h := hook.NewHost(nil)
	eth0, eth1, eth2 := h.AddInterface("eth0"), h.AddInterface("eth1"), h.AddInterface("eth2")
	c, err := skep.NewCollection(&ebpf.CollectionSpec{
		Maps: map[string]*ebpf.MapSpec{"devs": {Name: "devs", Type: ebpf.DevMap, KeySize: 4, ValueSize: 8, MaxEntries: 4}},
		Programs: map[string]*ebpf.ProgramSpec{
			"one": {Name: "one", Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{
				asm.LoadMapPtr(asm.R1, 0).WithReference("devs"), asm.Mov.Imm(asm.R2, 1), asm.Mov.Imm(asm.R3, 1),
				asm.FnRedirectMap.Call(), asm.Return()}},
			"all": {Name: "all", Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{
				asm.LoadMapPtr(asm.R1, 0).WithReference("devs"), asm.Mov.Imm(asm.R2, 0), asm.Mov.Imm(asm.R3, 1<<3|1<<4),
				asm.FnRedirectMap.Call(), asm.Return()}},
			"egress": {Name: "egress", Type: ebpf.XDP, AttachType: ebpf.AttachXDPDevMap, License: "GPL", Instructions: asm.Instructions{
				asm.LoadMem(asm.R0, asm.R1, 20, asm.Word), // egress_ifindex
				asm.JEq.Imm(asm.R0, int32(eth1.Index), "pass"), asm.Mov.Imm(asm.R0, 1), asm.Return(),
				asm.Mov.Imm(asm.R0, 2).WithSymbol("pass"), asm.Return()}},
		}}, nil)
	require.NoError(t, err)
	defer c.Close()
	id, err := c.Programs["egress"].ID()
	require.NoError(t, err)
	type dev struct{ Ifindex, Program uint32 }
	devs := c.Maps["devs"]
	require.NoError(t, devs.Put(uint32(1), dev{uint32(eth1.Index), id}))
	l, err := h.AttachXDP(hook.XDPOptions{Program: c.Programs["one"], Interface: eth0.Index})
	require.NoError(t, err)
	packet := frame(client, server, "x")
	trip, err := eth0.Receive(packet)
	require.NoError(t, err)
	require.Equal(t, []string{"xdp eth0 4", "xdp devmap eth0 2"}, hooks(trip.Steps))
	require.Same(t, eth1, trip.Interface)
	require.Equal(t, [][]byte{packet}, eth1.Sent())

	require.NoError(t, c.Programs["egress"].Close(), "the element keeps it")
	require.NoError(t, devs.Put(uint32(1), dev{uint32(eth2.Index), id}))
	trip, err = eth0.Receive(packet)
	require.NoError(t, err)
	require.Equal(t, hook.Dropped, trip.Verdict)

	require.NoError(t, devs.Delete(uint32(1)))
	trip, err = eth0.Receive(packet)
	require.NoError(t, err)
	require.Equal(t, "XDP_DROP", trip.Why, "what the flags say if there is no element")

	for i, e := range []*hook.Interface{eth0, eth1, eth2} {
		require.NoError(t, devs.Put(uint32(i), dev{Ifindex: uint32(e.Index)}))
	}
	require.NoError(t, l.Update(c.Programs["all"]))
	trip, err = eth0.Receive(packet)
	require.NoError(t, err)
	require.Len(t, trip.Clones, 2, "not where it came from")
	require.Len(t, eth1.Sent(), 1)
	require.Len(t, eth2.Sent(), 1)
	require.Empty(t, eth0.Sent())
}

// TestAttachSection attaches what the sections of an object say.
func TestAttachSection(t *testing.T) {
	h := hook.NewHost(&hook.Options{Arch: "amd64"})
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(filewatch.Object))
	require.NoError(t, err)
	c, err := skep.NewCollection(spec, &skep.Options{Env: h.Env()})
	require.NoError(t, err)
	defer c.Close()
	for _, p := range c.Programs {
		_, err := h.Attach(p)
		require.NoError(t, err)
	}
	var where []string
	for _, l := range h.Links() {
		where = append(where, l.String())
	}
	require.Equal(t, []string{"removed on kprobe do_unlinkat", "opened on tracepoint syscalls:sys_enter_openat"}, where)
	_, err = h.Attach(load(t, h, returns("xdp", 2)))
	require.ErrorIs(t, err, maps.EINVAL)
}

// TestAtOnce: packets, attachments and updates at the same time.
func TestAtOnce(t *testing.T) {
	h := hook.NewHost(nil)
	eth0 := h.AddInterface("eth0")
	pass, drop := load(t, h, returns("xdp", 2)), load(t, h, returns("xdp", 1))
	l, err := h.AttachXDP(hook.XDPOptions{Program: pass, Interface: eth0.Index})
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				trip, err := eth0.Receive(make([]byte, 64))
				if err != nil || len(trip.Steps) != 1 {
					t.Error(trip, err)
					return
				}
			}
		})
	}
	wg.Go(func() {
		for i := range 200 {
			if err := l.Update([]*skep.Program{pass, drop}[i%2]); err != nil {
				t.Error(err)
			}
			x, err := h.Kprobe("f", load(t, h, returns("kprobe", 0)), nil)
			if err != nil {
				t.Error(err)
			}
			x.Close()
		}
	})
	wg.Wait()
	require.Len(t, h.Links(), 1)
}
