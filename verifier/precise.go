package verifier

import (
	"fmt"
	"math/bits"
	"strconv"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/verifier/internal/prepare"
)

// This file finds out where a number came from. Scalars are compared loosely when states are, until the exact range
// of one has mattered: for an access, a branch that was decided, a size. Then the path is walked back from there, and in
// each checkpoint on it the registers and slots that the number was made of are marked.

// linkedRegs are registers and slots that shared an id when one of them was compared.
type linkedRegs struct {
	n int8
	r [6]linkedReg

	unsynced bool // what is learnt is not brought together before it is used
}

type linkedReg struct {
	frame uint8
	slot  uint8 // or register
	isReg bool
}

// A backtrack is the set of registers and slots being traced, by frame.
type backtrack struct {
	frame int
	bug   string // what Linux says of an invalid trace
	regs  [8]uint16
	slots [8]uint64
}

func (b *backtrack) reset(frame int) { *b = backtrack{frame: frame} }

func (b *backtrack) empty() bool {
	for f := 0; f <= b.frame; f++ {
		if b.regs[f] != 0 || b.slots[f] != 0 {
			return false
		}
	}
	return true
}

func (b *backtrack) has(r isa.Reg) bool    { return b.regs[b.frame]>>r&1 != 0 }
func (b *backtrack) set(r isa.Reg)         { b.regs[b.frame] |= 1 << r }
func (b *backtrack) clear(r isa.Reg)       { b.regs[b.frame] &^= 1 << r }
func (b *backtrack) hasSlot(f, s int) bool { return b.slots[f]>>s&1 != 0 }

// A trace is how an instruction was walked back.
type trace uint8

const (
	traced  trace = iota
	lost          // it cannot be told where the values came from
	invalid       // the walk has contradicted itself
)

// mark marks what a scalar in a register of the present frame was made of.
func (w *walk) mark(r isa.Reg) error {
	w.bt.reset(len(w.cur.frames) - 1)
	w.bt.set(r)
	_, err := w.walkBack(w.cur)
	return err
}

// propagate marks on the path to cur what matters in old, which includes it.
func (w *walk) propagate(old, cur *state) (changed bool, err error) {
	w.bt.reset(len(old.frames) - 1)
	for n := len(old.frames) - 1; n >= 0; n-- {
		f := old.frames[n]
		var regs uint16
		var slots uint64
		for i := range f.regs {
			if r := &f.regs[i]; r.typ == scalar && r.precise {
				regs |= 1 << i
			}
		}
		for i := range f.stack {
			if s := &f.stack[i]; s.isScalarSpill() && s.spill.precise {
				slots |= 1 << i
			}
		}
		w.bt.regs[n], w.bt.slots[n] = regs, slots
		if w.log.states() && (regs != 0 || slots != 0) {
			w.logPropagation(n, regs, slots)
		}
	}
	return w.walkBack(cur)
}

func (w *walk) logPropagation(frame int, regs uint16, slots uint64) {
	b := append(w.log.b, "frame "...)
	b = strconv.AppendInt(b, int64(frame), 10)
	b = append(b, ": propagating "...)
	b = regList(b, regs)
	for first := regs == 0; slots != 0; first = false {
		i := bits.TrailingZeros64(slots)
		slots &= slots - 1
		if !first {
			b = append(b, ',')
		}
		b = append(b, "fp"...)
		b = strconv.AppendInt(b, int64(-slotSize*(i+1)), 10)
	}
	w.log.b = append(b, '\n')
}

// walkBack walks the path that led to s back until all that is traced has been found, marking it in the
// checkpoints on the way. It tells that a mark is new.
func (w *walk) walkBack(s *state) (changed bool, err error) {
	bt := &w.bt
	if bt.empty() {
		return false, nil
	}
	start := s
	skip := true // the present instruction has not been executed
	after := -1
	last, first := s.insn, s.firstInsn
	for {
		if w.log.states() {
			w.log.b = appendHead(w.log.b, bt.frame, last, first, after)
		}
		if last < 0 {
			return w.atEntry(s, changed)
		}
		history := len(s.history)
		for i := last; ; {
			t := traced
			if skip {
				skip = false
			} else {
				var h *step
				if history > 0 && int(s.history[history-1].insn) == i {
					h = &s.history[history-1]
				}
				t = w.back(i, after, h)
			}
			if t == lost {
				w.allPrecise(start)
				return true, nil
			}
			if t == invalid {
				if bt.bug != "" {
					return false, w.refuse(efault, "backtracking", "verifier bug: %s", bt.bug)
				}
				return false, unsupported("backtracking of instruction %d", i)
			}
			if bt.empty() {
				return changed, nil
			}
			after = i
			if i == s.firstInsn && (history == 0 || history == 1 && int(s.history[0].insn) == i) {
				break
			}
			if history > 0 && int(s.history[history-1].insn) == i {
				i = int(s.history[history-1].prev)
				history--
			} else {
				i--
			}
			if i < 0 || i >= len(w.insns) {
				return false, unsupported("backtracking to instruction %d", i)
			}
		}
		if s = s.parent; s == nil {
			break
		}
		if w.markParent(s) {
			changed = true
		}
		if bt.empty() {
			return changed, nil
		}
		after = first
		last, first = s.lastInsn, s.firstInsn
	}
	w.allPrecise(start)
	return true, nil
}

func appendHead(b []byte, frame, last, first, after int) []byte {
	b = append(b, "mark_precise: frame"...)
	b = strconv.AppendInt(b, int64(frame), 10)
	b = append(b, ": last_idx "...)
	b = strconv.AppendInt(b, int64(last), 10)
	b = append(b, " first_idx "...)
	b = strconv.AppendInt(b, int64(first), 10)
	b = append(b, " subseq_idx "...)
	b = strconv.AppendInt(b, int64(after), 10)
	return append(b, " \n"...)
}

// markParent marks what is traced in a checkpoint; what has been marked before need not be traced on.
func (w *walk) markParent(s *state) (changed bool) {
	bt := &w.bt
	for n := bt.frame; n >= 0; n-- {
		f := s.frames[n]
		for set := bt.regs[n]; set != 0; set &= set - 1 {
			i := bits.TrailingZeros16(set)
			r := &f.regs[i]
			if r.typ != scalar || r.precise {
				bt.regs[n] &^= 1 << i
				continue
			}
			r.precise = true
			changed = true
		}
		for set := bt.slots[n]; set != 0; set &= set - 1 {
			i := bits.TrailingZeros64(set)
			if i >= len(f.stack) || !f.stack[i].isScalarSpill() || f.stack[i].spill.precise {
				bt.slots[n] &^= 1 << i
				continue
			}
			f.stack[i].spill.precise = true
			changed = true
		}
		if w.log.states() {
			b := append(w.log.b, "mark_precise: frame"...)
			b = strconv.AppendInt(b, int64(n), 10)
			b = append(b, ": parent state regs="...)
			b = regList(b, bt.regs[n])
			b = append(b, " stack="...)
			b = slotList(b, bt.slots[n])
			b = append(b, ": "...)
			w.log.b = append(w.log.appendState(b, s, n, true), '\n')
		}
	}
	return changed
}

// atEntry ends at the start of a function that is verified on its own: its arguments may be anything anyhow.
func (w *walk) atEntry(s *state, changed bool) (bool, error) {
	bt := &w.bt
	f := s.frames[0]
	if len(s.frames) != 1 || f.subprog == 0 || f.callsite != -1 || bt.slots[0] != 0 || bt.regs[0]&^argRegs != 0 {
		return false, unsupported("backtracking past the start of a function")
	}
	for set := bt.regs[0]; set != 0; set &= set - 1 {
		if r := &f.regs[bits.TrailingZeros16(set)]; r.typ == scalar {
			r.precise = true
			changed = true
		}
	}
	return changed, nil
}

// allPrecise marks every scalar in the checkpoints on the path to s.
func (w *walk) allPrecise(s *state) {
	if w.log.states() {
		w.log.line("mark_precise: frame" + strconv.Itoa(len(s.frames)-1) + ": falling back to forcing all scalars precise")
	}
	for s = s.parent; s != nil; s = s.parent {
		for _, f := range s.frames {
			for i := range f.regs[:isa.R10] {
				if r := &f.regs[i]; r.typ == scalar {
					r.precise = true
				}
			}
			for i := range f.stack {
				if f.stack[i].isScalarSpill() {
					f.stack[i].spill.precise = true
				}
			}
		}
	}
}

// linkedBack traces all registers that shared an id if one of them is traced.
func (b *backtrack) linkedBack(h *step) {
	if h == nil || h.linked.n == 0 {
		return
	}
	any := false
	l := h.linked.r[:h.linked.n]
	for _, r := range l {
		if r.isReg && b.regs[r.frame]>>r.slot&1 != 0 || !r.isReg && b.slots[r.frame]>>r.slot&1 != 0 {
			any = true
		}
	}
	if !any {
		return
	}
	for _, r := range l {
		if r.isReg {
			b.regs[r.frame] |= 1 << r.slot
		} else {
			b.slots[r.frame] |= 1 << r.slot
		}
	}
}

const argRegs = uint16(1<<isa.R1 | 1<<isa.R2 | 1<<isa.R3 | 1<<isa.R4 | 1<<isa.R5)

// back walks one instruction back. after is the one executed after it, h its entry in the history.
func (w *walk) back(pc, after int, h *step) trace {
	i := &w.insns[pc]
	bt := &w.bt
	if i.Op == isa.LdImm64Hi {
		return traced
	}
	if w.log.states() {
		b := append(w.log.b, "mark_precise: frame"...)
		b = strconv.AppendInt(b, int64(bt.frame), 10)
		b = append(b, ": regs="...)
		b = regList(b, bt.regs[bt.frame])
		b = append(b, " stack="...)
		b = slotList(b, bt.slots[bt.frame])
		b = append(b, " before "...)
		b = strconv.AppendInt(b, int64(pc), 10)
		b = append(b, ": "...)
		w.log.b = append(w.log.names.AppendLog(b, w.insns, pc), '\n')
	}
	// If one register of several with the same id was compared, its range went to all of them.
	bt.linkedBack(h)
	t := w.backInsn(i, pc, after, h)
	if t == traced {
		bt.linkedBack(h)
	}
	return t
}

func (w *walk) backInsn(i *isa.Insn, pc, after int, h *step) trace {
	bt := &w.bt
	switch op := i.Op; {
	case op.IsALU():
		if !bt.has(i.Dst) {
			return traced
		}
		switch op {
		case isa.ToLE, isa.ToBE, isa.Bswap, isa.Neg:
		case isa.Mov, isa.MovSX, isa.AddrSpaceCast:
			bt.clear(i.Dst)
			if (i.SrcReg || op != isa.Mov) && i.Src != isa.R10 {
				bt.set(i.Src)
			}
		default:
			if i.SrcReg && i.Src != isa.R10 {
				bt.set(i.Src)
			}
		}
	case op == isa.Load || op == isa.LoadSX || op == isa.LoadAcq:
		if !bt.has(i.Dst) {
			return traced
		}
		bt.clear(i.Dst)
		// A load from the stack is a fill: the slot is traced on. What comes from elsewhere (packets, maps) is not.
		if h != nil && h.stack {
			bt.slots[h.frame] |= 1 << h.slot
		}
	case op == isa.Store || op == isa.StoreImm || op == isa.StoreRel:
		return w.backStore(i, h)
	case op.IsAtomic():
		return w.backAtomic(i, h)
	case op.IsCond():
		// What a register was compared with matters as much as it does.
		if i.SrcReg && (bt.has(i.Dst) || bt.has(i.Src)) {
			if h == nil || !h.srcStack {
				bt.set(i.Src)
			}
			if h == nil || !h.dstStack {
				bt.set(i.Dst)
			}
		}
	case op == isa.LdImm64:
		bt.clear(i.Dst)
	case op == isa.LdAbs || op == isa.LdInd:
		if bt.has(isa.R0) {
			return lost
		}
	case op == isa.CallSub:
		return w.backCall(i, pc, after)
	case op == isa.Call || op == isa.CallKfn:
		return w.backHelper(pc, after)
	case op == isa.Exit:
		return w.backExit(after)
	}
	return traced
}

// backStore: if the slot that was spilled to is traced, the register that was stored is traced on.
func (w *walk) backStore(i *isa.Insn, h *step) trace {
	bt := &w.bt
	if bt.has(i.Dst) {
		return lost // a pointer that is traced was a scalar
	}
	if h == nil || !h.stack || !bt.hasSlot(int(h.frame), int(h.slot)) {
		return traced
	}
	bt.slots[h.frame] &^= 1 << h.slot
	if i.Op != isa.StoreImm && !i.Op.IsAtomic() || i.Op == isa.StoreRel {
		bt.set(i.Src)
	}
	return traced
}

// backAtomic: Linux 6.18 takes an atomic operation for a store alone. What it fetched is traced on in the register
// itself, as if it had been there before. The slot that it came from is traced too, as it should be.
func (w *walk) backAtomic(i *isa.Insn, h *step) trace {
	fetched := i.Src
	switch i.Op {
	case isa.CmpXchg:
		fetched = isa.R0
	case isa.AtomicAdd, isa.AtomicOr, isa.AtomicAnd, isa.AtomicXor:
		return w.backStore(i, h)
	}
	had := w.bt.has(fetched)
	t := w.backStore(i, h)
	if had && t == traced && h != nil && h.stack {
		w.bt.slots[h.frame] |= 1 << h.slot
	}
	return t
}

// backCall walks back over a call of a global function, which was not entered, or out of the callee to its caller.
func (w *walk) backCall(i *isa.Insn, pc, after int) trace {
	bt := &w.bt
	if w.in.Subprogs[w.in.SubOf[i.Target(pc)]].Global {
		return w.backOver()
	}
	passed := bt.regs[bt.frame]
	if passed&^argRegs != 0 {
		// A function that an LD_ABS has ended is not entered on the way back, so that registers of its caller are left.
		bt.bug = fmt.Sprintf("static subprog unexpected regs %x", passed)
		return invalid
	}
	if t := w.backOut(); t != traced {
		return t
	}
	bt.regs[bt.frame] |= passed // R1 to R5 are as the caller had them
	return traced
}

// backHelper walks back over a call of a helper, or out of a callback that it called.
func (w *walk) backHelper(pc, after int) trace {
	if w.insns[pc].Op == isa.Call && w.insns[pc].Imm == linux.HelperTailCall && pc != after-1 {
		w.bt.clear(isa.R0) // the function ended here, and returned any number
		return w.backExit(after)
	}
	if w.in.Flags[pc]&prepare.CallsCallback != 0 && pc != after-1 {
		return w.backOut() // the callback's arguments are the helper's making
	}
	return w.backOver()
}

// backOver walks back over a call that was not entered: R0 is its result, R1 to R5 do not survive it.
func (w *walk) backOver() trace {
	w.bt.clear(isa.R0)
	if w.bt.regs[w.bt.frame]&argRegs != 0 {
		return invalid
	}
	return traced
}

// backOut leaves a function at its start. All but its arguments must have been found in it.
func (w *walk) backOut() trace {
	bt := &w.bt
	if bt.frame == 0 || bt.regs[bt.frame]&^argRegs != 0 || bt.slots[bt.frame] != 0 {
		return invalid
	}
	bt.regs[bt.frame] = 0
	bt.frame--
	return traced
}

// backExit walks back from a caller into the callee, or the callback, that has just returned to it.
func (w *walk) backExit(after int) trace {
	bt := &w.bt
	if after >= 0 && w.in.Flags[after]&prepare.CallsCallback != 0 {
		bt.regs[bt.frame] &^= argRegs // they are for the helper, whose call comes next
	}
	if bt.regs[bt.frame]&argRegs != 0 || bt.frame+1 >= len(bt.regs) {
		return invalid
	}
	result := after >= 1 && w.insns[after-1].Op == isa.CallSub && bt.has(isa.R0)
	bt.clear(isa.R0)
	bt.frame++
	if result {
		bt.set(isa.R0)
	}
	return traced
}
