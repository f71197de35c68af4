package skep

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
)

// A world is what the programs and maps of a collection share: a Space, the virtual CPUs that runs take, time and
// randomness. It lives as long as a map, a program or a reader of it is open.
type world struct {
	space   *memory.Space
	env     *helpers.Env
	trace   io.Writer  // nil: nobody listens
	tracing sync.Mutex // held while writing to it

	mu    sync.Mutex
	freed sync.Cond      // a CPU was given back; on mu
	runs  []*helpers.Run // of each CPU; nil until it is first used
	busy  []bool
	refs  int
	owned []func() error // what the world closes at its end, the last first
	maps  map[maps.Map]*kernelMap
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

// own makes the world call f when it ends.
func (w *world) own(f func() error) {
	w.mu.Lock()
	w.owned = append(w.owned, f)
	w.mu.Unlock()
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
	for i := len(w.owned) - 1; i >= 0; i-- {
		errs = append(errs, w.owned[i]())
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
		r.CPU, r.CPUs = i, len(w.runs)
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
	w.mu.Lock()
	w.busy[r.CPU] = false
	w.mu.Unlock()
	w.freed.Broadcast()
}

// print writes a line that a program prints. An error of the writer is nobody's: it does not stop programs.
func (w *world) print(text []byte) {
	w.tracing.Lock()
	defer w.tracing.Unlock()
	w.trace.Write(text)
}
