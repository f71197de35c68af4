package domain

import "math/bits"

// A span is what the ranges of one word say: every v with umin <= v <= umax in the unsigned reading
// and smin <= v <= smax in the signed one. The bounds of a narrow word are held zero-extended and
// sign-extended. One set of span functions serves the 64-bit word and its 32-bit half.
type span struct {
	smin, smax int64
	umin, umax uint64
}

func fullSpan[W width]() span { return span{minS[W](), maxS[W](), 0, maxU[W]()} }

func constSpan[W width](v uint64) span {
	u, s := trunc[W](v), sext[W](v)
	return span{s, s, u, u}
}

func (s *Scalar) word() span { return span{s.SMin, s.SMax, s.UMin, s.UMax} }

func (s *Scalar) half() span {
	return span{int64(s.S32Min), int64(s.S32Max), uint64(s.U32Min), uint64(s.U32Max)}
}

func (s *Scalar) setWord(r span) { s.SMin, s.SMax, s.UMin, s.UMax = r.smin, r.smax, r.umin, r.umax }

func (s *Scalar) setHalf(r span) {
	s.S32Min, s.S32Max, s.U32Min, s.U32Max = int32(r.smin), int32(r.smax), uint32(r.umin), uint32(r.umax)
}

// meetU and meetS narrow one reading of r to lo..hi.
func (r *span) meetU(lo, hi uint64) { r.umin, r.umax = max(r.umin, lo), min(r.umax, hi) }
func (r *span) meetS(lo, hi int64)  { r.smin, r.smax = max(r.smin, lo), min(r.smax, hi) }

// meet keeps what both know.
func (r *span) meet(o span) {
	r.meetU(o.umin, o.umax)
	r.meetS(o.smin, o.smax)
}

// meetBits narrows r by the known bits t of the same word. In the signed reading the least word has
// an unknown sign bit set and all other unknown bits clear; the greatest, the reverse.
func meetBits[W width](r *span, t Tnum) {
	sign := t.Mask & (maxU[W]()>>1 + 1)
	r.meetU(t.Value, t.Max())
	r.meetS(sext[W](t.Value|sign), sext[W](t.Max()&^sign))
}

// bitwise is the span of the result t of an operation on single bits, whose unsigned bounds are
// known. The signed bounds are the same words, unless a sign change lies between them.
func bitwise[W width](umin, umax uint64) span {
	smin, smax := sext[W](umin), sext[W](umax)
	if smin > smax {
		smin, smax = minS[W](), maxS[W]()
	}
	return span{smin, smax, umin, umax}
}

// addSpan: unsigned bounds hold if no sum wraps, and if all do. Signed bounds hold if neither sum of
// bounds leaves the signed range.
func addSpan[W width](x, y span) span {
	r := fullSpan[W]()
	lo, loWraps := addU[W](x.umin, y.umin)
	hi, hiWraps := addU[W](x.umax, y.umax)
	if loWraps == hiWraps {
		r.umin, r.umax = lo, hi
	}
	a, okA := addS[W](x.smin, y.smin)
	b, okB := addS[W](x.smax, y.smax)
	if okA && okB {
		r.smin, r.smax = a, b
	}
	return r
}

// subSpan is like addSpan, with the bounds of y exchanged.
func subSpan[W width](x, y span) span {
	r := fullSpan[W]()
	if (x.umin < y.umax) == (x.umax < y.umin) {
		r.umin, r.umax = trunc[W](x.umin-y.umax), trunc[W](x.umax-y.umin)
	}
	a, okA := subS[W](x.smin, y.smax)
	b, okB := subS[W](x.smax, y.smin)
	if okA && okB {
		r.smin, r.smax = a, b
	}
	return r
}

// mulSpan gives up on a reading if a product of bounds overflows in it.
func mulSpan[W width](x, y span) span {
	r := fullSpan[W]()
	if high, low := bits.Mul64(x.umax, y.umax); high == 0 && low <= maxU[W]() {
		r.umin, r.umax = x.umin*y.umin, low
	}
	a, okA := mulS[W](x.smin, y.smin)
	b, okB := mulS[W](x.smin, y.smax)
	c, okC := mulS[W](x.smax, y.smin)
	d, okD := mulS[W](x.smax, y.smax)
	if okA && okB && okC && okD {
		r.smin, r.smax = min(a, b, c, d), max(a, b, c, d)
	}
	return r
}

// lshSpan shifts the unsigned bounds if no set bit can be lost (Linux stops a little short of that);
// the signed bounds are given up.
func lshSpan[W width](x span, n uint) span {
	r := fullSpan[W]()
	if x.umax <= 1<<(nbits[W]()-1-n) {
		r.umin, r.umax = x.umin<<n, x.umax<<n
	}
	return r
}

// rshSpan shifts the unsigned bounds; the signed bounds are left to Sync.
func rshSpan[W width](x span, n uint) span {
	r := fullSpan[W]()
	r.umin, r.umax = x.umin>>n, x.umax>>n
	return r
}

// arshSpan shifts the signed bounds; the unsigned bounds are left to Sync.
func arshSpan[W width](x span, n uint) span {
	r := fullSpan[W]()
	r.smin, r.smax = x.smin>>n, x.smax>>n
	return r
}

func addU[W width](a, b uint64) (sum uint64, wraps bool) {
	sum = trunc[W](a + b)
	return sum, sum < a
}

// addS, subS and mulS are signed arithmetic on W-bit words; ok is false on overflow.
func addS[W width](a, b int64) (sum int64, ok bool) {
	sum = sext[W](uint64(a + b))
	return sum, (sum < a) == (b < 0)
}

func subS[W width](a, b int64) (diff int64, ok bool) {
	diff = sext[W](uint64(a - b))
	return diff, (diff > a) == (b < 0)
}

func mulS[W width](a, b int64) (product int64, ok bool) {
	high, low := bits.Mul64(uint64(a), uint64(b))
	if a < 0 {
		high -= uint64(b)
	}
	if b < 0 {
		high -= uint64(a)
	}
	product = int64(low)
	return product, int64(high) == product>>63 && product == sext[W](low)
}
