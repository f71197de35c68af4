package maptest

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
)

// concurrentKeyed has all CPUs put values into a map that say under which key they are.
func (f *fixture) concurrentKeyed(t *testing.T) {
	if f.s.ValueSize < 8 {
		t.Skip("values are too small to tell apart")
	}
	array := f.s.Type == maps.Array || f.s.Type == maps.PerCPUArray
	keys := f.s.MaxEntries + 3
	if array || f.s.Type == maps.DevMap || f.s.Type == maps.CPUMap {
		keys = f.s.MaxEntries
	}
	value := func(n uint32) []byte {
		v := make([]byte, f.m.ValueBytes())
		for i := 0; i < len(v); i += 8 {
			if len(v)-i >= 8 {
				binary.NativeEndian.PutUint32(v[i:], n+1)
			}
		}
		return v
	}
	is := func(v []byte, n uint32) bool {
		got := binary.NativeEndian.Uint32(v)
		return got == n+1 || got == 0 && array
	}
	// One key is there all the time, whatever happens around it.
	stays := f.key(keys)
	if lru := f.s.Type == maps.LRUHash || f.s.Type == maps.LRUPerCPUHash; lru || keys == f.s.MaxEntries {
		stays = nil
	} else if err := f.m.Put(stays, value(keys), maps.Any); err != nil {
		t.Fatal(err)
	}
	f.parallel(func(cpu, i int, r *rand.Rand) {
		n := r.Uint32N(keys)
		key := f.key(n)
		if stays != nil && f.s.Type != maps.CPUMap && f.m.Lookup(cpu, stays) == 0 {
			t.Errorf("%x is not there", stays)
		}
		if stays != nil && i%8 == 0 {
			if err := f.m.Put(stays, value(keys), maps.Exist); err != nil {
				t.Errorf("update of %x: %v", stays, err)
			}
		}
		switch r.IntN(8) {
		case 0:
			_ = f.m.Put(key, value(n), maps.Any)
		case 1:
			_ = f.m.Update(cpu, key, value(n)[:f.s.ValueSize], maps.Any)
		case 2:
			if r.IntN(2) == 0 {
				_ = f.m.Delete(key)
			} else {
				_ = f.m.Remove(key)
			}
		case 3:
			v := make([]byte, f.m.ValueBytes())
			if f.m.Take(key, v) == nil && !is(v, n) && !f.s.Type.PerCPU() {
				t.Errorf("took %x from %x", v, key)
			}
		case 4:
			v := make([]byte, f.m.ValueBytes())
			// A value of one CPU is zero until that CPU sets it.
			if f.m.Get(key, v, maps.Any) == nil && !is(v, n) && (!f.s.Type.PerCPU() || binary.NativeEndian.Uint32(v) != 0) {
				t.Errorf("%x has %x", key, v)
			}
		case 5:
			_, _ = f.m.NextKey(key)
		case 6:
			if i%16 == 0 {
				_, _ = f.m.Range(cpu, func(key []byte, a memory.Addr) bool { return a != 0 })
			}
		default:
			// Whoever looked it up may see what has taken its place, but a value of the map.
			if a := f.m.Lookup(cpu, key); a != 0 && f.space.Half(a).Load() > keys+1 {
				t.Errorf("%x has %#x", key, f.space.Half(a).Load())
			}
		}
	})
	f.afterwards(t, keys, array, value)
}

// afterwards checks that nothing got lost: all elements can be removed, and as many put in as there is room for.
func (f *fixture) afterwards(t *testing.T, keys uint32, array bool, value func(uint32) []byte) {
	count := uint32(0)
	for key, err := f.m.NextKey(nil); err == nil; key, err = f.m.NextKey(key) {
		if count++; count > f.s.MaxEntries {
			t.Fatalf("more than %d elements", f.s.MaxEntries)
		}
	}
	if array || keys == f.s.MaxEntries {
		return
	}
	for n := range keys + 1 {
		_ = f.m.Remove(f.key(n))
	}
	if key, err := f.m.NextKey(nil); err == nil {
		t.Fatalf("%x is left", key)
	}
	lru := f.s.Type == maps.LRUHash || f.s.Type == maps.LRUPerCPUHash
	for n := range keys {
		err := f.m.Put(f.key(n), value(n), maps.Any)
		if (err == nil) != (n < f.s.MaxEntries || lru) {
			t.Fatalf("element %d of %d: %v", n, f.s.MaxEntries, err)
		}
	}
}
