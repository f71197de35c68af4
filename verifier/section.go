package verifier

import "github.com/skepbpf/skep/isa"

// This file implements sections in which interrupts are off: each saves flags on the stack, to be restored in the
// reverse order.

// irq is the reference of the innermost section, 0 if interrupts are on.
func (s *state) irq() uint32 {
	for i := len(s.refs) - 1; i >= 0; i-- {
		if s.refs[i].kind == refIRQ {
			return s.refs[i].id
		}
	}
	return 0
}

// irqParam checks the flags passed to the functions that save and restore them, and does what they do.
func (w *walk) irqParam(n int, num isa.Reg, r *reg, c *call) error {
	if r.typ != ptrStack {
		return w.refuse(einval, "irq-stack", "arg#%d doesn't point to an irq flag on stack", n)
	}
	save := c.kf.name == "bpf_local_irq_save"
	f, spi, ok := w.slotsAt(r, 1, "irq_flag")
	if save {
		if !ok || spi < len(f.stack) && f.stack[spi].isObject() {
			return w.refuse(einval, "irq-initialized", "expected uninitialized irq flag as arg#%d", n)
		}
		if err := w.reserve(num, slotSize); err != nil {
			return err
		}
		id := w.newID()
		w.cur.refs = append(w.cur.refs, ref{kind: refIRQ, id: id, insn: w.pc})
		w.put(f, spi, kindIRQ, &reg{typ: irqFlag, ref: id})
		return nil
	}
	if !ok || !f.holds(spi, 1, kindIRQ) {
		return w.refuse(einval, "irq-uninitialized", "expected an initialized irq flag as arg#%d", n)
	}
	if endOfStack(r) {
		return unsupported("interrupt flags at the end of the stack")
	}
	w.markObject(f, spi, 1)
	id := f.stack[spi].spill.ref
	if last := w.cur.irq(); last != id {
		at := 0
		for i := range w.cur.refs {
			if l := &w.cur.refs[i]; l.kind == refIRQ && l.id == last {
				at = l.insn
			}
		}
		return w.refuse(eacces, "irq-order", "cannot restore irq state out of order, expected id=%d acquired at insn_idx=%d", last, at)
	}
	for i := range w.cur.refs {
		if w.cur.refs[i].kind == refIRQ && w.cur.refs[i].id == id {
			w.cur.refs = append(w.cur.refs[:i], w.cur.refs[i+1:]...)
			break
		}
	}
	w.empty(f, spi)
	return nil
}
