package jit

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/interp"
	"github.com/skepbpf/skep/memory"
)

// A thread is what a run needs besides its Run: a context with a native stack, and what is behind the calls of helpers.
// A Run keeps one.
type thread struct {
	ctx  *context
	top  uintptr // of the native stack
	busy bool

	p      *Program // running
	run    *helpers.Run
	budget int64
	lower  int                // frames below frame 0 that this run has cleared
	tails  [numTails]*Program // of the context's tails

	call   helpers.Call
	invoke func(fn uint64, args *[5]uint64) (uint64, error) // callback, bound once
	later  func(fn uint64) (helpers.Callback, error)
	size   func(id uint32) uint32
}

// stackSize is the size of a native stack, with the context: of helpers.StackFrames frames of at most 64 bytes, and as much again
// for callbacks in callbacks and for the entries of programs that functions tail call.
const stackSize = 64 << 10

// newThread makes a thread for a Run.
func newThread(r *helpers.Run) (*thread, error) {
	mem, err := newStack(stackSize)
	if err != nil {
		return nil, err
	}
	t := &thread{ctx: contextAt(mem)}
	t.top = topOf(mem)
	runtime.AddCleanup(t, freeStack, mem)
	t.invoke, t.later, t.size = t.callback, t.callLater, t.typeSize
	t.bind(r)
	return t, nil
}

// bind makes the thread the one that r's helpers call back.
func (t *thread) bind(r *helpers.Run) {
	t.call.Run = r
	r.Invoke, r.Later, r.TypeSize = t.invoke, t.later, t.size
}

// pollSlice is how much native code may count before it comes back: a fraction of a millisecond.
const pollSlice = 1 << 20

// start runs the function at an instruction in frame 0.
func (t *thread) start(p *Program, r *helpers.Run, args *[5]uint64, insn int) (uint64, error) {
	c, code := t.ctx, p.code
	t.p, t.run, t.busy = p, r, true
	c.regs[1], c.regs[2] = args[0], args[1]
	c.regs[10] = uint64(r.Stack) + helpers.FrameSize
	c.base, c.cpu, c.sp = p.space.Base(), uint64(r.CPU), t.top
	t.budget = p.opts.Budget
	c.polls = min(pollSlice, t.budget)
	c.tailed, c.running, c.lack = 0, 0, ^(code.needs | needFrame0)
	if insn == 0 {
		c.entry, c.target = code.start, code.main
		c.cleared = uint64(code.depth0)
	} else {
		c.entry, c.target = code.invoke, code.funcs[insn]
		c.regs[3], c.regs[4], c.regs[5] = args[2], args[3], args[4]
		c.cleared = helpers.FrameSize
		clear(r.Space.Bytes(r.Stack, helpers.FrameSize))
	}
	if code.needs&(needTask|needCounters) != 0 {
		t.provide(code.needs)
	}
	t.lower = code.lower
	for i := 1; i <= code.lower; i++ {
		clear(r.Space.Bytes(r.Stack+memory.Addr(i*helpers.FrameStride), helpers.FrameSize))
	}
	enter(c)
	if c.site == siteDone {
		t.busy = false
		runtime.KeepAlive(t) // and the programs of tails
		runtime.KeepAlive(p)
		runtime.KeepAlive(r) // and so its Env's counters
		return c.regs[0], nil
	}
	r.Tail = nil
	t.bind(r) // the Run may have been reset
	r0, err := t.loop(t.top)
	t.busy, t.p = false, nil
	if err != nil {
		r.Finish()
		var throw *helpers.Throw
		if errors.As(err, &throw) {
			return throw.Cookie, nil // bpf_throw is no error
		}
	}
	return r0, err
}

// provide writes to the context what native code needs of the Run.
func (t *thread) provide(n need) {
	if n&needTask != 0 {
		t.ctx.task = t.run.Current().Words()
	}
	if n&needCounters != 0 {
		t.ctx.ticks, t.ctx.draws = t.run.Env.Counters()
	}
	t.ctx.lack &^= n
}

// loop does what native code has come back for, until the function that was entered with the stack pointer sp returns.
func (t *thread) loop(sp uintptr) (uint64, error) {
	c := t.ctx
	for c.site != siteDone {
		t.sync()
		s := &t.p.code.sites[c.site]
		var err error
		switch s.kind {
		case siteHelper:
			t.arguments()
			var r0 uint64
			if r0, err = s.fn(&t.call); err == nil {
				c.regs[0] = r0
				c.entry, c.target = s.thunk, s.resumeAt
			}
		case siteTail:
			err = t.tail(s, sp)
		case siteSlow:
			err = t.slow(s)
		case sitePoll:
			t.budget -= pollSlice
			err = t.mayGoOn()
			c.polls = min(pollSlice, t.budget)
			c.entry, c.target = s.thunk, s.resumeAt
		}
		if err != nil {
			return 0, interp.NewTrap(t.p.prog, int(s.pc), t.depth(), err)
		}
		enter(c)
	}
	c.running = 0
	runtime.KeepAlive(t)
	return c.regs[0], nil
}

// mayGoOn is the error that ends the run if its budget is used up, or if it was cancelled.
func (t *thread) mayGoOn() error {
	if t.budget <= 0 {
		return interp.ErrBudget
	}
	return t.run.Cancelled()
}

// arguments copies r1 to r5 to where helpers look for them: word by word, as they have just been stored, because a
// processor cannot forward two stores to one wide load.
func (t *thread) arguments() {
	a, r := &t.call.Args, &t.ctx.regs
	a[0], a[1], a[2], a[3], a[4] = r[1], r[2], r[3], r[4], r[5]
}

// depth is how many calls deep the run is: its frame pointer tells.
func (t *thread) depth() int {
	return int(t.ctx.regs[10]-uint64(t.run.Stack)) / helpers.FrameStride
}

// A level is what a function that native code is in needs when it goes on, after another one has run meanwhile.
type level struct {
	p     *Program
	saved [5]uint64 // r6 to r10
	args  [5]uint64 // of the helper that is running
	sp    uintptr
	lack  need
}

func (t *thread) push() level {
	l := level{p: t.p, args: t.call.Args, sp: t.ctx.sp, lack: t.ctx.lack}
	copy(l.saved[:], t.ctx.regs[6:])
	return l
}

func (t *thread) pop(l *level) {
	t.p, t.call.Args, t.ctx.sp, t.ctx.lack = l.p, l.args, l.sp, l.lack
	copy(t.ctx.regs[6:], l.saved[:])
}

// callback is helpers.Run.Invoke: a helper that the program has called calls a function of it.
func (t *thread) callback(fn uint64, args *[5]uint64) (uint64, error) {
	if !t.busy {
		return 0, helpers.ErrNoCallbacks
	}
	p, c := t.p, t.ctx
	insn, ok := helpers.FuncInsn(fn)
	at := p.code.funcs[insn]
	if !ok || at == 0 {
		return 0, fmt.Errorf("no function of the program at %#x", fn)
	}
	if t.depth() >= helpers.StackFrames-1 {
		return 0, errors.New("the call stack of 8 frames is too deep")
	}
	t.budget -= pollCost
	if err := t.mayGoOn(); err != nil {
		return 0, err
	}
	l := t.push()
	c.regs[10] += helpers.FrameStride
	copy(c.regs[1:6], args[:])
	c.entry, c.target = p.code.invoke, at
	enter(c)
	r0, err := t.loop(l.sp)
	if err != nil {
		return 0, err
	}
	t.pop(&l)
	return r0, nil
}

// callLater is helpers.Run.Later.
func (t *thread) callLater(fn uint64) (helpers.Callback, error) {
	p := t.p
	insn, ok := helpers.FuncInsn(fn)
	if p == nil || !ok || p.code.funcs[insn] == 0 {
		return nil, fmt.Errorf("no function of the program at %#x", fn)
	}
	return func(r *helpers.Run, args *[5]uint64) (uint64, error) { return p.Call(r, insn, args) }, nil
}

// typeSize is helpers.Run.TypeSize.
func (t *thread) typeSize(id uint32) uint32 {
	if t.p == nil || t.p.prog.BTF == nil || t.p.prog.BTF.Spec == nil {
		return 0
	}
	typ, err := t.p.prog.BTF.Spec.TypeByID(btf.TypeID(id))
	if err != nil {
		return 0
	}
	n, err := btf.Sizeof(typ)
	if err != nil || n < 0 {
		return 0
	}
	return uint32(n)
}
