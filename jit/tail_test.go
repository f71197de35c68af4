package jit_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/oracle"
)

// tailCalls is how many a run may do.
const tailCalls = 33

// tailCaller is a program that tail calls itself as often as it may, and then returns.
func tailCaller(t testing.TB) (*object.Collection, *object.Program) {
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
	return &object.Collection{Programs: map[string]*object.Program{"self": p}, Maps: map[string]*object.Map{"table": p.Maps[0]}}, p
}

// BenchmarkTailCall gives what a tail call takes in native code and in the running kernel.
func BenchmarkTailCall(b *testing.B) {
	oc, p := tailCaller(b)
	c, err := skep.LoadObject(oc, &skep.Options{Engine: skep.EngineJIT})
	require.NoError(b, err)
	defer c.Close()
	k, err := oracle.Open()
	if err != nil {
		b.Skip(err)
	}
	defer k.Close()
	r, err := k.Load(p, oracle.Options{NoLog: true, FreshMaps: true})
	require.NoError(b, err)
	require.Equal(b, oracle.Accept, r.Verdict, r.Message)
	defer r.Close()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const repeat = 2000
	data := make([]byte, 64)
	var ns, kns []float64
	for b.Loop() {
		var d time.Duration
		ret, err := c.Programs["self"].Run(&skep.RunOptions{Data: data, Repeat: repeat, Elapsed: &d})
		require.NoError(b, err)
		run, err := oracle.TestRun(r.FD, data, nil, repeat)
		require.NoError(b, err)
		require.EqualValues(b, ret, run.Retval)
		ns, kns = append(ns, float64(d)/(repeat*tailCalls)), append(kns, float64(run.Duration)/tailCalls)
	}
	median := func(x []float64) float64 { slices.Sort(x); return x[len(x)/2] }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(ns), "native-ns")
	b.ReportMetric(median(kns), "kernel-ns")
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
	oc, _ := tailCaller(t)
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
	seen := map[uint32]int{}
	for range 30_000 {
		r0, _, err := c.Programs["self"].Test(make([]byte, 64))
		require.NoError(t, err)
		seen[r0]++
	}
	close(done)
	wg.Wait()
	require.Equal(t, 30_000, seen[7]+seen[9], "%v", seen)
	require.NotZero(t, seen[9], "%v", seen)
}
