// Package amd64 encodes instructions of 64-bit x86, those that package jit emits. It runs on any host.
//
// An Asm has a method for each kind of instruction. Widths and sizes are in bytes: 4 and 8 where the operands are
// registers, 1, 2, 4 and 8 where one is memory. As the processor does, operations of width 4 clear the upper half of
// the register that they write.
package amd64

import "github.com/skepbpf/skep/jit/layout"

// A Reg is a general register.
type Reg uint8

// The registers, by their numbers.
const (
	RAX Reg = iota
	RCX
	RDX
	RBX
	RSP
	RBP
	RSI
	RDI
	R8
	R9
	R10
	R11
	R12
	R13
	R14
	R15
)

// NoIndex as Mem.Index means that there is none: RSP cannot be one.
const NoIndex = RSP

// A Mem is an operand in memory: Base + Index*Scale + Disp. Scale is 1, 2, 4 or 8.
type Mem struct {
	Base, Index Reg
	Scale       uint8
	Disp        int32
}

// At is the memory disp bytes after where base points.
func At(base Reg, disp int32) Mem { return Mem{Base: base, Index: NoIndex, Scale: 1, Disp: disp} }

// Indexed is the memory at base + index + disp.
func Indexed(base, index Reg, disp int32) Mem {
	return Mem{Base: base, Index: index, Scale: 1, Disp: disp}
}

// An ALU is one of the eight operations that share their encodings.
type ALU uint8

// The operations.
const (
	Add ALU = iota
	Or
	Adc
	Sbb
	And
	Sub
	Xor
	Cmp
)

// A Shift is a shift or rotate.
type Shift uint8

// The shifts.
const (
	Rol Shift = 0
	Ror Shift = 1
	Shl Shift = 4
	Shr Shift = 5
	Sar Shift = 7
)

// A Cond is a condition of jumps, set and conditional moves.
type Cond uint8

// The conditions: B, AE, BE, A compare without sign, L, GE, LE, G with.
const (
	O Cond = iota
	NO
	B
	AE
	E
	NE
	BE
	A
	S
	NS
	P
	NP
	L
	GE
	LE
	G
)

// Not is the opposite condition.
func (c Cond) Not() Cond { return c ^ 1 }

// An Asm appends instructions to a layout.Builder.
type Asm struct{ layout.Builder }
