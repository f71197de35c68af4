package prepare

import (
	"slices"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
)

// helperFacts is what matters of a helper before the walk.
type helperFacts struct {
	args          int
	callback      bool // calls a callback before it returns
	async         bool // arranges for a callback to be called later
	changesPacket bool
	mightSleep    bool
	fastcall      bool
}

// A kfunc is a kernel function that the program calls.
type kfunc struct {
	name  string
	args  int
	flags linux.KfuncFlags // none if it is in no table
}

func (k *kfunc) is(f linux.KfuncFlags) bool { return k.flags.Is(f) }

// helperArgs holds the number of arguments of helper n at n.
const helperArgs = "02423020055533002131442215435333231032322103231125434424352242243254544444434141024255132244311111155433344421553333210445113053124322221111144434233541421242020315453413231111241454332101144533231442255333220442"

// plainProcessorID are the program types for which helper 8 is an ordinary function.
var plainProcessorID = []uint32{1, 8, 9, 13, 14, 15, 16, 18, 21, 22, 23, 25, 30, 32}

const processorIDHelper = 8

// helperTable gives the facts about helpers for a program type.
func helperTable(typ uint32, sleepable bool) func(id int32) helperFacts {
	return func(id int32) helperFacts {
		if id < 0 || int(id) >= len(helperArgs) {
			return helperFacts{args: 5}
		}
		f := helperFacts{args: int(helperArgs[id] - '0')}
		switch id {
		case 164, 180, 181, 209:
			f.callback = true
		case 170:
			f.async = true
		case 67, 141:
			f.mightSleep = sleepable // then they get another prototype
		case 148, 161, 166, 167, 168, 191, 193:
			f.mightSleep = true
		case 9, 10, 11, tailCallID, 13, 18, 19, 31, 38, 39, 43, 44, 50, 54, 63, 65, 73, 74, 75, 76, 90, 91, 143:
			f.changesPacket = true
		case processorIDHelper:
			f.fastcall = !slices.Contains(plainProcessorID, typ)
		}
		return f
	}
}

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
