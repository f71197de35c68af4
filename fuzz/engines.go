package fuzz

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/interp"
	"github.com/skepbpf/skep/jit"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/memory"
	"github.com/skepbpf/skep/verifier"
)

// Engines are two Worlds that are alike to the byte: programs run in the interpreter in one, and as native code in the
// other.
type Engines struct {
	// Types are the kernel's, of which programs may call functions; nil: they call none.
	Types *btf.Spec

	worlds [2]*World
	stale  bool // they are no longer alike
}

// NewEngines makes the Worlds. Close ends them.
func NewEngines() (*Engines, error) {
	e := &Engines{}
	return e, e.fresh()
}

// fresh makes new Worlds.
func (e *Engines) fresh() error {
	if err := e.Close(); err != nil {
		return err
	}
	e.worlds, e.stale = [2]*World{}, false
	for i := range e.worlds {
		w := &World{}
		var err error
		if w.space, err = memory.New(memory.Options{Strict: true}); err != nil {
			return errors.Join(err, e.Close())
		}
		e.worlds[i] = w
		if w.run, err = helpers.NewRun(w.space, nil); err != nil {
			return errors.Join(err, e.Close())
		}
		w.run.Kernel = func(addr uint64, b []byte) bool { return false }
	}
	return nil
}

// Close frees the Worlds.
func (e *Engines) Close() error {
	var errs []error
	for _, w := range e.worlds {
		if w == nil {
			continue
		}
		if w.run != nil {
			errs = append(errs, w.run.Close())
		}
		errs = append(errs, w.space.Close())
	}
	return errors.Join(errs...)
}

// A Disparity is a run that went differently in the engines.
type Disparity struct {
	Run int
	Why string
}

// Error says what was different.
func (d *Disparity) Error() string { return fmt.Sprintf("run %d: %s", d.Run, d.Why) }

// Compare runs an accepted program on the same random packets, contexts and contents of maps in both engines, and compares
// what it returns and all that it leaves in memory. The error is a *Disparity unless the program could not be run.
func (e *Engines) Compare(proof *verifier.Proof, seed uint64, runs int, t *Tally) error {
	t.Programs++
	if e.stale {
		if err := e.fresh(); err != nil {
			return err
		}
	}
	e.stale = true // until all is done in both
	p := proof.Program()
	var x [2]*execution
	var run [2]func(*helpers.Run) (uint64, error)
	for i, w := range e.worlds {
		x[i] = &execution{w: w, s: Seeded(seed), p: p, proof: proof, t: t, blind: true}
		defer x[i].close()
		for _, m := range p.Maps {
			if err := x[i].newMap(m); err != nil {
				return fmt.Errorf("map %s: %w", m.Name, err)
			}
		}
		w.run.Type, w.run.AttachType = linux.ProgType(p.Type), linux.AttachType(p.AttachType)
	}
	m, err := interp.New(p, interp.Options{Space: e.worlds[0].space, Maps: x[0].maps, Budget: runBudget, Kfunc: e.kfunc})
	if err != nil {
		return err
	}
	n, err := jit.Compile(proof, jit.Options{Space: e.worlds[1].space, Maps: x[1].maps, Kfunc: e.kfunc})
	if err != nil {
		return err
	}
	if ok, why := n.Native(); !ok {
		return why
	}
	run[0], run[1] = m.Run, n.Run
	for k := range runs {
		var r0 [2]uint64
		for i, w := range e.worlds {
			if err := x[i].input(); err != nil {
				return err
			}
			r0[i], err = run[i](w.run)
			var trap *interp.Trap
			switch {
			case err == nil:
			case !errors.As(err, &trap):
				return err
			case i == 0 && t.excuse(p, trap):
				return nil // native code, which checks less, goes on; and it could take hours
			default:
				return &Disparity{k, fmt.Sprintf("engine %d: %v", i, err)}
			}
		}
		t.Runs++
		if r0[0] != r0[1] {
			return &Disparity{k, fmt.Sprintf("r0 is %#x in the interpreter and %#x in native code", r0[0], r0[1])}
		}
		if a := e.differ(); a != 0 {
			o, _ := e.worlds[0].space.Object(a)
			return &Disparity{k, fmt.Sprintf("byte %d of %v at %#x differs", a-o.Addr, o, a)}
		}
	}
	e.stale = false
	return nil
}

// kfunc is the kernel function with an id; nil if it is not simulated.
func (e *Engines) kfunc(id int32, module int16) *helpers.KernelFunc {
	return helpers.KfuncByID(e.Types, id, module)
}

// differ is the first address at which the Worlds differ, but for the stack, of which they clear as much as they must; 0
// if there is none.
func (e *Engines) differ() memory.Addr {
	s := [2]*memory.Space{e.worlds[0].space, e.worlds[1].space}
	end := memory.Addr(s[0].Usage().Committed)
	stack := e.worlds[0].run.Stack
	after := stack + helpers.StackFrames*helpers.FrameStride
	for _, part := range [][2]memory.Addr{{memory.NullSize, stack}, {after, end}} {
		a, b := s[0].Bytes(part[0], uint32(part[1]-part[0])), s[1].Bytes(part[0], uint32(part[1]-part[0]))
		if bytes.Equal(a, b) {
			continue
		}
		for i := range a {
			if i >= len(b) || a[i] != b[i] {
				return part[0] + memory.Addr(i)
			}
		}
	}
	return 0
}
