package jit_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
)

// tailCalls is how many a run may do.
const tailCalls = 33

// tailCaller is a program that tail calls itself as often as it may, and then returns.
func tailCaller(t testing.TB) *object.Collection {
	t.Helper()
	p, err := object.Parse(`
prog xdp
name self
map table prog_array key=4 value=4 entries=2
	r2 = table ll
	r3 = 1
	call bpf_tail_call
	r0 = 7
	exit
`, object.Options{})
	require.NoError(t, err)
	require.EqualValues(t, linux.MapTypeProgArray, p.Maps[0].Type)
	p.Maps[0].Contents = []object.MapKV{{Key: []byte{1, 0, 0, 0}, Program: p}}
	return &object.Collection{Programs: map[string]*object.Program{"self": p}, Maps: map[string]*object.Map{"table": p.Maps[0]}}
}

// BenchmarkTailCall calls, beside the kernel: see beside. The figures are of one tail call.
func BenchmarkTailCall(b *testing.B) {
	beside(b, tailCaller(b), nil, "self", 2000, tailCalls, func(int) []byte { return make([]byte, 64) })
}

//go:generate go run ../examples/internal/cc testdata/tails.c

// TestTailCalls runs programs that tail call each other, in both engines, while what is in their prog array changes: from run to
// run native code jumps where it jumped before, unless that is no longer so.
func TestTailCalls(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	oc, err := object.Load("testdata/tails.o", object.Options{})
	require.NoError(t, err)
	n := 60
	if testing.Short() {
		n = 10
	}
	seen := map[uint32]bool{}
	for range n {
		var c [2]*skep.Collection
		for i, e := range []skep.Engine{skep.EngineInterp, skep.EngineAuto} {
			var err error
			c[i], err = skep.LoadObject(oc, &skep.Options{Engine: e, CPUs: 1, Env: &helpers.Env{}})
			require.NoError(t, err)
			defer c[i].Close()
			require.Equal(t, e != skep.EngineInterp, c[i].Programs["p0"].Engine() == skep.EngineJIT)
		}
		for range 200 {
			name, change, key := fmt.Sprintf("p%d", rng.IntN(6)), rng.IntN(10), uint32(rng.IntN(8))
			run := fmt.Sprintf("p%d", rng.IntN(6))
			var got [2]uint32
			var state [2]uint64
			for i := range c {
				table := c[i].Maps["table"]
				switch {
				case change == 0:
					require.NoError(t, table.Put(key, c[i].Programs[name]))
				case change == 1:
					if err := table.Delete(key); !errors.Is(err, ebpf.ErrKeyNotExist) {
						require.NoError(t, err)
					}
				}
				r0, _, err := c[i].Programs[run].Test(make([]byte, 64))
				require.NoError(t, err)
				require.NoError(t, c[i].Variables["state"].Get(&state[i]))
				got[i] = r0
			}
			require.Equal(t, got[0], got[1], "return value")
			require.Equal(t, state[0], state[1], "state")
			seen[got[0]] = true
		}
	}
	require.Greater(t, len(seen), n, "it does not depend on anything")
}

// TestTailCallsBesideWriters changes the prog array under running programs: each of their tail calls leads to one of the programs
// that were in it.
func TestTailCallsBesideWriters(t *testing.T) {
	oc := tailCaller(t)
	other, err := object.Parse("prog xdp\nname other\n\tr0 = 9\n\texit\n", object.Options{})
	require.NoError(t, err)
	oc.Programs["other"] = other
	c, err := skep.LoadObject(oc, nil)
	require.NoError(t, err)
	defer c.Close()
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		table := c.Maps["table"]
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			// A program that nobody but the array holds.
			extra, err := c.Programs["other"].Clone()
			if err != nil {
				t.Error(err)
				return
			}
			err = table.Put(uint32(1), extra)
			if i%2 == 0 {
				err = errors.Join(err, table.Put(uint32(1), c.Programs["self"]))
			}
			if err = errors.Join(err, extra.Close()); err != nil {
				t.Error(err)
				return
			}
			runtime.GC()
		}
	})
	run := func() uint32 {
		r0, _, err := c.Programs["self"].Test(make([]byte, 64))
		require.NoError(t, err)
		return r0
	}
	// At least so many runs, and as many as it takes for the writer to come in between.
	seen, runs := map[uint32]int{}, 0
	for limit := time.Now().Add(30 * time.Second); runs < 30_000 || seen[9] == 0 && time.Now().Before(limit); runs++ {
		seen[run()]++
	}
	close(done)
	wg.Wait()
	require.Equal(t, runs, seen[7]+seen[9], "%v", seen)
	require.NotZero(t, seen[9], "%v", seen)
	for range 10 { // and what is in it when nobody writes is what runs
		require.NoError(t, c.Maps["table"].Put(uint32(1), c.Programs["other"]))
		require.EqualValues(t, 9, run())
		require.NoError(t, c.Maps["table"].Put(uint32(1), c.Programs["self"]))
		require.EqualValues(t, 7, run())
	}
}
