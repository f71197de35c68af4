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
	LessApart                    // of what a comparison says of the whole, anything of the low half that was known before, and the other way round
	LessMixed                    // of operations but sums, differences and masks anything, if the second number is not known
	LessTrim                     // of a number that something is not, that its bound is another; nor that what is equal to a constant cannot be
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
	if l&LessTrim != 0 && c == Eq && (l.constant(is32, x) || l.constant(is32, y)) {
		// What is equal to a constant is that, whatever was known of it: a branch that is never taken is not seen to be one.
		if !l.constant(is32, y) {
			x, y = y, x
		}
		if !is32 {
			*x = Const(y.Bits.Value)
			return true
		}
		x.setConst32(uint32(y.Bits.Value))
		apart[w64, w32](true, x)
		sync[w64, w32](x, l)
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
	if l&LessCompare != 0 && c <= Ne && !(l.constant(is32, x) && l.constant(is32, y)) {
		return -1 // ranges are not looked at
	}
	return Decide(c, is32, x, y)
}

func (Less) constant(is32 bool, x *Scalar) bool { return x.IsConst() || is32 && x.IsConst32() }

// apart forgets the part of x that was not compared.
func apart[W, H width](is32 bool, x *Scalar) {
	w, h := x.word(), x.half()
	switch {
	case !is32:
		h = fullSpan[H]()
		if w.smin >= minS[H]() && w.smax <= maxS[H]() {
			h.smin, h.smax = w.smin, w.smax
		}
		if w.umax <= maxU[H]() {
			h.umin, h.umax = w.umin, w.umax
		}
		x.setHalf(h)
	case x.Bits.Max()>>nbits[H]() != 0:
		x.setWord(fullSpan[W]())
	default:
		w.umin, w.umax = h.umin, h.umax
		w.smin, w.smax = 0, int64(maxU[H]())
		if h.smin >= 0 {
			w.smin, w.smax = h.smin, h.smax
		}
		x.setWord(w)
	}
}

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

// mulLess multiplies as "Sound, Precise, and Fast Abstract Interpretation with Tristate Numbers" (CGO 2022) does: the known
// bits once, and what the unknown ones may add bit after bit.
func (t Tnum) mulLess(o Tnum) Tnum {
	known, sum := t.Value*o.Value, Tnum{}
	for ; t.Value|t.Mask != 0; t, o = t.Rsh(1), o.Lsh(1) {
		switch {
		case t.Value&1 != 0:
			sum = sum.Add(Tnum{Mask: o.Mask})
		case t.Mask&1 != 0:
			sum = sum.Add(Tnum{Mask: o.Value | o.Mask})
		}
	}
	return TnumConst(known).Add(sum)
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
