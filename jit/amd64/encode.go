package amd64

import "encoding/binary"

// Bits of the prefix REX.
const (
	rex  = 0x40
	rexW = 8
	rexR = 4
	rexX = 2
	rexB = 1
)

func (a *Asm) byte(b ...byte) { a.Code = append(a.Code, b...) }

func (a *Asm) imm32(v int32) { a.Code = binary.LittleEndian.AppendUint32(a.Code, uint32(v)) }

// wide is REX.W for 8 bytes.
func wide(width int) byte {
	if width == 8 {
		return rexW
	}
	return 0
}

// isByteReg tells that the low byte of r can be named only with a REX prefix.
func isByteReg(r Reg) bool { return r >= RSP && r <= RDI }

// rr appends an instruction on two registers: prefix 0x66 if size is 2, REX, opcode, ModRM. reg is the register of ModRM's
// reg field, or an opcode extension there.
func (a *Asm) rr(size int, reg, rm Reg, op ...byte) { a.rrRex(size, false, reg, rm, op...) }

// rrRex is rr; force says that a register is used as a byte that takes REX.
func (a *Asm) rrRex(size int, force bool, reg, rm Reg, op ...byte) {
	if size == 2 {
		a.byte(0x66)
	}
	r := wide(size) | byte(reg>>3)*rexR | byte(rm>>3)*rexB
	if r != 0 || force {
		a.byte(rex | r)
	}
	a.byte(op...)
	a.byte(0xc0 | byte(reg&7)<<3 | byte(rm&7))
}

// rm appends an instruction on a register and memory, like rr.
func (a *Asm) rm(size int, reg Reg, m Mem, op ...byte) { a.rmRex(size, false, reg, m, op...) }

func (a *Asm) rmRex(size int, force bool, reg Reg, m Mem, op ...byte) {
	if size == 2 {
		a.byte(0x66)
	}
	r := wide(size) | byte(reg>>3)*rexR | byte(m.Index>>3)*rexX | byte(m.Base>>3)*rexB
	if r != 0 || force {
		a.byte(rex | r)
	}
	a.byte(op...)
	a.modrm(reg, m)
}

// modrm appends ModRM, SIB and displacement.
func (a *Asm) modrm(reg Reg, m Mem) {
	field := byte(reg&7) << 3
	mod := byte(0x80)
	switch {
	case m.Disp == 0 && m.Base&7 != RBP: // RBP and R13 without displacement mean something else
		mod = 0
	case m.Disp == int32(int8(m.Disp)):
		mod = 0x40
	}
	if m.Index == NoIndex && m.Base&7 != RSP {
		a.byte(mod | field | byte(m.Base&7))
	} else {
		a.byte(mod|field|4, scale[m.Scale&15]|byte(m.Index&7)<<3|byte(m.Base&7))
	}
	switch mod {
	case 0x40:
		a.byte(byte(m.Disp))
	case 0x80:
		a.imm32(m.Disp)
	}
}

// scale is the field of SIB.
var scale = [16]byte{2: 0x40, 4: 0x80, 8: 0xc0}

// byteOp is the opcode of the form on bytes, one less than that on words.
func byteOp(op byte, size int) byte {
	if size == 1 {
		return op - 1
	}
	return op
}

// vex appends a three-byte VEX prefix, opcode and ModRM of an instruction on three registers; pp selects the implied prefix
// (1: 66, 2: F3, 3: F2), mmmmm the opcode map.
func (a *Asm) vex(width int, pp, mmmmm byte, reg, vvvv, rm Reg, op byte) {
	b1 := mmmmm
	if reg < 8 {
		b1 |= 0x80
	}
	b1 |= 0x40 // no index
	if rm < 8 {
		b1 |= 0x20
	}
	b2 := pp | byte(^vvvv&15)<<3
	if width == 8 {
		b2 |= 0x80
	}
	a.byte(0xc4, b1, b2, op, 0xc0|byte(reg&7)<<3|byte(rm&7))
}
