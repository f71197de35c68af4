package maps

import "github.com/skepbpf/skep/memory"

// slabBytes is how much a table that does not allocate beforehand takes at a time.
const slabBytes = 64 << 10

// A slab is a block of elements, and their per-CPU values.
type slab struct{ elems, vals, count uint32 }

// addSlab makes n elements. t.grow is held, or t is not shared yet.
func (t *table) addSlab(n uint64) error {
	size := n * uint64(t.elemSize)
	if t.hidden {
		a, err := t.allocRaw(size, t.spec.Name)
		if err != nil {
			return err
		}
		t.slabs = append(t.slabs, slab{elems: uint32(a), count: uint32(n)})
		t.used.Store(0)
		return nil
	}
	if !t.perCPU {
		e := memory.Elems{First: t.layout.Value, Stride: t.elemSize, Size: t.spec.ValueSize, Count: uint32(n), Lazy: true}
		a, err := t.alloc(size, e)
		if err != nil {
			return err
		}
		t.slabs = append(t.slabs, slab{elems: uint32(a), count: uint32(n)})
		t.used.Store(0)
		return nil
	}
	a, err := t.allocRaw(size, t.spec.Name+" (keys)")
	if err != nil {
		return err
	}
	per := n * uint64(t.valSize)
	vals := per * uint64(t.cpus)
	if vals > 1<<32-1 {
		return ErrNoMemory
	}
	e := memory.Elems{Stride: t.valSize, Size: t.spec.ValueSize, Count: uint32(n), Lazy: true}
	if t.cpus > 1 {
		e.Groups, e.GroupStride = uint32(t.cpus), uint32(per)
	}
	v, err := t.alloc(vals, e)
	if err != nil {
		return err
	}
	t.slabs = append(t.slabs, slab{elems: uint32(a), vals: uint32(v), count: uint32(n)})
	t.used.Store(0)
	return nil
}

// fresh gets an element that is in no bucket: a free one, or one never used; 0 if there is no memory.
func (t *table) fresh() memory.Addr {
	for {
		top := t.free.Load()
		e := memory.Addr(top)
		if e == 0 {
			break
		}
		next := t.word(e, atLink).Load()
		if t.free.CompareAndSwap(top, (top>>32+1)<<32|uint64(next)) {
			return e
		}
	}
	t.grow.Lock()
	defer t.grow.Unlock()
	last := len(t.slabs) - 1
	if last < 0 || t.used.Load() == t.slabs[last].count {
		if t.fixed {
			return 0
		}
		n := uint64(t.slabElems)
		if t.addSlab(n) != nil {
			return 0
		}
		last++
	}
	return t.carve(&t.slabs[last])
}

// carve makes the next element of a slab live.
func (t *table) carve(s *slab) memory.Addr {
	i := t.used.Load()
	e := memory.Addr(s.elems + i*t.elemSize)
	if !t.perCPU {
		if !t.hidden {
			t.space.SetLive(e+memory.Addr(t.layout.Value), t.spec.ValueSize, t.spec.rights())
		}
	} else {
		v := s.vals + i*t.valSize
		t.word(e, atVals).Store(v)
		for cpu := range t.cpus {
			t.space.SetLive(memory.Addr(v+uint32(cpu)*t.layout.CPUStride), t.spec.ValueSize, t.spec.rights())
		}
	}
	t.used.Store(i + 1)
	return e
}

// give returns an element that is in no bucket any more.
func (t *table) give(e memory.Addr) {
	for {
		top := t.free.Load()
		t.word(e, atLink).Store(uint32(top))
		if t.free.CompareAndSwap(top, (top>>32+1)<<32|uint64(e)) {
			return
		}
	}
}
