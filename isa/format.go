package isa

import "strconv"

// Names tells Format what it cannot know: names, and the values of addresses. A nil function, or a nil
// *Names, knows nothing.
type Names struct {
	// Helper names the helper with that number, without its number: "bpf_map_lookup_elem". "" is unknown.
	Helper func(id int32) string
	// Kfunc names the kernel function with BTF id imm in the module off of the program's fd_array.
	Kfunc func(imm int32, off int16) string
	// Addr gives the address of the map, the map's value or the kernel variable that an LdImm64 loads. Without
	// it, or where it does not know, Format writes <addr>: the address is another one after each boot.
	Addr func(lo, hi Insn) (uint64, bool)
}

// NoAddr stands in Format's text where the kernel prints an address.
const NoAddr = "<addr>"

// Format gives the instruction at pc as the verifier's log of Linux 6.18 does behind "N: (xx) ", without
// names of helpers. For slots that it never prints, because it refuses them before, the text is that of
// the nearest operation, or "BUG_xx".
func Format(insns []Insn, pc int) string { return (*Names)(nil).Format(insns, pc) }

// Format is Format with names.
func (n *Names) Format(insns []Insn, pc int) string {
	return string(n.Append(make([]byte, 0, 48), insns, pc))
}

// AppendLog appends the instruction with its opcode, "(07) r1 += -8", as the log has it everywhere. What
// the log cannot print has no opcode there: "BUG_c3".
func (n *Names) AppendLog(b []byte, insns []Insn, pc int) []byte {
	i := &insns[pc]
	if i.Op == Invalid && i.Opcode != opCall {
		return appendBug(b, i.Opcode)
	}
	b = append(b, '(')
	b = appendHex2(b, i.Opcode)
	b = append(b, ") "...)
	return n.Append(b, insns, pc)
}

// Append is Format, appending to b.
func (n *Names) Append(b []byte, insns []Insn, pc int) []byte {
	i := &insns[pc]
	info := i.Op.Info()
	switch info.Form {
	case FormBinary:
		b = appendReg(b, i.Size, i.Dst)
		b = appendOp(b, info.Name)
		if i.SrcReg {
			return appendReg(b, i.Size, i.Src)
		}
		return appendInt(b, int64(i.Imm))
	case FormUnary:
		b = appendReg(b, i.Size, i.Dst)
		b = append(b, " = -"...)
		return appendReg(b, i.Size, i.Dst)
	case FormExtend:
		b = appendReg(b, i.Size, i.Dst)
		b = append(b, " = (s"...)
		b = appendInt(b, int64(i.Off))
		b = append(b, ')')
		return appendReg(b, i.Size, i.Src)
	case FormEndian:
		b = appendReg(b, 8, i.Dst)
		b = append(b, " = "...)
		b = append(b, info.Name...)
		b = appendInt(b, int64(i.Imm))
		b = append(b, ' ')
		return appendReg(b, 8, i.Dst)
	case FormCast:
		b = appendReg(b, 8, i.Dst)
		b = append(b, " = addr_space_cast("...)
		b = appendReg(b, 8, i.Src)
		b = append(b, ", "...)
		b = appendInt(b, int64(uint32(i.Imm)>>16))
		b = append(b, ", "...)
		b = appendInt(b, int64(uint16(i.Imm)))
		return append(b, ')')
	case FormPerCPU:
		b = appendReg(b, 8, i.Dst)
		b = append(b, " = &(void __percpu *)("...)
		b = appendReg(b, 8, i.Src)
		return append(b, ')')
	case FormJump:
		if i.Opcode&7 == ClassJMP32 {
			return appendPC(append(b, "gotol "...), int64(i.Imm))
		}
		return appendPC(append(b, "goto "...), int64(i.Off))
	case FormMayGoto:
		if i.Src != 0 { // then the log takes it for a comparison, which has no operator
			return appendBranch(b, i, "(null)", 8)
		}
		return appendPC(append(b, "may_goto "...), int64(i.Off))
	case FormBranch:
		return appendBranch(b, i, info.Name, i.Size)
	case FormCall:
		return n.appendCall(b, i)
	case FormCallX, FormJumpX:
		b = append(b, info.Name...)
		b = append(b, ' ')
		return appendReg(b, 8, i.Dst)
	case FormExit:
		return append(b, "exit"...)
	case FormImm64:
		return n.appendImm64(b, insns, pc)
	case NoForm, FormImm64Hi:
		if i.Opcode == opCall {
			b = append(b, "call unknown#"...)
			return appendInt(b, int64(i.Imm))
		}
		return appendBug(b, i.Opcode)
	}
	return appendMemory(b, i, info)
}

// appendMemory appends loads, stores and atomics.
func appendMemory(b []byte, i *Insn, info *Info) []byte {
	switch info.Form {
	case FormLoad:
		b = appendReg(b, 8, i.Dst)
		b = append(b, " = *"...)
		return appendPlace(b, i, i.Op == LoadSX, i.Src)
	case FormStore:
		b = appendPlace(append(b, '*'), i, false, i.Dst)
		b = append(b, " = "...)
		return appendReg(b, 8, i.Src)
	case FormStoreImm:
		b = appendPlace(append(b, '*'), i, false, i.Dst)
		b = append(b, " = "...)
		return appendInt(b, int64(i.Imm))
	case FormAtomic:
		b = appendPlace(append(b, "lock *"...), i, false, i.Dst)
		b = appendOp(b, info.Name)
		return appendReg(b, 8, i.Src)
	case FormFetch:
		result := i.Src
		if i.Op == CmpXchg {
			result = R0
		}
		b = appendReg(b, 8, result)
		b = append(b, " = atomic"...)
		if i.Size == 8 {
			b = append(b, "64"...)
		}
		b = append(b, '_')
		b = append(b, info.Name...)
		b = appendPlace(append(b, '('), i, false, i.Dst)
		if i.Op == CmpXchg {
			b = append(b, ", r0"...)
		}
		b = append(b, ", "...)
		b = appendReg(b, 8, i.Src)
		return append(b, ')')
	case FormAcquire:
		b = appendReg(b, 8, i.Dst)
		b = append(b, " = load_acquire("...)
		b = appendPlace(b, i, false, i.Src)
		return append(b, ')')
	case FormRelease:
		b = append(b, "store_release("...)
		b = appendPlace(b, i, false, i.Dst)
		b = append(b, ", "...)
		b = appendReg(b, 8, i.Src)
		return append(b, ')')
	case FormAbs, FormInd:
		b = append(b, "r0 = *("...)
		b = appendType(b, i, false)
		b = append(b, ")skb["...)
		if info.Form == FormInd {
			b = appendReg(b, 8, i.Src)
			b = append(b, " + "...)
		}
		b = appendInt(b, int64(i.Imm))
		return append(b, ']')
	}
	return appendBug(b, i.Opcode)
}

func appendBranch(b []byte, i *Insn, op string, size uint8) []byte {
	b = append(b, "if "...)
	b = appendReg(b, size, i.Dst)
	b = appendOp(b, op)
	if i.SrcReg {
		b = appendReg(b, size, i.Src)
	} else {
		b = appendHex(b, uint64(uint32(i.Imm)))
	}
	return appendPC(append(b, " goto "...), int64(i.Off))
}

func (n *Names) appendCall(b []byte, i *Insn) []byte {
	b = append(b, "call "...)
	switch i.Op {
	case CallSub:
		return appendPC(b, int64(i.Imm))
	case CallKfn:
		if n != nil && n.Kfunc != nil {
			b = append(b, n.Kfunc(i.Imm, i.Off)...)
		}
	default:
		name := ""
		if n != nil && n.Helper != nil {
			name = n.Helper(i.Imm)
		}
		if name == "" {
			name = "unknown"
		}
		b = append(b, name...)
	}
	return appendInt(append(b, '#'), int64(i.Imm))
}

func (n *Names) appendImm64(b []byte, insns []Insn, pc int) []byte {
	i, hi := &insns[pc], Insn{}
	if pc+1 < len(insns) {
		hi = insns[pc+1]
	}
	b = appendReg(b, 8, i.Dst)
	b = append(b, " = "...)
	v := i.Imm64(hi)
	switch i.Src {
	case PseudoMapFD, PseudoMapValue, PseudoMapIdx, PseudoMapIdxValue, PseudoBTFID:
		ok := false
		if n != nil && n.Addr != nil {
			v, ok = n.Addr(*i, hi)
		}
		if !ok {
			return append(b, NoAddr...)
		}
	}
	return appendHex(b, v)
}

func appendOp(b []byte, op string) []byte {
	b = append(b, ' ')
	b = append(b, op...)
	return append(b, ' ')
}

func appendReg(b []byte, size uint8, r Reg) []byte {
	c := byte('r')
	if size == 4 {
		c = 'w'
	}
	return appendInt(append(b, c), int64(r))
}

// appendPlace appends "(u32 *)(r1 +4)".
func appendPlace(b []byte, i *Insn, signed bool, base Reg) []byte {
	b = append(b, '(')
	b = appendType(b, i, signed)
	b = append(b, ")("...)
	b = appendReg(b, 8, base)
	b = append(b, ' ')
	b = appendSigned(b, int64(i.Off))
	return append(b, ')')
}

func appendType(b []byte, i *Insn, signed bool) []byte {
	c := byte('u')
	if signed {
		c = 's'
	}
	b = append(b, c)
	b = appendInt(b, int64(i.Size)*8)
	return append(b, " *"...)
}

func appendPC(b []byte, off int64) []byte { return appendSigned(append(b, "pc"...), off) }

// appendSigned appends a number with its sign, whichever it is.
func appendSigned(b []byte, v int64) []byte {
	if v >= 0 {
		b = append(b, '+')
	}
	return appendInt(b, v)
}

func appendInt(b []byte, v int64) []byte { return strconv.AppendInt(b, v, 10) }

func appendHex(b []byte, v uint64) []byte { return strconv.AppendUint(append(b, "0x"...), v, 16) }

func appendHex2(b []byte, v uint8) []byte {
	const digits = "0123456789abcdef"
	return append(b, digits[v>>4], digits[v&15])
}

func appendBug(b []byte, opcode uint8) []byte { return appendHex2(append(b, "BUG_"...), opcode) }
