package maps

import (
	"errors"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// ErrFlushed is what readers return after Flush, when they have returned all records.
var ErrFlushed = errors.New("maps: reader flushed")

// A waiter is the part of a reader that waits for records.
type waiter struct {
	bell     chan struct{} // holds one: there may be something to read
	done     chan struct{} // closed by close
	once     sync.Once
	flush    atomic.Bool
	deadline atomic.Pointer[time.Time]
	eager    atomic.Bool // even what comes with NoWakeup is worth a look
}

func newWaiter() waiter {
	return waiter{bell: make(chan struct{}, 1), done: make(chan struct{})}
}

func (w *waiter) ring() {
	select {
	case w.bell <- struct{}{}:
	default: // it is ringing
	}
}

func (w *waiter) close() { w.once.Do(func() { close(w.done) }) }

func (w *waiter) closed() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

func (w *waiter) setDeadline(t time.Time) {
	if t.IsZero() {
		w.deadline.Store(nil)
	} else {
		w.deadline.Store(&t)
	}
	w.ring() // who waits takes the new one
}

// wait returns nil when something may have come. os.ErrDeadlineExceeded means that what came without a wake-up may
// still be there.
func (w *waiter) wait() error {
	if w.flush.Swap(false) {
		return ErrFlushed
	}
	var timeout <-chan time.Time
	if d := w.deadline.Load(); d != nil {
		left := time.Until(*d)
		if left <= 0 {
			return os.ErrDeadlineExceeded
		}
		t := time.NewTimer(left)
		defer t.Stop()
		timeout = t.C
	}
	select {
	case <-w.bell:
		return nil
	case <-timeout:
		return os.ErrDeadlineExceeded
	case <-w.done:
		return os.ErrClosed
	}
}

// read calls next until it returns true, waiting in between.
func (w *waiter) read(next func() bool) error {
	for {
		if w.closed() {
			return os.ErrClosed
		}
		if next() {
			return nil
		}
		switch err := w.wait(); err {
		case nil:
		case os.ErrDeadlineExceeded:
			if next() {
				return nil
			}
			return err
		default:
			return err
		}
	}
}

// bells are those of the readers of a map.
type bells struct {
	mu  sync.Mutex
	all atomic.Pointer[[]*waiter] // replaced as a whole
}

func (b *bells) add(w *waiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []*waiter
	if p := b.all.Load(); p != nil {
		all = slices.Clone(*p)
	}
	all = append(all, w)
	b.all.Store(&all)
}

func (b *bells) remove(w *waiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.all.Load(); p != nil {
		all := slices.DeleteFunc(slices.Clone(*p), func(x *waiter) bool { return x == w })
		b.all.Store(&all)
	}
}

// ring wakes all readers, or if wake is false those that are eager.
func (b *bells) ring(wake bool) {
	p := b.all.Load()
	if p == nil {
		return
	}
	for _, w := range *p {
		if wake || w.eager.Load() {
			w.ring()
		}
	}
}

// closeAll ends all readers.
func (b *bells) closeAll() {
	if p := b.all.Load(); p != nil {
		for _, w := range *p {
			w.close()
		}
	}
}
