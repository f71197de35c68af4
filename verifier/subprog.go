package verifier

import (
	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/verifier/internal/prepare"
)

// passArgs checks what a global function is given.
func (w *walk) passArgs(sub int, s *prepare.Subprog) error {
	said := func(err error) error {
		r, ok := err.(*refusal)
		if !ok {
			return err
		}
		return w.refuse(r.errno, "global-args", "Caller passes invalid args into func#%d ('%s')", sub, s.Name)
	}
	for n, a := range s.Signature.Args {
		num := isa.R1 + isa.Reg(n)
		r := w.cur.reg(num)
		switch a.Kind {
		case prepare.ArgScalar:
			if r.typ != scalar {
				return said(w.refuse(einval, "global-args", "R%d is not a scalar", num))
			}
		case prepare.ArgContext:
			if err := w.argOffset(num, r, false); err != nil {
				return said(err)
			}
			if r.typ != ptrCtx {
				return said(w.refuse(einval, "global-args", "arg#%d expects pointer to ctx", n))
			}
		case prepare.ArgMem:
			if err := w.argOffset(num, r, false); err != nil {
				return said(err)
			}
			if err := w.memArg(num, r, int64(a.MemSize)); err != nil {
				if e, ok := err.(*refusal); ok {
					e.errno = einval
				}
				return said(err)
			}
			if !a.MaybeNull && r.canBeNull() {
				return said(w.refuse(einval, "global-args", "arg#%d is expected to be non-NULL", n))
			}
		case prepare.ArgUntrusted, prepare.ArgUntrustedMem:
		case prepare.ArgTrusted:
			if r.isNull() && a.MaybeNull {
				continue
			}
			if err := w.trustedArg(num, r, &a); err != nil {
				return said(err)
			}
		case prepare.ArgDynptr:
			if err := w.argOffset(num, r, false); err != nil {
				return said(err)
			}
			if r.typ != ptrStack && r.typ != dynptrPtr {
				return said(w.refuse(einval, "dynptr-type", "arg#%d expected pointer to stack or const struct bpf_dynptr", n))
			}
			if _, err := w.readDynptr(n, r); err != nil {
				return said(err)
			}
		case prepare.ArgArena:
			if r.typ != arenaPtr && r.typ != scalar {
				return said(w.refuse(einval, "global-args", "R%d is not a pointer to arena or scalar.", num))
			}
		}
	}
	return nil
}

// memArg checks that a register points to size bytes that may be read and written.
func (w *walk) memArg(n isa.Reg, r *reg, size int64) error {
	if r.isNull() {
		return nil
	}
	saved := *r
	if r.canBeNull() {
		r.notNull()
	}
	err := w.helperMem(n, size, false, true, nil)
	if err == nil {
		err = w.helperMem(n, size, true, true, nil)
	}
	*r = saved
	return err
}

// trustedArg checks a kernel object as helpers' are checked.
func (w *walk) trustedArg(n isa.Reg, r *reg, a *prepare.Arg) error {
	want := helpers.Arg{Kind: helpers.ArgBTFID, BTFType: a.Type.TypeName()}
	if a.MaybeNull {
		want.Flags = helpers.MaybeNull
	}
	if err := w.argType(n, r, want.Kind, &want, &call{}); err != nil {
		return err
	}
	return w.argOffset(n, r, false)
}

// snprintf checks the format string of bpf_snprintf against the length of its data.
func (w *walk) snprintf() error {
	size := w.cur.reg(isa.R5)
	if !size.num.IsConst() {
		return unsupported("bpf_snprintf with data of a length that is not known")
	}
	if size.val()%8 != 0 {
		return &refusal{einval, "snprintf-data", ""}
	}
	f := w.cur.reg(isa.R3)
	var text []byte
	for at := int(f.off) + int(f.num.Bits.Value); ; at++ {
		b, ok := f.m.read(at, 1)
		if !ok {
			return unsupported("the contents of map %s", f.m.Name)
		}
		text = append(text, byte(b))
		if b == 0 {
			break
		}
	}
	if !helpers.CheckFormat(text, int(size.val()/8)) {
		return w.refuse(einval, "snprintf-format", "Invalid format string")
	}
	return nil
}
