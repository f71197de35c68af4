package maps

import (
	"encoding/binary"
	"math/bits"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/skepbpf/skep/memory"
)

// A TableLayout tells native code how to look up a key in a hash table. All numbers are in the byte
// order of the host, all addresses are offsets into the Space.
//
// Buckets is the first of Mask+1 buckets of 8 bytes:
//
//	0  u32  first element, 0 if none
//	4  u32  version
//
// An element is at a multiple of 8:
//
//	0      u32  next element of the bucket, 0 if none
//	4      u32  hash of the key
//	8      u32  if the values are per CPU: address of that of CPU 0; that of CPU n is n*CPUStride further
//	12     u32  owner's
//	Ref    u32  if Ref is not 0: set to 1 by a lookup, for the clock that evicts
//	Key         the key, KeySize bytes
//	Value       the value, if not per CPU
//
// A lookup reads the bucket as one u64, follows the elements to the first with the hash and the key, and is
// done. It takes no lock, so an element may be removed and come up in another bucket under its feet. That
// changes the version of its bucket. So if no element is found the lookup compares the version
// with the one it read at first, and starts again if it is another one.
//
// An update of a key that is there puts a new element in the place of the old one, so there is always one.
type TableLayout struct {
	Buckets   memory.Addr
	Mask      uint32
	KeySize   uint32
	Ref       uint32
	Key       uint32
	Value     uint32
	CPUStride uint32
	Seed      uint64
}

// HashFactor is odd and has its bits well spread: 2^64 divided by the golden ratio.
const HashFactor = 0x9e3779b97f4a7c15

// hashSeed is the seed of all tables: the digits of pi. It must not be 0, with which keys of equal halves come into few buckets.
const hashSeed = 0x243f6a8885a308d3

// HashKey is the hash that tables use: for each 8 bytes of the key, and then for the rest, zero-extended, as a
// number in the byte order of the host, h = fold(h ^ word), where fold multiplies by HashFactor and
// adds both halves of the 128-bit product with exclusive or; then the high half of h is added to the low.
func HashKey(seed uint64, key []byte) uint32 {
	h := seed
	for len(key) >= 8 {
		hi, lo := bits.Mul64(h^binary.NativeEndian.Uint64(key), HashFactor)
		h = hi ^ lo
		key = key[8:]
	}
	if len(key) > 0 {
		hi, lo := bits.Mul64(h^tail(key), HashFactor)
		h = hi ^ lo
	}
	return uint32(h ^ h>>32)
}

// tail is up to 7 bytes as a number.
func tail(b []byte) uint64 {
	switch len(b) {
	case 4:
		return uint64(binary.NativeEndian.Uint32(b))
	case 2:
		return uint64(binary.NativeEndian.Uint16(b))
	case 1:
		return uint64(b[0])
	}
	var w [8]byte
	copy(w[:], b)
	return binary.LittleEndian.Uint64(w[:])
}

// Offsets in an element.
const (
	atNext  = 0
	atHash  = 4
	atVals  = 8
	atLink  = 12 // while free: the next free element
	plainAt = 16 // the key, or the reference word
)

// A table is the hash table that several types share: elements, buckets, and their locks.
type table struct {
	*common
	layout    TableLayout
	mem       unsafe.Pointer // of Addr 0
	elemSize  uint32
	valSize   uint32 // bytes between values of the elements, if per CPU
	slabElems uint32 // of a slab
	fixed     bool   // elements are allocated beforehand
	evicts    bool   // a new element takes the place of another if there is no room
	hidden    bool   // values are not for programs

	gone func(e memory.Addr) // is called before an element that was in a bucket is given back; may be nil

	count atomic.Int64
	free  atomic.Uint64 // stack of free elements: count of pushes and pops in the high half, Addr in the low
	locks []sync.Mutex  // of buckets, by the low bits of their numbers

	grow  sync.Mutex
	slabs []slab
	used  atomic.Uint32 // elements of the last slab that have been in use
	hand  atomic.Uint32 // of the clock
}

// newTable makes a table with values of valueSize bytes, which programs may see unless they are hidden.
func newTable(c *common, valueSize uint32, hidden bool) (*table, error) {
	s := &c.spec
	t := &table{common: c, mem: c.space.Pointer(0), fixed: s.Flags&NoPrealloc == 0, hidden: hidden}
	t.evicts = s.Type == LRUHash || s.Type == LRUPerCPUHash
	l := &t.layout
	l.KeySize, l.Key, l.Seed = s.KeySize, plainAt, hashSeed
	if t.evicts {
		l.Ref, l.Key = plainAt, plainAt+8
	}
	l.Value = l.Key + roundUp(s.KeySize, 8)
	t.elemSize = l.Value
	t.valSize = roundUp(valueSize, 8)
	if c.space.Strict() {
		t.valSize += 8
	}
	if !c.perCPU {
		t.elemSize += t.valSize
	}
	// Twice as many buckets as Linux has: bucket and element are one cache miss each, a chain is more.
	nbuckets := uint64(2) << bits.Len32(s.MaxEntries-1)
	t.locks = make([]sync.Mutex, min(nbuckets, 64))
	l.Mask = uint32(nbuckets - 1)
	if nbuckets*8 > 1<<31 {
		return nil, ErrNoMemory
	}
	var err error
	if l.Buckets, err = c.allocRaw(nbuckets*8, s.Name+" (buckets)"); err != nil {
		return nil, err
	}
	// One more than max_entries for each update under way: a new element comes before the old one goes.
	n := uint64(s.MaxEntries) + uint64(len(t.locks))
	if !t.fixed {
		n = min(n, max(8, slabBytes/uint64(t.elemSize)))
		if c.perCPU {
			n = min(n, max(8, slabBytes/(uint64(t.valSize)*uint64(c.cpus))))
		}
	}
	t.slabElems = uint32(n)
	if c.perCPU {
		if n*uint64(t.valSize) > 1<<32-1 {
			return nil, ErrNoMemory
		}
		l.CPUStride = t.slabElems * t.valSize
	}
	if !t.fixed {
		return t, nil
	}
	return t, t.addSlab(n)
}

// word is an aligned 32-bit word of an element.
func (t *table) word(e memory.Addr, off uint32) *atomic.Uint32 {
	return (*atomic.Uint32)(unsafe.Add(t.mem, uintptr(e)+uintptr(off)))
}

func (t *table) bucket(hash uint32) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Add(t.mem, uintptr(t.layout.Buckets)+uintptr(hash&t.layout.Mask)*8))
}

// A bucket as one word: on big-endian hosts the halves of memory are those of the number the other way round.
func bucketHead(b uint64) memory.Addr {
	if bigEndian {
		return memory.Addr(b >> 32)
	}
	return memory.Addr(b)
}

func bucketVersion(b uint64) uint32 {
	if bigEndian {
		return uint32(b)
	}
	return uint32(b >> 32)
}

func makeBucket(head memory.Addr, version uint32) uint64 {
	if bigEndian {
		return uint64(head)<<32 | uint64(version)
	}
	return uint64(version)<<32 | uint64(head)
}

var bigEndian = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

func (t *table) lockOf(hash uint32) *sync.Mutex {
	return &t.locks[hash&uint32(len(t.locks)-1)]
}

func (t *table) key(e memory.Addr) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(t.mem, uintptr(e)+uintptr(t.layout.Key))), int(t.layout.KeySize))
}

// isKey reports whether e has this key.
func (t *table) isKey(e memory.Addr, key []byte) bool {
	p := unsafe.Add(t.mem, uintptr(e)+uintptr(t.layout.Key))
	switch len(key) { // the usual sizes, without a call
	case 4:
		return *(*uint32)(p) == binary.NativeEndian.Uint32(key)
	case 8:
		return *(*uint64)(p) == binary.NativeEndian.Uint64(key)
	case 16:
		return *(*uint64)(p) == binary.NativeEndian.Uint64(key) &&
			*(*uint64)(unsafe.Add(p, 8)) == binary.NativeEndian.Uint64(key[8:])
	}
	return string(t.key(e)) == string(key)
}

// find looks a key up without a lock: the element, or 0.
func (t *table) find(hash uint32, key []byte) memory.Addr {
	bucket := t.bucket(hash)
	for {
		b := bucket.Load()
		for e := bucketHead(b); e != 0; e = memory.Addr(t.word(e, atNext).Load()) {
			if t.word(e, atHash).Load() == hash && t.isKey(e, key) {
				return e
			}
		}
		if bucketVersion(bucket.Load()) == bucketVersion(b) {
			return 0
		}
	}
}

// seek is find with the bucket's lock held: the element, and the one before it, or 0.
func (t *table) seek(hash uint32, key []byte) (e, prev memory.Addr) {
	e = bucketHead(t.bucket(hash).Load())
	for e != 0 && (t.word(e, atHash).Load() != hash || !t.isKey(e, key)) {
		prev, e = e, memory.Addr(t.word(e, atNext).Load())
	}
	return e, prev
}

// insert puts a new element at the head of its bucket, whose lock is held.
func (t *table) insert(e memory.Addr, hash uint32) {
	bucket := t.bucket(hash)
	b := bucket.Load()
	t.word(e, atNext).Store(uint32(bucketHead(b)))
	bucket.Store(makeBucket(e, bucketVersion(b)))
}

// replace puts e, or with 0 nothing, in the place of old, which follows prev. The bucket's lock is held.
func (t *table) replace(hash uint32, prev, old, e memory.Addr) {
	next := memory.Addr(t.word(old, atNext).Load())
	if e != 0 {
		t.word(e, atNext).Store(uint32(next))
		next = e
	}
	bucket := t.bucket(hash)
	b := bucket.Load()
	head := bucketHead(b)
	if prev == 0 {
		head = next
	} else {
		t.word(prev, atNext).Store(uint32(next))
	}
	// Only after that may lookups take the version for a promise that old was not in their way.
	bucket.Store(makeBucket(head, bucketVersion(b)+1))
}

// value is the address of the value of an element.
func (t *table) value(cpu int, e memory.Addr) memory.Addr {
	if !t.perCPU {
		return e + memory.Addr(t.layout.Value)
	}
	return memory.Addr(t.word(e, atVals).Load() + uint32(cpu)*t.layout.CPUStride)
}
