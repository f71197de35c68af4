package maps

import (
	"runtime"
	"slices"

	"github.com/skepbpf/skep/memory"
)

type part struct{ off, size uint32 }

// setFields works out which parts of a value are data.
func (c *common) setFields() {
	c.lockAt = -1
	if len(c.spec.Special) == 0 {
		return
	}
	fields := slices.Clone(c.spec.Special)
	slices.SortFunc(fields, func(a, b Field) int { return int(a.Offset) - int(b.Offset) })
	c.parts = []part{}
	at := uint32(0)
	for _, f := range fields {
		if f.SpinLock {
			c.lockAt = int64(f.Offset)
		}
		if f.Offset > at {
			c.parts = append(c.parts, part{at, f.Offset - at})
		}
		at = max(at, f.Offset+f.Size)
	}
	if at < c.spec.ValueSize {
		c.parts = append(c.parts, part{at, c.spec.ValueSize - at})
	}
}

// released tells who wants to know that a value is no more.
func (c *common) released(a memory.Addr) {
	if c.spec.Released != nil && len(c.spec.Special) > 0 {
		c.spec.Released(a)
	}
}

// eachCPU splits a value as user space sees it into those of the CPUs, which have a multiple of 8 bytes; of other maps
// there is one.
func (c *common) eachCPU(value []byte, f func(cpu int, v []byte)) {
	if !c.perCPU {
		f(0, value)
		return
	}
	stride := int(roundUp(c.spec.ValueSize, 8))
	for cpu := range c.cpus {
		f(cpu, value[cpu*stride:(cpu+1)*stride])
	}
}

// lockable reports whether the flag Lock, if given, makes sense.
func (c *common) lockable(flags uint64) bool { return flags&Lock == 0 || c.lockAt >= 0 }

// flagsOK checks the flags of an update.
func (c *common) flagsOK(flags uint64) bool { return flags&^Lock <= Exist && c.lockable(flags) }

// write sets the data of the value at a.
func (c *common) write(a memory.Addr, value []byte, flags uint64) {
	if flags&Lock != 0 {
		c.lock(a)
		defer c.unlock(a)
	}
	if c.parts == nil {
		c.space.CopyIn(a, value)
		return
	}
	for _, p := range c.parts {
		c.space.CopyIn(a+memory.Addr(p.off), value[p.off:p.off+p.size])
	}
}

// writeNew sets the data of a value that no program knows yet, and clears the rest.
func (c *common) writeNew(a memory.Addr, value []byte) {
	if c.parts == nil {
		c.space.CopyIn(a, value)
		return
	}
	clear(c.space.Bytes(a, c.spec.ValueSize))
	c.write(a, value, 0)
}

// read copies the data of the value at a; the rest reads as zero.
func (c *common) read(value []byte, a memory.Addr, flags uint64) {
	if flags&Lock != 0 {
		c.lock(a)
		defer c.unlock(a)
	}
	if c.parts == nil {
		c.space.CopyOut(value, a)
		return
	}
	clear(value)
	for _, p := range c.parts {
		c.space.CopyOut(value[p.off:p.off+p.size], a+memory.Addr(p.off))
	}
}

// lock takes the spin lock in the value at a, as bpf_spin_lock does.
func (c *common) lock(a memory.Addr) {
	w := c.space.Half(a + memory.Addr(c.lockAt))
	for !w.CompareAndSwap(0, 1) {
		runtime.Gosched()
	}
}

func (c *common) unlock(a memory.Addr) { c.space.Half(a + memory.Addr(c.lockAt)).Store(0) }
