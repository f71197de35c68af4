package maps

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/skepbpf/skep/memory"
)

// An LPM is a BPF_MAP_TYPE_LPM_TRIE. A key is a u32, the length of a prefix in bits, and the bytes that it is one
// of, the most significant bit of the first byte first. A lookup finds the longest prefix of its key.
//
// It is a binary trie whose nodes are prefixes: where two part there is a node without an entry. Nodes are on Go's
// heap, changed by pointers one at a time, so that lookups take no lock; values are in the Space.
type LPM struct {
	*common
	values *pool
	bits   uint32 // of a whole key
	root   atomic.Pointer[lpmNode]

	mu    sync.Mutex // of writers
	count uint32
}

type lpmNode struct {
	len   uint32 // bits of the prefix
	data  []byte // which begin with it
	entry atomic.Pointer[lpmEntry]
	child [2]atomic.Pointer[lpmNode] // by the bit after the prefix
}

// An lpmEntry is a key as it was given, with bits after the prefix, and its value.
type lpmEntry struct {
	key   []byte
	value memory.Addr
}

func newLPM(c *common) (impl, error) {
	return &LPM{common: c, values: newPool(c, c.spec.MaxEntries), bits: (c.spec.KeySize - 4) * 8}, nil
}

// bit is the bit of data with a number.
func bit(data []byte, i uint32) int { return int(data[i/8]>>(7-i%8)) & 1 }

// commonBits is the number of bits that two prefixes start with alike.
func commonBits(a, b []byte, most uint32) uint32 {
	i := uint32(0)
	for ; i+64 <= most; i += 64 {
		if x := binary.BigEndian.Uint64(a[i/8:]) ^ binary.BigEndian.Uint64(b[i/8:]); x != 0 {
			return i + uint32(bits.LeadingZeros64(x))
		}
	}
	for ; i < most; i += 8 {
		if x := a[i/8] ^ b[i/8]; x != 0 {
			return min(i+uint32(bits.LeadingZeros8(x)), most)
		}
	}
	return most
}

// split is a key as its two parts; ok is false if the length is too long.
func (m *LPM) split(key []byte) (n uint32, data []byte, ok bool) {
	if len(key) != int(m.spec.KeySize) {
		return 0, nil, false
	}
	n = binary.NativeEndian.Uint32(key)
	return n, key[4:], n <= m.bits
}

func (m *LPM) find(key []byte) *lpmEntry {
	n, data, ok := m.split(key)
	if !ok {
		return nil
	}
	var best *lpmEntry
	for x := m.root.Load(); x != nil && x.len <= n && commonBits(x.data, data, x.len) == x.len; {
		if e := x.entry.Load(); e != nil {
			best = e
		}
		if x.len == n {
			break
		}
		x = x.child[bit(data, x.len)].Load()
	}
	return best
}

// Lookup gives the value of the longest prefix of key.
func (m *LPM) Lookup(cpu int, key []byte) memory.Addr {
	if e := m.find(key); e != nil {
		return e.value
	}
	return 0
}

// Update sets the value of a prefix.
func (m *LPM) Update(cpu int, key, value []byte, flags uint64) error {
	if len(value) != int(m.spec.ValueSize) {
		return ErrInvalid
	}
	return m.put(key, value, flags)
}

// Delete removes a prefix, not the longest that would be found.
func (m *LPM) Delete(key []byte) error { return m.remove(key) }

func (m *LPM) get(key, value []byte, flags uint64) error {
	// The value may be given to another key while it is copied, and read as that one's, if there were no lock.
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.find(key)
	if e == nil {
		return ErrKeyNotExist
	}
	m.read(value, e.value, flags)
	return nil
}

// seek finds where a prefix is, or would be: the pointer to the node of which it is a prefix, or that is one of it
// without one of its children being so. path, if not nil, gets the nodes on the way.
func (m *LPM) seek(n uint32, data []byte, path *[]*lpmNode) (at *atomic.Pointer[lpmNode], same uint32) {
	at = &m.root
	for {
		x := at.Load()
		if x == nil {
			return at, 0
		}
		same = commonBits(x.data, data, min(x.len, n))
		if same != x.len || x.len == n {
			return at, same
		}
		if path != nil {
			*path = append(*path, x)
		}
		at = &x.child[bit(data, x.len)]
	}
}

func (m *LPM) put(key, value []byte, flags uint64) error {
	n, data, ok := m.split(key)
	if !ok || !m.flagsOK(flags) {
		return ErrInvalid
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	at, same := m.seek(n, data, nil)
	x := at.Load()
	var old *lpmEntry
	if x != nil && same == n && x.len == n {
		old = x.entry.Load()
	}
	switch {
	case old != nil && flags&NoExist != 0:
		return ErrKeyExist
	case old == nil && flags&Exist != 0:
		return ErrKeyNotExist
	case old == nil && m.count == m.spec.MaxEntries:
		return ErrNoSpace
	}
	e := &lpmEntry{key: slices.Clone(key), value: m.values.take()}
	if e.value == 0 {
		return ErrNoMemory
	}
	m.writeNew(e.value, value)
	if old == nil {
		m.count++
	}
	if x != nil && same == n && x.len == n {
		x.entry.Store(e)
		if old != nil {
			m.values.give(old.value)
		}
		return nil
	}
	node := &lpmNode{len: n, data: e.key[4:]}
	node.entry.Store(e)
	switch {
	case x == nil:
	case same == n:
		node.child[bit(x.data, n)].Store(x)
	default:
		// They part before either ends.
		fork := &lpmNode{len: same, data: node.data}
		fork.child[bit(data, same)].Store(node)
		fork.child[bit(x.data, same)].Store(x)
		node = fork
	}
	at.Store(node)
	return nil
}

func (m *LPM) remove(key []byte) error {
	n, data, ok := m.split(key)
	if !ok {
		return ErrInvalid
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var path []*lpmNode
	at, same := m.seek(n, data, &path)
	x := at.Load()
	if x == nil || same != n || x.len != n || x.entry.Load() == nil {
		return ErrKeyNotExist
	}
	old := x.entry.Swap(nil)
	m.count--
	m.prune(at, x)
	// A fork that has lost a branch is none.
	if len(path) > 0 {
		parent := path[len(path)-1]
		up := &m.root
		if len(path) > 1 {
			grand := path[len(path)-2]
			up = &grand.child[bit(parent.data, grand.len)]
		}
		m.prune(up, parent)
	}
	m.values.give(old.value)
	return nil
}

// prune takes x out, which at points to, if it has no entry and at most one child.
func (m *LPM) prune(at *atomic.Pointer[lpmNode], x *lpmNode) {
	left, right := x.child[0].Load(), x.child[1].Load()
	if x.entry.Load() != nil || left != nil && right != nil {
		return
	}
	if left == nil {
		left = right
	}
	at.Store(left)
}

// next goes through the trie with the children of a node before it, so that longer prefixes come first, as in Linux.
func (m *LPM) next(key []byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	x := m.root.Load()
	if x == nil {
		return nil, ErrKeyNotExist
	}
	if key != nil {
		if n, data, ok := m.split(key); ok {
			var path []*lpmNode
			at, same := m.seek(n, data, &path)
			if y := at.Load(); y != nil && same == n && y.len == n && y.entry.Load() != nil {
				return m.after(y, path)
			}
		}
	}
	return slices.Clone(firstLeaf(x).entry.Load().key), nil
}

// after is the key after that of x; path leads to it.
func (m *LPM) after(x *lpmNode, path []*lpmNode) ([]byte, error) {
	for i := len(path) - 1; i >= 0; i-- {
		parent := path[i]
		if right := parent.child[1].Load(); right != nil && right != x {
			return slices.Clone(firstLeaf(right).entry.Load().key), nil
		}
		if e := parent.entry.Load(); e != nil {
			return slices.Clone(e.key), nil
		}
		x = parent
	}
	return nil, ErrKeyNotExist
}

// firstLeaf is the node below x that comes first. All leaves have entries.
func firstLeaf(x *lpmNode) *lpmNode {
	for {
		next := x.child[0].Load()
		if next == nil {
			next = x.child[1].Load()
		}
		if next == nil {
			return x
		}
		x = next
	}
}

// Len is the number of prefixes.
func (m *LPM) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return int(m.count)
}

func (m *LPM) drop() { m.root.Store(nil) }
