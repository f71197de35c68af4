package helpers

import (
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
)

// skbBytesFamily are the helpers that copy bytes from and to packets of the network stack.
var skbBytesFamily = map[int32]Func{
	9:  skbStore,
	26: skbLoad,
	39: skbPull,
	68: skbLoadRelative,
}

// Flags of bpf_skb_store_bytes.
const (
	recomputeCsum  = 1 << 0
	invalidateHash = 1 << 1
)

// skb is the packet of the run that a helper on r1 = struct __sk_buff works on.
func (c *Call) skb() (*Packet, error) {
	if p := c.Run.Packet; p != nil && !p.xdp {
		return p, nil
	}
	return nil, &BadArg{1, errNoPacket}
}

// xdpBuff is the packet of the run that a helper on r1 = struct xdp_md works on.
func (c *Call) xdpBuff() (*Packet, error) {
	if p := c.Run.Packet; p != nil && p.xdp {
		return p, nil
	}
	return nil, &BadArg{1, errNoPacket}
}

// skbStore is bpf_skb_store_bytes(skb, offset, from, len, flags).
func skbStore(c *Call) (uint64, error) {
	p, err := c.skb()
	if err != nil {
		return 0, err
	}
	off, n, flags := uint32(c.Args[1]), uint32(c.Args[3]), c.Args[4]
	if flags&^(recomputeCsum|invalidateHash) != 0 {
		return fail(maps.EINVAL)
	}
	from := c.mem(c.Args[2], n)
	if from == nil {
		return bad(2, errNoMem)
	}
	to := p.span(off, n)
	if off > 1<<31-1 || to == nil {
		return fail(maps.EFAULT)
	}
	copy(to, from)
	if flags&invalidateHash != 0 {
		p.clearHash()
	}
	return 0, nil
}

// skbLoad is bpf_skb_load_bytes(skb, offset, to, len): to is zeroed if the bytes are not there.
func skbLoad(c *Call) (uint64, error) {
	p, err := c.skb()
	if err != nil {
		return 0, err
	}
	off, n := uint32(c.Args[1]), uint32(c.Args[3])
	to := c.mem(c.Args[2], n)
	if to == nil {
		return bad(2, errNoMem)
	}
	from := p.span(off, n)
	if off > 1<<31-1 || from == nil {
		clear(to)
		return fail(maps.EFAULT)
	}
	copy(to, from)
	return 0, nil
}

// skbLoadRelative is bpf_skb_load_bytes_relative(skb, offset, to, len, start): from the link (0) or network (1) header.
func skbLoadRelative(c *Call) (uint64, error) {
	p, err := c.skb()
	if err != nil {
		return 0, err
	}
	off, n := uint32(c.Args[1]), uint32(c.Args[3])
	to := c.mem(c.Args[2], n)
	if to == nil {
		return bad(2, errNoMem)
	}
	start := p.mac
	switch c.Args[4] {
	case 0:
	case 1:
		start = p.net
	default:
		clear(to)
		return fail(maps.EFAULT)
	}
	if off > 0xffff || uint64(start)+uint64(off)+uint64(n) > uint64(p.end) {
		clear(to)
		return fail(maps.EFAULT)
	}
	copy(to, p.space.Bytes(start+memory.Addr(off), n))
	return 0, nil
}

// skbPull is bpf_skb_pull_data(skb, len): all packets here are in one piece.
func skbPull(c *Call) (uint64, error) {
	p, err := c.skb()
	if err != nil {
		return 0, err
	}
	if n := uint32(c.Args[1]); uint64(n) > uint64(p.Len()) {
		return fail(maps.ENOMEM)
	}
	return 0, nil
}
