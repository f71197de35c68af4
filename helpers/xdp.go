package helpers

import (
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
)

// xdpFamily are the helpers on XDP packets.
var xdpFamily = map[int32]Func{
	44:  xdpAdjustHead,
	54:  xdpAdjustMeta,
	65:  xdpAdjustTail,
	188: xdpLen,
	189: xdpLoad,
	190: xdpStore,
}

const (
	xdpHeadUse = 40  // bytes at the start of a buffer that the kernel keeps for itself
	xdpMaxMeta = 255 // the longest metadata
)

// xdpAdjustHead is bpf_xdp_adjust_head(xdp, delta): the start of the packet moves, and metadata with it.
func xdpAdjustHead(c *Call) (uint64, error) {
	p, err := c.xdpBuff()
	if err != nil {
		return 0, err
	}
	delta := int64(int32(c.Args[1]))
	meta := int64(p.data - p.meta)
	to := int64(p.data) + delta
	if to < int64(p.base)+xdpHeadUse+meta || to > int64(p.linear)-ethLen {
		return fail(maps.EINVAL)
	}
	if meta > 0 {
		copy(p.space.Bytes(memory.Addr(to-meta), uint32(meta)), p.space.Bytes(p.meta, uint32(meta)))
	}
	p.data, p.meta = memory.Addr(to), memory.Addr(to-meta)
	return 0, p.show()
}

// xdpAdjustMeta is bpf_xdp_adjust_meta(xdp, delta): the start of the metadata moves.
func xdpAdjustMeta(c *Call) (uint64, error) {
	p, err := c.xdpBuff()
	if err != nil {
		return 0, err
	}
	to := int64(p.meta) + int64(int32(c.Args[1]))
	if to < int64(p.base)+xdpHeadUse || to > int64(p.data) {
		return fail(maps.EINVAL)
	}
	if n := int64(p.data) - to; n%4 != 0 || n > xdpMaxMeta {
		return fail(maps.EACCES)
	}
	p.meta = memory.Addr(to)
	return 0, p.show()
}

// xdpAdjustTail is bpf_xdp_adjust_tail(xdp, delta): the end of the packet moves; what is added is zero.
func xdpAdjustTail(c *Call) (uint64, error) {
	p, err := c.xdpBuff()
	if err != nil {
		return 0, err
	}
	to := int64(p.end) + int64(int32(c.Args[1]))
	if to > int64(p.limit) || to < int64(p.data)+ethLen {
		return fail(maps.EINVAL)
	}
	if to > int64(p.end) {
		clear(p.space.Bytes(p.end, uint32(to-int64(p.end))))
	}
	whole := p.linear == p.end
	p.end = memory.Addr(to)
	if p.linear = min(p.linear, p.end); whole {
		p.linear = p.end
	}
	return 0, p.show()
}

func xdpLen(c *Call) (uint64, error) {
	p, err := c.xdpBuff()
	if err != nil {
		return 0, err
	}
	return uint64(p.Len()), nil
}

// xdpSpan is the bytes that bpf_xdp_load_bytes and bpf_xdp_store_bytes name.
func (c *Call) xdpSpan() (inPacket, mem []byte, e maps.Errno, err error) {
	p, err := c.xdpBuff()
	if err != nil {
		return nil, nil, 0, err
	}
	off, n := uint32(c.Args[1]), uint32(c.Args[3])
	if mem = c.mem(c.Args[2], n); mem == nil {
		return nil, nil, 0, &BadArg{3, errNoMem}
	}
	if off > 0xffff || n > 0xffff {
		return nil, nil, maps.EFAULT, nil
	}
	if inPacket = p.span(off, n); inPacket == nil {
		return nil, nil, maps.EINVAL, nil
	}
	return inPacket, mem, 0, nil
}

// xdpLoad is bpf_xdp_load_bytes(xdp, offset, buf, len).
func xdpLoad(c *Call) (uint64, error) {
	from, to, e, err := c.xdpSpan()
	if err != nil {
		return 0, err
	}
	copy(to, from)
	return fail(e)
}

// xdpStore is bpf_xdp_store_bytes(xdp, offset, buf, len).
func xdpStore(c *Call) (uint64, error) {
	to, from, e, err := c.xdpSpan()
	if err != nil {
		return 0, err
	}
	copy(to, from)
	return fail(e)
}
