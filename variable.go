package skep

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
	"github.com/skepbpf/skep/object"
)

// A Variable is a global variable of an object. It can be used as long as a map or program of its collection is open.
type Variable struct {
	w    *world
	k    *kernelMap
	name string
	off  uint32
	size uint32
	typ  *btf.Var
}

// A variable is where one lies in a data section.
type variable struct {
	name      string
	off, size uint32
	typ       *btf.Var
}

// variables are the variables that the type of a map's value tells of.
func variables(m *object.Map) []variable {
	if m.BTF == nil || m.BTF.Spec == nil || m.ValueID == 0 {
		return nil
	}
	t, err := m.BTF.Spec.TypeByID(btf.TypeID(m.ValueID))
	if err != nil {
		return nil
	}
	section, ok := t.(*btf.Datasec)
	if !ok {
		return nil
	}
	var out []variable
	for _, v := range section.Vars {
		if v.Type != nil && uint64(v.Offset)+uint64(v.Size) <= uint64(m.ValueSize) {
			typ, _ := v.Type.(*btf.Var)
			out = append(out, variable{v.Type.TypeName(), v.Offset, v.Size, typ})
		}
	}
	return out
}

// addVariables adds the variables of a data section.
func addVariables(to map[string]*Variable, m *Map, om *object.Map) {
	for _, v := range variables(om) {
		to[v.name] = &Variable{m.w, m.k, v.name, v.off, v.size, v.typ}
	}
}

// Name is the variable's name.
func (v *Variable) Name() string { return v.name }

// String tells the variable's name and size.
func (v *Variable) String() string { return fmt.Sprintf("%s(size=%d)", v.name, v.size) }

// Size is its size in bytes.
func (v *Variable) Size() uint32 { return v.size }

// Type is its type, nil if it is not known.
func (v *Variable) Type() *btf.Var { return v.typ }

// ReadOnly tells that it is a constant: it was fixed when the collection was made. Set it in the spec before that.
func (v *Variable) ReadOnly() bool { return v.k.Frozen() }

// Get decodes the value.
func (v *Variable) Get(out any) error {
	b := make([]byte, v.size)
	err := v.access(func(a memory.Addr) error {
		v.w.space.CopyOut(b, a)
		return nil
	})
	if err == nil {
		err = unmarshal(out, b)
	}
	if err != nil {
		return fmt.Errorf("variable %s: %w", v.name, err)
	}
	return nil
}

// Set changes the value, which programs see at once.
func (v *Variable) Set(in any) error {
	b, err := marshal(in, int(v.size))
	if err == nil && v.ReadOnly() {
		err = ebpf.ErrReadOnly
	}
	if err == nil {
		err = v.access(func(a memory.Addr) error {
			v.w.space.CopyIn(a, b)
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("variable %s: %w", v.name, err)
	}
	return nil
}

// access calls f with the variable's address while its world is alive.
func (v *Variable) access(f func(memory.Addr) error) error {
	if !v.w.hold() {
		return ErrClosed
	}
	defer v.w.release()
	section, ok := v.k.Map.(maps.ValueAddresser)
	if !ok {
		return errors.New("its map has no address")
	}
	a, size, ok := section.ValueAddr()
	if !ok || uint64(v.off)+uint64(v.size) > uint64(size) {
		return errors.New("it lies outside its map")
	}
	return f(a + memory.Addr(v.off))
}
