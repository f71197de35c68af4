package memory

import "unsafe"

// Elems describe an allocation of equal elements at equal distances, such as the values of an array or a
// hash map. Only the elements are live; what lies between them belongs to the owner, who goes through
// Bytes, Word and Copy.
type Elems struct {
	First  uint32 // offset of the first element
	Stride uint32 // from one element to the next
	Size   uint32 // bytes of each
	Count  uint32

	// Groups are repetitions of all that, GroupStride apart; 0 means one. Per-CPU values use them.
	Groups      uint32
	GroupStride uint32

	// Lazy elements are dead until the owner makes each one live with SetLive.
	Lazy bool
}

// Alloc makes an object of size zeroed bytes, all live with the rights r, at a multiple of 16, with red zones
// around it. Size 0 is an address that nothing can be read from.
func (s *Space) Alloc(size uint32, k Kind, r Rights, name string) (Addr, error) {
	return s.alloc(object{kind: k, rights: r, cap: size, size: size, name: name})
}

// AllocElems is Alloc of an object of size bytes of which only the elements are live.
func (s *Space) AllocElems(size uint32, e Elems, k Kind, r Rights, name string) (Addr, error) {
	e.Groups = max(e.Groups, 1)
	if !e.fit(size) {
		return 0, ErrBadLayout
	}
	o := object{kind: k, rights: r, cap: size, name: name, elems: &e}
	o.start = Addr(e.First) // made absolute by alloc
	o.size = uint32(uint64(e.Groups-1)*uint64(e.GroupStride) + e.groupSize())
	return s.alloc(o)
}

// groupSize is the number of bytes from the first element of a group to the end of its last.
func (e *Elems) groupSize() uint64 { return uint64(e.Count-1)*uint64(e.Stride) + uint64(e.Size) }

// fit reports whether the elements lie within size bytes and have granules of their own.
func (e *Elems) fit(size uint32) bool {
	if e.Count == 0 || e.Size == 0 || e.Stride < e.Size || e.Stride%8 != 0 || e.First%8 != 0 {
		return false
	}
	if e.Groups > 1 && (e.GroupStride%8 != 0 || uint64(e.GroupStride) < e.groupSize()) {
		return false
	}
	return uint64(e.First)+uint64(e.Groups-1)*uint64(e.GroupStride)+e.groupSize() <= uint64(size)
}

// at gives the element at or before the offset off from the first one, and its offset.
func (e *Elems) at(off uint32) (index, start uint32) {
	group := uint32(0)
	if e.GroupStride != 0 {
		group = min(off/e.GroupStride, e.Groups-1)
		off -= group * e.GroupStride
	}
	i := min(off/e.Stride, e.Count-1)
	return group*e.Count + i, group*e.GroupStride + i*e.Stride
}

func (s *Space) alloc(o object) (Addr, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.data == nil {
		return 0, ErrClosed
	}
	sp, i, err := s.take(uint64(o.cap))
	if err != nil {
		return 0, err
	}
	old := &sp.objects[i]
	before := uint32(redZone)
	if sp.class == numClasses {
		before = 64 // large objects start at a cache line
	}
	o.base = Addr(sp.start<<unitShift + uint32(i)*sp.slot + before)
	o.start += o.base
	if old.state == freed || sp.dirty {
		clear(unsafe.Slice((*byte)(s.at(o.base)), int(o.cap)))
	}
	o.state = live
	*old = o
	if o.elems == nil || !o.elems.Lazy {
		s.mark(&o, o.rights)
	}
	return o.base, nil
}

// Free ends the object that Alloc returned a for. Its bytes are dead at once.
func (s *Space) Free(a Addr) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sp, i, o := s.object(a)
	if o == nil {
		return ErrBadAddr
	}
	if o.kind == Kernel {
		s.dropHandle(a)
	}
	s.setBits(s.read, o.base, uint64(o.cap), false)
	s.setBits(s.write, o.base, uint64(o.cap), false)
	o.state = freed
	s.give(sp, i)
	return nil
}

// Resize makes the n bytes from start on the live ones of the object that Alloc returned a for, as when the
// head or the tail of a packet moves. They must lie inside it. What is uncovered keeps what it held.
func (s *Space) Resize(a, start Addr, n uint32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _, o := s.object(a)
	if o == nil || o.elems != nil {
		return ErrBadAddr
	}
	if start < o.base || uint64(start)+uint64(n) > uint64(o.base)+uint64(o.cap) {
		return ErrBadLayout
	}
	// First what stops being live, so that no byte outside both windows is live at any time.
	for _, p := range [2]plane{{s.read, o.rights&Read != 0}, {s.write, o.rights&Write != 0}} {
		if !p.on {
			continue
		}
		end, newEnd := o.start+Addr(o.size), start+Addr(n)
		if o.start < start {
			s.setBits(p.bits, o.start, uint64(min(start, end)-o.start), false)
		}
		if newEnd < end {
			from := max(newEnd, o.start)
			s.setBits(p.bits, from, uint64(end-from), false)
		}
		s.setBits(p.bits, start, uint64(n), true)
	}
	o.start, o.size = start, n
	return nil
}

// SetRights changes the rights of the object that Alloc returned a for; its elements must not be Lazy.
func (s *Space) SetRights(a Addr, r Rights) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _, o := s.object(a)
	if o == nil || o.elems != nil && o.elems.Lazy {
		return ErrBadAddr
	}
	s.mark(o, r)
	o.rights = r
	return nil
}

// SetLive gives the n bytes from a on the rights r, or ends them with r 0. It is for the owner of the object
// they lie in, such as a ring buffer that hands out records; a must be a multiple of 8, and no
// lock is taken: two goroutines must not do so for the same granule of 8 bytes.
func (s *Space) SetLive(a Addr, n uint32, r Rights) {
	if uint64(a)+uint64(n) > s.limit.Load() {
		return
	}
	s.setBits(s.read, a, uint64(n), r&Read != 0)
	s.setBits(s.write, a, uint64(n), r&Write != 0)
}

// Object finds the object, or the element of one, that a lies in, live or freed. Bytes of the red zone
// after an object, or of the gap after an element, count as its own.
func (s *Space) Object(a Addr) (Object, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sp, i := s.heap.find(a)
	if sp == nil || sp.objects[i].state == never {
		return Object{}, false
	}
	o := &sp.objects[i]
	if a < o.base {
		return Object{}, false
	}
	return o.at(a), true
}

// object finds the live object that Alloc returned a for.
func (s *Space) object(a Addr) (*span, int, *object) {
	sp, i := s.heap.find(a)
	if sp == nil {
		return nil, 0, nil
	}
	o := &sp.objects[i]
	if o.base != a || o.state != live {
		return nil, 0, nil
	}
	return sp, i, o
}

// at describes the object, or its element at a.
func (o *object) at(a Addr) Object {
	d := Object{Addr: o.start, Size: o.size, Rights: o.rights, Kind: o.kind, Name: o.name, Freed: o.state == freed,
		Base: o.base, Cap: o.cap}
	if o.elems != nil {
		i, off := o.elems.at(uint32(max(a, o.start) - o.start))
		d.Index, d.Addr, d.Size = i, o.start+Addr(off), o.elems.Size
	}
	return d
}

// mark gives all live bytes of o the rights r.
func (s *Space) mark(o *object, r Rights) {
	for _, p := range [2]plane{{s.read, r&Read != 0}, {s.write, r&Write != 0}} {
		e := o.elems
		if e == nil {
			s.setBits(p.bits, o.start, uint64(o.size), p.on)
			continue
		}
		for g := range e.Groups {
			at := o.start + Addr(g*e.GroupStride)
			if e.Size == e.Stride {
				s.setBits(p.bits, at, e.groupSize(), p.on)
				continue
			}
			for i := range e.Count {
				s.setBits(p.bits, at+Addr(i*e.Stride), uint64(e.Size), p.on)
			}
		}
	}
}

type plane struct {
	bits unsafe.Pointer
	on   bool
}

// setBits sets or clears the bits of the n bytes from a on, in one plane.
func (s *Space) setBits(bits unsafe.Pointer, a Addr, n uint64, on bool) {
	if n == 0 || bits == nil {
		return
	}
	b := unsafe.Slice((*byte)(unsafe.Add(bits, uintptr(a>>3))), int((uint64(a)&7+n+7)>>3))
	head := byte(0xff) << (a & 7)
	tail := byte(0xff) >> (7 - (uint64(a)+n-1)&7)
	if len(b) == 1 {
		setByte(&b[0], head&tail, on)
		return
	}
	setByte(&b[0], head, on)
	setByte(&b[len(b)-1], tail, on)
	b = b[1 : len(b)-1]
	if !on {
		clear(b)
		return
	}
	for i := range b {
		b[i] = 0xff
	}
}

func setByte(p *byte, mask byte, on bool) {
	if on {
		*p |= mask
	} else {
		*p &^= mask
	}
}
