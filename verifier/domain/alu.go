package domain

// An Op is a binary operation on registers. The package stands on the same floor as isa, so it names
// the operations itself; the verifier keeps the table from one to the other.
type Op uint8

// Operations, as in RFC 9669. Neg ignores its second operand.
const (
	Mov Op = iota
	Add
	Sub
	Mul
	Div
	SDiv
	Mod
	SMod
	And
	Or
	Xor
	Lsh
	Rsh
	Arsh
	Neg

	NumOps // number of operations
)

// ALU makes x the result of x op y. With is32 it is an operation of class ALU: on the low 32 bits, and
// the high ones become zero. y is only read; it may be x itself.
func (x *Scalar) ALU(op Op, is32 bool, y *Scalar) { alu[w64, w32](x, y, op, is32, 0) }

func alu[W, H width](x, y *Scalar, op Op, is32 bool, less Less) {
	switch op {
	case Mov:
		*x = *y
		if is32 {
			zeroExtend[W, H](x)
			sync[W, H](x, less)
		}
		return
	case Div, SDiv, Mod, SMod:
		// Linux 6.18 does not follow divisions, not even of constants.
		setUnknown[W, H](x)
		return
	case Lsh, Rsh, Arsh:
		shift[W, H](x, y, op, is32, less)
		return
	}
	if op == Neg && less&LessNeg != 0 {
		setUnknown[W, H](x) // not even the high half is known to be zero
		return
	}
	if less&LessMixed != 0 && op != Add && op != Sub && op != And && op != Neg && !less.constant(is32, y) {
		setUnknown[W, H](x)
		return
	}
	t := aluBits[W](x.Bits, y.Bits, op)
	if op == Mul && less&LessMul != 0 {
		t = x.Bits.mulLess(y.Bits).low(nbits[W]())
	}
	if is32 {
		t = t.low(nbits[H]())
	}
	if t.Mask == 0 {
		// The ranges follow from the bits.
		setConst[W, H](x, t.Value)
		return
	}
	half := aluSpan[H](x.half(), y.half(), t.low(nbits[H]()), op, less)
	if !is32 {
		x.setWord(aluSpan[W](x.word(), y.word(), t, op, less))
	}
	x.Bits = t
	x.setHalf(half)
	if is32 {
		zeroExtend[W, H](x)
	}
	sync[W, H](x, less)
}

// aluBits is the known bits of x op y as W-bit words.
func aluBits[W width](x, y Tnum, op Op) (t Tnum) {
	switch op {
	case Add:
		t = x.Add(y)
	case Sub:
		t = x.Sub(y)
	case Neg:
		t = x.Neg()
	case Mul:
		t = x.Mul(y)
	case And:
		return x.And(y)
	case Or:
		return x.Or(y)
	case Xor:
		return x.Xor(y)
	}
	return t.low(nbits[W]())
}

// aluSpan is the ranges of x op y, whose known bits are t.
func aluSpan[W width](x, y span, t Tnum, op Op, less Less) span {
	switch {
	case op == Add && less&LessSums != 0:
		return addSpanLess[W](x, y)
	case op == Sub && less&LessSums != 0:
		return subSpanLess[W](x, y)
	case op == Mul && less&LessMul != 0:
		return mulSpanLess[W](x, y)
	}
	switch op {
	case Add:
		return addSpan[W](x, y)
	case Sub:
		return subSpan[W](x, y)
	case Neg:
		return subSpan[W](span{}, x)
	case Mul:
		return mulSpan[W](x, y)
	case And:
		return bitwise[W](t.Value, min(x.umax, y.umax))
	case Or:
		return bitwise[W](max(x.umin, y.umin), t.Max())
	}
	return bitwise[W](t.Value, t.Max()) // Xor
}

// zeroExtend makes x the zero extension of its low half. It does not sync.
func zeroExtend[W, H width](x *Scalar) {
	h := x.half()
	x.Bits = x.Bits.low(nbits[H]())
	w := span{0, int64(maxU[H]()), h.umin, h.umax}
	if h.smin >= 0 {
		w.smin, w.smax = h.smin, h.smax
	}
	x.setWord(w)
}

func setUnknown[W, H width](x *Scalar) {
	x.Bits = Tnum{Mask: maxU[W]()}
	x.setWord(fullSpan[W]())
	x.setHalf(fullSpan[H]())
}

func setConst[W, H width](x *Scalar, v uint64) {
	x.Bits = Tnum{Value: v}
	x.setWord(constSpan[W](v))
	x.setHalf(constSpan[H](v))
}

// Fork splits x, if Linux does so before x op y: for And and Or with a constant, if x is zero or minus
// one, as left by a shift of the sign bit over the word (or the half word). x becomes minus one, zero is
// what remains; Linux verifies x first, then the instruction again with zero. Neither is synced.
func (x *Scalar) Fork(op Op, y *Scalar) (zero Scalar, ok bool) {
	switch {
	case op != And && op != Or || !y.IsConst():
	case x.SMin == -1 && x.SMax == 0:
		*x = Const(^uint64(0))
		return Const(0), true
	case x.S32Min == -1 && x.S32Max == 0:
		zero = *x
		zero.setConst32(0)
		x.setConst32(^uint32(0))
		return zero, true
	}
	return Scalar{}, false
}

func (x *Scalar) setConst32(v uint32) {
	x.Bits = x.Bits.ConstSubreg(v)
	x.setHalf(constSpan[w32](uint64(v)))
}

// AddOffset makes x, the variable offset of a pointer, the offset after adding the scalar y. Linux
// does not keep 32-bit ranges of a pointer's offset, and gives up its unsigned range when a bound wraps.
func (x *Scalar) AddOffset(y *Scalar) { offset[w64, w32](x, y, Add) }

// SubOffset is AddOffset for a subtraction.
func (x *Scalar) SubOffset(y *Scalar) { offset[w64, w32](x, y, Sub) }

func offset[W, H width](x, y *Scalar, op Op) {
	t := aluBits[W](x.Bits, y.Bits, op)
	w := aluSpan[W](x.word(), y.word(), t, op, 0)
	if op == Add {
		if _, wraps := addU[W](x.UMin, y.UMin); wraps {
			w.umin, w.umax = 0, maxU[W]()
		}
	} else if x.UMin < y.UMax {
		w.umin, w.umax = 0, maxU[W]()
	}
	x.Bits = t
	x.setWord(w)
	x.setHalf(fullSpan[H]())
	sync[W, H](x, 0)
}
