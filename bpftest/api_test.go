package bpftest_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/bpftest"
)

// class is an error as a program in Go can tell it from others.
func class(err error) string {
	if err == nil {
		return "ok"
	}
	var out []string
	for _, x := range []struct {
		err  error
		name string
	}{{ebpf.ErrKeyNotExist, "not exist"}, {ebpf.ErrKeyExist, "exist"}, {ebpf.ErrNotSupported, "not supported"},
		{ebpf.ErrIterationAborted, "aborted"}, {ebpf.ErrReadOnly, "read only"}} {
		if errors.Is(err, x.err) {
			out = append(out, x.name)
		}
	}
	for _, e := range []syscall.Errno{syscall.EINVAL, syscall.E2BIG, syscall.EPERM, syscall.ENOENT, syscall.EEXIST, syscall.EBUSY, syscall.ENOSPC} {
		if errors.Is(err, e) {
			out = append(out, fmt.Sprintf("errno %d", int(e)))
		}
	}
	if len(out) == 0 {
		return "other"
	}
	return strings.Join(out, ", ")
}

// A batcher has the methods whose cursors differ.
type batcher struct {
	lookup, take func(keys, values any) (int, error)
	reset        func()
}

func batchOf(m bpftest.Map) batcher {
	switch m := m.(type) {
	case *ebpf.Map:
		var c ebpf.MapBatchCursor
		return batcher{func(k, v any) (int, error) { return m.BatchLookup(&c, k, v, nil) },
			func(k, v any) (int, error) { return m.BatchLookupAndDelete(&c, k, v, nil) }, func() { c = ebpf.MapBatchCursor{} }}
	case *skep.Map:
		var c skep.MapBatchCursor
		return batcher{func(k, v any) (int, error) { return m.BatchLookup(&c, k, v, nil) },
			func(k, v any) (int, error) { return m.BatchLookupAndDelete(&c, k, v, nil) }, func() { c = skep.MapBatchCursor{} }}
	}
	panic("no map")
}

// TestMapAPI makes random calls of the methods of maps, in this process and on the kernel: they must say the same.
func TestMapAPI(t *testing.T) {
	for _, typ := range []ebpf.MapType{ebpf.Hash, ebpf.Array, ebpf.PerCPUHash, ebpf.PerCPUArray, ebpf.LPMTrie, ebpf.Queue, ebpf.Stack,
		ebpf.LRUHash, ebpf.BloomFilter, ebpf.RingBuf, ebpf.StackTrace} {
		t.Run(typ.String(), func(t *testing.T) { testMapAPI(t, typ) })
	}
}

func testMapAPI(t *testing.T, typ ebpf.MapType) {
	spec := &ebpf.MapSpec{Name: "m", Type: typ, KeySize: 4, ValueSize: 8, MaxEntries: 6}
	switch typ {
	case ebpf.LPMTrie:
		spec.KeySize, spec.Flags = 8, 1
	case ebpf.Queue, ebpf.Stack, ebpf.BloomFilter:
		spec.KeySize = 0
	case ebpf.RingBuf:
		spec.KeySize, spec.ValueSize, spec.MaxEntries = 0, 0, 4096
	}
	coll := &ebpf.CollectionSpec{Maps: map[string]*ebpf.MapSpec{"m": spec}}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		t.Skip("no kernel to compare with: ", err)
	}
	theirs, err := ebpf.NewCollection(coll.Copy())
	if err != nil {
		t.Skip("the kernel does not let us: ", err)
	}
	defer theirs.Close()
	ours, err := skep.NewCollection(coll.Copy(), &skep.Options{CPUs: cpus})
	require.NoError(t, err)
	defer ours.Close()
	sides := [2]bpftest.Map{ours.Maps["m"], theirs.Maps["m"]}
	batches := [2]batcher{batchOf(sides[0]), batchOf(sides[1])}
	perCPU := typ == ebpf.PerCPUHash || typ == ebpf.PerCPUArray

	r := rand.New(rand.NewPCG(uint64(typ), 3))
	key := func() any {
		switch {
		case r.IntN(40) == 0:
			return uint16(3) // of the wrong size
		case spec.KeySize == 8:
			return [8]byte{byte(r.IntN(34)), 0, 0, 0, byte(r.IntN(2) * 128)}
		case spec.KeySize == 0:
			return nil
		}
		return uint32(r.IntN(8))
	}
	value := func() any {
		if r.IntN(40) == 0 {
			return uint32(1)
		}
		if !perCPU {
			return r.Uint64N(100)
		}
		out := make([]uint64, cpus)
		for i := range out {
			out[i] = r.Uint64N(100)
		}
		return out
	}
	// both calls f on both sides; it says what it sees, in words.
	both := func(what string, f func(m bpftest.Map, b batcher) string) {
		t.Helper()
		a, b := f(sides[0], batches[0]), f(sides[1], batches[1])
		require.Equal(t, b, a, what)
	}
	lookup := func(do func(m bpftest.Map, k, v any) error, k any) func(bpftest.Map, batcher) string {
		return func(m bpftest.Map, _ batcher) string {
			if perCPU {
				var v []uint64
				if err := do(m, k, &v); err != nil {
					return class(err)
				}
				return fmt.Sprint(v)
			}
			var v uint64
			err := do(m, k, &v)
			return fmt.Sprint(class(err), v)
		}
	}
	keysOf := func(n int) any {
		if spec.KeySize == 8 {
			return make([][8]byte, n)
		}
		return make([]uint32, n)
	}
	const steps = 3000
	for i := range steps {
		k, v := key(), value()
		flags := []ebpf.MapUpdateFlags{0, 0, ebpf.UpdateNoExist, ebpf.UpdateExist, ebpf.UpdateLock, 9}[r.IntN(6)]
		op := r.IntN(14)
		if looks := op >= 3 && op <= 5 || op == 7; looks && typ == ebpf.BloomFilter {
			continue // what is found by mistake depends on a seed
		}
		switch op {
		case 0, 1, 2:
			both(fmt.Sprintf("step %d: update %v %v %d", i, k, v, flags), func(m bpftest.Map, _ batcher) string {
				if typ == ebpf.LRUHash && flags == 0 {
					flags = ebpf.UpdateExist // that nothing is evicted
				}
				return class(m.Update(k, v, flags))
			})
		case 3, 4:
			both(fmt.Sprintf("step %d: lookup %v", i, k), lookup(func(m bpftest.Map, k, v any) error { return m.Lookup(k, v) }, k))
		case 5:
			both(fmt.Sprintf("step %d: lookup and delete %v", i, k), lookup(func(m bpftest.Map, k, v any) error { return m.LookupAndDelete(k, v) }, k))
		case 6:
			both(fmt.Sprintf("step %d: delete %v", i, k), func(m bpftest.Map, _ batcher) string { return class(m.Delete(k)) })
		case 7:
			both(fmt.Sprintf("step %d: lookup bytes %v", i, k), func(m bpftest.Map, _ batcher) string {
				b, err := m.LookupBytes(k)
				if err != nil {
					return class(err)
				}
				return fmt.Sprint(b)
			})
		case 8:
			both(fmt.Sprintf("step %d: iterate", i), func(m bpftest.Map, _ batcher) string {
				if spec.KeySize == 0 {
					return "" // nothing to iterate by
				}
				var out []string
				it := bpftest.Iterate(m)
				k := make([]byte, spec.KeySize)
				for v := any(new(uint64)); ; {
					if perCPU {
						v = new([]uint64)
					}
					if !it.Next(&k, v) {
						break
					}
					switch v := v.(type) {
					case *uint64:
						out = append(out, fmt.Sprint(k, *v))
					case *[]uint64:
						out = append(out, fmt.Sprint(k, *v))
					}
				}
				slices.Sort(out) // hash tables have an order of their own
				return fmt.Sprint(out, class(it.Err()))
			})
		case 9:
			count := r.IntN(4)
			keys := make([]uint32, count)
			var values any = make([]uint64, count)
			if perCPU {
				values = make([]uint64, count*cpus)
			}
			for i := range keys {
				keys[i] = uint32(r.IntN(8))
			}
			both(fmt.Sprintf("step %d: batch update %v", i, keys), func(m bpftest.Map, _ batcher) string {
				if spec.KeySize != 4 || typ == ebpf.LRUHash {
					return ""
				}
				n, err := m.BatchUpdate(keys, values, nil)
				if errors.Is(err, ebpf.ErrNotSupported) {
					return class(err)
				}
				return fmt.Sprint(n, class(err))
			})
		case 10:
			both(fmt.Sprintf("step %d: batch delete", i), func(m bpftest.Map, _ batcher) string {
				if spec.KeySize != 4 {
					return ""
				}
				n, err := m.BatchDelete([]uint32{uint32(i % 8), uint32(i / 2 % 8)}, nil)
				if errors.Is(err, ebpf.ErrNotSupported) {
					return class(err)
				}
				return fmt.Sprint(n, class(err))
			})
		case 11, 12:
			const room = 20 // for all: how buckets are cut is the kernel's own
			both(fmt.Sprintf("step %d: batch lookup", i), func(m bpftest.Map, b batcher) string {
				if spec.KeySize == 0 {
					return ""
				}
				b.reset()
				keys := keysOf(room)
				values := make([]uint64, room)
				if perCPU {
					values = make([]uint64, room*cpus)
				}
				do := b.lookup
				if op == 12 {
					do = b.take
				}
				n, err := do(keys, values)
				out := []string{}
				each := len(values) / room
				for i := range n {
					if k, ok := keys.([]uint32); ok {
						out = append(out, fmt.Sprint(k[i], values[i*each:(i+1)*each]))
					}
				}
				slices.Sort(out)
				return fmt.Sprint(n, class(err), out)
			})
		case 13:
			both(fmt.Sprintf("step %d: next key of %v", i, k), func(m bpftest.Map, _ batcher) string {
				var next uint32
				switch typ {
				case ebpf.Array, ebpf.PerCPUArray, ebpf.Queue, ebpf.BloomFilter, ebpf.RingBuf:
					err := m.NextKey(k, &next)
					return fmt.Sprint(next, class(err))
				}
				return ""
			})
		}
	}
	both("freeze", func(m bpftest.Map, _ batcher) string { return class(m.Freeze()) })
	k, v := key(), value()
	both("update of a frozen map", func(m bpftest.Map, _ batcher) string { return class(m.Put(k, v)) })
}
