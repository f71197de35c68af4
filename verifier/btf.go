package verifier

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
)

// This file implements pointers to kernel objects: the typed arguments of what a program is attached to, loads through
// them, and how far what is loaded may be trusted.

func sprintf(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// accessArgs is a load from a context whose layout is the arguments of the function or tracepoint attached to.
func (w *walk) accessArgs(off int, a *access) error {
	invalid := func(text string) error {
		if text != "" {
			text += "\n"
		}
		return w.refuse(eacces, "context", "%sinvalid bpf_context access off=%d size=%d", text, off, a.size)
	}
	if off < 0 || off >= 8*linux.MaxTraceArgs || a.write || off%a.size != 0 {
		return invalid("")
	}
	name := w.in.AttachName
	if off%8 != 0 {
		return invalid(sprintf("func '%s' offset %d is not multiple of 8", name, off))
	}
	proto := w.in.AttachProto
	if proto == nil || w.types.kernel == nil {
		return unsupported("the arguments of what the program is attached to")
	}
	params := proto.Params
	if w.rawTracepoint() {
		params = params[1:]
	}
	n := off / 8
	if n >= len(params) {
		if n > len(params) || !w.returns() {
			return invalid(sprintf("func '%s' doesn't have %d-th argument", name, n+1))
		}
		return w.returnArg(a)
	}
	t := btf.UnderlyingType(params[n].Type)
	switch t := t.(type) {
	case *btf.Int, *btf.Enum, *btf.Struct, *btf.Union:
		w.loaded(a)
		return nil
	case *btf.Pointer:
		if a.size != 8 {
			return invalid(sprintf("func '%s' size %d must be 8", name, a.size))
		}
		return w.pointerArg(off, n, &params[n], t, a)
	default:
		return invalid(sprintf("func '%s' arg%d '%s' has type %s. Only pointer access is allowed", name, n, t.TypeName(), kindText(t)))
	}
}

func (w *walk) rawTracepoint() bool {
	return w.prog.Type == linux.ProgTypeTracing && w.p.AttachType == uint32(linux.AttachTraceRawTP)
}

// returns tells that the program sees what the function that it is attached to returns.
func (w *walk) returns() bool {
	switch linux.AttachType(w.p.AttachType) {
	case linux.AttachLSMMAC, linux.AttachLSMCGroup, linux.AttachTraceFexit, linux.AttachModifyReturn:
		return true
	}
	return false
}

// returnArg is a load of what the function that the program is attached to returned. Of an LSM hook it is in its range.
func (w *walk) returnArg(a *access) error {
	hook := linux.AttachType(w.p.AttachType)
	_, isInt := btf.UnderlyingType(w.in.AttachProto.Return).(*btf.Int)
	if !isInt || a.size != 8 || hook == linux.AttachLSMCGroup {
		return unsupported("the return value of what the program is attached to")
	}
	w.loaded(a)
	if r := w.k.LSMReturn(hook, w.in.AttachName); hook == linux.AttachLSMMAC && r.Kind == linux.ReturnRange && a.hasReg {
		n := &w.cur.reg(a.reg).num
		n.SMin, n.SMax, n.S32Min, n.S32Max = int64(r.Min), int64(r.Max), int32(r.Min), int32(r.Max)
		n.Sync()
	}
	return nil
}

// pointerArg is a load of an argument that is a pointer.
func (w *walk) pointerArg(off, n int, param *btf.FuncParam, p *btf.Pointer, a *access) error {
	if !a.hasReg {
		return nil
	}
	d := w.cur.reg(a.reg)
	known := linux.TargetPointer(w.p.AttachTo, off)
	if w.prog.Type == linux.ProgTypeTracing && w.p.AttachType == uint32(linux.AttachTraceIter) && known == "" {
		if _, ok := btf.UnderlyingType(p.Target).(*btf.Struct); ok && n > 0 {
			return unsupported("the arguments of iterator %s", w.p.AttachTo)
		}
	}
	flags := trusted
	if known != "" {
		typ, f, ok := parseTypeName(known)
		if !ok {
			return unsupported("an argument of type %s", known)
		}
		switch typ {
		case scalar:
			d.setUnknown()
			return nil
		case buf:
			*d = ptrReg(buf, f)
			if d.canBeNull() {
				d.id = w.newID()
			}
			return nil
		}
		flags = f
	}
	target := btf.UnderlyingType(p.Target)
	switch target.(type) {
	case *btf.Void, *btf.Int, *btf.Enum:
		d.setUnknown()
		return nil
	case *btf.Struct, *btf.Union:
	default:
		return w.refuse(eacces, "context", "func '%s' arg%d type %s is not a struct\ninvalid bpf_context access off=%d size=%d",
			w.in.AttachName, n, kindText(target), off, a.size)
	}
	if known == "" && strings.HasSuffix(param.Name, "__nullable") {
		flags |= maybeNull
	}
	if tag, ok := p.Target.(*btf.TypeTag); ok {
		flags |= tagFlags[tag.Value] &^ rcu
	}
	t, err := w.types.refOf(w.types.kernel, target)
	if err == nil && t.name == "sock" && w.prog.Type == linux.ProgTypeStructOps && w.p.AttachTo == "tcp_congestion_ops" {
		t, err = w.kernelStruct("tcp_sock") // a socket that congestion control is for is one of TCP
	}
	if err != nil {
		return err
	}
	if known == "" || w.rawTracepoint() {
		w.line("func '%s' arg%d has btf_id %d type %s '%s'", w.in.AttachName, n, t.id, kindText(target), t.name)
	}
	*d = ptrReg(btfPtr, flags)
	d.btf = t
	if d.canBeNull() {
		d.id = w.newID()
	}
	return nil
}

// parseTypeName reads a type as the log spells it: "trusted_ptr_or_null_task_struct".
func parseTypeName(s string) (t regType, f regFlags, ok bool) {
	for _, p := range slices.Backward(typePrefixes) {
		if rest, cut := strings.CutPrefix(s, p.text); cut {
			s, f = rest, f|p.flag
		}
	}
	switch {
	case s == "scalar":
		return scalar, f, true
	case s == "buf_or_null":
		return buf, f | maybeNull, true
	case strings.HasPrefix(s, "ptr_or_null_"):
		return btfPtr, f | maybeNull, true
	case strings.HasPrefix(s, "ptr_"):
		return btfPtr, f, true
	}
	return 0, 0, false
}

func kindText(t btf.Type) string {
	switch t.(type) {
	case *btf.Void:
		return "UNKNOWN"
	case *btf.Int:
		return "INT"
	case *btf.Pointer:
		return "PTR"
	case *btf.Array:
		return "ARRAY"
	case *btf.Struct:
		return "STRUCT"
	case *btf.Union:
		return "UNION"
	case *btf.Enum:
		return "ENUM"
	case *btf.Fwd:
		return "FWD"
	case *btf.FuncProto:
		return "FUNC_PROTO"
	case *btf.Float:
		return "FLOAT"
	}
	return "UNKNOWN"
}

// inRCU tells that what RCU protects stays while the program runs on.
func (w *walk) inRCU() bool { return w.cur.rcu > 0 || w.cur.locks > 0 || !w.sleepable() }

// accessBTF is an access through a pointer with a BTF type.
func (w *walk) accessBTF(r *reg, off int, a *access) error {
	t := r.btf
	kernel := t.space == w.types.kernel
	bad := func(code, format string, args ...any) error {
		return w.refuse(eacces, code, "R%d is ptr_%s "+format, append([]any{a.base, t.name}, args...)...)
	}
	switch {
	case kernel && !w.in.GPL:
		return w.refuse(einval, "btf-gpl", "Cannot access kernel 'struct %s' from non-GPL compatible program", t.name)
	case off < 0:
		return bad("btf-range", "invalid negative access: off=%d", off)
	case !r.num.IsConst() || r.num.Bits.Value != 0:
		return bad("btf-variable", "invalid variable offset: off=%d, var_off=%s", off, bitsText(r.num.Bits))
	case r.flags&userMem != 0:
		return bad("btf-user", "access user memory: off=%d", off)
	case r.flags&perCPU != 0:
		return bad("btf-percpu", "access percpu memory: off=%d", off)
	case !kernel:
		return w.accessLocal(r, off, a)
	}
	if a.write {
		return w.writeBTF(r, off, a)
	}
	f := walkFull(t.typ, off, a.size)
	if f.kind == foundNothing {
		return w.refuse(f.errno, "btf-access", "%s", f.text)
	}
	flags := f.flags
	if f.kind == foundPtr {
		var err error
		if flags, err = w.walkTrust(r, &f); err != nil {
			return err
		}
	}
	if !a.hasReg {
		return nil
	}
	return w.loadedBTF(w.cur.reg(a.reg), t.space, &f, flags)
}

// loadedBTF makes a register what was found in a struct.
func (w *walk) loadedBTF(d *reg, space *object.BTF, f *found, flags regFlags) error {
	switch f.kind {
	case foundScalar:
		d.setUnknown()
	case foundOtherPtr:
		if w.k.Version < untrustedMem {
			d.setUnknown()
			break
		}
		*d = ptrReg(mem, rdOnly|untrusted)
	case foundPtr:
		t, err := w.types.refOf(space, f.typ)
		if err != nil {
			return err
		}
		*d = ptrReg(btfPtr, flags)
		d.btf = t
		if d.canBeNull() {
			d.id = w.newID()
		}
	}
	return nil
}

// isRCU tells that the pointer is valid within the RCU section.
func (r *reg) isRCU() bool { return r.flags&rcu != 0 }

// walkTrust says how far a pointer may be trusted that was loaded through another.
func (w *walk) walkTrust(r *reg, f *found) (regFlags, error) {
	flags := f.flags
	if r.flags&untrusted != 0 {
		return untrusted, nil
	}
	if !r.isTrusted() && !r.isRCU() || !w.k.Has(linux.FeatureTrustedPointers) {
		return flags &^ (trusted | rcu), nil // as it was before pointers were trusted
	}
	switch {
	case w.safeField(r, f, "__safe_trusted"):
		return flags | trusted, nil
	case w.safeField(r, f, "__safe_trusted_or_null"):
		return flags | trusted | maybeNull, nil
	case !w.inRCU() || r.canBeNull():
		return untrusted, nil
	case w.safeField(r, f, "__safe_rcu"):
		return flags | rcu, nil
	case flags&rcu != 0:
		return flags | rcu | maybeNull, nil
	case w.safeField(r, f, "__safe_rcu_or_null"):
		return flags&^untrusted | rcu | maybeNull, nil
	case flags&(perCPU|userMem) != 0:
		return flags, nil
	}
	return flags &^ (trusted | rcu), nil
}

// safeField tells that the kernel's BTF lists the field among those that are as trusted as what they are in: in a type
// named after the struct and the kind of trust.
func (w *walk) safeField(r *reg, f *found, kind string) bool {
	spec := w.types.kernel.Spec
	types, _ := spec.AnyTypesByName(r.btf.name + kind) // none is the usual answer
	for _, t := range types {
		_, _, list, _, ok := members(t)
		if !ok {
			continue
		}
		for i := range list {
			if list[i].Name != f.field {
				continue
			}
			if p, ok := btf.UnderlyingType(list[i].Type).(*btf.Pointer); ok && btf.UnderlyingType(p.Target) == f.typ {
				return true
			}
		}
	}
	return false
}

// mapStructs are the structs behind maps of each type.
var mapStructs = map[linux.MapType]string{
	linux.MapTypeHash: "bpf_htab", linux.MapTypeArray: "bpf_array", linux.MapTypeProgArray: "bpf_array",
	linux.MapTypePerfEventArray: "bpf_array", linux.MapTypePerCPUHash: "bpf_htab", linux.MapTypePerCPUArray: "bpf_array",
	linux.MapTypeStackTrace: "bpf_stack_map", linux.MapTypeCGroupArray: "bpf_array", linux.MapTypeLRUHash: "bpf_htab",
	linux.MapTypeLRUPerCPUHash: "bpf_htab", linux.MapTypeLPMTrie: "lpm_trie", linux.MapTypeArrayOfMaps: "bpf_array",
	linux.MapTypeHashOfMaps: "bpf_htab", linux.MapTypeDevMap: "bpf_dtab", linux.MapTypeSockMap: "bpf_stab",
	linux.MapTypeCPUMap: "bpf_cpu_map", linux.MapTypeXSKMap: "xsk_map", linux.MapTypeSockHash: "bpf_shtab",
	linux.MapTypeReuseportSockarray: "reuseport_array", linux.MapTypeQueue: "bpf_queue_stack",
	linux.MapTypeStack: "bpf_queue_stack", linux.MapTypeDevMapHash: "bpf_dtab", linux.MapTypeRingBuf: "bpf_ringbuf_map",
	linux.MapTypeUserRingBuf: "bpf_ringbuf_map", linux.MapTypeBloomFilter: "bpf_bloom_filter",
	linux.MapTypeArena: "bpf_arena", linux.MapTypeCGroupStorage: "bpf_cgroup_storage_map",
	linux.MapTypePerCPUCGroupStorage: "bpf_cgroup_storage_map",
	linux.MapTypeSkStorage:           "bpf_local_storage_map", linux.MapTypeInodeStorage: "bpf_local_storage_map",
	linux.MapTypeTaskStorage: "bpf_local_storage_map", linux.MapTypeCgrpStorage: "bpf_local_storage_map",
}

// accessMapPtr is a load from a map itself.
func (w *walk) accessMapPtr(r *reg, off int, a *access) error {
	name, ok := mapStructs[linux.MapType(r.m.Type)]
	if !ok {
		return unsupported("fields of maps of type %v", linux.MapType(r.m.Type))
	}
	t, err := w.kernelStruct(name)
	if err != nil {
		return err
	}
	switch {
	case off < 0:
		return w.refuse(eacces, "map-range", "R%d is %s invalid negative access: off=%d", a.base, name, off)
	case a.write:
		return w.refuse(eacces, "map-write", "only read from %s is supported", name)
	}
	f := walkFull(t.typ, off, a.size)
	if f.kind == foundNothing {
		return w.refuse(f.errno, "map-access", "%s", f.text)
	}
	if !a.hasReg {
		return nil
	}
	return w.loadedBTF(w.cur.reg(a.reg), t.space, &f, f.flags)
}

// kptrType is the type that a kptr field points to.
// accessKptr is a load or store of a kptr in a map's value.
// rcuTypes are the kernel objects that are freed only after an RCU grace period.
// kptrMatches checks that a pointer may be put into a kptr field.
// kptrDest checks the field that bpf_kptr_xchg changes.
// loadSymbol makes a register the address of a kernel variable.
func (w *walk) loadSymbol(i *isa.Insn, d *reg) error {
	spec := w.types.kernel.Spec
	t, err := spec.TypeByID(btf.TypeID(i.Imm))
	if err != nil {
		return unsupported("a kernel symbol without a type")
	}
	v, ok := t.(*btf.Var)
	if !ok { // a function: no byte of it may be read
		*d = ptrReg(mem, rdOnly)
		return nil
	}
	typ := btf.UnderlyingType(v.Type)
	_, _, _, _, isStruct := members(typ)
	if w.types.perCPUVar(v) || isStruct {
		r, err := w.types.refOf(w.types.kernel, typ)
		if err != nil {
			return err
		}
		*d = ptrReg(btfPtr, 0)
		if w.types.perCPUVar(v) {
			d.flags = perCPU
		}
		d.btf = r
		return nil
	}
	size, err := btf.Sizeof(typ)
	if err != nil {
		return unsupported("a kernel variable of unknown size")
	}
	*d = ptrReg(mem, rdOnly)
	d.memSize = uint32(size)
	return nil
}

// perCPUVar tells that each CPU has a variable of its own.
func (t *kernelTypes) perCPUVar(v *btf.Var) bool {
	var sec *btf.Datasec
	if t.kernel.Spec.TypeByName(".data..percpu", &sec) != nil {
		return false
	}
	for i := range sec.Vars {
		if sec.Vars[i].Type == btf.Type(v) {
			return true
		}
	}
	return false
}

// perCPUResult is what the helpers for per-CPU variables return.
func (w *walk) perCPUResult(d *reg, c *call, f regFlags) error {
	t := c.typ
	if t == nil {
		return unsupported("per-CPU variables")
	}
	if t.space != w.types.kernel {
		*d = ptrReg(btfPtr, alloc|rcu)
		d.btf = t
		return nil
	}
	if _, _, _, _, ok := members(t.typ); ok {
		*d = ptrReg(btfPtr, f&^rdOnly)
		d.btf = t
		return nil
	}
	size, err := btf.Sizeof(t.typ)
	if err != nil {
		return unsupported("a per-CPU variable of unknown size")
	}
	*d = ptrReg(mem, f)
	d.memSize = uint32(size)
	return nil
}
