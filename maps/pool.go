package maps

import (
	"sync"

	"github.com/skepbpf/skep/memory"
)

// A pool has values of one size, for one CPU or for each, for types that keep their keys in Go's memory. It grows
// as needed, and keeps what it has until the map is closed: a program may hold the address of a value given back.
type pool struct {
	c      *common
	stride uint32 // from the value of one CPU to that of the next
	each   uint32 // bytes of the values of all CPUs
	most   uint32 // values that there will be at once, about

	mu   sync.Mutex
	free []memory.Addr
	next memory.Addr // of the slab that is in use
	left uint32      // values of it that were never used
	size uint32      // values of the next slab
}

// newPool makes a pool for at most most values, as far as that is known.
func newPool(c *common, most uint32) *pool {
	p := &pool{c: c, stride: roundUp(c.spec.ValueSize, 8), each: 0, most: max(most, 1)}
	if c.space.Strict() {
		p.stride += 8
	}
	p.each = p.stride
	if c.perCPU {
		p.each *= uint32(c.cpus)
	}
	p.size = min(8, p.most)
	return p
}

// at is the value of a CPU.
func (p *pool) at(a memory.Addr, cpu int) memory.Addr {
	if !p.c.perCPU {
		return a
	}
	return a + memory.Addr(uint32(cpu)*p.stride)
}

// take gives a value, with whatever is in it; 0 if there is no memory.
func (p *pool) take() memory.Addr {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		a := p.free[n-1]
		p.free = p.free[:n-1]
		return a
	}
	if p.left == 0 && !p.grow() {
		return 0
	}
	a := p.next
	p.next += memory.Addr(p.each)
	p.left--
	for off := uint32(0); off < p.each; off += p.stride {
		p.c.space.SetLive(a+memory.Addr(off), p.c.spec.ValueSize, p.c.spec.rights())
	}
	return a
}

// grow makes a slab: each is twice as large as the one before, up to slabBytes.
func (p *pool) grow() bool {
	n := uint64(p.size)
	count := n * uint64(p.each/p.stride)
	e := memory.Elems{Stride: p.stride, Size: p.c.spec.ValueSize, Count: uint32(count), Lazy: true}
	a, err := p.c.alloc(n*uint64(p.each), e)
	if err != nil {
		return false
	}
	p.next, p.left = a, p.size
	p.size = max(1, min(p.size*2, p.most, slabBytes/p.each))
	return true
}

// give takes a value back. The next one who takes it gets it.
func (p *pool) give(a memory.Addr) {
	if a == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, a)
}
