package maps

import "sync/atomic"

// chunkSize is the number of elements that refs make room for at a time.
const chunkSize = 1 << 10

// refs is an array of things of Go's by index. Most of them are nil, so that there is room only where there was
// something.
type refs struct {
	count  uint32
	chunks []atomic.Pointer[chunk]
}

type chunk [chunkSize]atomic.Pointer[ref]

// A ref holds something, as an atomic pointer needs a type.
type ref struct{ v any }

func newRefs(count uint32) refs {
	return refs{count, make([]atomic.Pointer[chunk], (uint64(count)+chunkSize-1)/chunkSize)}
}

// at is what is there, or nil.
func (r *refs) at(i uint32) any {
	if i >= r.count {
		return nil
	}
	if c := r.chunks[i/chunkSize].Load(); c != nil {
		if x := c[i%chunkSize].Load(); x != nil {
			return x.v
		}
	}
	return nil
}

// swap puts v there, or nothing, and returns what was there; i must be less than count.
func (r *refs) swap(i uint32, v any) any {
	p := &r.chunks[i/chunkSize]
	c := p.Load()
	if c == nil {
		if v == nil {
			return nil
		}
		p.CompareAndSwap(nil, new(chunk)) // or another one was quicker
		c = p.Load()
	}
	var x *ref
	if v != nil {
		x = &ref{v}
	}
	if old := c[i%chunkSize].Swap(x); old != nil {
		return old.v
	}
	return nil
}

// drop takes v out, unless something else is there.
func (r *refs) drop(i uint32, v any) {
	if c := r.chunks[i/chunkSize].Load(); c != nil {
		if x := c[i%chunkSize].Load(); x != nil && x.v == v {
			c[i%chunkSize].CompareAndSwap(x, nil)
		}
	}
}

// each calls f for what is there.
func (r *refs) each(f func(i uint32, v any)) {
	for n := range r.chunks {
		c := r.chunks[n].Load()
		if c == nil {
			continue
		}
		for i := range c {
			if x := c[i].Load(); x != nil {
				f(uint32(n*chunkSize+i), x.v)
			}
		}
	}
}
