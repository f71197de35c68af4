package jit_test

import (
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/oracle"
)

// beside runs the program of a collection in native code and in the running kernel, in turn, so often a round, and reports the
// medians of what one of the steps takes that a run has, in nanoseconds, and their ratio. The packet may change from round to round.
func beside(b *testing.B, oc *object.Collection, types *object.BTF, name string, repeat uint32, steps float64, packet func(round int) []byte) {
	k, err := oracle.Open()
	if err != nil {
		b.Skipf("there is no kernel to run beside (Linux, as root): %v", err)
	}
	defer k.Close()
	c, err := skep.LoadObject(oc, &skep.Options{Engine: skep.EngineJIT, VerifyOptions: skep.VerifyOptions{Types: types, Programs: []string{name}}})
	require.NoError(b, err)
	defer c.Close()
	r, err := k.Load(oc.Programs[name], oracle.Options{NoLog: true, FreshMaps: true})
	require.NoError(b, err)
	require.Equal(b, oracle.Accept, r.Verdict, r.Message)
	defer r.Close()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	var ns, kns []float64
	for round := 0; b.Loop(); round++ {
		data := packet(round)
		var d time.Duration
		ret, err := c.Programs[name].Run(&skep.RunOptions{Data: data, Repeat: repeat, Elapsed: &d})
		require.NoError(b, err)
		run, err := oracle.TestRun(r.FD, data, nil, repeat)
		require.NoError(b, err)
		require.EqualValues(b, run.Retval, ret)
		ns, kns = append(ns, float64(d)/float64(repeat)/steps), append(kns, float64(run.Duration)/steps)
	}
	median := func(x []float64) float64 { slices.Sort(x); return x[len(x)/2] }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(ns), "native-ns")
	b.ReportMetric(median(kns), "kernel-ns")
	b.ReportMetric(median(ns)/median(kns), "ratio")
}
