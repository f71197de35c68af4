package jit_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/object"
)

//go:generate go run ../examples/internal/cc testdata/iters.c

// iterators loads the programs of testdata/iters.c, which call functions of the running kernel's types.
func iterators(t testing.TB) (*object.Collection, *object.BTF) {
	types, err := object.LoadBTF(object.HostBTF)
	if err != nil {
		t.Skipf("the running kernel has no types of its functions (%s): %v", object.HostBTF, err)
	}
	c, err := object.Load("testdata/iters.o", object.Options{Types: types})
	require.NoError(t, err)
	require.NoError(t, c.Err())
	return c, types
}

// TestIterators goes through ranges of numbers in both engines: empty ones, wrong ones, some at the limits, some left early.
func TestIterators(t *testing.T) {
	oc, types := iterators(t)
	var mix [2]*skep.Program
	for i, e := range []skep.Engine{skep.EngineInterp, skep.EngineAuto} {
		c, err := skep.LoadObject(oc, &skep.Options{Engine: e, VerifyOptions: skep.VerifyOptions{Types: types, Programs: []string{"mix"}}})
		require.NoError(t, err)
		defer c.Close()
		mix[i] = c.Programs["mix"]
	}
	rng := rand.New(rand.NewPCG(31, 32))
	edges := []int32{0, 1, -1, 1 << 30, -1 << 31, 1<<31 - 1, 8 << 20, 8<<20 + 1, 8<<20 - 1}
	n := 2000
	if testing.Short() {
		n = 200
	}
	for range n {
		start := int32(rng.IntN(20) - 10)
		end := start + int32(rng.IntN(40)-10)
		mask := uint32(1)<<rng.IntN(8) - 1
		if rng.IntN(4) == 0 {
			start, end = edges[rng.IntN(len(edges))], edges[rng.IntN(len(edges))]
			mask |= 1 << 10 // the interpreter takes its time
		}
		data := binary.LittleEndian.AppendUint32(nil, uint32(start))
		data = binary.LittleEndian.AppendUint32(data, uint32(end))
		data = append(binary.LittleEndian.AppendUint32(data, mask), make([]byte, 20)...)
		var got [2]uint32
		for i, p := range mix {
			var err error
			got[i], _, err = p.Test(data)
			require.NoError(t, err)
		}
		require.Equal(t, got[0], got[1], "from %d to %d, mask %#x", start, end, mask)
	}
}

// BenchmarkIterator goes through a thousand numbers, beside the kernel: see beside. The figures are of one number.
func BenchmarkIterator(b *testing.B) {
	oc, types := iterators(b)
	beside(b, oc, types, "count", 100, 1000, func(int) []byte { return make([]byte, 64) })
}
