package maps

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/skepbpf/skep/memory"
)

// Flags of Submit, Discard and Output, BPF_RB_*.
const (
	NoWakeup    = 1 << 0 // do not wake readers
	ForceWakeup = 1 << 1 // wake readers even if they are not at the record yet
)

// What Query may be asked, BPF_RB_*.
const (
	RingAvailable   = 0 // bytes that readers have not consumed, records under way included
	RingSize        = 1 // bytes of the ring
	RingConsumerPos = 2 // bytes consumed so far
	RingProducerPos = 3 // bytes reserved so far
)

// The header of a record, before its bytes: u32 length and flags, u32 ID of the ring.
const (
	ringHeader  = 8
	ringBusy    = 1 << 31 // not submitted yet
	ringDiscard = 1 << 30
	ringMax     = 1<<30 - 1 // bytes of a record
)

// A RingBuffer is a BPF_MAP_TYPE_RINGBUF: programs on all CPUs put records in, and user space takes them out in
// the order in which they were reserved; see NewReader.
//
// Positions count bytes since the ring was made. A record takes its size plus 8, rounded up to 8, and the ring
// holds up to 8 bytes less than its size. The Space holds the ring twice, one after the other: a record that
// runs past the end goes on behind it, so that all are contiguous. No two records do so at once. What Linux gets
// by mapping the pages twice.
type RingBuffer struct {
	*common
	data memory.Addr
	size uint64

	mu      sync.Mutex      // of producers
	prod    atomic.Uint64   // position
	pending []atomic.Uint64 // a bit for each 8 bytes: a record of which programs hold the address starts there
	dropped atomic.Uint64

	reading sync.Mutex
	cons    atomic.Uint64 // position
	bells   bells
}

func checkRing(s *Spec) error {
	if s.MaxEntries&(s.MaxEntries-1) != 0 {
		return refuse(EINVAL, "map %q: size %d is no power of two", s.Name, s.MaxEntries)
	}
	return nil
}

func newRingBuffer(c *common) (impl, error) {
	n := uint64(c.spec.MaxEntries)
	if 2*n > 1<<32-1 {
		return nil, ErrNoMemory
	}
	e := memory.Elems{Stride: uint32(2 * n), Size: uint32(2 * n), Count: 1, Lazy: true}
	a, err := c.allocKind(2*n, e, memory.Ring)
	if err != nil {
		return nil, err
	}
	return &RingBuffer{common: c, data: a, size: n, pending: make([]atomic.Uint64, (n+511)/512)}, nil
}

func (m *RingBuffer) at(pos uint64) memory.Addr { return m.data + memory.Addr(pos&(m.size-1)) }

// Reserve is bpf_ringbuf_reserve: the address of a record of size bytes, which programs may read and write until
// they give it to Submit or Discard; 0 if there is no room. It holds what was there before.
func (m *RingBuffer) Reserve(size uint64) memory.Addr {
	a := m.reserve(size)
	if a != 0 {
		word, bit := m.pendingBit(a)
		word.Or(bit)
		m.space.SetLive(a, uint32(size), memory.Read|memory.Write)
	}
	return a
}

// reserve makes a record that only the caller knows.
func (m *RingBuffer) reserve(size uint64) memory.Addr {
	if size > ringMax {
		m.dropped.Add(1)
		return 0
	}
	n := (size + ringHeader + 7) &^ 7
	m.mu.Lock()
	defer m.mu.Unlock()
	pos := m.prod.Load()
	if pos+n-m.cons.Load() >= m.size {
		m.dropped.Add(1)
		return 0
	}
	a := m.at(pos)
	m.space.Half(a + 4).Store(m.ID())
	m.space.Half(a).Store(uint32(size) | ringBusy)
	m.prod.Store(pos + n)
	return a + ringHeader
}

// RecordSize is the number of bytes of the record that Reserve returned a for; false if it is none, or is
// submitted or discarded already.
func (m *RingBuffer) RecordSize(a memory.Addr) (uint32, bool) {
	if a%8 != 0 || a < m.data+ringHeader || uint64(a-m.data) >= m.size+ringHeader {
		return 0, false
	}
	if word, bit := m.pendingBit(a); word.Load()&bit == 0 {
		return 0, false
	}
	return m.space.Half(a-ringHeader).Load() & ringMax, true
}

// pendingBit is the bit of the record at a.
func (m *RingBuffer) pendingBit(a memory.Addr) (*atomic.Uint64, uint64) {
	i := uint32(a-ringHeader-m.data) / 8
	return &m.pending[i/64], 1 << (i % 64)
}

// Submit is bpf_ringbuf_submit: it gives the record that Reserve returned a for to user space. Flags may be
// NoWakeup, ForceWakeup; others are ignored, as Linux does. It is an error if there is no such record.
func (m *RingBuffer) Submit(a memory.Addr, flags uint64) error { return m.end(a, flags, 0) }

// Discard is bpf_ringbuf_discard: user space will not see the record. It takes room until readers pass it.
func (m *RingBuffer) Discard(a memory.Addr, flags uint64) error { return m.end(a, flags, ringDiscard) }

func (m *RingBuffer) end(a memory.Addr, flags uint64, mark uint32) error {
	size, ok := m.RecordSize(a)
	if ok {
		word, bit := m.pendingBit(a)
		ok = word.And(^bit)&bit != 0 // one of two callers is too late
	}
	if !ok {
		return fmt.Errorf("maps: %#x is no reserved record of ring buffer %q: %w", uint32(a), m.spec.Name, EINVAL)
	}
	m.space.SetLive(a, size, 0)
	m.commit(a, flags, mark)
	return nil
}

// commit ends the record at a.
func (m *RingBuffer) commit(a memory.Addr, flags uint64, mark uint32) {
	head := m.space.Half(a - ringHeader)
	head.Store(head.Load()&^ringBusy | mark)
	// Readers that are further behind get here without being woken for each record.
	next := flags&NoWakeup == 0 && m.at(m.cons.Load()) == a-ringHeader
	m.bells.ring(next || flags&ForceWakeup != 0)
}

// Output is bpf_ringbuf_output: it copies data to a record and submits that. ErrAgain means that there is no room.
func (m *RingBuffer) Output(data []byte, flags uint64) error {
	if flags&^(NoWakeup|ForceWakeup) != 0 {
		return ErrInvalid
	}
	a := m.reserve(uint64(len(data)))
	if a == 0 {
		return ErrAgain
	}
	copy(m.space.Bytes(a, uint32(len(data))), data)
	m.commit(a, flags, 0)
	return nil
}

// Query is bpf_ringbuf_query: RingAvailable and so on; 0 for anything else.
func (m *RingBuffer) Query(what uint64) uint64 {
	switch what {
	case RingAvailable:
		cons := m.cons.Load() // first, as it never passes the other
		return m.prod.Load() - cons
	case RingSize:
		return m.size
	case RingConsumerPos:
		return m.cons.Load()
	case RingProducerPos:
		return m.prod.Load()
	}
	return 0
}

// Dropped is the number of records for which there was no room. Linux does not count them.
func (m *RingBuffer) Dropped() uint64 { return m.dropped.Load() }

// RingOf is the ring buffer that a record at addr belongs to, or nil; addr may be anything. bpf_ringbuf_submit gets
// nothing but the record.
func RingOf(space *memory.Space, addr uint64) *RingBuffer {
	if addr%8 != 0 || addr < memory.NullSize+ringHeader || addr >= 1<<32 {
		return nil
	}
	id := space.Half(memory.Addr(addr) - 4)
	if id == nil {
		return nil
	}
	m, _ := space.HandleByID(id.Load()).(*RingBuffer)
	if m == nil {
		return nil
	}
	if _, ok := m.RecordSize(memory.Addr(addr)); !ok {
		return nil
	}
	return m
}

// consume takes the next record. If there is none, busy says whether one is reserved already.
func (m *RingBuffer) consume(r *RingRecord) (ok, busy bool) {
	m.reading.Lock()
	defer m.reading.Unlock()
	for pos := m.cons.Load(); pos < m.prod.Load(); {
		a := m.at(pos)
		head := m.space.Half(a).Load()
		if head&ringBusy != 0 {
			return false, true
		}
		n := head & ringMax
		if head&ringDiscard == 0 {
			r.RawSample = append(r.RawSample[:0], m.space.Bytes(a+ringHeader, n)...)
		}
		pos += (uint64(n) + ringHeader + 7) &^ 7
		m.cons.Store(pos)
		if head&ringDiscard == 0 {
			r.Remaining = int(m.prod.Load() - pos)
			return true, false
		}
	}
	return false, false
}

func (m *RingBuffer) drop() { m.bells.closeAll() }
