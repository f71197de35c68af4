package maps

import (
	"encoding/binary"
	"sync"
)

// CurrentCPU as the index of PerfArray.Output is the CPU that the program runs on, BPF_F_CURRENT_CPU.
const CurrentCPU = 1<<32 - 1

// A PerfArray is a BPF_MAP_TYPE_PERF_EVENT_ARRAY. Its elements are buffers, which NewReader puts there, or
// counters: see SetEvent.
type PerfArray struct {
	*common
	events refs
}

// A PerfCounter is an element of a PerfArray that bpf_perf_event_read and its like can read.
type PerfCounter interface {
	// ReadCounter returns the count, and for how many nanoseconds it was enabled and running.
	ReadCounter() (count, enabled, running uint64, err error)
}

func newPerfArray(c *common) (impl, error) {
	return &PerfArray{common: c, events: newRefs(c.spec.MaxEntries)}, nil
}

// Output is bpf_perf_event_output on a CPU: it puts a sample, the concatenation of data, into the buffer with the
// index in flags, which may be CurrentCPU. Errors: EINVAL for other flags, ErrIndex, ErrKeyNotExist if nobody reads
// there, EOPNOTSUPP if it is the buffer of another CPU, ErrNoSpace if the buffer is full: then the sample is lost, and
// readers will be told so; E2BIG if a buffer never holds so much.
func (m *PerfArray) Output(cpu int, flags uint64, data ...[]byte) error {
	index := flags
	if index == CurrentCPU {
		index = uint64(uint(cpu))
	}
	switch {
	case flags>>32 != 0:
		return ErrInvalid
	case index >= uint64(m.events.count):
		return ErrIndex
	}
	switch e := m.events.at(uint32(index)).(type) {
	case nil:
		return ErrKeyNotExist
	case *perfBuffer:
		if e.cpu != cpu {
			return EOPNOTSUPP
		}
		return e.output(data)
	}
	return ErrInvalid // a counter
}

// Event is the element with an index: a PerfCounter, something of this package, or nil.
func (m *PerfArray) Event(index uint32) any { return m.events.at(index) }

// SetEvent sets an element; nil removes it, which is ErrKeyNotExist if there is none.
func (m *PerfArray) SetEvent(index uint32, c PerfCounter) error {
	if index >= m.events.count {
		return ErrIndex
	}
	if c != nil {
		m.events.swap(index, c)
		return nil
	}
	if m.events.swap(index, nil) == nil {
		return ErrKeyNotExist
	}
	return nil
}

func (m *PerfArray) put(key, value []byte, flags uint64) error {
	switch {
	case flags != Any:
		return ErrInvalid
	case index(key) >= m.events.count:
		return ErrIndex
	}
	return EBADF // there are no descriptors here
}

func (m *PerfArray) remove(key []byte) error { return m.SetEvent(index(key), nil) }

func (m *PerfArray) next(key []byte) ([]byte, error) { return nextIndex(key, m.events.count) }

func (m *PerfArray) drop() {
	m.events.each(func(_ uint32, v any) {
		if b, ok := v.(*perfBuffer); ok {
			b.reader.close()
		}
	})
}

// A record in a perfBuffer is, as in Linux, a multiple of 8 bytes: a header of 8, of which only the last two
// are of use here, its size; 4 bytes that say how many follow; those.
const (
	perfHeader  = 12
	perfLost    = 24        // bytes of a record that tells of lost ones
	perfMaxSize = 1<<16 - 8 // of a record
)

// A perfBuffer holds the samples of one CPU.
type perfBuffer struct {
	cpu    int
	reader *PerfReader

	mu         sync.Mutex
	ring       []byte // a power of two
	head, tail uint64 // bytes written and read so far
	lost       uint64 // since the last record
	quiet      uint64 // bytes or samples since the reader was last woken
}

func (b *perfBuffer) output(data [][]byte) error {
	size := 0
	for _, d := range data {
		size += len(d)
	}
	n := (uint64(size) + perfHeader + 7) &^ 7
	if n > perfMaxSize {
		return E2BIG
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	need := n
	if b.lost > 0 {
		need += perfLost
	}
	if b.head-b.tail+need >= uint64(len(b.ring)) {
		b.lost++
		return ErrNoSpace
	}
	if b.lost > 0 {
		// Its size distinguishes it: no sample has one of 0.
		var r [perfLost]byte
		binary.NativeEndian.PutUint64(r[16:], b.lost)
		b.write(r[:])
		b.lost = 0
	}
	var h [perfHeader]byte
	binary.NativeEndian.PutUint16(h[6:], uint16(n))
	binary.NativeEndian.PutUint32(h[8:], uint32(n-perfHeader))
	b.write(h[:])
	for _, d := range data {
		b.write(d)
	}
	var pad [8]byte
	b.write(pad[:n-perfHeader-uint64(size)])
	b.reader.wrote(b, n)
	return nil
}

func (b *perfBuffer) write(p []byte) {
	for len(p) > 0 {
		n := copy(b.ring[b.head&uint64(len(b.ring)-1):], p)
		b.head += uint64(n)
		p = p[n:]
	}
}

// read takes the next len(p) bytes.
func (b *perfBuffer) read(p []byte) {
	for len(p) > 0 {
		n := copy(p, b.ring[b.tail&uint64(len(b.ring)-1):])
		b.tail += uint64(n)
		p = p[n:]
	}
}

// take moves the next record to r, if there is one.
func (b *perfBuffer) take(r *PerfRecord) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.head == b.tail {
		return false
	}
	b.quiet = 0
	var h [perfLost]byte
	b.read(h[:perfHeader])
	r.CPU, r.LostSamples, r.RawSample = b.cpu, 0, r.RawSample[:0]
	if size := binary.NativeEndian.Uint16(h[6:]); size == 0 {
		b.read(h[perfHeader:])
		r.LostSamples = binary.NativeEndian.Uint64(h[16:])
	} else {
		n := int(size) - perfHeader
		if cap(r.RawSample) < n {
			r.RawSample = make([]byte, 0, n)
		}
		r.RawSample = r.RawSample[:n]
		b.read(r.RawSample)
	}
	r.Remaining = int(b.head - b.tail)
	return true
}
