package memory

import (
	"math/bits"
	"slices"
)

// The heap cuts the Space into units. A span is a run of units: one large object, or slots of one size
// class. Free runs of units are kept in order of address and merged with their neighbours, so that
// what is freed can become anything.

const (
	unitShift = 13
	unitSize  = 1 << unitShift

	// redZone is the least number of dead bytes between two objects.
	redZone = 16

	// maxSlot is the largest slot; larger objects get a span of their own.
	maxSlot = 32 << 10

	// discardUnits is the size of a free run that is worth a system call to give back.
	discardUnits = 64

	// hugeUnits is the size of an object that gains from large pages of 2 MiB.
	hugeUnits = 4 << 20 >> unitShift
)

type heap struct {
	spans   []*span // by unit: the span it belongs to, or last belonged to
	classes [numClasses]class
	free    []extent // by address
}

// A class is one size of slots.
type class struct {
	partial []*span // with at least one free slot; the last is used first
}

// An extent is a run of free units.
type extent struct {
	start, units uint32
	dirty        bool // may hold what is not zero
}

// A span is a run of units in use. A span with slot 0 is one object.
type span struct {
	start, units uint32
	class        int    // numClasses if it is one object
	slot         uint32 // bytes between objects
	dirty        bool   // slots may hold what is not zero, even if never used
	objects      []object
	freeSlots    []uint16
	pos          int // in class.partial, -1 if not there
}

// An object is what is known of a slot.
type object struct {
	state       state
	kind        Kind
	rights      Rights
	base, start Addr   // what Alloc returned; first live byte
	cap, size   uint32 // bytes allocated; bytes live
	name        string
	elems       *Elems // of AllocElems
}

type state uint8

const (
	never state = iota // never used since the span was made
	freed
	live
)

func (h *heap) init() {
	first := uint32(NullSize >> unitShift)
	h.spans = make([]*span, first)
}

// Size classes: multiples of 16 up to 128, then four to a doubling up to maxSlot.
const numClasses = 8 + 4*8

func classOf(n uint32) int {
	if n <= 128 {
		return int((n+15)/16) - 1
	}
	e := uint32(bits.Len32(n-1)) - 3 // n-1 has the form 1xx... << e
	return 8 + int(4*(e-5)+((n-1)>>e&3))
}

func classSize(c int) uint32 {
	if c < 8 {
		return uint32(c+1) * 16
	}
	e := uint32(c-8)/4 + 5
	return (uint32(c-8)%4 + 5) << e
}

// slotFor is the number of bytes that an object of size bytes takes with its red zones: one before it, and
// after it one that grows with the object, as wild accesses do.
func slotFor(size uint64) uint64 {
	after := min(max(size/8, redZone), 2048) - redZone
	return roundUp(redZone+size+after, 16)
}

// take finds a place of at least cap bytes. It returns the span and the slot in it.
func (s *Space) take(cap uint64) (*span, int, error) {
	n := slotFor(cap)
	if n > maxSlot {
		units := (n + 64 + unitSize - 1) >> unitShift
		if units >= s.size>>unitShift {
			return nil, 0, ErrNoMemory
		}
		sp, err := s.newSpan(uint32(units), numClasses, uint32(units<<unitShift))
		return sp, 0, err
	}
	c := classOf(uint32(n))
	cl := &s.heap.classes[c]
	if len(cl.partial) == 0 {
		slot := classSize(c)
		units := max(1, (8*slot+unitSize-1)>>unitShift)
		sp, err := s.newSpan(units, c, slot)
		if err != nil {
			return nil, 0, err
		}
		sp.pos = 0
		cl.partial = append(cl.partial, sp)
	}
	sp := cl.partial[len(cl.partial)-1]
	last := len(sp.freeSlots) - 1
	i := int(sp.freeSlots[last])
	sp.freeSlots = sp.freeSlots[:last]
	if last == 0 {
		cl.remove(sp)
	}
	return sp, i, nil
}

// give returns the slot of a freed object.
func (s *Space) give(sp *span, i int) {
	if sp.class == numClasses {
		s.freeSpan(sp)
		return
	}
	cl := &s.heap.classes[sp.class]
	sp.freeSlots = append(sp.freeSlots, uint16(i))
	if sp.pos < 0 {
		sp.pos = len(cl.partial)
		cl.partial = append(cl.partial, sp)
	}
	// An empty span goes back if its class has another: one is kept, lest a lone object that comes and
	// goes makes a span each time.
	if len(sp.freeSlots) == len(sp.objects) && len(cl.partial) > 1 {
		cl.remove(sp)
		s.freeSpan(sp)
	}
}

func (cl *class) remove(sp *span) {
	last := len(cl.partial) - 1
	other := cl.partial[last]
	cl.partial[sp.pos], other.pos = other, sp.pos
	cl.partial[last] = nil
	cl.partial = cl.partial[:last]
	sp.pos = -1
}

func (s *Space) newSpan(units uint32, class int, slot uint32) (*span, error) {
	start, dirty, err := s.takeUnits(units)
	if err != nil {
		return nil, err
	}
	if units >= hugeUnits {
		s.data.hugePages(guardSize+uint64(start)<<unitShift, uint64(units)<<unitShift)
	}
	n := units << unitShift / slot
	sp := &span{start: start, units: units, class: class, slot: slot, dirty: dirty, pos: -1, objects: make([]object, n)}
	if class != numClasses {
		sp.freeSlots = make([]uint16, n)
		for i := range sp.freeSlots {
			sp.freeSlots[i] = uint16(n) - 1 - uint16(i) // lowest address first
		}
	}
	for u := start; u < start+units; u++ {
		s.heap.spans[u] = sp
	}
	return sp, nil
}

// takeUnits takes the first free run that is long enough, or grows the heap.
func (s *Space) takeUnits(units uint32) (start uint32, dirty bool, err error) {
	h := &s.heap
	for i := range h.free {
		x := &h.free[i]
		if x.units < units {
			continue
		}
		start, dirty = x.start, x.dirty
		if x.start, x.units = x.start+units, x.units-units; x.units == 0 {
			h.free = slices.Delete(h.free, i, i+1)
		}
		return start, dirty, nil
	}
	start = uint32(len(h.spans))
	// A free run at the top is used first.
	if n := len(h.free); n > 0 && h.free[n-1].start+h.free[n-1].units == start {
		start, dirty = h.free[n-1].start, h.free[n-1].dirty
	}
	end := uint64(start) + uint64(units)
	// The last unit stays unused, so that the end of an object is an Addr.
	if end >= s.size>>unitShift {
		return 0, false, ErrNoMemory
	}
	if err := s.grow(end << unitShift); err != nil {
		return 0, false, err
	}
	if start < uint32(len(h.spans)) {
		h.free = h.free[:len(h.free)-1]
	}
	h.spans = append(h.spans, make([]*span, int(end)-len(h.spans))...)
	return start, dirty, nil
}

func (s *Space) freeSpan(sp *span) {
	h := &s.heap
	x := extent{sp.start, sp.units, true}
	if x.units >= discardUnits {
		x.dirty = !s.data.discard(guardSize+uint64(x.start)<<unitShift, uint64(x.units)<<unitShift)
	}
	i, _ := slices.BinarySearchFunc(h.free, x.start, func(e extent, at uint32) int { return int(e.start) - int(at) })
	if i < len(h.free) && x.start+x.units == h.free[i].start {
		next := &h.free[i]
		next.start, next.units, next.dirty = x.start, next.units+x.units, next.dirty || x.dirty
		x = *next
	} else {
		h.free = slices.Insert(h.free, i, x)
	}
	if i > 0 && h.free[i-1].start+h.free[i-1].units == x.start {
		prev := &h.free[i-1]
		prev.units, prev.dirty = prev.units+x.units, prev.dirty || x.dirty
		h.free = slices.Delete(h.free, i, i+1)
	}
}

// find gives the slot that a lies in.
func (h *heap) find(a Addr) (*span, int) {
	u := int(a >> unitShift)
	if u >= len(h.spans) || h.spans[u] == nil {
		return nil, 0
	}
	sp := h.spans[u]
	i := int((uint32(a) - sp.start<<unitShift) / sp.slot)
	return sp, min(i, len(sp.objects)-1)
}
