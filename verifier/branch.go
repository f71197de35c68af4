package verifier

import (
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/verifier/domain"
	"github.com/skepbpf/skep/verifier/internal/prepare"
)

// conds relates the conditions of isa to those of domain.
var conds = [isa.NumOps]domain.Cond{
	isa.Jeq: domain.Eq, isa.Jne: domain.Ne, isa.Jset: domain.Set, isa.Jgt: domain.Gt, isa.Jle: domain.Le,
	isa.Jge: domain.Ge, isa.Jlt: domain.Lt, isa.Jsgt: domain.SGt, isa.Jsle: domain.SLe, isa.Jsge: domain.SGe, isa.Jslt: domain.SLt,
}

func (r *reg) isAnyPkt() bool { return r.typ == pkt || r.typ == pktMeta || r.typ == pktEnd }

// branch walks a conditional jump: on to what follows, with the jump put off, unless the outcome is known.
func (w *walk) branch(i *isa.Insn) error {
	if err := w.readReg(i.Dst); err != nil {
		return err
	}
	if f := isa.CheckJump(i); f != nil {
		return w.refuse(f.Errno, "reserved-fields", "%s", f.Message)
	}
	d := w.cur.reg(i.Dst)
	s := &w.imm
	*s = constReg(uint64(int64(i.Imm)))
	if i.SrcReg {
		if err := w.readReg(i.Src); err != nil {
			return err
		}
		s = w.cur.reg(i.Src)
	}
	if d.typ == ptrStack || s.typ == ptrStack {
		h := w.note(nil)
		h.dstStack, h.srcStack = h.dstStack || d.typ == ptrStack, h.srcStack || s.typ == ptrStack
	}
	is32 := i.Size == 4
	taken := decide(i.Op, is32, d, s, w.less)
	if taken >= 0 {
		return w.decided(i, d, s, taken)
	}
	var linked linkedRegs
	linked.unsynced = w.k.Version < linkedSync
	if i.SrcReg && s.typ == scalar && s.id != 0 {
		w.collect(s.id, &linked)
	}
	if d.typ == scalar && d.id != 0 {
		w.collect(d.id, &linked)
	}
	if linked.n > 1 {
		w.note(&linked)
	}
	other, err := w.push(i.Target(w.pc), w.pc)
	if err != nil {
		if r, ok := err.(*refusal); ok {
			r.errno = efault // not ENOMEM, as elsewhere
		}
		return err
	}
	od := other.reg(i.Dst)
	os := &w.tmp[0]
	*os = w.imm
	if i.SrcReg {
		os = other.reg(i.Src)
	}
	w.refine(conds[i.Op], is32, d, s, od, os)
	if i.SrcReg && s.typ == scalar && s.id != 0 {
		syncLinked(w.cur, s, &linked)
		syncLinked(other, os, &linked)
	}
	if d.typ == scalar && d.id != 0 {
		syncLinked(w.cur, d, &linked)
		syncLinked(other, od, &linked)
	}
	if !is32 && i.SrcReg && w.k.Version >= nullPropagation && d.isPtr() && s.isPtr() && d.canBeNull() != s.canBeNull() && d.typ != btfPtr && s.typ != btfPtr {
		// Of two equal pointers, neither is NULL if one is not.
		x, y := d, s
		if i.Op == isa.Jeq {
			x, y = od, os
		}
		if i.Op == isa.Jeq || i.Op == isa.Jne {
			if x.canBeNull() {
				x.notNull()
			} else {
				y.notNull()
			}
		}
	}
	if !is32 && !i.SrcReg && i.Imm == 0 && (i.Op == isa.Jeq || i.Op == isa.Jne) && d.canBeNull() && d.typ != scalar {
		w.nullChecked(w.cur, d, i.Op == isa.Jne)
		w.nullChecked(other, od, i.Op == isa.Jeq)
	} else if i.SrcReg && !is32 {
		w.packetCompare(i, d, s, other, od, os)
	}
	w.log.branchState(w)
	w.pc++
	return nil
}

// decided goes where the jump always goes.
func (w *walk) decided(i *isa.Insn, d, s *reg, taken int) error {
	if d.typ == scalar {
		if err := w.mark(i.Dst); err != nil {
			return err
		}
	}
	if i.SrcReg && s.typ == scalar {
		if err := w.mark(i.Src); err != nil {
			return err
		}
	}
	w.log.branchState(w)
	if taken == 1 {
		w.pc = i.Target(w.pc)
	} else {
		w.pc++
	}
	return nil
}

// decide tells whether a jump is always taken (1), never (0), or neither (-1).
func decide(op isa.Op, is32 bool, d, s *reg, less domain.Less) int {
	if d.isAnyPkt() && s.isAnyPkt() && !is32 {
		return decidePacket(op, d, s)
	}
	known := func(r *reg) bool { return r.typ == scalar && (r.num.IsConst() || is32 && r.num.IsConst32()) }
	if less&domain.LessCompare != 0 && d.typ == scalar && s.typ == scalar && !known(s) {
		return -1 // only the second one is looked at
	}
	if !known(s) && known(d) || d.typ == scalar && s.typ != scalar {
		d, s = s, d
		op = op.Swap()
	}
	if d.typ != scalar {
		if d.typ == constMap && less&domain.LessCompare != 0 {
			return -1 // of a map older kernels do not know that it is there
		}
		if !known(s) || s.num.Bits.Value != 0 && !(is32 && uint32(s.num.Bits.Value) == 0) || !d.neverNull() {
			return -1
		}
		switch op {
		case isa.Jeq:
			return 0
		case isa.Jne:
			return 1
		}
		return -1
	}
	if s.typ != scalar {
		return -1
	}
	return less.Decide(conds[op], is32, &d.num, &s.num)
}

// neverNull tells that a pointer is certainly not NULL.
func (r *reg) neverNull() bool {
	if r.canBeNull() {
		return false
	}
	switch r.typ {
	case sock, tcpSock, mapValue, mapKey, sockCommon, constMap:
		return true
	case btfPtr:
		return r.isTrusted()
	case mem:
		return r.flags&untrusted == 0
	}
	return false
}

// isTrusted tells that what the pointer points to is alive.
func (r *reg) isTrusted() bool {
	return r.ref != 0 || r.flags&(trusted|alloc|nonOwnRef) != 0 && r.flags&(untrusted|maybeNull|rcu|userMem|perCPU) == 0
}

// decidePacket decides a comparison with the packet's end of a pointer that is known to be there or beyond.
func decidePacket(op isa.Op, d, s *reg) int {
	p := d
	switch {
	case s.typ == pktEnd:
	case d.typ == pktEnd:
		p = s
		op = op.Swap()
	default:
		return -1
	}
	if p.rng >= 0 || p.typ == pktEnd {
		return -1
	}
	yes := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	switch op {
	case isa.Jle, isa.Jgt:
		if p.rng == beyondEnd {
			return yes(op == isa.Jgt)
		}
	case isa.Jlt, isa.Jge:
		return yes(op == isa.Jge)
	}
	return -1
}

// refine narrows what was compared, in the branch not taken (d, s) and the one taken (od, os).
func (w *walk) refine(c domain.Cond, is32 bool, d, s, od, os *reg) {
	if d.typ != scalar || s.typ != scalar {
		return
	}
	fine := w.less.Refine(c.Not(), is32, &d.num, &s.num)
	fine = w.less.Refine(c, is32, &od.num, &os.num) && fine
	if fine {
		return
	}
	for _, x := range []struct {
		name string
		r    *reg
	}{{"true_reg1", od}, {"true_reg2", os}, {"false_reg1", d}, {"false_reg2", s}} {
		if bad := x.r.num.Violation(); bad != "" {
			w.violation(x.name, x.r, bad)
		}
	}
}

// collect lists the registers and slots with an id.
func (w *walk) collect(id uint32, l *linkedRegs) {
	add := func(r *reg, x linkedReg) {
		if r.typ != scalar || r.id != id {
			return
		}
		for _, y := range l.r[:l.n] {
			if y == x {
				return
			}
		}
		if int(l.n) == len(l.r) {
			r.dropID() // too many: what is learnt no longer goes to this one
			return
		}
		l.r[l.n] = x
		l.n++
	}
	for n := len(w.cur.frames) - 1; n >= 0; n-- {
		f := w.cur.frames[n]
		live := w.in.LiveIn[w.cur.frameInsn(n)]
		for i := range f.regs {
			if live>>i&1 == 0 {
				continue
			}
			add(&f.regs[i], linkedReg{uint8(n), uint8(i), true})
		}
		for i := range f.stack {
			// Older kernels do not see those in narrow spills.
			if s := &f.stack[i]; s.isSpill() && (!w.oldSpills || s.kind[0] == kindSpill) {
				add(&f.stack[i].spill, linkedReg{uint8(n), uint8(i), false})
			}
		}
	}
}

// syncLinked gives what was learnt of a scalar to those that it is linked to.
func syncLinked(s *state, known *reg, l *linkedRegs) {
	for _, x := range l.r[:l.n] {
		f := s.frames[x.frame]
		r := &f.regs[min(int(x.slot), isa.NumRegs-1)]
		if !x.isReg {
			r = &f.stack[x.slot].spill
		}
		if r == known || r.typ != scalar || r.id != known.id {
			continue
		}
		if r.delta && known.delta && r.delta32 != known.delta32 {
			continue
		}
		if !r.delta && !known.delta || r.off == known.off {
			*r = *known
			continue
		}
		off, delta, delta32 := r.off, r.delta, r.delta32
		is32 := delta32 || known.delta32
		distance := domain.Const(uint64(int64(off) - int64(known.off)))
		*r = *known
		r.off, r.delta, r.delta32 = off, delta, delta32
		if l.unsynced {
			r.num.AddUnsynced(int64(distance.Bits.Value))
			continue
		}
		r.num.ALU(domain.Add, is32, &distance)
	}
}

// nullChecked marks every copy of a pointer that may be NULL after it was compared with NULL.
func (w *walk) nullChecked(s *state, r *reg, isNull bool) {
	id, ref := r.id, r.ref
	if ref != 0 && ref == id && isNull {
		s.dropRef(id) // there was nothing to release
	}
	s.each(func(r *reg) {
		if !r.canBeNull() || r.id != id {
			return
		}
		if isNull {
			*r = constReg(0)
			return
		}
		r.notNull()
		if !w.mayHoldLock(r) {
			r.id = 0
		}
	})
}

// notNull makes a pointer one that is not NULL.
func (r *reg) notNull() {
	r.flags &^= maybeNull
	if r.typ != mapValue {
		return
	}
	switch t := linux.MapType(r.m.Type); {
	case r.m.inner != nil:
		r.typ = constMap
		r.m = r.m.inner
		// Maps with such fields must be told apart when one of them is initialised.
		if r.m.fields.Has(prepare.Timer | prepare.WorkQueue | prepare.TaskWork) {
			r.mapUID = r.id
		}
	case t == linux.MapTypeXSKMap:
		r.typ = xdpSock
	case t == linux.MapTypeSockMap || t == linux.MapTypeSockHash:
		r.typ = sock
	}
}

// mayHoldLock tells that there may be a lock where the pointer points: then its id says which.
func (w *walk) mayHoldLock(r *reg) bool {
	const locks = prepare.SpinLock | prepare.ResSpinLock
	return r.typ == mapValue && r.m.fields.Has(locks) || r.typ == btfPtr && r.flags&alloc != 0 && w.fieldsOf(r.btf).Has(locks)
}

// packetCompare learns from a comparison with the end of the packet.
func (w *walk) packetCompare(i *isa.Insn, d, s *reg, other *state, od, os *reg) {
	op := i.Op
	// pkt < end, or meta < pkt: forwards; or the other way round.
	forward := d.typ == pkt && s.typ == pktEnd || d.typ == pktMeta && s.isPacketStart()
	backward := d.typ == pktEnd && s.typ == pkt || d.isPacketStart() && s.typ == pktMeta
	if !forward && !backward {
		return
	}
	// p is the pointer in the branch not taken, op in the other one.
	p, o := d, od
	if backward {
		p, o = s, os
		op = op.Swap()
	}
	switch op {
	case isa.Jgt: // not taken: p <= end
		goodRange(w.cur, p, false)
		markEnd(o, beyondEnd)
	case isa.Jlt: // taken: p < end
		goodRange(other, o, true)
		markEnd(p, atEnd)
	case isa.Jge:
		goodRange(w.cur, p, true)
		markEnd(o, atEnd)
	case isa.Jle:
		goodRange(other, o, false)
		markEnd(p, beyondEnd)
	}
}

// isPacketStart tells that the pointer is the start of the packet itself.
func (r *reg) isPacketStart() bool {
	return r.typ == pkt && r.off == 0 && r.num.IsConst() && r.num.Bits.Value == 0
}

func markEnd(r *reg, rng int32) {
	if r.typ == pkt {
		r.rng = rng
	}
}

// goodRange notes that the packet reaches to p, or one byte beyond, for all pointers that share its variable part.
func goodRange(s *state, p *reg, open bool) {
	const maxPacket = 0xffff
	if p.off < 0 || p.off == 0 && open || p.num.UMax > maxPacket || p.num.UMax+uint64(p.off) > maxPacket {
		return
	}
	rng := p.off
	if open {
		rng++
	}
	typ, id := p.typ, p.id
	s.each(func(r *reg) {
		if r.typ == typ && r.id == id {
			r.rng = max(r.rng, rng)
		}
	})
}

// mayGoto walks a jump that the kernel takes once the loop has run often enough. What follows is put off: how often it
// runs nobody knows, so scalars that differ from the round before and have not mattered become unknown in it.
func (w *walk) mayGoto(i *isa.Insn) error {
	w.jumps++
	s, err := w.push(w.pc+1, w.pc)
	if err != nil {
		return err
	}
	s.mayGoto++
	if p := w.cur.parent; p != nil {
		if old := w.entryBefore(w.pc, p.depth); old != nil {
			w.widen(old, s)
		}
	}
	w.pc = i.Target(w.pc)
	return nil
}
