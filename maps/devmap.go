package maps

import (
	"encoding/binary"

	"github.com/skepbpf/skep/memory"
)

// A Redirecter is a map by which bpf_redirect_map sends packets: to interfaces or CPUs. A value is a u32, the index of
// the interface or the length of the CPU's queue, and if it has 8 bytes a second one, a program to run there. That is a
// descriptor when user space puts it into a map of Linux, and an ID when it gets it; here it is an ID all the time.
type Redirecter interface {
	Map
	// Target is the element of key; ok is false if there is none. program is 0 if there is none.
	Target(key uint32) (value, program uint32, ok bool)
}

// Devices is a BPF_MAP_TYPE_DEVMAP, or, as an array of queue lengths by CPU, a BPF_MAP_TYPE_CPUMAP. Elements whose first
// word is 0 are not there.
type Devices struct {
	*common
	array *ArrayMap

	// Accept, if not nil, says why an interface index cannot be in the map. It must be set before the map is shared.
	Accept func(ifindex uint32) error
}

func newDevices(c *common) (impl, error) {
	m, err := newArray(c)
	if err != nil {
		return nil, err
	}
	return &Devices{common: c, array: m.(*ArrayMap)}, nil
}

// Target is the element with an index.
func (m *Devices) Target(i uint32) (value, program uint32, ok bool) {
	var key [4]byte
	binary.NativeEndian.PutUint32(key[:], i)
	return m.target(m.array.at(0, key[:]))
}

// target reads an element.
func (c *common) target(a memory.Addr) (value, program uint32, ok bool) {
	if a == 0 {
		return 0, 0, false
	}
	var b [8]byte
	c.space.CopyOut(b[:c.spec.ValueSize], a)
	value = binary.NativeEndian.Uint32(b[:])
	return value, binary.NativeEndian.Uint32(b[4:]), value != 0
}

// Lookup gives the element with the index in key, which programs may read.
func (m *Devices) Lookup(cpu int, key []byte) memory.Addr {
	a := m.array.at(0, key)
	if a == 0 || m.spec.Type == CPUMap || m.space.Half(a).Load() == 0 {
		return 0
	}
	return a
}

func (m *Devices) get(key, value []byte, flags uint64) error {
	a := m.array.at(0, key)
	if a == 0 {
		return ErrKeyNotExist
	}
	if m.read(value, a, 0); binary.NativeEndian.Uint32(value) == 0 {
		return ErrKeyNotExist
	}
	return nil
}

func (m *Devices) put(key, value []byte, flags uint64) error {
	first, program := binary.NativeEndian.Uint32(value), uint32(0)
	if len(value) == 8 {
		program = binary.NativeEndian.Uint32(value[4:])
	}
	switch {
	case flags > Exist:
		return ErrInvalid
	case index(key) >= m.spec.MaxEntries:
		return ErrIndex
	case flags == NoExist:
		return ErrKeyExist
	}
	if m.spec.Type == CPUMap {
		switch {
		case first > 16<<10:
			return EOVERFLOW
		case index(key) >= uint32(m.cpus):
			return ENODEV
		}
	} else {
		if first == 0 && program != 0 {
			return ErrInvalid
		}
		if first != 0 && m.Accept != nil {
			if err := m.Accept(first); err != nil {
				return err
			}
		}
	}
	m.write(m.array.at(0, key), value, 0)
	return nil
}

func (m *Devices) remove(key []byte) error {
	a := m.array.at(0, key)
	if a == 0 {
		return ErrInvalid
	}
	m.write(a, make([]byte, m.spec.ValueSize), 0)
	return nil
}

func (m *Devices) next(key []byte) ([]byte, error) { return nextIndex(key, m.spec.MaxEntries) }

// DeviceHash is a BPF_MAP_TYPE_DEVMAP_HASH.
type DeviceHash struct {
	*HashMap

	// Accept, if not nil, says why an interface index cannot be in the map. It must be set before the map is shared.
	Accept func(ifindex uint32) error
}

func newDeviceHash(c *common) (impl, error) {
	m, err := newHash(c)
	if err != nil {
		return nil, err
	}
	return &DeviceHash{HashMap: m.(*HashMap)}, nil
}

// Target is the element of a key.
func (m *DeviceHash) Target(i uint32) (value, program uint32, ok bool) {
	var key [4]byte
	binary.NativeEndian.PutUint32(key[:], i)
	return m.target(m.Lookup(0, key[:]))
}

// Update fails: only user space may change the map.
func (m *DeviceHash) Update(cpu int, key, value []byte, flags uint64) error { return ErrNotSupported }

// Delete fails, as Update does.
func (m *DeviceHash) Delete(key []byte) error { return ErrNotSupported }

// Range fails, as Linux has none for this type.
func (m *DeviceHash) Range(cpu int, f func(key []byte, value memory.Addr) bool) (int, error) {
	return 0, ErrNotSupported
}

func (m *DeviceHash) put(key, value []byte, flags uint64) error {
	first := binary.NativeEndian.Uint32(value)
	if first == 0 || flags > Exist {
		return ErrInvalid
	}
	if m.Accept != nil {
		if err := m.Accept(first); err != nil {
			return err
		}
	}
	return m.set(0, key, value, flags&NoExist) // Linux does not insist on Exist
}

func (m *DeviceHash) take(key, value []byte) error { return ErrNotSupported }
