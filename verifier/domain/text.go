package domain

import (
	"fmt"
	"strconv"
)

// This file spells a Scalar as the verifier's log does.

// String is the text of the log: "42", "scalar()", "scalar(smin=0,smax=umax=255,...)".
func (s *Scalar) String() string { return string(s.AppendText(nil, "")) }

// AppendText appends the text of s to b. attrs, such as "id=3", goes first inside the parentheses of
// an unknown scalar; a constant has no parentheses and no room for it.
func (s *Scalar) AppendText(b []byte, attrs string) []byte {
	if s.IsConst() {
		return signed64(int64(s.Bits.Value)).append(b)
	}
	b = append(b, "scalar("...)
	b = append(b, attrs...)
	b = s.AppendRanges(b, attrs != "")
	return append(b, ')')
}

// AppendRanges appends the bounds that exclude anything and the known bits, if any, separated by
// commas: "smin=0,smax=umax=255,var_off=(0x0; 0xff)". Minima that read the same share one number, and
// so do maxima. With comma, the first is preceded by one too. Pointers with a variable offset use the
// same text.
func (s *Scalar) AppendRanges(b []byte, comma bool) []byte {
	bounds := [...]struct {
		name   string
		number number
		skip   bool // says nothing, or already printed
	}{
		{"smin", signed64(s.SMin), s.SMin == minS[w64]()},
		{"smax", signed64(s.SMax), s.SMax == maxS[w64]()},
		{"umin", unsigned(s.UMin), s.UMin == 0},
		{"umax", unsigned(s.UMax), s.UMax == maxU[w64]()},
		{"smin32", signed32(s.S32Min), int64(s.S32Min) == minS[w32]()},
		{"smax32", signed32(s.S32Max), int64(s.S32Max) == maxS[w32]()},
		{"umin32", unsigned(uint64(s.U32Min)), s.U32Min == 0},
		{"umax32", unsigned(uint64(s.U32Max)), uint64(s.U32Max) == maxU[w32]()},
	}
	for i := range bounds {
		p := &bounds[i]
		if p.skip {
			continue
		}
		if comma {
			b = append(b, ',')
		}
		comma = true
		b = append(b, p.name...)
		for j := i + 2; j < len(bounds); j += 2 { // minima stand at even places, maxima at odd ones
			if q := &bounds[j]; !q.skip && q.number.same(p.number) {
				q.skip = true
				b = append(append(b, '='), q.name...)
			}
		}
		b = p.number.append(append(b, '='))
	}
	if !s.Bits.IsUnknown() {
		if comma {
			b = append(b, ',')
		}
		b = append(b, "var_off="...)
		b = s.Bits.AppendText(b)
	}
	return b
}

// Violation says what is contradictory in s, as the kernel does after "REG INVARIANTS VIOLATION (...): ".
// It is empty if s is consistent.
func (s *Scalar) Violation() string {
	what := contradiction[w64, w32](s)
	if what == "" {
		return ""
	}
	return fmt.Sprintf("%s u64=[%#x, %#x] s64=[%#x, %#x] u32=[%#x, %#x] s32=[%#x, %#x] var_off=(%#x, %#x)", what,
		s.UMin, s.UMax, uint64(s.SMin), uint64(s.SMax), s.U32Min, s.U32Max, uint32(s.S32Min), uint32(s.S32Max),
		s.Bits.Value, s.Bits.Mask)
}

// A number is a bound as the log spells it: decimal if it fits a signed (or unsigned) 16-bit word,
// hexadecimal otherwise, a negative one in the two's complement of its own word.
type number struct {
	value    uint64
	negative bool // value is to be read as signed
	decimal  bool
}

// same tells that two bounds share one number: negative ones do not mix with large unsigned ones.
func (n number) same(o number) bool { return n.value == o.value && n.negative == o.negative }

func unsigned(v uint64) number { return number{v, false, v == uint64(uint16(v))} }
func signed64(v int64) number  { return number{uint64(v), v < 0, v == int64(int16(v))} }

func signed32(v int32) number {
	n := signed64(int64(v))
	if !n.decimal {
		// In hexadecimal a sign extension would only confuse.
		n = number{value: uint64(uint32(v))}
	}
	return n
}

func (n number) append(b []byte) []byte {
	if n.decimal {
		return strconv.AppendInt(b, int64(n.value), 10)
	}
	return strconv.AppendUint(append(b, "0x"...), n.value, 16)
}
