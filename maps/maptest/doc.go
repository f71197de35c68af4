// Package maptest is the suite that each map type must pass: a state machine that does the same things to a map and to a
// plain model of it in Go, several goroutines at once, and thousands of maps made and closed.
//
//	func TestMyMap(t *testing.T) {
//		maptest.Run(t, maps.Spec{Type: maps.Hash, KeySize: 4, ValueSize: 8, MaxEntries: 10})
//	}
package maptest

import (
	"fmt"
	"testing"

	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
	"pgregory.net/rapid"
)

// cpus is how many CPUs the maps of the suite have values for: as many as goroutines that use them at once.
const cpus = 8

// Run tests maps that are made from each of specs. They should be small, so that they get full: a few elements, values of 8
// bytes at least, so that what a goroutine reads tells who wrote it.
func Run(t *testing.T, specs ...maps.Spec) {
	for _, s := range specs {
		t.Run(name(&s), func(t *testing.T) {
			t.Run("model", func(t *testing.T) { runModel(t, &s) })
			t.Run("concurrent", func(t *testing.T) { runConcurrent(t, &s) })
			t.Run("leak", func(t *testing.T) { runLeak(t, &s) })
			t.Run("churn", func(t *testing.T) { runChurn(t, &s) })
		})
	}
}

// Specs are small maps of all types that New can make, and of their variants.
func Specs() []maps.Spec {
	const word, value = 4, 8
	specs := []maps.Spec{
		{Type: maps.Hash, KeySize: 3, ValueSize: 9, MaxEntries: 5, Flags: maps.NoPrealloc},
		{Type: maps.Hash, KeySize: word, ValueSize: 24, MaxEntries: 5,
			Special: []maps.Field{{Offset: 8, Size: 4, SpinLock: true}, {Offset: 16, Size: 2}}},
		{Type: maps.PerCPUHash, KeySize: word, ValueSize: 12, MaxEntries: 5, Flags: maps.NoPrealloc},
		{Type: maps.Queue, ValueSize: value, MaxEntries: 1},
		{Type: maps.BloomFilter, ValueSize: value, MaxEntries: 100, Extra: 2},
	}
	for _, t := range maps.Simulated() {
		s := maps.Spec{Type: t, KeySize: word, ValueSize: value, MaxEntries: 7}
		switch t {
		case maps.Queue, maps.Stack, maps.BloomFilter:
			s.KeySize = 0
		case maps.RingBuf, maps.UserRingBuf:
			s.KeySize, s.ValueSize, s.MaxEntries = 0, 0, 4096
		case maps.Arena:
			s.KeySize, s.ValueSize, s.MaxEntries, s.Flags = 0, 0, 16, maps.Mmapable
		case maps.LPMTrie:
			s.KeySize, s.Flags = 6, maps.NoPrealloc
		case maps.ProgArray, maps.PerfEventArray, maps.CgroupArray, maps.XSKMap, maps.SockMap, maps.SockHash,
			maps.ReuseportSockArray:
			s.ValueSize = word
		case maps.ArrayOfMaps, maps.HashOfMaps:
			s.ValueSize = word
			s.Inner = &maps.Spec{Type: maps.Array, KeySize: word, ValueSize: value, MaxEntries: 1}
		case maps.CgroupStorage, maps.PerCPUCgroupStorage:
			s.KeySize, s.MaxEntries = 16, 0
		case maps.SkStorage, maps.TaskStorage, maps.InodeStorage, maps.CgrpStorage:
			s.MaxEntries, s.Flags = 0, maps.NoPrealloc
		case maps.StructOps:
			s.MaxEntries = 1
		}
		specs = append(specs, s)
	}
	return specs
}

func name(s *maps.Spec) string {
	n := fmt.Sprintf("%v-%d-%d-%d", s.Type, s.KeySize, s.ValueSize, s.MaxEntries)
	if s.Flags != 0 {
		n += fmt.Sprintf("-%#x", s.Flags)
	}
	return n
}

// A fixture is a map and the Space that it is in.
type fixture struct {
	space *memory.Space
	m     maps.Map
	s     *maps.Spec
}

// tester is what testing.T and rapid.T have in common.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

func newSpace(t testing.TB, o memory.Options) *memory.Space {
	t.Helper()
	space, err := memory.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { space.Close() })
	return space
}

func newFixture(t tester, space *memory.Space, s *maps.Spec) *fixture {
	t.Helper()
	m, err := maps.New(space, s, cpus)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return &fixture{space, m, m.Spec()}
}

// A model is what a map should be like.
type model interface {
	actions() map[string]func(*rapid.T)
	check(*rapid.T) // of the whole map, after each action
}

// runModel does random things to a map and its model.
func runModel(t *testing.T, s *maps.Spec) {
	steps := 0
	for steps < modelSteps && !t.Failed() {
		steps += checkModel(t, s)
		if testing.Short() {
			break
		}
	}
	t.Logf("%d steps", steps)
}

// modelSteps is how many steps each map takes at least, in machines of some dozens.
const modelSteps = 10_000

func checkModel(t *testing.T, s *maps.Spec) (steps int) {
	rapid.Check(t, func(t *rapid.T) {
		space, err := memory.New(memory.Options{Strict: true})
		if err != nil {
			t.Fatal(err)
		}
		defer space.Close()
		f := newFixture(t, space, s)
		m := f.model(t)
		actions := m.actions()
		actions[""] = func(t *rapid.T) {
			steps++
			m.check(t)
		}
		t.Repeat(actions)
		if c, ok := m.(interface{ close() }); ok {
			c.close()
		}
		if err := f.m.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
		if u := space.Usage(); u.Objects != 0 {
			t.Fatalf("%d objects are left after Close", u.Objects)
		}
	})
	return steps
}

// model makes the model of a new map.
func (f *fixture) model(t tester) model {
	switch m := f.m.(type) {
	case *maps.QueueMap:
		return &queue{fixture: f, m: m}
	case *maps.Bloom:
		return &bloom{fixture: f, m: m, in: map[string]bool{}}
	case *maps.RingBuffer:
		return newRing(f, m)
	case *maps.UserRingBuffer:
		return &userRing{fixture: f, m: m}
	case *maps.PerfArray:
		return newPerf(f, m)
	case *maps.Programs:
		return &programs{fixture: f, m: m, in: map[uint32]any{}}
	case maps.MapOfMaps:
		return newNested(t, f, m)
	case maps.ObjectMap:
		return &objects{fixture: f, m: m, in: map[string]any{}}
	case *maps.Storage:
		return &storage{fixture: f, m: m, in: map[int][]byte{}}
	case *maps.CgroupLocal:
		return &cgroups{fixture: f, m: m, in: map[uint64][][]byte{}}
	case *maps.StackMap:
		return &stacks{fixture: f, m: m, in: map[uint32][]byte{}}
	case *maps.StructOpsMap:
		return &structOps{fixture: f}
	case *maps.ArenaMap:
		return newArena(f, m)
	}
	return newKeyed(f)
}

// want fails if an error does not have an Errno, or is one where there should be none.
func want(t tester, what string, err error, e maps.Errno) {
	t.Helper()
	if got := maps.ErrnoOf(err); got != e || (err == nil) != (e == 0) {
		t.Fatalf("%s: %v, want errno %d", what, err, uint32(e))
	}
}
