package verifier

import (
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/verifier/internal/prepare"
)

// This file implements objects that the program allocates, of types of its own.

// fieldsOf are the special fields of a local object's type.
func (w *walk) fieldsOf(t *btfRef) *prepare.Fields {
	if !t.scanned {
		t.scanned = true
		var kernel *btf.Spec
		if w.types.kernel != nil {
			kernel = w.types.kernel.Spec
		}
		t.fields = prepare.FieldsOf(t.space, t.typ, kernel, &w.prep)
	}
	return t.fields
}

// accessLocal is a load from or a store to a local object.
func (w *walk) accessLocal(r *reg, off int, a *access) error {
	t := r.btf
	name, size, _, _, ok := members(t.typ)
	if !ok {
		return unsupported("objects that are no structs")
	}
	if a.write && r.flags&alloc == 0 {
		return w.refuse(eacces, "local-write", "only read is supported")
	}
	if f := w.fieldsOf(t).Overlaps(int64(off), int64(off)+int64(a.size)); f != nil {
		return w.refuse(eacces, "local-field", "direct access to %s is disallowed", f.Kind)
	}
	if off+a.size > size {
		return w.refuse(eacces, "btf-access", "access beyond struct %s at off %d size %d", name, off, a.size)
	}
	if f := walkFull(t.typ, off, a.size); f.kind == foundNothing {
		return w.refuse(f.errno, "btf-access", "%s", f.text)
	}
	w.loaded(a)
	return nil
}

// localParam checks an object that a kernel function is to free, or to take another reference to.
func (w *walk) localParam(n int, num isa.Reg, r *reg, kind kfuncKind, c *call) error {
	local := r.typ == btfPtr && r.flags&alloc != 0
	if kind == kfRefcount {
		if !local && r.flags&nonOwnRef == 0 {
			return w.refuse(einval, "refcount-owner", "arg#%d is neither owning or non-owning ref", n)
		}
		if r.ref == 0 && r.flags&nonOwnRef == 0 && r.flags&rcu == 0 {
			return w.refuse(einval, "refcount-owner", "arg#%d is neither owning or non-owning ref", n)
		}
		if !w.fieldsOf(r.btf).Has(prepare.Refcount) {
			return w.refuse(einval, "refcount-none", "arg#%d doesn't point to a type with bpf_refcount field", n)
		}
		c.typ = r.btf
		c.owned = r.flags&nonOwnRef == 0
		return nil
	}
	if !local {
		return w.refuse(einval, "local-argument", "arg#%d expected pointer to allocated object", n)
	}
	if perCPUDrop := c.kf.row.Is(linux.KfuncPerCPU); perCPUDrop != (r.flags&perCPU != 0) {
		if perCPUDrop {
			return w.refuse(einval, "local-percpu", "arg#%d expected for bpf_obj_drop_impl()", n)
		}
		return w.refuse(einval, "local-percpu", "arg#%d expected for bpf_percpu_obj_drop_impl()", n)
	}
	if r.ref == 0 {
		return w.refuse(einval, "local-unowned", "allocated object must be referenced")
	}
	c.typ = r.btf
	return w.dropAnywhere(c)
}

// dropAnywhere refuses to drop, where the kernel may be in a non-maskable interrupt, what is more than memory: so does 7.3.
func (w *walk) dropAnywhere(c *call) error {
	if w.k.Version <= linux.Default.Version || !w.prog.Is(linux.Tracing) && w.prog.Type != linux.ProgTypeTracing {
		return nil
	}
	f := w.fieldsOf(c.typ)
	switch {
	case f == nil || len(f.List) == 0:
		return nil
	case f.Has(prepare.KptrRef) && w.p.AttachType != uint32(linux.AttachTraceIter):
		return w.refuse(einval, "local-nmi", "%s cannot be used in tracing programs on types with NMI unsafe fields", c.kf.name)
	}
	return unsupported("what a tracing program may drop, after Linux 6.18")
}

// kfuncPointer is what single functions return that their types do not tell. known: it was one of them. A result
// that is a scalar is final.
func (w *walk) kfuncPointer(c *call, d *reg) (known bool, err error) {
	if c.kf.node {
		w.nodeResult(d, c, alloc)
		if !c.kf.row.Is(linux.KfuncAcquire) {
			w.nonOwning(d)
		}
		return true, nil
	}
	switch name := c.kf.name; name {
	case "bpf_obj_new_impl", "bpf_percpu_obj_new_impl":
		each := c.kf.row.Is(linux.KfuncPerCPU)
		t, err := w.localType(c, each)
		if err != nil {
			return false, err
		}
		*d = ptrReg(btfPtr, alloc)
		if each {
			d.flags |= perCPU
		}
		d.btf = t
	case "bpf_refcount_acquire_impl":
		*d = ptrReg(btfPtr, alloc)
		d.btf = c.typ
	case "bpf_cast_to_kern_ctx":
		*d = ptrReg(btfPtr, trusted)
		d.btf = c.typ
	case "bpf_rdonly_cast":
		return true, w.cast(c, d)
	case "bpf_dynptr_slice", "bpf_dynptr_slice_rdwr":
		*d = ptrReg(mem, 0)
		d.memSize = uint32(c.size)
		if name == "bpf_dynptr_slice" {
			d.flags = rdOnly
		} else if !w.packetAccess(0, true) {
			return false, w.refuse(einval, "dynptr-write", "the prog does not allow writes to packet data")
		}
		if c.dynForm.ofPacket() {
			d.form = c.dynForm
		}
		d.ref = c.dynRef
	case "bpf_arena_alloc_pages":
		d.setUnknown()
	case "bpf_get_kmem_cache":
		t, err := w.kernelStruct("kmem_cache")
		if err != nil {
			return false, err
		}
		*d = ptrReg(btfPtr, untrusted)
		d.btf = t
	default:
		return false, nil
	}
	return true, nil
}

// localType is the type of the object that is to be allocated.
func (w *walk) localType(c *call, perCPU bool) (*btfRef, error) {
	b := w.p.BTF
	if b == nil || b.Spec == nil {
		return nil, w.refuse(einval, "local-btf", "bpf_obj_new/bpf_percpu_obj_new requires prog BTF")
	}
	bad := func() error {
		return w.refuse(einval, "local-type", "bpf_obj_new/bpf_percpu_obj_new type ID argument must be of a struct")
	}
	if c.size != uint64(uint32(c.size)) {
		return nil, w.refuse(einval, "local-type", "local type ID argument must be in range [0, U32_MAX]")
	}
	t, err := b.Spec.TypeByID(btf.TypeID(c.size))
	if err != nil {
		return nil, bad()
	}
	s, ok := t.(*btf.Struct)
	if !ok {
		return nil, bad()
	}
	r := w.types.ref(b, uint32(c.size), s)
	if perCPU {
		const largest = 512
		if s.Size > largest {
			return nil, w.refuse(einval, "local-size", "bpf_percpu_obj_new type size (%d) is greater than %d", s.Size, largest)
		}
		if !numbers(s, 0) {
			return nil, w.refuse(einval, "local-percpu", "bpf_percpu_obj_new type ID argument must be of a struct of scalars")
		}
		if len(fieldList(w.fieldsOf(r))) > 0 {
			return nil, w.refuse(einval, "local-percpu", "bpf_percpu_obj_new type ID argument must not contain special fields")
		}
	}
	return r, nil
}

func fieldList(f *prepare.Fields) []prepare.Field {
	if f == nil {
		return nil
	}
	return f.List
}

// cast is bpf_rdonly_cast: any address taken for an object of the kernel, to be read with care.
func (w *walk) cast(c *call, d *reg) error {
	if c.size == 0 {
		*d = ptrReg(mem, rdOnly|untrusted)
		return nil
	}
	t, err := w.types.kernel.Spec.TypeByID(btf.TypeID(uint32(c.size)))
	if err != nil {
		return w.refuse(einval, "cast-type", "Unknown type ID %d passed to kfunc bpf_rdonly_cast", uint32(c.size))
	}
	t = btf.UnderlyingType(t)
	if _, _, _, _, ok := members(t); !ok {
		return w.refuse(einval, "cast-type", "kfunc bpf_rdonly_cast type ID argument must be of a struct or void")
	}
	r, err := w.types.refOf(w.types.kernel, t)
	if err != nil {
		return err
	}
	*d = ptrReg(btfPtr, untrusted)
	d.btf = r
	return nil
}

// kernelContexts are the structs behind contexts.
var kernelContexts = map[linux.ProgType]string{
	linux.ProgTypeXDP: "xdp_buff", linux.ProgTypeSkMsg: "sk_msg", linux.ProgTypeSockOps: "bpf_sock_ops_kern",
	linux.ProgTypeCGroupSockAddr: "bpf_sock_addr_kern", linux.ProgTypeCGroupSockopt: "bpf_sockopt_kern",
	linux.ProgTypeCGroupSysctl: "bpf_sysctl_kern", linux.ProgTypeSkLookup: "bpf_sk_lookup_kern",
	linux.ProgTypeSkReuseport: "sk_reuseport_kern", linux.ProgTypePerfEvent: "bpf_perf_event_data_kern",
	linux.ProgTypeCGroupSock: "sock", linux.ProgTypeFlowDissector: "bpf_flow_dissector",
	linux.ProgTypeSocketFilter: "sk_buff", linux.ProgTypeSchedCLS: "sk_buff", linux.ProgTypeSchedACT: "sk_buff",
	linux.ProgTypeCGroupSKB: "sk_buff", linux.ProgTypeLWTIn: "sk_buff", linux.ProgTypeLWTOut: "sk_buff",
	linux.ProgTypeLWTXmit: "sk_buff", linux.ProgTypeLWTSeg6local: "sk_buff", linux.ProgTypeSkSKB: "sk_buff",
}

// kernelContext finds the struct that bpf_cast_to_kern_ctx returns a pointer to.
func (w *walk) kernelContext(c *call) error {
	name := kernelContexts[w.prog.Type]
	if name == "" {
		return unsupported("bpf_cast_to_kern_ctx in programs of this type")
	}
	t, err := w.kernelStruct(name)
	if err != nil {
		return err
	}
	c.typ = t
	return nil
}

// localHelperArg checks a local object that a helper is passed.
func (w *walk) localHelperArg(n isa.Reg, r *reg, kind helpers.ArgKind, a *helpers.Arg, c *call) error {
	switch kind {
	case helpers.ArgKptrXchgDest:
		return nil
	case helpers.ArgSpinLock:
		switch {
		case r.flags&(rcu|untrusted|maybeNull) != 0 && r.flags&nonOwnRef == 0: // refused below
		case r.ref == 0 && r.flags&nonOwnRef == 0:
			return unsupported("locks in objects that are not owned")
		default:
			return nil
		}
	case helpers.ArgBTFID:
		if c.id == linux.HelperKptrXchg {
			if r.flags&^perCPU != alloc {
				return w.refuse(efault, "internal", "verifier bug: invalid PTR_TO_BTF_ID register for type match")
			}
			return w.kptrMatches(c.kptr, c.kptrIn, r, n)
		}
	case helpers.ArgPerCPUBTFID:
		if r.flags == perCPU|alloc|rcu {
			return nil
		}
	}
	return w.refuse(eacces, "argument-type", "R%d type=%s expected=%s", n, r.typeName(), strings.Join(kind.Expected(), ", "))
}
