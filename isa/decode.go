package isa

import "encoding/binary"

// sizes gives the width in bytes of the size bits of a load or store opcode.
var sizes = [4]uint8{4, 2, 1, 8}

// A decoding is what an opcode byte alone says.
type decoding struct {
	op     Op    // the operation unless a field of the instruction selects another; Invalid: none
	size   uint8 // Insn.Size
	srcReg bool  // Insn.SrcReg
	by     Field // the field that selects; 0 for nearly all
	picks  []pick
}

// A pick is the operation that a value of the selecting field means.
type pick struct {
	val int32
	op  Op
}

// decodings has the rows of Table by opcode.
var decodings = makeDecodings()

func makeDecodings() *[256]decoding {
	for op := range Table {
		Table[op].Op = Op(op)
	}
	var out [256]decoding
	for b := range out {
		d := &out[b]
		for op := range Table {
			info := &Table[op]
			size, srcReg, ok := info.match(uint8(b))
			if !ok {
				continue
			}
			d.size, d.srcReg = size, srcReg
			if info.By == 0 || len(info.Vals) == 0 {
				d.op = info.Op
			}
			if info.By != 0 {
				d.by = info.By
			}
			for _, v := range info.Vals {
				d.picks = append(d.picks, pick{v, info.Op})
			}
		}
		if len(d.picks) == 0 {
			d.by = 0
		}
	}
	return &out
}

// match tells whether the opcode can be the row's operation, and if so how wide its operands are and
// whether its source operand is a register.
func (r *Info) match(opcode uint8) (size uint8, srcReg, ok bool) {
	class := opcode & 7
	if !r.In.Has(class) {
		return 0, false, false
	}
	switch class {
	case ClassLD, ClassLDX, ClassST, ClassSTX:
		size = sizes[opcode>>3&3]
		return size, false, opcode&0xe0 == r.Code && (uint8(r.Sizes)&size != 0 || r.Code == ModeATOMIC)
	}
	x := opcode&SourceX != 0
	if opcode&0xf0 != r.Code || x && r.Src&FromX == 0 || !x && r.Src&FromK == 0 {
		return 0, false, false
	}
	switch r.Form {
	case FormBinary, FormBranch, FormExtend, FormCast, FormPerCPU:
		srcReg = x
	case FormJump, FormMayGoto, FormCall, FormCallX, FormJumpX, FormExit:
		return 0, false, true
	}
	size = 8
	if class == ClassALU || class == ClassJMP32 {
		size = 4
	}
	return size, srcReg, true
}

// Decode decodes one slot, little-endian. It never fails; see Insn.
//
// Op says what Linux would take the slot for, so it may be an operation although the slot is refused:
// an addition with a stray offset is an Add, and Check has the complaint.
func Decode(b [8]byte) Insn {
	v := binary.LittleEndian.Uint64(b[:])
	d := &decodings[uint8(v)]
	op := d.op
	if d.by != 0 {
		op = d.pick(v)
	}
	return Insn{
		Op:     op,
		Opcode: uint8(v),
		Dst:    Reg(v >> 8 & 15),
		Src:    Reg(v >> 12 & 15),
		Size:   d.size,
		SrcReg: d.srcReg,
		Off:    int16(v >> 16),
		Imm:    int32(v >> 32),
	}
}

// pick is the operation that the selecting field of the slot means.
func (d *decoding) pick(slot uint64) Op {
	var v int32
	switch d.by {
	case FieldOff:
		v = int32(int16(slot >> 16))
	case FieldImm:
		v = int32(slot >> 32)
	case FieldSrc:
		v = int32(slot >> 12 & 15)
	}
	for _, p := range d.picks {
		if p.val == v {
			return p.op
		}
	}
	return d.op
}
