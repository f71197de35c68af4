package amd64

import "encoding/binary"

// ALURR is dst op= src.
func (a *Asm) ALURR(op ALU, width int, dst, src Reg) { a.rr(width, src, dst, byte(op)<<3|1) }

// ALURI is dst op= v.
func (a *Asm) ALURI(op ALU, width int, dst Reg, v int32) {
	switch {
	case v == int32(int8(v)):
		a.rr(width, Reg(op), dst, 0x83)
		a.byte(byte(v))
	case dst == RAX:
		if width == 8 {
			a.byte(rex | rexW)
		}
		a.byte(byte(op)<<3 | 5)
		a.imm32(v)
	default:
		a.rr(width, Reg(op), dst, 0x81)
		a.imm32(v)
	}
}

// ALURM is dst op= memory; the width is 4 or 8, of Cmp also 1 and 2.
func (a *Asm) ALURM(op ALU, width int, dst Reg, m Mem) {
	a.rmRex(width, width == 1 && isByteReg(dst), dst, m, byteOp(byte(op)<<3|3, width))
}

// ALUMR is memory op= src, of any size.
func (a *Asm) ALUMR(op ALU, size int, m Mem, src Reg) {
	a.rmRex(size, size == 1 && isByteReg(src), src, m, byteOp(byte(op)<<3|1, size))
}

// ALUMI is memory op= v, of any size.
func (a *Asm) ALUMI(op ALU, size int, m Mem, v int32) {
	switch {
	case size == 1:
		a.rm(size, Reg(op), m, 0x80)
		a.byte(byte(v))
	case v == int32(int8(v)):
		a.rm(size, Reg(op), m, 0x83)
		a.byte(byte(v))
	default:
		a.rm(size, Reg(op), m, 0x81)
		a.immOf(size, v)
	}
}

// immOf appends an immediate for an operand of 1, 2 or more bytes.
func (a *Asm) immOf(size int, v int32) {
	switch size {
	case 1:
		a.byte(byte(v))
	case 2:
		a.Code = binary.LittleEndian.AppendUint16(a.Code, uint16(v))
	default:
		a.imm32(v)
	}
}

// TestRR sets flags by x & y.
func (a *Asm) TestRR(width int, x, y Reg) { a.rr(width, y, x, 0x85) }

// TestRI sets flags by x & v. A v that fits a byte without sign is tested as one: then the sign flag is that of the byte.
func (a *Asm) TestRI(width int, x Reg, v int32) {
	switch {
	case v >= 0 && v < 0x80:
		if x == RAX {
			a.byte(0xa8, byte(v))
			return
		}
		a.rrRex(1, isByteReg(x), 0, x, 0xf6)
		a.byte(byte(v))
	case x == RAX:
		if width == 8 {
			a.byte(rex | rexW)
		}
		a.byte(0xa9)
		a.imm32(v)
	default:
		a.rr(width, 0, x, 0xf7)
		a.imm32(v)
	}
}

// MovRR is dst = src.
func (a *Asm) MovRR(width int, dst, src Reg) { a.rr(width, src, dst, 0x89) }

// MovRI is dst = v, in the shortest way that leaves the flags alone.
func (a *Asm) MovRI(dst Reg, v uint64) {
	switch {
	case v == uint64(uint32(v)):
		if dst >= R8 {
			a.byte(rex | rexB)
		}
		a.byte(0xb8 | byte(dst&7))
		a.imm32(int32(v))
	case v == uint64(int64(int32(v))):
		a.rr(8, 0, dst, 0xc7)
		a.imm32(int32(v))
	default:
		a.byte(rex|rexW|byte(dst>>3), 0xb8|byte(dst&7))
		a.Code = binary.LittleEndian.AppendUint64(a.Code, v)
	}
}

// LoadZX is dst = memory of size bytes, zero-extended to 64 bits.
func (a *Asm) LoadZX(size int, dst Reg, m Mem) {
	switch size {
	case 1:
		a.rm(4, dst, m, 0x0f, 0xb6)
	case 2:
		a.rm(4, dst, m, 0x0f, 0xb7)
	default:
		a.rm(size, dst, m, 0x8b)
	}
}

// LoadSX is dst = memory of size 1, 2 or 4 bytes, sign-extended to 8.
func (a *Asm) LoadSX(size int, dst Reg, m Mem) {
	switch size {
	case 1:
		a.rm(8, dst, m, 0x0f, 0xbe)
	case 2:
		a.rm(8, dst, m, 0x0f, 0xbf)
	default:
		a.rm(8, dst, m, 0x63)
	}
}

// Store is memory of size bytes = src.
func (a *Asm) Store(size int, m Mem, src Reg) {
	a.rmRex(size, size == 1 && isByteReg(src), src, m, byteOp(0x89, size))
}

// StoreI is memory of size bytes = v, sign-extended.
func (a *Asm) StoreI(size int, m Mem, v int32) {
	a.rm(size, 0, m, byteOp(0xc7, size))
	a.immOf(size, v)
}

// MovZX is dst = the low size bytes of src, 1 or 2, zero-extended.
func (a *Asm) MovZX(size int, dst, src Reg) {
	a.rrRex(4, size == 1 && isByteReg(src), dst, src, 0x0f, 0xb5+byte(size))
}

// MovSX is dst = the low size bytes of src, 1, 2, or 4 if width is 8, sign-extended to width bytes.
func (a *Asm) MovSX(size, width int, dst, src Reg) {
	if size == 4 {
		a.rr(8, dst, src, 0x63)
		return
	}
	a.rrRex(width, size == 1 && isByteReg(src), dst, src, 0x0f, 0xbd+byte(size))
}

// Lea is dst = the address of m, cut to width.
func (a *Asm) Lea(width int, dst Reg, m Mem) { a.rm(width, dst, m, 0x8d) }

// ShiftI is dst op= n, 0 < n < width*8.
func (a *Asm) ShiftI(op Shift, width int, dst Reg, n uint8) {
	if n == 1 {
		a.rr(width, Reg(op), dst, 0xd1)
		return
	}
	a.rr(width, Reg(op), dst, 0xc1)
	a.byte(n)
}

// Rol16 rotates the low 16 bits of dst by n.
func (a *Asm) Rol16(dst Reg, n uint8) {
	a.rr(2, Reg(Rol), dst, 0xc1)
	a.byte(n)
}

// ShiftCL is dst op= RCX modulo the width in bits.
func (a *Asm) ShiftCL(op Shift, width int, dst Reg) { a.rr(width, Reg(op), dst, 0xd3) }

// ShiftX is dst = src op n modulo the width in bits, without flags, for Shl, Shr and Sar (BMI2).
func (a *Asm) ShiftX(op Shift, width int, dst, src, n Reg) {
	pp := [8]byte{Shl: 1, Sar: 2, Shr: 3}[op&7]
	a.vex(width, pp, 2, dst, n, src, 0xf7)
}

// RorX is dst = src rotated right by n, without flags (BMI2).
func (a *Asm) RorX(width int, dst, src Reg, n uint8) {
	a.vex(width, 3, 3, dst, 0, src, 0xf0)
	a.byte(n)
}

// MulX is hi:lo = RDX * src, without sign and flags (BMI2).
func (a *Asm) MulX(width int, hi, lo, src Reg) { a.vex(width, 3, 2, hi, lo, src, 0xf6) }

// AndN is dst = ^x & y (BMI1).
func (a *Asm) AndN(width int, dst, x, y Reg) { a.vex(width, 0, 2, dst, x, y, 0xf2) }

// ImulRR is dst *= src.
func (a *Asm) ImulRR(width int, dst, src Reg) { a.rr(width, dst, src, 0x0f, 0xaf) }

// ImulRM is dst *= memory.
func (a *Asm) ImulRM(width int, dst Reg, m Mem) { a.rm(width, dst, m, 0x0f, 0xaf) }

// ImulRRI is dst = src * v.
func (a *Asm) ImulRRI(width int, dst, src Reg, v int32) {
	if v == int32(int8(v)) {
		a.rr(width, dst, src, 0x6b)
		a.byte(byte(v))
		return
	}
	a.rr(width, dst, src, 0x69)
	a.imm32(v)
}

// Mul is RDX:RAX = RAX * src, without sign.
func (a *Asm) Mul(width int, src Reg) { a.rr(width, 4, src, 0xf7) }

// Div divides RDX:RAX by src: RAX gets the quotient, RDX the rest.
func (a *Asm) Div(width int, src Reg) { a.rr(width, 6, src, 0xf7) }

// IDiv is Div with sign.
func (a *Asm) IDiv(width int, src Reg) { a.rr(width, 7, src, 0xf7) }

// SignRDX fills RDX with the sign of RAX.
func (a *Asm) SignRDX(width int) {
	if width == 8 {
		a.byte(rex | rexW)
	}
	a.byte(0x99)
}

// Neg is dst = -dst.
func (a *Asm) Neg(width int, dst Reg) { a.rr(width, 3, dst, 0xf7) }

// Not is dst = ^dst.
func (a *Asm) Not(width int, dst Reg) { a.rr(width, 2, dst, 0xf7) }

// Bswap reverses the bytes of dst.
func (a *Asm) Bswap(width int, dst Reg) {
	if r := wide(width) | byte(dst>>3); r != 0 {
		a.byte(rex | r)
	}
	a.byte(0x0f, 0xc8|byte(dst&7))
}

// MovBE is dst = memory of size 2, 4 or 8 bytes with its bytes reversed; a size of 2 leaves the rest of dst (MOVBE).
func (a *Asm) MovBE(size int, dst Reg, m Mem) { a.rm(size, dst, m, 0x0f, 0x38, 0xf0) }

// MovBEStore is memory of size 2, 4 or 8 bytes = src with its bytes reversed (MOVBE).
func (a *Asm) MovBEStore(size int, m Mem, src Reg) { a.rm(size, src, m, 0x0f, 0x38, 0xf1) }

// Lock makes the next instruction, which must be one that reads and writes memory, atomic.
func (a *Asm) Lock() { a.byte(0xf0) }

// XaddMR adds src to memory of 4 or 8 bytes and gives src what was there before.
func (a *Asm) XaddMR(size int, m Mem, src Reg) { a.rm(size, src, m, 0x0f, 0xc1) }

// XchgMR swaps src and memory of any size, which is atomic by itself.
func (a *Asm) XchgMR(size int, m Mem, src Reg) {
	a.rmRex(size, size == 1 && isByteReg(src), src, m, byteOp(0x87, size))
}

// CmpxchgMR sets memory of 4 or 8 bytes to src if it equals RAX; RAX gets what was there before.
func (a *Asm) CmpxchgMR(size int, m Mem, src Reg) { a.rm(size, src, m, 0x0f, 0xb1) }

// Push pushes 8 bytes.
func (a *Asm) Push(r Reg) {
	if r >= R8 {
		a.byte(rex | rexB)
	}
	a.byte(0x50 | byte(r&7))
}

// Pop pops 8 bytes.
func (a *Asm) Pop(r Reg) {
	if r >= R8 {
		a.byte(rex | rexB)
	}
	a.byte(0x58 | byte(r&7))
}

// Ret returns.
func (a *Asm) Ret() { a.byte(0xc3) }

// Trap is an instruction that is none: it faults.
func (a *Asm) Trap() { a.byte(0x0f, 0x0b) }

// CallM calls the address in memory.
func (a *Asm) CallM(m Mem) { a.rm(4, 2, m, 0xff) }

// JmpM jumps to the address in memory.
func (a *Asm) JmpM(m Mem) { a.rm(4, 4, m, 0xff) }

// Set makes the low byte of dst 1 or 0.
func (a *Asm) Set(c Cond, dst Reg) { a.rrRex(4, isByteReg(dst), 0, dst, 0x0f, 0x90|byte(c)) }

// CMov is dst = src if the condition holds; width 4 clears the upper half of dst in any case.
func (a *Asm) CMov(c Cond, width int, dst, src Reg) { a.rr(width, dst, src, 0x0f, 0x40|byte(c)) }

// BT sets the carry flag to bit n of x.
func (a *Asm) BT(width int, x Reg, n uint8) {
	a.rr(width, 4, x, 0x0f, 0xba)
	a.byte(n)
}

// ZeroX0 clears X0.
func (a *Asm) ZeroX0() { a.byte(0x0f, 0x57, 0xc0) }

// StoreX0 stores the 16 bytes of X0, at any alignment.
func (a *Asm) StoreX0(m Mem) { a.rm(4, 0, m, 0x0f, 0x11) }
