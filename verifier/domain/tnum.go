package domain

import (
	"math/bits"
	"strconv"
)

// A Tnum ("tristate number") knows some bits of a 64-bit word: a bit set in Mask is unknown, any
// other bit is as in Value. Value and Mask have no bit in common.
//
// It stands for the set of words v with v&^Mask == Value. The theory is in Vishwanathan et al.,
// "Sound, Precise, and Fast Abstract Interpretation with Tristate Numbers" (CGO 2022).
//
// A narrower word is a Tnum whose high bits are known to be zero. As carries only move upwards, the
// operations below serve any width: compute, then Cast.
type Tnum struct{ Value, Mask uint64 }

// TnumConst is the Tnum of the single word v.
func TnumConst(v uint64) Tnum { return Tnum{Value: v} }

// TnumUnknown knows no bit.
func TnumUnknown() Tnum { return Tnum{Mask: ^uint64(0)} }

// TnumRange knows the leading bits that all of min..max (unsigned) share.
// It is TnumUnknown if min > max or if not even the top bit is shared.
func TnumRange(min, max uint64) Tnum {
	unknown := ^uint64(0)
	if n := bits.Len64(min ^ max); n < 64 {
		unknown = 1<<n - 1
	}
	return Tnum{min &^ unknown, unknown}
}

// IsConst tells that all bits are known.
func (t Tnum) IsConst() bool { return t.Mask == 0 }

// IsUnknown tells that no bit is known.
func (t Tnum) IsUnknown() bool { return t.Mask == ^uint64(0) }

// Max is the greatest unsigned word of the set; Value is the smallest.
func (t Tnum) Max() uint64 { return t.Value | t.Mask }

// Contains tells that v agrees with all known bits.
func (t Tnum) Contains(v uint64) bool { return v&^t.Mask == t.Value }

// In tells that every word of t is a word of o.
func (t Tnum) In(o Tnum) bool { return t.Mask&^o.Mask == 0 && t.Value&^o.Mask == o.Value }

// Overlaps tells that some word may be in both: no bit is known to differ.
func (t Tnum) Overlaps(o Tnum) bool { return (t.Value^o.Value)&^(t.Mask|o.Mask) == 0 }

// Aligned tells that every word of t is a multiple of size, a power of two (or zero: always).
func (t Tnum) Aligned(size uint64) bool { return size == 0 || t.Max()&(size-1) == 0 }

// Intersect knows what either operand knows. If they contradict each other (see Overlaps), the
// contradictory bits come out as ones.
func (t Tnum) Intersect(o Tnum) Tnum {
	unknown := t.Mask & o.Mask
	return Tnum{(t.Value | o.Value) &^ unknown, unknown}
}

// Union is the smallest Tnum that contains both operands.
func (t Tnum) Union(o Tnum) Tnum {
	unknown := t.Mask | o.Mask | (t.Value ^ o.Value)
	return Tnum{t.Value &^ unknown, unknown}
}

// Add is the sum modulo 2^64. The carries of the smallest and of the greatest sum bound all carries:
// where these differ, the bit is unknown.
func (t Tnum) Add(o Tnum) Tnum {
	low := t.Value + o.Value
	high := low + t.Mask + o.Mask
	unknown := (low ^ high) | t.Mask | o.Mask
	return Tnum{low &^ unknown, unknown}
}

// Sub is the difference modulo 2^64, by the same argument as Add for borrows.
func (t Tnum) Sub(o Tnum) Tnum {
	d := t.Value - o.Value
	unknown := ((d + t.Mask) ^ (d - o.Mask)) | t.Mask | o.Mask
	return Tnum{d &^ unknown, unknown}
}

// Neg is 0 - t.
func (t Tnum) Neg() Tnum { return Tnum{}.Sub(t) }

// And, Or and Xor are exact, as every bit stands alone.
func (t Tnum) And(o Tnum) Tnum {
	ones := t.Value & o.Value
	return Tnum{ones, t.Max() & o.Max() &^ ones}
}

// Or is the bitwise or.
func (t Tnum) Or(o Tnum) Tnum {
	ones := t.Value | o.Value
	return Tnum{ones, (t.Mask | o.Mask) &^ ones}
}

// Xor is the bitwise exclusive or.
func (t Tnum) Xor(o Tnum) Tnum {
	unknown := t.Mask | o.Mask
	return Tnum{(t.Value ^ o.Value) &^ unknown, unknown}
}

// Mul is the product modulo 2^64 by long multiplication: for each bit of t, o is added if the bit is
// one, may have been added if it is unknown.
func (t Tnum) Mul(o Tnum) Tnum {
	if t.Mask|o.Mask == 0 {
		return Tnum{Value: t.Value * o.Value}
	}
	var sum Tnum
	for rest := t.Max(); rest != 0; rest &= rest - 1 {
		n := uint(bits.TrailingZeros64(rest))
		with := sum.Add(o.Lsh(n))
		if t.Mask>>n&1 != 0 {
			with = with.Union(sum)
		}
		sum = with
	}
	return sum
}

// Lsh is t << n, n below 64.
func (t Tnum) Lsh(n uint) Tnum { return Tnum{t.Value << n, t.Mask << n} }

// Rsh is t >> n with zero fill, n below 64.
func (t Tnum) Rsh(n uint) Tnum { return Tnum{t.Value >> n, t.Mask >> n} }

// Arsh is the low w bits of t shifted right by n below w with sign fill; an unknown sign fills with
// unknown bits. The result is a w-bit word.
func (t Tnum) Arsh(n, w uint) Tnum {
	up := 64 - w
	return Tnum{
		uint64(int64(t.Value<<up)>>n) >> up,
		uint64(int64(t.Mask<<up)>>n) >> up,
	}
}

// Cast keeps the low size bytes (1 to 8) and knows the others to be zero.
func (t Tnum) Cast(size uint) Tnum { return t.low(8 * size) }

func (t Tnum) low(n uint) Tnum {
	up := 64 - n
	return Tnum{t.Value << up >> up, t.Mask << up >> up}
}

// Subreg is the low 32 bits.
func (t Tnum) Subreg() Tnum { return t.low(32) }

// ClearSubreg knows the low 32 bits to be zero.
func (t Tnum) ClearSubreg() Tnum { return Tnum{t.Value >> 32 << 32, t.Mask >> 32 << 32} }

// WithSubreg takes the low 32 bits from sub.
func (t Tnum) WithSubreg(sub Tnum) Tnum { return t.withLow(sub, 32) }

func (t Tnum) withLow(sub Tnum, n uint) Tnum {
	m := uint64(1)<<n - 1
	return Tnum{t.Value&^m | sub.Value&m, t.Mask&^m | sub.Mask&m}
}

// ConstSubreg sets the low 32 bits to v.
func (t Tnum) ConstSubreg(v uint32) Tnum { return t.WithSubreg(TnumConst(uint64(v))) }

// SubregIsConst tells that the low 32 bits are all known.
func (t Tnum) SubregIsConst() bool { return uint32(t.Mask) == 0 }

// after is the least word of t above v, or the greatest word of t if none is above v.
func (t Tnum) after(v uint64) uint64 {
	if v >= t.Max() {
		return t.Max()
	}
	v++
	wrong := (v ^ t.Value) &^ t.Mask // known bits that v has not
	if wrong == 0 {
		return v
	}
	// Up to the highest wrong bit the word is forced: if t has a one there, it is above v whatever the
	// rest, and the least rest is best. If t has a zero there, a free zero further up must become one.
	top := uint64(1) << (bits.Len64(wrong) - 1)
	if v&top != 0 {
		free := t.Mask &^ v &^ (top - 1)
		top = free & -free
		v |= top
	}
	rest := top - 1
	return v&t.Mask&^rest | t.Value
}

// String spells the Tnum as the kernel does: "(0x0; 0xff)".
func (t Tnum) String() string { return string(t.AppendText(nil)) }

// AppendText appends String to b.
func (t Tnum) AppendText(b []byte) []byte {
	b = append(b, "(0x"...)
	b = strconv.AppendUint(b, t.Value, 16)
	b = append(b, "; 0x"...)
	b = strconv.AppendUint(b, t.Mask, 16)
	return append(b, ')')
}
