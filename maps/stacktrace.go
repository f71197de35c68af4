package maps

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"sync"
)

// Flags of StackMap.Save, BPF_F_*.
const (
	FastStackCompare = 1 << 9  // stacks with the same hash are the same
	ReuseStackID     = 1 << 10 // replace another stack that has the same place
)

// A StackMap is a BPF_MAP_TYPE_STACK_TRACE: call stacks by numbers that depend on them. A value is up to value_size/8
// addresses, followed by zeros.
type StackMap struct {
	*common
	mu     sync.Mutex
	stacks map[uint32]stackTrace
	mask   uint32
}

type stackTrace struct {
	hash  uint32
	value []byte // without trailing zeros
}

func checkStackTrace(s *Spec) error {
	unit := uint32(8)
	if s.Flags&StackBuildID != 0 {
		unit = 32
	}
	// 127 is what kernel.perf_event_max_stack is by default.
	if s.ValueSize%unit != 0 || s.ValueSize/unit > 127 {
		return refuse(EINVAL, "map %q: a value of %d bytes is not up to 127 addresses", s.Name, s.ValueSize)
	}
	return nil
}

func newStackMap(c *common) (impl, error) {
	if c.spec.MaxEntries > 1<<31 {
		return nil, E2BIG
	}
	return &StackMap{common: c, stacks: map[uint32]stackTrace{}, mask: uint32(1<<bits.Len32(c.spec.MaxEntries-1) - 1)}, nil
}

// Save stores a stack, what a value holds of it, and returns its number. Flags may be FastStackCompare and ReuseStackID;
// without the latter EEXIST means that another stack has that place.
func (m *StackMap) Save(stack []byte, flags uint64) (uint32, error) {
	if flags&^(FastStackCompare|ReuseStackID) != 0 {
		return 0, ErrInvalid
	}
	stack = stack[:min(len(stack), int(m.spec.ValueSize))]
	hash := HashKey(0, stack)
	id := hash & m.mask
	m.mu.Lock()
	defer m.mu.Unlock()
	old, ok := m.stacks[id]
	same := ok && old.hash == hash && (flags&FastStackCompare != 0 || slices.Equal(old.value, stack))
	switch {
	case same:
		return id, nil
	case ok && flags&ReuseStackID == 0:
		return 0, ErrKeyExist
	}
	m.stacks[id] = stackTrace{hash, slices.Clone(stack)}
	return id, nil
}

// Update fails: stacks are saved.
func (m *StackMap) Update(cpu int, key, value []byte, flags uint64) error { return ErrInvalid }

// Delete fails: only user space may remove stacks.
func (m *StackMap) Delete(key []byte) error { return ErrInvalid }

func (m *StackMap) get(key, value []byte, flags uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.stacks[index(key)]
	if !ok {
		return ErrKeyNotExist
	}
	clear(value[copy(value, s.value):])
	return nil
}

func (m *StackMap) put(key, value []byte, flags uint64) error { return ErrInvalid }

func (m *StackMap) remove(key []byte) error {
	if index(key) > m.mask {
		return ErrIndex
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.stacks[index(key)]; !ok {
		return ErrKeyNotExist
	}
	delete(m.stacks, index(key))
	return nil
}

func (m *StackMap) take(key, value []byte) error {
	if err := m.get(key, value, 0); err != nil {
		return err
	}
	return m.remove(key)
}

func (m *StackMap) next(key []byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	from := uint64(0)
	if key != nil {
		if _, ok := m.stacks[index(key)]; ok {
			from = uint64(index(key)) + 1
		}
	}
	best, found := uint32(0), false
	for id := range m.stacks {
		if uint64(id) >= from && (!found || id < best) {
			best, found = id, true
		}
	}
	if !found {
		return nil, ErrKeyNotExist
	}
	return binary.NativeEndian.AppendUint32(nil, best), nil
}
