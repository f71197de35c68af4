package isa

// encodings has the opcode of each operation by the power of its width and whether its source operand is a
// register; 0 is none (no operation but LdImm64Hi has opcode 0).
var encodings = makeEncodings()

func makeEncodings() (out [NumOps][4][2]uint8) {
	for b := range decodings {
		d := &decodings[b]
		set := func(op Op) {
			e := &out[op][power(d.size)][b2i(d.srcReg)]
			if *e == 0 { // of the two classes of Ja the first
				*e = uint8(b)
			}
		}
		if d.op != Invalid {
			set(d.op)
		}
		for _, p := range d.picks {
			set(p.op)
		}
	}
	return out
}

// power is the power of two that a width is; that of 8 for 0, the width of what has none.
func power(size uint8) int {
	switch size {
	case 1:
		return 0
	case 2:
		return 1
	case 4:
		return 2
	}
	return 3
}

// New is the instruction with these operands. Fields that tell op from other operations are set, whatever
// was given: Off of an SDiv, Imm of an atomic, Src of a call. size is the width in bytes, as Insn.Size; it does
// not matter for operations without one, except that a Ja of width 4 is a gotol. Operands are not checked.
// If there is no such instruction, the result is the zero Insn, which is Invalid.
func New(op Op, size uint8, srcReg bool, dst, src Reg, off int16, imm int32) Insn {
	if op >= NumOps {
		return Insn{}
	}
	info := op.Info()
	opcode := encodings[op][power(size)][b2i(srcReg)]
	switch {
	case op == Ja && size == 4:
		opcode = ClassJMP32
	case opcode == 0:
		opcode = encodings[op][3][b2i(srcReg)]
		if opcode == 0 || decodings[opcode].size != 0 {
			return Insn{}
		}
	}
	i := Insn{Opcode: opcode, Dst: dst, Src: src, Off: off, Imm: imm}
	if len(info.Vals) == 1 {
		switch info.By {
		case FieldOff:
			i.Off = int16(info.Vals[0])
		case FieldImm:
			i.Imm = info.Vals[0]
		case FieldSrc:
			i.Src = Reg(info.Vals[0])
		}
	}
	if i = Decode(i.Encode()); i.Op != op {
		return Insn{}
	}
	return i
}

// Binary is arithmetic with an immediate: Add to Arsh but not Neg. size is 4 or 8.
func Binary(op Op, size uint8, dst Reg, imm int32) Insn {
	return New(op, size, false, dst, 0, 0, imm)
}

// BinaryReg is arithmetic with a register.
func BinaryReg(op Op, size uint8, dst, src Reg) Insn {
	return New(op, size, true, dst, src, 0, 0)
}

// Branch is a conditional jump on a register and an immediate.
func Branch(op Op, size uint8, dst Reg, imm int32, off int16) Insn {
	return New(op, size, false, dst, 0, off, imm)
}

// BranchReg is a conditional jump on two registers.
func BranchReg(op Op, size uint8, dst, src Reg, off int16) Insn {
	return New(op, size, true, dst, src, off, 0)
}

// LoadMem is dst = *(size)(src + off), zero-extended.
func LoadMem(size uint8, dst, src Reg, off int16) Insn {
	return New(Load, size, false, dst, src, off, 0)
}

// StoreMem is *(size)(dst + off) = src.
func StoreMem(size uint8, dst Reg, off int16, src Reg) Insn {
	return New(Store, size, false, dst, src, off, 0)
}

// StoreMemImm is *(size)(dst + off) = imm.
func StoreMemImm(size uint8, dst Reg, off int16, imm int32) Insn {
	return New(StoreImm, size, false, dst, 0, off, imm)
}

// AtomicMem is the atomic op on *(size)(dst + off) with src, or for LoadAcq dst from *(size)(src + off).
func AtomicMem(op Op, size uint8, dst Reg, off int16, src Reg) Insn {
	return New(op, size, false, dst, src, off, 0)
}

// CallHelper calls the helper with that number.
func CallHelper(id int32) Insn { return New(Call, 0, false, 0, 0, 0, id) }

// Return is exit.
func Return() Insn { return New(Exit, 0, false, 0, 0, 0, 0) }

// Const64 is the two slots of dst = v, with a Pseudo kind for Src.
func Const64(dst Reg, kind Reg, v uint64) [2]Insn {
	return [2]Insn{New(LdImm64, 8, false, dst, kind, 0, int32(v)), {Op: LdImm64Hi, Imm: int32(v >> 32)}}
}

// Conformance names the conformance group of RFC 9669 that the instruction belongs to: "base32", "atomic64",
// …; "" if it is in none.
func (i *Insn) Conformance() string {
	wide := i.Size == 8
	switch i.Op.Info().Group {
	case GroupBase:
		switch i.Op {
		case ToLE, ToBE, Bswap:
			wide = i.Imm == 64
		case LoadSX, LdImm64Hi:
			wide = true
		}
		if wide {
			return "base64"
		}
		return "base32"
	case GroupDivMul:
		if wide {
			return "divmul64"
		}
		return "divmul32"
	case GroupAtomic:
		if wide {
			return "atomic64"
		}
		return "atomic32"
	case GroupPacket:
		return "packet"
	}
	return ""
}
