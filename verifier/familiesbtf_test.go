package verifier_test

import (
	"encoding/binary"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/object"
)

// familyPrograms links the programs of an object to a kernel with these types, by name. Maps and programs refer to the
// object's whole BTF, as libbpf has it: cilium/ebpf gives a map no more than the types that its value reaches, among
// which are not the nodes that the tags of its heads and roots name.
func familyPrograms(t *testing.T, name string, types *object.BTF) []*object.Program {
	spec, err := ebpf.LoadCollectionSpec(filepath.Join(familiesDir, name+".o"))
	require.NoError(t, err)
	c, err := object.FromSpec(spec, object.Options{Types: types})
	require.NoError(t, err)
	require.NoError(t, c.Err())
	whole := rebased{to: wholeBTF(t, spec.Types)}
	seen := map[*object.Map]bool{}
	for _, p := range c.Programs {
		for _, m := range p.Maps {
			for ; m != nil && !seen[m]; m = m.Inner {
				seen[m] = true
				whole.value(m)
			}
		}
		if p.BTF != nil {
			whole.program(p)
		}
	}
	return slices.SortedFunc(maps.Values(c.Programs), func(a, b *object.Program) int { return strings.Compare(a.Name, b.Name) })
}

// wholeBTF is the BTF of an object as the kernel takes it: without what is declared for the linker.
func wholeBTF(t *testing.T, s *btf.Spec) *object.BTF {
	var all []btf.Type
	for typ, err := range s.All() {
		require.NoError(t, err)
		switch typ := typ.(type) {
		case *btf.Func:
			if typ.Linkage == btf.ExternFunc {
				continue
			}
		case *btf.Var:
			if typ.Linkage == btf.ExternVar {
				continue
			}
		case *btf.Datasec:
			if slices.Contains([]string{".ksyms", ".kconfig", ".maps", "license"}, typ.Name) {
				continue
			}
		}
		all = append(all, typ)
	}
	return marshaled(t, all)
}

func marshaled(t *testing.T, types []btf.Type) *object.BTF {
	b, err := btf.NewBuilder(types, nil)
	require.NoError(t, err)
	raw, err := b.Marshal(nil, &btf.MarshalOptions{Order: binary.LittleEndian})
	require.NoError(t, err)
	return object.ParseBTF(raw)
}

// A rebased changes what refers to part of an object's BTF to refer to the whole.
type rebased struct {
	to *object.BTF
}

// id is the id of the type of that kind and name.
func (r *rebased) id(from *object.BTF, id uint32) (uint32, bool) {
	t, err := from.Spec.TypeByID(btf.TypeID(id))
	if err != nil || t.TypeName() == "" {
		return 0, false
	}
	types, _ := r.to.Spec.AnyTypesByName(t.TypeName()) // none: it stays as it is
	for _, x := range types {
		if reflect.TypeOf(x) == reflect.TypeOf(t) {
			id, err := r.to.Spec.TypeID(x)
			return uint32(id), err == nil
		}
	}
	return 0, false
}

func (r *rebased) value(m *object.Map) {
	if m.BTF == nil || m.ValueID == 0 {
		return
	}
	value, ok := r.id(m.BTF, m.ValueID)
	if !ok {
		return
	}
	key := uint32(0)
	if m.KeyID != 0 {
		if key, ok = r.id(m.BTF, m.KeyID); !ok {
			return
		}
	}
	m.BTF, m.KeyID, m.ValueID = r.to, key, value
}

// program changes a program's functions, and the ids of types that it has for constants.
func (r *rebased) program(p *object.Program) {
	const funcInfoSize = 8
	for i := range p.Funcs {
		if id, ok := r.id(p.BTF, p.Funcs[i].Type); ok {
			p.Funcs[i].Type = id
			binary.LittleEndian.PutUint32(p.FuncsRaw[i*funcInfoSize+4:], id)
		}
	}
	for i := range p.Insns {
		in := &p.Insns[i]
		if in.Op != isa.LdImm64 || in.Src != 0 {
			continue
		}
		if id, ok := r.id(p.BTF, uint32(in.Imm)); ok {
			in.Imm = int32(id)
		}
	}
	p.Lines, p.LinesRaw, p.LineRec, p.BTF = nil, nil, 0, r.to
}

// familyNames adds the names of what an object may refer to in the kernel's BTF.
func familyNames(t *testing.T, object string, names map[string]bool) {
	spec, err := ebpf.LoadCollectionSpec(filepath.Join(familiesDir, object+".o"))
	require.NoError(t, err)
	for typ, err := range spec.Types.All() {
		require.NoError(t, err)
		base, _, _ := strings.Cut(typ.TypeName(), "___")
		names[base], names[typ.TypeName()] = true, true
	}
	for _, p := range spec.Programs {
		to, _, _ := strings.Cut(p.AttachTo, ":")
		names["btf_trace_"+to], names["bpf_iter_"+to], names[to] = true, true, true
	}
	delete(names, "")
}

// reducedBTF is what of a kernel's BTF has these names, and what the verifier looks for on its own. Of structs that
// others only point to, it has the name.
func reducedBTF(t *testing.T, s *btf.Spec, names []string) []byte {
	r := reduced{whole: map[string]bool{}, done: map[btf.Type]btf.Type{}}
	var roots []btf.Type
	add := func(name string) {
		types, _ := s.AnyTypesByName(name) // most of an object's names are its own
		for _, typ := range types {
			switch typ.(type) {
			case *btf.Struct, *btf.Union, *btf.Func, *btf.Typedef, *btf.Var:
				roots = append(roots, typ)
				r.want(typ, 0)
			}
		}
	}
	for _, name := range append(names, familyStructs...) {
		add(name)
	}
	for _, name := range names {
		for _, kind := range []string{"__safe_rcu", "__safe_rcu_or_null", "__safe_trusted", "__safe_trusted_or_null"} {
			add(name + kind)
		}
	}
	for i := range roots {
		roots[i] = r.copy(roots[i])
	}
	b, err := btf.NewBuilder(roots, nil)
	require.NoError(t, err)
	raw, err := b.Marshal(nil, &btf.MarshalOptions{Order: binary.LittleEndian})
	require.NoError(t, err)
	return raw
}

// familyStructs are what the verifier looks for on its own.
var familyStructs = []string{"bpf_map", "sk_buff", "xdp_buff", "sock", "sock_common", "tcp_sock", "task_struct", "kmem_cache",
	"bpf_array", "bpf_htab", "vm_area_struct", "bpf_perf_event_data_kern", "cgroup", "nf_conn"}

// A reduced copies types without most of what they point to.
type reduced struct {
	whole map[string]bool // structs that are copied even if pointed to
	done  map[btf.Type]btf.Type
}

// want notes the structs that a root names, and those that a function is passed or returns.
func (r *reduced) want(t btf.Type, depth int) {
	const deepest = 4
	if depth > deepest {
		return
	}
	switch t := t.(type) {
	case *btf.Struct:
		if depth > 0 && t.Name == "" {
			return
		}
		r.whole[t.Name] = true
		if strings.HasPrefix(t.Name, "bpf_iter__") || strings.HasSuffix(t.Name, "_ops") {
			for _, m := range t.Members {
				r.want(m.Type, depth+1)
			}
		}
	case *btf.Union:
		r.whole[t.Name] = true
		for _, m := range t.Members {
			r.want(m.Type, depth+1)
		}
	case *btf.Func:
		r.want(t.Type, depth)
	case *btf.FuncProto:
		r.want(t.Return, depth+1)
		for _, p := range t.Params {
			r.want(p.Type, depth+1)
		}
	default:
		if to := inner(t); to != nil {
			r.want(*to, depth)
		}
	}
}

// inner is the one type that a type is made of, nil if there is not one.
func inner(t btf.Type) *btf.Type {
	switch t := t.(type) {
	case *btf.Pointer:
		return &t.Target
	case *btf.Typedef:
		return &t.Type
	case *btf.Const:
		return &t.Type
	case *btf.Volatile:
		return &t.Type
	case *btf.Restrict:
		return &t.Type
	case *btf.TypeTag:
		return &t.Type
	case *btf.Array:
		return &t.Type
	case *btf.Var:
		return &t.Type
	}
	return nil
}

// copy copies a type.
func (r *reduced) copy(t btf.Type) btf.Type {
	if c := r.done[t]; c != nil {
		return c
	}
	switch t := t.(type) {
	case *btf.Struct:
		c := *t
		r.done[t] = &c
		c.Members = r.members(t.Members)
		return &c
	case *btf.Union:
		c := *t
		r.done[t] = &c
		c.Members = r.members(t.Members)
		return &c
	case *btf.Func:
		c := *t
		r.done[t] = &c
		c.Type = r.copy(t.Type)
		return &c
	case *btf.FuncProto:
		c := *t
		r.done[t] = &c
		c.Return = r.copy(t.Return)
		c.Params = slices.Clone(t.Params)
		for i := range c.Params {
			c.Params[i].Type = r.copy(c.Params[i].Type)
		}
		return &c
	}
	if inner(t) == nil {
		return t
	}
	c := reflect.New(reflect.TypeOf(t).Elem())
	c.Elem().Set(reflect.ValueOf(t).Elem())
	made := c.Interface().(btf.Type)
	r.done[t] = made
	to := inner(made)
	if _, ok := t.(*btf.Pointer); ok {
		if name := r.beyond(*to); name != nil {
			*to = name
			return made
		}
	}
	*to = r.copy(*to)
	return made
}

func (r *reduced) members(list []btf.Member) []btf.Member {
	list = slices.Clone(list)
	for i := range list {
		list[i].Type = r.copy(list[i].Type)
	}
	return list
}

// beyond is what stands for a type that is pointed to and not wanted; nil if it is wanted.
func (r *reduced) beyond(t btf.Type) btf.Type {
	switch t := t.(type) {
	case *btf.Struct:
		if t.Name != "" && !r.whole[t.Name] {
			return r.forward(t, &btf.Fwd{Name: t.Name, Kind: btf.FwdStruct})
		}
	case *btf.Union:
		if t.Name != "" && !r.whole[t.Name] {
			return r.forward(t, &btf.Fwd{Name: t.Name, Kind: btf.FwdUnion})
		}
	}
	return nil
}

// forward is the one name of a type.
func (r *reduced) forward(t btf.Type, f *btf.Fwd) btf.Type {
	type named struct{ btf.Type }
	key := named{t}
	if c := r.done[key]; c != nil {
		return c
	}
	r.done[key] = f
	return f
}
