package verifier

import (
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
)

// atomic walks a read-modify-write of memory, an acquiring load or a releasing store.
func (w *walk) atomic(i *isa.Insn) error {
	switch i.Op {
	case isa.LoadAcq:
		if err := w.readReg(i.Src); err != nil {
			return err
		}
		if err := w.writeReg(i.Dst, false); err != nil {
			return err
		}
		p := w.cur.reg(i.Src)
		t, f := p.typ, p.flags
		a := access{base: i.Src, off: int(i.Off), size: int(i.Size), reg: i.Dst, hasReg: true, strict: true}
		if err := w.access(&a); err != nil {
			return err
		}
		if err := w.sameBase(t, f, true); err != nil {
			return err
		}
		// What is asked about is the register after the load.
		if !w.atomicType(i.Src) {
			return w.refuse(eacces, "atomic-type", "BPF_ATOMIC loads from R%d %s is not allowed", i.Src, w.cur.reg(i.Src).typeName())
		}
		return nil
	case isa.StoreRel:
		if err := w.readReg(i.Src); err != nil {
			return err
		}
		if err := w.readReg(i.Dst); err != nil {
			return err
		}
		p := w.cur.reg(i.Dst)
		t, f := p.typ, p.flags
		a := access{base: i.Dst, off: int(i.Off), size: int(i.Size), write: true, reg: i.Src, hasReg: true, strict: true}
		if err := w.access(&a); err != nil {
			return err
		}
		if err := w.sameBase(t, f, false); err != nil {
			return err
		}
		if !w.atomicType(i.Dst) {
			return w.refuse(eacces, "atomic-type", "BPF_ATOMIC stores into R%d %s is not allowed", i.Dst, w.cur.reg(i.Dst).typeName())
		}
		return nil
	}
	if err := w.readReg(i.Src); err != nil {
		return err
	}
	if err := w.readReg(i.Dst); err != nil {
		return err
	}
	if i.Op == isa.CmpXchg {
		if err := w.readReg(isa.R0); err != nil {
			return err
		}
	}
	if !w.atomicType(i.Dst) || w.cur.reg(i.Dst).typ == arenaPtr && loops(i.Op) {
		return w.refuse(eacces, "atomic-type", "BPF_ATOMIC stores into R%d %s is not allowed", i.Dst, w.cur.reg(i.Dst).typeName())
	}
	a := access{base: i.Dst, off: int(i.Off), size: int(i.Size), strict: true}
	fetch := true
	switch i.Op {
	case isa.CmpXchg:
		a.reg = isa.R0
	case isa.AtomicAdd, isa.AtomicOr, isa.AtomicAnd, isa.AtomicXor:
		fetch = false
	default:
		a.reg = i.Src
	}
	p := *w.cur.reg(i.Dst)
	if fetch {
		if err := w.writeReg(a.reg, true); err != nil {
			return err
		}
	}
	look := a
	if err := w.access(&look); err != nil {
		return err
	}
	if fetch {
		a.hasReg = true
		if err := w.access(&a); err != nil {
			return err
		}
	}
	store := access{base: i.Dst, off: int(i.Off), size: int(i.Size), write: true, strict: true}
	if err := w.access(&store); err != nil {
		return err
	}
	return w.sameBase(p.typ, p.flags, false)
}

// atomicType tells that memory behind the pointer may be accessed atomically.
func (w *walk) atomicType(n isa.Reg) bool {
	switch r := w.cur.reg(n); r.typ {
	case ptrCtx, pkt, pktMeta, flowKeys:
		return false
	default:
		return !r.typ.isSock() || r.canBeNull() // what may be NULL is refused as such
	}
}

// loadPacket walks the legacy loads from the packet, which end the program where there is no such byte.
func (w *walk) loadPacket(i *isa.Insn) error {
	if !w.prog.Is(linux.LdAbs) {
		return w.refuse(einval, "ld-abs-type", "BPF_LD_[ABS|IND] instructions not allowed for this program type")
	}
	if f := isa.Check(w.insns, w.pc); f != nil {
		return w.refuse(f.Errno, "reserved-fields", "%s", f.Message)
	}
	if err := w.readReg(isa.R6); err != nil {
		return err
	}
	if err := w.leaks(true, "BPF_LD_[ABS|IND]"); err != nil {
		return err
	}
	r := w.cur.reg(isa.R6)
	if r.typ != ptrCtx {
		return w.refuse(einval, "ld-abs-context", "at the time of BPF_LD_ABS|IND R6 != pointer to skb")
	}
	if i.Op == isa.LdInd {
		if err := w.readReg(i.Src); err != nil {
			return err
		}
	}
	if err := w.unmodified(isa.R6, r, false); err != nil {
		return err
	}
	w.clobber()
	w.cur.reg(isa.R0).setUnknown()
	if len(w.cur.frames) > 1 && w.k.Version >= ldAbsReturns {
		return w.endEarly(constReg(0), false)
	}
	w.pc++
	return nil
}

// loops tells that amd64 has no one instruction for the operation: what makes a loop is not done where a page may be
// missing.
func loops(op isa.Op) bool { return op == isa.FetchAnd || op == isa.FetchOr || op == isa.FetchXor }
