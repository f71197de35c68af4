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

// runChurn puts elements into a map and takes them out again until it would have grown, were they not used again.
func runChurn(t *testing.T, s *maps.Spec) {
	f := newFixture(t, newSpace(t, memory.Options{}), s)
	defer f.m.Close()
	if s.KeySize == 0 {
		return
	}
	value := make([]byte, f.m.ValueBytes())
	if len(value) > 0 {
		value[0] = 1
	}
	var early memory.Usage
	for i := range uint32(20_000) {
		key := f.key(i % 8)
		switch m := f.m.(type) {
		case *maps.Storage:
			m.Create(i%8, nil)
			_ = m.Drop(i % 8)
		case *maps.CgroupLocal:
			_ = m.Attach(uint64(i), 1)
			_ = m.Detach(uint64(i), 1)
		default:
			if f.m.Put(key, value, maps.Any) != nil {
				return // another sort of map
			}
			if i%2 == 0 {
				_ = f.m.Put(key, value, maps.Any)
			}
			_ = f.m.Remove(key)
		}
		switch i {
		case 1000:
			early = f.space.Usage()
		case 19_999:
			if u := f.space.Usage(); u != early {
				t.Fatalf("after %d elements: %+v, after 1000: %+v", i, u, early)
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
