// Package domain is the number domain of a scalar register: which bits are known, and between which
// bounds the value lies, signed and unsigned, as a 64-bit word and as its low 32 bits. It holds the
// transfer functions of the ALU operations, what a conditional jump teaches about its operands, and
// the text the kernel prints. It knows nothing about registers or programs.
//
// Soundness is the contract: if v is in x and w is in y, then v op w is in the result of op, and if a
// condition holds for v and w, they are still in x and y after Refine. Precision is the other half: a
// result is neither wider nor narrower than that of Linux 6.18, since programs are accepted or refused
// by it. The tests hold both: exhaustively against concrete arithmetic at small widths, and against
// the states in the log of a live kernel.
package domain

// A Scalar is a set of 64-bit words: those that agree with Bits, lie in both 64-bit ranges, and whose
// low 32 bits lie in both 32-bit ranges. All bounds are inclusive.
//
// The parts are kept reduced against each other by Sync; every function here leaves a reduced Scalar
// if it was given one. If a minimum exceeds its maximum, or a constant does not lie in its ranges, the
// set is empty: no execution comes here (see Violation).
//
// The zero Scalar is the constant 0.
type Scalar struct {
	Bits           Tnum
	SMin, SMax     int64
	UMin, UMax     uint64
	S32Min, S32Max int32
	U32Min, U32Max uint32
}

// Unknown is the set of all words.
func Unknown() Scalar {
	return Scalar{
		Bits: TnumUnknown(),
		SMin: minS[w64](), SMax: maxS[w64](), UMax: maxU[w64](),
		S32Min: int32(minS[w32]()), S32Max: int32(maxS[w32]()), U32Max: uint32(maxU[w32]()),
	}
}

// Const is the set of the single word v.
func Const(v uint64) Scalar {
	return Scalar{
		Bits: Tnum{Value: v},
		SMin: int64(v), SMax: int64(v), UMin: v, UMax: v,
		S32Min: int32(v), S32Max: int32(v), U32Min: uint32(v), U32Max: uint32(v),
	}
}

// SetUnknown makes s the set of all words.
func (s *Scalar) SetUnknown() { *s = Unknown() }

// SetConst makes s the constant v.
func (s *Scalar) SetConst(v uint64) { *s = Const(v) }

// SetUnbounded forgets all ranges and keeps the known bits, as Linux does with a contradictory
// register. It does not Sync.
func (s *Scalar) SetUnbounded() {
	b := s.Bits
	*s = Unknown()
	s.Bits = b
}

// IsConst tells that s is one word, s.Bits.Value.
func (s *Scalar) IsConst() bool { return s.Bits.Mask == 0 }

// IsConst32 tells that the low 32 bits are one word.
func (s *Scalar) IsConst32() bool { return uint32(s.Bits.Mask) == 0 }

// IsUnknown tells that nothing is known.
func (s *Scalar) IsUnknown() bool { return *s == Unknown() }

// Fits32 tells that the high 32 bits are known to be zero.
func (s *Scalar) Fits32() bool { return s.UMax <= 1<<32-1 }

// Contains tells that the word v is in the set.
func (s *Scalar) Contains(v uint64) bool { return contains[w64, w32](s, v) }

func contains[W, H width](s *Scalar, v uint64) bool {
	sv, hv, hsv := sext[W](v), trunc[H](v), sext[H](v)
	return s.Bits.Contains(v) &&
		s.UMin <= v && v <= s.UMax && s.SMin <= sv && sv <= s.SMax &&
		uint64(s.U32Min) <= hv && hv <= uint64(s.U32Max) && int64(s.S32Min) <= hsv && hsv <= int64(s.S32Max)
}

// RangeWithin tells that each of the four ranges of cur lies in that of old.
func RangeWithin(old, cur *Scalar) bool {
	return old.UMin <= cur.UMin && old.UMax >= cur.UMax &&
		old.SMin <= cur.SMin && old.SMax >= cur.SMax &&
		old.U32Min <= cur.U32Min && old.U32Max >= cur.U32Max &&
		old.S32Min <= cur.S32Min && old.S32Max >= cur.S32Max
}

// Within tells that cur is included in old part by part, which is how Linux decides that a state
// seen before covers the present one.
func Within(old, cur *Scalar) bool { return RangeWithin(old, cur) && cur.Bits.In(old.Bits) }

// consistent tells that no range is empty and that known words have ranges to match.
func consistent[W, H width](s *Scalar) bool { return contradiction[W, H](s) == "" }

// contradiction names what is contradictory in s, in the kernel's words.
func contradiction[W, H width](s *Scalar) string {
	switch {
	case s.UMin > s.UMax || s.SMin > s.SMax || s.U32Min > s.U32Max || s.S32Min > s.S32Max:
		return "range bounds violation"
	case s.Bits.Mask == 0 && s.word() != constSpan[W](s.Bits.Value):
		return "const tnum out of sync with range bounds"
	case trunc[H](s.Bits.Mask) == 0 && s.half() != constSpan[H](s.Bits.Value):
		return "const subreg tnum out of sync with range bounds"
	}
	return ""
}
