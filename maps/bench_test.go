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

func BenchmarkUpdate(b *testing.B) {
	for _, t := range []Type{Array, Hash, PerCPUHash, LRUHash} {
		b.Run(t.String(), func(b *testing.B) {
			space := newSpace(b)
			m := newMap[Map](b, space, Spec{Type: t, KeySize: 4, ValueSize: 8, MaxEntries: 1024}, 2)
			key, value := make([]byte, 4), make([]byte, 8)
			b.ReportAllocs()
			for i := uint32(0); b.Loop(); i++ {
				n := i & 1023
				if t == LRUHash {
					n = i // each evicts one
				}
				binary.NativeEndian.PutUint32(key, n)
				if err := m.Update(0, key, value, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkLPM(b *testing.B) {
	space := newSpace(b)
	m := newMap[*LPM](b, space, Spec{Type: LPMTrie, KeySize: 8, ValueSize: 8, MaxEntries: 1 << 14, Flags: NoPrealloc}, 1)
	key, value := make([]byte, 8), make([]byte, 8)
	x := uint32(1)
	next := func() uint32 { x = x*1664525 + 1013904223; return x }
	for i := range 1 << 14 {
		binary.NativeEndian.PutUint32(key, uint32(8+i%25))
		binary.BigEndian.PutUint32(key[4:], next())
		if err := m.Put(key, value, 0); err != nil {
			b.Fatal(err)
		}
	}
	binary.NativeEndian.PutUint32(key, 32)
	b.ReportAllocs()
	for b.Loop() {
		binary.BigEndian.PutUint32(key[4:], next())
		m.Lookup(0, key)
	}
}

// BenchmarkRing is one record in and out again.
func BenchmarkRing(b *testing.B) {
	space := newSpace(b)
	m := newMap[*RingBuffer](b, space, Spec{Type: RingBuf, MaxEntries: 64 << 10}, 1)
	r := m.NewReader()
	var rec RingRecord
	b.Run("reserve", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if m.Submit(m.Reserve(64), 0) != nil || r.ReadInto(&rec) != nil {
				b.Fatal("lost")
			}
		}
	})
	data := make([]byte, 64)
	b.Run("output", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if m.Output(data, 0) != nil || r.ReadInto(&rec) != nil {
				b.Fatal("lost")
			}
		}
	})
}

// BenchmarkPerf is one sample in and out again.
func BenchmarkPerf(b *testing.B) {
	space := newSpace(b)
	m := newMap[*PerfArray](b, space, Spec{Type: PerfEventArray, KeySize: 4, ValueSize: 4, MaxEntries: 2}, 2)
	r, err := m.NewReader(64<<10, PerfOptions{})
	if err != nil {
		b.Fatal(err)
	}
	var rec PerfRecord
	data := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		if m.Output(1, CurrentCPU, data) != nil || r.ReadInto(&rec) != nil {
			b.Fatal("lost")
		}
	}
}
