package maps

import (
	"testing"

	"github.com/skepbpf/skep/memory"
)

// TestProgramsVersion: each change of a prog array gives it a version that no array has had, not even one that was at the
// same place.
func TestProgramsVersion(t *testing.T) {
	space, err := memory.New(memory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer space.Close()
	seen := map[uint64]bool{}
	places := map[memory.Addr]int{}
	for range 4 {
		m, err := New(space, &Spec{Name: "m", Type: ProgArray, KeySize: 4, ValueSize: 4, MaxEntries: 2}, 1)
		if err != nil {
			t.Fatal(err)
		}
		p := m.(*Programs)
		at, version := p.Version()
		places[at]++
		for _, program := range []any{nil, "a", "b", "b", nil} {
			if program != nil || len(seen)%5 > 0 {
				if err := p.SetProgram(1, program); err != nil {
					t.Fatal(err)
				}
			}
			if v := version.Load(); seen[v] {
				t.Errorf("version %d was used before", v)
			}
			seen[version.Load()] = true
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 20 || len(places) == 4 {
		t.Errorf("%d versions, at %v", len(seen), places)
	}
}
