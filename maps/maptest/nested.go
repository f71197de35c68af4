package maptest

import (
	"encoding/binary"

	"github.com/skepbpf/skep/maps"
	"pgregory.net/rapid"
)

// nested is the model of a map of maps.
type nested struct {
	*fixture
	m      maps.MapOfMaps
	inners []maps.Map // that fit; the last one does not
	in     map[string]maps.Map
}

func newNested(t tester, f *fixture, m maps.MapOfMaps) *nested {
	n := &nested{fixture: f, m: m, in: map[string]maps.Map{}}
	for i := range 4 {
		s := *f.s.Inner
		if i == 3 {
			s.ValueSize++
		}
		n.inners = append(n.inners, newFixture(t, f.space, &s).m)
	}
	return n
}

func (n *nested) draw(t *rapid.T) ([]byte, maps.Map, maps.Errno) {
	key := make([]byte, n.s.KeySize)
	key[0] = byte(rapid.IntRange(0, int(n.s.MaxEntries)+1).Draw(t, "key"))
	i := rapid.IntRange(0, len(n.inners)-1).Draw(t, "inner")
	array := n.s.Type == maps.ArrayOfMaps
	switch {
	case array && uint32(key[0]) >= n.s.MaxEntries:
		return key, n.inners[i], maps.E2BIG
	case i == len(n.inners)-1:
		return key, n.inners[i], maps.EINVAL
	case !array && n.in[string(key)] == nil && len(n.in) == int(n.s.MaxEntries):
		return key, n.inners[i], maps.E2BIG
	}
	return key, n.inners[i], 0
}

func (n *nested) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"PutMap": func(t *rapid.T) {
			key, inner, e := n.draw(t)
			want(t, "PutMap", n.m.PutMap(key, inner, maps.Any), e)
			if e == 0 {
				n.in[string(key)] = inner
			}
		},
		"Put": func(t *rapid.T) {
			key, inner, e := n.draw(t)
			want(t, "Put", n.m.Put(key, binary.NativeEndian.AppendUint32(nil, inner.ID()), maps.Any), e)
			if e == 0 {
				n.in[string(key)] = inner
			}
		},
		"Remove": func(t *rapid.T) {
			key, _, _ := n.draw(t)
			e := maps.Errno(0)
			switch {
			case n.s.Type == maps.ArrayOfMaps && uint32(key[0]) >= n.s.MaxEntries:
				e = maps.E2BIG
			case n.in[string(key)] == nil:
				e = maps.ENOENT
			}
			want(t, "Remove", n.m.Remove(key), e)
			delete(n.in, string(key))
		},
		"close an inner map": func(t *rapid.T) {
			// The elements keep it.
			i := rapid.IntRange(0, len(n.inners)-1).Draw(t, "inner")
			n.inners[i].Close()
			s := *n.inners[i].Spec()
			n.inners[i] = newFixture(t, n.space, &s).m
		},
		"Reclaim": func(t *rapid.T) { n.m.Reclaim() },
		"programs": func(t *rapid.T) {
			key, _, _ := n.draw(t)
			want(t, "Update", n.m.Update(0, key, make([]byte, 4), 0), maps.ENOTSUPP)
			want(t, "Delete", n.m.Delete(key), maps.ENOTSUPP)
		},
	}
}

func (n *nested) check(t *rapid.T) {
	for key, inner := range n.in {
		if a := n.m.Lookup(0, []byte(key)); maps.At(n.space, uint64(a)) != inner {
			t.Fatalf("%x is not the map that was put there", key)
		}
		got, err := n.m.GetMap([]byte(key))
		if err != nil || got != inner {
			t.Fatalf("GetMap: %v", err)
		}
		id, err := maps.GetBytes(n.m, []byte(key))
		if err != nil || binary.NativeEndian.Uint32(id) != inner.ID() {
			t.Fatalf("Get: %x, %v, want %d", id, err, inner.ID())
		}
		// It works.
		if inner.Lookup(0, make([]byte, 4)) == 0 {
			t.Fatalf("an inner map has no elements any more")
		}
	}
	keys := 0
	for key, err := n.m.NextKey(nil); err == nil; key, err = n.m.NextKey(key) {
		if n.in[string(key)] != nil {
			keys++
		} else if n.m.Lookup(0, key) != 0 {
			t.Fatalf("%x should not be there", key)
		}
	}
	if keys != len(n.in) {
		t.Fatalf("%d keys, want %d", keys, len(n.in))
	}
}

// close gives up the inner maps.
func (n *nested) close() {
	for _, m := range n.inners {
		m.Close()
	}
}
