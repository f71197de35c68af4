package maps

import "sync"

// A StructOpsMap is a BPF_MAP_TYPE_STRUCT_OPS: it keeps the one value, but nothing in here calls what is in it.
type StructOpsMap struct {
	*common
	mu    sync.Mutex
	value []byte // nil if it was not put yet
}

func newStructOps(c *common) (impl, error) { return &StructOpsMap{common: c}, nil }

func (m *StructOpsMap) get(key, value []byte, flags uint64) error {
	if index(key) != 0 {
		return ErrKeyNotExist
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(value[copy(value, m.value):])
	return nil
}

func (m *StructOpsMap) put(key, value []byte, flags uint64) error {
	switch {
	case flags != Any:
		return ErrInvalid
	case index(key) != 0:
		return ErrIndex
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.value != nil {
		return EBUSY
	}
	m.value = append([]byte{}, value...)
	return nil
}

func (m *StructOpsMap) remove(key []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.value == nil || index(key) != 0 {
		return ErrKeyNotExist
	}
	m.value = nil
	return nil
}

func (m *StructOpsMap) next(key []byte) ([]byte, error) { return nextIndex(key, 1) }
