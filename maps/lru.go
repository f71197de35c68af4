package maps

import "github.com/skepbpf/skep/memory"

func checkLRU(s *Spec) error {
	// Flags that no hash table has are told first.
	if s.Flags&NoPrealloc != 0 && s.Flags&^(hashFlags|lruFlags|NUMANode) == 0 {
		return refuse(ENOTSUPP, "map %q: LRU maps are allocated beforehand", s.Name)
	}
	if s.Flags&NoCommonLRU != 0 && s.Flags&NUMANode != 0 {
		return refuse(EINVAL, "map %q: lists of each CPU are not of a node", s.Name)
	}
	return nil
}

// inBucket in the word at atLink marks an element of an LRU map that is in a bucket. Free elements have an
// address there, which is even.
const inBucket = 1

// linked records whether an element is in a bucket, where that matters: for the clock.
func (t *table) linked(e memory.Addr, is bool) {
	if !t.evicts {
		return
	}
	if is {
		t.word(e, atLink).Store(inBucket)
	} else {
		t.word(e, atLink).Store(0)
	}
}

// evict removes the element that the clock's hand comes to first and that was not looked up since it was
// there last. It reports whether it may have made room.
func (m *HashMap) evict() bool {
	s := &m.slabs[0]
	// Once round clears all references, so twice is enough unless lookups keep setting them; then any will do.
	for tries := uint32(0); tries < 3*s.count; tries++ {
		used := m.used.Load()
		e := memory.Addr(s.elems + (m.hand.Add(1)-1)%used*m.elemSize)
		if m.word(e, atLink).Load() != inBucket {
			continue
		}
		if ref := m.word(e, m.layout.Ref); ref.Load() != 0 && tries < 2*s.count {
			ref.Store(0)
			continue
		}
		if m.evictElement(e) {
			return true
		}
	}
	return m.count.Load() < int64(m.spec.MaxEntries)
}

// evictElement removes e if it is still in the bucket it seemed to be in.
func (m *HashMap) evictElement(e memory.Addr) bool {
	hash := m.word(e, atHash).Load()
	lock := m.lockOf(hash)
	lock.Lock()
	defer lock.Unlock()
	prev, at := memory.Addr(0), bucketHead(m.bucket(hash).Load())
	for at != 0 && at != e {
		prev, at = at, memory.Addr(m.word(at, atNext).Load())
	}
	if at == 0 {
		return false
	}
	m.unlink(hash, prev, e)
	return true
}
