package prepare

import (
	"bytes"
	"regexp"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/oracle"
)

// specials are the types of special fields, as programs declare them.
type specials struct {
	number                                     *btf.Int
	long                                       *btf.Int
	lock, timer, wq, refcount                  *btf.Struct
	listHead, listNode, root, rbNode, taskWork *btf.Struct
	item                                       *btf.Struct // goes into lists and trees
}

func newSpecials() *specials {
	s := &specials{number: &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}, long: &btf.Int{Name: "long", Size: 8}}
	words := func(name string, n uint32) *btf.Struct {
		return &btf.Struct{Name: name, Size: 8 * n, Members: []btf.Member{
			{Name: "opaque", Type: &btf.Array{Index: s.number, Type: s.long, Nelems: n}}}}
	}
	half := func(name string) *btf.Struct {
		return &btf.Struct{Name: name, Size: 4, Members: []btf.Member{{Name: "val", Type: s.number}}}
	}
	s.lock, s.refcount = half("bpf_spin_lock"), half("bpf_refcount")
	s.timer, s.wq, s.taskWork = words("bpf_timer", 2), words("bpf_wq", 2), words("bpf_task_work", 1)
	s.listHead, s.listNode = words("bpf_list_head", 2), words("bpf_list_node", 3)
	s.root, s.rbNode = words("bpf_rb_root", 2), words("bpf_rb_node", 4)
	s.item = &btf.Struct{Name: "item", Size: 72, Members: []btf.Member{
		{Name: "data", Type: s.long}, {Name: "list", Type: s.listNode, Offset: 64}, {Name: "tree", Type: s.rbNode, Offset: 256},
		{Name: "refs", Type: s.refcount, Offset: 512}}}
	return s
}

func (s *specials) kptr(tag string, target btf.Type) btf.Type {
	return &btf.Pointer{Target: &btf.TypeTag{Type: target, Value: tag}}
}

// layout makes a struct of members at 8-byte boundaries.
func layout(name string, types ...btf.Type) *btf.Struct {
	s := &btf.Struct{Name: name}
	for i, t := range types {
		size, _ := btf.Sizeof(t) // known types
		s.Members = append(s.Members, btf.Member{Name: string('a' + rune(i)), Type: t, Offset: btf.Bits(s.Size * 8)})
		s.Size += uint32(size+7) &^ 7
	}
	return s
}

// mapOf makes an array whose value has the type.
func mapOf(t testing.TB, value btf.Type, size uint32, others ...btf.Type) *object.Map {
	t.Helper()
	b, err := btf.NewBuilder(nil, nil)
	require.NoError(t, err)
	key, err := b.Add(&btf.Int{Name: "int", Size: 4, Encoding: btf.Signed})
	require.NoError(t, err)
	id, err := b.Add(value)
	require.NoError(t, err)
	for _, o := range others {
		_, err = b.Add(o)
		require.NoError(t, err)
	}
	raw, err := b.Marshal(nil, nil)
	require.NoError(t, err)
	spec, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	require.NoError(t, err)
	return &object.Map{Name: "m", Type: mapArray, KeySize: 4, ValueSize: size, MaxEntries: 1,
		BTF: &object.BTF{Raw: raw, Spec: spec}, KeyID: uint32(key), ValueID: uint32(id)}
}

type extent struct {
	kind         FieldKind
	offset, size uint32
}

func TestFields(t *testing.T) {
	s := newSpecials()
	task := &btf.Struct{Name: "task_struct", Size: 8, Members: []btf.Member{{Name: "a", Type: s.long}}}
	mine := &btf.Struct{Name: "mine_alone", Size: 8, Members: []btf.Member{{Name: "a", Type: s.long}}}
	times := func(n uint32, t btf.Type) btf.Type { return &btf.Array{Index: s.number, Type: t, Nelems: n} }
	list := layout("lists", s.lock, s.listHead, s.root)
	list.Members[1].Tags = []string{"contains:item:list"}
	list.Members[2].Tags = []string{"contains:item:tree"}
	w := newWorld(t)
	live := w.ask(t)
	for _, c := range []struct {
		name  string
		value *btf.Struct
		want  []extent
	}{
		{"none", layout("v", s.number, s.long), nil},
		{"lock and timer", layout("v", s.long, s.lock, s.timer), []extent{{SpinLock, 8, 4}, {Timer, 16, 16}}},
		{"work", layout("v", s.wq, s.taskWork, s.refcount), []extent{{WorkQueue, 0, 16}, {TaskWork, 16, 8}, {Refcount, 24, 4}}},
		{"list and tree", list, []extent{{SpinLock, 0, 4}, {ListHead, 8, 16}, {RBRoot, 24, 16}}},
		{"pointers", layout("v", s.kptr("kptr", task), s.kptr("kptr_untrusted", task), s.kptr("kptr", mine)),
			[]extent{{KptrRef, 0, 8}, {KptrUntrusted, 8, 8}, {KptrRef, 16, 8}}},
		{"array of pointers", layout("v", s.long, times(3, s.kptr("kptr", task))),
			[]extent{{KptrRef, 8, 8}, {KptrRef, 16, 8}, {KptrRef, 24, 8}}},
		{"nested", layout("v", s.long, layout("in", s.long, layout("inner", s.timer, s.kptr("kptr", task)))),
			[]extent{{Timer, 16, 16}, {KptrRef, 32, 8}}},
		{"array of structs", layout("v", times(2, layout("in", s.long, s.kptr("kptr", task)))),
			[]extent{{KptrRef, 8, 8}, {KptrRef, 24, 8}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := mapOf(t, c.value, c.value.Size, s.item)
			var kernel *btf.Spec
			if live {
				kernel = w.kernel.Spec
			}
			fields := MapFields(m, kernel, &Options{})
			var got []extent
			if fields != nil {
				for _, f := range fields.List {
					got = append(got, extent{f.Kind, f.Offset, f.Size})
				}
			}
			assert.Equal(t, c.want, got)
			if c.name == "pointers" && live {
				assert.False(t, fields.List[0].Local)
				assert.True(t, fields.List[2].Local)
			}
			if c.name == "list and tree" {
				assert.EqualValues(t, 8, fields.Find(ListHead).NodeOffset)
				assert.EqualValues(t, 32, fields.Find(RBRoot).NodeOffset)
			}
			if !live {
				return
			}
			for off := range m.ValueSize {
				want := fields.Overlaps(int64(off), int64(off)+1) != nil
				assert.Equal(t, w.isSpecial(t, m, off), want, "byte %d", off)
			}
		})
	}
}

var rxSpecial = regexp.MustCompile(`cannot be accessed directly|kptr access`)

// isSpecial asks the kernel whether a byte of a map's value belongs to a special field: then a program may not read it.
func (w *world) isSpecial(t testing.TB, m *object.Map, off uint32) bool {
	t.Helper()
	p := w.program(code(address(isa.PseudoMapValue, 0, 0), one(0x71, 0, 1, int16(off), 0), ret0))
	p.Type, p.Maps = progXDP, []*object.Map{m}
	r, err := w.oracle.Load(p, oracle.Options{LogLevel: oracle.LogPath})
	require.NoError(t, err)
	r.Close()
	require.NotEqual(t, oracle.Refused, r.Verdict, r.Message)
	if r.Verdict == oracle.Accept {
		return false
	}
	require.Regexp(t, rxSpecial, r.Message)
	return true
}
