package prepare

import (
	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
)

// helper is what the program gets for a helper; nil if there is none.
func (in *Info) helper(id int32) *helpers.Prototype {
	return helpers.ForProg(id, in.Program.Type, in.Program.AttachType, in.Sleepable)
}

// A kfunc is a kernel function that the program calls.
type kfunc struct {
	name  string
	args  int
	flags linux.KfuncFlags // none if it is in no table
}

func (k *kfunc) is(f linux.KfuncFlags) bool { return k.flags.Is(f) }

// kfuncTable looks up the kernel functions that a program calls.
func kfuncTable(p *object.Program, kernel *object.BTF) func(pc int) *kfunc {
	known := map[int32]*kfunc{}
	return func(pc int) *kfunc {
		i := &p.Insns[pc]
		if i.Opcode != opCall || i.Src != isa.PseudoCallKfunc || kernel == nil || kernel.Spec == nil {
			return nil
		}
		if f, ok := known[i.Imm]; ok {
			return f
		}
		known[i.Imm] = kfuncOf(kernel.Spec, btf.TypeID(i.Imm))
		return known[i.Imm]
	}
}

func kfuncOf(spec *btf.Spec, id btf.TypeID) *kfunc {
	t, err := spec.TypeByID(id)
	if err != nil {
		return nil
	}
	fn, ok := t.(*btf.Func)
	if !ok {
		return nil
	}
	proto, ok := fn.Type.(*btf.FuncProto)
	if !ok {
		return nil
	}
	f := &kfunc{name: fn.Name, args: min(len(proto.Params), 5)}
	if row := linux.FindKfunc(f.name); row != nil {
		f.flags = row.Flags
	}
	return f
}

// A kfuncID names a kernel function: its BTF id, and the index in fd_array of the module that has it.
type kfuncID struct {
	id  int32
	off int16
}

const maxKfuncs = 256

// checkKfunc checks the kernel function that the slot calls, if it calls one. Whether the program's type may call it is seen
// when the call is walked.
func (in *Info) checkKfunc(pc int, seen map[kfuncID]bool) *Fault {
	i := &in.Program.Insns[pc]
	if i.Opcode != opCall || i.Src != isa.PseudoCallKfunc {
		return nil
	}
	bad := func(errno int, code, format string, args ...any) *Fault {
		return fault(errno, pc, code, format, args...)
	}
	if !in.GPL {
		return bad(einval, "kfunc-licence", "cannot call kernel function from non-GPL compatible program")
	}
	id := kfuncID{i.Imm, i.Off}
	if id == (kfuncID{}) || seen[id] { // a weak function that is not there, which may be called where nobody gets to
		return nil
	}
	if i.Off != 0 {
		errno := einval
		if i.Off > 0 && len(in.Program.Maps) == 0 { // then there is no fd_array
			errno = eproto
		}
		return bad(errno, "kfunc-module", "failed to find BTF for kernel function")
	}
	if in.kernel == nil {
		in.unsupported("kernel functions need the kernel's BTF")
		return nil
	}
	fn, _ := function(in.kernel, uint32(i.Imm))
	if fn == nil {
		return bad(einval, "kfunc-id", "kernel btf_id %d is not a function", uint32(i.Imm))
	}
	if row := linux.FindKfunc(fn.Name); row != nil && row.Is(linux.KfuncDeviceBound) {
		return bad(einval, "kfunc-metadata", "metadata kfuncs require device-bound program")
	}
	if len(seen) == maxKfuncs {
		return bad(e2big, "too-many-kfuncs", "too many different kernel function calls")
	}
	seen[id] = true
	return nil
}
