package maps

import (
	"math/bits"

	"github.com/skepbpf/skep/memory"
)

// A Bloom is a BPF_MAP_TYPE_BLOOM_FILTER: a set of values that may also seem to have others. The low four bits of
// map_extra are the number of hash functions, 5 if they are 0. It has no keys: user space's Put pushes, Get peeks.
type Bloom struct {
	*common
	bits   memory.Addr
	mask   uint32
	hashes uint64
}

func newBloom(c *common) (impl, error) {
	m := &Bloom{common: c, hashes: c.spec.Extra & 15}
	if m.hashes == 0 {
		m.hashes = 5
	}
	// With n = bits * ln 2 / hashes values half of the bits are set, which is best. 7/5 is about 1/ln 2.
	n := m.hashes * uint64(c.spec.MaxEntries) * 7 / 5
	n = max(64, uint64(1)<<bits.Len64(n-1))
	if n > 1<<32 {
		n = 1 << 32
	}
	m.mask = uint32(n - 1)
	var err error
	m.bits, err = c.allocRaw(n/8, c.spec.Name)
	return m, err
}

// bit is the number of the bit that hash function i sets. Their seeds only differ.
func (m *Bloom) bit(i uint64, value []byte) uint32 {
	return HashKey(i*HashFactor+i, value) & m.mask
}

// Push adds a value; flags must be Any.
func (m *Bloom) Push(value []byte, flags uint64) error {
	if flags != Any || len(value) != int(m.spec.ValueSize) {
		return ErrInvalid
	}
	for i := range m.hashes {
		b := m.bit(i, value)
		m.space.Word(m.bits + memory.Addr(b/64*8)).Or(1 << (b % 64))
	}
	return nil
}

// Peek returns nil if the value may have been added, ErrKeyNotExist if not.
func (m *Bloom) Peek(value []byte) error {
	if len(value) != int(m.spec.ValueSize) {
		return ErrInvalid
	}
	for i := range m.hashes {
		b := m.bit(i, value)
		if m.space.Word(m.bits+memory.Addr(b/64*8)).Load()&(1<<(b%64)) == 0 {
			return ErrKeyNotExist
		}
	}
	return nil
}

// Pop fails: nothing can be taken out.
func (m *Bloom) Pop(value []byte) error { return EOPNOTSUPP }

// Update fails: programs push.
func (m *Bloom) Update(cpu int, key, value []byte, flags uint64) error { return ErrInvalid }

// Delete fails: nothing can be taken out.
func (m *Bloom) Delete(key []byte) error { return EOPNOTSUPP }

func (m *Bloom) get(key, value []byte, flags uint64) error { return m.Peek(value) }
func (m *Bloom) put(key, value []byte, flags uint64) error { return m.Push(value, flags) }
func (m *Bloom) remove(key []byte) error                   { return EOPNOTSUPP }
func (m *Bloom) next(key []byte) ([]byte, error)           { return nil, EOPNOTSUPP }
