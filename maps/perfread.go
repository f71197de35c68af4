package maps

import (
	"math/bits"
	"os"
	"sync"
	"time"
)

// perfPage is the unit of a PerfReader's buffers.
const perfPage = 4096

// A PerfRecord is what a PerfReader reads: a sample, or how many were lost.
type PerfRecord struct {
	CPU int // that the program ran on

	// RawSample is the sample, followed by up to 7 zeros: Linux makes its size 4 less than a multiple of 8.
	RawSample []byte

	// LostSamples is the number of samples for which there was no room. If it is not 0 there is no RawSample.
	LostSamples uint64

	Remaining int // bytes in the buffer of this CPU behind this record
}

// PerfOptions are the choices of NewReader. The reader is woken by the first sample if both are 0.
type PerfOptions struct {
	Watermark    int // bytes in a buffer that wake the reader
	WakeupEvents int // samples in a buffer that wake the reader; not both
}

// A PerfReader reads the samples of all CPUs. Its methods may be called from several goroutines.
type PerfReader struct {
	array *PerfArray
	opts  PerfOptions
	waiter

	mu      sync.Mutex
	buffers []*perfBuffer
	turn    int // buffer to look at
}

// NewReader makes a reader with a buffer of at least perCPU bytes for each CPU, rounded up to a power of two of pages,
// and puts these into the array. Closing the map closes it, too.
func (m *PerfArray) NewReader(perCPU int, o PerfOptions) (*PerfReader, error) {
	if perCPU < 1 || perCPU > 1<<30 || o.Watermark != 0 && o.WakeupEvents != 0 || o.Watermark < 0 || o.WakeupEvents < 0 {
		return nil, ErrInvalid
	}
	pages := uint(perCPU+perfPage-1) / perfPage
	size := perfPage << bits.Len(pages-1)
	if o.Watermark >= size {
		return nil, ErrInvalid // it would sleep for ever
	}
	r := &PerfReader{array: m, opts: o, waiter: newWaiter()}
	for cpu := range min(m.cpus, int(m.events.count)) {
		r.buffers = append(r.buffers, &perfBuffer{cpu: cpu, reader: r, ring: make([]byte, size)})
	}
	return r, r.Resume()
}

// wrote decides whether to wake the reader after a sample; the lock of the buffer is held.
func (r *PerfReader) wrote(b *perfBuffer, n uint64) {
	threshold := uint64(1)
	switch {
	case r.opts.Watermark > 0:
		threshold = uint64(r.opts.Watermark)
		b.quiet += n
	case r.opts.WakeupEvents > 0:
		threshold = uint64(r.opts.WakeupEvents)
		fallthrough
	default:
		b.quiet++
	}
	if b.quiet >= threshold {
		b.quiet = 0
		r.ring()
	}
}

// Read waits for the next record. It returns os.ErrClosed after Close, os.ErrDeadlineExceeded after the deadline, and
// ErrFlushed after Flush: both of these only when all buffers are empty.
func (r *PerfReader) Read() (PerfRecord, error) {
	var rec PerfRecord
	return rec, r.ReadInto(&rec)
}

// ReadInto is Read into a record whose memory is used again.
func (r *PerfReader) ReadInto(rec *PerfRecord) error {
	return r.read(func() bool { return r.take(rec) })
}

// TryRead is ReadInto without waiting: it returns false if there is no record.
func (r *PerfReader) TryRead(rec *PerfRecord) bool { return !r.closed() && r.take(rec) }

// take empties one buffer after the other.
func (r *PerfReader) take(rec *PerfRecord) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for range r.buffers {
		if r.buffers[r.turn].take(rec) {
			return true
		}
		r.turn = (r.turn + 1) % len(r.buffers)
	}
	return false
}

// Pause takes the buffers out of the array: programs find nobody reading. What is in them can still be read.
func (r *PerfReader) Pause() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed() {
		return os.ErrClosed
	}
	r.out()
	return nil
}

func (r *PerfReader) out() {
	for i, b := range r.buffers {
		r.array.events.drop(uint32(i), b)
	}
}

// Resume puts the buffers into the array.
func (r *PerfReader) Resume() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed() {
		return os.ErrClosed
	}
	for i, b := range r.buffers {
		r.array.events.swap(uint32(i), b)
	}
	return nil
}

// SetDeadline sets the time after which Read does not wait any longer; the zero time means never.
func (r *PerfReader) SetDeadline(t time.Time) { r.setDeadline(t) }

// Flush makes Read return what is in the buffers, then ErrFlushed.
func (r *PerfReader) Flush() error {
	if r.closed() {
		return os.ErrClosed
	}
	r.flush.Store(true)
	r.ring()
	return nil
}

// BufferSize is the number of bytes of each buffer.
func (r *PerfReader) BufferSize() int {
	if len(r.buffers) == 0 {
		return 0
	}
	return len(r.buffers[0].ring)
}

// Close ends the reader: Read returns os.ErrClosed.
func (r *PerfReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.close()
	r.out()
	return nil
}
