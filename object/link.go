package object

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// A linker makes the programs and maps of one object.
type linker struct {
	spec    *ebpf.CollectionSpec
	opts    *Options
	coll    *Collection
	kconfig *Map // made when a program first refers to it
}

// program makes a program. The steps and their order are those of cilium/ebpf, so that ids of types and offsets
// of strings come out the same.
func (l *linker) program(name string, spec *ebpf.ProgramSpec) (p *Program, err error) {
	defer recovered(&err, "linking it")
	switch {
	case spec == nil:
		return nil, errors.New("it has no ProgramSpec")
	case spec.Type == ebpf.UnspecifiedProgram:
		return nil, ErrNoType
	case len(spec.Instructions) == 0:
		return nil, errors.New("it has no instructions")
	case spec.ByteOrder == binary.BigEndian:
		return nil, &UnsupportedError{Cause: "a big-endian program"}
	case spec.Ifindex != 0:
		return nil, &UnsupportedError{Cause: "offload to a network device"}
	case spec.AttachTarget != nil:
		return nil, &UnsupportedError{Cause: "a target that is a loaded program"}
	}
	p = &Program{
		Name: name, Section: spec.SectionName, Hook: spec.AttachTo,
		Type: uint32(spec.Type), AttachType: uint32(spec.AttachType), Flags: spec.Flags,
		License: spec.License, KernVersion: spec.KernelVersion,
	}
	insns := slices.Clone(spec.Instructions)
	var b btf.Builder
	if err := l.relocate(insns, &b); err != nil {
		return nil, err
	}
	if err := l.info(p, insns, &b); err != nil {
		return nil, err
	}
	if err := l.resolve(p, insns); err != nil {
		return nil, err
	}
	if p.Insns, err = encode(insns); err != nil {
		return nil, err
	}
	return p, l.attach(p, spec)
}

// info adds the types, and where functions and source lines start.
func (l *linker) info(p *Program, insns asm.Instructions, b *btf.Builder) (err error) {
	p.FuncsRaw, p.LinesRaw, err = btf.MarshalExtInfos(insns, b)
	if err != nil {
		return fmt.Errorf("function and line info: %w", err)
	}
	p.FuncRec, p.LineRec = btf.FuncInfoSize, btf.LineInfoSize
	if b.Empty() {
		return nil
	}
	if p.BTF, err = l.marshal(b); err != nil {
		return err
	}
	p.Funcs = p.BTF.Funcs(p.FuncsRaw, p.FuncRec)
	p.Lines = p.BTF.Lines(p.LinesRaw, p.LineRec)
	return nil
}

// marshal makes the blob that the kernel would be given.
func (l *linker) marshal(b *btf.Builder) (*BTF, error) {
	v := l.opts.version()
	raw, err := b.Marshal(nil, &btf.MarshalOptions{
		Order:              binary.LittleEndian,
		StripFuncLinkage:   v < 5<<16|6<<8,
		ReplaceDeclTags:    v < 5<<16|16<<8,
		ReplaceTypeTags:    v < 5<<16|17<<8,
		ReplaceEnum64:      v < 6<<16,
		PreventNoTypeFound: true,
	})
	if err != nil {
		return nil, fmt.Errorf("BTF: %w", err)
	}
	return ParseBTF(raw), nil
}

// resolve gives instructions that refer to maps, and to what is outside the object, their constants.
func (l *linker) resolve(p *Program, insns asm.Instructions) error {
	index := map[*Map]int{}
	it := insns.Iterate()
	for it.Next() {
		ins, pc := it.Ins, int(it.Offset)
		x, err := externOf(ins)
		if err != nil {
			return err
		}
		var m *Map
		switch {
		case x.kind == externKconfig:
			if m, err = l.configMap(); err != nil {
				return fmt.Errorf(".kconfig: %w", err)
			}
			ins.Constant = int64(uint64(x.offset) << 32)
		case x.kind != noExtern:
			if err := l.resolveExtern(ins, x); err != nil {
				return fmt.Errorf("instruction %d: %w", pc, err)
			}
			continue
		case !ins.IsLoadFromMap():
			continue
		case ins.Map() != nil:
			return &UnsupportedError{Cause: fmt.Sprintf("instruction %d: a map that exists already", pc)}
		case ins.Reference() == "":
			if p.BadFDs == nil {
				p.BadFDs = map[int]bool{}
			}
			p.BadFDs[pc] = true
			continue
		default:
			if m = l.coll.Maps[ins.Reference()]; m == nil {
				return fmt.Errorf("instruction %d refers to map %s, which the object does not define: %w", pc, ins.Reference(), asm.ErrUnsatisfiedMapReference)
			}
		}
		i, ok := index[m]
		if !ok {
			i = len(p.Maps)
			index[m] = i
			p.Maps = append(p.Maps, m)
		}
		ins.Constant = ins.Constant&^0xffffffff | int64(i)
	}
	return nil
}

// values are the elements of a slice or array, nil if v is none.
func values(v any) []any {
	r := reflect.ValueOf(v)
	if k := r.Kind(); k != reflect.Slice && k != reflect.Array {
		return nil
	}
	out := make([]any, r.Len())
	for i := range out {
		out[i] = r.Index(i).Interface()
	}
	return out
}
