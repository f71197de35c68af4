package isa

import "math/bits"

// ALU is what the operation computes from the destination d and the source operand s, both taken modulo
// 2^width; width is 1 to 64. It is the one meaning of every operation from Add to Arsh, for engines that
// execute it at width 32 and 64 and for tests that go through every value at width 3 or 4. Operations that
// it does not know, or that depend on more than two words (MovSX, ToLE, ToBE, Bswap), give d.
func ALU(op Op, width uint, d, s uint64) uint64 {
	width = wordWidth(width)
	m := mask(width)
	d, s = d&m, s&m
	switch op {
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
		if s == 0 {
			return 0
		}
		// The minimum divided by -1 wraps around to itself, as Go defines it at width 64; narrower, the
		// quotient is in range and wraps when it is cut.
		d = uint64(signed(d, width) / signed(s, width))
	case Or:
		d |= s
	case And:
		d &= s
	case Lsh:
		d <<= s % uint64(width)
	case Rsh:
		d >>= s % uint64(width)
	case Neg:
		d = -d
	case Mod:
		if s != 0 {
			d %= s
		}
	case SMod:
		if s != 0 {
			d = uint64(signed(d, width) % signed(s, width))
		}
	case Xor:
		d ^= s
	case Mov:
		d = s
	case Arsh:
		d = uint64(signed(d, width) >> (s % uint64(width)))
	}
	return d & m
}

// Test tells whether the conditional jump compares d and s, both taken modulo 2^width, to true.
// What is no conditional jump is false.
func Test(op Op, width uint, d, s uint64) bool {
	width = wordWidth(width)
	m := mask(width)
	d, s = d&m, s&m
	switch op {
	case Jeq:
		return d == s
	case Jne:
		return d != s
	case Jset:
		return d&s != 0
	case Jgt:
		return d > s
	case Jge:
		return d >= s
	case Jlt:
		return d < s
	case Jle:
		return d <= s
	case Jsgt:
		return signed(d, width) > signed(s, width)
	case Jsge:
		return signed(d, width) >= signed(s, width)
	case Jslt:
		return signed(d, width) < signed(s, width)
	case Jsle:
		return signed(d, width) <= signed(s, width)
	}
	return false
}

// MoveSX is what MovSX computes: the low from bits of s, sign-extended to width bits.
func MoveSX(width, from uint, s uint64) uint64 {
	width, from = wordWidth(width), wordWidth(from)
	return uint64(signed(s&mask(from), from)) & mask(width)
}

// Endian is what ToLE, ToBE and Bswap compute from the low width bits of d (16, 32 or 64), on a
// little-endian machine, which eBPF programs are compiled for here: ToLE cuts, the others reverse bytes.
// The result is zero-extended. Other widths and operations give d.
func Endian(op Op, width uint, d uint64) uint64 {
	swap := op == ToBE || op == Bswap
	if !swap && op != ToLE {
		return d
	}
	switch {
	case width == 16 && swap:
		return uint64(bits.ReverseBytes16(uint16(d)))
	case width == 32 && swap:
		return uint64(bits.ReverseBytes32(uint32(d)))
	case width == 64 && swap:
		return bits.ReverseBytes64(d)
	case width == 16 || width == 32:
		return d & mask(width)
	}
	return d
}

// Negate is the conditional jump that is taken when op is not. Jset has none, and what is no conditional
// jump neither: the answer is Invalid.
func (o Op) Negate() Op {
	switch o {
	case Jeq:
		return Jne
	case Jne:
		return Jeq
	case Jgt:
		return Jle
	case Jge:
		return Jlt
	case Jlt:
		return Jge
	case Jle:
		return Jgt
	case Jsgt:
		return Jsle
	case Jsge:
		return Jslt
	case Jslt:
		return Jsge
	case Jsle:
		return Jsgt
	}
	return Invalid
}

// Swap is the conditional jump that says of (s, d) what op says of (d, s); Invalid for what is none.
func (o Op) Swap() Op {
	switch o {
	case Jeq, Jne, Jset:
		return o
	case Jgt:
		return Jlt
	case Jge:
		return Jle
	case Jlt:
		return Jgt
	case Jle:
		return Jge
	case Jsgt:
		return Jslt
	case Jsge:
		return Jsle
	case Jslt:
		return Jsgt
	case Jsle:
		return Jsge
	}
	return Invalid
}

// wordWidth takes what is no width for 64, so that nothing divides by zero.
func wordWidth(width uint) uint {
	if width-1 >= 64 {
		return 64
	}
	return width
}

// mask has the low width bits set.
func mask(width uint) uint64 { return ^uint64(0) >> ((64 - width) & 63) }

// signed is the value of the low width bits of v, which has no others set, in two's complement.
func signed(v uint64, width uint) int64 {
	shift := (64 - width) & 63
	return int64(v<<shift) >> shift
}
