package maptest

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
)

// each is how many things each goroutine does.
func each() int {
	if testing.Short() {
		return 2000
	}
	return 20000
}

// runConcurrent has goroutines on all CPUs use a map. What a goroutine may see depends on the type.
func runConcurrent(t *testing.T, s *maps.Spec) {
	space := newSpace(t, memory.Options{})
	f := newFixture(t, space, s)
	defer f.m.Close()
	switch m := f.m.(type) {
	case *maps.QueueMap:
		f.concurrentQueue(t, m)
	case *maps.Bloom:
		f.parallel(func(cpu, i int, _ *rand.Rand) {
			v := make([]byte, s.ValueSize)
			v[0], v[1] = byte(cpu), byte(i)
			if m.Push(v, 0) != nil || m.Peek(v) != nil {
				t.Errorf("a value that was pushed is not there")
			}
		})
	case *maps.RingBuffer:
		f.concurrentRing(t, m)
	case *maps.UserRingBuffer:
		f.concurrentUserRing(t, m)
	case *maps.PerfArray:
		f.concurrentPerf(t, m)
	case *maps.Programs:
		f.parallel(func(cpu, i int, r *rand.Rand) {
			index := r.Uint32N(s.MaxEntries)
			switch r.IntN(3) {
			case 0:
				_ = m.SetProgram(index, int(index))
			case 1:
				_ = m.SetProgram(index, nil)
			default:
				if p := m.Program(index); p != nil && p != int(index) {
					t.Errorf("program %d is %v", index, p)
				}
			}
		})
	case maps.MapOfMaps:
		f.concurrentNested(t, m)
	case maps.ObjectMap:
		f.parallel(func(cpu, i int, r *rand.Rand) {
			key := f.key(r.Uint32N(s.MaxEntries))
			switch r.IntN(3) {
			case 0:
				_ = m.SetObject(key, string(key), maps.Any)
			case 1:
				_ = m.Remove(key)
			default:
				if v := m.Object(key); v != nil && v != string(key) {
					t.Errorf("object %x is %v", key, v)
				}
				_, _ = m.NextKey(key)
			}
		})
	case *maps.Storage:
		f.parallel(func(cpu, i int, r *rand.Rand) {
			o := r.IntN(20)
			switch a := m.Create(o, nil); {
			case a == 0:
				t.Errorf("no storage")
			case i%2 == 0 && cpu == 0:
				_ = m.Drop(o)
			default:
				f.space.Word(a).Add(1)
			}
		})
	case *maps.CgroupLocal:
		f.parallel(func(cpu, i int, r *rand.Rand) {
			g := r.Uint64N(10)
			if r.IntN(4) == 0 {
				_ = m.Attach(g, 1)
			}
			if a := m.Local(cpu, g, 1); a != 0 {
				f.space.Word(a).Add(1)
			}
			_, _ = m.NextKey(nil)
		})
	case *maps.StackMap:
		f.parallel(func(cpu, i int, r *rand.Rand) {
			v := make([]byte, s.ValueSize)
			v[0] = byte(r.IntN(9))
			if id, err := m.Save(v, maps.ReuseStackID); err != nil {
				t.Error(err)
			} else if r.IntN(2) == 0 {
				_ = m.Take(binary.NativeEndian.AppendUint32(nil, id), v)
			}
		})
	case *maps.StructOpsMap:
		f.parallel(func(cpu, i int, r *rand.Rand) {
			v := make([]byte, s.ValueSize)
			_, _, _ = m.Put(f.key(0), v, 0), m.Remove(f.key(0)), m.Get(f.key(0), v, 0)
		})
	case *maps.ArenaMap:
		f.concurrentArena(t, m)
	default:
		f.concurrentKeyed(t)
	}
}

// parallel runs do on all CPUs at once.
func (f *fixture) parallel(do func(cpu, i int, r *rand.Rand)) {
	var wg sync.WaitGroup
	for cpu := range cpus {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(cpu)))
			for i := range each() {
				do(cpu, i, r)
			}
		})
	}
	wg.Wait()
}

// key is the key with a number. In a trie no key is a prefix of another one.
func (f *fixture) key(n uint32) []byte {
	key := make([]byte, f.s.KeySize)
	if f.s.Type == maps.LPMTrie {
		binary.NativeEndian.PutUint32(key, 8+n%8)
		key[4] = byte(n)
		return key
	}
	key[0] = byte(n)
	return key
}

func (f *fixture) concurrentQueue(t *testing.T, m *maps.QueueMap) {
	if f.s.ValueSize < 8 {
		t.Skip("values are too small to tell apart")
	}
	var pushed, popped [cpus]map[uint64]bool
	for cpu := range cpus {
		pushed[cpu], popped[cpu] = map[uint64]bool{}, map[uint64]bool{}
	}
	f.parallel(func(cpu, i int, r *rand.Rand) {
		v := make([]byte, f.s.ValueSize)
		if r.IntN(2) == 0 {
			x := uint64(cpu)<<32 | uint64(i)
			binary.NativeEndian.PutUint64(v, x)
			if m.Push(v, 0) == nil {
				pushed[cpu][x] = true
			}
		} else if m.Pop(v) == nil {
			popped[cpu][binary.NativeEndian.Uint64(v)] = true
		}
	})
	for v := make([]byte, f.s.ValueSize); m.Pop(v) == nil; {
		popped[0][binary.NativeEndian.Uint64(v)] = true
	}
	in, out := 0, 0
	for cpu := range cpus {
		in += len(pushed[cpu])
	}
	for cpu := range cpus {
		for x := range popped[cpu] {
			if !pushed[x>>32][x] {
				t.Fatalf("%#x was popped twice, or never pushed", x)
			}
			delete(pushed[x>>32], x)
			out++
		}
	}
	if in != out {
		t.Fatalf("%d values were pushed, %d popped", in, out)
	}
}

func (f *fixture) concurrentNested(t *testing.T, m maps.MapOfMaps) {
	var inners [3]maps.Map
	for i := range inners {
		inners[i] = newFixture(t, f.space, f.s.Inner).m
		defer inners[i].Close()
	}
	f.parallel(func(cpu, i int, r *rand.Rand) {
		key := f.key(r.Uint32N(f.s.MaxEntries))
		switch {
		case cpu > 2 || i%8 != 0:
			a := m.Lookup(cpu, key)
			if a == 0 {
				return
			}
			if in := maps.At(f.space, uint64(a)); in != inners[0] && in != inners[1] && in != inners[2] {
				t.Errorf("%x has %v", key, in)
			}
		case r.IntN(3) == 0:
			_ = m.Remove(key)
		default:
			if err := m.PutMap(key, inners[r.IntN(3)], maps.Any); err != nil {
				t.Error(err)
			}
		}
	})
	m.Reclaim()
}

func (f *fixture) concurrentArena(t *testing.T, m *maps.ArenaMap) {
	f.parallel(func(cpu, i int, r *rand.Rand) {
		n := 1 + r.Uint32N(2)
		a := m.AllocPages(0, n)
		if a == 0 {
			return
		}
		for p := range n {
			w := f.space.Word(a + memory.Addr(p*maps.ArenaPage))
			if w.Add(uint64(cpu)+1) != uint64(cpu)+1 {
				t.Errorf("two have the page at %#x", a)
			}
		}
		m.FreePages(a, n)
	})
}
