package jit

import (
	"math/bits"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/jit/amd64"
	"github.com/skepbpf/skep/jit/layout"
)

// x86ALU are the operations that have one instruction of the common form.
var x86ALU = [isa.NumOps]amd64.ALU{isa.Add: amd64.Add, isa.Sub: amd64.Sub, isa.Or: amd64.Or, isa.And: amd64.And, isa.Xor: amd64.Xor}

var x86Shift = [isa.NumOps]amd64.Shift{isa.Lsh: amd64.Shl, isa.Rsh: amd64.Shr, isa.Arsh: amd64.Sar}

func (b *x86) mov(width int, dst, src isa.Reg) {
	if dst != src || width == 4 {
		b.MovRR(width, x86Home[dst], x86Home[src])
	}
}

func (b *x86) constant(dst isa.Reg, v uint64) {
	d := x86Home[dst]
	if v == 0 {
		b.ALURR(amd64.Xor, 4, d, d)
		return
	}
	b.MovRI(d, v)
}

func (b *x86) alu(op isa.Op, width int, dst isa.Reg, src operand) {
	d := x86Home[dst]
	switch op {
	case isa.Add, isa.Sub, isa.Or, isa.And, isa.Xor:
		switch {
		case src.isReg:
			b.ALURR(x86ALU[op], width, d, x86Home[src.reg])
		case op == isa.And && width == 8 && src.imm >= 0:
			b.ALURI(amd64.And, 4, d, src.imm) // the upper half becomes zero either way
		case src.imm == 128 && (op == isa.Add || op == isa.Sub):
			// -128 fits in a byte, and 128 does not.
			b.ALURI(x86ALU[isa.Add+isa.Sub-op], width, d, -128)
		default:
			b.ALURI(x86ALU[op], width, d, src.imm)
		}
	case isa.Mul:
		switch n := uint32(src.imm); {
		case src.isReg:
			b.ImulRR(width, d, x86Home[src.reg])
		case src.imm > 0 && n&(n-1) == 0:
			b.shift(isa.Lsh, width, dst, uint32(bits.TrailingZeros32(n)))
		default:
			b.ImulRRI(width, d, d, src.imm)
		}
	case isa.Lsh, isa.Rsh, isa.Arsh:
		if !src.isReg {
			b.shift(op, width, dst, uint32(src.imm))
			return
		}
		if b.bmi2 {
			b.ShiftX(x86Shift[op], width, d, d, x86Home[src.reg])
			return
		}
		b.MovRR(4, scratch, x86Home[src.reg])
		b.ShiftCL(x86Shift[op], width, d)
	case isa.Neg:
		b.Neg(width, d)
	case isa.Mov:
		if src.isReg {
			b.mov(width, dst, src.reg)
		} else if width == 4 {
			b.constant(dst, uint64(uint32(src.imm)))
		} else {
			b.constant(dst, uint64(int64(src.imm)))
		}
	}
}

// shift shifts by a constant, modulo the width.
func (b *x86) shift(op isa.Op, width int, dst isa.Reg, n uint32) {
	d := x86Home[dst]
	if n &= uint32(width*8 - 1); n != 0 {
		b.ShiftI(x86Shift[op], width, d, uint8(n))
	} else if width == 4 {
		b.MovRR(4, d, d)
	}
}

func (b *x86) lea(width int, dst, x isa.Reg, y operand) {
	if y.isReg {
		b.Lea(width, x86Home[dst], amd64.Indexed(x86Home[x], x86Home[y.reg], 0))
		return
	}
	b.Lea(width, x86Home[dst], amd64.At(x86Home[x], y.imm))
}

func (b *x86) rotate(width int, dst, src isa.Reg, n uint8) {
	if b.bmi2 && dst != src {
		b.RorX(width, x86Home[dst], x86Home[src], uint8(width*8)-n)
		return
	}
	b.mov(8, dst, src)
	b.ShiftI(amd64.Rol, width, x86Home[dst], n)
}

func (b *x86) extend(from, width int, dst, src isa.Reg) {
	if from == 4 && width == 4 {
		b.MovRR(4, x86Home[dst], x86Home[src])
		return
	}
	b.MovSX(from, width, x86Home[dst], x86Home[src])
}

func (b *x86) endian(op isa.Op, width int, dst isa.Reg) {
	d := x86Home[dst]
	swap := op != isa.ToLE
	switch {
	case width == 16:
		if swap {
			b.Rol16(d, 8)
		}
		b.MovZX(2, d, d)
	case width == 32 && swap:
		b.Bswap(4, d)
	case width == 32:
		b.MovRR(4, d, d)
	case swap:
		b.Bswap(8, d)
	}
}

func (b *x86) divide(op isa.Op, width int, dst isa.Reg, src operand, nonzero bool, cold func(func()) layout.Label) {
	if !src.isReg {
		b.divideBy(op, width, dst, src.imm)
		return
	}
	d, s := x86Home[dst], x86Home[src.reg]
	end := b.Label()
	signed := op == isa.SDiv || op == isa.SMod
	mod := op == isa.Mod || op == isa.SMod
	if !nonzero {
		zero := end
		if !mod || width == 4 {
			zero = cold(func() {
				if mod {
					b.MovRR(4, d, d)
				} else {
					b.ALURR(amd64.Xor, 4, d, d)
				}
				b.Jmp(end)
			})
		}
		b.TestRR(width, s, s)
		b.Jcc(amd64.E, zero)
	}
	if signed {
		b.ALURI(amd64.Cmp, width, s, -1) // the least number divided by -1 would fault
		b.Jcc(amd64.E, cold(func() {
			if mod {
				b.ALURR(amd64.Xor, 4, d, d)
			} else {
				b.Neg(width, d)
			}
			b.Jmp(end)
		}))
	}
	b.divideRR(signed, mod, width, d, s)
	b.Bind(end)
}

// divideRR divides d by s, which is neither 0 nor, with signs, -1. RAX is the home of r0.
func (b *x86) divideRR(signed, mod bool, width int, d, s amd64.Reg) {
	if d != amd64.RAX || s == amd64.RAX {
		b.MovRR(8, scratch, amd64.RAX)
	}
	if s == amd64.RAX {
		s = scratch
	}
	if d != amd64.RAX {
		b.MovRR(width, amd64.RAX, d)
	}
	b.div(signed, width, s)
	result := amd64.RAX
	if mod {
		result = amd64.RDX
	}
	if d != result {
		b.MovRR(width, d, result)
	}
	if d != amd64.RAX {
		b.MovRR(8, amd64.RAX, scratch)
	}
}

// div divides RAX by s.
func (b *x86) div(signed bool, width int, s amd64.Reg) {
	if signed {
		b.SignRDX(width)
		b.IDiv(width, s)
		return
	}
	b.ALURR(amd64.Xor, 4, amd64.RDX, amd64.RDX)
	b.Div(width, s)
}

// divideBy divides by a constant.
func (b *x86) divideBy(op isa.Op, width int, dst isa.Reg, v int32) {
	d := x86Home[dst]
	mod := op == isa.Mod || op == isa.SMod
	signed := op == isa.SDiv || op == isa.SMod
	u := uint64(int64(v))
	if width == 4 {
		u = uint64(uint32(v))
	}
	switch {
	case v == 0 && !mod, v == 1 && mod, v == -1 && op == isa.SMod:
		b.ALURR(amd64.Xor, 4, d, d)
	case v == 0 && mod, v == 1:
		if width == 4 {
			b.MovRR(4, d, d)
		}
	case v == -1 && op == isa.SDiv:
		b.Neg(width, d)
	case !signed && u&(u-1) == 0 && !mod:
		b.shift(isa.Rsh, width, dst, uint32(bits.TrailingZeros64(u)))
	case !signed && u&(u-1) == 0 && u <= 1<<31:
		b.ALURI(amd64.And, 4, d, int32(u-1))
	case !signed && b.bmi2 && b.reciprocal(mod, width, d, u):
	default:
		b.divideImm(signed, mod, width, d, v)
	}
}

// divideImm divides by a constant with the instruction that divides.
func (b *x86) divideImm(signed, mod bool, width int, d amd64.Reg, v int32) {
	result := amd64.RAX
	if mod {
		result = amd64.RDX
	}
	if d == amd64.RAX {
		b.MovRI(scratch, uint64(int64(v)))
		b.div(signed, width, scratch)
		if mod {
			b.MovRR(width, amd64.RAX, amd64.RDX)
		}
		return
	}
	b.MovRR(8, scratch, amd64.RAX)
	b.MovRR(width, amd64.RAX, d)
	b.MovRI(d, uint64(int64(v)))
	b.div(signed, width, d)
	b.MovRR(width, d, result)
	b.MovRR(8, amd64.RAX, scratch)
}

// reciprocal divides a number of 32 bits by a constant that is no power of two: it multiplies by the reciprocal, rounded up,
// with 32 bits of fraction more than the number has, which is exact. It is false for numbers of 64 bits.
func (b *x86) reciprocal(mod bool, width int, d amd64.Reg, u uint64) bool {
	if width != 4 {
		return false
	}
	m := ^uint64(0)/u + 1 // 2^64 / u, rounded up
	b.MovRR(4, amd64.RDX, d)
	b.MovRI(scratch, m)
	if !mod {
		b.MulX(8, d, scratch, scratch)
		return true
	}
	b.MulX(8, scratch, amd64.RDX, scratch)
	b.ImulRRI(4, scratch, scratch, int32(u))
	b.ALURR(amd64.Sub, 4, d, scratch)
	return true
}
