package helpers

import (
	"encoding/binary"

	"github.com/skepbpf/skep/maps"
)

// dynptrFamily are the helpers on dynptrs: pointers that carry their size with them, on the program's stack.
var dynptrFamily = map[int32]Func{
	197: dynptrFromMem,
	201: dynptrRead,
	202: dynptrWrite,
	203: dynptrData,
}

// A dynptr as it lies in memory is two words: the address; and the size, with kind and rights in its high byte, and the
// offset. All zero is a null dynptr.
type dynptr struct {
	data uint64
	size uint32
	off  uint32
	kind dynptrKind
	ro   bool
}

type dynptrKind uint8

const (
	dynptrLocal dynptrKind = iota + 1
	dynptrRingbuf
	dynptrPacket // of the run
)

// maxDynptr is the largest size.
const maxDynptr = 1<<24 - 1

// dynptr reads the dynptr at argument i.
func (c *Call) dynptr(i int) (d dynptr, ok bool) {
	b := c.mem(c.Args[i], 16)
	if b == nil {
		return d, false
	}
	size := binary.NativeEndian.Uint32(b[8:])
	d = dynptr{data: binary.NativeEndian.Uint64(b), size: size & maxDynptr, off: binary.NativeEndian.Uint32(b[12:]),
		kind: dynptrKind(size >> 28 & 7), ro: size>>31 != 0}
	return d, d.data != 0
}

// setDynptr writes the dynptr at argument i.
func (c *Call) setDynptr(i int, d dynptr) {
	b := c.mem(c.Args[i], 16)
	if b == nil {
		return
	}
	size := d.size | uint32(d.kind)<<28
	if d.ro {
		size |= 1 << 31
	}
	binary.NativeEndian.PutUint64(b, d.data)
	binary.NativeEndian.PutUint32(b[8:], size)
	binary.NativeEndian.PutUint32(b[12:], d.off)
}

// span is the n bytes at off of what a dynptr points to; nil if it has not as many.
func (c *Call) dynptrSpan(d *dynptr, off, n uint32) []byte {
	if uint64(off)+uint64(n) > uint64(d.size) {
		return nil
	}
	if d.kind == dynptrPacket {
		if c.Run.Packet == nil {
			return nil
		}
		return c.Run.Packet.span(d.off+off, n)
	}
	return c.mem(d.data+uint64(d.off)+uint64(off), n)
}

// dynptrFromMem is bpf_dynptr_from_mem(data, size, flags, ptr).
func dynptrFromMem(c *Call) (uint64, error) {
	d := dynptr{data: c.Args[0], size: uint32(c.Args[1]), kind: dynptrLocal}
	e := maps.Errno(0)
	if uint32(c.Args[1]) > maxDynptr {
		e = maps.E2BIG
	} else if c.Args[2] != 0 {
		e = maps.EINVAL
	}
	if e != 0 {
		c.setDynptr(3, dynptr{})
		return fail(e)
	}
	c.setDynptr(3, d)
	return 0, nil
}

// dynptrRead is bpf_dynptr_read(dst, len, src, offset, flags).
func dynptrRead(c *Call) (uint64, error) {
	d, ok := c.dynptr(2)
	if !ok || c.Args[4] != 0 {
		return fail(maps.EINVAL)
	}
	n := uint32(c.Args[1])
	from := c.dynptrSpan(&d, uint32(c.Args[3]), n)
	if from == nil {
		return fail(maps.E2BIG)
	}
	copy(c.mem(c.Args[0], n), from)
	return 0, nil
}

// dynptrWrite is bpf_dynptr_write(dst, offset, src, len, flags).
func dynptrWrite(c *Call) (uint64, error) {
	d, ok := c.dynptr(0)
	if !ok || d.ro || c.Args[4] != 0 {
		return fail(maps.EINVAL)
	}
	n := uint32(c.Args[3])
	to := c.dynptrSpan(&d, uint32(c.Args[1]), n)
	if to == nil {
		return fail(maps.E2BIG)
	}
	copy(to, c.mem(c.Args[2], n))
	return 0, nil
}

// dynptrData is bpf_dynptr_data(ptr, offset, len): the address of what is there, or NULL.
func dynptrData(c *Call) (uint64, error) {
	d, ok := c.dynptr(0)
	off, n := uint32(c.Args[1]), uint32(c.Args[2])
	if !ok || d.ro || d.kind == dynptrPacket || uint64(off)+uint64(n) > uint64(d.size) {
		return 0, nil
	}
	return d.data + uint64(d.off) + uint64(off), nil
}
