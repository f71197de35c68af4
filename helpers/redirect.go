package helpers

import (
	"encoding/binary"

	"github.com/skepbpf/skep/maps"
)

// A RedirectKind says how a program asked for its packet to be redirected.
type RedirectKind uint8

// The ways to redirect a packet.
const (
	NoRedirect  RedirectKind = iota
	ToDevice                 // bpf_redirect: out of a device, or in on it with the flag BPF_F_INGRESS (1)
	ToPeer                   // bpf_redirect_peer: in on the peer of a device in another namespace
	ToNeighbour              // bpf_redirect_neigh: out of a device, with a link header for the next hop
	ToMap                    // bpf_redirect_map: to an element of a device, CPU or XSK map
	ToAll                    // bpf_redirect_map with BPF_F_BROADCAST: to all elements
)

// A Redirect is where a program asked for its packet to go. It counts only if the program returns XDP_REDIRECT or
// TC_ACT_REDIRECT.
type Redirect struct {
	Kind    RedirectKind
	Ifindex uint32
	Flags   uint64
	Map     maps.Map // of ToMap and ToAll
	Key     uint64   // index or key of the element, of ToMap
	// NextHop is the struct bpf_redir_neigh of ToNeighbour; HasNextHop tells that there was one.
	NextHop    [20]byte
	HasNextHop bool
}

// redirectFamily are the helpers that send a packet elsewhere.
var redirectFamily = map[int32]Func{
	13:  cloneRedirect,
	23:  redirect,
	51:  redirectMap,
	152: redirectNeigh,
	155: redirectPeer,
}

// What programs return to have their packet redirected or dropped.
const (
	xdpAborted  = 0
	xdpRedirect = 4
	tcShot      = 2
	tcRedirect  = 7
)

const (
	flagIngress        = 1 << 0 // BPF_F_INGRESS
	flagBroadcast      = 1 << 3 // BPF_F_BROADCAST
	flagExcludeIngress = 1 << 4 // BPF_F_EXCLUDE_INGRESS
)

// redirect is bpf_redirect(ifindex, flags).
func redirect(c *Call) (uint64, error) {
	r := c.Run
	xdp := r.Packet != nil && r.Packet.xdp
	if xdp && c.Args[1] != 0 {
		return xdpAborted, nil
	}
	if !xdp && c.Args[1]&^flagIngress != 0 {
		return tcShot, nil
	}
	r.Redirect = Redirect{Kind: ToDevice, Ifindex: uint32(c.Args[0]), Flags: c.Args[1]}
	if xdp {
		return xdpRedirect, nil
	}
	return tcRedirect, nil
}

// redirectPeer is bpf_redirect_peer(ifindex, flags).
func redirectPeer(c *Call) (uint64, error) {
	if c.Args[1] != 0 {
		return tcShot, nil
	}
	c.Run.Redirect = Redirect{Kind: ToPeer, Ifindex: uint32(c.Args[0])}
	return tcRedirect, nil
}

// redirectNeigh is bpf_redirect_neigh(ifindex, params, len, flags).
func redirectNeigh(c *Call) (uint64, error) {
	d := Redirect{Kind: ToNeighbour, Ifindex: uint32(c.Args[0])}
	n := uint32(c.Args[2])
	if c.Args[3] != 0 || n > 0 && n < uint32(len(d.NextHop)) {
		return tcShot, nil
	}
	if n > 0 {
		b := c.mem(c.Args[1], n)
		if b == nil {
			return bad(1, errNoMem)
		}
		copy(d.NextHop[:], b)
		d.HasNextHop = true
	}
	c.Run.Redirect = d
	return tcRedirect, nil
}

// redirectMap is bpf_redirect_map(map, key, flags): the low bits of the flags are what to return if there is no element.
func redirectMap(c *Call) (uint64, error) {
	m := c.aMap(0)
	if m == nil {
		return bad(0, errNoMap)
	}
	flags := c.Args[2]
	const action = 3
	all := uint64(0)
	switch m.Spec().Type {
	case maps.DevMap, maps.DevMapHash:
		all = flagBroadcast | flagExcludeIngress
	case maps.CPUMap, maps.XSKMap:
	default:
		return bad(0, errWrongMap)
	}
	if flags&^(action|all) != 0 {
		return xdpAborted, nil
	}
	d := Redirect{Kind: ToMap, Map: m, Key: uint64(uint32(c.Args[1])), Flags: flags}
	if flags&flagBroadcast != 0 {
		d.Kind = ToAll
	} else {
		binary.NativeEndian.PutUint32(c.Run.key[:], uint32(c.Args[1]))
		if m.Lookup(c.Run.CPU, c.Run.key[:4]) == 0 {
			return flags & action, nil
		}
	}
	c.Run.Redirect = d
	return xdpRedirect, nil
}

// cloneRedirect is bpf_clone_redirect(skb, ifindex, flags): a copy of the packet goes to the device.
func cloneRedirect(c *Call) (uint64, error) {
	p, err := c.skb()
	if err != nil {
		return 0, err
	}
	if c.Args[2]&^flagIngress != 0 {
		return fail(maps.EINVAL)
	}
	if f := c.Run.Clone; f != nil {
		return result(f(p, uint32(c.Args[1]), c.Args[2]&flagIngress != 0))
	}
	if uint32(c.Args[1]) != loopback {
		return fail(maps.EINVAL) // there is no other device
	}
	return 0, nil
}
