package domain

// This file implements what conditional jumps decide and teach.

// A Cond is the condition of a jump.
type Cond uint8

// Conditions. A condition and its negation differ in the lowest bit.
const (
	Eq   Cond = iota // x == y
	Ne               // x != y
	Set              // x & y != 0
	NSet             // x & y == 0
	Gt               // x > y, unsigned
	Le               // x <= y, unsigned
	Ge               // x >= y, unsigned
	Lt               // x < y, unsigned
	SGt              // x > y, signed
	SLe              // x <= y, signed
	SGe              // x >= y, signed
	SLt              // x < y, signed

	NumConds // number of conditions
)

// Not is the condition that holds exactly when c does not.
func (c Cond) Not() Cond { return c ^ 1 }

// Decide tells whether the condition holds for all words of x and y: 1 if it always does, 0 if it never
// does, -1 if that is not known. With is32 the low 32 bits are compared.
func Decide(c Cond, is32 bool, x, y *Scalar) int { return decide[w64, w32](c, is32, x, y) }

func decide[W, H width](c Cond, is32 bool, x, y *Scalar) int {
	if c&1 != 0 && c != Ne {
		if d := decide[W, H](c.Not(), is32, x, y); d >= 0 {
			return 1 - d
		}
		return -1
	}
	a, b, s, t := x.word(), y.word(), x.Bits, y.Bits
	if is32 {
		a, b, s, t = x.half(), y.half(), s.low(nbits[H]()), t.low(nbits[H]())
	}
	switch c {
	case Eq, Ne:
		d := equal(a, b, s, t)
		if d < 0 && !is32 && disjoint(x.half(), y.half()) {
			d = 0
		}
		if c == Ne && d >= 0 {
			d = 1 - d
		}
		return d
	case Set:
		if t.Mask != 0 {
			s, t = t, s
		}
		switch {
		case t.Mask != 0:
		case s.Value&t.Value != 0:
			return 1
		case s.Max()&t.Value == 0:
			return 0
		}
	case Gt:
		return order(a.umin > b.umax, a.umax <= b.umin)
	case Ge:
		return order(a.umin >= b.umax, a.umax < b.umin)
	case SGt:
		return order(a.smin > b.smax, a.smax <= b.smin)
	case SGe:
		return order(a.smin >= b.smax, a.smax < b.smin)
	}
	return -1
}

func order(always, never bool) int {
	switch {
	case always:
		return 1
	case never:
		return 0
	}
	return -1
}

func equal(a, b span, s, t Tnum) int {
	switch {
	case s.Mask|t.Mask == 0:
		return order(s.Value == t.Value, true)
	case !s.Overlaps(t), disjoint(a, b):
		return 0
	}
	return -1
}

func disjoint(a, b span) bool {
	return a.umin > b.umax || a.umax < b.umin || a.smin > b.smax || a.smax < b.smin
}

// Refine narrows x and y to what is possible if the condition holds; for the branch not taken, pass
// c.Not(). x and y may be the same Scalar. It tells whether both are consistent afterwards.
//
// If not, no execution takes this branch, but Decide has not noticed. Linux then prints the Violation of
// each inconsistent operand, forgets its ranges with SetUnbounded, and verifies the branch all the same.
func Refine(c Cond, is32 bool, x, y *Scalar) bool {
	refine[w64, w32](c, is32, x, y, 0)
	return consistent[w64, w32](x) && consistent[w64, w32](y)
}

func refine[W, H width](c Cond, is32 bool, x, y *Scalar, less Less) {
	switch c {
	case Gt, Ge, SGt, SGe:
		// x > y is y < x: from here on, only "less".
		x, y = y, x
		c ^= Gt ^ Lt // swaps Gt with Lt and Ge with Le, likewise signed
	}
	if c == Set || c == NSet {
		refineMask[W, H](c, is32, x, y, less)
		return
	}
	a, b, s, t := x.word(), y.word(), x.Bits, y.Bits
	if is32 {
		a, b, s, t = x.half(), y.half(), s.low(nbits[H]()), t.low(nbits[H]())
	}
	pb, pt := &b, &t
	if x == y {
		pb, pt = &a, &s
	}
	if is32 {
		refineSpan[H](c, &a, pb, &s, pt)
		x.Bits, y.Bits = x.Bits.withLow(s, nbits[H]()), y.Bits.withLow(*pt, nbits[H]())
		x.setHalf(a)
		y.setHalf(*pb)
	} else {
		refineSpan[W](c, &a, pb, &s, pt)
		x.Bits, y.Bits = s, *pt
		x.setWord(a)
		y.setWord(*pb)
	}
	if less&LessApart != 0 {
		apart[W, H](is32, x)
		apart[W, H](is32, y)
	}
	sync[W, H](x, less)
	if x != y {
		sync[W, H](y, less)
	}
}

// refineMask learns from x & y being zero or not, if y (or x) is constant.
func refineMask[W, H width](c Cond, is32 bool, x, y *Scalar, less Less) {
	word := maxU[W]()
	if is32 {
		word = maxU[H]()
	}
	if y.Bits.Mask&word != 0 {
		x, y = y, x
	}
	mask := y.Bits.Value & word
	switch {
	case y.Bits.Mask&word != 0:
	case c == NSet:
		// Linux forgets the ranges, lest they contradict the new bits on a dead branch.
		t := x.Bits.And(Tnum{Value: ^mask})
		setUnknown[W, H](x)
		x.Bits = t
		sync[W, H](x, less)
	case mask&(mask-1) == 0 && mask != 0:
		// Only one bit can have made the condition true.
		x.Bits = x.Bits.Or(Tnum{Value: mask})
		sync[W, H](x, less)
	}
}

// refineSpan narrows two W-bit words a and b with known bits s and t.
func refineSpan[W width](c Cond, a, b *span, s, t *Tnum) {
	switch c {
	case Eq:
		a.meet(*b)
		*s = s.Intersect(*t)
		*b, *t = *a, *s
	case Ne:
		if t.Mask != 0 {
			a, b, s, t = b, a, t, s
		}
		if t.Mask == 0 {
			trimEdge[W](a, t.Value)
		}
	case Le:
		a.umax = min(a.umax, b.umax)
		b.umin = max(a.umin, b.umin)
	case Lt:
		a.umax = min(a.umax, trunc[W](b.umax-1))
		b.umin = max(trunc[W](a.umin+1), b.umin)
	case SLe:
		a.smax = min(a.smax, b.smax)
		b.smin = max(a.smin, b.smin)
	case SLt:
		a.smax = min(a.smax, sext[W](uint64(b.smax-1)))
		b.smin = max(sext[W](uint64(a.smin+1)), b.smin)
	}
}

// trimEdge removes v from r where it is a bound.
func trimEdge[W width](r *span, v uint64) {
	if r.umin == v {
		r.umin++
	}
	if r.umax == v {
		r.umax--
	}
	if v := sext[W](v); true {
		if r.smin == v {
			r.smin++
		}
		if r.smax == v {
			r.smax--
		}
	}
}
