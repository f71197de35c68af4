package object

import (
	"errors"
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// missingKfunc is the helper number that a call of a kernel function becomes which may be missing and is. There
// is no such helper, so the program is accepted only if the call is never reached. It is cilium/ebpf's number.
const missingKfunc = 0xdedc0de

// resolveExtern gives an instruction that refers to a kernel function or variable its id.
func (l *linker) resolveExtern(ins *asm.Instruction, x extern) error {
	if x.kind == externKfunc {
		return l.resolveKfunc(ins, x.weak)
	}
	return l.resolveSymbol(ins, x)
}

func (l *linker) resolveKfunc(ins *asm.Instruction, weak bool) error {
	name := ins.Reference()
	fn, id, err := findType[*btf.Func](l, name)
	switch {
	case errors.Is(err, btf.ErrNotFound) && weak, errors.Is(err, ErrNoKernelTypes) && weak:
		if ins.IsKfuncCall() {
			*ins = asm.BuiltinFunc(missingKfunc).Call()
		} else {
			ins.Constant, ins.Src = 0, asm.R0
		}
		return nil
	case errors.Is(err, btf.ErrNotFound):
		return fmt.Errorf("the kernel has no kernel function %s", name)
	case err != nil:
		return fmt.Errorf("kernel function %s: %w", name, err)
	}
	if local := l.local(".ksyms", name); local != nil {
		if f, ok := local.(*btf.Func); ok {
			if err := btf.CheckTypeCompatibility(f.Type, fn.Type); err != nil {
				return fmt.Errorf("kernel function %s: %w", name, err)
			}
		}
	}
	ins.Constant, ins.Offset = int64(id), 0
	return nil
}

// resolveSymbol gives an instruction the address of a kernel symbol.
func (l *linker) resolveSymbol(ins *asm.Instruction, x extern) error {
	if l.opts.Symbols != nil {
		addr, ok := l.opts.Symbols[x.name]
		if !ok && !x.weak {
			return fmt.Errorf("the kernel has no symbol %s", x.name)
		}
		ins.Constant = int64(addr)
		return nil
	}
	if x.weak && !l.hasName(x.name) {
		ins.Constant = 0
		return nil
	}
	ins.Constant = int64(madeUpAddress(x.name))
	return nil
}

// hasName tells that the kernel's types have a function or a variable of that name.
func (l *linker) hasName(name string) bool {
	_, _, err := findType[*btf.Func](l, name)
	if err != nil {
		_, _, err = findType[*btf.Var](l, name)
	}
	return err == nil
}

// madeUpAddress stands for the address of a symbol of which only the name is known: a constant in the kernel's
// half of the address space, the same in every run.
func madeUpAddress(name string) uint64 {
	h := fnv.New32a()
	h.Write([]byte(name))
	return 0xffffffff80000000 | uint64(h.Sum32()>>2)&^15
}

// local is the type that the object declares under a name in one of its sections, nil if none.
func (l *linker) local(section, name string) btf.Type {
	if l.spec.Types == nil {
		return nil
	}
	var ds *btf.Datasec
	if l.spec.Types.TypeByName(section, &ds) != nil {
		return nil
	}
	for _, v := range ds.Vars {
		if v.Type.TypeName() == name {
			return v.Type
		}
	}
	return nil
}

// findType looks up a type of the kernel by kind and name.
func findType[T btf.Type](l *linker, name string) (t T, id btf.TypeID, err error) {
	if l.opts.Types == nil {
		return t, 0, ErrNoKernelTypes
	}
	spec, err := l.opts.Types.spec()
	if err != nil {
		return t, 0, err
	}
	if err := spec.TypeByName(name, &t); err != nil {
		return t, 0, err
	}
	id, err = spec.TypeID(t)
	return t, id, err
}

// attachTraceFSession is BPF_TRACE_FSESSION, which cilium/ebpf knows and does not export.
const attachTraceFSession = 58

// attach finds what the program attaches to in the kernel's types.
func (l *linker) attach(p *Program, spec *ebpf.ProgramSpec) error {
	if spec.AttachTo == "" {
		return nil
	}
	var id btf.TypeID
	var err error
	switch target := [2]uint32{uint32(spec.Type), uint32(spec.AttachType)}; target {
	case [2]uint32{uint32(ebpf.LSM), uint32(ebpf.AttachLSMMac)}, [2]uint32{uint32(ebpf.LSM), uint32(ebpf.AttachLSMCgroup)}:
		p.AttachTo = "bpf_lsm_" + spec.AttachTo
		_, id, err = findType[*btf.Func](l, p.AttachTo)
	case [2]uint32{uint32(ebpf.Tracing), uint32(ebpf.AttachTraceIter)}:
		p.AttachTo = "bpf_iter_" + spec.AttachTo
		_, id, err = findType[*btf.Func](l, p.AttachTo)
	case [2]uint32{uint32(ebpf.Tracing), uint32(ebpf.AttachTraceRawTp)}:
		p.AttachTo = "btf_trace_" + spec.AttachTo
		_, id, err = findType[*btf.Typedef](l, p.AttachTo)
	case [2]uint32{uint32(ebpf.Tracing), uint32(ebpf.AttachTraceFEntry)}, [2]uint32{uint32(ebpf.Tracing), uint32(ebpf.AttachTraceFExit)},
		[2]uint32{uint32(ebpf.Tracing), uint32(ebpf.AttachModifyReturn)}, [2]uint32{uint32(ebpf.Tracing), attachTraceFSession}:
		p.AttachTo = spec.AttachTo
		_, id, err = findType[*btf.Func](l, p.AttachTo)
	default:
		if spec.Type == ebpf.StructOps {
			return l.attachStructOps(p, spec.AttachTo)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("what it attaches to, %s: %w", p.AttachTo, err)
	}
	p.AttachID = uint32(id)
	return nil
}

// attachStructOps finds the member of the kernel's structure that the program is for.
func (l *linker) attachStructOps(p *Program, to string) error {
	ops, member, ok := strings.Cut(to, ":")
	if !ok {
		return fmt.Errorf("struct_ops: what it is for is %q, not a structure and a member (ops:member)", to)
	}
	p.AttachTo = ops
	t, id, err := findType[*btf.Struct](l, ops)
	if err != nil {
		return fmt.Errorf("struct_ops: %s: %w", ops, err)
	}
	for i, m := range t.Members {
		if m.Name == member {
			p.AttachID, p.AttachType = uint32(id), uint32(i)
			return nil
		}
	}
	return fmt.Errorf("struct_ops: %s has no member %s", ops, member)
}
