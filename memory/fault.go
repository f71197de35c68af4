package memory

import "strconv"

// A Fault is an access that a Space refused.
type Fault struct {
	Addr uint64
	Size uint32
	Want Rights // what was to be done

	// Object is the object that the address lies in or nearest to; nil if there is none about.
	Object *Object
}

// fault makes the error of a refused access.
//
//go:noinline
func (s *Space) fault(addr uint64, size uint32, want Rights) error {
	f := &Fault{Addr: addr, Size: size, Want: want}
	if addr < s.size {
		if o, ok := s.nearest(Addr(addr), size); ok {
			f.Object = &o
		}
	}
	return f
}

// Error names the access, and where it is in terms of the nearest object.
func (f *Fault) Error() string {
	b := make([]byte, 0, 128)
	b = append(b, "invalid "...)
	switch f.Want {
	case Read:
		b = append(b, "read"...)
	case Write:
		b = append(b, "write"...)
	default:
		b = append(b, "access"...)
	}
	b = appendBytes(append(b, " of "...), uint64(f.Size))
	b = append(b, " at 0x"...)
	b = strconv.AppendUint(b, f.Addr, 16)
	b = append(b, ": "...)
	return string(f.appendReason(b))
}

func (f *Fault) appendReason(b []byte) []byte {
	if f.Addr < NullSize {
		if f.Addr == 0 {
			return append(b, "NULL pointer"...)
		}
		return append(b, "NULL pointer plus an offset"...)
	}
	o := f.Object
	if o == nil {
		if f.Addr>>32 != 0 {
			return append(b, "not an address: it has more than 32 bits"...)
		}
		return append(b, "no object there"...)
	}
	at, end := uint64(o.Addr), uint64(o.Addr)+uint64(o.Size)
	switch {
	case o.Size == 0 || o.Rights == 0 && f.Addr >= at && f.Addr < end:
		b = append(b, "a program may not look into "...)
	case f.Addr < at:
		b = append(appendBytes(b, at-f.Addr), " before the start of "...)
	case f.Addr >= end:
		b = append(appendBytes(b, f.Addr-end+1), " past the end of "...)
	case f.Addr+uint64(f.Size) > end:
		b = append(appendBytes(b, f.Addr+uint64(f.Size)-end), " past the end of "...)
	case o.Freed:
		b = append(b, "inside "...)
	case f.Want&^o.Rights != 0:
		b = append(b, "no right to "...)
		b = append(b, (f.Want &^ o.Rights).String()...)
		b = append(b, ' ')
	default:
		b = append(b, "dead bytes inside "...)
	}
	return append(b, o.String()...)
}

// nearest finds the object to name for a refused access at a: the one it lies in, or else the closest,
// live ones first.
func (s *Space) nearest(a Addr, size uint32) (Object, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := &s.heap
	sp, i := h.find(a)
	if sp == nil {
		return Object{}, false
	}
	best, found, distance := Object{}, false, uint64(0)
	consider := func(sp *span, i int) {
		if sp == nil || sp.objects[i].state == never {
			return
		}
		next := a
		if e := sp.objects[i].elems; e != nil {
			next += Addr(e.Stride)
		}
		for _, at := range [2]Addr{a, next} {
			o := sp.objects[i].at(at)
			d := o.distance(a)
			if o.Freed && d > 0 {
				d += 1 << 32
			}
			if !found || d < distance {
				best, found, distance = o, true, d
			}
		}
	}
	consider(sp, i)
	if i > 0 {
		consider(sp, i-1)
	} else if u := sp.start; u > 0 && h.spans[u-1] != nil {
		consider(h.spans[u-1], len(h.spans[u-1].objects)-1)
	}
	if i+1 < len(sp.objects) {
		consider(sp, i+1)
	} else if u := sp.start + sp.units; u < uint32(len(h.spans)) {
		consider(h.spans[u], 0)
	}
	return best, found
}

// distance is the number of bytes between a and the object, 0 if a lies in it.
func (o Object) distance(a Addr) uint64 {
	switch end := uint64(o.Addr) + uint64(o.Size); {
	case a < o.Addr:
		return uint64(o.Addr - a)
	case uint64(a) >= end:
		return uint64(a) - end + 1
	}
	return 0
}
