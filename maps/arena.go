package maps

import (
	"sync"

	"github.com/skepbpf/skep/memory"
)

// ArenaPage is the number of bytes of a page of an arena, on every host.
const ArenaPage = 4096

// An ArenaMap is a BPF_MAP_TYPE_ARENA: pages that programs and user space share. An arena has one range of addresses in
// the Space, and pages in it live from AllocPages to FreePages. Programs and user space use the same addresses.
type ArenaMap struct {
	*common
	first memory.Addr // a multiple of ArenaPage

	mu   sync.Mutex
	live []bool // by page
}

func newArena(c *common) (impl, error) {
	// One page more, to align the others.
	size := (uint64(c.spec.MaxEntries) + 1) * ArenaPage
	if size > 1<<32-1 {
		return nil, ErrNoMemory
	}
	e := memory.Elems{Stride: uint32(size), Size: uint32(size), Count: 1, Lazy: true}
	a, err := c.allocKind(size, e, memory.Arena)
	if err != nil {
		return nil, err
	}
	return &ArenaMap{common: c, first: memory.Addr(roundUp(uint32(a), ArenaPage)), live: make([]bool, c.spec.MaxEntries)}, nil
}

// ValueAddr is the address of the arena, and its size in bytes.
func (m *ArenaMap) ValueAddr() (memory.Addr, uint32, bool) {
	return m.first, m.spec.MaxEntries * ArenaPage, true
}

// pages are the numbers of the first page of a range and of the one after its last; false if it is not in the arena.
func (m *ArenaMap) pages(a memory.Addr, n uint32) (from, to uint32, ok bool) {
	if a < m.first || a%ArenaPage != 0 {
		return 0, 0, false
	}
	from = uint32(a-m.first) / ArenaPage
	return from, from + n, uint64(from)+uint64(n) <= uint64(len(m.live))
}

// AllocPages is bpf_arena_alloc_pages: it makes n pages of zeros live, at a, or where there is room if a is 0. It
// returns their address, 0 if there is no room.
func (m *ArenaMap) AllocPages(a memory.Addr, n uint32) memory.Addr {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n == 0 {
		return 0
	}
	from, ok := m.findFree(n)
	if a != 0 {
		from, _, ok = m.pages(a, n)
	}
	if !ok {
		return 0
	}
	for _, live := range m.live[from : from+n] {
		if live {
			return 0
		}
	}
	m.set(from, from+n, true)
	return m.first + memory.Addr(from*ArenaPage)
}

// findFree finds the first n pages in a row that are not live.
func (m *ArenaMap) findFree(n uint32) (uint32, bool) {
	run := uint32(0)
	for i, live := range m.live {
		if run++; live {
			run = 0
		}
		if run == n {
			return uint32(i) + 1 - n, true
		}
	}
	return 0, false
}

// set makes pages that are not live so, with zeros, or ends those that are.
func (m *ArenaMap) set(from, to uint32, live bool) {
	for i := from; i < to; i++ {
		if m.live[i] == live {
			continue
		}
		m.live[i] = live
		a := m.first + memory.Addr(i*ArenaPage)
		if !live {
			m.space.SetLive(a, ArenaPage, 0)
			continue
		}
		clear(m.space.Bytes(a, ArenaPage))
		m.space.SetLive(a, ArenaPage, memory.Read|memory.Write)
	}
}

// FreePages is bpf_arena_free_pages: it ends n pages from a on, as far as they are live and in the arena.
func (m *ArenaMap) FreePages(a memory.Addr, n uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a &^= ArenaPage - 1
	if from, _, ok := m.pages(a, 0); ok {
		m.set(from, uint32(min(uint64(from)+uint64(n), uint64(len(m.live)))), false)
	}
}

// Bytes is memory of the arena as user space has it mapped. Pages come to life as it touches them: with all those
// that it may touch, here. ErrInvalid: it is not all in the arena; EFAULT: pages are not live, and the arena has the flag
// SegvOnFault.
func (m *ArenaMap) Bytes(a memory.Addr, n uint32) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	end := uint64(a) + uint64(n)
	if a < m.first || end > uint64(m.first)+uint64(len(m.live))*ArenaPage {
		return nil, ErrInvalid
	}
	from, to := uint32(a-m.first)/ArenaPage, uint32((end-uint64(m.first)+ArenaPage-1)/ArenaPage)
	if m.spec.Flags&SegvOnFault != 0 {
		for _, live := range m.live[from:to] {
			if !live {
				return nil, EFAULT
			}
		}
	}
	m.set(from, to, true)
	return m.space.Bytes(a, n), nil
}

// Update fails: an arena has no elements.
func (m *ArenaMap) Update(cpu int, key, value []byte, flags uint64) error { return EOPNOTSUPP }

// Delete fails, as Update does.
func (m *ArenaMap) Delete(key []byte) error { return EOPNOTSUPP }

func (m *ArenaMap) get(key, value []byte, flags uint64) error { return ErrInvalid }
func (m *ArenaMap) put(key, value []byte, flags uint64) error { return EOPNOTSUPP }
func (m *ArenaMap) remove(key []byte) error                   { return EOPNOTSUPP }
func (m *ArenaMap) next(key []byte) ([]byte, error)           { return nil, EOPNOTSUPP }
