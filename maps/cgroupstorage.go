package maps

import (
	"encoding/binary"
	"sync"

	"github.com/skepbpf/skep/memory"
)

// A CgroupLocal is a BPF_MAP_TYPE_CGROUP_STORAGE or _PERCPU_CGROUP_STORAGE: a value for each control group, or for each
// control group and attach type, that a program using the map is attached to. A key is the number of the group, u64, and
// if it has 16 bytes the attach type, u32.
type CgroupLocal struct {
	*common
	pool *pool

	mu    sync.RWMutex
	elems map[string]memory.Addr
	keys  []string // in the order in which they came
}

func newCgroupLocal(c *common) (impl, error) {
	return &CgroupLocal{common: c, pool: newPool(c, 1<<20), elems: map[string]memory.Addr{}}, nil
}

func (m *CgroupLocal) key(cgroup uint64, attach uint32) (b [16]byte) {
	binary.NativeEndian.PutUint64(b[:], cgroup)
	if m.spec.KeySize == 16 {
		binary.NativeEndian.PutUint32(b[8:], attach)
	}
	return b
}

// Attach makes the value of a group, if it is not there yet, as attaching a program does.
func (m *CgroupLocal) Attach(cgroup uint64, attach uint32) error {
	b := m.key(cgroup, attach)
	key := string(b[:m.spec.KeySize])
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.elems[key] != 0 {
		return nil
	}
	a := m.pool.take()
	if a == 0 {
		return ErrNoMemory
	}
	for cpu := range max(1, int(m.pool.each/m.pool.stride)) {
		clear(m.space.Bytes(m.pool.at(a, cpu), roundUp(m.spec.ValueSize, 8)))
	}
	m.elems[key] = a
	m.keys = append(m.keys, key)
	return nil
}

// Detach removes the value of a group, as the end of the group, or of the attachment, does.
func (m *CgroupLocal) Detach(cgroup uint64, attach uint32) error {
	b := m.key(cgroup, attach)
	key := string(b[:m.spec.KeySize])
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.elems[key]
	if a == 0 {
		return ErrKeyNotExist
	}
	delete(m.elems, key)
	m.keys = without(m.keys, key)
	m.pool.give(a)
	return nil
}

// Local is bpf_get_local_storage: the address of the value of a group, 0 if Attach has not made one.
func (m *CgroupLocal) Local(cpu int, cgroup uint64, attach uint32) memory.Addr {
	b := m.key(cgroup, attach)
	if a := m.at(b[:m.spec.KeySize]); a != 0 && uint(cpu) < uint(m.cpus) {
		return m.pool.at(a, cpu)
	}
	return 0
}

func (m *CgroupLocal) at(key []byte) memory.Addr {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.elems[string(key)]
}

// Delete fails: values come and go with attachments.
func (m *CgroupLocal) Delete(key []byte) error { return ErrInvalid }

func (m *CgroupLocal) get(key, value []byte, flags uint64) error {
	a := m.at(key)
	if a == 0 {
		return ErrKeyNotExist
	}
	m.eachCPU(value, func(cpu int, v []byte) { m.read(v, m.pool.at(a, cpu), flags) })
	return nil
}

func (m *CgroupLocal) put(key, value []byte, flags uint64) error {
	if flags&^Lock != Any && flags&^Lock != Exist {
		return ErrInvalid
	}
	a := m.at(key)
	if a == 0 {
		return ErrKeyNotExist
	}
	m.eachCPU(value, func(cpu int, v []byte) { m.write(m.pool.at(a, cpu), v, flags) })
	return nil
}

func (m *CgroupLocal) remove(key []byte) error { return ErrInvalid }

func (m *CgroupLocal) next(key []byte) ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return nextOf(m.keys, key)
}
