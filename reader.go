package skep

import (
	"errors"
	"fmt"

	"github.com/skepbpf/skep/maps"
)

// A RingReader reads what programs put into a ring buffer. Its methods are those of cilium/ebpf's ringbuf.Reader: Read gives a
// maps.RingRecord.
type RingReader struct {
	*maps.RingReader
	m *Map
}

// NewRingReader makes a reader of a map of type ebpf.RingBuf. It is to be closed; the map may be closed before it.
func NewRingReader(m *Map) (*RingReader, error) {
	ring, ok := m.k.Map.(*maps.RingBuffer)
	if !ok {
		return nil, fmt.Errorf("skep: %v is not a ring buffer", m)
	}
	h, err := m.Clone()
	if err != nil {
		return nil, err
	}
	return &RingReader{ring.NewReader(), h}, nil
}

// Close ends the reader: a Read that waits returns os.ErrClosed.
func (r *RingReader) Close() error { return errors.Join(r.RingReader.Close(), r.m.Close()) }

// A PerfReader reads what programs put into a perf event array. Its methods are those of cilium/ebpf's perf.Reader: Read gives a
// maps.PerfRecord.
type PerfReader struct {
	*maps.PerfReader
	m *Map
}

// NewPerfReader makes a reader of a map of type ebpf.PerfEventArray, with a buffer of at least so many bytes for each
// CPU. It is to be closed; the map may be closed before it.
func NewPerfReader(m *Map, perCPUBuffer int) (*PerfReader, error) {
	array, ok := m.k.Map.(*maps.PerfArray)
	if !ok {
		return nil, fmt.Errorf("skep: %v is not a perf event array", m)
	}
	h, err := m.Clone()
	if err != nil {
		return nil, err
	}
	r, err := array.NewReader(perCPUBuffer, maps.PerfOptions{})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("skep: reader of %v: %w", m, err), h.Close())
	}
	return &PerfReader{r, h}, nil
}

// Close ends the reader: a Read that waits returns os.ErrClosed.
func (r *PerfReader) Close() error { return errors.Join(r.PerfReader.Close(), r.m.Close()) }

// Clone is another handle of the map, to be closed by itself.
func (m *Map) Clone() (*Map, error) {
	if m.closed.Load() {
		return nil, fmt.Errorf("skep: %v: %w", m, ErrClosed)
	}
	return m.w.newHandle(m.k), nil
}
