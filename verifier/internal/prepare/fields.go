package prepare

import (
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/object"
)

// A FieldKind is a kind of special field in a map value or an allocated object. Kinds are bits, so that several
// can be asked for at once.
type FieldKind uint32

// Kinds of special fields.
const (
	SpinLock FieldKind = 1 << iota
	ResSpinLock
	Timer
	WorkQueue
	TaskWork
	Refcount
	ListHead
	ListNode
	RBRoot
	RBNode
	KptrUntrusted // a pointer to a kernel object without a reference
	KptrRef       // a pointer to an object, with a reference; only bpf_kptr_xchg writes it
	KptrPercpu    // the same, to an object per CPU
	Uptr          // a pointer to memory of user space

	Kptr = KptrUntrusted | KptrRef | KptrPercpu
)

// A specialType is a struct that is a special field wherever it is a member.
type specialType struct {
	kind FieldKind
	size uint32
}

var specialTypes = map[string]specialType{
	"bpf_spin_lock":     {SpinLock, 4},
	"bpf_res_spin_lock": {ResSpinLock, 4},
	"bpf_timer":         {Timer, 16},
	"bpf_wq":            {WorkQueue, 16},
	"bpf_task_work":     {TaskWork, 8},
	"bpf_refcount":      {Refcount, 4},
	"bpf_list_head":     {ListHead, 16},
	"bpf_list_node":     {ListNode, 24},
	"bpf_rb_root":       {RBRoot, 16},
	"bpf_rb_node":       {RBNode, 32},
}

var oldKptrTags = map[string]FieldKind{"kptr": KptrUntrusted, "kptr_ref": KptrRef}

var kptrTags = map[string]FieldKind{
	"kptr_untrusted": KptrUntrusted,
	"kptr":           KptrRef,
	"percpu_kptr":    KptrPercpu,
	"uptr":           Uptr,
}

// maxFields is how many special fields a type may have.
const maxFields = 11

// String is the kind as Linux's messages call it.
func (k FieldKind) String() string {
	for name, s := range specialTypes {
		if s.kind == k {
			return name
		}
	}
	switch k {
	case KptrUntrusted, KptrRef:
		return "kptr"
	case KptrPercpu:
		return "percpu_kptr"
	case Uptr:
		return "uptr"
	}
	return "unknown"
}

// A Field is one special field.
type Field struct {
	Kind   FieldKind
	Offset uint32 // bytes from the start of the value
	Size   uint32

	// Of a kptr: what it points to. Local says that Type is in the program's (the map's) BTF and not the kernel's.
	// Of a list head or tree root: the struct that it contains, always Local, and where in it the node lies.
	Type       btf.Type
	TypeID     btf.TypeID
	Local      bool
	NodeOffset uint32
}

// Fields are the special fields of a type, by offset. A nil *Fields has none.
type Fields struct {
	List []Field
	Mask FieldKind // kinds that occur
}

// Has tells that a field of one of the kinds is there.
func (f *Fields) Has(k FieldKind) bool { return f != nil && f.Mask&k != 0 }

// Find gives the first field of one of the kinds, nil if there is none.
func (f *Fields) Find(k FieldKind) *Field {
	if !f.Has(k) {
		return nil
	}
	for i := range f.List {
		if f.List[i].Kind&k != 0 {
			return &f.List[i]
		}
	}
	return nil
}

// At gives the field of one of the kinds that starts at the offset, nil if none does.
func (f *Fields) At(offset uint32, k FieldKind) *Field {
	if f == nil {
		return nil
	}
	for i := range f.List {
		if f.List[i].Offset == offset && f.List[i].Kind&k != 0 {
			return &f.List[i]
		}
	}
	return nil
}

// Overlaps gives the first field that has a byte in [from, to), nil if none has.
func (f *Fields) Overlaps(from, to int64) *Field {
	if f == nil {
		return nil
	}
	for i := range f.List {
		if o := int64(f.List[i].Offset); from < o+int64(f.List[i].Size) && o < to {
			return &f.List[i]
		}
	}
	return nil
}

// FieldsOf finds the special fields of a struct, or of the section of variables that a map's value is. kernel, which may be
// nil, is where kptrs' targets are looked for first. It gives nil if there are none, or if they contradict one another: to
// Linux a map with such a type has none.
func FieldsOf(b *object.BTF, t btf.Type, kernel *btf.Spec, o *Options) *Fields {
	if b == nil || b.Spec == nil {
		return nil
	}
	s := &fieldScan{spec: b.Spec, kernel: kernel, options: o, out: &Fields{}}
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Struct:
		s.structure(t, 0, 0)
	case *btf.Datasec:
		for _, v := range t.Vars {
			if x, ok := v.Type.(*btf.Var); ok {
				s.member(x.Type, v.Offset, x.Tags, 0)
			}
		}
	}
	if len(s.out.List) == 0 || s.bad || s.out.contradict() {
		return nil
	}
	return s.out
}

// contradict tells that there are several of a field of which there may be one, or a list or tree without a lock.
func (f *Fields) contradict() bool {
	seen := FieldKind(0)
	for i := range f.List {
		k := f.List[i].Kind
		if k&(SpinLock|ResSpinLock|Timer|WorkQueue|TaskWork|Refcount)&seen != 0 {
			return true
		}
		seen |= k
	}
	return f.Mask&(ListHead|RBRoot) != 0 && f.Mask&(SpinLock|ResSpinLock) == 0
}

type fieldScan struct {
	spec    *btf.Spec
	kernel  *btf.Spec
	out     *Fields
	options *Options
	bad     bool // a list head or tree root that does not say what it contains
}

func (s *fieldScan) structure(t *btf.Struct, base uint32, depth int) {
	for _, m := range t.Members {
		if m.BitfieldSize == 0 {
			s.member(m.Type, base+m.Offset.Bytes(), m.Tags, depth)
		}
	}
}

// maxDepth is how deep special fields may be nested in structs.
const maxDepth = 4

// member looks at a member or variable of type t at an offset; arrays of special fields count one by one.
func (s *fieldScan) member(t btf.Type, at uint32, tags []string, depth int) {
	n := uint32(1)
	for {
		a, ok := btf.UnderlyingType(t).(*btf.Array)
		if !ok {
			break
		}
		n, t = n*a.Nelems, a.Type
	}
	size, err := btf.Sizeof(t)
	if err != nil || n == 0 || n > 1<<20 {
		return
	}
	f := Field{Size: uint32(size)}
	switch u := btf.UnderlyingType(t).(type) {
	case *btf.Struct:
		special, ok := specialTypes[u.Name]
		if !ok {
			if depth >= maxDepth {
				return
			}
			for i := range n {
				if len(s.out.List) < maxFields {
					s.structure(u, at+i*uint32(size), depth+1)
				}
			}
			return
		}
		f.Kind, f.Size = special.kind, special.size
		if f.Kind&(ListHead|RBRoot) != 0 && !s.contains(&f, tags) {
			s.bad = true
			return
		}
	case *btf.Pointer:
		if !s.kptr(&f, u) {
			return
		}
	default:
		return
	}
	for i := range n {
		if len(s.out.List) == maxFields {
			return
		}
		f.Offset = at + i*uint32(size)
		s.out.List = append(s.out.List, f)
		s.out.Mask |= f.Kind
	}
}

// nodeOf says which nodes a list or tree is made of.
var nodeOf = map[FieldKind]FieldKind{ListHead: ListNode, RBRoot: RBNode}

// contains reads the tag "contains:TYPE:MEMBER" of a list head or tree root.
func (s *fieldScan) contains(f *Field, tags []string) bool {
	for _, tag := range tags {
		rest, ok := strings.CutPrefix(tag, "contains:")
		if !ok {
			continue
		}
		name, node, ok := strings.Cut(rest, ":")
		var t *btf.Struct
		if !ok || s.spec.TypeByName(name, &t) != nil {
			return false
		}
		for _, m := range t.Members {
			if m.Name == node && specialTypes[m.Type.TypeName()].kind == nodeOf[f.Kind] {
				f.Type, f.Local, f.NodeOffset = t, true, m.Offset.Bytes()
				f.TypeID, _ = s.spec.TypeID(t) // it came from there
				return true
			}
		}
	}
	return false
}

// kptr reads what a tagged pointer points to.
func (s *fieldScan) kptr(f *Field, p *btf.Pointer) bool {
	t := p.Target
	tag, ok := t.(*btf.TypeTag)
	if !ok {
		return false
	}
	tags := kptrTags
	if s.options.OldKptrs {
		tags = oldKptrTags
	}
	if f.Kind = tags[tag.Value]; f.Kind == 0 || s.options.NoKptrs {
		return false
	}
	f.Size = 8
	f.Type = btf.UnderlyingType(tag.Type)
	if f.Kind == Uptr {
		f.Local = true
		f.TypeID, _ = s.spec.TypeID(f.Type) // it came from there
		return true
	}
	if target, id := sameNamed(s.kernel, f.Type); target != nil {
		f.Type, f.TypeID = target, id
		return true
	}
	if s.options.NoLocal {
		s.bad = true
		return false
	}
	f.Local = true
	f.TypeID, _ = s.spec.TypeID(f.Type) // it came from there
	return true
}

// sameNamed finds the kernel's struct with the name of a program's.
func sameNamed(kernel *btf.Spec, t btf.Type) (btf.Type, btf.TypeID) {
	name := t.TypeName()
	if kernel == nil || name == "" {
		return nil, 0
	}
	var found btf.Type
	switch t.(type) {
	case *btf.Struct, *btf.Fwd:
		var s *btf.Struct
		if kernel.TypeByName(name, &s) != nil {
			return nil, 0
		}
		found = s
	case *btf.Union:
		var u *btf.Union
		if kernel.TypeByName(name, &u) != nil {
			return nil, 0
		}
		found = u
	default:
		return nil, 0
	}
	id, err := kernel.TypeID(found)
	if err != nil {
		return nil, 0
	}
	return found, id
}

// mapFields gives the special fields of a map's value, found once.
func (in *Info) mapFields(index int) *Fields {
	if in.Fields == nil {
		in.Fields = make([]*Fields, len(in.Program.Maps))
		for i, m := range in.Program.Maps {
			in.Fields[i] = MapFields(m, in.kernel, &in.options)
		}
	}
	return in.Fields[index]
}

// MapFields gives the special fields of a map's value; kernel is as in FieldsOf.
func MapFields(m *object.Map, kernel *btf.Spec, o *Options) *Fields {
	if m.BTF == nil || m.BTF.Spec == nil || m.ValueID == 0 {
		return nil
	}
	t, err := m.BTF.Spec.TypeByID(btf.TypeID(m.ValueID))
	if err != nil {
		return nil
	}
	return FieldsOf(m.BTF, t, kernel, o)
}
