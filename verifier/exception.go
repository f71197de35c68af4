package verifier

import (
	"github.com/skepbpf/skep/isa"
)

// This file implements exceptions: bpf_throw ends the program from any depth of calls, with what a callback returns.

// throw walks a call of bpf_throw.
func (w *walk) throw() (done bool, err error) {
	if err := w.leaksOf("bpf_throw", true, true); err != nil {
		return false, err
	}
	w.thrown = true
	if !w.defaultCallback() {
		return true, nil // what it returns is looked at there
	}
	return true, w.checkReturnOf(isa.R1)
}

// exceptionArg makes R1 what the exception callback is passed.
func (w *walk) exceptionArg(n int, f *frame) error {
	sub := &w.in.Subprogs[n]
	w.line("Validating %s() func#%d...", sub.Name, n)
	sig := sub.Signature
	switch {
	case sig == nil:
		return unsupported("an exception callback without a type")
	case !sig.Known:
		return w.badSignature(sig)
	case len(sig.Args) != 1 || sig.Args[0].Kind != 0:
		return w.refuse(einval, "exception-argument", "exception cb only supports single integer argument")
	}
	w.subs[n].callback = true
	f.regs[isa.R1].setUnknown()
	return nil
}

// throws tells that the instruction calls bpf_throw.
func (w *walk) throws(i *isa.Insn) bool {
	if i.Op != isa.CallKfn || i.Imm == 0 {
		return false
	}
	f, err := w.kfuncOf(i.Imm)
	return err == nil && f.name == "bpf_throw"
}

// defaultCallback tells that the kernel adds an exception callback of its own, a function that uses no stack.
func (w *walk) defaultCallback() bool {
	for i := range w.in.Subprogs {
		if w.in.Subprogs[i].IsException {
			return false
		}
	}
	return w.thrown
}
