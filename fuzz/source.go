package fuzz

import "math/rand/v2"

// A Source makes the choices of a generator.
type Source struct {
	data []byte // choices that were given; nil: random ones
	rnd  *rand.PCG
}

// Seeded is a Source of random choices: those of a seed are always the same.
func Seeded(seed uint64) *Source { return &Source{rnd: rand.NewPCG(seed, 0x5ee9)} }

// Bytes is a Source that takes its choices from bytes. Behind their end, all choices are the first of those there are.
func Bytes(b []byte) *Source { return &Source{data: b} }

// word is the next n bytes.
func (s *Source) word(n int) uint64 {
	if s.rnd != nil {
		return s.rnd.Uint64()
	}
	var v uint64
	for i := range n {
		if i < len(s.data) {
			v |= uint64(s.data[i]) << (8 * i)
		}
	}
	s.data = s.data[min(n, len(s.data)):]
	return v
}

// n is a number from 0 to k-1; 0 if k is not positive.
func (s *Source) n(k int) int {
	switch {
	case k <= 1:
		return 0
	case k <= 256:
		return int(s.word(1) >> (s.shift()) % uint64(k))
	}
	return int(s.word(4) >> (s.shift()) % uint64(k))
}

// shift leaves out the low bits of random words.
func (s *Source) shift() uint {
	if s.rnd != nil {
		return 20
	}
	return 0
}

// percent is true in about so many of a hundred cases.
func (s *Source) percent(p int) bool { return s.n(100) >= 100-p }

// pick is one of the numbers.
func pick[T any](s *Source, of ...T) T { return of[s.n(len(of))] }

// edges are numbers at which arithmetic goes wrong.
var edges = []uint64{0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 255, 256, 511, 512, 0x7fff, 0x8000, 0xffff, 0x10000,
	0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000}

// number is a 64-bit number, often one near an edge, or its negative.
func (s *Source) number() uint64 {
	switch s.n(8) {
	case 0, 1, 2:
		return uint64(s.n(64))
	case 3:
		return s.word(8)
	case 4:
		return uint64(int64(int32(s.word(4))))
	}
	v := edges[s.n(len(edges))]
	switch s.n(6) {
	case 0:
		v++
	case 1:
		v--
	case 2:
		v = -v
	case 3:
		v = ^v
	}
	return v
}

// imm is a 32-bit immediate.
func (s *Source) imm() int32 { return int32(s.number()) }
