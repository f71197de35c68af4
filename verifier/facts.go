package verifier

import (
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
)

// This file notes, during the walk, what an engine may rely on when it makes native code: little, but true of every run.
// It is what pruning keeps exact: kinds of pointers, and which instructions are reached. Ranges of scalars are not: those
// that did not matter are those of the first path alone.

// A Fact is a set of what is true whenever an instruction runs.
type Fact uint8

// The facts.
const (
	// Walked: the instruction is reached. One that is not never runs.
	Walked Fact = 1 << iota
	// PointerResult: the instruction, a 64-bit addition or subtraction or a load of 8 bytes, leaves in Dst a pointer to what
	// lies in the program's address space (or NULL), at most 64 KiB before its start.
	PointerResult
	// ForeignBase: the memory that a load, store or atomic operation accesses may be the kernel's or that of an arena.
	ForeignBase
)

// noted is what the walk has seen of an instruction.
type noted struct {
	walks   uint32
	pointer bool // its result was a pointer
	other   bool // its result was something else
	foreign bool
	mem     bool  // its base was memory of a helper, or of a variable of the kernel
	mapArg  int32 // of a call: index of the map plus one; -1: several, or none
}

// Facts are what is known of the instruction at a slot; 0 if it never runs.
func (p *Proof) Facts(pc int) (f Fact) {
	if pc < 0 || pc >= len(p.noted) {
		return 0
	}
	n := &p.noted[pc]
	if n.walks == 0 {
		return 0
	}
	f = Walked
	if n.pointer && !n.other {
		f |= PointerResult
	}
	if n.foreign || n.mem && p.symbols {
		f |= ForeignBase
	}
	return f
}

// Walks is how often the verifier walked the instruction, and so more than a run executes it between two entries of its
// function, unless there are loops that are not walked round by round (iterators, may_goto).
func (p *Proof) Walks(pc int) int {
	if pc < 0 || pc >= len(p.noted) {
		return 0
	}
	return int(p.noted[pc].walks)
}

// MapArg is the index, in the program's Maps, of the map that R1, or of bpf_tail_call R2, always is at the call; -1 if that is not
// known.
func (p *Proof) MapArg(pc int) int {
	if pc < 0 || pc >= len(p.noted) || p.noted[pc].mapArg <= 0 {
		return -1
	}
	return int(p.noted[pc].mapArg) - 1
}

// noteBefore notes what an instruction gets.
func (w *walk) noteBefore(pc int) {
	n, i := &w.noted[pc], &w.insns[pc]
	n.walks++
	switch {
	case i.Src >= isa.NumRegs || i.Dst >= isa.NumRegs: // refused when it is walked

	case i.Op == isa.Load, i.Op == isa.LoadSX, i.Op == isa.LoadAcq:
		n.base(w.cur.reg(i.Src))
	case i.Op == isa.Store, i.Op == isa.StoreImm, i.Op.IsAtomic():
		n.base(w.cur.reg(i.Dst))
	case i.Op == isa.Call:
		arg, in := int32(-1), isa.R1
		if i.Imm == linux.HelperTailCall {
			in = isa.R2
		}
		if r := w.cur.reg(in); r.typ == constMap && r.flags == 0 && r.m.index >= 0 {
			arg = int32(r.m.index) + 1
		}
		if n.mapArg == 0 {
			n.mapArg = arg
		} else if n.mapArg != arg {
			n.mapArg = -1
		}
	}
}

func (n *noted) base(r *reg) {
	switch {
	case r.flags&(perCPU|userMem|untrusted) != 0:
		n.foreign = true
	case r.typ == mem:
		n.mem = true
	case !r.inSpace(), r.typ == constMap: // a map's own fields are the kernel's
		n.foreign = true
	}
}

// noteAfter notes what an instruction that was walked leaves.
func (w *walk) noteAfter(pc int) {
	i := &w.insns[pc]
	if !(i.Op == isa.Load && i.Size == 8 || (i.Op == isa.Add || i.Op == isa.Sub) && i.Size == 8) {
		return
	}
	const below = -64 << 10
	if r := w.cur.reg(i.Dst); r.inSpace() && int64(r.off) >= below && r.num.SMin >= below && r.num.SMin+int64(r.off) >= below {
		w.noted[pc].pointer = true
	} else {
		w.noted[pc].other = true
	}
}

// inSpace tells that the pointer is to what the program itself has: the run's memory, its packet, its maps.
func (r *reg) inSpace() bool {
	switch r.typ {
	case ptrCtx, constMap, mapValue, mapKey, ptrStack, pktMeta, pkt, pktEnd, flowKeys:
		return r.flags&(perCPU|userMem|untrusted) == 0
	}
	return false
}

// hasSymbols tells that the program has addresses of variables of the kernel.
func (w *walk) hasSymbols() bool {
	for pc := range w.insns {
		if i := &w.insns[pc]; i.Op == isa.LdImm64 && i.Src == isa.PseudoBTFID {
			return true
		}
	}
	return false
}
