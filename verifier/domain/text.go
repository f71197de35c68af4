package domain

import "strconv"

// This file spells a Scalar as the verifier's log does.

// String is the text of the log: "42", "scalar()", "scalar(smin=0,smax=umax=255,...)".
func (s *Scalar) String() string { return string(s.AppendText(nil, "")) }

// AppendText appends the text of s to b. attrs, such as "id=3", goes first inside the parentheses of
// an unknown scalar; a constant has no parentheses and no room for it.
func (s *Scalar) AppendText(b []byte, attrs string) []byte {
	if s.IsConst() {
		return appendSigned(b, int64(s.Bits.Value))
	}
	b = append(b, "scalar("...)
	b = append(b, attrs...)
	b = s.AppendRanges(b, attrs != "")
	return append(b, ')')
}

// AppendRanges appends the bounds that exclude anything and the known bits, if any, separated by
// commas: "smin=0,smax=umax=255,var_off=(0x0; 0xff)". Equal bounds share one value. With comma, the
// first is preceded by one too. Pointers with a variable offset use the same text.
func (s *Scalar) AppendRanges(b []byte, comma bool) []byte {
	bounds := [...]struct {
		name   string
		value  uint64 // sign- or zero-extended
		signed bool
		skip   bool // says nothing, or already printed
	}{
		{"smin", uint64(s.SMin), true, s.SMin == minS[w64]()},
		{"smax", uint64(s.SMax), true, s.SMax == maxS[w64]()},
		{"umin", s.UMin, false, s.UMin == 0},
		{"umax", s.UMax, false, s.UMax == maxU[w64]()},
		{"smin32", uint64(s.S32Min), true, int64(s.S32Min) == minS[w32]()},
		{"smax32", uint64(s.S32Max), true, int64(s.S32Max) == maxS[w32]()},
		{"umin32", uint64(s.U32Min), false, s.U32Min == 0},
		{"umax32", uint64(s.U32Max), false, uint64(s.U32Max) == maxU[w32]()},
	}
	sep := func() {
		if comma {
			b = append(b, ',')
		}
		comma = true
	}
	for i := range bounds {
		p := &bounds[i]
		if p.skip {
			continue
		}
		sep()
		b = append(b, p.name...)
		for j := i + 1; j < len(bounds); j++ {
			if q := &bounds[j]; !q.skip && q.value == p.value {
				q.skip = true
				b = append(append(b, '='), q.name...)
			}
		}
		b = append(b, '=')
		if p.signed {
			b = appendSigned(b, int64(p.value))
		} else {
			b = appendUnsigned(b, p.value)
		}
	}
	if !s.Bits.IsUnknown() {
		sep()
		b = append(b, "var_off="...)
		b = s.Bits.AppendText(b)
	}
	return b
}

// Numbers that fit 16 bits are decimal, others hexadecimal; large negative ones in two's complement.
func appendSigned(b []byte, v int64) []byte {
	if v == int64(int16(v)) {
		return strconv.AppendInt(b, v, 10)
	}
	return strconv.AppendUint(append(b, "0x"...), uint64(v), 16)
}

func appendUnsigned(b []byte, v uint64) []byte {
	if v == uint64(uint16(v)) {
		return strconv.AppendUint(b, v, 10)
	}
	return strconv.AppendUint(append(b, "0x"...), v, 16)
}
