package verifier

import (
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/verifier/domain"
	"github.com/skepbpf/skep/verifier/internal/prepare"
)

// This file implements the stack: spills and fills of registers, plain bytes, and offsets that are not known.

// stackAccess checks that size bytes at a stack pointer lie in its frame, which grows to hold them.
func (w *walk) stackAccess(n isa.Reg, r *reg, off int, size int64, write, indirect bool) error {
	what := " read from"
	if write {
		what = " write to"
	}
	if indirect && w.k.Version < linux.V(6, 18) {
		what = " indirect access to"
	}
	f := w.cur.frames[r.frame]
	var lo, hi int64
	if r.num.IsConst() {
		lo = int64(r.num.Bits.Value) + int64(off)
		hi = lo + size
	} else {
		const far = 1 << 29
		if r.num.SMax >= far || r.num.SMin <= -far {
			return w.refuse(eacces, "stack-unbounded", "invalid unbounded variable-offset%s stack R%d", what, n)
		}
		lo, hi = r.num.SMin+int64(off), r.num.SMax+int64(off)+size
	}
	errno := 0
	switch {
	case lo < -stackSize || lo > -1:
		errno = eacces
	case hi > 0:
		errno = einval
	case size < 0:
		errno = efault
	}
	if errno != 0 {
		if r.num.IsConst() {
			return w.refuse(errno, "stack-range", "invalid%s stack R%d off=%d size=%d", what, n, lo, size)
		}
		return w.refuse(errno, "stack-range", "invalid variable-offset%s stack R%d var_off=%s off=%d size=%d", what, n,
			bitsText(r.num.Bits), off, size)
	}
	if write || !w.strictStack {
		w.pool.grow(f, int(-lo))
	}
	s := &w.subs[f.subprog]
	depth := int(-lo)
	if w.k.Version >= wholeSlots {
		depth = (depth + slotSize - 1) / slotSize * slotSize
	}
	s.depth = max(s.depth, depth)
	return nil
}

// touchFastcall notes an access to slots that hold registers saved around a call, from elsewhere: then they count as stack.
func (w *walk) touchFastcall(f *frame, off int) {
	s := &w.subs[f.subprog]
	if s.fastcall && off < int(w.in.Subprogs[f.subprog].FastcallOff) && w.in.Flags[w.pc]&prepare.FastcallSlot == 0 {
		s.fastcall = false
	}
}

// spill stores a register, or an immediate, at a stack pointer.
func (w *walk) writeStack(n isa.Reg, r *reg, off int, size int, v isa.Reg, hasReg bool, imm *isa.Insn) error {
	f := w.cur.frames[r.frame]
	if !r.num.IsConst() {
		return w.writeStackVar(r, f, off, size, v, hasReg, imm)
	}
	return w.writeStackFixed(f, off+int(int64(r.num.Bits.Value)), size, v, hasReg, imm)
}

func (w *walk) writeStackFixed(f *frame, off, size int, v isa.Reg, hasReg bool, imm *isa.Insn) error {
	top := -off - 1 // index of the lowest byte, counted down from the frame's top
	spi := top / slotSize
	s := &f.stack[spi]
	w.touchFastcall(f, off)
	if err := w.overwrite(f, spi); err != nil {
		return err
	}
	w.log.scratchSlot(spi)
	var r *reg
	if hasReg {
		r = w.cur.reg(v)
	}
	whole := off%slotSize == 0
	if whole && size == slotSize {
		w.markWrite(f.no, 1<<spi)
	}
	switch {
	case r != nil && whole && r.typ == scalar && w.keepsScalar(r):
		fits := r.width() <= 8*size
		if fits && w.spillIDs {
			w.giveID(r)
		}
		s.save(r, size)
		if !fits {
			s.spill.id = 0
		}
	case r == nil && whole && imm != nil && !(w.oldSpills && imm.Imm == 0):
		k := constReg(uint64(int64(imm.Imm)))
		s.save(&k, size)
	case r != nil && r.spillable():
		if size != slotSize {
			return w.refuse(eacces, "spill-size", "invalid size of register spill")
		}
		if f != w.cur.top() && r.typ == ptrStack {
			return w.refuse(einval, "spill-frame", "cannot spill pointers to stack into stack frame of the caller")
		}
		s.save(r, size)
	default:
		s.spill.typ = notInit
		if s.isSpill() {
			s.scrub()
		}
		k := kindMisc
		if r != nil && r.isNull() || r == nil && imm != nil && imm.Imm == 0 {
			if r != nil {
				if err := w.mark(v); err != nil {
					return err
				}
			}
			k = kindZero
		}
		for b := 0; b < size; b++ {
			s.kind[(top-b)%slotSize] = k
		}
		return nil
	}
	w.noteStack(f.no, spi)
	return nil
}

// keepsScalar tells that a scalar that is stored is kept as it is, and not as plain bytes: older kernels keep no zero, and
// nothing of which they know nothing.
func (w *walk) keepsScalar(r *reg) bool {
	return !w.oldSpills || !r.isNull() && r.num != domain.Unknown()
}

// save makes the slot hold a register in its low size bytes.
func (s *slot) save(r *reg, size int) {
	s.spill = *r
	for i := range s.kind {
		switch {
		case i >= slotSize-size:
			s.kind[i] = kindSpill
		case s.kind[i] != kindZero && s.kind[i] != kindInvalid:
			s.kind[i] = kindMisc
		}
	}
}

// spillable tells that a pointer keeps its meaning on the stack.
func (r *reg) spillable() bool { return r.typ > scalar && r.typ != tpBuffer && r.typ != dynptrPtr }

// writeStackVar stores at an offset that is not known: any slot in reach may have changed.
func (w *walk) writeStackVar(p *reg, f *frame, off, size int, v isa.Reg, hasReg bool, imm *isa.Insn) error {
	lo, hi := int(p.num.SMin)+off, int(p.num.SMax)+off+size
	zero := hasReg && w.cur.reg(v).isNull() || !hasReg && imm != nil && imm.Imm == 0 && !w.oldSpills
	w.touchFastcall(f, lo)
	used := false
	for at := lo; at < hi; at++ {
		spi := (-at - 1) / slotSize
		if err := w.overwrite(f, spi); err != nil {
			return err
		}
		s := &f.stack[spi]
		k := &s.kind[(-at-1)%slotSize]
		w.log.scratchSlot(spi)
		if zero && *k == kindSpill && s.isScalarSpill() && s.spill.isNull() {
			used = true
			continue
		}
		s.spill.typ = notInit
		if s.isSpill() {
			s.scrub()
		}
		if zero && *k == kindZero {
			used = true
			continue
		}
		*k = kindMisc
	}
	if used && hasReg {
		return w.mark(v)
	}
	return nil
}

// readStack loads from the stack into a register, or, without one, only looks whether that may be done.
func (w *walk) readStack(n isa.Reg, r *reg, off, size int, dst isa.Reg, hasDst bool) error {
	f := w.cur.frames[r.frame]
	if r.num.IsConst() {
		return w.readStackFixed(n, f, off+int(int64(r.num.Bits.Value)), size, dst, hasDst)
	}
	if !hasDst {
		return w.refuse(eacces, "stack-variable",
			"variable offset stack pointer cannot be passed into helper function; var_off=%s off=%d size=%d", bitsText(r.num.Bits), off, size)
	}
	lo, hi := int(r.num.SMin)+off, int(r.num.SMax)+off
	if w.strictStack && (-lo-1)/slotSize >= len(f.stack) {
		return w.refuse(eacces, "stack-read", "invalid variable-offset read from stack R%d var_off=%s size=%d", n, bitsText(r.num.Bits), size)
	}
	if err := w.stackInitialised(n, r, off, int64(size), false, false, nil); err != nil {
		return err
	}
	w.readBytes(f, lo, hi+size, dst)
	w.touchFastcall(f, lo)
	return nil
}

func (w *walk) readStackFixed(n isa.Reg, f *frame, off, size int, dst isa.Reg, hasDst bool) error {
	top := -off - 1
	spi := top / slotSize
	if spi >= len(f.stack) {
		return w.refuse(eacces, "stack-read", "invalid read from stack R%d off=%d size=%d", n, off, size)
	}
	s := &f.stack[spi]
	w.log.scratchSlot(spi)
	w.touchFastcall(f, off)
	w.markRead(f.no, 1<<spi)
	if !s.isSpill() {
		for b := 0; b < size; b++ {
			if k := s.kind[(top-b)%slotSize]; k == kindSpill || k >= kindDynptr {
				return w.refuse(eacces, "stack-read", "invalid read from stack off %d+%d size %d", off, b, size)
			}
		}
		if hasDst {
			w.readBytes(f, off, off+size, dst)
		}
		return nil
	}
	r := &s.spill
	width := 1
	for width < slotSize && s.kind[slotSize-1-width] == kindSpill {
		width++
	}
	if size == slotSize && width == slotSize {
		if hasDst {
			*w.cur.reg(dst) = *r
		}
		w.noteStack(f.no, spi)
		return nil
	}
	if r.typ != scalar {
		return w.refuse(eacces, "fill-size", "invalid size of register fill")
	}
	if !hasDst {
		return nil
	}
	d := w.cur.reg(dst)
	if (size == width || size < width && !w.oldSpills) && off%slotSize == 0 {
		if size == 4 && width == 4 && r.width() <= 32 && w.spillIDs {
			w.giveID(r)
		}
		wide := r.width() > 8*size
		*d = *r
		if wide {
			d.id = 0
		}
		w.noteStack(f.no, spi)
		return nil
	}
	if w.oldSpills {
		d.setUnknown()
		return nil
	}
	spills, zeros := 0, 0
	for b := 0; b < size; b++ {
		switch s.kind[(top-b)%slotSize] {
		case kindSpill:
			spills++
		case kindZero:
			zeros++
		}
	}
	switch {
	case spills == size && r.isConst() && r.val() == 0:
		d.setConst(0)
		w.noteStack(f.no, spi)
	case zeros == size:
		d.setConst(0)
	default:
		d.setUnknown()
	}
	return nil
}

// readBytes makes dst what plain bytes hold: zero if all are, else any number.
func (w *walk) readBytes(f *frame, lo, hi int, dst isa.Reg) {
	d := w.cur.reg(dst)
	for at := lo; at < hi; at++ {
		spi := (-at - 1) / slotSize
		w.log.scratchSlot(spi)
		if f.stack[spi].kind[(-at-1)%slotSize] != kindZero {
			d.setUnknown()
			return
		}
	}
	d.setConst(0)
	d.precise = w.oldSpills
}

// indirect is what older kernels say of accesses by helpers.
func (w *walk) indirect() string {
	if w.k.Version < linux.V(6, 18) {
		return " indirect"
	}
	return ""
}

// A rawMem is memory that a helper will write without looking at it: noted, and written after the call.
type rawMem struct {
	raw  bool // the argument is such memory
	reg  isa.Reg
	size int64 // -1: none
}

// stackInitialised checks that a helper may read, or with write also write, size bytes at a stack pointer.
func (w *walk) stackInitialised(n isa.Reg, r *reg, off int, size int64, zeroOK, write bool, raw *rawMem) error {
	if size == 0 && !zeroOK {
		return w.refuse(eacces, "zero-size", "invalid zero-sized read")
	}
	f := w.cur.frames[r.frame]
	had := len(f.stack)
	if err := w.stackAccess(n, r, off, size, write, true); err != nil {
		return err
	}
	var lo, hi int
	if r.num.IsConst() {
		lo = int(int64(r.num.Bits.Value)) + off
		hi = lo
	} else {
		raw = nil // which bytes are written is not known
		lo, hi = int(r.num.SMin)+off, int(r.num.SMax)+off
	}
	if raw != nil && raw.raw {
		for at := lo; at < lo+int(size); at++ {
			if f.stack[(-at-1)/slotSize].kind[0] == kindDynptr {
				return w.refuse(eacces, "dynptr-helper-write", "potential write to dynptr at off=%d disallowed", at)
			}
		}
		raw.reg, raw.size = n, size
		return nil
	}
	if w.strictStack && hi+int(size) > lo && (-lo-1)/slotSize >= had {
		if r.num.IsConst() {
			return w.refuse(eacces, "stack-read", "invalid indirect read from stack R%d off %d+0 size %d", n, lo, size)
		}
		return w.refuse(eacces, "stack-read", "invalid indirect read from stack R%d var_off %s+0 size %d", n, bitsText(r.num.Bits), size)
	}
	write = write || w.k.Version < helperReads
	for at := lo; at < hi+int(size); at++ {
		spi := (-at - 1) / slotSize
		s := &f.stack[spi]
		k := &s.kind[(-at-1)%slotSize]
		switch {
		case *k == kindMisc:
		case *k == kindZero || *k == kindInvalid:
			if write {
				*k = kindMisc
			}
		case s.isSpill():
			if write {
				s.spill.setUnknown()
				s.scrub()
			}
		default:
			if r.num.IsConst() {
				return w.refuse(eacces, "stack-read", "invalid%s read from stack R%d off %d+%d size %d", w.indirect(), n, lo, at-lo, size)
			}
			return w.refuse(eacces, "stack-read", "invalid%s read from stack R%d var_off %s+%d size %d", w.indirect(), n, bitsText(r.num.Bits), at-lo, size)
		}
		w.markRead(f.no, 1<<spi)
	}
	w.touchFastcall(f, lo)
	return nil
}
