package prepare

import (
	"fmt"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// An ArgKind is what a function of the program takes, as its type says.
type ArgKind uint8

// Kinds of arguments.
const (
	ArgScalar       ArgKind = iota
	ArgContext              // the program's context
	ArgMem                  // memory of MemSize bytes
	ArgDynptr               // a dynptr, read-only for the function
	ArgTrusted              // a kernel object of type TypeID that is known to be valid
	ArgUntrusted            // a kernel object of type TypeID that may be anything
	ArgUntrustedMem         // memory that may not be there, to be read only
	ArgArena                // an address in the program's arena
)

// An Arg is one argument of a subprogram.
type Arg struct {
	Kind      ArgKind
	MemSize   uint32
	MaybeNull bool
	TypeID    btf.TypeID // in the kernel's BTF
	Type      btf.Type
}

// A Signature is what calls of a subprogram are checked against.
type Signature struct {
	// Known says that the type of the subprogram can be used. Where it cannot, calls of a global function are
	// refused after Lines are logged; a static function is verified with whatever it is given.
	Known bool
	Errno int      // of the refusal
	Lines []string // logged when the type is first needed; the last one is the reason
	Args  []Arg
	Void  bool // returns nothing (static functions)
}

const maxArgs = 5

type argTags uint8

const (
	tagContext argTags = 1 << iota
	tagNonnull
	tagTrusted
	tagNullable
	tagUntrusted
	tagArena
)

var argTagNames = map[string]argTags{"ctx": tagContext, "nonnull": tagNonnull, "trusted": tagTrusted,
	"nullable": tagNullable, "untrusted": tagUntrusted, "arena": tagArena}

// signatures reads the types of all subprograms.
func (in *Info) signatures() {
	for n := range in.Subprogs {
		s := &in.Subprogs[n]
		if s.Proto == nil {
			continue
		}
		s.Signature = &Signature{}
		r := &signer{in: in, sub: s, sig: s.Signature, fn: in.funcs[n].fn}
		r.read()
		if !s.Signature.Known {
			s.Signature.Args = nil
		}
	}
}

type signer struct {
	in  *Info
	sub *Subprog
	sig *Signature
	fn  *btf.Func
}

// fail notes why the type cannot be used; of static functions, the log says so only where the tags are wrong.
func (r *signer) fail(errno int, format string, args ...any) bool {
	r.sig.Errno = errno
	r.sig.Lines = append(r.sig.Lines, fmt.Sprintf(format, args...))
	return false
}

func (r *signer) failGlobal(errno int, format string, args ...any) bool {
	if r.sub.Global {
		return r.fail(errno, format, args...)
	}
	r.sig.Errno = errno
	return false
}

func (r *signer) read() {
	params := r.sub.Proto.Params
	_, r.sig.Void = btf.UnderlyingType(r.sub.Proto.Return).(*btf.Void)
	if len(params) > maxArgs {
		r.failGlobal(einval, "Global function %s() with %d > %d args. Buggy compiler.", r.sub.Name, len(params), maxArgs)
		return
	}
	if !isNumber(r.sub.Proto.Return) {
		r.failGlobal(einval, "Global function %s() doesn't return scalar. Only those are supported.", r.sub.Name)
		if r.sub.Global {
			return
		}
	}
	for i := range params {
		tags, ok := r.tags(i)
		if !ok || !r.arg(i, btf.UnderlyingType(params[i].Type), tags) {
			return
		}
	}
	r.sig.Known = true
	r.sig.Errno = 0
}

// tags reads the declaration tags of an argument: "arg:nonnull" and so on.
func (r *signer) tags(i int) (argTags, bool) {
	var set argTags
	if i >= len(r.fn.ParamTags) || r.in.options.NoArgTags {
		return 0, true
	}
	for _, tag := range r.fn.ParamTags[i] {
		name, ok := strings.CutPrefix(tag, "arg:")
		if !ok {
			continue
		}
		if !r.sub.Global {
			return 0, r.fail(eopnotsupp, "arg#%d type tag is not supported in static functions", i)
		}
		known := argTagNames[name]
		if known == 0 {
			return 0, r.fail(eopnotsupp, "arg#%d has unsupported set of tags", i)
		}
		set |= known
	}
	return set, true
}

func (r *signer) add(a Arg) bool {
	r.sig.Args = append(r.sig.Args, a)
	return true
}

func (r *signer) arg(i int, t btf.Type, tags argTags) bool {
	p, ok := t.(*btf.Pointer)
	if !ok {
		switch {
		case tags != 0:
			return r.fail(einval, "arg#%d has pointer tag, but is not a pointer type", i)
		case isNumber(t):
			return r.add(Arg{Kind: ArgScalar})
		}
		return r.failGlobal(einval, "Arg#%d type %s in %s() is not supported yet.", i, kindName(t), r.sub.Name)
	}
	if r.in.options.NoMemArgs && !r.in.isContext(p.Target) {
		return r.failGlobal(einval, "Arg#%d type %s in %s() is not supported yet.", i, kindName(t), r.sub.Name)
	}
	combination := func() bool { return r.fail(einval, "arg#%d has invalid combination of tags", i) }
	target := p.Target
	switch {
	case tags&tagContext != 0 || r.in.isContext(target):
		if tags&^tagContext != 0 {
			return combination()
		}
		if tags != 0 && !r.context(i, target) {
			return false
		}
		return r.add(Arg{Kind: ArgContext})
	case isStructNamed(target, "bpf_dynptr"):
		if tags != 0 {
			return combination()
		}
		return r.add(Arg{Kind: ArgDynptr})
	case tags&tagTrusted != 0:
		if tags&(tagNonnull|tagContext) != 0 {
			return combination()
		}
		found, id, ok := r.kernelType(i, target)
		return ok && r.add(Arg{Kind: ArgTrusted, Type: found, TypeID: id, MaybeNull: tags&tagNullable != 0})
	case tags&tagUntrusted != 0:
		if tags != tagUntrusted {
			return r.fail(einval, "arg#%d untrusted cannot be combined with any other tags", i)
		}
		u := btf.UnderlyingType(target)
		if _, void := u.(*btf.Void); void || isNumber(u) {
			return r.add(Arg{Kind: ArgUntrustedMem})
		}
		found, id, ok := r.kernelType(i, target)
		return ok && r.add(Arg{Kind: ArgUntrusted, Type: found, TypeID: id})
	case tags&tagArena != 0:
		if tags != tagArena {
			return r.fail(einval, "arg#%d arena cannot be combined with any other tags", i)
		}
		return r.add(Arg{Kind: ArgArena})
	case !r.sub.Global:
		r.sig.Errno = einval
		return false
	case tags&tagNullable != 0:
		return combination()
	}
	size, ok := sizeOf(target)
	if !ok {
		return r.fail(einval, "arg#%d reference type('%s %s') size cannot be determined: %d", i,
			kindName(btf.UnderlyingType(target)), btf.UnderlyingType(target).TypeName(), -einval)
	}
	return r.add(Arg{Kind: ArgMem, MemSize: size, MaybeNull: tags&tagNonnull == 0})
}

// kernelType finds the kernel's type of the same kind and name.
func (r *signer) kernelType(i int, t btf.Type) (btf.Type, btf.TypeID, bool) {
	t = btf.UnderlyingType(t)
	name := t.TypeName()
	if i := strings.Index(name, "___"); i > 0 { // a flavour
		name = name[:i]
	}
	if name == "" {
		return nil, 0, r.fail(einval, "arg#%d reference type('%s (anon)') candidate matching error: %d", i, kindName(t), -einval)
	}
	kernel := r.in.kernel
	if kernel == nil {
		r.in.unsupported("the type of %s() needs the kernel's BTF", r.sub.Name)
		return nil, 0, false
	}
	types, _ := kernel.AnyTypesByName(name) // no types is the answer, whatever the error
	for _, k := range types {
		if kindName(k) == kindName(t) {
			if id, err := kernel.TypeID(k); err == nil {
				return k, id, true
			}
		}
	}
	return nil, 0, r.fail(enoent, "arg#%d reference type('%s %s') has no matches", i, kindName(t), t.TypeName())
}

// sizeOf is the size of the memory that a pointer to the type points to.
func sizeOf(t btf.Type) (uint32, bool) {
	switch btf.UnderlyingType(t).(type) {
	case *btf.Void, *btf.Fwd, *btf.FuncProto, *btf.Func:
		return 0, false
	}
	n, err := btf.Sizeof(t)
	return uint32(n), err == nil
}

// kindName is the kind of a type as the kernel's log spells it.
func kindName(t btf.Type) string {
	switch t := t.(type) {
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
		if t.Size == 8 {
			return "ENUM64"
		}
		return "ENUM"
	case *btf.Fwd:
		return "FWD"
	case *btf.Typedef:
		return "TYPEDEF"
	case *btf.Func:
		return "FUNC"
	case *btf.FuncProto:
		return "FUNC_PROTO"
	case *btf.Var:
		return "VAR"
	case *btf.Datasec:
		return "DATASEC"
	case *btf.Float:
		return "FLOAT"
	}
	return "UNKNOWN"
}

func isStructNamed(t btf.Type, name string) bool {
	s, ok := btf.UnderlyingType(t).(*btf.Struct)
	return ok && s.Name == name
}

// contextStructs are the structs that a program of a type sees as its context.
var contextStructs = map[uint32]string{
	1: "__sk_buff", 3: "__sk_buff", 4: "__sk_buff", 8: "__sk_buff", 10: "__sk_buff", 11: "__sk_buff", 12: "__sk_buff",
	14: "__sk_buff", 19: "__sk_buff", 22: "__sk_buff",
	2: "pt_regs", 6: "xdp_md", 7: "bpf_perf_event_data", 9: "bpf_sock", 13: "bpf_sock_ops", 15: "bpf_cgroup_dev_ctx",
	16: "sk_msg_md", 17: "bpf_raw_tracepoint_args", 18: "bpf_sock_addr", 21: "sk_reuseport_md", 23: "bpf_sysctl",
	24: "bpf_raw_tracepoint_args", 25: "bpf_sockopt", 30: "bpf_sk_lookup", 32: "bpf_nf_ctx",
}

// userRegs is what portable programs call the registers that a kprobe sees.
const userRegs = "bpf_user_pt_regs_t"

// isContext tells that a pointer to the type is the context without being tagged so.
func (in *Info) isContext(t btf.Type) bool {
	name := contextStructs[in.Program.Type]
	if name == "" {
		return false
	}
	if in.Program.Type == progKprobe && (hasTypedef(t, userRegs) || isStructNamed(t, userRegs)) {
		return true
	}
	return isStructNamed(t, name)
}

// hasTypedef tells that the type is, below modifiers and other typedefs, a typedef of that name.
func hasTypedef(t btf.Type, name string) bool {
	for {
		switch u := t.(type) {
		case *btf.Typedef:
			if u.Name == name {
				return true
			}
			t = u.Type
		case *btf.Const:
			t = u.Type
		case *btf.Volatile:
			t = u.Type
		case *btf.Restrict:
			t = u.Type
		case *btf.TypeTag:
			t = u.Type
		default:
			return false
		}
	}
}

// context checks the type of an argument that is tagged as the context.
func (r *signer) context(i int, t btf.Type) bool {
	typ := r.in.Program.Type
	t = btf.UnderlyingType(t)
	if _, void := t.(*btf.Void); void {
		return true
	}
	if _, array := t.(*btf.Array); t.TypeName() == "" && typ != progTracepoint && (array || isPointer(t)) {
		return r.fail(einval, "arg#%d type doesn't have a name", i)
	}
	number, _ := t.(*btf.Int)
	u64 := number != nil && number.Size == 8
	switch typ {
	case progTracepoint, progSyscall:
		return true
	case progPerfEvent:
		if isStructNamed(t, "pt_regs") {
			return true
		}
	case progRawTracepoint, progRawTracepointWritable:
		if u64 {
			return true
		}
	case progTracing, progLSM, progStructOps:
		switch attach := r.in.Program.AttachType; {
		case u64,
			attach == attachRawTP && isStructNamed(t, "bpf_raw_tracepoint_args"),
			attach == attachIter && strings.HasPrefix(t.TypeName(), "bpf_iter__"):
			return true
		}
		return r.fail(einval, "arg#%d should be void pointer", i)
	}
	if r.in.isContext(t) {
		return true
	}
	name := contextStructs[typ]
	if name == "" {
		return r.fail(einval, "arg#%d should be void pointer", i)
	}
	return r.fail(einval, "arg#%d should be `struct %s *`", i, name)
}

func isPointer(t btf.Type) bool { _, ok := t.(*btf.Pointer); return ok }
