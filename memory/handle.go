package memory

import "sync/atomic"

// A handle is a kernel object without rights that stands for something of Go's: a map, a program. Its
// address is what a register holds; Owner finds what it stands for.
type handle struct {
	addr  Addr
	owner any
}

// handles is replaced as a whole when it grows; its elements are set one by one.
type handles []atomic.Pointer[handle]

// handleSize keeps handles on cache lines of their own.
const handleSize = 64

// AllocHandle makes a kernel object that programs may hold but not look into, and that stands for owner.
// Free ends it.
func (s *Space) AllocHandle(name string, owner any) (Addr, error) {
	a, err := s.Alloc(handleSize, Kernel, 0, name)
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	table := s.handleTable()
	i := 0
	for i < len(table) && table[i].Load() != nil {
		i++
	}
	if i == len(table) {
		bigger := make(handles, max(16, 2*len(table)))
		for j := range table {
			bigger[j].Store(table[j].Load())
		}
		s.handles.Store(&bigger)
		table = bigger
	}
	table[i].Store(&handle{a, owner})
	// Its own number, so that it is found without a search.
	s.Half(a).Store(uint32(i))
	return a, nil
}

// Owner is what the handle at addr stands for; nil if there is none at addr, which may be anything. It takes
// no lock.
func (s *Space) Owner(addr uint64) any {
	if h := s.handle(addr); h != nil {
		return h.owner
	}
	return nil
}

// HandleID is the number of the handle at addr: at least 1, and unlike that of any other live one; 0 if
// there is no handle.
func (s *Space) HandleID(addr uint64) uint32 {
	if s.handle(addr) == nil {
		return 0
	}
	return s.Half(Addr(addr)).Load() + 1
}

// HandleByID is the owner of the handle with this number, or nil.
func (s *Space) HandleByID(id uint32) any {
	table := s.handleTable()
	if id == 0 || uint64(id) > uint64(len(table)) {
		return nil
	}
	if h := table[id-1].Load(); h != nil {
		return h.owner
	}
	return nil
}

func (s *Space) handle(addr uint64) *handle {
	if addr < NullSize || addr%16 != 0 || addr >= s.limit.Load() {
		return nil
	}
	table := s.handleTable()
	// The number read here may be anything, if addr is no handle: the table decides.
	i := s.Half(Addr(addr)).Load()
	if uint64(i) >= uint64(len(table)) {
		return nil
	}
	if h := table[i].Load(); h != nil && h.addr == Addr(addr) {
		return h
	}
	return nil
}

func (s *Space) handleTable() handles {
	if p := s.handles.Load(); p != nil {
		return *p
	}
	return nil
}

// dropHandle forgets the handle at a, if it is one. s.mu is held.
func (s *Space) dropHandle(a Addr) {
	if s.handle(uint64(a)) != nil {
		s.handleTable()[s.Half(a).Load()].Store(nil)
	}
}
