package memory

import (
	"sync/atomic"
	"unsafe"
)

// An AtomicOp is what an atomic instruction does to memory.
type AtomicOp uint8

// The atomic operations. Each returns what memory held before.
const (
	AtomicAdd AtomicOp = iota
	AtomicOr
	AtomicAnd
	AtomicXor
	AtomicXchg
	AtomicCmpXchg // writes v if memory held cmp
)

// Atomic does op on size bytes, 4 or 8, at addr, and returns what they held before, zero-extended. Operations
// at misaligned addresses, which some hosts cannot do, are atomic among themselves only.
func (s *Space) Atomic(op AtomicOp, addr uint64, size uint32, v, cmp uint64) (old uint64, err error) {
	if !s.Allows(addr, size, Read|Write) || size != 4 && size != 8 {
		return 0, s.fault(addr, size, Read|Write)
	}
	p := unsafe.Add(s.base, uintptr(addr))
	if addr%uint64(size) != 0 {
		return s.atomicMisaligned(op, p, size, v, cmp), nil
	}
	if size == 8 {
		return atomic64((*uint64)(p), op, v, cmp), nil
	}
	return uint64(atomic32((*uint32)(p), op, uint32(v), uint32(cmp))), nil
}

func atomic64(p *uint64, op AtomicOp, v, cmp uint64) uint64 {
	switch op {
	case AtomicAdd:
		return atomic.AddUint64(p, v) - v
	case AtomicOr:
		return atomic.OrUint64(p, v)
	case AtomicAnd:
		return atomic.AndUint64(p, v)
	case AtomicXchg:
		return atomic.SwapUint64(p, v)
	}
	for {
		old := atomic.LoadUint64(p)
		if op == AtomicCmpXchg && old != cmp || atomic.CompareAndSwapUint64(p, old, apply(op, old, v)) {
			return old
		}
	}
}

func atomic32(p *uint32, op AtomicOp, v, cmp uint32) uint32 {
	switch op {
	case AtomicAdd:
		return atomic.AddUint32(p, v) - v
	case AtomicOr:
		return atomic.OrUint32(p, v)
	case AtomicAnd:
		return atomic.AndUint32(p, v)
	case AtomicXchg:
		return atomic.SwapUint32(p, v)
	}
	for {
		old := atomic.LoadUint32(p)
		if op == AtomicCmpXchg && old != cmp || atomic.CompareAndSwapUint32(p, old, uint32(apply(op, uint64(old), uint64(v)))) {
			return old
		}
	}
}

// apply is what memory holds after op; a comparison has succeeded already.
func apply(op AtomicOp, old, v uint64) uint64 {
	switch op {
	case AtomicAdd:
		return old + v
	case AtomicOr:
		return old | v
	case AtomicAnd:
		return old & v
	case AtomicXor:
		return old ^ v
	}
	return v
}

func (s *Space) atomicMisaligned(op AtomicOp, p unsafe.Pointer, size uint32, v, cmp uint64) uint64 {
	s.misaligned.Lock()
	defer s.misaligned.Unlock()
	if size == 8 {
		old := *(*uint64)(p)
		if op != AtomicCmpXchg || old == cmp {
			*(*uint64)(p) = apply(op, old, v)
		}
		return old
	}
	old := *(*uint32)(p)
	if op != AtomicCmpXchg || old == uint32(cmp) {
		*(*uint32)(p) = uint32(apply(op, uint64(old), v))
	}
	return uint64(old)
}

// LoadAcquire is Load, such that what another goroutine wrote before its StoreRelease of the value read is
// seen by what follows. Misaligned accesses have no order.
func (s *Space) LoadAcquire(addr uint64, size uint32) (uint64, error) {
	if addr%uint64(max(size, 1)) != 0 || !s.Allows(addr, size, Read) {
		return s.Load(addr, size)
	}
	p := unsafe.Add(s.base, uintptr(addr))
	switch size {
	case 8:
		return atomic.LoadUint64((*uint64)(p)), nil
	case 4:
		return uint64(atomic.LoadUint32((*uint32)(p))), nil
	case 1, 2:
		word, shift, mask := within(p, addr, size)
		return uint64(atomic.LoadUint32(word) >> shift & mask), nil
	}
	return s.Load(addr, size)
}

// StoreRelease is Store, after all that this goroutine has read and written before; see LoadAcquire.
func (s *Space) StoreRelease(addr uint64, size uint32, v uint64) error {
	if addr%uint64(max(size, 1)) != 0 || !s.Allows(addr, size, Write) {
		return s.Store(addr, size, v)
	}
	p := unsafe.Add(s.base, uintptr(addr))
	switch size {
	case 8:
		atomic.StoreUint64((*uint64)(p), v)
		return nil
	case 4:
		atomic.StoreUint32((*uint32)(p), uint32(v))
		return nil
	case 1, 2:
		word, shift, mask := within(p, addr, size)
		for {
			old := atomic.LoadUint32(word)
			if atomic.CompareAndSwapUint32(word, old, old&^(mask<<shift)|uint32(v)&mask<<shift) {
				return nil
			}
		}
	}
	return s.Store(addr, size, v)
}

// within finds one or two aligned bytes in the aligned word that holds them: Go has no narrower atomics. The
// rest of the word belongs to the same object, or to nobody, as objects start at multiples of 8 and do
// not share granules.
func within(p unsafe.Pointer, addr uint64, size uint32) (word *uint32, shift, mask uint32) {
	off := uint32(addr & 3)
	word = (*uint32)(unsafe.Add(p, -int(off)))
	if bigEndian {
		off = 4 - size - off
	}
	return word, off * 8, 1<<(size*8) - 1
}

var bigEndian = func() bool {
	one := uint16(1)
	return *(*uint8)(unsafe.Pointer(&one)) == 0
}()
