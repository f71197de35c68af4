package prepare

import (
	"slices"
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
	fastcall      bool
}

// kfuncFacts is the same of a kernel function.
type kfuncFacts struct {
	name          string
	args          int
	iterNext      bool
	callback      bool
	async         bool
	changesPacket bool
	mightSleep    bool
	fastcall      bool
}

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

// Kernel functions that may sleep, besides the iterators.
var sleepableKfuncs = []string{
	"bpf_arena_alloc_pages", "bpf_arena_free_pages", "bpf_arena_reserve_pages", "bpf_copy_from_user_dynptr",
	"bpf_copy_from_user_str", "bpf_copy_from_user_str_dynptr", "bpf_copy_from_user_task_dynptr",
	"bpf_copy_from_user_task_str", "bpf_copy_from_user_task_str_dynptr", "bpf_crypto_ctx_create",
	"bpf_get_dentry_xattr", "bpf_get_file_xattr", "bpf_iter_dmabuf_destroy", "bpf_iter_dmabuf_new",
	"bpf_iter_dmabuf_next", "bpf_iter_kmem_cache_destroy", "bpf_iter_kmem_cache_new", "bpf_iter_kmem_cache_next",
	"bpf_lookup_user_key", "bpf_remove_dentry_xattr", "bpf_set_dentry_xattr", "bpf_verify_pkcs7_signature",
	"css_rstat_flush", "scx_bpf_create_dsq",
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
	f.mightSleep = slices.Contains(sleepableKfuncs, f.name)
	switch f.name {
	case "bpf_rbtree_add_impl":
		f.callback = true
	case "bpf_wq_set_callback_impl", "bpf_task_work_schedule_signal_impl", "bpf_task_work_schedule_resume_impl":
		f.async = true
	case "bpf_xdp_pull_data":
		f.changesPacket = true
	case "bpf_cast_to_kern_ctx", "bpf_rdonly_cast":
		f.fastcall = true
	}
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
