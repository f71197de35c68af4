package jit

import (
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/verifier"
)

// A regSet is a set of registers.
type regSet uint16

const (
	allRegs     = regSet(1<<isa.NumRegs - 1)
	callerSaved = regSet(1<<isa.R0 | 1<<isa.R1 | 1<<isa.R2 | 1<<isa.R3 | 1<<isa.R4 | 1<<isa.R5)
)

func (s regSet) has(r isa.Reg) bool { return s>>r&1 != 0 }

func (s *regSet) set(r isa.Reg, on bool) {
	if on {
		*s |= 1 << r
	} else {
		*s &^= 1 << r
	}
}

// known is what is known of the registers before an instruction, whatever the Proof says: that follows from the instructions
// themselves, as they are emitted.
type known struct {
	narrow  regSet // their upper halves are zero
	nonzero regSet // their lower halves are not
}

func (k known) meet(o known) known { return known{k.narrow & o.narrow, k.nonzero & o.nonzero} }

// flow finds what is known before each instruction. Pointers, which the Proof says fit, are computed in 32 bits; and a base
// register that is not narrow is cut before it is used, in place.
//
// It starts from the assumption that all is known and takes back what is wrong until nothing is.
func (c *compiler) flow() {
	n := len(c.insns)
	c.knownAt = resize(c.knownAt, n+1)
	in := c.knownAt
	for i := range in {
		in[i] = known{allRegs, allRegs}
	}
	for i := range c.funcs {
		f := &c.funcs[i]
		if f.main {
			in[f.start] = known{narrow: 1<<isa.R10 | 1<<isa.R1}
		} else if f.callback {
			in[f.start] = known{narrow: 1 << isa.R10}
		}
	}
	for changed := true; changed; {
		changed = false
		meet := func(pc int, k known, back bool) {
			k.narrow |= 1 << isa.R10
			if m := in[pc].meet(k); m != in[pc] {
				in[pc] = m
				changed = changed || back
			}
		}
		for pc := 0; pc < n; pc++ {
			if !c.live(pc) {
				continue
			}
			i := &c.insns[pc]
			k := known{c.narrowAfter(pc, in[pc].narrow), c.nonzeroAfter(pc, in[pc])}
			switch {
			case i.Op.IsCond():
				to := i.Target(pc)
				jump, fall := k, k
				if c.live(to) && c.live(pc+1) { // else it is not emitted, and what it says hangs on the Proof
					c.refine(i, &jump, &fall)
				}
				meet(to, jump, to <= pc)
				meet(pc+1, fall, false)
			case i.Op == isa.MayGoto:
				to := i.Target(pc)
				meet(to, k, to <= pc)
				meet(pc+1, k, false)
			case i.Op == isa.Ja:
				to := i.Target(pc)
				meet(to, k, to <= pc)
			case i.Op == isa.Exit:
			case i.Op == isa.CallSub:
				to := i.Target(pc)
				const args = regSet(1<<isa.R1 | 1<<isa.R2 | 1<<isa.R3 | 1<<isa.R4 | 1<<isa.R5)
				meet(to, known{in[pc].narrow & args, in[pc].nonzero & args}, to <= pc)
				meet(pc+1, k, false)
			case i.Op == isa.LdImm64:
				meet(pc+2, k, false)
			default:
				meet(pc+1, k, false)
			}
		}
	}
}

// refine adds what a conditional jump says on its two ways: that a register is not zero.
func (c *compiler) refine(i *isa.Insn, jump, fall *known) {
	if i.SrcReg || i.Size == 8 && !jump.narrow.has(i.Dst) {
		return
	}
	switch op := i.Op; {
	case op == isa.Jne && i.Imm == 0, op == isa.Jgt && i.Imm >= 0, op == isa.Jge && i.Imm > 0, op == isa.Jeq && i.Imm > 0:
		jump.nonzero.set(i.Dst, true)
	case op == isa.Jeq && i.Imm == 0, op == isa.Jlt && i.Imm > 0, op == isa.Jle && i.Imm >= 0:
		fall.nonzero.set(i.Dst, true)
	}
}

// nonzeroAfter is what is not zero after an instruction.
func (c *compiler) nonzeroAfter(pc int, k known) regSet {
	i, s := &c.insns[pc], k.nonzero
	switch op := i.Op; {
	case op == isa.Mov:
		s.set(i.Dst, i.SrcReg && s.has(i.Src) || !i.SrcReg && i.Imm != 0)
	case op == isa.Or:
		s.set(i.Dst, s.has(i.Dst) || i.SrcReg && s.has(i.Src) || !i.SrcReg && i.Imm != 0)
	case op == isa.LdImm64:
		v, _ := c.imm64(pc)
		s.set(i.Dst, uint32(v) != 0)
	case op == isa.Call, op == isa.CallSub, op == isa.CallKfn, op == isa.LdAbs, op == isa.LdInd:
		s &^= callerSaved
	case op == isa.Load, op == isa.LoadSX, op == isa.LoadAcq, op.IsALU():
		s.set(i.Dst, false)
	case op.IsAtomic():
		s.set(i.Src, false)
		s.set(isa.R0, false)
	}
	return s
}

// narrowAfter is what is narrow after an instruction.
func (c *compiler) narrowAfter(pc int, s regSet) regSet {
	i := &c.insns[pc]
	if base, ok := baseOf(i); ok && c.facts[pc]&verifier.ForeignBase == 0 {
		s.set(base, true)
	}
	switch op := i.Op; {
	case op.IsALU():
		s.set(i.Dst, c.narrowALU(pc, i, s))
	case op == isa.Load:
		s.set(i.Dst, i.Size < 8 || c.facts[pc]&verifier.PointerResult != 0 && c.facts[pc]&verifier.ForeignBase == 0)
	case op == isa.LoadSX:
		s.set(i.Dst, false)
	case op == isa.LoadAcq:
		s.set(i.Dst, i.Size < 8)
	case op == isa.CmpXchg:
		s.set(isa.R0, i.Size < 8)
	case op == isa.FetchAdd, op == isa.FetchOr, op == isa.FetchAnd, op == isa.FetchXor, op == isa.Xchg:
		s.set(i.Src, i.Size < 8)
	case op == isa.LdAbs, op == isa.LdInd:
		s &^= callerSaved
		s.set(isa.R0, true)
	case op == isa.LdImm64:
		v, _ := c.imm64(pc)
		s.set(i.Dst, v>>32 == 0)
	case op == isa.Call:
		s &^= callerSaved
		s.set(isa.R0, c.opts.Helper == nil && (i.Imm == linux.HelperMapLookupElem || i.Imm == linux.HelperGetSmpProcessorId))
	case op == isa.CallKfn:
		s &^= callerSaved
		k := c.kfunc(pc)
		s.set(isa.R0, k != nil && k.Name == numNext)
	case op == isa.CallSub:
		s &^= callerSaved
	}
	return s
}

func (c *compiler) narrowALU(pc int, i *isa.Insn, s regSet) bool {
	if i.Op == isa.AddrSpaceCast || i.Size == 4 && i.Op != isa.Bswap {
		if i.Op != isa.ToLE && i.Op != isa.ToBE {
			return true
		}
	}
	src := s.has(i.Src)
	if !i.SrcReg {
		src = i.Imm >= 0
	}
	dst := s.has(i.Dst)
	switch i.Op {
	case isa.Mov:
		return src
	case isa.And:
		return src || dst
	case isa.Or, isa.Xor:
		return src && dst
	case isa.Rsh:
		return dst || !i.SrcReg && i.Imm&63 >= 32
	case isa.Arsh, isa.Div:
		return dst
	case isa.Mod:
		return dst || src && !i.SrcReg && i.Imm != 0
	case isa.Add, isa.Sub:
		return c.facts[pc]&verifier.PointerResult != 0
	case isa.Mul:
		return false
	case isa.ToLE, isa.ToBE, isa.Bswap:
		return i.Imm < 64
	}
	return false
}

// baseOf is the register with the address that an instruction accesses.
func baseOf(i *isa.Insn) (isa.Reg, bool) {
	switch op := i.Op; {
	case op == isa.Load, op == isa.LoadSX, op == isa.LoadAcq:
		return i.Src, true
	case op == isa.Store, op == isa.StoreImm, op.IsAtomic():
		return i.Dst, true
	}
	return 0, false
}

// written are the registers that an instruction writes, of those that calls preserve.
func savedWritten(i *isa.Insn) (r isa.Reg, ok bool) {
	switch op := i.Op; {
	case op.IsALU(), op == isa.Load, op == isa.LoadSX, op == isa.LoadAcq, op == isa.LdImm64:
		r = i.Dst
	case op.IsAtomic() && op.Info().Form == isa.FormFetch && op != isa.CmpXchg:
		r = i.Src
	case op == isa.Store, op == isa.StoreImm, op.IsAtomic():
		// A base that is not narrow is cut in place: that writes it.
		r = i.Dst
	}
	return r, r >= isa.R6 && r <= isa.R9
}

// resize makes a slice n long, without its contents.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/4)
	}
	s = s[:n]
	clear(s)
	return s
}
