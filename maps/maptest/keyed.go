package maptest

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
	"pgregory.net/rapid"
)

// keyed is the model of all maps with keys and values in memory: arrays, hash tables, LRU hash tables, tries, maps of devices.
type keyed struct {
	*fixture
	in     map[string][][]byte // values by CPU, one if all share it
	array  bool                // all keys are there
	lru    bool
	lpm    bool
	device bool // only user space may change it, and zero is nothing
}

func newKeyed(f *fixture) *keyed {
	k := &keyed{fixture: f, in: map[string][][]byte{}}
	switch f.s.Type {
	case maps.Array, maps.PerCPUArray:
		k.array = true
		for i := range f.s.MaxEntries {
			k.in[string(binary.NativeEndian.AppendUint32(nil, i))] = k.zeros()
		}
	case maps.LRUHash, maps.LRUPerCPUHash:
		k.lru = true
	case maps.LPMTrie:
		k.lpm = true
	case maps.DevMap, maps.CPUMap, maps.DevMapHash:
		k.device = true
	}
	return k
}

// values is how many values an element has.
func (k *keyed) values() int {
	if k.s.Type.PerCPU() {
		return cpus
	}
	return 1
}

func (k *keyed) zeros() [][]byte {
	all := make([][]byte, k.values())
	for i := range all {
		all[i] = make([]byte, k.s.ValueSize)
	}
	return all
}

// drawKey draws a key that is likely to be in the map.
func (k *keyed) drawKey(t *rapid.T) []byte {
	key := make([]byte, k.s.KeySize)
	if !k.lpm {
		key[0] = byte(rapid.IntRange(0, int(k.s.MaxEntries)+2).Draw(t, "key"))
		return key
	}
	binary.NativeEndian.PutUint32(key, uint32(rapid.IntRange(0, int(k.s.KeySize-4)*8+1).Draw(t, "bits")))
	for i := range key[4:] {
		key[4+i] = rapid.SampledFrom([]byte{0, 1, 0x80, 0xff, 0x7f}).Draw(t, "byte")
	}
	return key
}

// drawValue draws a value of n bytes, with zeros where there is no data.
func (k *keyed) drawValue(t *rapid.T) []byte {
	v := make([]byte, k.s.ValueSize)
	word := rapid.Uint64Range(1, 1<<63).Draw(t, "value")
	for i := range v {
		v[i] = byte(word >> (i % 8 * 8))
	}
	if k.device {
		clear(v)
		v[0] = byte(word) | 1
	}
	for _, f := range k.s.Special {
		clear(v[f.Offset:][:f.Size])
	}
	return v
}

// spoil puts something where there is no data: it must not get into the map.
func (k *keyed) spoil(v []byte) []byte {
	v = slices.Clone(v)
	for _, f := range k.s.Special {
		for i := range f.Size {
			v[f.Offset+i] = 0xee
		}
	}
	return v
}

var someFlags = []uint64{maps.Any, maps.Any, maps.Any, maps.NoExist, maps.Exist, 3, maps.Lock, maps.Lock | maps.Exist, 8, 1 << 40}

func (k *keyed) locks() bool {
	return slices.ContainsFunc(k.s.Special, func(f maps.Field) bool { return f.SpinLock })
}

// name is the key by which the model knows a key: of a trie, without the bits after the prefix.
func (k *keyed) name(key []byte) string {
	if !k.lpm {
		return string(key)
	}
	key = slices.Clone(key)
	n := int(binary.NativeEndian.Uint32(key))
	for i := n; i < len(key[4:])*8; i++ {
		key[4+i/8] &^= 0x80 >> (i % 8)
	}
	return string(key)
}

// find is what a lookup of key finds.
func (k *keyed) find(key []byte) ([][]byte, bool) {
	if !k.lpm {
		v, ok := k.in[string(key)]
		return v, ok
	}
	n := binary.NativeEndian.Uint32(key)
	if n > uint32(len(key)-4)*8 {
		return nil, false
	}
	key = slices.Clone(key)
	for i := int(n); i >= 0; i-- {
		binary.NativeEndian.PutUint32(key, uint32(i))
		if v, ok := k.in[k.name(key)]; ok {
			return v, true
		}
	}
	return nil, false
}

// allowed is the error that an update of a key should have.
func (k *keyed) allowed(key []byte, flags uint64) maps.Errno {
	_, ok := k.in[k.name(key)]
	n := binary.NativeEndian.Uint32(append(slices.Clone(key), 0, 0, 0, 0))
	switch {
	case k.s.Type == maps.DevMapHash && flags <= maps.Exist:
		flags &= maps.NoExist
	case k.s.Type == maps.DevMap || k.s.Type == maps.CPUMap:
		switch {
		case flags > maps.Exist:
			return maps.EINVAL
		case n >= k.s.MaxEntries:
			return maps.E2BIG
		case flags == maps.NoExist:
			return maps.EEXIST
		}
		return 0
	}
	switch {
	case flags&^maps.Lock > maps.Exist, flags&maps.Lock != 0 && !k.locks() && !k.array, k.lpm && n > uint32(len(key)-4)*8:
		return maps.EINVAL
	case k.array && n >= k.s.MaxEntries:
		return maps.E2BIG
	case ok && flags&maps.NoExist != 0:
		return maps.EEXIST
	case flags&maps.Lock != 0 && !k.locks():
		return maps.EINVAL
	case !ok && flags&maps.Exist != 0:
		return maps.ENOENT
	case ok || k.lru || len(k.in) < int(k.s.MaxEntries):
		return 0
	case k.lpm:
		return maps.ENOSPC
	}
	return maps.E2BIG
}

// stored notes that key has been put into the map.
func (k *keyed) stored(t *rapid.T, key []byte, set func(v [][]byte)) {
	v, ok := k.in[k.name(key)]
	if !ok {
		v = k.zeros()
		k.in[k.name(key)] = v
	}
	set(v)
	if !k.lru || len(k.in) <= int(k.s.MaxEntries) {
		return
	}
	// One has gone, and not this one.
	there := k.keys(t)
	for n := range k.in {
		if !slices.Contains(there, n) {
			if n == string(key) {
				t.Fatalf("%x was evicted as it came", key)
			}
			delete(k.in, n)
		}
	}
	if len(k.in) != int(k.s.MaxEntries) {
		t.Fatalf("%d elements after an eviction, of %d", len(k.in), k.s.MaxEntries)
	}
}

// keys goes through the map with NextKey.
func (k *keyed) keys(t *rapid.T) []string {
	var all []string
	var key []byte
	for {
		next, err := k.m.NextKey(key)
		if err != nil {
			want(t, "NextKey", err, maps.ENOENT)
			return all
		}
		name := k.name(next)
		if slices.Contains(all, name) {
			t.Fatalf("NextKey gives %x again", next)
		}
		all = append(all, name)
		key = next
	}
}

// removed checks the error of removing a key, and forgets it.
func (k *keyed) removed(t *rapid.T, what string, key []byte, err error) {
	_, ok := k.in[k.name(key)]
	n := binary.NativeEndian.Uint32(append(slices.Clone(key), 0, 0, 0, 0))
	switch {
	case k.array, k.lpm && n > uint32(len(key)-4)*8:
		want(t, what, err, maps.EINVAL)
	case k.s.Type == maps.DevMap, k.s.Type == maps.CPUMap:
		if n >= k.s.MaxEntries {
			want(t, what, err, maps.EINVAL)
		} else {
			want(t, what, err, 0)
		}
	case !ok:
		want(t, what, err, maps.ENOENT)
	default:
		want(t, what, err, 0)
	}
	if !k.array {
		delete(k.in, k.name(key))
	}
}

// sameAll compares a value as user space sees it.
func (k *keyed) sameAll(t *rapid.T, what string, got []byte, v [][]byte) {
	stride := len(got) / len(v)
	for cpu := range v {
		if g := got[cpu*stride:][:k.s.ValueSize]; !bytes.Equal(g, v[cpu]) {
			t.Fatalf("%s: CPU %d has %x, want %x", what, cpu, g, v[cpu])
		}
	}
}

// sameAt compares a value that a program would see.
func (k *keyed) sameAt(t *rapid.T, key string, cpu int, a memory.Addr, v []byte) {
	if a == 0 {
		t.Fatalf("%x is not there", key)
	}
	if !k.space.Allows(uint64(a), k.s.ValueSize, memory.Read) {
		t.Fatalf("programs may not read the value of %x at %#x", key, a)
	}
	if k.space.Allows(uint64(a)+uint64(k.s.ValueSize), 1, memory.Read) {
		t.Fatalf("programs may read past the value of %x", key)
	}
	if got := k.space.Bytes(a, k.s.ValueSize); !bytes.Equal(got, v) {
		t.Fatalf("CPU %d finds %x at %x, want %x", cpu, got, key, v)
	}
}

func (k *keyed) check(t *rapid.T) {
	seen := k.keys(t)
	indexed := k.s.Type == maps.DevMap || k.s.Type == maps.CPUMap
	if len(seen) != len(k.in) && !indexed {
		t.Fatalf("%d keys, want %d", len(seen), len(k.in))
	}
	for _, n := range seen {
		if k.in[n] == nil && !indexed {
			t.Fatalf("key %x should not be there", n)
		}
	}
	for n, v := range k.in {
		if k.s.Type == maps.CPUMap || k.lru && !rapid.Bool().Draw(t, "look") {
			continue // programs do not look; a look is a use
		}
		for cpu := range v {
			k.sameAt(t, n, cpu, k.m.Lookup(cpu, []byte(n)), v[cpu])
		}
	}
	if k.lpm || k.device {
		return
	}
	left := len(k.in)
	calls, err := k.m.Range(1, func(key []byte, a memory.Addr) bool {
		v := k.in[string(key)]
		if v == nil {
			t.Fatalf("Range gives %x", key)
		}
		k.sameAt(t, string(key), 1, a, v[1%len(v)])
		left--
		return true
	})
	if err != nil || left != 0 || calls != len(k.in) {
		t.Fatalf("Range made %d calls for %d elements: %v", calls, len(k.in), err)
	}
	if n, ok := k.m.(interface{ Len() int }); ok && n.Len() != len(k.in) {
		t.Fatalf("Len is %d, want %d", n.Len(), len(k.in))
	}
	if len(k.in) > 0 {
		if calls, _ := k.m.Range(0, func([]byte, memory.Addr) bool { return false }); calls != 1 {
			t.Fatalf("Range made %d calls although the first said stop", calls)
		}
	}
}
