package prepare

import "github.com/skepbpf/skep/isa"

// Linux looks at raw opcodes before it has checked that the other fields are as the opcode wants them. So
// does this package: a call with a wrong field is a call here, and refused later.
const (
	opLdImm64  = 0x18
	opJa       = 0x05
	opJa32     = 0x06
	opCall     = 0x85
	opExit     = 0x95
	opMayGoto  = 0xe5
	opAtomic   = 0xc3 // of any size
	tailCallID = 12
)

func class(i *isa.Insn) uint8 { return i.Opcode & 7 }
func mode(i *isa.Insn) uint8  { return i.Opcode & 0xe0 }

// isJump tells that the slot goes, or may go, elsewhere in its function: conditional jumps and goto.
func isJump(i *isa.Insn) bool {
	c := class(i)
	if c != isa.ClassJMP && c != isa.ClassJMP32 {
		return false
	}
	op := i.Opcode & 0xf0
	return op != opCall&0xf0 && op != opExit&0xf0
}

func isGoto(i *isa.Insn) bool { return i.Opcode == opJa || i.Opcode == opJa32 }

// jumpTarget is the slot that a jump goes to.
func jumpTarget(i *isa.Insn, pc int) int {
	if i.Opcode == opJa32 {
		return pc + 1 + int(i.Imm)
	}
	return pc + 1 + int(i.Off)
}

// isLdAbs tells that the slot is one of the old packet loads.
func isLdAbs(i *isa.Insn) bool {
	return class(i) == isa.ClassLD && (mode(i) == isa.ModeABS || mode(i) == isa.ModeIND)
}

// slots is the number of slots that the instruction takes.
func slots(i *isa.Insn) int {
	if i.Opcode == opLdImm64 {
		return 2
	}
	return 1
}
