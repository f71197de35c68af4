package object

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"sync"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// relocate does the CO-RE relocations of insns, in place. Local types that they need an id of are added to b.
func (l *linker) relocate(insns asm.Instructions, b *btf.Builder) error {
	var relos []*btf.CORERelocation
	var at []*asm.Instruction
	it := insns.Iterate()
	for it.Next() {
		r := btf.CORERelocationMetadata(it.Ins)
		if r == nil {
			continue
		}
		if l.opts.Types == nil && !isLocal(r) {
			return relocationError(int(it.Offset), it.Ins, r, ErrNoKernelTypes)
		}
		relos = append(relos, r)
		at = append(at, it.Ins)
	}
	if len(relos) == 0 {
		return nil
	}
	target, err := l.target()
	if err != nil {
		return err
	}
	fixups, err := btf.CORERelocate(relos, []*btf.Spec{target}, binary.LittleEndian, b.Add)
	if err != nil {
		return fmt.Errorf("CO-RE relocations: %w", err)
	}
	for i := range fixups {
		if err := applyFixup(&fixups[i], at[i]); err != nil {
			return relocationError(slotOf(insns, at[i]), at[i], relos[i], err)
		}
	}
	return nil
}

func relocationError(pc int, ins *asm.Instruction, r *btf.CORERelocation, err error) error {
	e := &RelocationError{Insn: pc, Relocation: describe(r), Err: err}
	if l, ok := ins.Source().(*btf.Line); ok {
		e.Line = fmt.Sprintf("%s:%d", l.FileName(), l.LineNumber())
	}
	return e
}

// describe is the relocation as its String has it, without the frame.
func describe(r *btf.CORERelocation) string {
	return strings.TrimSuffix(strings.TrimPrefix(r.String(), "CORERelocation("), ")")
}

// isLocal tells that the relocation is for an id in the object's own types: that needs no kernel.
func isLocal(r *btf.CORERelocation) bool { return strings.HasPrefix(describe(r), "local_type_id") }

func slotOf(insns asm.Instructions, ins *asm.Instruction) int {
	it := insns.Iterate()
	for it.Next() {
		if it.Ins == ins {
			return int(it.Offset)
		}
	}
	return 0
}

// target is the kernel's types, or none.
func (l *linker) target() (*btf.Spec, error) {
	if l.opts.Types == nil {
		return noTypes()
	}
	return l.opts.Types.spec()
}

// noTypes stands in for the types of a kernel where none of them will be asked for.
var noTypes = sync.OnceValues(func() (*btf.Spec, error) { return new(btf.Builder).Spec() })

// applyFixup is fixup.Apply, which does nothing on systems other than Linux.
func applyFixup(fixup *btf.COREFixup, ins *asm.Instruction) error {
	f, err := readFixup(fixup)
	if err != nil {
		return err
	}
	return f.apply(ins)
}

// A fixup is the result of a relocation: what the instruction has now, and what it is to have.
type fixup struct {
	poison        bool // the kernel has no such thing: the instruction must not be reached
	bitfield      bool // local may not be what the instruction has
	local, target uint64
}

// apply changes the instruction. What it does is what libbpf and cilium/ebpf do.
func (f *fixup) apply(ins *asm.Instruction) error {
	if f.poison {
		poison(ins)
		return nil
	}
	check := func(have int64, want int64) error {
		if f.bitfield || have == want {
			return nil
		}
		return fmt.Errorf("%v has %d, its relocation is from %d", ins, have, want)
	}
	switch class := ins.OpCode.Class(); class {
	case asm.LdXClass, asm.StClass, asm.StXClass:
		if f.target > math.MaxInt16 {
			return fmt.Errorf("offset %d exceeds %d", f.target, math.MaxInt16)
		}
		err := check(int64(ins.Offset), int64(int16(f.local)))
		ins.Offset = int16(f.target)
		return err
	case asm.LdClass:
		if !ins.IsConstantLoad(asm.DWord) {
			return fmt.Errorf("%v cannot be relocated", ins)
		}
		err := check(ins.Constant, int64(f.local))
		ins.Constant = int64(f.target)
		return err
	case asm.ALUClass, asm.ALU64Class:
		if ins.OpCode.Source() != asm.ImmSource {
			return fmt.Errorf("%v cannot be relocated", ins)
		}
		if f.target > math.MaxInt32 {
			return fmt.Errorf("immediate %d exceeds %d", f.target, math.MaxInt32)
		}
		err := check(ins.Constant, int64(f.local))
		ins.Constant = int64(f.target)
		return err
	default:
		return fmt.Errorf("%v cannot be relocated", ins)
	}
}

// poison replaces an instruction by one of the same size that no verifier accepts, so that the program is
// accepted only if it is never reached.
func poison(ins *asm.Instruction) {
	if ins.OpCode.IsDWordLoad() {
		*ins = asm.LoadImm(asm.R10, btf.COREBadRelocationSentinel, asm.DWord)
	} else {
		*ins = asm.BuiltinFunc(btf.COREBadRelocationSentinel).Call()
	}
	*ins = ins.WithSource(asm.Comment("instruction poisoned by CO-RE"))
}
