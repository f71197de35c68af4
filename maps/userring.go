package maps

import (
	"sync"
	"sync/atomic"

	"github.com/skepbpf/skep/memory"
)

// maxDrain is how many samples one bpf_user_ringbuf_drain takes.
const maxDrain = 128 << 10

// A UserRingBuffer is a BPF_MAP_TYPE_USER_RINGBUF: user space puts samples in, and programs drain them.
type UserRingBuffer struct {
	*common
	data memory.Addr // twice the size, for the reason that a RingBuffer has
	size uint64

	writing sync.Mutex
	prod    atomic.Uint64
	busy    atomic.Bool // a program is draining
	cons    atomic.Uint64
	room    chan struct{} // holds one: samples were drained
}

func newUserRingBuffer(c *common) (impl, error) {
	n := uint64(c.spec.MaxEntries)
	if 2*n > 1<<32-1 {
		return nil, ErrNoMemory
	}
	a, err := c.allocKind(2*n, memory.Elems{Stride: uint32(2 * n), Size: uint32(2 * n), Count: 1, Lazy: true}, memory.Ring)
	if err != nil {
		return nil, err
	}
	return &UserRingBuffer{common: c, data: a, size: n, room: make(chan struct{}, 1)}, nil
}

// Write puts a sample in. ErrNoSpace: there is no room now; E2BIG: there never is.
func (m *UserRingBuffer) Write(sample []byte) error {
	n := (uint64(len(sample)) + ringHeader + 7) &^ 7
	if n > m.size || len(sample) > ringMax {
		return E2BIG
	}
	m.writing.Lock()
	defer m.writing.Unlock()
	pos := m.prod.Load()
	if pos+n-m.cons.Load() > m.size {
		return ErrNoSpace
	}
	a := m.data + memory.Addr(pos&(m.size-1))
	m.space.Half(a).Store(uint32(len(sample)))
	copy(m.space.Bytes(a+ringHeader, uint32(len(sample))), sample)
	m.prod.Store(pos + n)
	return nil
}

// Room is a channel that receives after samples were drained, so that a full ring may have room.
func (m *UserRingBuffer) Room() <-chan struct{} { return m.room }

// Drain is bpf_user_ringbuf_drain: it calls f for the samples that are there, until it returns false, and returns the
// number of calls. f's program may read the sample during the call. EBUSY: another program is draining. ErrInvalid: flags
// other than NoWakeup and ForceWakeup.
func (m *UserRingBuffer) Drain(flags uint64, f func(a memory.Addr, size uint32) bool) (int, error) {
	if flags&^(NoWakeup|ForceWakeup) != 0 {
		return 0, ErrInvalid
	}
	if m.busy.Swap(true) {
		return 0, EBUSY
	}
	defer m.busy.Store(false)
	n, more := 0, true
	for more && n < maxDrain {
		pos := m.cons.Load()
		if pos == m.prod.Load() {
			break
		}
		a := m.data + memory.Addr(pos&(m.size-1))
		size := m.space.Half(a).Load()
		m.space.SetLive(a+ringHeader, size, memory.Read)
		more = f(a+ringHeader, size)
		m.space.SetLive(a+ringHeader, size, 0)
		m.cons.Store(pos + (uint64(size)+ringHeader+7)&^7)
		n++
	}
	if n > 0 && flags&NoWakeup == 0 || flags&ForceWakeup != 0 {
		select {
		case m.room <- struct{}{}:
		default:
		}
	}
	return n, nil
}
