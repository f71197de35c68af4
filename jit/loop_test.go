package jit_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/object"
)

//go:generate go run ../examples/internal/cc testdata/loops.c

// TestLoops has bpf_loop in both engines: never, too often, with flags, with callbacks that stop and that loop.
func TestLoops(t *testing.T) {
	oc, err := object.Load("testdata/loops.o", object.Options{})
	require.NoError(t, err)
	var mix [2]*skep.Program
	for i, e := range []skep.Engine{skep.EngineInterp, skep.EngineAuto} {
		c, err := skep.LoadObject(oc, &skep.Options{Engine: e, Env: &helpers.Env{}})
		require.NoError(t, err)
		defer c.Close()
		mix[i] = c.Programs["mix"]
	}
	rng := rand.New(rand.NewPCG(41, 42))
	n := 2000
	if testing.Short() {
		n = 200
	}
	for range n {
		count, mask, inner, flags := uint32(rng.IntN(60)), uint32(1)<<rng.IntN(6)-1, rng.Uint32(), uint32(0)
		switch rng.IntN(10) {
		case 0:
			count, mask = []uint32{8 << 20, 8<<20 + 1, 1 << 31, 1<<32 - 1}[rng.IntN(4)], 7
		case 1:
			flags = 1
		case 2:
			mask = 1 << 31 // hardly ever
		}
		var data []byte
		for _, v := range []uint32{count, mask, inner, flags, 0, 0} {
			data = binary.LittleEndian.AppendUint32(data, v)
		}
		var got [2]uint32
		for i, p := range mix {
			got[i], _, err = p.Test(data)
			require.NoError(t, err)
		}
		require.Equal(t, got[0], got[1], "%d times, mask %#x, inner %d, flags %d", count, mask, inner, flags)
	}
}

// BenchmarkLoop goes round a thousand times, beside the kernel: see beside. The figures are of one round.
func BenchmarkLoop(b *testing.B) {
	oc, err := object.Load("testdata/loops.o", object.Options{})
	require.NoError(b, err)
	beside(b, oc, nil, "count", 100, 1000, func(int) []byte { return make([]byte, 64) })
}
