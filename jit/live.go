package jit

import (
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/verifier"
)

// lives finds, for each instruction, the registers that somebody may read from it on before they are written: what others hold
// need not be computed. The low halves count like the whole.
func (c *compiler) lives() {
	n := len(c.insns)
	c.liveAt = resize(c.liveAt, n+1)
	in := c.liveAt
	for changed := true; changed; {
		changed = false
		for pc := n - 1; pc >= 0; pc-- {
			if !c.live(pc) {
				continue
			}
			i := &c.insns[pc]
			out := in[pc+1]
			switch op := i.Op; {
			case op == isa.Exit:
				out = 1 << isa.R0
			case op == isa.Ja:
				out = in[i.Target(pc)]
			case op.IsCond(), op == isa.MayGoto:
				out |= in[i.Target(pc)]
			case op == isa.LdImm64:
				out = in[pc+2]
			}
			reads, writes := c.effect(pc)
			if s := out&^writes | reads; s != in[pc] {
				in[pc] = s
				changed = true
			}
		}
	}
}

// effect is what an instruction reads and writes: it reads no more, and writes no less.
func (c *compiler) effect(pc int) (reads, writes regSet) {
	i := &c.insns[pc]
	dst, src := regSet(1)<<i.Dst, regSet(1)<<i.Src
	const args = regSet(1<<isa.R1 | 1<<isa.R2 | 1<<isa.R3 | 1<<isa.R4 | 1<<isa.R5)
	if !i.SrcReg && (i.Op.IsALU() || i.Op.IsCond()) {
		src = 0
	}
	switch op := i.Op; {
	case op == isa.Mov:
		return src, dst
	case op == isa.MovSX, op == isa.AddrSpaceCast, op == isa.Load, op == isa.LoadSX, op == isa.LoadAcq:
		return 1 << i.Src, dst
	case op == isa.LdImm64:
		return 0, dst
	case op.IsALU():
		return dst | src, dst
	case op.IsCond():
		return dst | src, 0
	case op == isa.Store, op == isa.StoreRel:
		return dst | src, 0
	case op == isa.StoreImm:
		return dst, 0
	case op == isa.CmpXchg:
		return dst | src | 1<<isa.R0, 0
	case op.IsAtomic():
		return dst | src, 0
	case op == isa.LdAbs:
		return 1 << isa.R6, callerSaved
	case op == isa.LdInd:
		return src | 1<<isa.R6, callerSaved
	case op == isa.Call && c.lookedUp(pc) != nil:
		return 1 << isa.R2, callerSaved
	case op == isa.Call:
		return args & (1<<(c.arguments(i.Imm)+1) - 1), callerSaved
	case op == isa.CallKfn:
		return args & (1<<(kfuncArguments(c.kfunc(pc))+1) - 1), callerSaved
	case op == isa.CallSub:
		return args, callerSaved
	case op == isa.Exit:
		return 1 << isa.R0, 0
	case op == isa.Ja, op == isa.MayGoto:
		return 0, 0
	}
	return allRegs, 0
}

// unused tells that an instruction does nothing but compute what nobody reads, such as the address of a map that is looked up
// in place.
func (c *compiler) unused(pc int) bool {
	i := &c.insns[pc]
	switch op := i.Op; {
	case op == isa.LdImm64:
		return c.dead(pc+2, i.Dst)
	case op.IsALU(), (op == isa.Load || op == isa.LoadSX) && c.facts[pc]&verifier.ForeignBase == 0:
		return c.dead(pc+1, i.Dst)
	}
	return false
}

// dead tells that nobody reads a register from pc on.
func (c *compiler) dead(pc int, r isa.Reg) bool { return !c.liveAt[pc].has(r) }
