package maps

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/skepbpf/skep/memory"
)

// Programs is a BPF_MAP_TYPE_PROG_ARRAY: what bpf_tail_call goes to. Its elements are whatever the engine
// takes for a program.
//
// To user space a program is the ID of its handle in the Space (memory.Space.HandleID), 4 bytes, where Linux takes
// a descriptor and shows an ID.
type Programs struct {
	*common
	progs   refs
	version memory.Addr

	// Accept, if not nil, says why a program may not be in the array, such as being of another type than the others. It
	// must be set before the map is shared.
	Accept func(program any) error
}

func newPrograms(c *common) (impl, error) {
	a, err := c.allocRaw(8, c.spec.Name+" (version)")
	if err != nil {
		return nil, err
	}
	m := &Programs{common: c, progs: newRefs(c.spec.MaxEntries), version: a}
	m.changed()
	return m, nil
}

// Version is where the array's version is, 8 bytes: what native code has found out about elements holds until it changes, which
// it does after the element. No version is ever used again in the Space, by no array.
func (m *Programs) Version() (memory.Addr, *atomic.Uint64) { return m.version, m.space.Word(m.version) }

func (m *Programs) changed() { m.space.Word(m.version).Store(m.space.Serial()) }

// set puts a program, or nil, in its place, and gives what was there.
func (m *Programs) set(index uint32, program any) any {
	old := m.progs.swap(index, program)
	m.changed()
	return old
}

// Program is the program with an index, or nil.
func (m *Programs) Program(index uint32) any { return m.progs.at(index) }

// SetProgram sets the program with an index; nil removes it, which is ErrKeyNotExist if there is none. ErrIndex: the
// index is too large.
func (m *Programs) SetProgram(index uint32, program any) error {
	switch {
	case index >= m.progs.count:
		return ErrIndex
	case program == nil:
		if m.set(index, nil) == nil {
			return ErrKeyNotExist
		}
		return nil
	case m.Accept != nil:
		if err := m.Accept(program); err != nil {
			return err
		}
	}
	m.set(index, program)
	return nil
}

func (m *Programs) get(key, value []byte, flags uint64) error {
	p := m.progs.at(index(key))
	if p == nil {
		return ErrKeyNotExist
	}
	binary.NativeEndian.PutUint32(value, m.idOf(p))
	return nil
}

func (m *Programs) put(key, value []byte, flags uint64) error {
	switch {
	case flags != Any:
		return ErrInvalid
	case index(key) >= m.progs.count:
		return ErrIndex
	}
	p := m.space.HandleByID(binary.NativeEndian.Uint32(value))
	switch p.(type) {
	case nil:
		return EBADF
	case Map:
		return ErrInvalid
	}
	return m.SetProgram(index(key), p)
}

func (m *Programs) remove(key []byte) error { return m.SetProgram(index(key), nil) }

func (m *Programs) next(key []byte) ([]byte, error) { return nextIndex(key, m.progs.count) }

func (m *Programs) drop() { m.progs = newRefs(0) }

// idOf is the number by which user space knows something: that of its own, or 0.
func (c *common) idOf(v any) uint32 {
	switch v := v.(type) {
	case interface{ ID() uint32 }:
		return v.ID()
	case interface{ Addr() uint64 }:
		return c.space.HandleID(v.Addr())
	}
	return 0
}
