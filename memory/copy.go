package memory

import (
	"sync/atomic"
	"unsafe"
)

// Pointer is the host address of a, unchecked: a must be inside an object that the caller owns.
func (s *Space) Pointer(a Addr) unsafe.Pointer { return unsafe.Add(s.base, uintptr(a)) }

// Word is the aligned 64-bit word at a, for owners of memory that programs may not touch; nil if it is not
// committed.
func (s *Space) Word(a Addr) *atomic.Uint64 {
	if a%8 != 0 || a < NullSize || uint64(a)+8 > s.limit.Load() {
		return nil
	}
	return (*atomic.Uint64)(s.at(a))
}

// Half is the aligned 32-bit word at a; see Word.
func (s *Space) Half(a Addr) *atomic.Uint32 {
	if a%4 != 0 || a < NullSize || uint64(a)+4 > s.limit.Load() {
		return nil
	}
	return (*atomic.Uint32)(s.at(a))
}

// CopyOut copies from a on to b, without checks of rights: aligned 8-byte words each as a whole, so that a
// counter that a program updates meanwhile is never torn. It reports whether all of it is committed.
func (s *Space) CopyOut(b []byte, a Addr) bool {
	if a < NullSize || uint64(a)+uint64(len(b)) > s.limit.Load() {
		return false
	}
	p := s.at(a)
	i := 0
	if a%8 == 0 {
		for ; i+8 <= len(b); i += 8 {
			*(*uint64)(unsafe.Pointer(&b[i])) = atomic.LoadUint64((*uint64)(unsafe.Add(p, i)))
		}
	}
	if (a+Addr(i))%4 == 0 {
		for ; i+4 <= len(b); i += 4 {
			*(*uint32)(unsafe.Pointer(&b[i])) = atomic.LoadUint32((*uint32)(unsafe.Add(p, i)))
		}
	}
	copy(b[i:], unsafe.Slice((*byte)(unsafe.Add(p, i)), len(b)-i))
	return true
}

// CopyIn copies b to a on, word by word like CopyOut.
func (s *Space) CopyIn(a Addr, b []byte) bool {
	if a < NullSize || uint64(a)+uint64(len(b)) > s.limit.Load() {
		return false
	}
	p := s.at(a)
	i := 0
	if a%8 == 0 {
		for ; i+8 <= len(b); i += 8 {
			atomic.StoreUint64((*uint64)(unsafe.Add(p, i)), *(*uint64)(unsafe.Pointer(&b[i])))
		}
	}
	if (a+Addr(i))%4 == 0 {
		for ; i+4 <= len(b); i += 4 {
			atomic.StoreUint32((*uint32)(unsafe.Add(p, i)), *(*uint32)(unsafe.Pointer(&b[i])))
		}
	}
	copy(unsafe.Slice((*byte)(unsafe.Add(p, i)), len(b)-i), b[i:])
	return true
}
