package verifier

import (
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
)

// A byteKind is what one byte of the stack holds.
type byteKind uint8

const (
	kindInvalid byteKind = iota // never written, or dead
	kindSpill                   // part of a spilled register
	kindMisc                    // some number
	kindZero                    // zero
	kindDynptr                  // part of a dynptr; slot.spill describes it
	kindIter                    // part of an iterator, likewise
	kindIRQ                     // saved interrupt flags, likewise
)

const (
	slotSize  = 8
	stackSize = 512
)

// A slot is 8 bytes of stack, counted downwards as the stack grows: kind[0] is the byte at the highest address,
// kind[7] the one at the lowest. A spill of n bytes is kind[8-n:].
type slot struct {
	spill reg
	kind  [slotSize]byteKind
}

// isObject tells that the slot is part of something that only the kernel may touch.
func (s *slot) isObject() bool { return s.kind[0] >= kindDynptr }

// isSpill tells that the slot holds a spilled register (of any width).
func (s *slot) isSpill() bool { return s.kind[slotSize-1] == kindSpill }

// isScalarSpill tells that the slot holds a spilled scalar.
func (s *slot) isScalarSpill() bool { return s.isSpill() && s.spill.typ == scalar }

// isScalarSpill64 tells that all eight bytes are one spilled scalar.
func (s *slot) isScalarSpill64() bool { return s.kind[0] == kindSpill && s.spill.typ == scalar }

// isMisc tells that all eight bytes are numbers of which nothing is known. What was never written reads as one:
// whoever loads a program with CAP_PERFMON may see it.
func (s *slot) isMisc() bool {
	for _, k := range s.kind {
		if k != kindMisc && k != kindInvalid {
			return false
		}
	}
	return true
}

// scrub turns what belongs to a spilled register into plain bytes.
func (s *slot) scrub() {
	for i, k := range s.kind {
		if k != kindInvalid {
			s.kind[i] = kindMisc
		}
	}
}

// A frame is one function's registers and stack.
type frame struct {
	regs [isa.NumRegs]reg
	// stack grows downwards: stack[i] is the 8 bytes at fp-8*(i+1).
	stack []slot

	callsite int // the call instruction in the caller; -1 if it was not called
	subprog  int
	no       int

	callback bool // called by a helper
	async    bool // called later, on a stack of its own
	ret      span // callback: values that it may return
	cbDepth  int  // how often a callback has been entered from here on this path
	entries  int  // how many asynchronous callbacks led here
}

// A span is a range of values, signed.
type span struct{ min, max int64 }

// A refKind says what a reference is.
type refKind uint8

const (
	refPtr refKind = iota
	refLock
	refIRQ // interrupts are off until they are restored
)

// A ref is a resource the program must give back.
type ref struct {
	kind refKind
	id   uint32
	insn int
	// lock identifies, with id, what is locked.
	lock container
}

// A state is what is known of every register and stack slot on one path.
type state struct {
	frames []*frame

	refs       []ref
	locks      int // held
	lockID     uint32
	lock       container
	rcu        int // nesting of bpf_rcu_read_lock
	preemptOff int
	sleepable  bool

	parent *state      // checkpoint this path came from
	kept   *checkpoint // the state is kept there, nil for one that is walked
	// branches counts the paths that go on from this state and are not finished.
	branches            int
	insn                int // where the state is
	firstInsn, lastInsn int
	history             []step // non-linear steps and stack accesses since the parent
	unroll              int    // how often callbacks were entered
	depth               int    // number of checkpoints before this one on its path
	mayGoto             int
	cleaned             bool
}

// top is the frame being executed.
func (s *state) top() *frame { return s.frames[len(s.frames)-1] }

// reg is a register of the frame being executed.
func (s *state) reg(r isa.Reg) *reg { return &s.frames[len(s.frames)-1].regs[r] }

// frameInsn is where a frame is: at a call, or where the state is.
func (s *state) frameInsn(n int) int {
	if n == len(s.frames)-1 {
		return s.insn
	}
	return s.frames[n+1].callsite
}

// each calls fn for every register and spilled register of the state.
func (s *state) each(fn func(*reg)) {
	for _, f := range s.frames {
		for i := range f.regs {
			fn(&f.regs[i])
		}
		for i := range f.stack {
			if f.stack[i].isSpill() {
				fn(&f.stack[i].spill)
			}
		}
	}
}

// sameCalls tells that both states are in the same calls of the same functions.
func (s *state) sameCalls(o *state) bool {
	if len(s.frames) != len(o.frames) {
		return false
	}
	for i := range s.frames {
		if s.frames[i].callsite != o.frames[i].callsite {
			return false
		}
	}
	return true
}

// A step is an entry of the history that backtracking walks: an instruction whose predecessor is not the one
// before it, or one whose stack access or linked registers matter.
type step struct {
	insn, prev int32
	stack      bool // a spill or fill of the slot
	frame      uint8
	slot       uint8
	dstStack   bool // a jump whose register Dst, or Src, points to the stack
	srcStack   bool
	linked     linkedRegs
}

// pool recycles states and frames: a walk copies millions of them. What is new comes from slabs, many at a time.
type pool struct {
	states []*state
	frames []*frame

	stateSlab []state
	frameSlab []frame
	ptrSlab   []*frame
	stepSlab  []step
	slotSlab  []slot
	keptSlab  []checkpoint
	refSlab   []ref

	histories [][]step // memory of histories that nobody has
}

// take cuts one element off a slab.
func take[T any](slab *[]T, size int) *T {
	if len(*slab) == 0 {
		*slab = make([]T, size)
	}
	t := &(*slab)[0]
	*slab = (*slab)[1:]
	return t
}

func (p *pool) frame() *frame {
	if n := len(p.frames); n > 0 {
		f := p.frames[n-1]
		p.frames = p.frames[:n-1]
		return f
	}
	return take(&p.frameSlab, 64)
}

// historyLen is as long as histories grow: then a checkpoint is made.
const historyLen = 48

func (p *pool) state() *state {
	var s *state
	if n := len(p.states); n > 0 {
		s = p.states[n-1]
		p.states = p.states[:n-1]
	} else {
		s = take(&p.stateSlab, 64)
		s.frames = cut(&p.ptrSlab, 2) // most states have no more
	}
	if cap(s.history) < historyLen {
		if n := len(p.histories); n > 0 {
			s.history = p.histories[n-1]
			p.histories = p.histories[:n-1]
		} else {
			s.history = cut(&p.stepSlab, historyLen)
		}
	}
	return s
}

// cut cuts memory for n elements off a slab.
func cut[T any](slab *[]T, n int) []T {
	if n > len(*slab) {
		*slab = make([]T, max(1024, n))
	}
	t := (*slab)[:0:n]
	*slab = (*slab)[n:]
	return t
}

// steps copies a history into as much memory as it takes.
func (p *pool) steps(h []step) []step { return append(cut(&p.stepSlab, len(h)), h...) }

// free gives a state and its frames back.
func (p *pool) free(s *state) {
	for _, f := range s.frames {
		p.freeFrame(f)
	}
	s.clear(s.frames[:0], s.history[:0], s.refs[:0])
	p.states = append(p.states, s)
}

// clear makes s the zero state, but for the memory that its slices have.
func (s *state) clear(frames []*frame, hist []step, refs []ref) {
	*s = state{frames: frames, history: hist, refs: refs}
}

func (p *pool) freeFrame(f *frame) {
	f.stack = f.stack[:0]
	p.frames = append(p.frames, f)
}

// copy makes dst what src is; the history is left out unless withHistory.
func (p *pool) copy(dst, src *state, withHistory bool) {
	for len(dst.frames) > len(src.frames) {
		n := len(dst.frames) - 1
		p.freeFrame(dst.frames[n])
		dst.frames = dst.frames[:n]
	}
	for len(dst.frames) < len(src.frames) {
		p.push(dst, p.frame())
	}
	frames, hist, refs := dst.frames, dst.history[:0], dst.refs[:0]
	*dst = *src
	if withHistory {
		hist = append(hist, src.history...)
	}
	if cap(refs) < len(src.refs) {
		refs = cut(&p.refSlab, (len(src.refs)+3)/4*4)
	}
	dst.frames, dst.history, dst.refs = frames, hist, append(refs, src.refs...)
	dst.kept = nil
	for i, f := range src.frames {
		d := dst.frames[i]
		stack := p.room(d.stack[:0], len(f.stack))
		stack = append(stack, f.stack...)
		*d = *f
		d.stack = stack
	}
}

// push adds a frame on top.
func (p *pool) push(s *state, f *frame) {
	if len(s.frames) == cap(s.frames) {
		s.frames = append(cut(&p.ptrSlab, linux.MaxFrames), s.frames...)
	}
	s.frames = append(s.frames, f)
}

// room is a stack that has memory for n slots.
func (p *pool) room(stack []slot, n int) []slot {
	if n <= cap(stack) {
		return stack
	}
	return append(cut(&p.slotSlab, (n+7)/8*8), stack...)
}

// grow makes a frame hold at least n bytes of stack.
func (p *pool) grow(f *frame, n int) {
	f.stack = p.room(f.stack, (n+slotSize-1)/slotSize)
	for len(f.stack)*slotSize < n {
		f.stack = append(f.stack, slot{})
	}
}
