package verifier

import (
	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
)

// This file implements open-coded iterators: objects on the stack that one kernel function makes, another moves on and a
// third ends.

// iterSlots is how many slots an iterator takes.
func (f *kfunc) iterSlots() int {
	n, _ := btf.Sizeof(f.iter.typ)
	return (n + slotSize - 1) / slotSize
}

// iterArg is the iterator that a call was given.
func (w *walk) iterArg(c *call) *reg { return &w.cur.frames[c.iterFrame].stack[c.iterSlot].spill }

// iterParam checks the iterator passed to one of its functions.
func (w *walk) iterParam(n int, num isa.Reg, r *reg, c *call) error {
	f := c.kf
	if f.name == "bpf_iter_css_task_new" && !w.cssTasks() {
		return w.refuse(einval, "kfunc-css-task", "css_task_iter is only allowed in bpf_lsm, bpf_iter and sleepable progs")
	}
	if r.typ != ptrStack {
		return w.refuse(einval, "iter-stack", "arg#%d expected pointer to an iterator on stack", n)
	}
	count := f.iterSlots()
	name := f.iter.name[len("bpf_"):]
	fr, spi, ok := w.slotsAt(r, count, "iter")
	if f.row.Is(linux.KfuncIterNew) {
		if ok {
			for i := range count {
				if spi < len(fr.stack) && fr.stack[spi-i].isObject() {
					ok = false
				}
			}
		}
		if !ok {
			return w.refuse(einval, "iter-initialized", "expected uninitialized %s as arg #%d", name, n)
		}
		if err := w.reserve(num, count*slotSize); err != nil {
			return err
		}
		w.makeIter(fr, spi, count, f)
	} else {
		if !ok || !fr.holds(spi, count, kindIter) || !w.isIter(fr, spi, count, f.iter) {
			return w.refuse(einval, "iter-uninitialized", "expected an initialized %s as arg #%d", name, n)
		}
		if it := &fr.stack[spi].spill; it.flags&untrusted != 0 {
			return w.refuse(eproto, "iter-untrusted", "expected an RCU CS when using %s", f.name)
		}
		if endOfStack(r) {
			return unsupported("iterators at the end of the stack")
		}
		w.markObject(fr, spi, count)
	}
	c.iterFrame, c.iterSlot = fr.no, spi
	if f.row.Is(linux.KfuncIterDestroy) {
		id := fr.stack[spi].spill.ref
		w.cur.dropRef(id)
		w.forget(id)
		for i := range count {
			w.empty(fr, spi-i)
		}
	}
	return nil
}

// isIter tells that the slots are one iterator of the type, whole.
func (w *walk) isIter(f *frame, spi, count int, t *btfRef) bool {
	for i := range count {
		r := &f.stack[spi-i].spill
		if r.btf != t || r.first != (i == 0) {
			return false
		}
	}
	return true
}

// makeIter puts an iterator on the stack.
func (w *walk) makeIter(fr *frame, spi, count int, f *kfunc) {
	id := w.newID()
	w.cur.refs = append(w.cur.refs, ref{kind: refPtr, id: id, insn: w.pc})
	it := reg{typ: iterator, form: iterActive, btf: f.iter, ref: id, flags: trusted}
	if f.row.Is(linux.KfuncRCUProtected) {
		it.flags = rcu
	}
	for i := range count {
		it.first = i == 0
		if i > 0 {
			it.ref = 0
		}
		w.put(fr, spi-i, kindIter, &it)
	}
}

// iterNext walks on with nothing left in the iterator, and puts off the path on which there is something.
func (w *walk) iterNext(c *call) error {
	it := w.iterArg(c)
	if it.form == iterActive {
		s, err := w.push(w.pc+1, w.pc)
		if err != nil {
			return err
		}
		qi := &s.frames[c.iterFrame].stack[c.iterSlot].spill
		qi.memSize++
		r0 := s.reg(isa.R0)
		r0.flags &^= maybeNull
		if p := w.cur.parent; p != nil {
			if old := w.entryBefore(w.pc, p.depth); old != nil {
				w.widen(old, s)
			}
		}
	}
	it.form = iterDrained
	w.cur.reg(isa.R0).setConst(0)
	return nil
}

// isIterNext tells that the instruction moves an iterator on.
func (w *walk) isIterNext(pc int) bool {
	i := &w.insns[pc]
	if i.Op != isa.CallKfn {
		return false
	}
	f := w.kfuncs[i.Imm]
	return f != nil && f.row.Is(linux.KfuncIterNext)
}

// iterOf is the iterator that R1 points to, nil if there is none.
func (w *walk) iterOf(s *state) *reg {
	r := s.reg(isa.R1)
	if r.typ != ptrStack || !r.num.IsConst() {
		return nil
	}
	f := s.frames[r.frame]
	spi := -(int(r.off)+int(int64(r.num.Bits.Value)))/slotSize - 1
	if spi < 0 || spi >= len(f.stack) || f.stack[spi].kind[0] != kindIter {
		return nil
	}
	return &f.stack[spi].spill
}
