package hook

import (
	"errors"
	"fmt"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/memory"
)

// A Step is one run of a program.
type Step struct {
	Hook    string // such as "xdp eth0", "kprobe do_unlinkat"
	Program string
	Return  int64 // r0; of most types of programs its low half, with its sign
}

// String is the step in a line.
func (s Step) String() string { return fmt.Sprintf("%s: %s returned %d", s.Hook, s.Program, s.Return) }

// An event is something that programs answer.
type event struct {
	h     *Host
	mem   hostMemory // what its arguments point to
	task  *helpers.Task
	steps []Step

	// What programs find besides their context; what is not set is not there.
	setup func(r *helpers.Run)
}

func (h *Host) newEvent() *event {
	e := &event{h: h, task: h.current()}
	e.mem.init()
	e.mem.below = &h.mem
	return e
}

// run runs the program of a link with the context that setup makes; result looks at what it left. It is false if the
// program was detached meanwhile.
func (e *event) run(l *Link, setup func(r *helpers.Run) error, result func(r *helpers.Run, r0 uint64) error) (r0 uint64, ran bool, err error) {
	for {
		p := l.prog.Load()
		_, err := p.Run(&skep.RunOptions{
			Setup: func(r *helpers.Run) error {
				r.Task, r.Cookie = e.task, l.cookie
				r.Kernel, r.UserMem = e.mem.read, e.mem.read
				r.FIB, r.FindSocket = e.h.fib, e.h.findSocket
				r.MTU = e.h.mtu
				space := r.Space
				r.SocketAt = func(a memory.Addr) *helpers.Sock { return e.h.socketAt(space, a) }
				if e.setup != nil {
					e.setup(r)
				}
				return setup(r)
			},
			Result: func(r *helpers.Run, ret uint64) error {
				r0 = ret
				if result == nil {
					return nil
				}
				return result(r, ret)
			},
		})
		if errors.Is(err, skep.ErrClosed) {
			if p == l.prog.Load() {
				return 0, false, nil // detached
			}
			continue // updated
		}
		if err != nil {
			return 0, false, fmt.Errorf("hook: %s: %w", l.point, err)
		}
		e.steps = append(e.steps, Step{l.point, p.Name(), int64(int32(r0))})
		return r0, true, nil
	}
}

// all runs the programs at a point, each with a context of its own of these bytes.
func (e *event) all(point string, ctx []byte) error {
	for _, l := range e.h.at(point) {
		if _, _, err := e.run(l, func(r *helpers.Run) error { return r.SetContext(ctx) }, nil); err != nil {
			return err
		}
	}
	return nil
}
