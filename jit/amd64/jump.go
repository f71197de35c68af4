package amd64

import (
	"encoding/binary"
	"fmt"

	"github.com/skepbpf/skep/jit/layout"
)

// Kinds of sites.
const (
	jmp layout.Kind = layout.Align + 1 + iota
	jcc
	call
)

// Jmp jumps to a label.
func (a *Asm) Jmp(l layout.Label) { a.Site(jmp, 0, l) }

// Jcc jumps to a label if the condition holds.
func (a *Asm) Jcc(c Cond, l layout.Label) { a.Site(jcc, uint8(c), l) }

// Call calls a label.
func (a *Asm) Call(l layout.Label) { a.Site(call, 0, l) }

// Encoding is how jumps are written.
type Encoding struct{}

// Size is that of the instruction.
func (Encoding) Size(s *layout.Site, long bool) int {
	switch {
	case s.Kind == call, s.Kind == jmp && long:
		return 5
	case long:
		return 6
	}
	return 2
}

// Reaches tells that 8 bits, or those of a call, are enough.
func (Encoding) Reaches(s *layout.Site, rel int) bool {
	if s.Kind == call {
		return true
	}
	return rel-2 == int(int8(rel-2))
}

// Append writes a jump.
func (e Encoding) Append(b []byte, s *layout.Site, long bool, rel int) ([]byte, error) {
	rel -= e.Size(s, long)
	if rel != int(int32(rel)) {
		return nil, fmt.Errorf("amd64: a jump over %d bytes", rel)
	}
	switch {
	case s.Kind == call:
		b = append(b, 0xe8)
	case s.Kind == jmp && !long:
		return append(b, 0xeb, byte(rel)), nil
	case s.Kind == jmp:
		b = append(b, 0xe9)
	case !long:
		return append(b, 0x70|s.Arg, byte(rel)), nil
	default:
		b = append(b, 0x0f, 0x80|s.Arg)
	}
	return binary.LittleEndian.AppendUint32(b, uint32(int32(rel))), nil
}

// nops are the instructions that do nothing, by length: those that Intel and AMD recommend.
var nops = [...]string{"", "\x90", "\x66\x90", "\x0f\x1f\x00", "\x0f\x1f\x40\x00", "\x0f\x1f\x44\x00\x00", "\x66\x0f\x1f\x44\x00\x00",
	"\x0f\x1f\x80\x00\x00\x00\x00", "\x0f\x1f\x84\x00\x00\x00\x00\x00", "\x66\x0f\x1f\x84\x00\x00\x00\x00\x00"}

// Fill appends instructions that do nothing, as few as there can be.
func (Encoding) Fill(b []byte, n int) []byte {
	for n > 0 {
		k := min(n, len(nops)-1)
		b = append(b, nops[k]...)
		n -= k
	}
	return b
}
