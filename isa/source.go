package isa

import "strconv"

// Source gives the program as text that Parse reads back into the same slots, one instruction a line. It
// differs from Format where the log does not tell all: what an address is of, that a call is one of a kernel
// function, the two meanings of "r1 = 0x1", and what has no spelling, which becomes ".insn" and its bytes.
// Names go into the text of helpers, and for kernel functions into comments.
func (n *Names) Source(insns []Insn) string {
	var b []byte
	for pc := 0; pc < len(insns); pc++ {
		if pair := n.appendPair(nil, insns, pc); pair != nil {
			b = append(append(b, pair...), '\n')
			pc++
			continue
		}
		b = append(n.appendSlot(b, insns, pc), '\n')
	}
	return string(b)
}

// Source is Source without names.
func Source(insns []Insn) string { return (*Names)(nil).Source(insns) }

// appendPair appends an LdImm64 that is whole and has a spelling; nil otherwise.
func (n *Names) appendPair(b []byte, insns []Insn, pc int) []byte {
	i := &insns[pc]
	if i.Op != LdImm64 || pc+1 >= len(insns) || Precheck(insns, pc) != nil || i.check() != nil || i.checkRegs() != nil {
		return nil
	}
	hi := insns[pc+1]
	b = appendReg(b, 8, i.Dst)
	b = append(b, " = "...)
	switch i.Src {
	case PseudoNone:
		b = appendHex(b, i.Imm64(hi))
		return append(b, " ll"...)
	case PseudoMapFD, PseudoMapValue:
		b = append(b, "map["...)
	case PseudoMapIdx, PseudoMapIdxValue:
		b = append(b, "map_idx["...)
	case PseudoFunc:
		if hi.Imm != 0 {
			return nil
		}
		return appendPC(append(b, "func "...), int64(i.Imm))
	case PseudoBTFID:
		b = appendInt(append(b, "btf["...), int64(i.Imm))
		if hi.Imm != 0 {
			b = appendInt(append(b, ", "...), int64(hi.Imm))
		}
		return append(b, ']')
	}
	b = appendInt(b, int64(i.Imm))
	b = append(b, ']')
	if i.Src == PseudoMapValue || i.Src == PseudoMapIdxValue {
		b = append(b, " + "...)
		b = strconv.AppendUint(b, uint64(uint32(hi.Imm)), 10)
	}
	return b
}

// appendSlot appends a slot.
func (n *Names) appendSlot(b []byte, insns []Insn, pc int) []byte {
	i := &insns[pc]
	start := len(b)
	var text int // where what Parse reads ends
	if i.Op == CallKfn {
		b = appendInt(append(b, "call kfunc#"...), int64(i.Imm))
		if i.Off != 0 {
			b = appendInt(append(b, ':'), int64(i.Off))
		}
		text = len(b)
		if n != nil && n.Kfunc != nil {
			b = append(b, " ; "...)
			b = append(b, n.Kfunc(i.Imm, i.Off)...)
		}
	} else {
		b = n.Append(b, insns, pc)
		text = len(b)
	}
	if back, err := Parse(string(b[start:text])); err == nil && len(back) == 1 && back[0] == *i {
		return b
	}
	b = append(b[:start], ".insn 0x"...)
	for _, c := range i.Encode() {
		b = appendHex2(b, c)
	}
	return b
}
