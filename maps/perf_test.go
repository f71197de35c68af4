package maps

import (
	"errors"
	"os"
	"testing"
)

func TestPerf(t *testing.T) {
	space := newSpace(t)
	m := newMap[*PerfArray](t, space, Spec{Name: "events", Type: PerfEventArray, KeySize: 4, ValueSize: 4, MaxEntries: 3}, 2)
	if err := m.Output(0, CurrentCPU, nil); !errors.Is(err, ENOENT) {
		t.Errorf("output without a reader: %v", err)
	}
	r, err := m.NewReader(1, PerfOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		cpu   int
		flags uint64
		want  Errno
	}{{0, 3, E2BIG}, {0, 2, ENOENT}, {0, 1, EOPNOTSUPP}, {1, 1, 0}, {0, CurrentCPU, 0}, {0, 1 << 32, EINVAL}} {
		if err := m.Output(x.cpu, x.flags, []byte("he"), []byte("llo")); ErrnoOf(err) != x.want {
			t.Errorf("output on CPU %d to %#x: %v", x.cpu, x.flags, err)
		}
	}
	for cpu := range 2 {
		rec, err := r.Read()
		if err != nil || rec.CPU != cpu || string(rec.RawSample) != "hello\x00\x00\x00\x00\x00\x00\x00"[:12] {
			t.Errorf("record of CPU %d: %q on %d, %v", cpu, rec.RawSample, rec.CPU, err)
		}
	}
	big := make([]byte, 1000)
	n := 0
	for m.Output(0, 0, big) == nil {
		n++
	}
	if err := m.Output(0, 0, big); n != 4 || !errors.Is(err, ENOSPC) {
		t.Errorf("after %d samples: %v", n, err)
	}
	var rec PerfRecord
	for range n {
		r.TryRead(&rec)
	}
	m.Output(0, 0, nil)
	if !r.TryRead(&rec) || rec.LostSamples != 2 || len(rec.RawSample) != 0 {
		t.Errorf("lost %d", rec.LostSamples)
	}
	if !r.TryRead(&rec) || rec.LostSamples != 0 || len(rec.RawSample) != 4 || rec.Remaining != 0 {
		t.Errorf("after the lost ones: %+v", rec)
	}
	r.Pause()
	if err := m.Output(0, 0, nil); !errors.Is(err, ENOENT) {
		t.Errorf("paused: %v", err)
	}
	r.Resume()
	m.Output(0, 0, nil)
	r.Flush()
	if _, err := r.Read(); err != nil {
		t.Error(err)
	}
	if _, err := r.Read(); !errors.Is(err, ErrFlushed) {
		t.Errorf("flushed: %v", err)
	}
	r.Close()
	if _, err := r.Read(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if m.Event(0) != nil {
		t.Error("the buffers of a closed reader are still there")
	}
}

func TestPerfAllocs(t *testing.T) {
	space := newSpace(t)
	m := newMap[*PerfArray](t, space, Spec{Type: PerfEventArray, KeySize: 4, ValueSize: 4, MaxEntries: 1}, 1)
	r, err := m.NewReader(1, PerfOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var rec PerfRecord
	data := make([]byte, 32)
	if n := testing.AllocsPerRun(100, func() {
		m.Output(0, CurrentCPU, data)
		r.ReadInto(&rec)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
