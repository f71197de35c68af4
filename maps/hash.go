package maps

import "github.com/skepbpf/skep/memory"

// A HashMap is a hash map of any type: plain or per CPU, LRU or not.
type HashMap struct{ *table }

func newHash(c *common) (impl, error) {
	t, err := newTable(c, c.spec.ValueSize, false)
	if err != nil {
		return nil, err
	}
	return &HashMap{t}, nil
}

// Layout tells where elements are and how to find them.
func (m *HashMap) Layout() TableLayout { return m.layout }

// Lookup gives the value of key. In an LRU map it is a use.
func (m *HashMap) Lookup(cpu int, key []byte) memory.Addr {
	if len(key) != int(m.layout.KeySize) || uint(cpu) >= uint(m.cpus) {
		return 0
	}
	e := m.find(HashKey(m.layout.Seed, key), key)
	if e == 0 {
		return 0
	}
	if m.layout.Ref != 0 {
		// Not written if set, so that CPUs may share the cache line.
		if ref := m.word(e, m.layout.Ref); ref.Load() == 0 {
			ref.Store(1)
		}
	}
	return m.value(cpu, e)
}

// Update sets the value of key.
func (m *HashMap) Update(cpu int, key, value []byte, flags uint64) error {
	if len(key) != int(m.layout.KeySize) || len(value) != int(m.spec.ValueSize) || uint(cpu) >= uint(m.cpus) {
		return ErrInvalid
	}
	return m.set(cpu, key, value, flags)
}

// allCPUs in place of a CPU means that a value has those of all of them.
const allCPUs = -1

func (m *HashMap) set(cpu int, key, value []byte, flags uint64) error {
	if !m.flagsOK(flags) {
		return ErrInvalid
	}
	hash := HashKey(m.layout.Seed, key)
	for {
		err := m.trySet(hash, cpu, key, value, flags)
		if err != ErrFull || !m.evicts || !m.evict() {
			return err
		}
	}
}

// trySet sets a value if there is room, else it returns ErrFull.
func (m *HashMap) trySet(hash uint32, cpu int, key, value []byte, flags uint64) error {
	lock := m.lockOf(hash)
	lock.Lock()
	defer lock.Unlock()
	old, prev := m.seek(hash, key)
	switch {
	case old != 0 && flags&NoExist != 0:
		return ErrKeyExist
	case old == 0 && flags&Exist != 0:
		return ErrKeyNotExist
	case old != 0 && (m.perCPU || flags&Lock != 0):
		m.writeTo(old, cpu, value, flags)
		return nil
	case old == 0 && m.count.Add(1) > int64(m.spec.MaxEntries):
		m.count.Add(-1)
		return ErrFull
	}
	e := m.fresh()
	if e == 0 {
		if old == 0 {
			m.count.Add(-1)
		}
		return ErrNoMemory
	}
	// The value, then the key, and last the hash: who comes across the element through a stale pointer takes it
	// for the one sought only when it is whole.
	m.word(e, atHash).Store(^hash)
	if m.perCPU {
		for c := range m.cpus {
			clear(m.space.Bytes(m.value(c, e), roundUp(m.spec.ValueSize, 8)))
		}
		m.writeTo(e, cpu, value, 0)
	} else {
		m.writeNew(m.value(0, e), value)
	}
	copy(m.key(e), key)
	if m.layout.Ref != 0 {
		m.word(e, m.layout.Ref).Store(0)
	}
	m.word(e, atHash).Store(hash)
	if old == 0 {
		m.insert(e, hash)
		m.linked(e, true)
		return nil
	}
	m.replace(hash, prev, old, e)
	m.linked(e, true)
	m.linked(old, false)
	m.discard(old)
	return nil
}

// writeTo sets the value of an element for one CPU or all.
func (m *HashMap) writeTo(e memory.Addr, cpu int, value []byte, flags uint64) {
	if cpu != allCPUs {
		m.write(m.value(cpu, e), value, flags)
		return
	}
	m.eachCPU(value, func(cpu int, v []byte) { m.write(m.value(cpu, e), v, flags) })
}

// Delete removes key.
func (m *HashMap) Delete(key []byte) error {
	if len(key) != int(m.layout.KeySize) {
		return ErrInvalid
	}
	return m.take1(key, nil)
}

// take1 removes key, and copies its value unless that is nil.
func (m *HashMap) take1(key, value []byte) error {
	hash := HashKey(m.layout.Seed, key)
	lock := m.lockOf(hash)
	lock.Lock()
	defer lock.Unlock()
	e, prev := m.seek(hash, key)
	if e == 0 {
		return ErrKeyNotExist
	}
	if value != nil {
		m.readFrom(e, value, 0)
	}
	m.unlink(hash, prev, e)
	return nil
}

// unlink ends an element. The lock of its bucket is held.
func (m *HashMap) unlink(hash uint32, prev, e memory.Addr) {
	m.replace(hash, prev, e, 0)
	m.linked(e, false)
	m.discard(e)
	m.count.Add(-1)
}

// discard gives back what was in a bucket.
func (m *HashMap) discard(e memory.Addr) {
	m.end(e)
	m.give(e)
}

// end tells those concerned that an element is no more.
func (m *HashMap) end(e memory.Addr) {
	if m.gone != nil {
		m.gone(e)
	}
	if m.spec.Released == nil {
		return
	}
	m.released(m.value(0, e))
	for cpu := 1; m.perCPU && cpu < m.cpus; cpu++ {
		m.released(m.value(cpu, e))
	}
}

func (m *HashMap) drop() {
	if m.gone != nil || m.spec.Released != nil {
		m.each(m.end)
	}
}

func (m *HashMap) readFrom(e memory.Addr, value []byte, flags uint64) {
	m.eachCPU(value, func(cpu int, v []byte) { m.read(v, m.value(cpu, e), flags) })
}

// Len is the number of elements.
func (m *HashMap) Len() int { return int(m.count.Load()) }

func (m *HashMap) get(key, value []byte, flags uint64) error {
	hash := HashKey(m.layout.Seed, key)
	lock := m.lockOf(hash)
	lock.Lock()
	defer lock.Unlock()
	e, _ := m.seek(hash, key)
	if e == 0 {
		return ErrKeyNotExist
	}
	m.readFrom(e, value, flags)
	return nil
}

func (m *HashMap) put(key, value []byte, flags uint64) error {
	return m.set(allCPUs, key, value, flags)
}

func (m *HashMap) remove(key []byte) error { return m.take1(key, nil) }

func (m *HashMap) take(key, value []byte) error { return m.take1(key, value) }
