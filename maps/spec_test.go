package maps

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"slices"
	"testing"

	"github.com/skepbpf/skep/memory"
)

func TestContents(t *testing.T) {
	space := newSpace(t)
	s := Spec{Name: ".rodata", Type: Array, KeySize: 4, ValueSize: 3, MaxEntries: 1, Flags: ReadOnlyProg | Mmapable,
		Contents: []KV{{make([]byte, 4), []byte("abc")}}, Freeze: true}
	m := newMap[*ArrayMap](t, space, s, 1)
	a, n, ok := m.ValueAddr()
	if !ok || n != 3 || string(space.Bytes(a, n)) != "abc" {
		t.Errorf("%q at %#x", space.Bytes(a, n), a)
	}
	if !space.Allows(uint64(a), n, memory.Read) || space.Allows(uint64(a), 1, memory.Write) {
		t.Error("wrong rights")
	}
	if err := m.Put(make([]byte, 4), []byte("abd"), Any); !errors.Is(err, fs.ErrPermission) || !m.Frozen() {
		t.Errorf("put into a frozen map: %v", err)
	}
	s.Contents[0].Key = binary.NativeEndian.AppendUint32(nil, 1)
	if _, err := New(space, &s, 1); ErrnoOf(err) != E2BIG {
		t.Errorf("contents past the end: %v", err)
	}
	m.Close()
	if u := space.Usage(); u.Objects != 0 {
		t.Errorf("%d objects are left of a map that failed", u.Objects)
	}
}

func TestNoMemory(t *testing.T) {
	space, err := memory.New(memory.Options{Size: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer space.Close()
	for _, typ := range Simulated() {
		s := Spec{Type: typ, KeySize: 4, ValueSize: 4096, MaxEntries: 1 << 20}
		switch typ {
		case Array, PerCPUArray, Hash, PerCPUHash, LRUHash, LRUPerCPUHash:
		case Queue, Stack:
			s.KeySize = 0
		case RingBuf, UserRingBuf:
			s.KeySize, s.ValueSize, s.MaxEntries = 0, 0, 1<<30
		case Arena:
			s.KeySize, s.ValueSize, s.Flags = 0, 0, Mmapable
		default:
			continue
		}
		if _, err := New(space, &s, 2); ErrnoOf(err) != ENOMEM {
			t.Errorf("%v: %v", typ, err)
		}
		if u := space.Usage(); u.Objects != 0 {
			t.Errorf("%v: %d objects are left", typ, u.Objects)
		}
	}
	// An LPM trie and a hash map without preallocation notice later.
	for _, s := range []Spec{
		{Type: LPMTrie, KeySize: 8, ValueSize: 256 << 10, MaxEntries: 1000, Flags: NoPrealloc},
		{Type: Hash, KeySize: 8, ValueSize: 256 << 10, MaxEntries: 1000, Flags: NoPrealloc},
	} {
		m, err := New(space, &s, 2)
		if err != nil {
			t.Fatal(err)
		}
		key, value := make([]byte, 8), make([]byte, s.ValueSize)
		key[0] = 32
		for i := range 1000 {
			key[4], key[5] = byte(i), byte(i>>8)
			if err = m.Put(key, value, Any); err != nil {
				break
			}
		}
		if ErrnoOf(err) != ENOMEM {
			t.Errorf("%v: %v", s.Type, err)
		}
		m.Close()
	}
}

func TestReleased(t *testing.T) {
	space := newSpace(t)
	for _, typ := range []Type{Hash, Array, LRUHash} {
		var gone []memory.Addr
		s := Spec{Type: typ, KeySize: 4, ValueSize: 16, MaxEntries: 2, Special: []Field{{Offset: 8, Size: 8}},
			Released: func(a memory.Addr) { gone = append(gone, a) }}
		m, err := New(space, &s, 1)
		if err != nil {
			t.Fatal(err)
		}
		key := make([]byte, 4)
		m.Put(key, make([]byte, 16), Any)
		gone = nil
		a := m.Lookup(0, key)
		m.Put(key, make([]byte, 16), Any)
		if !slices.Equal(gone, []memory.Addr{a}) {
			t.Errorf("%v: update: %#x, want %#x", typ, gone, a)
		}
		gone, a = nil, m.Lookup(0, key)
		if m.Remove(key) == nil && !slices.Equal(gone, []memory.Addr{a}) {
			t.Errorf("%v: remove: %#x, want %#x", typ, gone, a)
		}
		m.Put(key, make([]byte, 16), Any)
		gone = nil
		m.Close()
		if !slices.Contains(gone, a) {
			t.Errorf("%v: close: %#x", typ, gone)
		}
	}
}

// TestSpinLock has two who add to a value under its lock.
func TestSpinLock(t *testing.T) {
	space := newSpace(t)
	m := newMap[*HashMap](t, space, Spec{Type: Hash, KeySize: 4, ValueSize: 16, MaxEntries: 1,
		Special: []Field{{Offset: 0, Size: 4, SpinLock: true}}}, 1)
	key := make([]byte, 4)
	value := make([]byte, 16)
	for i := range value {
		value[i] = 0xff
	}
	if err := m.Put(key, value, Lock); err != nil {
		t.Fatal(err)
	}
	a := m.Lookup(0, key)
	if space.Half(a).Load() != 0 {
		t.Error("user space wrote the lock")
	}
	space.Half(a).Store(1) // a program holds it
	done := make(chan error)
	go func() { done <- m.Put(key, make([]byte, 16), Lock) }()
	select {
	case <-done:
		t.Fatal("an update did not wait for the lock")
	default:
	}
	if space.Half(a+8).Load() != 0xffffffff {
		t.Error("the value changed under the lock")
	}
	space.Half(a).Store(0)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if m.Lookup(0, key) != a || space.Half(a+8).Load() != 0 {
		t.Error("an update under the lock did not change the value in its place")
	}
}

// TestLRU keeps in the map what is looked up.
func TestLRU(t *testing.T) {
	space := newSpace(t)
	m := newMap[*HashMap](t, space, Spec{Type: LRUHash, KeySize: 4, ValueSize: 4, MaxEntries: 8}, 1)
	key := func(i uint32) []byte { return binary.NativeEndian.AppendUint32(nil, i) }
	for i := range uint32(1000) {
		if err := m.Update(0, key(i), key(i), Any); err != nil {
			t.Fatal(err)
		}
		if m.Lookup(0, key(0)) == 0 {
			t.Fatalf("what is used was evicted after %d others", i)
		}
	}
	if m.Len() != 8 {
		t.Errorf("%d elements", m.Len())
	}
}
