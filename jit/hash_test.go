package jit

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/verifier"
)

// lookupProgram looks up in map 1 the key that map 0 holds, and returns the address of the value.
func (b *bed) lookupProgram(t testing.TB, m maps.Map) (*Program, maps.Map) {
	t.Helper()
	s := m.Spec()
	keys, err := maps.New(b.space, &maps.Spec{Name: "key", Type: maps.Array, KeySize: 4, ValueSize: s.KeySize, MaxEntries: 1}, 1)
	if err != nil {
		t.Fatal(err)
	}
	value, table := isa.Const64(isa.R2, isa.PseudoMapValue, 0), isa.Const64(isa.R1, isa.PseudoMapFD, 1)
	insns := append(value[:], table[:]...)
	insns = append(insns, isa.CallHelper(1), isa.Return())
	p := &object.Program{Type: uint32(linux.ProgTypeSocketFilter), License: "GPL", Insns: insns, Maps: []*object.Map{
		{Name: "key", Type: uint32(linux.MapTypeArray), KeySize: 4, ValueSize: s.KeySize, MaxEntries: 1},
		{Name: "table", Type: uint32(s.Type), KeySize: s.KeySize, ValueSize: s.ValueSize, MaxEntries: s.MaxEntries}}}
	proof, err := verifier.Verify(p, verifier.Options{})
	if err != nil {
		t.Fatal(err)
	}
	n, err := Compile(proof, Options{Space: b.space, Maps: []maps.Map{keys, m}})
	if err != nil {
		t.Fatal(err)
	}
	if len(n.code.sites) > 0 && s.KeySize <= maxInlineKey {
		t.Errorf("keys of %d bytes are not looked up in native code", s.KeySize)
	}
	return n, keys
}

// TestHash looks up keys of all sizes in hash tables of all types, in native code and with the map's own method.
func TestHash(t *testing.T) {
	b := newBed(t)
	rng := rand.New(rand.NewPCG(9, 10))
	for _, typ := range []maps.Type{maps.Hash, maps.LRUHash, maps.PerCPUHash, maps.LRUPerCPUHash} {
		for _, size := range []uint32{1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 15, 16, 23, 24, 40, 64, 65} {
			m, err := maps.New(b.space, &maps.Spec{Name: "table", Type: typ, KeySize: size, ValueSize: 8, MaxEntries: 64}, 4)
			if err != nil {
				t.Fatal(err)
			}
			p, keys := b.lookupProgram(t, m)
			key, value := make([]byte, size), make([]byte, 8)
			b.run.CPU = rng.IntN(4)
			for k := range 200 {
				for i := range key {
					key[i] = byte(rng.Uint32() % 3)
				}
				if k%2 == 0 {
					if err := m.Update(0, key, value, 0); err != nil && err != maps.ErrFull {
						t.Fatal(err)
					}
				}
				if err := keys.Put([]byte{0, 0, 0, 0}, key, 0); err != nil {
					t.Fatal(err)
				}
				r0, err := p.Run(b.run)
				if err != nil {
					t.Fatal(err)
				}
				if want := uint64(m.Lookup(b.run.CPU, key)); r0 != want {
					t.Fatalf("%v, %d bytes, key %x: %#x, want %#x", typ, size, key, r0, want)
				}
			}
			keys.Close()
			m.Close()
		}
	}
}

// TestHashBesideWriters: a key that is there is found while others come and go in the same buckets.
func TestHashBesideWriters(t *testing.T) {
	b := newBed(t)
	m, err := maps.New(b.space, &maps.Spec{Name: "table", Type: maps.Hash, KeySize: 4, ValueSize: 8, MaxEntries: 16}, 1)
	if err != nil {
		t.Fatal(err)
	}
	key := []byte{1, 2, 3, 4}
	if err := m.Update(0, key, make([]byte, 8), 0); err != nil {
		t.Fatal(err)
	}
	p, keys := b.lookupProgram(t, m)
	if err := keys.Put([]byte{0, 0, 0, 0}, key, 0); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	for w := range 2 {
		wg.Go(func() {
			other := make([]byte, 4)
			for i := uint32(0); ; i++ {
				select {
				case <-done:
					return
				default:
				}
				binary.LittleEndian.PutUint32(other, uint32(w)<<16|i%7)
				_ = m.Update(0, other, make([]byte, 8), 0)
				_ = m.Update(0, key, make([]byte, 8), 0) // in its place a new element
				_ = m.Delete(other)
			}
		})
	}
	for range 2_000_000 {
		r0, err := p.Run(b.run)
		if err != nil || r0 == 0 {
			t.Errorf("not found: %v", err)
			break
		}
	}
	close(done)
	wg.Wait()
}

// BenchmarkLookup looks up keys in tables of 16384 and of a million elements, others each time.
func BenchmarkLookup(b *testing.B) {
	for _, entries := range []uint32{16 << 10, 1 << 20} {
		for _, size := range []uint32{4, 8, 16} {
			b.Run(fmt.Sprintf("%d/%d", entries, size), func(b *testing.B) {
				bed := newBed(b)
				m, err := maps.New(bed.space, &maps.Spec{Name: "table", Type: maps.Hash, KeySize: size, ValueSize: 8, MaxEntries: entries}, 1)
				if err != nil {
					b.Fatal(err)
				}
				key := make([]byte, size)
				for i := range entries {
					binary.LittleEndian.PutUint32(key, i*0x9e3779b1)
					if err := m.Update(0, key, make([]byte, 8), 0); err != nil {
						b.Fatal(err)
					}
				}
				p, keys := bed.lookupProgram(b, m)
				a, _, _ := keys.(maps.ValueAddresser).ValueAddr()
				word, x := bed.space.Half(a), uint32(1)
				for b.Loop() {
					x = x*1664525 + 1013904223
					word.Store((x >> 3 & (entries - 1)) * 0x9e3779b1)
					if r0, err := p.Run(bed.run); err != nil || r0 == 0 {
						b.Fatal(r0, err)
					}
				}
			})
		}
	}
}
