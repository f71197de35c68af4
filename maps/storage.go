package maps

import (
	"encoding/binary"
	"sync"

	"github.com/skepbpf/skep/memory"
)

// A Storage is a map whose elements belong to objects of the kernel: BPF_MAP_TYPE_SK_STORAGE, _TASK_STORAGE,
// _INODE_STORAGE, _CGRP_STORAGE. Here an owner is whatever stands for the object: it must be comparable.
//
// To user space a key is the number of the owner's handle in the Space, where Linux takes a descriptor.
type Storage struct {
	*common
	pool *pool

	elems sync.Map // of memory.Addr, by owner
	mu    sync.Mutex

	// Resolve finds the owner that user space means by a key. It may be nil, and must be set before the map is shared.
	Resolve func(key uint32) (owner any, err error)
}

func newStorage(c *common) (impl, error) { return &Storage{common: c, pool: newPool(c, 1<<20)}, nil }

// Find is bpf_*_storage_get without the flag to create: the value of an owner, or 0.
func (m *Storage) Find(owner any) memory.Addr {
	if a, ok := m.elems.Load(owner); ok {
		return a.(memory.Addr)
	}
	return 0
}

// Create is Find with that flag: it makes a value if there is none, of zeros if init is nil; 0 if there is no memory.
func (m *Storage) Create(owner any, init []byte) memory.Addr {
	if a := m.Find(owner); a != 0 {
		return a
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if a := m.Find(owner); a != 0 {
		return a // another one was quicker
	}
	return m.create(owner, init)
}

func (m *Storage) create(owner any, init []byte) memory.Addr {
	a := m.pool.take()
	if a == 0 {
		return 0
	}
	clear(m.space.Bytes(a, m.spec.ValueSize))
	if init != nil {
		m.writeNew(a, init)
	}
	m.elems.Store(owner, a)
	return a
}

// Drop is bpf_*_storage_delete, and what happens when the owner ends. ErrKeyNotExist: it has no value.
func (m *Storage) Drop(owner any) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.elems.LoadAndDelete(owner)
	if !ok {
		return ErrKeyNotExist
	}
	m.pool.give(a.(memory.Addr))
	return nil
}

// owner is what user space means by a key.
func (m *Storage) owner(key []byte) (any, error) {
	n := binary.NativeEndian.Uint32(key)
	if m.Resolve != nil {
		return m.Resolve(n)
	}
	if o := m.space.HandleByID(n); o != nil {
		return o, nil
	}
	if m.spec.Type == SkStorage {
		return nil, ENOTSOCK
	}
	return nil, EBADF
}

func (m *Storage) get(key, value []byte, flags uint64) error {
	o, err := m.owner(key)
	if err != nil {
		return err
	}
	a := m.Find(o)
	if a == 0 {
		return ErrKeyNotExist
	}
	m.read(value, a, flags)
	return nil
}

func (m *Storage) put(key, value []byte, flags uint64) error {
	o, err := m.owner(key)
	if err != nil {
		return err
	}
	if !m.flagsOK(flags) {
		return ErrInvalid
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.Find(o)
	switch {
	case a != 0 && flags&NoExist != 0:
		return ErrKeyExist
	case a == 0 && flags&Exist != 0:
		return ErrKeyNotExist
	case a != 0:
		m.write(a, value, flags)
	case m.create(o, value) == 0:
		return ErrNoMemory
	}
	return nil
}

func (m *Storage) remove(key []byte) error {
	o, err := m.owner(key)
	if err != nil {
		return err
	}
	return m.Drop(o)
}
