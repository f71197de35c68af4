package verifier

import (
	"slices"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/verifier/internal/prepare"
)

// This file implements kptrs: pointers to objects in maps' values and in local objects.

const anyKptr = prepare.KptrUntrusted | prepare.KptrRef | prepare.KptrPercpu

func (w *walk) kptrType(in container, f *prepare.Field) *btfRef {
	space := w.types.kernel
	if f.Local {
		space = in.space()
	}
	return w.types.ref(space, uint32(f.TypeID), f.Type)
}

func (w *walk) accessKptr(f *prepare.Field, r *reg, a *access) error {
	if i := &w.insns[w.pc]; i.Op.IsAtomic() || a.signed {
		return w.refuse(eacces, "kptr-mode", "kptr in map can only be accessed using BPF_MEM instruction mode")
	}
	switch {
	case a.write && f.Kind&(prepare.KptrRef|prepare.KptrPercpu) != 0:
		return w.refuse(eacces, "kptr-store", "store to referenced kptr disallowed")
	case f.Kind == prepare.Uptr:
		return unsupported("uptr")
	case a.write && a.hasReg:
		if v := w.cur.reg(a.reg); !v.isNull() {
			return w.kptrMatches(f, container{m: r.m}, v, a.reg)
		}
		return nil
	case a.write:
		if a.imm != nil && a.imm.Imm != 0 {
			return w.refuse(eacces, "kptr-imm", "BPF_ST imm must be 0 when storing to kptr at off=%d", f.Offset)
		}
		return nil
	}
	if !a.hasReg {
		return nil
	}
	t := w.kptrType(container{m: r.m}, f)
	d := w.cur.reg(a.reg)
	flags := maybeNull
	if w.rcuSafe(f, t) && w.inRCU() {
		flags |= rcu
		switch {
		case f.Kind == prepare.KptrPercpu:
			flags |= perCPU
		case f.Local:
			flags |= alloc
			if w.fieldsOf(t).Has(prepare.ListNode | prepare.RBNode) {
				flags |= nonOwnRef
			}
		}
	} else {
		flags |= untrusted
	}
	*d = ptrReg(btfPtr, flags)
	d.btf = t
	d.id = w.newID()
	return nil
}

var rcuTypes = []string{"cgroup", "bpf_cpumask", "task_struct", "bpf_crypto_ctx", "prog_test_ref_kfunc"}

func (w *walk) rcuSafe(f *prepare.Field, t *btfRef) bool {
	return f.Kind == prepare.KptrPercpu || f.Kind == prepare.KptrRef && (f.Local || slices.Contains(rcuTypes, t.name))
}

func (w *walk) kptrMatches(f *prepare.Field, in container, v *reg, n isa.Reg) error {
	want := w.kptrType(in, f)
	may := maybeNull | trusted | rcu
	if f.Kind == prepare.KptrUntrusted {
		may |= untrusted
	}
	if v.typ == btfPtr && v.btf.space != w.types.kernel {
		may = maybeNull | alloc
		if f.Kind == prepare.KptrPercpu {
			may |= perCPU
		}
	}
	name := ""
	if v.typ == btfPtr && v.flags&^may == 0 {
		name = v.btf.name
		if err := w.unmodified(n, v, true); err != nil {
			return err
		}
		if w.types.matches(v.btf, int(v.off), want, f.Kind != prepare.KptrUntrusted) {
			return nil
		}
	}
	text := sprintf("invalid kptr access, R%d type=%s%s expected=ptr_%s", n, v.typeName(), name, want.name)
	if f.Kind == prepare.KptrUntrusted {
		text += " or untrusted_ptr_" + want.name
	}
	return w.refuse(eacces, "kptr-type", "%s", text)
}

func (w *walk) kptrDest(n isa.Reg, r *reg, c *call) error {
	own, fields, ok := w.owner(r)
	if !ok {
		return unsupported("kptrs in %s", r.typeName())
	}
	if own.m != nil && r.m.BTF == nil {
		return w.refuse(einval, "kptr-btf", "map '%s' has to have BTF in order to use bpf_kptr_xchg", mapName(r.m.Name))
	}
	c.m, c.kptrIn = r.m, own
	if !r.num.IsConst() {
		return w.refuse(einval, "kptr-variable", "R%d doesn't have constant offset. kptr has to be at the constant offset", n)
	}
	if !fields.Has(anyKptr) {
		return w.refuse(einval, "kptr-none", "R%d has no valid kptr", n)
	}
	off := int(r.off) + int(r.num.Bits.Value)
	f := fields.At(uint32(off), anyKptr)
	if f == nil {
		return w.refuse(eacces, "kptr-offset", "off=%d doesn't point to kptr", off)
	}
	if f.Kind == prepare.KptrUntrusted {
		return w.refuse(eacces, "kptr-unreferenced", "off=%d kptr isn't referenced kptr", off)
	}
	c.kptr = f
	return nil
}
