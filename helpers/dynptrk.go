package helpers

import (
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/maps"
)

// dynptrKfuncs are the kernel functions on dynptrs.
var dynptrKfuncs = map[string]Func{
	"bpf_dynptr_from_skb":   dynptrFromPacket,
	"bpf_dynptr_from_xdp":   dynptrFromPacket,
	"bpf_dynptr_slice":      dynptrSlice,
	"bpf_dynptr_slice_rdwr": dynptrSliceRdwr,
	"bpf_dynptr_adjust":     dynptrAdjust,
	"bpf_dynptr_is_null":    dynptrIsNull,
	"bpf_dynptr_is_rdonly":  dynptrIsRdonly,
	"bpf_dynptr_size":       dynptrSize,
	"bpf_dynptr_clone":      dynptrClone,
	"bpf_dynptr_copy":       dynptrCopy,
	"bpf_dynptr_memset":     dynptrMemset,
}

// dynptrFromPacket is bpf_dynptr_from_skb(skb, flags, ptr) and bpf_dynptr_from_xdp.
func dynptrFromPacket(c *Call) (uint64, error) {
	p := c.Run.Packet
	if p == nil {
		return bad(0, errNoPacket)
	}
	if c.Args[1] != 0 {
		c.setDynptr(2, dynptr{})
		return fail(maps.EINVAL)
	}
	d := dynptr{data: uint64(c.Run.Ctx), size: uint32(p.Len()), kind: dynptrPacket}
	switch c.Run.Type {
	case linux.ProgTypeSocketFilter, linux.ProgTypeCGroupSKB, linux.ProgTypeLWTIn, linux.ProgTypeLWTOut,
		linux.ProgTypeLWTSeg6local, linux.ProgTypeNetfilter:
		d.ro = true
	}
	c.setDynptr(2, d)
	return 0, nil
}

// slice is the address of size bytes of a dynptr; of a packet in several buffers they may have to be copied to the buffer
// that the program gives.
func (c *Call) slice(d *dynptr, off, n uint32) uint64 {
	b := c.dynptrSpan(d, off, n)
	if b == nil {
		return 0
	}
	if d.kind != dynptrPacket {
		return d.data + uint64(d.off) + uint64(off)
	}
	p := c.Run.Packet
	if at := d.off + off; uint64(at)+uint64(n) <= uint64(p.Linear()) {
		return uint64(p.data) + uint64(at)
	}
	buf := c.mem(c.Args[2], n)
	if buf == nil {
		return 0
	}
	copy(buf, b)
	return c.Args[2]
}

// dynptrSlice is bpf_dynptr_slice(ptr, offset, buffer, size): the address of bytes to read, or NULL.
func dynptrSlice(c *Call) (uint64, error) {
	d, ok := c.dynptr(0)
	if !ok {
		return 0, nil
	}
	return c.slice(&d, uint32(c.Args[1]), uint32(c.Args[3])), nil
}

// dynptrSliceRdwr is bpf_dynptr_slice_rdwr(ptr, offset, buffer, size).
func dynptrSliceRdwr(c *Call) (uint64, error) {
	d, ok := c.dynptr(0)
	if !ok || d.ro {
		return 0, nil
	}
	return c.slice(&d, uint32(c.Args[1]), uint32(c.Args[3])), nil
}

// dynptrAdjust is bpf_dynptr_adjust(ptr, start, end).
func dynptrAdjust(c *Call) (uint64, error) {
	d, ok := c.dynptr(0)
	start, end := uint32(c.Args[1]), uint32(c.Args[2])
	switch {
	case !ok || start > end:
		return fail(maps.EINVAL)
	case end > d.size:
		return fail(erange)
	}
	d.off += start
	d.size = end - start
	c.setDynptr(0, d)
	return 0, nil
}

func dynptrIsNull(c *Call) (uint64, error) {
	_, ok := c.dynptr(0)
	return boolean(!ok), nil
}

func dynptrIsRdonly(c *Call) (uint64, error) {
	d, ok := c.dynptr(0)
	return boolean(ok && d.ro), nil
}

func boolean(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

func dynptrSize(c *Call) (uint64, error) {
	d, ok := c.dynptr(0)
	if !ok {
		return fail(maps.EINVAL)
	}
	return uint64(d.size), nil
}

// dynptrClone is bpf_dynptr_clone(ptr, clone).
func dynptrClone(c *Call) (uint64, error) {
	d, ok := c.dynptr(0)
	if !ok {
		c.setDynptr(1, dynptr{})
		return fail(maps.EINVAL)
	}
	c.setDynptr(1, d)
	return 0, nil
}

// dynptrCopy is bpf_dynptr_copy(dst, dst_off, src, src_off, size).
func dynptrCopy(c *Call) (uint64, error) {
	dst, ok := c.dynptr(0)
	src, ok2 := c.dynptr(2)
	if !ok || !ok2 || dst.ro {
		return fail(maps.EINVAL)
	}
	n := uint32(c.Args[4])
	to, from := c.dynptrSpan(&dst, uint32(c.Args[1]), n), c.dynptrSpan(&src, uint32(c.Args[3]), n)
	if to == nil || from == nil {
		return fail(maps.E2BIG)
	}
	copy(to, from)
	return 0, nil
}

// dynptrMemset is bpf_dynptr_memset(ptr, offset, size, byte).
func dynptrMemset(c *Call) (uint64, error) {
	d, ok := c.dynptr(0)
	if !ok || d.ro {
		return fail(maps.EINVAL)
	}
	b := c.dynptrSpan(&d, uint32(c.Args[1]), uint32(c.Args[2]))
	if b == nil {
		return fail(maps.E2BIG)
	}
	for i := range b {
		b[i] = byte(c.Args[3])
	}
	return 0, nil
}
