package jit_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/bench"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/oracle"
)

// hashLookups is how many keys the programs of bench/lookup look up in a run.
const hashLookups = 64

// lookups loads the program that looks up keys of a size in a table with so many.
func lookups(t testing.TB, keySize, entries int) (*object.Collection, *object.Program) {
	t.Helper()
	b, err := bench.Files.ReadFile(fmt.Sprintf("lookup/hlookup%d.o", keySize))
	require.NoError(t, err)
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(b))
	require.NoError(t, err)
	require.NoError(t, spec.Variables["mask"].Set(uint32(entries-1)))
	table := spec.Maps["table"]
	table.MaxEntries = uint32(entries)
	table.Contents = make([]ebpf.MapKV, entries)
	one := binary.LittleEndian.AppendUint64(nil, 1)
	keys := make([]byte, entries*keySize)
	for i := range table.Contents {
		key := keys[i*keySize:][:keySize]
		for j := range keySize / 4 {
			binary.LittleEndian.PutUint32(key[4*j:], uint32(i)*0x9e3779b1+uint32(j))
		}
		table.Contents[i] = ebpf.MapKV{Key: key, Value: one}
	}
	c, err := object.FromSpec(spec, object.Options{})
	require.NoError(t, err)
	return c, c.Programs["hlookup"]
}

// TestLookups runs the programs of bench/lookup: all keys are found.
func TestLookups(t *testing.T) {
	for _, size := range []int{4, 8, 16} {
		oc, _ := lookups(t, size, 1<<10)
		c, err := skep.LoadObject(oc, nil)
		require.NoError(t, err)
		defer c.Close()
		for range 3 {
			found, _, err := c.Programs["hlookup"].Test(packet(t, "empty"))
			require.NoError(t, err)
			require.EqualValues(t, hashLookups, found)
		}
	}
}

// BenchmarkLookups looks up keys in hash tables in native code and in the running kernel, in turn, and gives the medians, in
// nanoseconds a lookup, and their ratio.
func BenchmarkLookups(b *testing.B) {
	for _, entries := range []int{16 << 10, 1 << 20} {
		for _, size := range []int{4, 8, 16} {
			b.Run(fmt.Sprintf("%d/%d", entries, size), func(b *testing.B) {
				k, err := oracle.Open()
				if err != nil {
					b.Skip(err)
				}
				defer k.Close()
				oc, p := lookups(b, size, entries)
				c, err := skep.LoadObject(oc, &skep.Options{Engine: skep.EngineJIT})
				require.NoError(b, err)
				defer c.Close()
				r, err := k.Load(p, oracle.Options{NoLog: true, FreshMaps: true})
				require.NoError(b, err)
				require.Equal(b, oracle.Accept, r.Verdict, r.Message)
				defer r.Close()
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()

				const repeat = 500
				data := bytes.Clone(packet(b, "empty"))
				native := func() float64 {
					var d time.Duration
					found, err := c.Programs["hlookup"].Run(&skep.RunOptions{Data: data, Repeat: repeat, Elapsed: &d})
					require.NoError(b, err)
					require.EqualValues(b, hashLookups, found)
					return float64(d) / (repeat * hashLookups)
				}
				kernel := func() float64 {
					run, err := oracle.TestRun(r.FD, data, nil, repeat)
					require.NoError(b, err)
					require.EqualValues(b, hashLookups, run.Retval)
					return float64(run.Duration) / hashLookups
				}
				var ns, kns []float64
				for round := uint64(1); b.Loop(); round++ {
					// Where the sequence of keys begins: other keys in each round, the same for both.
					binary.LittleEndian.PutUint64(data[16:], round*0x9e3779b97f4a7c15)
					ns, kns = append(ns, native()), append(kns, kernel())
				}
				median := func(x []float64) float64 { slices.Sort(x); return x[len(x)/2] }
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(median(ns), "native-ns")
				b.ReportMetric(median(kns), "kernel-ns")
				b.ReportMetric(median(ns)/median(kns), "ratio")
			})
		}
	}
}
