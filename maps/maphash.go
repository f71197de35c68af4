package maps

import (
	"encoding/binary"

	"github.com/skepbpf/skep/memory"
)

// A MapHash is a BPF_MAP_TYPE_HASH_OF_MAPS: a hash table whose values are 64-bit handles.
type MapHash struct {
	*HashMap
	inners
}

func newMapHash(c *common) (impl, error) {
	t, err := newTable(c, 8, true)
	if err != nil {
		return nil, err
	}
	m := &MapHash{HashMap: &HashMap{t}}
	t.gone = func(e memory.Addr) { m.retire(c, m.handle(e)) }
	return m, nil
}

func (m *MapHash) handle(e memory.Addr) memory.Addr {
	return memory.Addr(m.space.Word(m.value(0, e)).Load())
}

// Lookup gives the handle of the inner map of key.
func (m *MapHash) Lookup(cpu int, key []byte) memory.Addr {
	if v := m.HashMap.Lookup(0, key); v != 0 {
		return memory.Addr(m.space.Word(v).Load())
	}
	return 0
}

// Update fails: only user space may change a map of maps.
func (m *MapHash) Update(cpu int, key, value []byte, flags uint64) error { return ErrNotSupported }

// Delete fails, as Update does.
func (m *MapHash) Delete(key []byte) error { return ErrNotSupported }

// Range fails, as Update does.
func (m *MapHash) Range(cpu int, f func(key []byte, value memory.Addr) bool) (int, error) {
	return 0, ErrNotSupported
}

// PutMap sets an element. ErrIncompatible: inner is unlike the template.
func (m *MapHash) PutMap(key []byte, inner Map, flags uint64) error {
	if len(key) != int(m.spec.KeySize) {
		return ErrInvalid
	}
	in, err := m.hold(inner)
	if err != nil {
		return err
	}
	var handle [8]byte
	binary.NativeEndian.PutUint64(handle[:], uint64(in.Addr()))
	if err := m.set(0, key, handle[:], flags); err != nil {
		in.base().release()
		return err
	}
	return nil
}

// GetMap is the inner map of key.
func (m *MapHash) GetMap(key []byte) (Map, error) {
	if in := At(m.space, uint64(m.Lookup(0, key))); in != nil {
		return in, nil
	}
	return nil, ErrKeyNotExist
}

func (m *MapHash) get(key, value []byte, flags uint64) error { return m.idAt(value, m.Lookup(0, key)) }

func (m *MapHash) put(key, value []byte, flags uint64) error {
	in, err := m.byID(binary.NativeEndian.Uint32(value))
	if err != nil {
		return err
	}
	return m.PutMap(key, in, flags)
}

func (m *MapHash) take(key, value []byte) error { return ErrNotSupported }

func (m *MapHash) drop() {
	m.HashMap.drop()
	m.Reclaim()
}
