package prepare

import (
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/object"
)

// helperFacts is what matters of a helper before the walk.
type helperFacts struct {
	args          int
	callback      bool // calls a callback before it returns
	async         bool // arranges for a callback to be called later
	changesPacket bool
	mightSleep    bool
}

// kfuncFacts is the same of a kernel function.
type kfuncFacts struct {
	name          string
	args          int
	iterNext      bool
	callback      bool
	changesPacket bool
	mightSleep    bool
}

// helperArgs holds the number of arguments of helper n at n.
const helperArgs = "02423020055533002131442215435333231032322103231125434424352242243254544444434141024255132244311111155433344421553333210445113053124322221111144434233541421242020315453413231111241454332101144533231442255333220442"

func helperTable(id int32) helperFacts {
	if id < 0 || int(id) >= len(helperArgs) {
		return helperFacts{args: 5}
	}
	f := helperFacts{args: int(helperArgs[id] - '0')}
	switch id {
	case 164, 180, 181, 209:
		f.callback = true
	case 170:
		f.async = true
	case 67, 141, 148, 161, 166, 167, 168, 191, 193:
		f.mightSleep = true
	case 9, 10, 11, 12, 13, 18, 19, 31, 38, 39, 43, 44, 50, 54, 63, 65, 73, 74, 75, 76, 90, 91, 143:
		f.changesPacket = true
	}
	return f
}

// kfuncTable looks up the kernel functions that a program calls.
func kfuncTable(p *object.Program, kernel *object.BTF) func(pc int) *kfuncFacts {
	known := map[int32]*kfuncFacts{}
	return func(pc int) *kfuncFacts {
		i := &p.Insns[pc]
		if i.Opcode != opCall || i.Src != isa.PseudoCallKfunc || kernel == nil || kernel.Spec == nil {
			return nil
		}
		if f, ok := known[i.Imm]; ok {
			return f
		}
		known[i.Imm] = kfunc(kernel.Spec, btf.TypeID(i.Imm))
		return known[i.Imm]
	}
}

func kfunc(spec *btf.Spec, id btf.TypeID) *kfuncFacts {
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
	f := &kfuncFacts{name: fn.Name, args: min(len(proto.Params), 5)}
	f.iterNext = strings.HasPrefix(f.name, "bpf_iter_") && strings.HasSuffix(f.name, "_next")
	f.callback = f.name == "bpf_rbtree_add_impl"
	f.changesPacket = f.name == "bpf_xdp_pull_data"
	return f
}

// A kfuncID names a kernel function: its BTF id, and the index in fd_array of the module that has it.
type kfuncID struct {
	id  int32
	off int16
}

const maxKfuncs = 256

// metadataKfuncs read what a driver says of a packet; only programs bound to a device may.
var metadataKfuncs = map[string]bool{
	"bpf_xdp_metadata_rx_timestamp": true,
	"bpf_xdp_metadata_rx_hash":      true,
	"bpf_xdp_metadata_rx_vlan_tag":  true,
}

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
	if metadataKfuncs[fn.Name] {
		return bad(einval, "kfunc-metadata", "metadata kfuncs require device-bound program")
	}
	if len(seen) == maxKfuncs {
		return bad(e2big, "too-many-kfuncs", "too many different kernel function calls")
	}
	seen[id] = true
	return nil
}
