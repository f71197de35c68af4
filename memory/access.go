package memory

import "unsafe"

// shadow gives the bits of a plane for the bytes from addr on: at least nine of them from bit 0 up. The
// byte of the plane after the last committed one exists; see reserveSpace.
func shadow(plane unsafe.Pointer, addr uint64) uint {
	p := unsafe.Add(plane, uintptr(addr>>3))
	// Compilers make one load of these two, where hosts allow it.
	return (uint(*(*byte)(p)) | uint(*(*byte)(unsafe.Add(p, 1)))<<8) >> (addr & 7)
}

// Load reads size bytes, 1, 2, 4 or 8, in the byte order of the host, zero-extended.
func (s *Space) Load(addr uint64, size uint32) (uint64, error) {
	if addr < s.limit.Load() {
		live := shadow(s.read, addr)
		p := unsafe.Add(s.base, uintptr(addr))
		switch {
		case size == 8 && live&0xff == 0xff:
			return *(*uint64)(p), nil
		case size == 4 && live&0xf == 0xf:
			return uint64(*(*uint32)(p)), nil
		case size == 1 && live&1 == 1:
			return uint64(*(*uint8)(p)), nil
		case size == 2 && live&3 == 3:
			return uint64(*(*uint16)(p)), nil
		}
	}
	return 0, s.fault(addr, size, Read)
}

// Store writes the low size bytes of v, 1, 2, 4 or 8, in the byte order of the host.
func (s *Space) Store(addr uint64, size uint32, v uint64) error {
	if addr < s.limit.Load() {
		live := shadow(s.write, addr)
		p := unsafe.Add(s.base, uintptr(addr))
		switch {
		case size == 8 && live&0xff == 0xff:
			*(*uint64)(p) = v
			return nil
		case size == 4 && live&0xf == 0xf:
			*(*uint32)(p) = uint32(v)
			return nil
		case size == 1 && live&1 == 1:
			*(*uint8)(p) = uint8(v)
			return nil
		case size == 2 && live&3 == 3:
			*(*uint16)(p) = uint16(v)
			return nil
		}
	}
	return s.fault(addr, size, Write)
}

// Load8 reads a byte; ok is false, and Load would return a Fault, if it may not. It and its likes are made for
// inlining into an interpreter's loop.
func (s *Space) Load8(addr uint64) (v uint64, ok bool) {
	if addr < s.limit.Load() && shadow(s.read, addr)&1 == 1 {
		return uint64(*(*uint8)(unsafe.Add(s.base, uintptr(addr)))), true
	}
	return 0, false
}

// Load16 reads two bytes; see Load8.
func (s *Space) Load16(addr uint64) (v uint64, ok bool) {
	if addr < s.limit.Load() && shadow(s.read, addr)&3 == 3 {
		return uint64(*(*uint16)(unsafe.Add(s.base, uintptr(addr)))), true
	}
	return 0, false
}

// Load32 reads four bytes; see Load8.
func (s *Space) Load32(addr uint64) (v uint64, ok bool) {
	if addr < s.limit.Load() && shadow(s.read, addr)&0xf == 0xf {
		return uint64(*(*uint32)(unsafe.Add(s.base, uintptr(addr)))), true
	}
	return 0, false
}

// Load64 reads eight bytes; see Load8.
func (s *Space) Load64(addr uint64) (v uint64, ok bool) {
	if addr < s.limit.Load() && shadow(s.read, addr)&0xff == 0xff {
		return *(*uint64)(unsafe.Add(s.base, uintptr(addr))), true
	}
	return 0, false
}

// Store8 writes a byte; it returns false, and Store would return a Fault, if it may not.
func (s *Space) Store8(addr, v uint64) bool {
	if addr < s.limit.Load() && shadow(s.write, addr)&1 == 1 {
		*(*uint8)(unsafe.Add(s.base, uintptr(addr))) = uint8(v)
		return true
	}
	return false
}

// Store16 writes two bytes; see Store8.
func (s *Space) Store16(addr, v uint64) bool {
	if addr < s.limit.Load() && shadow(s.write, addr)&3 == 3 {
		*(*uint16)(unsafe.Add(s.base, uintptr(addr))) = uint16(v)
		return true
	}
	return false
}

// Store32 writes four bytes; see Store8.
func (s *Space) Store32(addr, v uint64) bool {
	if addr < s.limit.Load() && shadow(s.write, addr)&0xf == 0xf {
		*(*uint32)(unsafe.Add(s.base, uintptr(addr))) = uint32(v)
		return true
	}
	return false
}

// Store64 writes eight bytes; see Store8.
func (s *Space) Store64(addr, v uint64) bool {
	if addr < s.limit.Load() && shadow(s.write, addr)&0xff == 0xff {
		*(*uint64)(unsafe.Add(s.base, uintptr(addr))) = v
		return true
	}
	return false
}

// Check reports whether a program may use the n bytes from addr on in all the ways of want: nil, or a
// *Fault. No bytes, and no rights, are always fine.
func (s *Space) Check(addr uint64, n uint32, want Rights) error {
	if s.Allows(addr, n, want) {
		return nil
	}
	return s.fault(addr, n, want)
}

// Allows is Check without the message.
func (s *Space) Allows(addr uint64, n uint32, want Rights) bool {
	return (want&Read == 0 || s.extent(s.read, addr, n) == n) &&
		(want&Write == 0 || s.extent(s.write, addr, n) == n)
}

// Extent is the number of bytes, up to n, that a program may use from addr on in all the ways of want.
func (s *Space) Extent(addr uint64, n uint32, want Rights) uint32 {
	if want&Read != 0 {
		n = s.extent(s.read, addr, n)
	}
	if want&Write != 0 {
		n = s.extent(s.write, addr, n)
	}
	return n
}

// extent counts set bits of a plane from addr on, up to n.
func (s *Space) extent(plane unsafe.Pointer, addr uint64, n uint32) uint32 {
	limit := s.limit.Load()
	if n == 0 || addr >= limit {
		return 0
	}
	n = uint32(min(uint64(n), limit-addr))
	done := uint32(0)
	for n-done >= 8 {
		if shadow(plane, addr+uint64(done))&0xff != 0xff {
			break
		}
		done += 8
	}
	for done < n && shadow(plane, addr+uint64(done))&1 == 1 {
		done++
	}
	return done
}
