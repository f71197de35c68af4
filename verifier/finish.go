package verifier

import (
	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
)

// This file implements what is checked at the end: of a path, the value returned; of the walk, the stack.

// checkReturn checks R0 at the end of a function that was not called.
func (w *walk) checkReturn() error { return w.checkReturnOf(isa.R0) }

// checkReturnOf is checkReturn of another register, which bpf_throw returns.
func (w *walk) checkReturnOf(n isa.Reg) error {
	f := w.cur.frames[0]
	ret := w.prog.Returns(w.k)
	own := (w.entry == 0 || w.in.Subprogs[w.entry].IsException) && !f.async // the program itself
	if own && ret.Kind == linux.ReturnTarget {
		r, free, err := w.targetReturn()
		if err != nil || free {
			return err
		}
		ret = r
	}
	if err := w.readReg(n); err != nil {
		return err
	}
	r0 := w.cur.reg(n)
	s := span{int64(ret.Min), int64(ret.Max)}
	when := "At program exit"
	switch {
	case f.async:
		when, s = "At async callback return", f.ret
	case !own:
		if r0.typ != scalar {
			return w.refuse(einval, "subprogram-return", "At subprogram exit the register R%d is not a scalar value (%s)", n, r0.typeName())
		}
		return nil
	case ret.Kind == linux.ReturnAny:
		return nil
	}
	if r0.typ != scalar {
		return w.refuse(einval, "return-type", "%s the register R%d is not a known value (%s)", when, n, r0.typeName())
	}
	if err := w.mark(n); err != nil {
		return err
	}
	if !s.contains(r0, own && w.prog.Type == linux.ProgTypeLSM) {
		return w.badReturn(r0, s, when, at("R%d", n), "return-range")
	}
	return nil
}

// targetReturn is the range of a program that is attached to a function. free: R0 does not matter.
func (w *walk) targetReturn() (r linux.Return, free bool, err error) {
	switch w.prog.Type {
	case linux.ProgTypeStructOps:
		if w.in.AttachProto == nil {
			return r, false, unsupported("a struct_ops member that is no function")
		}
		switch btf.UnderlyingType(w.in.AttachProto.Return).(type) {
		case *btf.Void:
			return r, true, nil
		case *btf.Pointer:
			return r, false, unsupported("a struct_ops member that returns a pointer")
		}
		return linux.Return{Kind: linux.ReturnAny}, false, nil
	case linux.ProgTypeLSM:
		r = w.k.LSMReturn(linux.AttachType(w.p.AttachType), w.in.AttachName)
		_, void := btf.UnderlyingType(w.in.AttachProto.Return).(*btf.Void)
		return r, void && linux.AttachType(w.p.AttachType) != linux.AttachLSMCGroup, nil
	}
	return r, false, unsupported("return values by what the program is attached to")
}

// roundStack is what a frame takes.
func (w *walk) roundStack(depth int) int {
	unit := 16
	if w.k.Version < smallFrames {
		depth, unit = max(depth, 1), 32
	}
	return (depth + unit - 1) / unit * unit
}

// stackDepths checks the stack along all chains of calls, and what of it saves around calls do not need.
func (w *walk) stackDepths() error {
	for n := range w.subs {
		if s := &w.in.Subprogs[n]; s.HasFastcall && w.subs[n].fastcall {
			w.subs[n].depth = -int(s.FastcallOff)
		}
	}
	private := w.k.Has(linux.FeaturePrivateStacks) && w.prog.Is(linux.PrivateStack) && !w.k.Config.NoJIT
	for n := range w.in.Subprogs {
		private = private && !w.in.Subprogs[n].HasTailCall
	}
	c := &chain{w: w, shared: make([]bool, len(w.subs)), own: make([]bool, len(w.subs))}
	for n := len(w.subs) - 1; n >= 0; n-- {
		if n == 0 || w.subs[n].async || w.in.Subprogs[n].IsException {
			c.private = n == 0 && private
			if err := c.enter(n, 0, 0); err != nil {
				return err
			}
		}
	}
	w.inlinedLoops()
	return w.loopBudgets()
}

// loopBudgets adds to the stack what may_goto needs there: a count and a time.
func (w *walk) loopBudgets() error {
	size := 16
	if !w.k.Has(linux.FeatureMayGotoTimed) {
		size = 8 // a count alone
	}
	for at := range w.insns {
		if n := w.in.SubOf[at]; w.insns[at].Op == isa.MayGoto && w.at[at].walked && w.subs[n].extra == 0 {
			w.subs[n].extra = size
			if d := w.subs[n].depth; d+size > stackSize {
				return w.refuse(einval, "stack-extra", "stack size %d(extra %d) is too large", d, size)
			}
		}
	}
	return nil
}

// inlinedLoops adds what calls of bpf_loop that are written out keep on the stack: three registers, whatever their number.
func (w *walk) inlinedLoops() {
	const kept = 3 * slotSize
	if w.k.Config.NoJIT {
		return
	}
	for n := range w.subs {
		for pc := w.in.Subprogs[n].Start; pc < w.in.Subprogs[n].End; pc++ {
			if at := &w.at[pc]; at.loopSeen && at.loopInline {
				w.subs[n].depth = (w.subs[n].depth+slotSize-1)/slotSize*slotSize + kept
				break
			}
		}
	}
}

// jitted checks what is left of the program once the code that was not walked has been taken out. A callback that no
// helper would ever have called is gone with it, and its address then names a place where no function need be. Linux
// 6.18 only notices that when it compiles functions one by one.
func (w *walk) jitted() error {
	if w.k.Config.NoJIT {
		return nil
	}
	starts := map[int]bool{}
	moved := make([]int, len(w.insns)) // where what stays has gone
	at := 0
	for pc := range w.insns {
		moved[pc] = at
		if !w.gone(pc) {
			at++
		}
		if n := w.in.SubOf[pc]; w.in.Subprogs[n].Start == pc && w.reached(n) {
			starts[moved[pc]] = true
		}
	}
	if len(starts) < 2 {
		return nil
	}
	for pc := range w.insns {
		i := &w.insns[pc]
		if i.Op != isa.LdImm64 || i.Src != isa.PseudoFunc || w.gone(pc) {
			continue
		}
		if to := w.removed(i.Target(pc)); !starts[to] {
			w.proven = true // the figures are those of what is left
			// The kernel counts calls of helpers in full that it has written out meanwhile.
			return w.refuse(efault, "callback-gone", "verifier bug: No program to jit at insn %d (subprog < 0)", to)
		}
	}
	return nil
}

// gone tells that an instruction was not walked.
func (w *walk) gone(pc int) bool {
	if w.insns[pc].Op == isa.LdImm64Hi {
		pc--
	}
	return pc < 0 || !w.at[pc].walked
}

// removed is where a target is once the code not walked has been taken out, a run of it at a time. A target in such
// a run stays where it is, as a number.
func (w *walk) removed(target int) int {
	taken := 0
	for pc := 0; pc < len(w.insns); pc++ {
		end := pc
		for end < len(w.insns) && w.gone(end) {
			end++
		}
		if end == pc {
			continue
		}
		if target >= end-taken {
			target -= end - pc
		}
		taken += end - pc
		pc = end - 1
	}
	return target
}

// A chain walks the calls from one function on, all of them, dead code included.
type chain struct {
	w       *walk
	private bool
	callers int    // callbacks on the way here
	shared  []bool // reached from an asynchronous callback: uses the common stack
	own     []bool // has a stack of its own
}

// enter adds a function at a depth of frames, on top of so many bytes of stack.
func (c *chain) enter(n, frames, depth int) error {
	const worthwhile = 64 // bytes from which on a frame gets a stack of its own
	w := c.w
	s := &w.in.Subprogs[n]
	if n > 0 && s.HasTailCall && depth >= linux.MaxTailStack {
		return w.refuse(eacces, "tail-call-stack", "tail_calls are not allowed when call stack of previous frames is %d bytes. Too large", depth)
	}
	if w.subs[n].callback || w.subs[n].async {
		c.callers++
		defer func() { c.callers-- }()
	}
	size := w.roundStack(w.subs[n].depth)
	if c.private && !c.shared[n] && size >= worthwhile {
		c.own[n] = true
	}
	if c.own[n] {
		if size > stackSize {
			return w.refuse(eacces, "stack-size", "stack size of subprog %d is %d. Too large", n, size)
		}
	} else if depth += size; depth > stackSize {
		return w.refuse(eacces, "stack-sum", "combined stack size of %d calls is %d. Too large", frames+1, depth)
	}
	for pc := s.Start; pc < s.End; pc++ {
		i := &w.insns[pc]
		if c.callers > 0 && w.throws(i) {
			return w.refuse(einval, "exception-callback", "bpf_throw kfunc (insn %d) cannot be called from callback subprog %d", pc, n)
		}
		if i.Op != isa.CallSub && (i.Op != isa.LdImm64 || i.Src != isa.PseudoFunc) {
			continue
		}
		callee := w.in.SubOf[i.Target(pc)]
		if w.subs[callee].async {
			if i.Op != isa.CallSub {
				continue // it runs on a stack of its own
			}
		}
		if !c.private {
			c.shared[callee], c.own[callee] = true, false
		}
		if frames+1 >= linux.MaxFrames {
			return w.refuse(e2big, "call-depth", "the call stack of %d frames is too deep !", frames+1)
		}
		if err := c.enter(callee, frames+1, depth); err != nil {
			return err
		}
	}
	return nil
}
