package domain

import "math/bits"

// Less is the set of conclusions that an older kernel does not draw. The zero value is the newest.
type Less uint8

// Conclusions.
const (
	LessNeg     Less = 1 << iota // of a negation or a swap of bytes anything
	LessSums                     // of sums and differences that all wrap, their unsigned bounds
	LessMul                      // of products anything signed, or of more than 32 bits
	LessSync                     // of one reading of a word, which part of the other is possible; of bits, the only number in a range
	LessCompare                  // of two numbers compared, neither of which is constant, anything but that they are equal
	LessTrim                     // of a number that something is not, that its bound is another
)

// ALU is [Scalar.ALU] as far as the kernel goes.
func (l Less) ALU(x *Scalar, op Op, is32 bool, y *Scalar) { alu[w64, w32](x, y, op, is32, l) }

// Refine is [Refine] as far as the kernel goes.
func (l Less) Refine(c Cond, is32 bool, x, y *Scalar) bool {
	if l&LessCompare != 0 && !l.constant(is32, x) && !l.constant(is32, y) && (c != Eq || is32) {
		return true
	}
	if l&LessTrim != 0 && c == Ne {
		return true
	}
	refine[w64, w32](c, is32, x, y, l)
	return consistent[w64, w32](x) && consistent[w64, w32](y)
}

// Decide is [Decide] as far as the kernel goes.
func (l Less) Decide(c Cond, is32 bool, x, y *Scalar) int {
	if l&LessCompare != 0 && !l.constant(is32, x) && !l.constant(is32, y) {
		return -1
	}
	return Decide(c, is32, x, y)
}

func (Less) constant(is32 bool, x *Scalar) bool { return x.IsConst() || is32 && x.IsConst32() }

// AddUnsynced makes x the sum of x and a constant, without what its parts say of each other.
func (x *Scalar) AddUnsynced(v int64) {
	y := Const(uint64(v))
	w, h := addSpanLess[w64](x.word(), y.word()), addSpanLess[w32](x.half(), y.half())
	x.Bits = x.Bits.Add(y.Bits)
	x.setWord(w)
	x.setHalf(h)
}

// addSpanLess is addSpan where bounds are given up as soon as one sum wraps.
func addSpanLess[W width](x, y span) span {
	r := addSpan[W](x, y)
	if _, wraps := addU[W](x.umax, y.umax); wraps {
		r.umin, r.umax = 0, maxU[W]()
	}
	return r
}

// subSpanLess is like addSpanLess.
func subSpanLess[W width](x, y span) span {
	r := subSpan[W](x, y)
	if x.umin < y.umax {
		r.umin, r.umax = 0, maxU[W]()
	}
	return r
}

// mulSpanLess multiplies what fits half a word, and is not negative.
func mulSpanLess[W width](x, y span) span {
	r := fullSpan[W]()
	half := maxU[W]() >> (nbits[W]() / 2)
	if x.smin < 0 || y.smin < 0 || x.umax > half || y.umax > half {
		return r
	}
	if high, low := bits.Mul64(x.umax, y.umax); high == 0 && low <= maxU[W]() {
		r.umin, r.umax = x.umin*y.umin, low
		if low <= uint64(maxS[W]()) {
			r.smin, r.smax = int64(r.umin), int64(r.umax)
		}
	}
	return r
}
