package verifier

import (
	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/verifier/internal/prepare"
)

// kernelTypes is the walk's view of type information.
type kernelTypes struct {
	kernel *object.BTF
	refs   map[refKey]*btfRef
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
		r = &btfRef{space: space, id: id, name: typ.TypeName()}
		t.refs[k] = r
	}
	return r
}

// kernelStruct is a struct of the kernel by name.
func (w *walk) kernelStruct(name string) (*btfRef, error) {
	if w.types.kernel == nil || w.types.kernel.Spec == nil {
		return nil, unsupported("pointers to kernel objects without the kernel's BTF")
	}
	var s *btf.Struct
	if err := w.types.kernel.Spec.TypeByName(name, &s); err != nil {
		return nil, unsupported("a kernel without struct %s", name)
	}
	id, err := w.types.kernel.Spec.TypeID(s)
	if err != nil {
		return nil, unsupported("a kernel without struct %s", name)
	}
	return w.types.ref(w.types.kernel, uint32(id), s), nil
}

// matches tells that a pointer off bytes into a type is one to want. strict: at its start, and not to a member.
func (t *kernelTypes) matches(have *btfRef, off int, want *btfRef, strict bool) bool {
	if have.space != want.space {
		return false
	}
	if have.id == want.id && off == 0 {
		return true
	}
	if strict {
		return false
	}
	return false
}

func (w *walk) accessArgs(off int, a *access) error { return unsupported("typed arguments") }
func (w *walk) accessBTF(r *reg, off int, a *access) error {
	return unsupported("kernel objects by BTF")
}
func (w *walk) accessMapPtr(r *reg, off int, a *access) error {
	return unsupported("fields of maps")
}
func (w *walk) accessKptr(f *prepare.Field, r *reg, a *access) error { return unsupported("kptr") }
