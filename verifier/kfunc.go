package verifier

import (
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/verifier/internal/prepare"
)

// This file implements calls of kernel functions. What they take and return is in the kernel's BTF: types, and endings
// of parameters' names (Documentation/bpf/kfuncs.rst); how they treat it is in linux.Kfunc.

// A kfunc is a kernel function that the program calls.
type kfunc struct {
	name   string
	row    *linux.Kfunc
	proto  *btf.FuncProto
	params []kfuncParam
	iter   *btfRef // of an iterator's functions: what it is
	node   bool    // returns a node of a list or tree
}

// A kfuncKind is what a parameter of a kernel function is.
type kfuncKind uint8

const (
	kfIgnored  kfuncKind = iota // anything, even what is not there
	kfScalar                    // a number
	kfConst                     // a known number
	kfCtx                       // the program's context
	kfObject                    // a kernel object, or memory if it holds numbers alone
	kfMem                       // memory of the parameter's type
	kfSized                     // memory; the next parameter is its size
	kfDynptr                    // a dynptr
	kfIter                      // an iterator
	kfMap                       // a map
	kfString                    // a string in a constant map
	kfIRQ                       // saved interrupt flags
	kfLocal                     // a local object that is owned
	kfRefcount                  // a local object with a reference count
	kfRoot                      // the root of a tree, or the head of a list
	kfNode                      // a node in a local object
	kfCallback                  // a function of the program
	kfField                     // a special field of a map's value
	kfOther                     // not modelled
)

// A kfuncParam is one of them.
type kfuncParam struct {
	kind     kfuncKind
	nullable bool
	uninit   bool // a dynptr that the call makes
	constant bool // kfSized: the size must be known
	typ      btf.Type
	ptr      btf.Type // what a pointer points to
	field    prepare.FieldKind
}

// kfuncOf reads what the kernel's BTF says of a function.
func (w *walk) kfuncOf(id int32) (*kfunc, error) {
	if f := w.kfuncs[id]; f != nil {
		return f, nil
	}
	if w.types.kernel == nil || w.types.kernel.Spec == nil {
		return nil, unsupported("calls of kernel functions without the kernel's BTF")
	}
	t, err := w.types.kernel.Spec.TypeByID(btf.TypeID(id))
	if err != nil {
		return nil, unsupported("a kernel function without a type")
	}
	fn, ok := t.(*btf.Func)
	if !ok {
		return nil, unsupported("a kernel function without a type")
	}
	proto, ok := fn.Type.(*btf.FuncProto)
	if !ok {
		return nil, unsupported("a kernel function without a type")
	}
	f := &kfunc{name: fn.Name, row: linux.FindKfunc(fn.Name), proto: proto}
	if f.row == nil {
		f.row = &linux.Kfunc{Name: fn.Name} // no program may call it
	}
	for n := range proto.Params {
		p := w.kfuncParam(f, n)
		if p.kind == kfIter {
			if f.iter, err = w.types.refOf(w.types.kernel, p.ptr); err != nil {
				return nil, err
			}
		}
		f.params = append(f.params, p)
	}
	if ptr, ok := btf.UnderlyingType(proto.Return).(*btf.Pointer); ok {
		f.node = kfuncFields[btf.UnderlyingType(ptr.Target).TypeName()].kind == kfNode
	}
	if w.kfuncs == nil {
		w.kfuncs = map[int32]*kfunc{}
	}
	w.kfuncs[id] = f
	return f, nil
}

// kfuncFields are the special fields that parameters are of, by the type pointed to.
var kfuncFields = map[string]struct {
	kind  kfuncKind
	field prepare.FieldKind
}{
	"bpf_list_head":     {kfRoot, prepare.ListHead},
	"bpf_rb_root":       {kfRoot, prepare.RBRoot},
	"bpf_list_node":     {kfNode, prepare.ListNode},
	"bpf_rb_node":       {kfNode, prepare.RBNode},
	"bpf_wq":            {kfField, prepare.WorkQueue},
	"bpf_task_work":     {kfOther, prepare.TaskWork},
	"bpf_res_spin_lock": {kfOther, prepare.ResSpinLock},
}

// kfuncParam says what a parameter is, as far as its type and name tell.
func (w *walk) kfuncParam(f *kfunc, n int) kfuncParam {
	param := &f.proto.Params[n]
	p := kfuncParam{typ: btf.UnderlyingType(param.Type)}
	ends := func(s string) bool { return strings.HasSuffix(param.Name, s) }
	ptr, ok := p.typ.(*btf.Pointer)
	if ok {
		p.ptr = btf.UnderlyingType(ptr.Target)
	}
	switch {
	case ends("__ign") || ends("__prog"):
		p.kind = kfIgnored
		return p
	case !ok && ends("__k"):
		p.kind = kfConst
		return p
	case !ok:
		p.kind = kfScalar
		return p
	}
	p.nullable = ends("__nullable") || ends("__opt")
	p.uninit = ends("__uninit")
	name := p.ptr.TypeName()
	_, isStruct := p.ptr.(*btf.Struct)
	_, isFunc := p.ptr.(*btf.FuncProto)
	special, isField := kfuncFields[name]
	switch {
	case f.name == "bpf_cast_to_kern_ctx", isStruct && w.isContext(name):
		p.kind = kfCtx
	case ends("__alloc"):
		p.kind = kfLocal
	case ends("__refcounted_kptr"):
		p.kind = kfRefcount
	case ends("__map"):
		p.kind = kfMap
	case ends("__str"):
		p.kind = kfString
	case ends("__irq_flag"):
		p.kind = kfIRQ
	case isStruct && name == "bpf_dynptr":
		p.kind = kfDynptr
	case isStruct && isField:
		p.kind, p.field = special.kind, special.field
	case n == 0 && f.row.Flags&(linux.KfuncIterNew|linux.KfuncIterNext|linux.KfuncIterDestroy) != 0:
		p.kind = kfIter
	case isFunc:
		p.kind = kfCallback
	case isStruct && !w.sized(f, n, &p):
		p.kind = kfObject
	case w.sized(f, n, &p):
		p.kind = kfSized
	default:
		p.kind = kfMem
	}
	return p
}

// sized tells that the next parameter is the size of the memory that this one points to.
func (w *walk) sized(f *kfunc, n int, p *kfuncParam) bool {
	if n+1 >= len(f.proto.Params) {
		return false
	}
	name := f.proto.Params[n+1].Name
	p.constant = strings.HasSuffix(name, "__szk")
	return p.constant || strings.HasSuffix(name, "__sz")
}

// isContext tells that a struct is what programs of the type have for context.
func (w *walk) isContext(name string) bool {
	switch w.prog.Type {
	case linux.ProgTypeSocketFilter, linux.ProgTypeSchedCLS, linux.ProgTypeSchedACT, linux.ProgTypeCGroupSKB,
		linux.ProgTypeLWTIn, linux.ProgTypeLWTOut, linux.ProgTypeLWTXmit, linux.ProgTypeLWTSeg6local, linux.ProgTypeSkSKB:
		return name == "__sk_buff"
	case linux.ProgTypeXDP:
		return name == "xdp_md"
	}
	return false
}

// callKfunc walks a call of a kernel function.
func (w *walk) callKfunc(i *isa.Insn) (done bool, err error) {
	if i.Imm == 0 { // a weak function that the kernel does not have: whether anybody gets here is seen in the end
		w.pc++
		return false, nil
	}
	f, err := w.kfuncOf(i.Imm)
	if err != nil {
		return false, err
	}
	s := w.cur
	is := func(k linux.KfuncFlags) bool { return f.row.Is(k) }
	sleeps := is(linux.KfuncSleepable)
	switch {
	case s.locks > 0 && !is(linux.KfuncLocked):
		return false, w.refuse(einval, "call-locked", "function calls are not allowed while holding a lock")
	case is(linux.KfuncProbed) && !f.row.Allowed(w.prog.Type, linux.AttachType(w.p.AttachType)):
		return false, w.refuse(eacces, "kfunc-type", "calling kernel function %s is not allowed", f.name)
	case !is(linux.KfuncProbed):
		return false, unsupported("kernel function %s", f.name)
	case is(linux.KfuncRCUProtected) && !w.inRCU():
		return false, w.refuse(eacces, "kfunc-rcu", "kernel func %s requires RCU critical section protection", f.name)
	case sleeps && !w.sleepable():
		return false, w.refuse(eacces, "kfunc-sleeps", "program must be sleepable to call sleepable kfunc %s", f.name)
	}
	c := call{kf: f, key: -1}
	for n := range f.params {
		if err := w.kfuncArg(n, &c); err != nil {
			return false, err
		}
	}
	if done, err := w.kfuncSpecial(&c); done || err != nil {
		return done, err
	}
	w.clobber()
	if err := w.kfuncResult(&c); err != nil {
		return false, err
	}
	if is(linux.KfuncIterNext) {
		if err := w.iterNext(&c); err != nil {
			return false, err
		}
	}
	w.pc++
	return false, nil
}

// missingKfuncs refuses calls of functions that are not there, where they are walked.
func (w *walk) missingKfuncs() error {
	for pc := range w.insns {
		if i := &w.insns[pc]; i.Op == isa.CallKfn && i.Imm == 0 && w.at[pc].walked {
			return w.refuse(einval, "kfunc-missing", "invalid kernel function call not eliminated in verifier pass")
		}
	}
	return nil
}

// cssTasks tells that the program may go through the tasks of a cgroup.
func (w *walk) cssTasks() bool {
	return w.prog.Type == linux.ProgTypeLSM || w.sleepable() ||
		w.prog.Type == linux.ProgTypeTracing && w.p.AttachType == uint32(linux.AttachTraceIter)
}

// kfuncSpecial is what single functions do beyond taking arguments. done: the path has ended.
func (w *walk) kfuncSpecial(c *call) (done bool, err error) {
	f, s := c.kf, w.cur
	switch f.name {
	case "bpf_rcu_read_lock":
		if s.rcu > 0 {
			return false, w.refuse(einval, "rcu-nested", "nested rcu read lock (kernel function %s)", f.name)
		}
		s.rcu++
	case "bpf_rcu_read_unlock":
		if s.rcu == 0 {
			return false, w.refuse(einval, "rcu-unmatched", "unmatched rcu read unlock (kernel function %s)", f.name)
		}
		s.rcu--
		w.leaveRCU()
	case "bpf_preempt_disable":
		s.preemptOff++
	case "bpf_preempt_enable":
		if s.preemptOff == 0 {
			return false, w.refuse(einval, "preempt-unmatched", "unmatched attempt to enable preemption (kernel function %s)", f.name)
		}
		s.preemptOff--
	case "bpf_throw":
		return w.throw()
	}
	if f.row.Flags&(linux.KfuncCallback|linux.KfuncAsync) != 0 {
		if err := w.pushCallback(c); err != nil {
			return false, err
		}
	}
	if c.node != 0 && !f.node { // it was put in
		w.giveAway(s.reg(c.node).ref)
	}
	if f.row.Is(linux.KfuncChangesPacket) {
		w.dropPackets()
	}
	if f.row.Is(linux.KfuncSleepable) {
		switch {
		case s.rcu > 0:
			return false, w.refuse(eacces, "kfunc-in-rcu", "kernel func %s is sleepable within rcu_read_lock region", f.name)
		case s.preemptOff > 0:
			return false, w.refuse(eacces, "kfunc-in-preempt", "kernel func %s is sleepable within non-preemptible region", f.name)
		case s.irq() != 0:
			return false, w.refuse(eacces, "kfunc-in-irq", "kernel func %s is sleepable within IRQ-disabled region", f.name)
		}
	}
	if f.row.Is(linux.KfuncRelease) {
		if c.ref == 0 {
			return false, w.refuse(einval, "kfunc-release", "release kernel function %s expects refcounted PTR_TO_BTF_ID", f.name)
		}
		if !s.dropRef(c.ref) {
			return false, w.refuse(einval, "kfunc-release", "kfunc %s#%d reference has not been acquired before", f.name, w.insns[w.pc].Imm)
		}
		w.forget(c.ref)
	}
	return false, nil
}

// leaveRCU makes what RCU has protected pointers that nobody vouches for, and iterators that go no further.
func (w *walk) leaveRCU() {
	w.cur.each(func(r *reg) {
		if r.flags&rcu != 0 {
			r.flags = r.flags&^(rcu|maybeNull) | untrusted
		}
	})
	for _, f := range w.cur.frames {
		for i := range f.stack {
			if s := &f.stack[i]; s.kind[0] == kindIter && s.spill.flags&rcu != 0 {
				s.spill.flags = s.spill.flags&^rcu | untrusted
			}
		}
	}
}

// kfuncResult makes R0 what the function returns.
func (w *walk) kfuncResult(c *call) error {
	f := c.kf
	d := w.cur.reg(isa.R0)
	ret := btf.UnderlyingType(f.proto.Return)
	ptr, ok := ret.(*btf.Pointer)
	if !ok {
		if _, void := ret.(*btf.Void); !void {
			d.setUnknown()
		}
		return nil
	}
	target := btf.UnderlyingType(ptr.Target)
	_, _, _, _, isStruct := members(target)
	known, err := w.kfuncPointer(c, d)
	switch {
	case err != nil || known && d.typ == scalar:
		return err
	case known:
	case isStruct:
		t, err := w.types.refOf(w.types.kernel, target)
		if err != nil {
			return err
		}
		*d = ptrReg(btfPtr, 0)
		d.btf = t
		switch {
		case !f.row.Is(linux.KfuncIterNext):
		case w.iterArg(c).flags&rcu != 0:
			d.flags = rcu
		default:
			d.flags = trusted
		}
	default:
		size, err := btf.Sizeof(target)
		if err != nil {
			return unsupported("what kernel function %s returns", f.name)
		}
		*d = ptrReg(mem, rdOnly)
		if f.row.Is(linux.KfuncRetWritable) {
			d.flags = 0
		}
		d.memSize = uint32(size)
		if f.row.Is(linux.KfuncIterNext) {
			d.ref = w.iterArg(c).ref
		}
	}
	if f.row.Is(linux.KfuncRetNull) && !c.owned { // an owner's object is there
		d.flags |= maybeNull
		d.id = w.newID()
	}
	if f.row.Is(linux.KfuncAcquire) {
		id := w.newID()
		w.cur.refs = append(w.cur.refs, ref{kind: refPtr, id: id, insn: w.pc})
		if d.canBeNull() {
			d.id = id
		}
		d.ref = id
	}
	return nil
}

// kfuncName is the name of a kernel function by its id, "" if there is none.
func (w *walk) kfuncName(id int32, _ int16) string {
	if id == 0 {
		return ""
	}
	f, err := w.kfuncOf(id)
	if err != nil {
		return ""
	}
	return f.name
}
