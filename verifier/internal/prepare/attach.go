package prepare

import (
	"cmp"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/linux"
)

// structOps are the kernel's structs that struct_ops programs can be members of, with the members that they
// cannot be. Which of them a kernel has depends on its configuration.
var structOps = map[string]structOpsRule{
	"tcp_congestion_ops": {refused: map[string]bool{"get_info": true}},
	"bpf_dummy_ops":      {sleepable: map[string]bool{"test_sleepable": true}},
}

type structOpsRule struct {
	refused map[string]bool
	// sleepable are the members that may sleep; nil: all may.
	sleepable map[string]bool
}

func (in *Info) kernelTypeByID(id uint32) (btf.Type, error) {
	return in.kernel.TypeByID(btf.TypeID(id))
}

// checkAttach checks what the program is attached to, and whether it may sleep.
func (in *Info) checkAttach() *Fault {
	p := in.Program
	if p.Type == progSyscall {
		if !in.Sleepable {
			return fault(einval, -1, "must-sleep", "Syscall programs can only be sleepable")
		}
		return nil
	}
	if in.Sleepable && (in.options.NoSleep || !in.maySleep()) {
		return fault(einval, -1, "may-not-sleep", "%s",
			cmp.Or(in.options.Sleepers, "Only fentry/fexit/fmod_ret, lsm, iter, uprobe, and struct_ops programs can be sleepable"))
	}
	switch p.Type {
	case progStructOps:
		return in.checkStructOps()
	case progTracing, progLSM:
		return in.checkTracing()
	case progExt:
		in.unsupported("programs that replace others")
	}
	return nil
}

func (in *Info) maySleep() bool {
	switch p := in.Program; p.Type {
	case progTracing:
		switch p.AttachType {
		case attachFentry, attachFexit, attachModifyRet, attachIter:
			return true
		}
		return false
	case progLSM:
		return p.AttachType != attachLSMCgroup
	case progKprobe, progStructOps:
		return true
	}
	return false
}

// checkStructOps checks the member of a kernel struct that the program is to be.
func (in *Info) checkStructOps() *Fault {
	p := in.Program
	bad := func(errno int, format string, args ...any) *Fault {
		return fault(errno, -1, "struct-ops", format, args...)
	}
	if !in.GPL {
		return bad(einval, "struct ops programs must have a GPL compatible license")
	}
	if p.AttachID == 0 {
		return bad(enotsupp, "")
	}
	if in.kernel == nil {
		in.unsupported("struct_ops programs need the kernel's BTF")
		return nil
	}
	t, err := in.kernelTypeByID(p.AttachID)
	if err != nil {
		return bad(enotsupp, "attach_btf_id %d is not a supported struct", p.AttachID)
	}
	s, ok := t.(*btf.Struct)
	rule, known := structOps[t.TypeName()]
	if !ok || !known {
		return bad(enotsupp, "attach_btf_id %d is not a supported struct", p.AttachID)
	}
	if p.AttachType >= uint32(len(s.Members)) {
		return bad(einval, "attach to invalid member idx %d of struct %s", p.AttachType, s.Name)
	}
	m := s.Members[p.AttachType]
	if methodOf(m.Type) == nil {
		return bad(einval, "attach to invalid member %s(@idx %d) of struct %s", m.Name, p.AttachType, s.Name)
	}
	if rule.refused[m.Name] {
		return bad(enotsupp, "attach to unsupported member %s of struct %s", m.Name, s.Name)
	}
	if in.Sleepable && rule.sleepable != nil && !rule.sleepable[m.Name] {
		return bad(einval, "attach to unsupported member %s of struct %s", m.Name, s.Name)
	}
	in.AttachName, in.AttachProto = m.Name, methodOf(m.Type)
	return nil
}

// methodOf is the type of the function that a member points to, nil if it is no pointer to a function.
func methodOf(t btf.Type) *btf.FuncProto {
	p, ok := btf.UnderlyingType(t).(*btf.Pointer)
	if !ok {
		return nil
	}
	f, _ := btf.UnderlyingType(p.Target).(*btf.FuncProto)
	return f
}

// tracePrefix is what the kernel calls the types of its tracepoints.
const tracePrefix = "btf_trace_"

// checkTracing checks the tracepoint, function or iterator that the program is attached to.
func (in *Info) checkTracing() *Fault {
	p := in.Program
	bad := func(errno int, format string, args ...any) *Fault { return fault(errno, -1, "attach", format, args...) }
	if p.AttachID == 0 {
		return bad(einval, "Tracing programs must provide btf_id")
	}
	if in.kernel == nil {
		in.unsupported("tracing programs need the kernel's BTF")
		return nil
	}
	t, err := in.kernelTypeByID(p.AttachID)
	if err != nil || t.TypeName() == "" {
		return bad(einval, "attach_btf_id %d doesn't have a name", p.AttachID)
	}
	fn, _ := t.(*btf.Func)
	switch {
	case p.Type == progTracing && p.AttachType == attachRawTP:
		def, ok := t.(*btf.Typedef)
		if !ok {
			return bad(einval, "attach_btf_id %d is not a typedef", p.AttachID)
		}
		name, ok := strings.CutPrefix(def.Name, tracePrefix)
		if !ok {
			return bad(einval, "attach_btf_id %d points to wrong type name %s", p.AttachID, def.Name)
		}
		if in.AttachName, in.AttachProto = name, methodOf(def.Type); in.AttachProto == nil {
			return bad(einval, "")
		}
		return nil
	case p.Type == progLSM, p.AttachType >= attachFentry && p.AttachType <= attachIter, p.AttachType == attachLSMCgroup:
		if fn == nil {
			return bad(einval, "attach_btf_id %d is not a function", p.AttachID)
		}
		in.AttachName = fn.Name
		if in.AttachProto, _ = fn.Type.(*btf.FuncProto); in.AttachProto == nil {
			return bad(einval, "Invalid type for attach_btf_id")
		}
	default:
		return bad(einval, "")
	}
	switch {
	case p.Type == progTracing && p.AttachType == attachIter:
		if !strings.HasPrefix(fn.Name, "bpf_iter_") {
			return bad(einval, "")
		}
	case p.Type == progLSM && !strings.HasPrefix(fn.Name, "bpf_lsm_"):
		return bad(einval, "attach_btf_id %d points to wrong type name %s", p.AttachID, fn.Name)
	case p.Type == progLSM && linux.LSMHook(fn.Name)&linux.LSMDisabled != 0:
		return bad(einval, "attach_btf_id %d points to disabled hook %s", p.AttachID, fn.Name)
	case p.Type == progLSM && linux.LSMHook(fn.Name)&linux.LSMMaySleep != 0:
	case in.Sleepable:
		in.unsupported("whether %s may sleep", fn.Name)
	}
	return nil
}
