package maps

import (
	"encoding/binary"
	"math"

	"github.com/skepbpf/skep/memory"
)

// An ArrayMap is an array: one block of elements, or one for each CPU.
type ArrayMap struct {
	*common
	layout ArrayLayout
}

// An ArrayLayout tells native code where the elements are: that with an index below Count, for a CPU, is at
// First + cpu*CPUStride + index*Stride. CPUStride is 0 if all CPUs share them.
type ArrayLayout struct {
	First     memory.Addr
	Stride    uint32
	CPUStride uint32
	Count     uint32
}

func newArray(c *common) (impl, error) {
	m := &ArrayMap{common: c}
	stride := uint64(roundUp(c.spec.ValueSize, 8))
	if c.space.Strict() && c.spec.Flags&Mmapable == 0 {
		stride += 8
	}
	size, blocks := stride*uint64(c.spec.MaxEntries), uint64(1)
	if c.perCPU {
		// CPUs do not share cache lines.
		size, blocks = (size+63)&^63, uint64(c.cpus)
	}
	if size*blocks > math.MaxUint32 {
		return nil, ErrNoMemory
	}
	e := memory.Elems{Stride: uint32(stride), Size: c.spec.ValueSize, Count: c.spec.MaxEntries, Groups: uint32(blocks)}
	if blocks > 1 {
		e.GroupStride = uint32(size)
	}
	a, err := c.alloc(size*blocks, e)
	if err != nil {
		return nil, err
	}
	m.layout = ArrayLayout{First: a, Stride: e.Stride, CPUStride: e.GroupStride, Count: e.Count}
	return m, nil
}

// Layout tells where the elements are.
func (m *ArrayMap) Layout() ArrayLayout { return m.layout }

// at is the address of an element, 0 if there is none.
func (m *ArrayMap) at(cpu int, key []byte) memory.Addr {
	l := &m.layout
	if len(key) != 4 || uint(cpu) >= uint(m.cpus) {
		return 0
	}
	i := index(key)
	if i >= l.Count {
		return 0
	}
	return l.First + memory.Addr(uint32(cpu)*l.CPUStride+i*l.Stride)
}

// Lookup gives the element with the index in key.
func (m *ArrayMap) Lookup(cpu int, key []byte) memory.Addr { return m.at(cpu, key) }

// ValueAddr is the address of the only element of an array that has one.
func (m *ArrayMap) ValueAddr() (memory.Addr, uint32, bool) {
	return m.layout.First, m.spec.ValueSize, !m.perCPU && m.layout.Count == 1
}

// Memory is all elements of an array with the flag Mmapable, as mmap would show them: they are
// memory.Addr-aligned values that programs change at any time.
func (m *ArrayMap) Memory() ([]byte, error) {
	if m.spec.Flags&Mmapable == 0 {
		return nil, ErrNotSupported
	}
	return m.space.Bytes(m.layout.First, m.layout.Stride*m.layout.Count), nil
}

// indexed checks the update of an element by index.
func indexed(c *common, key []byte, flags uint64) error {
	switch {
	case flags&^Lock > Exist:
		return ErrInvalid
	case index(key) >= c.spec.MaxEntries:
		return ErrIndex
	case flags&NoExist != 0:
		return ErrKeyExist
	case !c.lockable(flags): // last, in Linux
		return ErrInvalid
	}
	return nil
}

// Update sets an element. All elements of an array exist.
func (m *ArrayMap) Update(cpu int, key, value []byte, flags uint64) error {
	if len(key) != 4 || len(value) != int(m.spec.ValueSize) {
		return ErrInvalid
	}
	if err := indexed(m.common, key, flags); err != nil {
		return err
	}
	m.write(m.at(cpu, key), value, flags)
	m.released(m.at(cpu, key))
	return nil
}

// Delete fails: elements of an array are there for good.
func (m *ArrayMap) Delete(key []byte) error { return ErrInvalid }

// Range goes through the elements in order.
func (m *ArrayMap) Range(cpu int, f func(key []byte, value memory.Addr) bool) (int, error) {
	var key [4]byte
	for i := range m.layout.Count {
		binary.NativeEndian.PutUint32(key[:], i)
		if !f(key[:], m.at(cpu, key[:])) {
			return int(i) + 1, nil
		}
	}
	return int(m.layout.Count), nil
}

func (m *ArrayMap) get(key, value []byte, flags uint64) error {
	if m.at(0, key) == 0 {
		return ErrKeyNotExist
	}
	m.eachCPU(value, func(cpu int, v []byte) { m.read(v, m.at(cpu, key), flags) })
	return nil
}

func (m *ArrayMap) put(key, value []byte, flags uint64) error {
	if err := indexed(m.common, key, flags); err != nil {
		return err
	}
	m.eachCPU(value, func(cpu int, v []byte) {
		m.write(m.at(cpu, key), v, flags)
		m.released(m.at(cpu, key))
	})
	return nil
}

func (m *ArrayMap) drop() {
	if m.spec.Released == nil {
		return
	}
	for cpu := range m.cpus {
		if cpu > 0 && !m.perCPU {
			break
		}
		_, _ = m.Range(cpu, func(_ []byte, a memory.Addr) bool { m.released(a); return true })
	}
}

func (m *ArrayMap) remove(key []byte) error { return ErrInvalid }

func (m *ArrayMap) next(key []byte) ([]byte, error) { return nextIndex(key, m.layout.Count) }

// nextIndex is NextKey of the types whose keys are indices.
func nextIndex(key []byte, count uint32) ([]byte, error) {
	i := uint32(0)
	if key != nil {
		switch last := index(key); {
		case last == count-1:
			return nil, ErrKeyNotExist
		case last < count:
			i = last + 1
		}
	}
	return binary.NativeEndian.AppendUint32(nil, i), nil
}

func index(key []byte) uint32 { return binary.NativeEndian.Uint32(key) }
