package maps

import (
	"encoding/binary"
	"testing"

	"github.com/skepbpf/skep/memory"
)

// benchmarkLookup looks up keys of a full map in an order that caches do not foresee.
func benchmarkLookup(b *testing.B, s Spec) {
	space, err := memory.New(memory.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer space.Close()
	m, err := New(space, &s, 2)
	if err != nil {
		b.Fatal(err)
	}
	key, value := make([]byte, s.KeySize), make([]byte, s.ValueSize)
	for i := range s.MaxEntries {
		binary.NativeEndian.PutUint32(key, i)
		if err := m.Update(0, key, value, 0); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	i := uint32(0)
	for b.Loop() {
		i = i*1664525 + 1013904223 // Numerical Recipes' generator
		binary.NativeEndian.PutUint32(key, i%s.MaxEntries)
		if m.Lookup(0, key) == 0 {
			b.Fatal(i)
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	for _, t := range []struct {
		name string
		spec Spec
	}{
		{"array", Spec{Type: Array, KeySize: 4, ValueSize: 8, MaxEntries: 1024}},
		{"hash4-16k", Spec{Type: Hash, KeySize: 4, ValueSize: 8, MaxEntries: 16 << 10}},
		{"hash16-16k", Spec{Type: Hash, KeySize: 16, ValueSize: 8, MaxEntries: 16 << 10}},
		{"hash4-1M", Spec{Type: Hash, KeySize: 4, ValueSize: 8, MaxEntries: 1 << 20}},
		{"percpu-16k", Spec{Type: PerCPUHash, KeySize: 4, ValueSize: 8, MaxEntries: 16 << 10}},
		{"lru-16k", Spec{Type: LRUHash, KeySize: 4, ValueSize: 8, MaxEntries: 16 << 10}},
	} {
		b.Run(t.name, func(b *testing.B) { benchmarkLookup(b, t.spec) })
	}
}
