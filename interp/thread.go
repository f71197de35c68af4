package interp

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/memory"
	"github.com/skepbpf/skep/object"
)

// maxDepth is how many calls a program may be in: Linux allows eight frames.
const maxDepth = helpers.MaxFrames - 1

// ErrBudget is the error behind the Trap of runs that end so.
var ErrBudget = errors.New("the run has used up its budget of instructions")

// cancelSlice is how many instructions a run that may be cancelled executes between two looks at that: a few milliseconds.
const cancelSlice = 1 << 20

// A thread is what a run needs besides its Run. It is kept in the pool of the Machine that starts it.
type thread struct {
	regs  [256]uint64 // r0 to r10; the rest is there so that an index of a byte needs no check
	depth int         // calls that the run is in
	left  int         // of the budget; valid while the loop is not running
	rest  int         // of the budget beyond left: what the thread gets in slices, if the run may be cancelled
	run   *helpers.Run
	m     *Machine // whose helper is running

	cleared int // frames that this run has cleared
	frames  [helpers.StackFrames]frame
	call    helpers.Call
	invoke  func(fn uint64, args *[5]uint64) (uint64, error) // callback, bound once
	later   func(fn uint64) (helpers.Callback, error)        // callLater, bound once
	size    func(id uint32) uint32                           // typeSize, bound once
	state   State
	kernel  [8]byte // scratch
	step    [3]code // the instruction that observe executes by itself, and where it goes: on, or where a jump leads
}

// A frame is what returning from a function restores, and its own budget of may_gotos.
type frame struct {
	saved   [5]uint64 // r6 to r10 of the caller
	m       *Machine  // of the caller
	ip      *code     // to return to
	mayGoto uint32
	base    int32 // of the frame where the program has begun that runs in this one
}

func newThread() *thread {
	t := new(thread)
	t.invoke, t.later, t.size = t.callback, t.callLater, t.typeSize
	return t
}

// start runs the function at an instruction in frame 0.
func (t *thread) start(m *Machine, r *helpers.Run, insn int, args *[5]uint64) (r0 uint64, err error) {
	if r == nil || r.Space != m.space {
		return 0, &Trap{Program: m.prog.Name, Insn: insn, Reason: "the Run is not one of the Machine's Space"}
	}
	clear(t.regs[:10])
	copy(t.regs[1:], args[:])
	t.run, t.depth, t.cleared, t.left, t.rest = r, 0, 0, int(m.opts.Budget), 0
	if r.Cancel != nil && t.left > cancelSlice {
		t.left, t.rest = cancelSlice, t.left-cancelSlice
	}
	t.frames[0].mayGoto, t.frames[0].base = m.opts.MayGoto, 0
	t.frame()
	t.call.Run = r
	// A helper may run another program on the same Run: what it had is put back.
	invoke, later, size, tail, calls := r.Invoke, r.Later, r.TypeSize, r.Tail, r.TailCalls
	r.Invoke, r.Later, r.TypeSize, r.Tail, r.TailCalls = t.invoke, t.later, t.size, nil, 0
	r0, err = t.loop(m, insn)
	r.Invoke, r.Later, r.TypeSize, r.Tail, r.TailCalls = invoke, later, size, tail, calls
	if err != nil {
		r.Finish()
		r0, err = thrown(err)
	}
	t.run, t.m, t.call.Run = nil, nil, nil
	return r0, err
}

// more is what a run that has used up its slice of the budget may go on with, in instructions: 0 if it is to end.
func (t *thread) more() int {
	if t.rest == 0 || t.run.Cancelled() != nil {
		return 0
	}
	n := min(t.rest, cancelSlice)
	t.rest -= n
	return n
}

// ended is why a run that gets no more has ended.
func (t *thread) ended() error {
	if t.rest > 0 {
		return helpers.ErrCancelled
	}
	return ErrBudget
}

// frame points r10 to the frame of the current depth. Frames are cleared when a run first uses them, so that runs
// of programs that read what they have not written are repeatable too.
func (t *thread) frame() {
	a := t.run.Stack + memory.Addr(t.depth*helpers.FrameStride)
	if t.cleared <= t.depth {
		t.cleared = t.depth + 1
		clear(t.run.Space.Bytes(a, helpers.FrameSize))
	}
	t.regs[10] = uint64(a) + helpers.FrameSize
}

// enter opens a frame; leave will restore r6 to r10 and return to ip, in m.
func (t *thread) enter(m *Machine, ip *code) {
	t.depth++
	f := &t.frames[t.depth]
	f.m, f.ip, f.mayGoto, f.base = m, ip, m.opts.MayGoto, t.frames[t.depth-1].base
	copy(f.saved[:], t.regs[6:11])
	t.frame()
}

// full tells that the program is in as many calls as it may be in.
func (t *thread) full() bool { return t.depth-int(t.frames[t.depth].base) == maxDepth }

// leave closes the frame that enter opened.
func (t *thread) leave() (*Machine, *code) {
	f := &t.frames[t.depth]
	copy(t.regs[6:11], f.saved[:])
	t.depth--
	return f.m, f.ip
}

// callback is helpers.Run.Invoke: a helper that m has called calls a function of m.
func (t *thread) callback(fn uint64, args *[5]uint64) (uint64, error) {
	m := t.m
	insn, ok := helpers.FuncInsn(fn)
	if !ok || insn >= len(m.prog.Insns) {
		return 0, fmt.Errorf("no function of the program at %#x", fn)
	}
	if t.full() {
		return 0, errors.New(tooDeep)
	}
	if t.left <= 0 {
		if t.left += t.more(); t.left <= 0 {
			return 0, t.ended()
		}
	}
	saved := t.call.Args
	t.enter(m, nil)
	copy(t.regs[1:6], args[:])
	r0, err := t.loop(m, insn)
	if err != nil {
		return 0, err
	}
	t.leave()
	t.m, t.call.Args = m, saved
	return r0, nil
}

// callLater is helpers.Run.Later.
func (t *thread) callLater(fn uint64) (helpers.Callback, error) {
	m := t.m
	insn, ok := helpers.FuncInsn(fn)
	if !ok || insn >= len(m.prog.Insns) {
		return nil, fmt.Errorf("no function of the program at %#x", fn)
	}
	return func(r *helpers.Run, args *[5]uint64) (uint64, error) { return m.Call(r, insn, args) }, nil
}

// typeSize is helpers.Run.TypeSize.
func (t *thread) typeSize(id uint32) uint32 {
	b := t.m.prog.BTF
	if b == nil || b.Spec == nil {
		return 0
	}
	typ, err := b.Spec.TypeByID(btf.TypeID(id))
	if err != nil {
		return 0
	}
	n, err := btf.Sizeof(typ)
	if err != nil || n < 0 {
		return 0
	}
	return uint32(n)
}

// thrown is what a program returns that ended in an error: bpf_throw is none, its cookie is the return value.
func thrown(err error) (uint64, error) {
	var t *helpers.Throw
	if errors.As(err, &t) {
		return t.Cookie, nil
	}
	return 0, err
}

const tooDeep = "the call stack of 8 frames is too deep"

// helper calls the helper or kernel function of a call site.
func (t *thread) helper(m *Machine, c *code) error {
	site := &m.calls[c.imm]
	copy(t.call.Args[:], t.regs[1:6])
	t.m = m
	if site.proto != nil {
		if err := t.call.Check(site.proto); err != nil {
			return err
		}
	}
	r0, err := site.fn(&t.call)
	if err != nil {
		return err
	}
	t.regs[0] = r0
	return nil
}

// tail does bpf_tail_call: the Machine to go on with, or nil if the call failed.
func (t *thread) tail(m *Machine, c *code) (*Machine, error) {
	if err := t.helper(m, c); err != nil {
		return nil, err
	}
	element := t.run.Tail
	if element == nil {
		return nil, nil
	}
	t.run.Tail = nil
	var next *Machine
	if m.opts.Target != nil {
		next = m.opts.Target(element)
	} else {
		next, _ = element.(*Machine)
	}
	if next == nil {
		return nil, fmt.Errorf("the prog array holds a %T, which this engine cannot run", element)
	}
	if next.space != m.space {
		return nil, errors.New("the program tail called is not of the same Space")
	}
	t.frames[t.depth].mayGoto, t.frames[t.depth].base = next.opts.MayGoto, int32(t.depth)
	return next, nil
}

// trap ends the run.
func (t *thread) trap(m *Machine, pc int, reason string, err error) (uint64, error) {
	return 0, m.newTrap(pc, t.depth, reason, err)
}

// trapErr ends the run with an error that a helper gave: one from a callback is a Trap already.
func (t *thread) trapErr(m *Machine, pc int, err error) (uint64, error) {
	return 0, NewTrap(m.prog, pc, t.depth, err)
}

// badAccess is the trap of an access that the Space refused.
func (t *thread) badAccess(m *Machine, pc int, addr uint64, size uint32, want memory.Rights) error {
	err := m.space.Check(addr, size, want)
	if err == nil {
		// Another goroutine has made the bytes live between the two looks at them.
		return m.newTrap(pc, t.depth, "memory changed while it was accessed", nil)
	}
	return m.newTrap(pc, t.depth, err.Error(), err)
}

// callee is the name of the helper that the instruction calls; "" if it calls none.
func callee(p *object.Program, pc int) string {
	if pc >= len(p.Insns) {
		return ""
	}
	return calleeName(&p.Insns[pc])
}
