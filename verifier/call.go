package verifier

import (
	"fmt"
	"math"
	"strconv"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/verifier/domain"
	"github.com/skepbpf/skep/verifier/internal/prepare"
)

// This file implements calls of the program's own functions, callbacks, and what ends them.

// enter walks a function that nobody calls: the main program, or a global function for all arguments that its type
// allows.
func (w *walk) enter(n int) error {
	w.entry = n
	sub := &w.in.Subprogs[n]
	s := w.pool.state()
	f := w.pool.frame()
	w.initFrame(f, -1, 0, n)
	w.pool.push(s, f)
	s.branches = 1
	s.sleepable = w.in.Sleepable
	s.firstInsn, s.lastInsn = sub.Start, -1
	w.cur, w.pc, w.prev = s, sub.Start, -1
	w.inst = nil
	w.log.fresh = false
	w.log.lastLine = 0
	w.buckets = make([]*checkpoint, len(w.insns))
	if n > 0 || w.prog.Type == linux.ProgTypeExt {
		if err := w.globalArgs(sub, f); err != nil {
			return err
		}
	} else {
		w.saySignature(n) // the kernel looks whether the program's own type says more of R1
		f.regs[isa.R1] = ptrReg(ptrCtx, 0)
	}
	start := 0
	if err := w.run(); err != nil {
		return err
	}
	if !w.log.states() {
		w.log.b = w.log.b[:start]
	}
	w.freeStates()
	return nil
}

// freeStates forgets what was kept.
func (w *walk) freeStates() {
	for i, ck := range w.buckets {
		for ; ck != nil; ck = ck.next {
			if ck.st != nil {
				w.pool.free(ck.st)
			}
		}
		w.buckets[i] = nil
	}
	if w.cur != nil {
		w.pool.free(w.cur)
		w.cur = nil
	}
}

func (w *walk) initFrame(f *frame, callsite, no, subprog int) {
	*f = frame{stack: f.stack[:0], callsite: callsite, no: no, subprog: subprog}
	f.regs[isa.R10] = ptrReg(ptrStack, 0)
	f.regs[isa.R10].frame = uint8(no)
	w.log.scratchAll()
}

// globalArgs makes R1 to R5 what the function's type says.
func (w *walk) globalArgs(sub *prepare.Subprog, f *frame) error {
	if sub.IsException {
		return w.exceptionArg(w.entry, f)
	}
	w.line("Validating %s() func#%d...", sub.Name, w.entry)
	sig := sub.Signature
	if sig == nil || !sig.Known {
		if sig == nil {
			return unsupported("a global function without a type")
		}
		return w.badSignature(sig)
	}
	for n, a := range sig.Args {
		r := &f.regs[isa.R1+isa.Reg(n)]
		switch a.Kind {
		case prepare.ArgScalar:
			r.setUnknown()
		case prepare.ArgContext:
			*r = ptrReg(ptrCtx, 0)
		case prepare.ArgMem:
			*r = ptrReg(mem, 0)
			r.memSize = a.MemSize
			if a.MaybeNull {
				r.flags |= maybeNull
				r.id = w.newID()
			}
		case prepare.ArgTrusted, prepare.ArgUntrusted:
			*r = ptrReg(btfPtr, trusted)
			if a.Kind == prepare.ArgUntrusted {
				r.flags = untrusted
			}
			if a.MaybeNull {
				r.flags |= maybeNull
			}
			r.id = w.newID()
			r.btf = w.types.ref(w.types.kernel, uint32(a.TypeID), a.Type)
		case prepare.ArgUntrustedMem:
			*r = ptrReg(mem, rdOnly|untrusted)
		case prepare.ArgDynptr:
			*r = ptrReg(dynptrPtr, 0)
			r.form, r.id = dynptrLocal, w.newID()
		case prepare.ArgArena:
			r.setUnknown() // until it is cast
		}
	}
	return nil
}

// saySignature logs, once, why the type of a function cannot be used.
func (w *walk) saySignature(sub int) {
	s := w.in.Subprogs[sub].Signature
	if s == nil || s.Known || w.subs[sub].sigSaid {
		return
	}
	w.subs[sub].sigSaid = true
	for _, l := range s.Lines {
		w.line("%s", l)
	}
}

// badSignature refuses a global function for its type.
func (w *walk) badSignature(sig *prepare.Signature) error {
	text := ""
	for i, l := range sig.Lines {
		if i > 0 {
			text += "\n"
		}
		text += l
	}
	return w.refuse(sig.Errno, "global-type", "%s", text)
}

// callSub walks a call of one of the program's functions.
func (w *walk) callSub(i *isa.Insn) error {
	sub := w.in.SubOf[i.Target(w.pc)]
	s := &w.in.Subprogs[sub]
	if w.cur.locks > 0 && !w.k.Has(linux.FeatureCallUnderLock) {
		return w.refuse(einval, "call-locked", "function calls are not allowed while holding a lock")
	}
	if w.cur.locks > 0 && s.Global {
		return w.refuse(einval, "global-lock",
			"global function calls are not allowed while holding a lock,\nuse static function instead")
	}
	if !s.Global {
		return w.callStatic(sub)
	}
	if s.MightSleep && (w.cur.rcu > 0 || w.cur.preemptOff > 0 || w.cur.irq() != 0 || !w.sleepable()) {
		return w.refuse(einval, "global-sleeps", "global functions that may sleep are not allowed in non-sleepable context,\n"+
			"i.e., in a RCU/IRQ/preempt-disabled section, or in\na non-sleepable BPF program context")
	}
	if s.Signature == nil {
		return unsupported("a global function without a type")
	}
	if !s.Signature.Known {
		w.saySignature(sub)
		return w.refuse(s.Signature.Errno, "global-args", "Caller passes invalid args into func#%d ('%s')", sub, s.Name)
	}
	if err := w.passArgs(sub, s); err != nil {
		return err
	}
	w.line("Func#%d ('%s') is global and assumed valid.", sub, s.Name)
	if s.ChangesPacket {
		if w.k.Version >= packetEffects {
			w.dropPackets()
		}
	}
	w.subs[sub].called = true
	w.clobber()
	w.cur.reg(isa.R0).setUnknown()
	w.pc++
	return nil
}

// clobber forgets the registers that a call does not preserve.
func (w *walk) clobber() {
	f := w.cur.top()
	for r := isa.R0; r <= isa.R5; r++ {
		f.regs[r] = reg{}
		w.log.scratchReg(r)
	}
}

// callStatic enters a static function.
func (w *walk) callStatic(sub int) error {
	if len(w.cur.frames) >= linux.MaxFrames {
		return w.refuse(e2big, "call-depth", "the call stack of %d frames is too deep", len(w.cur.frames)+1)
	}
	caller := w.cur.top()
	f := w.pool.frame()
	w.initFrame(f, w.pc, len(w.cur.frames), sub)
	copy(f.regs[isa.R1:isa.R5+1], caller.regs[isa.R1:isa.R5+1])
	w.clobber()
	w.pool.push(w.cur, f)
	w.inst = nil
	if w.log.on() {
		w.log.line("caller:")
		w.log.state(w.cur, len(w.cur.frames)-2, true)
		w.log.line("callee:")
		w.log.state(w.cur, len(w.cur.frames)-1, true)
	}
	w.pc = w.in.Subprogs[sub].Start
	return nil
}

// exit walks the end of a function.
func (w *walk) exit() (done bool, err error) {
	nested := len(w.cur.frames) > 1
	if w.cur.locks > 0 && !w.k.Has(linux.FeatureCallUnderLock) {
		return false, w.refuse(einval, "lock-held", "bpf_spin_unlock is missing")
	}
	if err := w.leaks(!nested, "BPF_EXIT instruction in main prog"); err != nil {
		return false, err
	}
	if nested {
		return false, w.leave()
	}
	return true, w.checkReturn()
}

// leave returns to the caller, or to the helper that called back.
func (w *walk) leave() error {
	s := w.cur
	f := s.top()
	caller := s.frames[len(s.frames)-2]
	r0 := &f.regs[isa.R0]
	if r0.typ == ptrStack {
		return w.refuse(einval, "return-stack", "cannot return stack pointer to the caller")
	}
	callback := f.callback
	if callback {
		if r0.typ != scalar {
			return w.refuse(eacces, "callback-return", "R0 not a scalar value")
		}
		if err := w.mark(isa.R0); err != nil {
			return err
		}
		if !f.ret.contains(r0, false) {
			return w.badReturn(r0, f.ret, "At callback return", "R0", "callback-return")
		}
		w.pc = f.callsite
		if !w.k.Has(linux.FeatureCallbackFixpoint) {
			w.pc, callback = f.callsite+1, false
		}
	} else {
		caller.regs[isa.R0] = *r0
		w.pc = f.callsite + 1
	}
	if w.log.on() {
		w.log.line("returning from callee:")
		w.log.state(s, len(s.frames)-1, true)
		w.log.b = append(w.log.b, "to caller at "...)
		w.log.b = appendNum(w.log.b, int64(w.pc))
		w.log.line(":")
		w.log.state(s, len(s.frames)-2, true)
	}
	w.pool.freeFrame(f)
	s.frames = s.frames[:len(s.frames)-1]
	w.inst = nil
	w.log.fresh = true
	if callback {
		// A scalar that differs from round to round and does not matter so far will not stop the rounds from converging.
		if old := w.entryBefore(w.pc, s.depth); old != nil {
			w.widen(old, s)
		}
	}
	return nil
}

// entryBefore is the state in which this path came to the instruction before, with the same calls, less deep than
// given.
func (w *walk) entryBefore(pc, depth int) *state {
	at := int((uint32(pc) ^ uint32(int32(w.cur.top().callsite))) % uint32(len(w.insns)))
	for ck := w.buckets[at]; ck != nil; ck = ck.next {
		if s := ck.st; s.insn == pc && s.branches > 0 && s.sameCalls(w.cur) && s.depth < depth {
			return s
		}
	}
	return nil
}

// widen makes scalars unknown that differ from those of an earlier round and whose range has not mattered.
func (w *walk) widen(old, cur *state) {
	w.ids.reset(w.nextID)
	one := func(o, c *reg) {
		if o.typ == scalar && c.typ == scalar && !o.precise && !c.precise && !w.ids.same(o, c) {
			c.setUnknown()
		}
	}
	for n := len(old.frames) - 1; n >= 0; n-- {
		of, cf := old.frames[n], cur.frames[n]
		for i := range of.regs {
			one(&of.regs[i], &cf.regs[i])
		}
		for i := range of.stack {
			if i < len(cf.stack) && of.stack[i].isSpill() && cf.stack[i].isSpill() {
				one(&of.stack[i].spill, &cf.stack[i].spill)
			}
		}
	}
}

// leaks checks that nothing is held that must be given back. locks: locks and sections count too.
func (w *walk) leaks(outermost bool, what string) error {
	return w.leaksOf(what, len(w.cur.frames) == 1, outermost)
}

// leaksOf is leaks for references, and for sections.
func (w *walk) leaksOf(what string, refs, outermost bool) error {
	if refs {
		text := ""
		for i := range w.cur.refs {
			if r := &w.cur.refs[i]; r.kind == refPtr {
				text += fmt.Sprintf("Unreleased reference id=%d alloc_insn=%d\n", r.id, r.insn)
			}
		}
		if text != "" {
			return w.refuse(einval, "reference-leak", "%s%s would lead to reference leak", text, what)
		}
	}
	if !outermost {
		return nil
	}
	return w.sections(what)
}

// sections checks that the program is in no locked region or section.
func (w *walk) sections(what string) error {
	switch {
	case w.cur.locks > 0:
		return w.refuse(einval, "lock-held", "%s cannot be used inside bpf_spin_lock-ed region", what)
	case w.cur.irq() != 0:
		return w.refuse(einval, "irq-held", "%s cannot be used inside bpf_local_irq_save-ed region", what)
	case w.cur.rcu > 0:
		return w.refuse(einval, "rcu-held", "%s cannot be used inside bpf_rcu_read_lock-ed region", what)
	case w.cur.preemptOff > 0:
		return w.refuse(einval, "preempt-held", "%s cannot be used inside bpf_preempt_disable-ed region", what)
	}
	return nil
}

// contains tells that the scalar, or its low half, lies in the range.
func (s span) contains(r *reg, half bool) bool {
	if half {
		return s.min <= int64(r.num.S32Min) && int64(r.num.S32Max) <= s.max
	}
	return s.min <= r.num.SMin && r.num.SMax <= s.max
}

// badReturn says that a value is not in its range.
func (w *walk) badReturn(r *reg, s span, when, name, code string) error {
	if w.k.Version < namedRanges {
		value := "unknown scalar value"
		if !r.num.Bits.IsUnknown() {
			value = "value " + r.num.Bits.String()
		}
		t := domain.TnumRange(uint64(s.min), uint64(s.max))
		return w.refuse(einval, code, "%s the register %s has %s should have been in %v", when, name, value, t)
	}
	b := []byte(when + " the register " + name + " has")
	unknown := true
	if r.num.SMin > math.MinInt64 {
		b = strconv.AppendInt(append(b, " smin="...), r.num.SMin, 10)
		unknown = false
	}
	if r.num.SMax < math.MaxInt64 {
		b = strconv.AppendInt(append(b, " smax="...), r.num.SMax, 10)
		unknown = false
	}
	if unknown {
		b = append(b, " unknown scalar value"...)
	}
	return w.refuse(einval, code, "%s should have been in [%d, %d]", b, s.min, s.max)
}
