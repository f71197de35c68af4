package object

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/cilium/ebpf/asm"

	"github.com/skepbpf/skep/isa"
)

// cilium/ebpf encodes instructions for the system it runs on and refuses to do it on some (calls of helpers on
// anything but Linux), so this file encodes them itself: for Linux, little-endian, anywhere.

// slots is the number of slots of all instructions.
func slots(insns asm.Instructions) int {
	n := 0
	for i := range insns {
		n += int(insns[i].Width())
	}
	return n
}

// encode turns instructions into slots. Map and extern references have been resolved in their constants.
func encode(insns asm.Instructions) ([]isa.Insn, error) {
	symbols, err := symbolSlots(insns)
	if err != nil {
		return nil, err
	}
	out := make([]isa.Insn, 0, slots(insns))
	for i := range insns {
		ins := insns[i]
		if err := resolveReference(&ins, len(out), symbols); err != nil {
			return nil, err
		}
		lo, err := encodeSlot(&ins)
		if err != nil {
			return nil, fmt.Errorf("instruction %d: %w", len(out), err)
		}
		out = append(out, isa.Decode(lo))
		if ins.OpCode.IsDWordLoad() {
			var hi [8]byte
			binary.LittleEndian.PutUint32(hi[4:], uint32(ins.Constant>>32))
			s := isa.Decode(hi)
			s.Op = isa.LdImm64Hi
			out = append(out, s)
		}
	}
	return out, nil
}

// symbolSlots gives the slot of each symbol.
func symbolSlots(insns asm.Instructions) (map[string]int, error) {
	at, out := 0, map[string]int{}
	for i := range insns {
		if s := insns[i].Symbol(); s != "" {
			if _, ok := out[s]; ok {
				return nil, fmt.Errorf("instruction %d: duplicate symbol %s", at, s)
			}
			out[s] = at
		}
		at += int(insns[i].Width())
	}
	return out, nil
}

// resolveReference writes the distance to the symbol that ins, at slot pc, names: a subprogram or a label. A
// constant or offset other than -1 is one that has been resolved.
func resolveReference(ins *asm.Instruction, pc int, symbols map[string]int) error {
	ref := ins.Reference()
	if ref == "" {
		return nil
	}
	far := ins.IsFunctionReference() || ins.OpCode == asm.OpCode(asm.Jump32Class)|asm.OpCode(asm.Ja)
	switch {
	case far && ins.Constant == -1:
	case !far && ins.OpCode.Class().IsJump() && ins.Offset == -1:
	default:
		return nil
	}
	to, ok := symbols[ref]
	if !ok {
		return fmt.Errorf("instruction %d refers to %s, which the object does not define: %w", pc, ref, asm.ErrUnsatisfiedProgramReference)
	}
	d := to - pc - 1
	if far {
		ins.Constant = int64(d)
		return nil
	}
	if d != int(int16(d)) {
		return fmt.Errorf("instruction %d: %s is too far away", pc, ref)
	}
	ins.Offset = int16(d)
	return nil
}

// encodeSlot gives the bytes of an instruction, of its first slot if it has two. cilium/ebpf widens opcodes by
// what RFC 9669 keeps in the offset (signed arithmetic) or the immediate (atomics). Other offsets of arithmetic,
// which cilium/ebpf 0.22 sets to 0, are kept: the one of addr_space_cast has a meaning, the rest are refused.
func encodeSlot(ins *asm.Instruction) (b [8]byte, err error) {
	op, off, imm := ins.OpCode, ins.Offset, int32(ins.Constant)
	switch alu := op.ALUOp(); alu {
	case asm.SDiv, asm.SMod, asm.MovSX8, asm.MovSX16, asm.MovSX32:
		if off != 0 {
			return b, fmt.Errorf("%v has an offset", ins)
		}
		base := map[asm.ALUOp]asm.ALUOp{asm.SDiv: asm.Div, asm.SMod: asm.Mod}
		if to, ok := base[alu]; ok {
			op, off = op.SetALUOp(to), 1
		} else {
			op = op.SetALUOp(asm.Mov)
			off = map[asm.ALUOp]int16{asm.MovSX8: 8, asm.MovSX16: 16, asm.MovSX32: 32}[alu]
		}
	}
	if a := op.AtomicOp(); a != asm.InvalidAtomic {
		op &^= asm.OpCode(a)
		if kept := imm & 0x1ff; kept != int32(a>>8) {
			imm = int32(a >> 8) // made by hand, not decoded: what was decoded keeps bits that Linux refuses
		}
	}
	if op > math.MaxUint8 {
		return b, fmt.Errorf("no opcode: %#x", uint32(op))
	}
	b[0] = byte(op)
	b[1] = byte(ins.Src)<<4 | byte(ins.Dst)&15
	binary.LittleEndian.PutUint16(b[2:], uint16(off))
	binary.LittleEndian.PutUint32(b[4:], uint32(imm))
	return b, nil
}
