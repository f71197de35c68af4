// Package arm64 encodes instructions of 64-bit ARM, those that package jit emits. It runs on any host.
//
// An Asm has a method for each kind of instruction. Widths and sizes are in bytes: 4 and 8 where the operands are
// registers, 1, 2, 4 and 8 where one is memory. As the processor does, operations of width 4 clear the upper half of the
// register that they write.
package arm64

import (
	"encoding/binary"
	"fmt"

	"github.com/skepbpf/skep/jit/layout"
)

// A Reg is a general register: 0 to 30, or 31, which is zero or the stack pointer, as the instruction has it.
type Reg uint8

// Registers with a role.
const (
	LR   Reg = 30
	Zero Reg = 31
	SP   Reg = 31
)

// A Cond is a condition of branches.
type Cond uint8

// The conditions: HS, LO, HI, LS compare without sign, GE, LT, GT, LE with.
const (
	EQ Cond = iota
	NE
	HS
	LO
	MI
	PL
	VS
	VC
	HI
	LS
	GE
	LT
	GT
	LE
)

// An Asm appends instructions to a layout.Builder.
type Asm struct{ layout.Builder }

func (a *Asm) word(w uint32) { a.Code = binary.LittleEndian.AppendUint32(a.Code, w) }

// sf is the bit that says 64 bits.
func sf(width int) uint32 {
	if width == 8 {
		return 1 << 31
	}
	return 0
}

// power is the power of two that a size is, where loads and stores have it.
func power(size int) uint32 { return [9]uint32{2: 1, 4: 2, 8: 3}[size&15] << 30 }

// three puts registers into the usual places.
func three(d, n, m Reg) uint32 { return uint32(m)<<16 | uint32(n)<<5 | uint32(d) }

// Kinds of sites.
const (
	branch layout.Kind = layout.Align + 1 + iota
	branchIf
	call
)

// B jumps to a label.
func (a *Asm) B(l layout.Label) { a.Site(branch, 0, l) }

// BIf jumps to a label if the condition holds.
func (a *Asm) BIf(c Cond, l layout.Label) { a.Site(branchIf, uint8(c), l) }

// BL calls a label.
func (a *Asm) BL(l layout.Label) { a.Site(call, 0, l) }

// Encoding is how jumps are written.
type Encoding struct{}

// Size is 4 bytes, or of a conditional branch over more than 1 MiB 8: the opposite branch, over one that reaches far.
func (Encoding) Size(s *layout.Site, long bool) int {
	if s.Kind == branchIf && long {
		return 8
	}
	return 4
}

// Reaches tells that 19 bits, or those of an unconditional branch, are enough.
func (Encoding) Reaches(s *layout.Site, rel int) bool { return s.Kind != branchIf || fits(rel, 21) }

func fits(rel, bits int) bool { return rel >= -1<<(bits-1) && rel < 1<<(bits-1) }

// Append writes a branch.
func (Encoding) Append(b []byte, s *layout.Site, long bool, rel int) ([]byte, error) {
	word := func(w uint32) { b = binary.LittleEndian.AppendUint32(b, w) }
	if s.Kind == branchIf && !long {
		word(0x54000000 | uint32(rel/4)&0x7ffff<<5 | uint32(s.Arg))
		return b, nil
	}
	op := uint32(0x14000000)
	switch s.Kind {
	case branchIf:
		word(0x54000000 | 2<<5 | uint32(s.Arg^1))
		rel -= 4
	case call:
		op = 0x94000000
	}
	if !fits(rel, 28) {
		return nil, fmt.Errorf("arm64: a branch over %d bytes", rel)
	}
	word(op | uint32(rel/4)&0x3ffffff)
	return b, nil
}

// Fill appends instructions that do nothing.
func (Encoding) Fill(b []byte, n int) []byte {
	for ; n >= 4; n -= 4 {
		b = binary.LittleEndian.AppendUint32(b, 0xd503201f)
	}
	return b
}
