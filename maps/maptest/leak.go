package maptest

import (
	"testing"

	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
)

// runLeak makes and closes maps, with something in them, until a leak would show.
func runLeak(t *testing.T, s *maps.Spec) {
	rounds := 10_000
	if testing.Short() {
		rounds = 1000
	}
	space := newSpace(t, memory.Options{})
	var first memory.Usage
	for i := range rounds {
		f := newFixture(t, space, s)
		f.fill(t)
		if err := f.m.Close(); err != nil {
			t.Fatal(err)
		}
		switch i {
		case 0:
			first = space.Usage()
			if first.Objects != 0 || first.Bytes != 0 {
				t.Fatalf("after Close there are %d objects of %d bytes", first.Objects, first.Bytes)
			}
		case rounds - 1:
			if u := space.Usage(); u != first {
				t.Fatalf("after %d maps: %+v, after one: %+v", rounds, u, first)
			}
		}
	}
}

// fill does something to a map that takes memory, where its type has that.
func (f *fixture) fill(t *testing.T) {
	key, value := make([]byte, f.s.KeySize), make([]byte, f.m.ValueBytes())
	switch m := f.m.(type) {
	case maps.MapOfMaps:
		inner := newFixture(t, f.space, f.s.Inner).m
		for range 2 {
			if err := m.PutMap(key, inner, maps.Any); err != nil {
				t.Fatal(err)
			}
		}
		inner.Close()
	case *maps.RingBuffer:
		m.Reserve(100)
	case *maps.Storage:
		m.Create(1, nil)
	case *maps.CgroupLocal:
		m.Attach(1, 1)
	case *maps.ArenaMap:
		m.AllocPages(0, 1)
	default:
		_ = f.m.Put(key, value, maps.Any) // some types refuse
	}
}
