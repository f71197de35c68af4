package maps

import (
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/skepbpf/skep/memory"
)

func newSpace(t testing.TB) *memory.Space {
	t.Helper()
	space, err := memory.New(memory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { space.Close() })
	return space
}

func newMap[M Map](t testing.TB, space *memory.Space, s Spec, cpus int) M {
	t.Helper()
	m, err := New(space, &s, cpus)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m.(M)
}

func newRing(t testing.TB) (*memory.Space, *RingBuffer) {
	space := newSpace(t)
	return space, newMap[*RingBuffer](t, space, Spec{Name: "ring", Type: RingBuf, MaxEntries: 4096}, 1)
}

func TestRingRecord(t *testing.T) {
	space, m := newRing(t)
	a := m.Reserve(12)
	if a == 0 {
		t.Fatal("no room in an empty ring")
	}
	if RingOf(space, uint64(a)) != m || RingOf(space, uint64(a)+8) != nil || RingOf(space, 0) != nil {
		t.Error("RingOf does not find the ring, or finds one where there is none")
	}
	for _, x := range []struct {
		at, n uint32
		ok    bool
	}{{0, 12, true}, {0, 13, false}, {^uint32(0), 1, false}} {
		if got := space.Allows(uint64(uint32(a)+x.at), x.n, memory.Read|memory.Write); got != x.ok {
			t.Errorf("access to %d bytes at %d of a record of 12: %v", x.n, int32(x.at), got)
		}
	}
	copy(space.Bytes(a, 12), "hello, world")
	r := m.NewReader()
	var rec RingRecord
	if r.TryRead(&rec) {
		t.Error("read a record that was not submitted")
	}
	if err := m.Submit(a, 0); err != nil {
		t.Fatal(err)
	}
	if err := m.Submit(a, 0); !errors.Is(err, EINVAL) {
		t.Errorf("second submit: %v", err)
	}
	if space.Allows(uint64(a), 1, memory.Read) {
		t.Error("a submitted record can still be read by the program")
	}
	if err := r.ReadInto(&rec); err != nil || string(rec.RawSample) != "hello, world" || rec.Remaining != 0 {
		t.Errorf("read %q, %v", rec.RawSample, err)
	}
	if err := m.Discard(m.Reserve(1), 0); err != nil {
		t.Fatal(err)
	}
	if err := m.Output([]byte("next"), 0); err != nil {
		t.Fatal(err)
	}
	if !r.TryRead(&rec) || string(rec.RawSample) != "next" {
		t.Errorf("after a discarded record: %q", rec.RawSample)
	}
}

func TestRingRoom(t *testing.T) {
	_, m := newRing(t)
	if m.Reserve(4096-8) != 0 {
		t.Error("a record may fill the whole ring")
	}
	a := m.Reserve(4096 - 16)
	if a == 0 {
		t.Fatal("no room for all but 8 bytes")
	}
	if err := m.Output(nil, 0); !errors.Is(err, EAGAIN) {
		t.Errorf("output to a full ring: %v", err)
	}
	if m.Dropped() != 2 || m.Query(RingAvailable) != 4096-8 || m.Query(RingSize) != 4096 || m.Query(9) != 0 {
		t.Errorf("dropped %d, available %d", m.Dropped(), m.Query(RingAvailable))
	}
	m.Submit(a, NoWakeup)
	r := m.NewReader()
	var rec RingRecord
	// Every position that a record can start at, so that many run past the end.
	sample := make([]byte, 100)
	for i := range 1000 {
		if !r.TryRead(&rec) {
			t.Fatal("nothing to read")
		}
		if i > 0 && (len(rec.RawSample) != 100 || rec.RawSample[99] != byte(i-1)) {
			t.Fatalf("record %d: %d bytes, %d", i, len(rec.RawSample), rec.RawSample[99])
		}
		sample[99] = byte(i)
		if err := m.Output(sample, 0); err != nil {
			t.Fatal(err)
		}
	}
	if m.Query(RingProducerPos) != 4088+1000*112 || m.Query(RingConsumerPos) != 4088+999*112 {
		t.Errorf("positions %d, %d", m.Query(RingProducerPos), m.Query(RingConsumerPos))
	}
}

func TestRingWait(t *testing.T) {
	_, m := newRing(t)
	r := m.NewReader()
	r.SetDeadline(time.Now().Add(time.Millisecond))
	if _, err := r.Read(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("deadline: %v", err)
	}
	m.Output([]byte{1}, NoWakeup)
	if rec, err := r.Read(); err != nil || len(rec.RawSample) != 1 {
		t.Errorf("record after the deadline: %v", err)
	}
	r.SetDeadline(time.Time{})
	m.Output([]byte{2}, 0)
	r.Flush()
	if _, err := r.Read(); err != nil {
		t.Errorf("record before the flush: %v", err)
	}
	if _, err := r.Read(); !errors.Is(err, ErrFlushed) {
		t.Errorf("flush: %v", err)
	}
	got := make(chan error)
	wait := func() { _, err := r.Read(); got <- err }
	go wait()
	m.Output([]byte{3}, ForceWakeup)
	if err := <-got; err != nil {
		t.Error(err)
	}
	// A reader that has seen a record under way is woken even if it is submitted without a wake-up.
	a := m.Reserve(8)
	go wait()
	time.Sleep(time.Millisecond)
	m.Submit(a, NoWakeup)
	if err := <-got; err != nil {
		t.Error(err)
	}
	go wait()
	r.Close()
	if err := <-got; !errors.Is(err, os.ErrClosed) {
		t.Errorf("close: %v", err)
	}
}

// TestRingLoad has programs on several CPUs and a reader that must see what each put in, in order.
func TestRingLoad(t *testing.T) {
	space, m := newRing(t)
	const writers, each = 7, 2000
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			var b [16]byte
			b[0] = byte(w)
			for i := uint32(0); i < each; {
				binary.NativeEndian.PutUint32(b[8:], i)
				if i%3 != 0 {
					if m.Output(b[:], 0) == nil {
						i++
					}
					continue
				}
				a := m.Reserve(16)
				if a == 0 {
					continue
				}
				copy(space.Bytes(a, 16), b[:])
				if i%5 == 0 {
					m.Discard(a, 0)
				} else {
					m.Submit(a, 0)
				}
				i++
			}
		})
	}
	r := m.NewReader()
	go func() { wg.Wait(); r.Flush() }()
	var next [writers]uint32
	for b, err := range r.Records() {
		if err != nil {
			t.Fatal(err)
		}
		i := &next[b[0]]
		if *i%15 == 0 {
			*i++ // discarded
		}
		if got := binary.NativeEndian.Uint32(b[8:]); got != *i {
			t.Fatalf("writer %d: record %d where %d should be", b[0], got, *i)
		}
		*i++
	}
	for w, n := range next {
		if n != each {
			t.Errorf("writer %d: %d records of %d", w, n, each)
		}
	}
}

func TestRingAllocs(t *testing.T) {
	_, m := newRing(t)
	r := m.NewReader()
	var rec RingRecord
	data := make([]byte, 32)
	if n := testing.AllocsPerRun(100, func() {
		m.Submit(m.Reserve(32), 0)
		m.Output(data, 0)
		r.ReadInto(&rec)
		r.ReadInto(&rec)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
