package maps

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"testing"

	"github.com/skepbpf/skep/memory"
	"pgregory.net/rapid"
)

// layoutLookup looks a key up as the comment on TableLayout says that native code may.
func layoutLookup(space *memory.Space, l *TableLayout, cpu uint32, key []byte) memory.Addr {
	u32 := func(a memory.Addr) uint32 { return binary.NativeEndian.Uint32(space.Bytes(a, 4)) }
	h := l.Seed
	word := make([]byte, 8)
	for i := 0; i < len(key); i += 8 {
		clear(word)
		n := copy(word, key[i:])
		w := binary.NativeEndian.Uint64(word)
		if n < 8 {
			// Zero-extended as a number.
			w = 0
			for j := n - 1; j >= 0; j-- {
				w = w<<8 | uint64(word[j])
			}
			if bigEndian && (n == 2 || n == 4) {
				w = uint64(binary.BigEndian.Uint32(append(make([]byte, 4-n), word[:n]...)))
			}
		}
		hi, lo := bits.Mul64(h^w, 0x9e3779b97f4a7c15)
		h = hi ^ lo
	}
	hash := uint32(h) ^ uint32(h>>32)
	for e := memory.Addr(u32(l.Buckets + memory.Addr(hash&l.Mask)*8)); e != 0; e = memory.Addr(u32(e)) {
		if u32(e+4) != hash || !bytes.Equal(space.Bytes(e+memory.Addr(l.Key), l.KeySize), key) {
			continue
		}
		if l.Ref != 0 {
			binary.NativeEndian.PutUint32(space.Bytes(e+memory.Addr(l.Ref), 4), 1)
		}
		if l.CPUStride != 0 {
			return memory.Addr(u32(e+8) + cpu*l.CPUStride)
		}
		return e + memory.Addr(l.Value)
	}
	return 0
}

func TestLayouts(t *testing.T) {
	space := newSpace(t)
	for _, s := range []Spec{
		{Type: Hash}, {Type: Hash, Flags: NoPrealloc}, {Type: PerCPUHash}, {Type: PerCPUHash, Flags: NoPrealloc},
		{Type: LRUHash}, {Type: LRUPerCPUHash},
	} {
		t.Run(s.Type.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				s.KeySize, s.ValueSize, s.MaxEntries = uint32(rapid.IntRange(1, 20).Draw(t, "key size")), 8, 300
				mp, err := New(space, &s, 3)
				if err != nil {
					t.Fatal(err)
				}
				defer mp.Close()
				m := mp.(*HashMap)
				l := m.Layout()
				if (l.CPUStride != 0) != s.Type.PerCPU() {
					t.Fatalf("stride %d", l.CPUStride)
				}
				for i := range uint32(200) {
					key := make([]byte, s.KeySize)
					key[0], key[len(key)-1] = byte(i), byte(i*7)
					if i%2 == 0 {
						if err := m.Update(0, key, make([]byte, 8), Any); err != nil {
							t.Fatal(err)
						}
					}
					for cpu := range uint32(3) {
						if a, b := m.Lookup(int(cpu), key), layoutLookup(space, &l, cpu, key); a != b {
							t.Fatalf("%x for CPU %d: %#x, by the layout %#x", key, cpu, a, b)
						}
					}
				}
			})
		})
	}
	for _, s := range []Spec{{Type: Array}, {Type: PerCPUArray}} {
		s.KeySize, s.ValueSize, s.MaxEntries = 4, 12, 5
		m := newMap[*ArrayMap](t, space, s, 3)
		l := m.Layout()
		for i := range uint32(5) {
			for cpu := range uint32(3) {
				want := l.First + memory.Addr(cpu*l.CPUStride+i*l.Stride)
				if got := m.Lookup(int(cpu), binary.NativeEndian.AppendUint32(nil, i)); got != want {
					t.Errorf("%v: element %d for CPU %d: %#x, by the layout %#x", s.Type, i, cpu, got, want)
				}
			}
		}
	}
}
