package helpers

import (
	"sync"
	"time"

	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
)

// timerFamily are the helpers on timers in map values.
var timerFamily = map[int32]Func{
	169: timerInit,
	170: timerSetCallback,
	171: timerStart,
	172: timerCancel,
}

// A Callback calls a function of a program after the run that named it.
type Callback func(r *Run, args *[5]uint64) (uint64, error)

// Timers are the timers in the map values of a Space. They fire when Fire is called, on the clock of the Env: so a test
// decides when. The zero Timers are ready to use; Runs that share maps share them.
type Timers struct {
	mu     sync.Mutex
	timers map[memory.Addr]*timer
	last   uint64
}

// A timer is one struct bpf_timer. Its first word in memory is its id, so that a timer whose element was deleted
// meanwhile is known to be gone.
type timer struct {
	id      uint64
	at      memory.Addr
	m       maps.Map
	fn      Callback
	due     uint64 // ns on the clock of Env
	armed   bool
	running bool
}

// Next is when the first timer is due, on the clock of the Env; false if none is armed.
func (t *Timers) Next() (time.Duration, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if first := t.first(); first != nil {
		return time.Duration(first.due), true
	}
	return 0, false
}

// first is the armed timer that is due first; of several the one made first.
func (t *Timers) first() (first *timer) {
	for _, x := range t.timers {
		if x.armed && (first == nil || x.due < first.due || x.due == first.due && x.id < first.id) {
			first = x
		}
	}
	return first
}

// Fire runs the callbacks of the timers that are due at a time, on r, and tells how many. An error of a callback stops it.
func (t *Timers) Fire(r *Run, now time.Duration) (int, error) {
	n := 0
	for {
		t.mu.Lock()
		x := t.first()
		if x == nil || x.due > uint64(now) {
			t.mu.Unlock()
			return n, nil
		}
		x.armed = false
		gone := !x.alive(r.Space)
		if gone {
			delete(t.timers, x.at)
		}
		x.running = !gone
		t.mu.Unlock()
		if gone || x.fn == nil {
			continue
		}
		n++
		err := x.call(r)
		t.mu.Lock()
		x.running = false
		t.mu.Unlock()
		if err != nil {
			return n, err
		}
	}
}

// alive tells that the timer is still where it was made.
func (x *timer) alive(space *memory.Space) bool {
	w := space.Word(x.at)
	return w != nil && w.Load() == x.id
}

// call runs the callback with map, key and value.
func (x *timer) call(r *Run) error {
	o, ok := r.Space.Object(x.at)
	if !ok {
		return nil
	}
	key, err := r.keyMem(max(x.m.Spec().KeySize, 1))
	if err != nil {
		return err
	}
	defer r.Space.Free(key)
	found := false
	x.m.Range(r.CPU, func(k []byte, value memory.Addr) bool {
		if found = value == o.Addr; found {
			copy(r.Space.Bytes(key, uint32(len(k))), k)
		}
		return !found
	})
	if !found {
		return nil
	}
	_, err = x.fn(r, &[5]uint64{uint64(x.m.Addr()), uint64(key), uint64(o.Addr)})
	return err
}

// timersOf are the timers of a run.
func (r *Run) timersOf() *Timers {
	if r.Timers == nil {
		r.Timers = new(Timers)
	}
	return r.Timers
}

// withTimer calls f with the timer at argument 0, nil if it was not initialized, and the lock held.
func (c *Call) withTimer(f func(t *Timers, x *timer) (uint64, error)) (uint64, error) {
	a := memory.Addr(c.Args[0])
	w := c.Run.Space.Word(a)
	if w == nil || c.Args[0]>>32 != 0 {
		return bad(0, errNoMem)
	}
	t := c.Run.timersOf()
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.timers[a]
	if x != nil && w.Load() != x.id {
		delete(t.timers, a)
		x = nil
	}
	return f(t, x)
}

// Clocks of timers; all of them are the clock of the Env here.
const (
	clockRealtime  = 0
	clockMonotonic = 1
	clockBoottime  = 7
)

// timerInit is bpf_timer_init(timer, map, flags): the flags are a clock.
func timerInit(c *Call) (uint64, error) {
	m := c.aMap(1)
	if m == nil {
		return bad(1, errNoMap)
	}
	switch c.Args[2] {
	case clockRealtime, clockMonotonic, clockBoottime:
	default:
		return fail(maps.EINVAL)
	}
	return c.withTimer(func(t *Timers, x *timer) (uint64, error) {
		if x != nil {
			return fail(maps.EBUSY)
		}
		t.last++
		x = &timer{id: t.last, at: memory.Addr(c.Args[0]), m: m}
		if t.timers == nil {
			t.timers = map[memory.Addr]*timer{}
		}
		t.timers[x.at] = x
		c.Run.Space.Word(x.at).Store(x.id)
		return 0, nil
	})
}

// timerSetCallback is bpf_timer_set_callback(timer, callback).
func timerSetCallback(c *Call) (uint64, error) {
	return c.withTimer(func(t *Timers, x *timer) (uint64, error) {
		if x == nil {
			return fail(maps.EINVAL)
		}
		if c.Run.Later == nil {
			return 0, ErrNoCallbacks
		}
		fn, err := c.Run.Later(c.Args[1])
		if err != nil {
			return bad(1, err)
		}
		x.fn = fn
		return 0, nil
	})
}

// timerStart is bpf_timer_start(timer, ns, flags): from now on, or at a time with the flag BPF_F_TIMER_ABS (1).
func timerStart(c *Call) (uint64, error) {
	const absolute, pinned = 1, 2
	flags := c.Args[2]
	if flags&^(absolute|pinned) != 0 {
		return fail(maps.EINVAL)
	}
	return c.withTimer(func(t *Timers, x *timer) (uint64, error) {
		if x == nil || x.fn == nil {
			return fail(maps.EINVAL)
		}
		x.due, x.armed = c.Args[1], true
		if flags&absolute == 0 {
			x.due += c.Run.Env.now()
		}
		return 0, nil
	})
}

// timerCancel is bpf_timer_cancel(timer): 1 if it was armed. From its own callback it is EDEADLK.
func timerCancel(c *Call) (uint64, error) {
	return c.withTimer(func(t *Timers, x *timer) (uint64, error) {
		switch {
		case x == nil:
			return fail(maps.EINVAL)
		case x.running:
			return fail(edeadlk)
		}
		was := x.armed
		x.armed = false
		if was {
			return 1, nil
		}
		return 0, nil
	})
}
