package maps

import (
	"sync"

	"github.com/skepbpf/skep/memory"
)

// A QueueMap is a BPF_MAP_TYPE_QUEUE or BPF_MAP_TYPE_STACK. It has no keys: user space's Put pushes, Get peeks, Take
// pops.
type QueueMap struct {
	*common
	data  memory.Addr
	stack bool

	mu   sync.Mutex
	head uint32 // the oldest element
	len  uint32
}

func newQueue(c *common) (impl, error) {
	a, err := c.allocRaw(uint64(c.spec.MaxEntries)*uint64(roundUp(c.spec.ValueSize, 8)), c.spec.Name)
	return &QueueMap{common: c, data: a, stack: c.spec.Type == Stack}, err
}

// at is the element with a number, from the oldest on.
func (m *QueueMap) at(i uint32) memory.Addr {
	n := (uint64(m.head) + uint64(i)) % uint64(m.spec.MaxEntries)
	return m.data + memory.Addr(n*uint64(roundUp(m.spec.ValueSize, 8)))
}

// Push is bpf_map_push_elem. With Exist it makes room by dropping the oldest element; else ErrFull means that there
// is none.
func (m *QueueMap) Push(value []byte, flags uint64) error {
	if flags != Any && flags != Exist || len(value) != int(m.spec.ValueSize) {
		return ErrInvalid
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.len == m.spec.MaxEntries {
		if flags != Exist {
			return ErrFull
		}
		m.head = (m.head + 1) % m.spec.MaxEntries
		m.len--
	}
	m.space.CopyIn(m.at(m.len), value)
	m.len++
	return nil
}

// Pop is bpf_map_pop_elem: the oldest element of a queue, the newest of a stack. ErrEmpty means that there is none: then
// value becomes zeros, as in Linux.
func (m *QueueMap) Pop(value []byte) error { return m.first(value, true) }

// Peek is bpf_map_peek_elem: Pop without removing.
func (m *QueueMap) Peek(value []byte) error { return m.first(value, false) }

func (m *QueueMap) first(value []byte, remove bool) error {
	if len(value) != int(m.spec.ValueSize) {
		return ErrInvalid
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.len == 0 {
		clear(value)
		return ErrEmpty
	}
	i := uint32(0)
	if m.stack {
		i = m.len - 1
	}
	m.space.CopyOut(value, m.at(i))
	if !remove {
		return nil
	}
	m.len--
	if !m.stack {
		m.head = (m.head + 1) % m.spec.MaxEntries
	}
	return nil
}

// Len is the number of elements.
func (m *QueueMap) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return int(m.len)
}

// Update fails: programs push.
func (m *QueueMap) Update(cpu int, key, value []byte, flags uint64) error { return ErrInvalid }

// Delete fails: programs pop.
func (m *QueueMap) Delete(key []byte) error { return ErrInvalid }

func (m *QueueMap) get(key, value []byte, flags uint64) error { return m.Peek(value) }
func (m *QueueMap) put(key, value []byte, flags uint64) error { return m.Push(value, flags) }
func (m *QueueMap) remove(key []byte) error                   { return ErrInvalid }
func (m *QueueMap) take(key, value []byte) error              { return m.Pop(value) }
func (m *QueueMap) next(key []byte) ([]byte, error)           { return nil, ErrInvalid }
