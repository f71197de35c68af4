package prepare

import (
	"fmt"
	"strings"

	"github.com/skepbpf/skep/isa"
)

const (
	argRegs    = 1<<isa.R1 | 1<<isa.R2 | 1<<isa.R3 | 1<<isa.R4 | 1<<isa.R5
	callerRegs = 1<<isa.R0 | argRegs // what a call destroys
	liveRegs   = 1<<isa.R10 - 1      // R10 always holds the frame's address, and is left out
)

// uses gives the registers that the instruction reads and writes.
func (in *Info) uses(pc int) (reads, writes uint16) {
	i := &in.Program.Insns[pc]
	dst, src := uint16(1)<<(i.Dst&15), uint16(1)<<(i.Src&15)
	const r0 = 1 << isa.R0
	switch op := i.Op; {
	case op.IsALU():
		reads, writes = dst, dst
		move := op == isa.Mov || op == isa.MovSX || op == isa.AddrSpaceCast || op == isa.MovPerCPU
		if move {
			reads = 0
		}
		if i.SrcReg || move && i.Opcode&8 != 0 {
			reads |= src
		}
	case op.IsCond():
		reads = dst
		if i.SrcReg {
			reads |= src
		}
	case op == isa.Call:
		reads, writes = argRegs, callerRegs
		if h := in.helper(i.Imm); h != nil && (in.options.Helper == nil || in.options.Helper(i.Imm)) {
			reads = args(h.NumArgs())
		}
	case op == isa.CallSub || op == isa.Invalid && i.Opcode == opCall:
		reads, writes = argRegs, callerRegs
	case op == isa.CallKfn:
		reads, writes = argRegs, callerRegs
		if k := in.kfunc(pc); k != nil && (in.options.Kfunc == nil || in.options.Kfunc(k.name)) {
			reads = args(k.args)
		}
	case op == isa.Exit:
		reads = r0
	case op == isa.Load || op == isa.LoadSX || op == isa.LoadAcq:
		reads, writes = src, dst
	case op == isa.Store || op == isa.StoreRel:
		reads = dst | src
	case op == isa.StoreImm:
		reads = dst
	case op == isa.CmpXchg:
		reads, writes = dst|src|r0, r0
	case op == isa.FetchAdd || op == isa.FetchOr || op == isa.FetchAnd || op == isa.FetchXor || op == isa.Xchg:
		reads, writes = dst|src, src
	case op.IsAtomic() || i.Opcode&0xe7 == opAtomic: // known or not
		reads = dst | src
	case op == isa.LdImm64:
		writes = dst
	case op == isa.LdAbs || op == isa.LdInd:
		reads = liveRegs // it may leave the program; 6.18 then takes every register for read
	}
	return reads & liveRegs, writes & liveRegs
}

// args is the set of the first n argument registers.
func args(n int) uint16 { return (1<<n - 1) << isa.R1 }

// findLive computes the live registers before every slot, by iteration to the least fixed point.
func (in *Info) findLive() {
	n := len(in.Program.Insns)
	in.LiveIn = make([]uint16, n)
	reads, writes := make([]uint16, n), make([]uint16, n)
	for _, pc := range in.Postorder {
		reads[pc], writes[pc] = in.uses(pc)
	}
	for changed := true; changed; {
		changed = false
		for _, pc := range in.Postorder {
			var out uint16
			to, k := in.Next(pc)
			for _, t := range to[:k] {
				out |= in.LiveIn[t]
			}
			if live := out&^writes[pc] | reads[pc]; live != in.LiveIn[pc] {
				in.LiveIn[pc] = live
				changed = true
			}
		}
	}
}

// LiveTable gives the table of live registers as the log at level 2 has it, one string a line. text
// is how the log spells the instruction at a slot: "(b7) r0 = 0".
func (in *Info) LiveTable(text func(pc int) string) []string {
	lines := []string{"Live regs before insn:"}
	insns := in.Program.Insns
	for pc := 0; pc < len(insns); pc += slots(&insns[pc]) {
		var b strings.Builder
		if in.SCC[pc] != 0 {
			fmt.Fprintf(&b, "%3d ", in.SCC[pc])
		} else {
			b.WriteString("    ")
		}
		fmt.Fprintf(&b, "%3d: ", pc)
		for r := range 10 {
			if in.LiveIn[pc]>>r&1 != 0 {
				b.WriteByte('0' + byte(r))
			} else {
				b.WriteByte('.')
			}
		}
		b.WriteByte(' ')
		b.WriteString(text(pc))
		lines = append(lines, b.String())
	}
	return lines
}
