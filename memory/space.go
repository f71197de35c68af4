package memory

import (
	"errors"
	"sync"
	"sync/atomic"
	"unsafe"
)

// FullSize is the size of a Space that has every 32-bit offset.
const FullSize = 1 << 32

// guardSize keeps base + index + signed 16-bit displacement + access width inside the reservation, and
// is a multiple of every page size in use.
const guardSize = 64 << 10

// commitUnit is how much is committed at a time: few system calls, few bytes wasted.
const commitUnit = 1 << 20

// Options are the choices of New. The zero value is right for most users.
type Options struct {
	// Size is the size of the Space; 0 means FullSize, or less where that cannot be had (a limit on the
	// address space, a 32-bit host).
	Size uint64

	// Strict asks owners of adjacent elements, such as array maps, to leave a gap between them, so that
	// running off the end of one is a Fault and not the next one.
	Strict bool
}

// Errors of a Space.
var (
	ErrNoMemory  = errors.New("memory: space exhausted")
	ErrBadAddr   = errors.New("memory: no object starts at this address")
	ErrClosed    = errors.New("memory: space is closed")
	ErrBadLayout = errors.New("memory: elements overlap or lie outside the allocation")
)

// A Space is an address space. Its methods may be called from several goroutines; Close may not while
// others use it.
type Space struct {
	base  unsafe.Pointer // of Addr 0
	read  unsafe.Pointer // bitmap of the bytes that may be read
	write unsafe.Pointer // bitmap of the bytes that may be written
	limit atomic.Uint64  // offsets below are committed, in all three

	handles atomic.Pointer[handles]

	size   uint64
	strict bool
	opened bool    // see Open
	data   *region // with guards
	planes *region // read plane, then write plane
	stride uint64  // bytes from one plane to the other

	mu   sync.Mutex // guards what follows, and writes to the planes by the allocator
	heap heap

	misaligned sync.Mutex // held for atomic operations that the host cannot do

	serial atomic.Uint64
}

// Serial gives a number that it has not given before, from 1 on: for versions of what is in the Space.
func (s *Space) Serial() uint64 { return s.serial.Add(1) }

// sizes are tried in turn when no size is asked for.
var sizes = [...]uint64{FullSize, 1 << 30, 256 << 20, 64 << 20, 16 << 20}

// New reserves a Space. Close releases it.
func New(o Options) (*Space, error) {
	if o.Size != 0 {
		size := min(max(roundUp(o.Size, commitUnit), 2*commitUnit), FullSize)
		return reserveSpace(size, o)
	}
	var first error
	for _, size := range sizes {
		if size > maxSize {
			continue
		}
		s, err := reserveSpace(size, o)
		if err == nil {
			return s, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

func reserveSpace(size uint64, o Options) (*Space, error) {
	data, err := reserve(size + 2*guardSize)
	if err != nil {
		return nil, err
	}
	// A guard after each plane: the check of an access reads one byte further than it needs.
	stride := size/8 + guardSize
	planes, err := reserve(2 * stride)
	if err != nil {
		data.release()
		return nil, err
	}
	s := &Space{size: size, strict: o.Strict, data: data, planes: planes, stride: stride}
	s.base = data.at(guardSize)
	s.read, s.write = planes.at(0), planes.at(stride)
	s.heap.init()
	if err := s.grow(commitUnit); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Close releases the memory of the Space. No address, and no slice from Bytes, may be used after it.
func (s *Space) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.data == nil {
		return nil
	}
	s.limit.Store(0)
	err := errors.Join(s.data.release(), s.planes.release())
	s.data, s.planes = nil, nil
	s.base, s.read, s.write = nil, nil, nil
	s.heap = heap{}
	return err
}

// grow commits memory so that offsets below to are usable. The NULL region stays unmapped, on hosts
// that can do so. s.mu is held, or s is not shared yet.
func (s *Space) grow(to uint64) error {
	old := s.limit.Load()
	to = roundUp(to, commitUnit)
	if to <= old {
		return nil
	}
	if to > s.size {
		return ErrNoMemory
	}
	from := max(old, NullSize)
	if err := s.data.commit(guardSize+from, to-from); err != nil {
		return err
	}
	for _, plane := range [2]uint64{0, s.stride} {
		// One page more than the bytes below the limit need; see reserveSpace.
		start := plane + old/8
		if old != 0 {
			start += guardSize
		}
		if err := s.planes.commit(start, plane+to/8+guardSize-start); err != nil {
			return err
		}
	}
	s.limit.Store(to)
	return nil
}

// Base is the host address of Addr 0.
func (s *Space) Base() uintptr { return uintptr(s.base) }

// Size is the number of offsets, FullSize unless the host could not give that.
func (s *Space) Size() uint64 { return s.size }

// Full reports whether Base plus any 32-bit offset, plus a signed 16-bit displacement, plus 8 bytes,
// lies inside the reservation: what native code may rely on.
func (s *Space) Full() bool { return s.size == FullSize && guarded }

// Open makes every address within reach of native code readable and writable, whether it is in use or not, so that none
// faults: those that no object has are zero until somebody writes there, and cost nothing until then. It fails where Full
// is false or the host does not have it. Checked access is what it was.
func (s *Space) Open() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.data == nil:
		return ErrClosed
	case s.opened:
		return nil
	case !s.Full():
		return errors.New("memory: the space is not a full one")
	}
	err := s.data.open()
	s.opened = err == nil
	return err
}

// Strict reports whether owners of adjacent elements should leave gaps; see Options.
func (s *Space) Strict() bool { return s.strict }

// Bytes is the memory from a on, unchecked, for those who know what is there: nil if it is not all
// committed. Programs that run at the same time may write to it; see CopyOut.
func (s *Space) Bytes(a Addr, n uint32) []byte {
	if a < NullSize || uint64(a)+uint64(n) > s.limit.Load() {
		return nil
	}
	return unsafe.Slice((*byte)(s.at(a)), int(n))
}

func (s *Space) at(a Addr) unsafe.Pointer { return unsafe.Add(s.base, uintptr(a)) }

func roundUp(n, to uint64) uint64 { return (n + to - 1) / to * to }
