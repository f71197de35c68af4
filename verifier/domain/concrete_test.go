package domain

import "math/bits"

// This file holds what the domain is measured against: the meaning of the operations on W-bit words,
// and sets of words as bitmaps.

func concreteALU(op Op, w uint, d, s uint64) uint64 {
	m := ^uint64(0) >> (64 - w)
	sx := func(v uint64) int64 { return int64(v<<(64-w)) >> (64 - w) }
	d, s = d&m, s&m
	switch op {
	case Mov:
		d = s
	case Add:
		d += s
	case Sub:
		d -= s
	case Mul:
		d *= s
	case Div:
		if s == 0 {
			return 0
		}
		d /= s
	case SDiv:
		switch {
		case s == 0:
			return 0
		case s == m:
			d = -d
		default:
			d = uint64(sx(d) / sx(s))
		}
	case Mod:
		if s != 0 {
			d %= s
		}
	case SMod:
		switch {
		case s == 0:
		case s == m:
			d = 0
		default:
			d = uint64(sx(d) % sx(s))
		}
	case And:
		d &= s
	case Or:
		d |= s
	case Xor:
		d ^= s
	case Lsh:
		d <<= s % uint64(w)
	case Rsh:
		d >>= s % uint64(w)
	case Arsh:
		d = uint64(sx(d) >> (s % uint64(w)))
	case Neg:
		d = -d
	}
	return d & m
}

func concreteTest(c Cond, w uint, d, s uint64) bool {
	m := ^uint64(0) >> (64 - w)
	d, s = d&m, s&m
	sd, ss := int64(d<<(64-w)), int64(s<<(64-w))
	switch c {
	case Eq:
		return d == s
	case Set:
		return d&s != 0
	case Gt:
		return d > s
	case Ge:
		return d >= s
	case SGt:
		return sd > ss
	case SGe:
		return sd >= ss
	}
	return !concreteTest(c.Not(), w, d, s)
}

// A set is a set of words of at most 8 bits.
type set [4]uint64

func (s *set) add(v uint64) { s[v>>6] |= 1 << (v & 63) }
func (s *set) empty() bool  { return *s == set{} }

func (s *set) in(o *set) bool {
	return s[0]&^o[0]|s[1]&^o[1]|s[2]&^o[2]|s[3]&^o[3] == 0
}

func (s *set) words() (all []uint64) {
	for i, part := range s {
		for ; part != 0; part &= part - 1 {
			all = append(all, uint64(64*i+bits.TrailingZeros64(part)))
		}
	}
	return all
}

// meaning is the set of words that x stands for.
func meaning[W, H width](x *Scalar) (s set) {
	for v := range maxU[W]() + 1 {
		if contains[W, H](x, v) {
			s.add(v)
		}
	}
	return s
}

// hull is the best Scalar that contains s: no part can be narrower. s must not be empty.
func hull[W, H width](s *set) Scalar {
	var x Scalar
	for i, v := range s.words() {
		var c Scalar
		setConst[W, H](&c, v)
		if i == 0 {
			x = c
			continue
		}
		x.Bits = x.Bits.Union(c.Bits)
		x.UMin, x.UMax = min(x.UMin, c.UMin), max(x.UMax, c.UMax)
		x.SMin, x.SMax = min(x.SMin, c.SMin), max(x.SMax, c.SMax)
		x.U32Min, x.U32Max = min(x.U32Min, c.U32Min), max(x.U32Max, c.U32Max)
		x.S32Min, x.S32Max = min(x.S32Min, c.S32Min), max(x.S32Max, c.S32Max)
	}
	return x
}
