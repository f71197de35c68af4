package skep

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/maps"
)

// A Program is a program of a collection. It may be run by any number of goroutines; as many runs as there are virtual
// CPUs go on at the same time.
type Program struct {
	w      *world
	m      *machine
	name   string
	closed atomic.Bool
}

// newProgram makes a handle of a machine, which takes part in keeping its maps.
func (w *world) newProgram(name string, m *machine) *Program {
	w.retain()
	for _, k := range m.maps {
		k.retain()
	}
	return &Program{w: w, m: m, name: name}
}

// Close gives up the program.
func (p *Program) Close() error {
	if p == nil || p.closed.Swap(true) {
		return nil
	}
	// Not under a run that goes on.
	p.w.retire(func() error { return errors.Join(releaseAll(p.m.maps), p.w.release()) })
	return nil
}

// Clone is another handle of the program, to be closed by itself.
func (p *Program) Clone() (*Program, error) {
	if p.closed.Load() || !p.w.hold() {
		return nil, fmt.Errorf("skep: program %s: %w", p.name, ErrClosed)
	}
	defer p.w.release()
	return p.w.newProgram(p.name, p.m), nil
}

// Name is the name that the program has in its object.
func (p *Program) Name() string { return p.name }

// Type is the program's type.
func (p *Program) Type() ebpf.ProgramType { return ebpf.ProgramType(p.m.prog.Type) }

// String tells the program's type and name.
func (p *Program) String() string { return fmt.Sprintf("%s(%s)", p.Type(), p.name) }

// Verdict is what the verifier says of the program.
func (p *Program) Verdict() *Verdict { return p.m.verdict }

// ID is a number for the program, which elements of device and CPU maps have where Linux is given a descriptor: as values of
// struct{ Ifindex, Program uint32 }. The program then lives as long as the collection.
func (p *Program) ID() (uint32, error) {
	if p.closed.Load() || !p.w.hold() {
		return 0, ErrClosed
	}
	defer p.w.release()
	m := p.m
	m.number.Do(func() {
		for _, k := range m.maps {
			k.pin()
		}
		a, err := p.w.space.AllocHandle(p.name, &numbered{p.w, m, p.name})
		m.id, m.idErr = p.w.space.HandleID(uint64(a)), err
	})
	return m.id, m.idErr
}

// A numbered is the owner of a program's handle in the Space.
type numbered struct {
	w    *world
	m    *machine
	name string
}

// Program is the program, to be closed by the caller.
func (n *numbered) Program() *Program { return n.w.newProgram(n.name, n.m) }

// RunOptions say what a run gets and gives. Data and Context mean what they mean to BPF_PROG_TEST_RUN.
type RunOptions struct {
	// Data is the packet, with its link header, for programs that take one.
	Data []byte
	// DataOut, if not nil, is set to the packet after the run: it is cut to its length, or made if it is too short.
	DataOut []byte
	// Context is the context: bytes, or a struct as encoding/binary takes it. Of packet programs it is optional, and
	// a struct xdp_md or __sk_buff with the fields that test runs take.
	Context any
	// ContextOut, if not nil, gets the context after the run: a pointer, or a slice of bytes.
	ContextOut any
	// Repeat is how often the program is run, each time on what the run before has left, as in Linux; 0 is 1.
	Repeat uint32
	// Elapsed, if not nil, is set to the time that all runs took together, without what is around them: then the packet and
	// the context are set up for the first run only, and the others go on with what it left, as in Linux.
	Elapsed *time.Duration
	// CPU is the virtual CPU to run on. 0 is the first one that is free.
	CPU uint32

	// Cancel, if not nil, ends the run once it is closed, such as the channel of a context's Done: the error is
	// helpers.ErrCancelled then. A run looks at it now and then in loops that may be long, and before each of Repeat's runs.
	Cancel <-chan struct{}

	// Setup, if not nil, makes the context in place of Data and Context: it is called once, and may set what programs
	// ask about, such as the current task. Package hook is built on it.
	Setup func(r *helpers.Run) error
	// Result, if not nil, is called after each run that ended without an error, with r0 and the Run as the program left
	// it: there are the packet, and where it is to go.
	Result func(r *helpers.Run, r0 uint64) error
}

// ErrClosed is the error of using what is closed.
var ErrClosed = maps.ErrClosed

// Test runs the program on a packet and gives its return value, and the packet after the run.
func (p *Program) Test(in []byte) (uint32, []byte, error) {
	o := RunOptions{Data: in, DataOut: make([]byte, 0, len(in)+256)}
	ret, err := p.Run(&o)
	if err != nil {
		return 0, nil, err
	}
	return ret, o.DataOut, nil
}

// Benchmark runs the program on a packet so often, and gives the last return value and the time of a run. reset, if not nil,
// is called before the first, such as testing.B.ResetTimer; nothing interrupts the runs.
func (p *Program) Benchmark(in []byte, repeat int, reset func()) (uint32, time.Duration, error) {
	if repeat < 1 || int64(repeat) > math.MaxUint32 {
		return 0, 0, fmt.Errorf("run program %s: %d runs", p.name, repeat)
	}
	if reset != nil {
		reset()
	}
	start := time.Now()
	ret, err := p.Run(&RunOptions{Data: in, Repeat: uint32(repeat)})
	return ret, time.Since(start) / time.Duration(repeat), err
}

// Run runs the program and gives its return value. The error is an *interp.Trap if the program did what no verified
// program does. Options may be nil.
func (p *Program) Run(opts *RunOptions) (uint32, error) {
	if opts == nil {
		opts = &RunOptions{}
	}
	ret, err := p.run(opts)
	if err != nil {
		return 0, fmt.Errorf("run program %s: %w", p.name, err)
	}
	return ret, nil
}

func (p *Program) run(opts *RunOptions) (uint32, error) {
	ctx, err := contextBytes(opts.Context)
	if err != nil {
		return 0, err
	}
	r, err := p.w.take(opts.CPU)
	if err != nil {
		return 0, err
	}
	defer p.w.give(r)
	if p.closed.Load() { // a Close from here on waits for the run
		return 0, ErrClosed
	}
	r.Type, r.AttachType = linux.ProgType(p.m.prog.Type), linux.AttachType(p.m.prog.AttachType)
	setup := opts.Setup
	if setup == nil {
		switch p.Type() {
		case ebpf.RawTracepoint, ebpf.Syscall:
			if opts.Repeat != 0 {
				return 0, maps.EINVAL // as Linux says
			}
		}
		setup = func(r *helpers.Run) error { return r.SetTestRun(opts.Data, ctx) }
	}
	if err := setup(r); err != nil {
		return 0, err
	}
	r.Cancel = opts.Cancel
	var r0 uint64
	if opts.Elapsed != nil {
		if r0, err = p.timed(r, opts, ctx); err != nil {
			return 0, err
		}
		return uint32(r0), p.results(r, opts)
	}
	for range max(opts.Repeat, 1) {
		if err := r.Cancelled(); err != nil {
			return 0, err
		}
		if r0, err = p.m.Run(r); err != nil {
			return 0, err
		}
		if opts.Result != nil {
			if err := opts.Result(r, r0); err != nil {
				return 0, err
			}
		}
	}
	return uint32(r0), p.results(r, opts)
}

// timed runs the program again and again on the same packet.
func (p *Program) timed(r *helpers.Run, opts *RunOptions, ctx []byte) (r0 uint64, err error) {
	if err := r.SetTestRun(opts.Data, ctx); err != nil {
		return 0, err
	}
	r.Cancel = opts.Cancel
	start := time.Now()
	for range max(opts.Repeat, 1) {
		if r0, err = p.m.Run(r); err != nil {
			return 0, err
		}
	}
	*opts.Elapsed = time.Since(start)
	return r0, nil
}

// results copies what a run gives besides its return value.
func (p *Program) results(r *helpers.Run, opts *RunOptions) error {
	if opts.DataOut == nil && opts.ContextOut == nil {
		return nil
	}
	data, ctx := r.TestResult()
	if opts.DataOut != nil {
		opts.DataOut = append(opts.DataOut[:0], data...)
	}
	if opts.ContextOut == nil {
		return nil
	}
	if err := unmarshal(opts.ContextOut, ctx); err != nil {
		return fmt.Errorf("context: %w", err)
	}
	return nil
}

// contextBytes encodes a context.
func contextBytes(ctx any) ([]byte, error) {
	if ctx == nil {
		return nil, nil
	}
	if b, ok := ctx.([]byte); ok {
		return b, nil
	}
	b, err := encode(ctx)
	if err != nil {
		return nil, fmt.Errorf("context: %w", err)
	}
	return b, nil
}

// FireTimers is Collection.FireTimers of the program's collection.
func (p *Program) FireTimers(now time.Duration) (int, error) {
	if p.closed.Load() || !p.w.hold() {
		return 0, ErrClosed
	}
	n, err := p.w.fireTimers(now)
	return n, errors.Join(err, p.w.release())
}
