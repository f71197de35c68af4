package verifier

import (
	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
)

// This file checks what kernel functions are passed.

// kfuncArg checks argument n (from 0).
func (w *walk) kfuncArg(n int, c *call) error {
	f := c.kf
	p := &f.params[n]
	num := isa.R1 + isa.Reg(n)
	r := w.cur.reg(num)
	switch p.kind {
	case kfIgnored:
		return nil
	case kfScalar, kfConst:
		return w.kfuncScalar(num, r, p, c)
	}
	if (r.canBeNull() || r.isNull()) && !p.nullable &&
		(f.row.Flags&(linux.KfuncTrustedArgs|linux.KfuncRCU|linux.KfuncRelease) != 0 || w.k.TrustedArgs()) {
		return w.refuse(eacces, "kfunc-null", "Possibly NULL pointer passed to trusted arg%d", n)
	}
	if r.ref != 0 {
		if f.row.Is(linux.KfuncRelease) && c.ref != 0 {
			return w.refuse(efault, "internal", "verifier bug: more than one arg with ref_obj_id R%d %d %d", num, r.ref, c.ref)
		}
		c.ref = r.ref
		if f.row.Is(linux.KfuncRelease) {
			c.release = num
		}
	}
	if p.nullable && r.isNull() && p.kind != kfSized {
		return nil
	}
	kind := w.kfuncKind(p, num, r)
	if kind == kfMem && !numbers(p.ptr, 0) {
		return w.refuse(einval, "kfunc-memory", "arg#%d pointer type %s %s must point to scalar, or struct with scalar", n,
			kindText(p.ptr), p.ptr.TypeName())
	}
	switch kind {
	case kfObject, kfLocal:
		if err := w.kfuncTrust(num, r, f); err != nil {
			return err
		}
		fallthrough
	case kfCtx, kfDynptr, kfIter, kfMap, kfString, kfIRQ, kfRefcount, kfRoot, kfNode, kfMem, kfSized, kfField:
		if r.isNull() || kind == kfMap && r.typ == notInit {
			break
		}
		if err := w.argOffset(num, r, f.row.Is(linux.KfuncRelease) && r.ref != 0); err != nil {
			return err
		}
	}
	switch kind {
	case kfCtx:
		if r.typ != ptrCtx {
			return w.refuse(einval, "kfunc-context", "arg#%d expected pointer to ctx, but got %s", n, r.typeName())
		}
		if f.name == "bpf_cast_to_kern_ctx" {
			return w.kernelContext(c)
		}
	case kfObject:
		return w.kfuncObject(n, num, r, p, c)
	case kfMem:
		return w.kfuncMem(num, r, p)
	case kfSized:
		return w.kfuncSized(n, num, r, p, c)
	case kfDynptr:
		return w.kfuncDynptr(n, num, r, p, c)
	case kfIter:
		return w.iterParam(n, num, r, c)
	case kfIRQ:
		return w.irqParam(n, num, r, c)
	case kfMap:
		return w.kfuncMap(n, num, r, c)
	case kfString:
		if r.typ != mapValue {
			return w.refuse(einval, "kfunc-string", "arg#%d doesn't point to a const string", n)
		}
		return w.constString(num, r)
	case kfLocal, kfRefcount:
		return w.localParam(n, num, r, kind, c)
	case kfRoot, kfNode:
		return w.graphParam(n, num, r, p, c)
	case kfField:
		if r.typ != mapValue {
			return w.refuse(einval, "kfunc-field", "arg#%d doesn't point to a map value", n)
		}
		return w.fieldParam(num, r, p.field, c)
	case kfCallback:
		if r.typ != funcPtr {
			return w.refuse(einval, "kfunc-callback", "arg%d expected pointer to func", n)
		}
		c.sub = int(r.subprog)
	default:
		return unsupported("kernel function %s", f.name)
	}
	return nil
}

// kfuncKind is what an argument is to be, by what it is: a struct of numbers may lie in memory of any kind, and memory has
// the size of its type if none comes behind it.
func (w *walk) kfuncKind(p *kfuncParam, n isa.Reg, r *reg) kfuncKind {
	if p.kind == kfSized && w.cur.reg(n+1).typ != scalar {
		return kfMem
	}
	if p.kind == kfObject && r.typ != btfPtr && !r.typ.isSock() && r.typ != constMap {
		return kfMem
	}
	return p.kind
}

// kfuncMap checks a map, or an object that the kernel has for one.
func (w *walk) kfuncMap(n int, num isa.Reg, r *reg, c *call) error {
	if r.typ == btfPtr {
		if err := w.kfuncTrust(num, r, c.kf); err != nil {
			return err
		}
		t, err := w.kernelStruct("bpf_map")
		if err != nil {
			return err
		}
		if r.btf != t {
			return w.refuse(einval, "kfunc-type", "kernel function %s args#%d expected pointer to STRUCT bpf_map but R%d has a pointer to %s %s",
				c.kf.name, n, num, kindText(r.btf.typ), r.btf.name)
		}
		return nil
	}
	if r.typ != constMap {
		return w.refuse(einval, "kfunc-map", "pointer in R%d isn't map pointer", num)
	}
	return w.mapArg(r, c)
}

func (w *walk) kfuncScalar(n isa.Reg, r *reg, p *kfuncParam, c *call) error {
	if r.typ != scalar {
		return w.refuse(einval, "kfunc-scalar", "R%d is not a scalar", n)
	}
	if p.kind != kfConst {
		return nil
	}
	if !r.num.IsConst() {
		return w.refuse(einval, "kfunc-constant", "R%d must be a known constant", n)
	}
	c.size = r.val()
	return w.mark(n)
}

// kfuncTrust checks that an object is alive while the function looks at it.
func (w *walk) kfuncTrust(n isa.Reg, r *reg, f *kfunc) error {
	trustedArgs := f.row.Flags&(linux.KfuncTrustedArgs|linux.KfuncRelease) != 0 || w.k.TrustedArgs() && !f.row.Is(linux.KfuncRCU)
	if !trustedArgs && !f.row.Is(linux.KfuncRCU) || r.isTrusted() || r.typ != btfPtr && r.flags == 0 && r.typ != scalar && (r.typ.isSock() || r.typ == constMap) {
		return nil
	}
	if trustedArgs {
		return w.refuse(einval, "kfunc-trust", "R%d must be referenced or trusted", n)
	}
	if !r.isRCU() {
		return w.refuse(einval, "kfunc-rcu-pointer", "R%d must be a rcu pointer", n)
	}
	return nil
}

// sockTypes are the kernel's structs behind the views of sockets.
var sockTypes = [numRegTypes]string{sock: "sock", sockCommon: "sock_common", tcpSock: "tcp_sock", constMap: "bpf_map"}

// kfuncObject checks a pointer to a kernel object.
func (w *walk) kfuncObject(n int, num isa.Reg, r *reg, p *kfuncParam, c *call) error {
	have := r.btf
	switch {
	case r.typ == btfPtr && (r.flags&untrusted != 0 || r.canBeNull() && !p.nullable):
		return w.refuse(einval, "kfunc-trust", "arg#%d is %s expected ptr_ or socket", n, r.typeName())
	case r.typ != btfPtr:
		name := sockTypes[r.typ]
		if name == "" {
			return unsupported("passing %s to kernel function %s", r.typeName(), c.kf.name)
		}
		t, err := w.kernelStruct(name)
		if err != nil {
			return err
		}
		have = t
	}
	want, err := w.types.refOf(w.types.kernel, p.ptr)
	if err != nil {
		return err
	}
	if name := contextAliases[want.name]; name == have.name {
		want = have // what the kernel calls the context by itself
	}
	strict := c.kf.row.Is(linux.KfuncRelease) || c.kf.row.Is(linux.KfuncTrustedArgs) && aliased(have.name, want.name)
	if have.space != want.space || !w.types.matches(have, int(r.off), want, strict) {
		return w.refuse(einval, "kfunc-type", "kernel function %s args#%d expected pointer to %s %s but R%d has a pointer to %s %s",
			c.kf.name, n, kindText(p.ptr), want.name, num, kindText(have.typ), have.name)
	}
	return nil
}

// contextAliases are the kernel's own structs behind those that programs know.
var contextAliases = map[string]string{"__sk_buff": "sk_buff", "xdp_md": "xdp_buff"}

// aliased tells that one name is the other with ___init behind: then the types are not to be mixed.
func aliased(a, b string) bool {
	const init = "___init"
	return a == b+init || b == a+init
}

// kfuncMem checks memory of a fixed size.
func (w *walk) kfuncMem(num isa.Reg, r *reg, p *kfuncParam) error {
	size, err := btf.Sizeof(p.ptr)
	if err != nil {
		return unsupported("memory of unknown size")
	}
	return w.memArg(num, r, int64(size))
}

// numbers tells that a type holds nothing but numbers.
func numbers(t btf.Type, depth int) bool {
	const deepest = 4
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Int, *btf.Enum, *btf.Float:
		return true
	case *btf.Array:
		return depth > 0 && numbers(t.Type, depth+1)
	case *btf.Struct, *btf.Union:
		if depth >= deepest {
			return false
		}
		_, _, list, _, _ := members(t)
		for i := range list {
			if !numbers(list[i].Type, depth+1) {
				return false
			}
		}
		return true
	}
	return false
}

// kfuncSized checks memory, and the size of it that comes behind.
func (w *walk) kfuncSized(n int, num isa.Reg, r *reg, p *kfuncParam, c *call) error {
	size := w.cur.reg(num + 1)
	if !r.isNull() || !p.nullable {
		err := w.kfuncMemLen(num, r, size)
		if err != nil {
			if e, ok := err.(*refusal); ok {
				return w.refuse(e.errno, "kfunc-size", "arg#%d arg#%d memory, len pair leads to invalid memory access", n, n+1)
			}
			return err
		}
	}
	if p.constant {
		if size.typ != scalar || !size.num.IsConst() {
			return w.refuse(einval, "kfunc-constant", "R%d must be a known constant", num+1)
		}
		c.size = size.val()
	}
	return nil
}

func (w *walk) kfuncMemLen(num isa.Reg, r *reg, size *reg) error {
	if size.typ != scalar {
		return w.refuse(einval, "kfunc-scalar", "R%d is not a scalar", num+1)
	}
	saved := *r
	if r.canBeNull() {
		r.notNull()
	}
	var sc call
	sc.raw.size = -1
	err := w.sizeArg(num+1, size, false, true, &sc)
	if err == nil {
		err = w.sizeArg(num+1, size, true, true, &sc)
	}
	*r = saved
	return err
}
