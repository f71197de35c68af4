package maps

import (
	"encoding/binary"
	"testing"
)

// TestHashSpread looks at the chains that keys as programs have them make in a table: little longer than those of random ones,
// which are 1.25 elements on average here.
func TestHashSpread(t *testing.T) {
	const n, buckets = 1 << 16, 1 << 17
	word := func(v ...uint64) (key []byte) {
		for _, w := range v {
			key = binary.LittleEndian.AppendUint64(key, w)
		}
		return key
	}
	half := func(v ...uint32) (key []byte) {
		for _, w := range v {
			key = binary.LittleEndian.AppendUint32(key, w)
		}
		return key
	}
	for name, key := range map[string]func(i uint32) []byte{
		"numbers":           func(i uint32) []byte { return half(i) },
		"numbers of 8":      func(i uint32) []byte { return word(uint64(i)) },
		"upper halves":      func(i uint32) []byte { return word(uint64(i) << 32) },
		"the same halves":   func(i uint32) []byte { return half(i, i) },
		"multiples":         func(i uint32) []byte { return half(i*0x9e3779b1, i*0x9e3779b1+1) },
		"pointers":          func(i uint32) []byte { return word(0xffff_8880_0000_0000 + uint64(i)*64) },
		"flows":             func(i uint32) []byte { return half(0x0a000000|i>>8, 0x0a010203, 80<<16|i&0xff+1024) },
		"pids and numbers":  func(i uint32) []byte { return word(uint64(i>>8)<<32|uint64(i>>8), uint64(i&0xff)) },
		"addresses of IPv6": func(i uint32) []byte { return word(0x20010db8, uint64(i)<<40) },
	} {
		var chain [buckets]uint32
		probes := uint64(0)
		for i := range uint32(n) {
			c := &chain[HashKey(hashSeed, key(i))%buckets]
			*c++
			probes += uint64(*c)
		}
		if mean := float64(probes) / n; mean > 1.4 {
			t.Errorf("%s: a lookup looks at %.2f elements on average", name, mean)
		}
	}
}
