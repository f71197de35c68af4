package skep

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
)

// A world is what the programs and maps of a collection share: a Space, the virtual CPUs that runs take, time and
// randomness. It lives as long as a map, a program or a reader of it is open.
type world struct {
	space   *memory.Space
	env     *helpers.Env
	timers  helpers.Timers
	objects helpers.Objects
	trace   io.Writer  // nil: nobody listens
	tracing sync.Mutex // held while writing to it

	mu    sync.Mutex
	freed sync.Cond      // a CPU was given back; on mu
	runs  []*helpers.Run // of each CPU; nil until it is first used
	busy  []bool
	refs  int
	maps  map[maps.Map]*kernelMap
	stale []func() error // gives up what no program can get at any more; called when none runs
}

func newWorld(opts *Options) (*world, error) {
	space, err := memory.New(memory.Options{Strict: true})
	if err != nil {
		return nil, fmt.Errorf("skep: %w", err)
	}
	env, cpus := opts.Env, opts.cpus()
	if env == nil {
		env = new(helpers.Env)
	}
	w := &world{space: space, env: env, trace: opts.Trace, runs: make([]*helpers.Run, cpus), busy: make([]bool, cpus), refs: 1,
		maps: map[maps.Map]*kernelMap{}}
	w.freed.L = &w.mu
	return w, nil
}

// cpus is the number of virtual CPUs.
func (w *world) cpus() int { return len(w.runs) }

// retain keeps the world alive until the matching release.
func (w *world) retain() {
	w.mu.Lock()
	w.refs++
	w.mu.Unlock()
}

// hold is retain, unless the world has ended.
func (w *world) hold() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refs == 0 {
		return false
	}
	w.refs++
	return true
}

// retire calls f when no program runs: what f gives up has become unreachable, but a program that runs may still have it.
func (w *world) retire(f func() error) {
	w.mu.Lock()
	w.stale = append(w.stale, f)
	fs := w.idle()
	w.mu.Unlock()
	callAll(fs)
}

// idle takes what is to be called if no program runs now. The caller holds mu, and calls it without.
func (w *world) idle() []func() error {
	if len(w.stale) == 0 || slices.Contains(w.busy, true) {
		return nil
	}
	fs := w.stale
	w.stale = nil
	return fs
}

// callAll calls what idle gave. A program that starts meanwhile cannot find what they give up.
func callAll(fs []func() error) {
	for _, f := range fs {
		// There are other references, or nobody ever gets at it: it cannot fail.
		_ = f()
	}
}

// release gives up the world; the last one who does ends it.
func (w *world) release() error {
	w.mu.Lock()
	w.refs--
	last := w.refs == 0
	w.mu.Unlock()
	if !last {
		return nil
	}
	var errs []error
	for m := range w.maps {
		errs = append(errs, m.Close()) // those that elements of other maps keep
	}
	for _, r := range w.runs {
		if r != nil {
			errs = append(errs, r.Close())
		}
	}
	return errors.Join(append(errs, w.space.Close())...)
}

// kernelMapOf is what the world knows of a map; nil if it is not one of its own.
func (w *world) kernelMapOf(m maps.Map) *kernelMap {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.maps[m]
}

// take takes a CPU and gives its Run: the one that is asked for, or for 0 the first that is free. It waits until there
// is one.
func (w *world) take(cpu uint32) (*helpers.Run, error) {
	if int64(cpu) >= int64(len(w.runs)) {
		return nil, fmt.Errorf("there is no CPU %d of %d", cpu, len(w.runs))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	i := int(cpu)
	for {
		if w.refs == 0 {
			return nil, ErrClosed
		}
		if cpu == 0 {
			for i = 0; i < len(w.busy)-1 && w.busy[i]; {
				i++
			}
		}
		if !w.busy[i] {
			break
		}
		w.freed.Wait()
	}
	if w.runs[i] == nil {
		r, err := helpers.NewRun(w.space, w.env)
		if err != nil {
			return nil, err
		}
		r.CPU, r.CPUs, r.Timers, r.Objects = i, len(w.runs), &w.timers, &w.objects
		if w.trace != nil {
			r.Trace = w.print
		}
		w.runs[i] = r
	}
	w.busy[i] = true
	return w.runs[i], nil
}

// give gives back a CPU.
func (w *world) give(r *helpers.Run) {
	r.Reset()
	w.mu.Lock()
	w.busy[r.CPU] = false
	fs := w.idle()
	w.mu.Unlock()
	w.freed.Broadcast()
	callAll(fs)
}

// fireTimers runs the callbacks of the timers that are due.
func (w *world) fireTimers(now time.Duration) (int, error) {
	r, err := w.take(0)
	if err != nil {
		return 0, err
	}
	defer w.give(r)
	return w.timers.Fire(r, now)
}

// print writes a line that a program prints. An error of the writer is nobody's: it does not stop programs.
func (w *world) print(text []byte) {
	w.tracing.Lock()
	defer w.tracing.Unlock()
	w.trace.Write(text)
}
