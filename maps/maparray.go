package maps

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/skepbpf/skep/memory"
)

// A MapArray is a BPF_MAP_TYPE_ARRAY_OF_MAPS. For native code it is an array of 64-bit handles, 0 where there is no map:
// see Layout.
type MapArray struct {
	*common
	inners
	layout ArrayLayout
}

func newMapArray(c *common) (impl, error) {
	a, err := c.allocRaw(8*uint64(c.spec.MaxEntries), c.spec.Name)
	if err != nil {
		return nil, err
	}
	return &MapArray{common: c, layout: ArrayLayout{First: a, Stride: 8, Count: c.spec.MaxEntries}}, nil
}

// Layout tells where the handles are.
func (m *MapArray) Layout() ArrayLayout { return m.layout }

func (m *MapArray) at(key []byte) *atomic.Uint64 {
	if len(key) != 4 || index(key) >= m.layout.Count {
		return nil
	}
	return m.space.Word(m.layout.First + memory.Addr(8*index(key)))
}

// Lookup gives the handle of the inner map with the index in key.
func (m *MapArray) Lookup(cpu int, key []byte) memory.Addr {
	if w := m.at(key); w != nil {
		return memory.Addr(w.Load())
	}
	return 0
}

// PutMap sets an element; flags must be Any. ErrIncompatible: inner is unlike the template.
func (m *MapArray) PutMap(key []byte, inner Map, flags uint64) error {
	if len(key) != 4 || flags != Any {
		return ErrInvalid
	}
	w := m.at(key)
	if w == nil {
		return ErrIndex
	}
	in, err := m.hold(inner)
	if err != nil {
		return err
	}
	m.retire(m.common, memory.Addr(w.Swap(uint64(in.Addr()))))
	return nil
}

// GetMap is the inner map with the index in key.
func (m *MapArray) GetMap(key []byte) (Map, error) {
	if in := At(m.space, uint64(m.Lookup(0, key))); in != nil {
		return in, nil
	}
	return nil, ErrKeyNotExist
}

func (m *MapArray) get(key, value []byte, flags uint64) error { return m.idAt(value, m.Lookup(0, key)) }

func (m *MapArray) put(key, value []byte, flags uint64) error {
	if flags != Any {
		return ErrInvalid
	}
	if m.at(key) == nil {
		return ErrIndex
	}
	in, err := m.byID(binary.NativeEndian.Uint32(value))
	if err != nil {
		return err
	}
	return m.PutMap(key, in, flags)
}

func (m *MapArray) remove(key []byte) error {
	w := m.at(key)
	if w == nil {
		return ErrIndex
	}
	old := w.Swap(0)
	if old == 0 {
		return ErrKeyNotExist
	}
	m.retire(m.common, memory.Addr(old))
	return nil
}

func (m *MapArray) next(key []byte) ([]byte, error) { return nextIndex(key, m.layout.Count) }

func (m *MapArray) drop() {
	for i := range m.layout.Count {
		w := m.space.Word(m.layout.First + memory.Addr(8*i))
		if w.Load() != 0 {
			m.retire(m.common, memory.Addr(w.Swap(0)))
		}
	}
	m.Reclaim()
}
