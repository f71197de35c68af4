package hook

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cilium/ebpf/btf"
)

// An Object is a kernel object that a test made: an argument of events, or a field of another one. Programs read it with
// bpf_probe_read_kernel, or through pointers that BTF describes.
type Object struct{ addr uint64 }

// Addr is its address.
func (o *Object) Addr() uint64 { return o.addr }

// Object makes a kernel object of a type, such as "task_struct" or "sock", laid out by Options.Types, with these fields.
// Members of members are named with dots ("__sk_common.skc_dport"). It stays as long as the host.
func (h *Host) Object(typ string, fields Fields) (*Object, error) {
	if h.types == nil || h.types.Spec == nil {
		return nil, errors.New("hook: objects need the kernel's types: Options.Types")
	}
	var s *btf.Struct
	if err := h.types.Spec.TypeByName(typ, &s); err != nil {
		return nil, fmt.Errorf("hook: struct %s: %w", typ, err)
	}
	b := make([]byte, s.Size)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		f, err := member(s.Members, name)
		if err == nil {
			err = f.set(b, fields[name], &h.mem, false)
		}
		if err != nil {
			return nil, fmt.Errorf("hook: struct %s: %s: %w", typ, name, err)
		}
	}
	return &Object{h.mem.put(b, false)}, nil
}

// member finds a member by its path of names. Those of anonymous members need no name for these.
func member(members []btf.Member, path string) (*formatField, error) {
	for _, m := range members {
		off := int(m.Offset.Bytes())
		inner := membersOf(m.Type)
		var f *formatField
		var err error
		switch {
		case m.Name == path:
			size, err := btf.Sizeof(m.Type)
			if err != nil {
				return nil, err
			}
			if m.BitfieldSize != 0 {
				return nil, errors.New("bit fields cannot be set")
			}
			_, pointer := btf.UnderlyingType(m.Type).(*btf.Pointer)
			return &formatField{off: off, size: size, pointer: pointer}, nil
		case m.Name == "" && inner != nil:
			if f, err = member(inner, path); err != nil {
				continue
			}
		case len(path) > len(m.Name) && path[:len(m.Name)] == m.Name && path[len(m.Name)] == '.' && inner != nil:
			if f, err = member(inner, path[len(m.Name)+1:]); err != nil {
				return nil, err
			}
		default:
			continue
		}
		f.off += off
		return f, nil
	}
	return nil, errors.New("there is no such member")
}

func membersOf(t btf.Type) []btf.Member {
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Struct:
		return t.Members
	case *btf.Union:
		return t.Members
	}
	return nil
}

// Text puts a string into the kernel's memory, with a zero at its end, as long as the host lives.
func (h *Host) Text(s string) *Object { return &Object{h.mem.put(append([]byte(s), 0), false)} }
