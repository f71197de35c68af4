package jit_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/bench"
	"github.com/skepbpf/skep/object"
)

// hashLookups is how many keys the programs of bench/lookup look up in a run.
const hashLookups = 64

// lookups loads the program that looks up keys of a size in a table with so many.
func lookups(t testing.TB, keySize, entries int) *object.Collection {
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
	return c
}

// TestLookups runs the programs of bench/lookup: all keys are found.
func TestLookups(t *testing.T) {
	for _, size := range []int{4, 8, 16} {
		c, err := skep.LoadObject(lookups(t, size, 1<<10), nil)
		require.NoError(t, err)
		defer c.Close()
		for range 3 {
			found, _, err := c.Programs["hlookup"].Test(packet(t, "empty"))
			require.NoError(t, err)
			require.EqualValues(t, hashLookups, found)
		}
	}
}

// BenchmarkLookups looks up keys in hash tables, beside the kernel: see beside. The figures are of one lookup.
func BenchmarkLookups(b *testing.B) {
	data := bytes.Clone(packet(b, "empty"))
	for _, entries := range []int{16 << 10, 1 << 20} {
		for _, size := range []int{4, 8, 16} {
			b.Run(fmt.Sprintf("%d/%d", entries, size), func(b *testing.B) {
				beside(b, lookups(b, size, entries), nil, "hlookup", 500, hashLookups, func(round int) []byte {
					// Where the sequence of keys begins: other keys in each round.
					binary.LittleEndian.PutUint64(data[16:], uint64(round+1)*0x9e3779b97f4a7c15)
					return data
				})
			})
		}
	}
}
