package verifier

import (
	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/object"
)

// This file finds types and walks into them: what lies at an offset of a struct, and whether a pointer into one struct is
// a pointer to another.

// kernelTypes is the walk's view of type information.
type kernelTypes struct {
	kernel *object.BTF
	refs   map[refKey]*btfRef
	byName map[string]*btfRef // structs of the kernel
}

type refKey struct {
	space *object.BTF
	id    uint32
}

// ref is the one btfRef of a type.
func (t *kernelTypes) ref(space *object.BTF, id uint32, typ btf.Type) *btfRef {
	k := refKey{space, id}
	r := t.refs[k]
	if r == nil {
		r = &btfRef{space: space, id: id, name: typ.TypeName(), typ: typ}
		t.refs[k] = r
	}
	return r
}

// refOf is ref for a type of the space.
func (t *kernelTypes) refOf(space *object.BTF, typ btf.Type) (*btfRef, error) {
	id, err := space.Spec.TypeID(typ)
	if err != nil {
		return nil, unsupported("a type without an id: %s", typ.TypeName())
	}
	return t.ref(space, uint32(id), typ), nil
}

// kernelStruct is a struct of the kernel by name.
func (w *walk) kernelStruct(name string) (*btfRef, error) {
	if w.types.kernel == nil || w.types.kernel.Spec == nil {
		return nil, unsupported("pointers to kernel objects without the kernel's BTF")
	}
	if r := w.types.byName[name]; r != nil {
		return r, nil
	}
	var s *btf.Struct
	if err := w.types.kernel.Spec.TypeByName(name, &s); err != nil {
		return nil, unsupported("a kernel without struct %s", name)
	}
	r, err := w.types.refOf(w.types.kernel, s)
	if err == nil {
		w.types.byName[name] = r
	}
	return r, err
}

// matches tells that a pointer off bytes into a type is one to want. strict: at its start, and not to a member.
func (t *kernelTypes) matches(have *btfRef, off int, want *btfRef, strict bool) bool {
	if have.space != want.space {
		return false
	}
	if have == want && off == 0 {
		return true
	}
	if strict {
		return false
	}
	typ := have.typ
	for {
		f := walkStruct(typ, off, 1)
		if f.kind != foundStruct {
			return false
		}
		if r, err := t.refOf(have.space, f.typ); err == nil && r == want {
			return true
		}
		typ, off = f.typ, 0
	}
}

// A foundKind is what a walk into a struct ended at.
type foundKind uint8

const (
	foundNothing foundKind = iota // refused
	foundScalar
	foundPtr      // a pointer to a struct
	foundOtherPtr // a pointer to something else
	foundStruct   // the start of a struct inside
)

// A found is the outcome of a walk into a struct.
type found struct {
	kind  foundKind
	typ   btf.Type // of the struct, or what is pointed to
	flags regFlags
	field string // foundPtr: name of the member
	in    btf.Type
	errno int
	text  string // refusal
}

func notFound(errno int, text string) found { return found{errno: errno, text: text} }

// walkFull is walkStruct, on into structs inside until something else is found.
func walkFull(t btf.Type, off, size int) found {
	var flags regFlags
	for {
		f := walkStruct(t, off, size)
		flags |= f.flags
		if f.kind != foundStruct {
			f.flags = flags
			return f
		}
		t, off = f.typ, 0
	}
}

// members gives name, size and members of a struct or union.
func members(t btf.Type) (name string, size int, list []btf.Member, union, ok bool) {
	switch t := t.(type) {
	case *btf.Struct:
		return t.Name, int(t.Size), t.Members, false, true
	case *btf.Union:
		return t.Name, int(t.Size), t.Members, true, true
	}
	return "", 0, nil, false, false
}

// walkStruct finds what lies at an offset of a struct, size bytes wide.
func walkStruct(t btf.Type, off, size int) (out found) {
	var flags regFlags
	defer func() { out.flags |= flags }()
again:
	t = btf.UnderlyingType(t)
	name, total, list, union, ok := members(t)
	if !ok {
		return notFound(einval, sprintf("Type '%s' is not a struct", t.TypeName()))
	}
	if union && len(list) != 1 {
		flags |= untrusted // which member is meant nobody knows
	}
	if name == "" {
		name = "(anon)"
	}
	if off+size > total {
		beyond := notFound(eacces, sprintf("access beyond struct %s at off %d size %d", name, off, size))
		if len(list) == 0 {
			return beyond
		}
		// The last member may be an array without a length.
		last := list[len(list)-1]
		a, ok := btf.UnderlyingType(last.Type).(*btf.Array)
		if !ok || a.Nelems != 0 || off < int(last.Offset.Bytes()) {
			return beyond
		}
		elem := btf.UnderlyingType(a.Type)
		if _, ok := elem.(*btf.Int); ok {
			return found{kind: foundScalar}
		}
		_, n, _, _, ok := members(elem)
		if !ok || n == 0 {
			return beyond
		}
		off = (off - int(last.Offset.Bytes())) % n
		t = elem
		goto again
	}
	for i := range list {
		m := &list[i]
		at := int(m.Offset.Bytes())
		if off+size <= at {
			break
		}
		if m.BitfieldSize > 0 {
			end := (int(m.Offset) + int(m.BitfieldSize) + 7) / 8
			if off <= at && end <= off+size {
				return found{kind: foundScalar}
			}
			continue
		}
		if off < at {
			break
		}
		width, err := btf.Sizeof(m.Type)
		if err != nil {
			return notFound(efault, sprintf("field %s doesn't have size", m.Name))
		}
		end := at + width
		if off >= end {
			continue
		}
		typ := btf.UnderlyingType(m.Type)
		for {
			a, ok := typ.(*btf.Array)
			if !ok {
				break
			}
			typ = btf.UnderlyingType(a.Type)
			n, err := btf.Sizeof(typ)
			if _, more := typ.(*btf.Array); more {
				continue
			}
			if err != nil || n == 0 {
				break
			}
			at += (off - at) / n * n
			width = n
		}
		switch typ := typ.(type) {
		case *btf.Struct, *btf.Union:
			if off == at {
				return found{kind: foundStruct, typ: typ}
			}
			off -= at
			t = typ
			goto again
		case *btf.Pointer:
			if width != size || off != at {
				return notFound(eacces, sprintf("cannot access ptr member %s with moff %d in struct %s with off %d size %d",
					m.Name, at, name, off, size))
			}
			f := found{kind: foundOtherPtr, typ: btf.UnderlyingType(typ.Target), field: m.Name, in: t}
			if tag, ok := typ.Target.(*btf.TypeTag); ok {
				f.flags = tagFlags[tag.Value]
			}
			switch f.typ.(type) {
			case *btf.Struct, *btf.Union:
				f.kind = foundPtr
			}
			return f
		}
		if off+size > end && flags&untrusted == 0 {
			return notFound(eacces, sprintf("access beyond the end of member %s (mend:%d) in struct %s with off %d size %d",
				m.Name, end, name, off, size))
		}
		return found{kind: foundScalar}
	}
	return notFound(einval, sprintf("struct %s doesn't have field at offset %d", name, off))
}

// tagFlags are what type tags of the kernel's pointers mean.
var tagFlags = map[string]regFlags{"user": userMem, "percpu": perCPU, "rcu": rcu}
