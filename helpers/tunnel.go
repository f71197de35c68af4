package helpers

import (
	"encoding/binary"

	"github.com/skepbpf/skep/maps"
)

// tunnelFamily are the helpers on what a tunnel is to do with a packet, and how long packets may be.
var tunnelFamily = map[int32]Func{
	20:  getTunnelKey,
	21:  setTunnelKey,
	29:  func(*Call) (uint64, error) { return fail(maps.ENOENT) }, // bpf_skb_get_tunnel_opt
	30:  setTunnelOpt,
	163: checkMTU,
}

// getTunnelKey is bpf_skb_get_tunnel_key(skb, key, size, flags): the packet came out of the tunnel of Packet.Tunnel, or of
// none.
func getTunnelKey(c *Call) (uint64, error) {
	p, err := c.skb()
	if err != nil {
		return 0, err
	}
	b := c.mem(c.Args[1], uint32(c.Args[2]))
	clear(b)
	if len(p.Tunnel) == 0 || len(b) == 0 {
		return fail(maps.EINVAL)
	}
	copy(b, p.Tunnel)
	return 0, nil
}

// setTunnelKey is bpf_skb_set_tunnel_key(skb, key, size, flags): Packet.TunnelOut gets the struct bpf_tunnel_key.
func setTunnelKey(c *Call) (uint64, error) {
	p, err := c.skb()
	if err != nil {
		return 0, err
	}
	const known = 0x1f // flags that there are
	b := c.mem(c.Args[1], uint32(c.Args[2]))
	if c.Args[3]&^known != 0 || len(b) < 8 {
		return fail(maps.EINVAL)
	}
	p.TunnelOut = append(p.TunnelOut[:0], b...)
	return 0, nil
}

// setTunnelOpt is bpf_skb_set_tunnel_opt(skb, opt, size): Packet.TunnelOpt gets the options, if there is a key already.
func setTunnelOpt(c *Call) (uint64, error) {
	p, err := c.skb()
	if err != nil {
		return 0, err
	}
	b := c.mem(c.Args[1], uint32(c.Args[2]))
	switch {
	case len(p.TunnelOut) == 0 || len(b)%4 != 0:
		return fail(maps.EINVAL)
	case len(b) > 255:
		return fail(maps.ENOMEM)
	}
	p.TunnelOpt = append(p.TunnelOpt[:0], b...)
	return 0, nil
}

// checkMTU is bpf_check_mtu(ctx, ifindex, mtu_len, diff, flags): whether the packet, longer by diff, fits into that of a
// device: Run.MTU tells.
func checkMTU(c *Call) (uint64, error) {
	p := c.Run.Packet
	if p == nil {
		return bad(0, errNoPacket)
	}
	out := c.mem(c.Args[2], 4)
	if out == nil {
		return bad(2, errNoMem)
	}
	if c.Args[4]&^1 != 0 || p.xdp && c.Args[4] != 0 {
		return fail(maps.EINVAL)
	}
	mtu := uint32(64 << 10)
	if f := c.Run.MTU; f != nil {
		mtu = f(uint32(c.Args[1]))
	}
	n := int64(p.Len())
	if given := binary.NativeEndian.Uint32(out); given != 0 {
		n = int64(given) + ethLen // the program says how long what follows the link header is
	}
	binary.NativeEndian.PutUint32(out, mtu)
	if n+int64(int32(c.Args[3])) > int64(mtu)+ethLen {
		return 1, nil // BPF_MTU_CHK_RET_FRAG_NEEDED
	}
	return 0, nil
}
