package hook_test

import (
	"net/netip"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/hook"
	"github.com/skepbpf/skep/maps"
)

func attachCgroup(t *testing.T, h *hook.Host, path string, at ebpf.AttachType, text string) *hook.Link {
	t.Helper()
	l, err := h.AttachCgroup(hook.CgroupOptions{Path: path, Attach: at, Program: load(t, h, text)})
	require.NoError(t, err)
	return l
}

// TestConnect: a program sends connections to another address, as a load balancer does; another refuses some.
func TestConnect(t *testing.T) {
	h := hook.NewHost(nil)
	c := h.Cgroup("/web")
	// From 10.0.0.1:80 to 10.0.0.2:8080.
	attachCgroup(t, h, "/web", ebpf.AttachCGroupInet4Connect, `prog cgroup_sock_addr
attach cgroup_inet4_connect
	r2 = *(u32 *)(r1 +4)
	if r2 != 0x0100000a goto out
	r2 = 0x0200000a
	*(u32 *)(r1 +4) = r2
	r2 = 0x901f
	*(u32 *)(r1 +24) = r2
out:
	r0 = 1
	exit
`)
	attachCgroup(t, h, "/", ebpf.AttachCGroupInet4Connect, `prog cgroup_sock_addr
attach cgroup_inet4_connect
	r0 = 0
	r2 = *(u32 *)(r1 +4)
	if r2 != 0x0200000a goto out
	r0 = 1
out:
	exit
`)
	a := &hook.SockAddr{Addr: netip.MustParseAddrPort("10.0.0.1:80")}
	steps, err := c.Connect(a)
	require.NoError(t, err)
	require.Len(t, steps, 2)
	require.Equal(t, "10.0.0.2:8080", a.Addr.String())
	_, err = c.Connect(&hook.SockAddr{Addr: netip.MustParseAddrPort("10.0.0.3:80")})
	require.ErrorIs(t, err, maps.EPERM)
	steps, err = c.Connect(&hook.SockAddr{Addr: netip.MustParseAddrPort("[2001:db8::1]:80")})
	require.NoError(t, err)
	require.Empty(t, steps, "those are for IPv4")
	_, err = c.Connect(&hook.SockAddr{})
	require.Error(t, err)
}

func TestBind6(t *testing.T) {
	h := hook.NewHost(nil)
	attachCgroup(t, h, "", ebpf.AttachCGroupInet6Bind, `prog cgroup_sock_addr
attach cgroup_inet6_bind
	r2 = *(u32 *)(r1 +36)
	if r2 != 6 goto out
	r2 = 1
	r2 <<= 24
	*(u32 *)(r1 +20) = r2
out:
	r0 = 1
	exit
`)
	a := &hook.SockAddr{Addr: netip.MustParseAddrPort("[::]:443")}
	_, err := h.Cgroup("/").Bind(a)
	require.NoError(t, err)
	require.Equal(t, "[::1]:443", a.Addr.String())
}

// TestErrno: a program chooses the error.
func TestErrno(t *testing.T) {
	h := hook.NewHost(nil)
	attachCgroup(t, h, "", ebpf.AttachCGroupInet4Connect, `prog cgroup_sock_addr
attach cgroup_inet4_connect
	r1 = -13
	call bpf_set_retval
	r0 = 0
	exit
`)
	_, err := h.Cgroup("/").Connect(&hook.SockAddr{Addr: netip.MustParseAddrPort("10.0.0.1:80")})
	require.ErrorIs(t, err, maps.EACCES)
}

func TestSockopt(t *testing.T) {
	h := hook.NewHost(nil)
	c := h.Cgroup("/")
	// Sets the first byte of the value to 7, and refuses level 9.
	body := `
	r6 = r1
	r2 = *(u64 *)(r6 +8)
	r3 = *(u64 *)(r6 +16)
	r4 = r2
	r4 += 1
	if r4 > r3 goto out
	r5 = 7
	*(u8 *)(r2 +0) = r5
out:
	r0 = 1
	r2 = *(u32 *)(r6 +24)
	if r2 != 9 goto ok
	r0 = 0
ok:
	exit
`
	attachCgroup(t, h, "", ebpf.AttachCGroupSetsockopt, "prog cgroup_sockopt\nattach cgroup_setsockopt\n"+body)
	attachCgroup(t, h, "", ebpf.AttachCGroupGetsockopt, "prog cgroup_sockopt\nattach cgroup_getsockopt\n"+body)
	o := &hook.Sockopt{Level: 1, Name: 2, Value: []byte{1, 2, 3, 4}}
	_, err := c.Setsockopt(o)
	require.NoError(t, err)
	require.Equal(t, []byte{7, 2, 3, 4}, o.Value)
	_, err = c.Getsockopt(o)
	require.NoError(t, err)
	_, err = c.Setsockopt(&hook.Sockopt{Level: 9, Value: []byte{0}})
	require.ErrorIs(t, err, maps.EPERM)
	o = &hook.Sockopt{Level: 9, Value: []byte{0}}
	_, err = c.Getsockopt(o)
	require.NoError(t, err)
	require.EqualValues(t, -1, o.Ret)
	_, err = c.Setsockopt(&hook.Sockopt{Level: 1})
	require.NoError(t, err)

	// A program does it all by itself; one of getsockopt hides an error.
	h = hook.NewHost(nil)
	attachCgroup(t, h, "", ebpf.AttachCGroupSetsockopt, "prog cgroup_sockopt\nattach cgroup_setsockopt\nr2 = -1\n*(u32 *)(r1 +32) = r2\nr0 = 1\nexit\n")
	attachCgroup(t, h, "", ebpf.AttachCGroupGetsockopt, "prog cgroup_sockopt\nattach cgroup_getsockopt\nr2 = 0\n*(u32 *)(r1 +36) = r2\nr0 = 1\nexit\n")
	o = &hook.Sockopt{Value: []byte{1}}
	_, err = h.Cgroup("/").Setsockopt(o)
	require.NoError(t, err)
	require.True(t, o.Bypass)
	o = &hook.Sockopt{Value: []byte{1}, Ret: -92}
	_, err = h.Cgroup("/").Getsockopt(o)
	require.NoError(t, err)
	require.Zero(t, o.Ret)
}

func TestSysctl(t *testing.T) {
	h := hook.NewHost(nil)
	c := h.Cgroup("/")
	// Reads are allowed; what is written becomes "1".
	attachCgroup(t, h, "", ebpf.AttachCGroupSysctl, `prog cgroup_sysctl
	r6 = r1
	r0 = *(u32 *)(r6 +0)
	if r0 == 0 goto out
	r2 = r10
	r2 += -8
	r3 = 0x31
	*(u64 *)(r10 -8) = r3
	r1 = r6
	r3 = 1
	call bpf_sysctl_set_new_value
	if r0 != 0 goto bad
	r2 = r10
	r2 += -16
	r1 = r6
	r3 = 16
	r4 = 1
	*(u64 *)(r10 -16) = 0
	*(u64 *)(r10 -8) = 0
	call bpf_sysctl_get_name
	if r0 != 10 goto bad
out:
	r0 = 1
	exit
bad:
	r0 = 0
	exit
`)
	s := &hook.Sysctl{Name: "net/ipv4/ip_forward", Current: "0\n", Write: true, New: "0\n"}
	_, err := c.Sysctl(s)
	require.NoError(t, err)
	require.Equal(t, "1", s.New)
	_, err = c.Sysctl(&hook.Sysctl{Name: "kernel/x", Write: true, New: "0\n"})
	require.ErrorIs(t, err, maps.EPERM, "its name has another length")
	_, err = c.Sysctl(&hook.Sysctl{Name: "kernel/x"})
	require.NoError(t, err)
}

func TestDevice(t *testing.T) {
	h := hook.NewHost(nil)
	// Reading of character devices alone.
	attachCgroup(t, h, "/jail", ebpf.AttachCGroupDevice, "prog cgroup_device\nr2 = *(u32 *)(r1 +0)\nr0 = 0\nif r2 != 0x20002 goto out\nr0 = 1\nout:\nexit\n")
	c := h.Cgroup("/jail/cell")
	_, err := c.Device(hook.DeviceAccess{Read: true, Major: 1, Minor: 3})
	require.NoError(t, err)
	_, err = c.Device(hook.DeviceAccess{Read: true, Write: true, Major: 1, Minor: 3})
	require.ErrorIs(t, err, maps.EPERM)
	_, err = c.Device(hook.DeviceAccess{Block: true, Read: true})
	require.ErrorIs(t, err, maps.EPERM)
	_, err = h.Cgroup("/").Device(hook.DeviceAccess{Write: true})
	require.NoError(t, err)
}

func TestSockCreate(t *testing.T) {
	h := hook.NewHost(nil)
	attachCgroup(t, h, "", ebpf.AttachCGroupInetSockCreate, `prog cgroup_sock
attach cgroup_inet_sock_create
	r2 = *(u32 *)(r1 +8)
	r0 = 0
	if r2 == 3 goto out
	r2 = 123
	*(u32 *)(r1 +16) = r2
	r0 = 1
out:
	exit
`)
	s := &helpers.Sock{Family: 2, Type: hook.Stream, Protocol: hook.TCP}
	_, err := h.Cgroup("/").Sock(ebpf.AttachCGroupInetSockCreate, s)
	require.NoError(t, err)
	require.EqualValues(t, 123, s.Mark)
	_, err = h.Cgroup("/").Sock(ebpf.AttachCGroupInetSockCreate, &helpers.Sock{Family: 2, Type: 3})
	require.ErrorIs(t, err, maps.EPERM, "no raw sockets")
	_, err = h.Cgroup("/").Sock(ebpf.AttachCGroupDevice, s)
	require.ErrorIs(t, err, maps.EINVAL)
}

func TestSockOps(t *testing.T) {
	h := hook.NewHost(nil)
	reply, _, err := h.Cgroup("/").SockOps(1, nil)
	require.NoError(t, err)
	require.EqualValues(t, -1, reply)
	attachCgroup(t, h, "", ebpf.AttachCGroupSockOps, `prog sock_ops
	r2 = *(u32 *)(r1 +68)
	r3 = *(u32 *)(r1 +0)
	r2 += r3
	*(u32 *)(r1 +4) = r2
	r0 = 1
	exit
`)
	reply, _, err = h.Cgroup("/").SockOps(1, hook.Fields{"local_port": 41})
	require.NoError(t, err)
	require.EqualValues(t, 42, reply)
	_, _, err = h.Cgroup("/").SockOps(1, hook.Fields{"no_field": 1})
	require.ErrorContains(t, err, "no_field")
}

// TestTasks: programs see who the current task is and where.
func TestTasks(t *testing.T) {
	h := hook.NewHost(nil)
	p := load(t, h, "prog kprobe\ncall bpf_get_current_cgroup_id\nexit\n")
	above := load(t, h, "prog kprobe\nr1 = 1\ncall bpf_get_current_ancestor_cgroup_id\nexit\n")
	_, err := h.Kprobe("f", p, nil)
	require.NoError(t, err)
	_, err = h.Kprobe("f", above, nil)
	require.NoError(t, err)
	web := h.Cgroup("/web")
	api := h.Cgroup("web/api/")
	require.Same(t, api, h.Cgroup("/web/api"))
	before := h.As(api.Task(9, "api"))
	require.EqualValues(t, 1, before.PID)
	done, err := h.Call("f", 0)
	require.NoError(t, err)
	require.EqualValues(t, api.ID(), done.Steps[0].Return)
	require.EqualValues(t, web.ID(), done.Steps[1].Return)
}

func TestFIB(t *testing.T) {
	h := hook.NewHost(nil)
	eth0, eth1 := h.AddInterface("eth0"), h.AddInterface("eth1")
	eth1.MAC = hook.HardwareAddr{2, 0, 0, 0, 0, 0x11}
	gateway := netip.MustParseAddr("203.0.113.1")
	h.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), gateway, eth1)
	h.AddRoute(netip.MustParsePrefix("10.0.0.0/8"), netip.Addr{}, eth0)
	// Asks for the route to 192.0.2.1 and returns the interface times 16, and the result.
	p := load(t, h, `prog xdp
	*(u64 *)(r10 -64) = 2
	*(u64 *)(r10 -56) = 2
	*(u64 *)(r10 -48) = 0
	*(u64 *)(r10 -40) = 0
	r2 = 0x010200c0
	*(u64 *)(r10 -32) = r2
	*(u64 *)(r10 -24) = 0
	*(u64 *)(r10 -16) = 0
	*(u64 *)(r10 -8) = 0
	r2 = r10
	r2 += -64
	r3 = 64
	r4 = 0
	call bpf_fib_lookup
	r1 = *(u32 *)(r10 -56)
	r1 <<= 4
	r0 += r1
	exit
`)
	_, err := h.AttachXDP(hook.XDPOptions{Program: p, Interface: eth0.Index})
	require.NoError(t, err)
	trip, err := eth0.Receive(frame(client, server, ""))
	require.NoError(t, err)
	require.EqualValues(t, eth1.Index<<4+7, trip.Steps[0].Return, "no neighbour")
	h.AddNeighbour(eth1, gateway, hook.HardwareAddr{2, 0, 0, 0, 0, 0x22})
	trip, err = eth0.Receive(frame(client, server, ""))
	require.NoError(t, err)
	require.EqualValues(t, eth1.Index<<4, trip.Steps[0].Return)

	// TC sends it to the neighbour.
	r := load(t, h, "prog sched_cls\nr1 = 3\nr2 = 0\nr3 = 0\nr4 = 0\ncall bpf_redirect_neigh\nexit\n")
	_, err = h.AttachTCX(hook.TCXOptions{Program: r, Interface: eth1.Index, Attach: ebpf.AttachTCXIngress})
	require.NoError(t, err)
	h.AddNeighbour(eth1, server.Addr(), hook.HardwareAddr{2, 0, 0, 0, 0, 0x33})
	trip, err = eth1.Receive(append([]byte{2, 0, 0, 0, 0, 0x11}, frame(client, server, "")[6:]...))
	require.NoError(t, err)
	require.Equal(t, hook.Sent, trip.Verdict)
	require.Equal(t, []byte{2, 0, 0, 0, 0, 0x33, 2, 0, 0, 0, 0, 0x11}, eth1.Sent()[0][:12])
}

func TestDissector(t *testing.T) {
	h := hook.NewHost(nil)
	_, _, err := h.Dissect(frame(client, server, ""))
	require.ErrorIs(t, err, maps.ENOENT)
	p := load(t, h, `prog flow_dissector
	r2 = *(u64 *)(r1 +144)
	r3 = 17
	*(u8 *)(r2 +9) = r3
	r3 = 34
	*(u16 *)(r2 +2) = r3
	r0 = 0
	exit
`)
	_, err = h.AttachNetNs(p)
	require.NoError(t, err)
	_, err = h.AttachNetNs(p)
	require.ErrorIs(t, err, maps.EBUSY)
	keys, ret, err := h.Dissect(frame(client, server, ""))
	require.NoError(t, err)
	require.Zero(t, ret)
	require.EqualValues(t, 17, keys.IPProto)
	require.EqualValues(t, 34, keys.TransportOffset)
	require.EqualValues(t, 14, keys.NetworkOffset)
	require.EqualValues(t, 0x0800, keys.NetworkProto)
}

// TestSkLookup: a program chooses the socket, out of a map, for all ports.
func TestSkLookup(t *testing.T) {
	h := hook.NewHost(nil)
	eth0 := h.AddInterface("eth0")
	s := h.Listen(hook.UDP, netip.MustParseAddrPort("127.0.0.1:7"))
	p, m := loadMaps(t, h, `prog sk_lookup
attach sk_lookup
map socks sockmap key=4 value=8 entries=1
	r6 = r1
	r0 = 1
	r2 = *(u32 *)(r6 +60)
	if r2 == 99 goto drop
	*(u32 *)(r10 -4) = 0
	r1 = socks ll
	r2 = r10
	r2 += -4
	call bpf_map_lookup_elem
	if r0 == 0 goto drop
	r7 = r0
	r1 = r6
	r2 = r7
	r3 = 0
	call bpf_sk_assign
	r8 = r0
	r1 = r7
	call bpf_sk_release
	if r8 != 0 goto drop
	r0 = 1
	exit
drop:
	r0 = 0
	exit
`)
	l, err := h.AttachNetNs(p)
	require.NoError(t, err)
	send := func(port uint16) *hook.Trip {
		trip, err := eth0.Receive(frame(client, netip.AddrPortFrom(server.Addr(), port), "hi"))
		require.NoError(t, err)
		return trip
	}
	require.Equal(t, hook.Dropped, send(1).Verdict, "there is no socket in the map")
	require.NoError(t, m["socks"].Put(uint32(0), s))
	require.Error(t, m["socks"].Put(uint32(0), uint64(1)))
	require.Same(t, s, send(1).Socket)
	require.Same(t, s, send(2).Socket)
	require.Equal(t, hook.Dropped, send(99).Verdict)
	require.Equal(t, [][]byte{[]byte("hi"), []byte("hi")}, s.Received())
	close(t, l)
	require.Nil(t, send(1).Socket)
}

// TestFindSocket: TC looks for the socket of a packet.
func TestFindSocket(t *testing.T) {
	h := hook.NewHost(nil)
	eth0 := h.AddInterface("eth0")
	h.Listen(hook.UDP, server).Mark = 5
	p := load(t, h, `prog sched_cls
	r2 = 0x076433c6
	*(u32 *)(r10 -16) = r2
	r2 = 0x010200c0
	*(u32 *)(r10 -12) = r2
	r2 = 0x3500
	*(u16 *)(r10 -8) = 0
	*(u16 *)(r10 -6) = r2
	r2 = r10
	r2 += -16
	r3 = 12
	r4 = -1
	r5 = 0
	call bpf_sk_lookup_udp
	if r0 == 0 goto none
	r6 = *(u32 *)(r0 +16)
	r1 = r0
	call bpf_sk_release
	r0 = r6
	exit
none:
	r0 = 2
	exit
`)
	_, err := h.AttachTCX(hook.TCXOptions{Program: p, Interface: eth0.Index, Attach: ebpf.AttachTCXIngress})
	require.NoError(t, err)
	trip, err := eth0.Receive(frame(client, server, ""))
	require.NoError(t, err)
	require.EqualValues(t, 5, trip.Steps[0].Return, "the mark of the socket")
}
