// Package disasm gives the text of native code: what golang.org/x/arch reads, and those instructions beyond it that
// package jit emits.
package disasm

import (
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/arch/arm64/arm64asm"
	"golang.org/x/arch/x86/x86asm"
)

// Next is the text of the first instruction of code, amd64 or arm64, which stands at an offset, and its length in bytes.
// Label gives a name to where jumps and calls lead, also an offset. What is no instruction becomes data. Code must not be empty.
func Next(arch string, code []byte, at int, label func(target int) string) (text string, n int) {
	if arch == "arm64" {
		return arm(code, at, label)
	}
	return x86(code, at, label)
}

func x86(code []byte, at int, label func(int) string) (string, int) {
	if code[0] == 0xf0 && len(code) > 1 {
		text, n := x86(code[1:], at+1, label)
		return "lock " + text, n + 1
	}
	if text, n := bmi(code); n > 0 {
		return text, n
	}
	if text, n := movbe(code); n > 0 {
		return text, n
	}
	inst, err := x86asm.Decode(code, 64)
	if err != nil {
		return fmt.Sprintf(".byte %#02x", code[0]), 1
	}
	if rel, ok := inst.Args[0].(x86asm.Rel); ok {
		return strings.ToLower(inst.Op.String()) + " " + label(at+inst.Len+int(rel)), inst.Len
	}
	return x86asm.IntelSyntax(inst, 0, nil), inst.Len
}

var legacy = [8]string{"ax", "cx", "dx", "bx", "sp", "bp", "si", "di"}

// register is the name of one of 4 or 8 bytes.
func register(wide bool, n byte) string {
	switch {
	case n >= 8 && wide:
		return fmt.Sprintf("r%d", n)
	case n >= 8:
		return fmt.Sprintf("r%dd", n)
	case wide:
		return "r" + legacy[n]
	}
	return "e" + legacy[n]
}

// The prefixes that a VEX prefix stands for.
const (
	ppNone = iota
	pp66
	ppF3
	ppF2
)

// bmi reads instructions with a VEX prefix of three bytes whose operands are registers: those of BMI1 and BMI2.
func bmi(b []byte) (string, int) {
	if len(b) < 5 || b[0] != 0xc4 || b[2]&4 != 0 || b[4]>>6 != 3 {
		return "", 0
	}
	space, pp, op, wide := b[1]&0x1f, b[2]&3, b[3], b[2]&0x80 != 0
	reg := register(wide, b[4]>>3&7|^b[1]>>7<<3)
	rm := register(wide, b[4]&7|^b[1]>>5&1<<3)
	third := register(wide, ^b[2]>>3&15)
	switch {
	case space == 3 && op == 0xf0 && pp == ppF2 && len(b) > 5:
		return fmt.Sprintf("rorx %s, %s, %#x", reg, rm, b[5]), 6
	case space == 2 && op == 0xf7 && pp != ppNone:
		return fmt.Sprintf("%s %s, %s, %s", [4]string{pp66: "shlx", ppF3: "sarx", ppF2: "shrx"}[pp], reg, rm, third), 5
	case space == 2 && op == 0xf6 && pp == ppF2:
		return fmt.Sprintf("mulx %s, %s, %s", reg, third, rm), 5
	case space == 2 && op == 0xf2 && pp == ppNone:
		return fmt.Sprintf("andn %s, %s, %s", reg, third, rm), 5
	}
	return "", 0
}

// movbe reads MOVBE as the MOV with the same operands.
func movbe(b []byte) (string, int) {
	op := 0 // of its bytes: after the prefixes
	for op < len(b) && (b[op] == 0x66 || b[op]&0xf0 == 0x40) {
		op++
	}
	if len(b) < op+4 || b[op] != 0x0f || b[op+1] != 0x38 || b[op+2]|1 != 0xf1 {
		return "", 0
	}
	mov := byte(0x8b)
	if b[op+2] == 0xf1 {
		mov = 0x89
	}
	like := append(append(append([]byte{}, b[:op]...), mov), b[op+3:]...)
	inst, err := x86asm.Decode(like, 64)
	if err != nil || inst.Op != x86asm.MOV {
		return "", 0
	}
	return "movbe" + strings.TrimPrefix(x86asm.IntelSyntax(inst, 0, nil), "mov"), inst.Len + 2
}

func arm(code []byte, at int, label func(int) string) (string, int) {
	if len(code) < 4 {
		return fmt.Sprintf(".byte %#02x", code[0]), 1
	}
	if text := lse(binary.LittleEndian.Uint32(code)); text != "" {
		return text, 4
	}
	inst, err := arm64asm.Decode(code)
	if err != nil {
		return fmt.Sprintf(".word %#08x", binary.LittleEndian.Uint32(code)), 4
	}
	text := arm64asm.GNUSyntax(inst)
	for _, arg := range inst.Args {
		if rel, ok := arg.(arm64asm.PCRel); ok {
			text = strings.Replace(text, rel.String(), label(at+int(rel)), 1)
		}
	}
	return text, 4
}

// lse reads atomic operations of the large system extensions, with acquire and release.
func lse(w uint32) string {
	if w>>31 == 0 {
		return ""
	}
	name := func(n uint32) string {
		prefix := "wx"[w>>30&1 : w>>30&1+1]
		if n == 31 {
			return prefix + "zr"
		}
		return fmt.Sprintf("%s%d", prefix, n)
	}
	s, t, base := name(w>>16&31), name(w&31), fmt.Sprintf("[x%d]", w>>5&31)
	if w&0x3fe0fc00 == 0x08e0fc00 {
		return fmt.Sprintf("casal %s, %s, %s", s, t, base)
	}
	op, ok := map[uint32]string{0x38e00000: "ldaddal", 0x38e01000: "ldclral", 0x38e02000: "ldeoral", 0x38e03000: "ldsetal",
		0x38e08000: "swpal"}[w&0x3fe0fc00]
	if !ok {
		return ""
	}
	return fmt.Sprintf("%s %s, %s, %s", op, s, t, base)
}
