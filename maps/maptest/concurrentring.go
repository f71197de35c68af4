package maptest

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
)

// An order checks that what each CPU has written comes in order, and counts.
type order struct {
	next  [cpus]uint32
	count int
}

func (o *order) see(t *testing.T, b []byte) {
	cpu, i := b[0], binary.NativeEndian.Uint32(b[4:])
	if i < o.next[cpu] {
		t.Errorf("CPU %d: record %d after %d", cpu, i, o.next[cpu]-1)
	}
	o.next[cpu] = i + 1
	o.count++
}

func stamp(b []byte, cpu, i int) []byte {
	b[0] = byte(cpu)
	binary.NativeEndian.PutUint32(b[4:], uint32(i))
	return b
}

func (f *fixture) concurrentRing(t *testing.T, m *maps.RingBuffer) {
	var written atomic.Int64
	r := m.NewReader()
	var wg sync.WaitGroup
	var seen order
	wg.Go(func() {
		for b, err := range r.Records() {
			if err != nil {
				t.Error(err)
			}
			seen.see(t, b)
		}
	})
	f.parallel(func(cpu, i int, r *rand.Rand) {
		b := stamp(make([]byte, 8+r.IntN(50)), cpu, i)
		if r.IntN(2) == 0 {
			if m.Output(b, 0) == nil {
				written.Add(1)
			}
			return
		}
		a := m.Reserve(uint64(len(b)))
		if a == 0 {
			runtime.Gosched()
			return
		}
		copy(f.space.Bytes(a, uint32(len(b))), b)
		if r.IntN(4) == 0 {
			_ = m.Discard(a, 0)
		} else if m.Submit(a, 0) == nil {
			written.Add(1)
		}
	})
	r.Flush()
	wg.Wait()
	if int64(seen.count) != written.Load() {
		t.Errorf("read %d records of %d", seen.count, written.Load())
	}
}

func (f *fixture) concurrentUserRing(t *testing.T, m *maps.UserRingBuffer) {
	var written atomic.Int64
	var seen order
	drain := func() {
		_, _ = m.Drain(0, func(a memory.Addr, n uint32) bool {
			seen.see(t, f.space.Bytes(a, n))
			return true
		})
	}
	f.parallel(func(cpu, i int, r *rand.Rand) {
		if cpu == 0 || r.IntN(8) == 0 {
			drain() // EBUSY for all but one
			return
		}
		if m.Write(stamp(make([]byte, 8), cpu, i)) == nil {
			written.Add(1)
		}
	})
	drain()
	if int64(seen.count) != written.Load() {
		t.Errorf("drained %d samples of %d", seen.count, written.Load())
	}
}

func (f *fixture) concurrentPerf(t *testing.T, m *maps.PerfArray) {
	r, err := m.NewReader(1, maps.PerfOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var seen order
	var lost, samples uint64
	count := func(rec *maps.PerfRecord) {
		if rec.LostSamples != 0 {
			lost += rec.LostSamples
		} else {
			samples++
			seen.see(t, rec.RawSample)
		}
	}
	wg.Go(func() {
		var rec maps.PerfRecord
		for {
			err := r.ReadInto(&rec)
			if errors.Is(err, maps.ErrFlushed) {
				return
			}
			if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
				return
			}
			count(&rec)
		}
	})
	var written, failed atomic.Uint64
	output := func(cpu, i int) {
		switch err := m.Output(cpu, maps.CurrentCPU, stamp(make([]byte, 20), cpu, i)); maps.ErrnoOf(err) {
		case 0:
			written.Add(1)
		case maps.ENOSPC:
			failed.Add(1)
		case maps.E2BIG: // fewer elements than CPUs
		default:
			t.Error(err)
		}
	}
	f.parallel(func(cpu, i int, _ *rand.Rand) { output(cpu, i) })
	r.Flush()
	wg.Wait()
	for cpu := range cpus {
		output(cpu, 1<<30) // brings how many were lost
	}
	for rec := (maps.PerfRecord{}); r.TryRead(&rec); {
		count(&rec)
	}
	if samples != written.Load() || lost != failed.Load() {
		t.Errorf("read %d samples of %d, and of %d lost ones; %d were", samples, written.Load(), lost, failed.Load())
	}
}
