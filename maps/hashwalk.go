package maps

import (
	"slices"

	"github.com/skepbpf/skep/memory"
)

// each calls f for all elements of a map that nobody else uses.
func (m *HashMap) each(f func(e memory.Addr)) {
	for i := uint64(0); i <= uint64(m.layout.Mask); i++ {
		for e := bucketHead(m.bucket(uint32(i)).Load()); e != 0; e = memory.Addr(m.word(e, atNext).Load()) {
			f(e)
		}
	}
}

// Range goes through the buckets. Elements that are there all the time are seen once, others perhaps.
func (m *HashMap) Range(cpu int, f func(key []byte, value memory.Addr) bool) (int, error) {
	if uint(cpu) >= uint(m.cpus) {
		return 0, ErrInvalid
	}
	n := 0
	var keys []byte
	var values []memory.Addr
	for i := uint64(0); i <= uint64(m.layout.Mask); i++ {
		// What f does to the map needs the lock, so the bucket is copied first.
		keys, values = m.snapshot(uint32(i), cpu, keys[:0], values[:0])
		for j, v := range values {
			n++
			if !f(keys[j*int(m.layout.KeySize):(j+1)*int(m.layout.KeySize)], v) {
				return n, nil
			}
		}
	}
	return n, nil
}

// snapshot appends the keys and the value addresses of a bucket.
func (m *HashMap) snapshot(i uint32, cpu int, keys []byte, values []memory.Addr) ([]byte, []memory.Addr) {
	if m.bucket(i).Load() == 0 {
		return keys, values
	}
	lock := m.lockOf(i)
	lock.Lock()
	defer lock.Unlock()
	for e := bucketHead(m.bucket(i).Load()); e != 0; e = memory.Addr(m.word(e, atNext).Load()) {
		keys = append(keys, m.key(e)...)
		values = append(values, m.value(cpu, e))
	}
	return keys, values
}

// next follows key in its bucket, or else goes to the next bucket with an element.
func (m *HashMap) next(key []byte) ([]byte, error) {
	bucket := uint64(0)
	if key != nil {
		hash := HashKey(m.layout.Seed, key)
		next, found := m.nextInBucket(hash, key)
		if next != nil {
			return next, nil
		}
		if found {
			bucket = uint64(hash&m.layout.Mask) + 1
		}
	}
	for ; bucket <= uint64(m.layout.Mask); bucket++ {
		if m.bucket(uint32(bucket)).Load() == 0 {
			continue
		}
		if k := m.firstKey(uint32(bucket)); k != nil {
			return k, nil
		}
	}
	return nil, ErrKeyNotExist
}

func (m *HashMap) nextInBucket(hash uint32, key []byte) (next []byte, found bool) {
	lock := m.lockOf(hash)
	lock.Lock()
	defer lock.Unlock()
	e, _ := m.seek(hash, key)
	if e == 0 {
		return nil, false
	}
	if e = memory.Addr(m.word(e, atNext).Load()); e == 0 {
		return nil, true
	}
	return slices.Clone(m.key(e)), true
}

func (m *HashMap) firstKey(bucket uint32) []byte {
	lock := m.lockOf(bucket)
	lock.Lock()
	defer lock.Unlock()
	if e := bucketHead(m.bucket(bucket).Load()); e != 0 {
		return slices.Clone(m.key(e))
	}
	return nil
}
