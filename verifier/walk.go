package verifier

import (
	"fmt"
	"strings"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/verifier/domain"
	"github.com/skepbpf/skep/verifier/internal/prepare"
)

// A walk executes a program abstractly, one path after the other.
type walk struct {
	p     *object.Program
	in    *prepare.Info
	insns []isa.Insn
	opts  *Options
	k     *linux.Kernel
	prog  *linux.Prog
	types *kernelTypes
	maps  []*mapInfo

	cur   *state
	stack []pending
	pool  pool
	marks // stack liveness: which slots are read, and surely written, where
	seen  // checkpoints
	bt    backtrack

	pc, prev  int
	came      int   // instruction walked before this one, also while this one is
	here      *step // history entry of this instruction, nil if it has none yet
	nextID    uint32
	processed int
	jumps     int // jumps and calls walked

	subs   []subInfo
	kfuncs map[int32]*kfunc // called, by id
	thrown bool             // bpf_throw is called somewhere
	at     []insnInfo
	noted  []noted
	ids    idMap
	imm    reg    // the present instruction's constant
	tmp    [2]reg // scratch: a reg whose address is taken would be allocated
	old    bool   // the kernel does not know all instructions

	spillIDs    bool        // spilled scalars get ids
	less        domain.Less // what the kernel does not conclude of numbers
	oldSpills   bool        // spilled scalars are filled by as many bytes only
	prep        prepare.Options
	strictStack bool // the stack may not be read below what was written

	strict bool  // BPF_F_STRICT_ALIGNMENT
	freq   bool  // BPF_F_TEST_STATE_FREQ
	entry  int   // subprogram being verified
	proven bool  // the walk has ended, and nothing was refused
	keeper *kept // of the walk that keeps states: it compares all ranges

	log logger
}

// subInfo is what the walk learns of a subprogram.
type subInfo struct {
	depth    int  // bytes of stack
	extra    int  // bytes of stack that the kernel adds for may_goto
	called   bool // global: called from somewhere that is walked
	verified bool // global: walked on its own
	callback bool
	async    bool
	sigSaid  bool // why its type cannot be used has been logged
	fastcall bool // the slots of saves around calls are not used otherwise, so far
}

// insnInfo is what one walk of an instruction fixes for all others.
type insnInfo struct {
	walked    bool
	base      regType // memory access: type of pointer
	baseFlags regFlags
	baseSet   bool

	loopSeen, loopInline bool // bpf_loop: walked before; may be written out so far
	loopSub              int

	forEach *mapInfo // bpf_for_each_map_elem: map of an earlier walk
}

// A pending is a branch that is to be walked.
type pending struct {
	st       *state
	pc, prev int
	logPos   int
}

// A refusal ends the walk.
type refusal struct {
	errno int
	code  string
	text  string
}

func (r *refusal) Error() string { return r.text }

// An unmodelled ends the walk without a verdict.
type unmodelled struct{ feature string }

func (u *unmodelled) Error() string { return u.feature }

func unsupported(format string, args ...any) error { return &unmodelled{fmt.Sprintf(format, args...)} }

// Numbers of Linux errors.
const (
	eperm      = 1
	enoent     = 2
	e2big      = 7
	enomem     = 12
	eacces     = 13
	efault     = 14
	einval     = 22
	eproto     = 71
	eopnotsupp = 95
	enotsupp   = 524
)

// refuse ends the walk with the kernel's message, which may be several lines.
func (w *walk) refuse(errno int, code, format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if w.k.Version != linux.Default.Version {
		text = w.otherWords(text)
	}
	if w.log.on() {
		w.log.line(text)
	}
	return &refusal{errno, code, text}
}

// line notes something that the kernel says without refusing, or before it does.
func (w *walk) line(format string, args ...any) {
	if w.log.on() {
		w.log.line(fmt.Sprintf(format, args...))
	}
}

func (w *walk) newID() uint32 { w.nextID++; return w.nextID }

// run walks from the first instruction of a subprogram until no branch is left.
func (w *walk) run() error {
	for {
		w.here = nil
		if w.pc < 0 || w.pc >= len(w.insns) {
			return w.refuse(efault, "internal", "invalid insn idx %d insn_cnt %d", w.pc, len(w.insns))
		}
		w.processed++
		if w.processed > w.budget() {
			return w.refuse(e2big, "too-complex", "BPF program is too large. Processed %d insn", w.processed)
		}
		w.cur.lastInsn, w.came = w.prev, w.prev
		w.cur.insn = w.pc
		flags := w.in.Flags[w.pc]
		if flags&prepare.PrunePoint != 0 {
			safe, err := w.visit()
			if err != nil {
				return err
			}
			if safe {
				w.log.safe(w)
				done, err := w.next()
				if done || err != nil {
					return err
				}
				continue
			}
		}
		if flags&prepare.JumpPoint != 0 {
			w.note(nil)
		}
		w.log.insn(w)
		w.at[w.pc].walked = true
		w.noteBefore(w.pc)
		if w.keeper != nil {
			if err := w.keeper.add(w); err != nil {
				return err
			}
		}
		w.prev = w.pc
		w.resetWrites()
		done, err := w.step()
		if err == nil {
			w.commitWrites()
			w.noteAfter(w.prev)
		}
		if err != nil {
			return err
		}
		if done {
			if done, err := w.next(); done || err != nil {
				return err
			}
		}
	}
}

func (w *walk) budget() int {
	if w.opts.Budget > 0 {
		return w.opts.Budget
	}
	return w.k.Limit(linux.LimitProcessed)
}

// next takes up the branch that was put off last. It tells that there is none.
func (w *walk) next() (done bool, err error) {
	w.log.scratchAll()
	w.solveCalls(w.cur)
	if err := w.finish(w.cur); err != nil {
		return false, err
	}
	n := len(w.stack) - 1
	if n < 0 {
		return true, nil
	}
	b := w.stack[n]
	w.stack = w.stack[:n]
	w.pool.free(w.cur)
	w.cur, w.pc, w.prev = b.st, b.pc, b.prev
	w.inst = nil
	w.log.popped(b.logPos)
	return false, nil
}

// push puts off a branch: what the present state is now, going on at pc.
func (w *walk) push(pc, prev int) (*state, error) {
	s := w.pool.state()
	w.pool.copy(s, w.cur, true)
	return s, w.pushState(s, pc, prev)
}

func (w *walk) pushState(s *state, pc, prev int) error {
	w.stack = append(w.stack, pending{s, pc, prev, w.log.pos()})
	if len(w.stack) > w.k.Limit(linux.LimitJumps) {
		return w.refuse(enomem, "too-many-branches", "The sequence of %d jumps is too complex.", len(w.stack))
	}
	if s.parent != nil {
		s.parent.branches++
	}
	return nil
}

// note puts the instruction into the history of the path, for those who walk it back.
func (w *walk) note(linked *linkedRegs) *step {
	if w.here == nil {
		w.cur.history = append(w.cur.history, step{insn: int32(w.pc), prev: int32(w.came)})
		w.here = &w.cur.history[len(w.cur.history)-1]
	}
	if linked != nil {
		w.here.linked = *linked
	}
	return w.here
}

// noteStack notes that the instruction spills to or fills from a slot.
func (w *walk) noteStack(frame, slot int) {
	h := w.note(nil)
	h.stack, h.frame, h.slot = true, uint8(frame), uint8(slot)
}

// step walks the instruction at w.pc and moves w.pc on. It tells that the path has ended.
func (w *walk) step() (done bool, err error) {
	i := &w.insns[w.pc]
	if i.Op == isa.LdAbs || i.Op == isa.LdInd {
		return false, w.loadPacket(i)
	}
	if f := isa.Check(w.insns, w.pc); f != nil {
		return false, w.refuse(f.Errno, "reserved-fields", "%s", f.Message)
	}
	if w.old {
		if err := w.unknownFields(i); err != nil {
			return false, err
		}
	}
	switch {
	case i.Op.IsALU():
		err = w.alu(i)
	case i.Op.IsCond():
		w.jumps++
		return false, w.branch(i)
	case i.Op.IsAtomic():
		err = w.atomic(i)
	default:
		switch i.Op {
		case isa.Load, isa.LoadSX:
			err = w.load(i)
		case isa.Store:
			err = w.store(i)
		case isa.StoreImm:
			err = w.storeImm(i)
		case isa.LdImm64:
			if err = w.loadImm64(i); err != nil {
				return false, err
			}
			w.pc += 2
			return false, nil
		case isa.Ja:
			w.jumps++
			w.pc = i.Target(w.pc)
			return false, nil
		case isa.MayGoto:
			return false, w.mayGoto(i)
		case isa.Call:
			w.jumps++
			return false, w.callHelper(i)
		case isa.CallSub:
			w.jumps++
			return false, w.callSub(i)
		case isa.CallKfn:
			w.jumps++
			return w.callKfunc(i)
		case isa.Exit:
			w.jumps++
			return w.exit()
		default:
			return false, unsupported("instruction %#02x", i.Opcode)
		}
	}
	if err != nil {
		return false, err // about this instruction
	}
	w.pc++
	return false, nil
}

// verify is the walk over the main program and the functions that stand for themselves: all of them, and before it, where
// the kernel does not look at those alone that are called.
func (w *walk) verify() error {
	eager := !w.k.Has(linux.FeatureGlobalFuncLazy)
	if eager {
		for n := range w.subs {
			w.subs[n].called = true
		}
		if err := w.globals(); err != nil {
			return err
		}
	}
	if err := w.enter(0); err != nil {
		return err
	}
	if !eager {
		if err := w.globals(); err != nil {
			return err
		}
	}
	if err := w.stackDepths(); err != nil {
		return err
	}
	if err := w.exceptionCalls(); err != nil {
		return err
	}
	if err := w.missingKfuncs(); err != nil {
		return err
	}
	return w.jitted()
}

// exceptionCalls refuses calls of the exception callback, as the kernel does when it writes calls out: by their place
// once code that is never reached is gone.
func (w *walk) exceptionCalls() error {
	at := 0
	for pc := range w.insns {
		i := &w.insns[pc]
		if !w.at[pc].walked && i.Op != isa.LdImm64Hi {
			continue
		}
		if i.Op == isa.CallSub && w.in.Subprogs[w.in.SubOf[i.Target(pc)]].IsException {
			return w.refuse(einval, "exception-call", "insn %d cannot call exception cb directly", at)
		}
		at++
	}
	return nil
}

// globals verifies each global function that something calls, on its own: those that newly verified ones call too.
func (w *walk) globals() error {
	for again := true; again; {
		again = false
		for n := 1; n < len(w.subs); n++ {
			s, sub := &w.in.Subprogs[n], &w.subs[n]
			if !s.Global || sub.verified || !sub.called && !s.IsException {
				continue
			}
			if err := w.enter(n); err != nil {
				return err
			}
			sub.verified = true
			w.line("Func#%d ('%s') is safe for any args that match its prototype", n, s.Name)
			again = true
		}
	}
	return nil
}

func lastLine(s string) string {
	s = strings.TrimRight(s, "\n")
	if i := strings.LastIndexByte(s, '\n'); i >= 0 {
		return s[i+1:]
	}
	return s
}
