package isa

import (
	"encoding/binary"
	"fmt"
)

// An Insn is one decoded 8-byte slot. A program is a []Insn indexed by slot, as jump offsets and the
// verifier's log count: an LdImm64 is followed by its LdImm64Hi.
//
// Decode never fails: a slot that is no instruction has Op Invalid and keeps its fields, so that the
// verifier can refuse it where and as Linux does. Check says what is wrong with a slot.
type Insn struct {
	Op     Op
	Opcode uint8 // the first byte, as encoded
	Dst    Reg
	Src    Reg
	// Size is the width in bytes of the operation: of the access for loads, stores and atomics (1, 2, 4,
	// 8), of the operands for ALU and jumps (4 or 8), 0 otherwise.
	Size uint8
	// SrcReg tells that the source operand is the register Src, not Imm (ALU and conditional jumps).
	SrcReg bool
	Off    int16
	Imm    int32
}

// Imm64 is the 64-bit immediate of an LdImm64 whose second slot is hi.
func (i Insn) Imm64(hi Insn) uint64 { return uint64(uint32(hi.Imm))<<32 | uint64(uint32(i.Imm)) }

// Slots is the number of 8-byte slots the instruction takes: 2 for LdImm64, 1 otherwise.
func (i Insn) Slots() int {
	if i.Op == LdImm64 {
		return 2
	}
	return 1
}

// Target is the slot that a jump or a subprogram call at slot pc goes to.
// It means nothing for other operations. It may lie outside the program.
func (i Insn) Target(pc int) int {
	if i.Op == CallSub || i.Op == LdImm64 || (i.Op == Ja && i.Opcode&7 == ClassJMP32) {
		return pc + 1 + int(i.Imm)
	}
	return pc + 1 + int(i.Off)
}

// IsALU tells that the operation computes a register from registers (Add to MovPerCPU).
func (o Op) IsALU() bool { return o >= Add && o <= MovPerCPU }

// IsCond tells that the operation is a conditional jump on two operands (Jeq to Jsle).
func (o Op) IsCond() bool { return o >= Jeq && o <= Jsle }

// IsAtomic tells that the operation is one of class STX, mode ATOMIC.
func (o Op) IsAtomic() bool { return o >= AtomicAdd && o <= StoreRel }

// DecodeProgram decodes little-endian bytes, a whole number of slots.
func DecodeProgram(b []byte) ([]Insn, error) {
	if len(b)%8 != 0 {
		return nil, fmt.Errorf("isa: %d bytes are not a whole number of 8-byte instructions", len(b))
	}
	out := make([]Insn, len(b)/8)
	for i := 0; i < len(out); i++ {
		out[i] = Decode([8]byte(b[i*8:]))
		if i > 0 && out[i-1].Op == LdImm64 && out[i].Opcode == 0 {
			out[i].Op = LdImm64Hi
		}
	}
	return out, nil
}

// Encode gives the little-endian bytes of the slot. Decode(Encode(i)) == i for every i that Decode gave.
func (i Insn) Encode() (b [8]byte) {
	b[0] = i.Opcode
	b[1] = uint8(i.Src)<<4 | uint8(i.Dst)&15
	binary.LittleEndian.PutUint16(b[2:], uint16(i.Off))
	binary.LittleEndian.PutUint32(b[4:], uint32(i.Imm))
	return b
}
