package maps

import (
	"errors"
	"iter"
	"os"
	"time"
)

// A RingRecord is what a RingReader reads.
type RingRecord struct {
	RawSample []byte
	Remaining int // bytes in the ring behind this record, at least
}

// A RingReader takes records out of a RingBuffer. Several readers of one ring share its records: each goes to
// one of them. Its methods may be called from several goroutines.
type RingReader struct {
	ring *RingBuffer
	waiter
}

// NewReader makes a reader. Closing the map closes it, too.
func (m *RingBuffer) NewReader() *RingReader {
	r := &RingReader{ring: m, waiter: newWaiter()}
	m.bells.add(&r.waiter)
	return r
}

// Read waits for the next record. It returns os.ErrClosed after Close, os.ErrDeadlineExceeded after the deadline, and
// ErrFlushed after Flush: both of these only when the ring is empty.
//
// As in Linux, a record submitted with NoWakeup does not wake a Read that waits already.
func (r *RingReader) Read() (RingRecord, error) {
	var rec RingRecord
	return rec, r.ReadInto(&rec)
}

// ReadInto is Read into a record whose memory is used again.
func (r *RingReader) ReadInto(rec *RingRecord) error {
	return r.read(func() bool { return r.take(rec) })
}

// TryRead is ReadInto without waiting: it returns false if there is no record.
func (r *RingReader) TryRead(rec *RingRecord) bool { return !r.closed() && r.take(rec) }

func (r *RingReader) take(rec *RingRecord) bool {
	ok, busy := r.ring.consume(rec)
	if busy && !r.eager.Swap(true) {
		// Once more, in case that it was submitted before anyone could see that a reader is eager.
		ok, busy = r.ring.consume(rec)
	}
	if !busy {
		r.eager.Store(false)
	}
	return ok
}

// Records goes through the records until the reader is closed, flushed, or past its deadline. A sample is
// valid until the next one.
func (r *RingReader) Records() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		var rec RingRecord
		for {
			err := r.ReadInto(&rec)
			if errors.Is(err, os.ErrClosed) || errors.Is(err, ErrFlushed) {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(rec.RawSample, nil) {
				return
			}
		}
	}
}

// SetDeadline sets the time after which Read does not wait any longer; the zero time means never.
func (r *RingReader) SetDeadline(t time.Time) { r.setDeadline(t) }

// Flush makes Read return what is in the ring, then ErrFlushed.
func (r *RingReader) Flush() error {
	if r.closed() {
		return os.ErrClosed
	}
	r.flush.Store(true)
	r.waiter.ring()
	return nil
}

// AvailableBytes is the number of bytes in the ring, headers included.
func (r *RingReader) AvailableBytes() int { return int(r.ring.Query(RingAvailable)) }

// BufferSize is the number of bytes of the ring.
func (r *RingReader) BufferSize() int { return int(r.ring.size) }

// Close ends the reader: Read returns os.ErrClosed.
func (r *RingReader) Close() error {
	r.close()
	r.ring.bells.remove(&r.waiter)
	return nil
}
