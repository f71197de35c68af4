package verifier

import (
	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
)

// This file implements dynptrs: a pointer and its size in two slots of the stack, which the program hands to helpers
// and kernel functions. What it gets from one, a slice, may die with it.

const dynptrSlots = 2

// dynptrUninit checks the place of a dynptr that a call will make there.
func (w *walk) dynptrUninit(n isa.Reg, r *reg, bad string) error {
	f, spi, ok := w.slotsAt(r, dynptrSlots, "dynptr")
	if ok && r.typ == ptrStack && w.k.Version < dynptrReuse {
		for i := spi - 1; i <= spi; i++ {
			ok = ok && (i >= len(f.stack) || f.stack[i].kind[0] != kindDynptr)
		}
	}
	if r.typ != ptrStack || !ok {
		return w.refuse(einval, "dynptr-initialized", "%s", bad)
	}
	return w.reserve(n, dynptrSlots*slotSize)
}

// makeDynptr puts a dynptr where the register points; ref is the reference that it holds, 0 if none.
func (w *walk) makeDynptr(r *reg, kind form, acquire bool, parent uint32) error {
	f, spi, ok := w.slotsAt(r, dynptrSlots, "dynptr")
	if !ok {
		return w.refuse(einval, "dynptr-initialized", "Dynptr has to be an uninitialized dynptr")
	}
	for i := range dynptrSlots {
		if err := w.overwrite(f, spi-i); err != nil {
			return err
		}
	}
	d := reg{typ: dynptrPtr, form: kind, id: w.newID(), ref: parent}
	if acquire {
		d.ref = w.newID()
		w.cur.refs = append(w.cur.refs, ref{kind: refPtr, id: d.ref, insn: w.pc})
	}
	for i := range dynptrSlots {
		d.first = i == 0
		w.put(f, spi-i, kindDynptr, &d)
	}
	return nil
}

// dynptrAt finds the dynptr that an argument points to; nil if there is none.
func (w *walk) dynptrAt(r *reg) *reg {
	if r.typ == dynptrPtr {
		return r
	}
	f, spi, ok := w.slotsAt(r, dynptrSlots, "dynptr")
	if !ok || !f.holds(spi, dynptrSlots, kindDynptr) || !f.stack[spi].spill.first || f.stack[spi-1].spill.first {
		return nil
	}
	return &f.stack[spi].spill
}

// readDynptr is dynptrAt for a call that looks at it.
func (w *walk) readDynptr(n int, r *reg) (*reg, error) {
	d := w.dynptrAt(r)
	if d == nil {
		return nil, w.refuse(einval, "dynptr-uninitialized", "Expected an initialized dynptr as arg #%d", n)
	}
	if r.typ == ptrStack {
		f, spi, _ := w.slotsAt(r, dynptrSlots, "dynptr")
		w.markObject(f, spi, dynptrSlots)
	}
	return d, nil
}

// overwriteDynptr ends a dynptr, a slot of which is being written to. Slices from it are lost.
func (w *walk) overwriteDynptr(f *frame, spi int) error {
	top := spi
	if !f.stack[spi].spill.first {
		top = spi + 1
	}
	if f.stack[top].spill.ref != 0 {
		return w.refuse(einval, "dynptr-overwrite", "cannot overwrite referenced dynptr")
	}
	id := f.stack[top].spill.id
	w.empty(f, top)
	w.empty(f, top-1)
	w.cur.each(func(r *reg) {
		if r.typ == mem && r.dyn == id {
			r.setUnknown()
		}
	})
	return nil
}

// eachDynptr calls fn for all dynptrs on the stack.
func (w *walk) eachDynptr(fn func(f *frame, spi int, d *reg)) {
	for _, f := range w.cur.frames {
		for i := range f.stack {
			if s := &f.stack[i]; s.kind[0] == kindDynptr && s.spill.first {
				fn(f, i, &s.spill)
			}
		}
	}
}

// dropDynptrs ends all dynptrs that share a reference which was released.
func (w *walk) dropDynptrs(id uint32) {
	w.eachDynptr(func(f *frame, spi int, d *reg) {
		if d.ref != id {
			return
		}
		own := d.id
		w.empty(f, spi)
		w.empty(f, spi-1)
		w.cur.each(func(r *reg) {
			if r.typ == mem && r.dyn == own {
				r.setUnknown()
			}
		})
	})
}

// dynptrArg checks an argument of a helper that is a dynptr.
func (w *walk) dynptrArg(n int, num isa.Reg, r *reg, a *helpers.Arg, c *call) error {
	if r.typ != ptrStack && r.typ != dynptrPtr {
		return w.refuse(einval, "dynptr-type", "arg#%d expected pointer to stack or const struct bpf_dynptr", n)
	}
	if a.Flags&helpers.Uninit != 0 {
		c.dynptr = num
		return w.dynptrUninit(num, r, "Dynptr has to be an uninitialized dynptr")
	}
	if r.typ == dynptrPtr && a.Flags&helpers.RdOnly == 0 {
		return w.refuse(einval, "dynptr-const", "cannot pass pointer to const bpf_dynptr, the helper mutates it")
	}
	d, err := w.readDynptr(n, r)
	if err != nil {
		return err
	}
	c.dyn, c.dynForm, c.dynRef = d.id, d.form, d.ref
	return nil
}

// dynptrHeld tells that a slot that the register points to is of a dynptr that holds a reference.
func (w *walk) dynptrHeld(r *reg) bool {
	f, spi, ok := w.slotsAt(r, dynptrSlots, "dynptr")
	return ok && spi < len(f.stack) && f.stack[spi].kind[0] == kindDynptr && f.stack[spi].spill.ref != 0
}

// kfuncDynptr checks an argument of a kernel function that is a dynptr, or makes it.
func (w *walk) kfuncDynptr(n int, num isa.Reg, r *reg, p *kfuncParam, c *call) error {
	if r.typ != ptrStack && r.typ != dynptrPtr {
		return w.refuse(einval, "dynptr-type", "arg#%d expected pointer to stack or const struct bpf_dynptr", n)
	}
	if p.uninit {
		if err := w.dynptrUninit(num, r, "Dynptr has to be an uninitialized dynptr"); err != nil {
			return err
		}
		kind, parent := dynptrNone, uint32(0)
		switch c.kf.name {
		case "bpf_dynptr_from_skb":
			kind = dynptrSkb
		case "bpf_dynptr_from_xdp":
			kind = dynptrXDP
		case "bpf_dynptr_from_skb_meta":
			kind = dynptrSkbMeta
		case "bpf_dynptr_clone":
			kind, parent = c.dynForm, c.dynRef
		default:
			return unsupported("kernel function %s", c.kf.name)
		}
		return w.makeDynptr(r, kind, false, parent)
	}
	d, err := w.readDynptr(n, r)
	if err != nil {
		return err
	}
	c.dyn, c.dynForm, c.dynRef = d.id, d.form, d.ref
	return nil
}

// ofPacket tells that slices of a dynptr lie in the packet, and die when it moves.
func (f form) ofPacket() bool { return f == dynptrSkb || f == dynptrXDP || f == dynptrSkbMeta }

// dynptrHelper makes the dynptr that a helper returns.
func (w *walk) dynptrHelper(c *call) error {
	kind := dynptrLocal
	if c.id == linux.HelperRingBufReserveDynptr {
		kind = dynptrRingbuf
	} else if r := w.cur.reg(isa.R1); r.typ != mapValue {
		return w.refuse(eacces, "dynptr-memory", "Unsupported reg type %s for bpf_dynptr_from_mem data", r.typeName())
	}
	return w.makeDynptr(w.cur.reg(c.dynptr), kind, kind == dynptrRingbuf, 0)
}

// releaseDynptr ends a dynptr that is given back, and all its clones.
func (w *walk) releaseDynptr(c *call) error {
	id := c.dynRef
	w.cur.dropRef(id)
	w.dropDynptrs(id)
	w.forget(id)
	return nil
}
