package jit

import (
	"errors"
	"fmt"
	"slices"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/jit/layout"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/verifier"
)

// A compiler makes native code of a program. It is used again and again, and keeps its memory.
type compiler struct {
	prog  *object.Program
	insns []isa.Insn
	proof *verifier.Proof
	opts  *Options
	b     backend
	host  backend // the host's; nil until it is needed

	facts   []verifier.Fact
	liveAt  []regSet
	knownAt []known
	target  []bool // somebody jumps there
	loops   []bool // jumps backwards lead there
	heads   []bool // jumps backwards lead there, and it is to count them
	funcs   []function
	th      thunks
	stubs   map[int]layout.Label        // of hash tables, by index of the map
	kfuncs  map[int]*helpers.KernelFunc // looked for so far
	arena   bool
	needs   need

	fn    *function
	pc    int // being emitted
	sites []site
	cold  []coldCode
	// parts is what has been written, if somebody wants to know: see Program.List.
	list  bool
	parts []mark
	flags int // the last instruction whose result the flags tell of, if the backend has such
}

// coldCode is what is seldom executed, and written after the function: what write writes, or if that is nil an exit.
type coldCode struct {
	at    layout.Label
	pc    int // the instruction that it belongs to
	write func()
	site  int
	thunk layout.Label
}

// A need is a set of what programs want of a run beyond a stack.
type need uint32

const (
	needTask     need = 1 << iota // the current task in the context
	needCounters                  // the counters of the Env, too
	needFrame0                    // the program is the one that the run began with, or in its place
	needLower                     // the frame below is cleared; the next bits are for those below it
)

// lowerNeeds is the need of so many frames below.
func lowerNeeds(n int) need { return needLower<<n - needLower }

// A siteKind says why native code comes back.
type siteKind uint8

const (
	siteHelper siteKind = iota // call a helper or kernel function
	siteTail                   // bpf_tail_call
	siteSlow                   // execute one instruction
	sitePoll                   // the count is up
)

// A site is a place where native code leaves, and what is to be done then.
type site struct {
	kind siteKind
	main bool // in the main function
	pc   int32
	fn   helpers.Func
	tail *maps.Programs // of a tail call that is done in place, next time

	resume, end layout.Label
	resumeAt    uintptr // where to go on
	endAt       uintptr // the end of the function
	thunk       uintptr // how to get there
}

// code is what a compiler makes: relocatable, and the same for the same input.
type code struct {
	size  int
	sites []site
	needs need

	start, invoke, resume, resumeAll uintptr // thunks
	main, mainTail                   uintptr // main function, and its place after the stack was cleared
	funcs                            map[int]uintptr
	depth0                           int // bytes of stack of the main function
	lower                            int // frames below it that are to be cleared
	parts                            []Part
}

// relocate makes addresses of what are offsets.
func (c *code) relocate(base uintptr) {
	for _, a := range []*uintptr{&c.start, &c.invoke, &c.resume, &c.resumeAll, &c.main, &c.mainTail} {
		*a += base
	}
	for pc := range c.funcs {
		c.funcs[pc] += base
	}
	for i := range c.sites {
		s := &c.sites[i]
		s.resumeAt += base
		s.endAt += base
		s.thunk = c.resumeAll
		if s.kind == siteHelper || s.kind == siteTail {
			s.thunk = c.resume
		}
	}
}

// errUnsupported is what a backend cannot do.
var errUnsupported = errors.New("jit: an instruction has no native form")

// forget lets go of the program that was compiled, and keeps the memory.
func (c *compiler) forget() {
	c.proof, c.prog, c.insns, c.opts, c.b, c.fn = nil, nil, nil, nil, nil, nil
	clear(c.kfuncs)
	clear(c.sites[:cap(c.sites)])
	clear(c.cold[:cap(c.cold)])
}

// compile makes the code. The bytes are the compiler's, and hold until it is used again.
func (c *compiler) compile(proof *verifier.Proof, o *Options, b backend) (out *code, text []byte, err error) {
	c.proof, c.prog, c.opts, c.b = proof, proof.Program(), o, b
	c.insns = c.prog.Insns
	n := len(c.insns)
	c.sites, c.cold, c.parts = c.sites[:0], c.cold[:0], c.parts[:0]
	c.facts = resize(c.facts, n+1)
	c.arena, c.needs = false, 0
	for _, m := range o.Maps {
		if m != nil && m.Spec().Type == maps.Arena {
			c.arena = true
		}
	}
	for pc := range n {
		c.facts[pc] = proof.Facts(pc)
		if _, ok := baseOf(&c.insns[pc]); ok && c.arena {
			c.facts[pc] |= verifier.ForeignBase // pointers into arenas are scalars
		}
	}
	bld := b.builder()
	bld.Reset(n + 1)
	c.findFunctions()
	c.findLoops()
	c.flow()
	t := &c.th
	for _, l := range []*layout.Label{&t.start, &t.invoke, &t.resume, &t.resumeAll, &t.all, &t.done} {
		*l = bld.Label()
	}
	for n := range t.call {
		t.call[n] = bld.Label()
	}
	for k := range c.funcs {
		c.funcs[k].body, c.funcs[k].epilogue = bld.Label(), bld.Label()
	}
	mainTail := bld.Label()
	c.mark(-1, 0, Entry)
	b.thunks(t)
	c.hashStubs()
	c.lives()
	depth0 := 0
	if d := proof.Cost.StackDepth; len(d) > 0 {
		depth0 = (d[0] + 15) &^ 15 // what clears goes by 16
	}
	for k := range c.funcs {
		if !c.live(c.funcs[k].start) {
			continue
		}
		if err := c.function1(&c.funcs[k], depth0, mainTail); err != nil {
			return nil, nil, err
		}
	}
	placed, err := bld.Place(b.encoding())
	if err != nil {
		return nil, nil, err
	}
	at := func(l layout.Label) uintptr { return uintptr(placed.Offset(l)) }
	out = &code{size: len(placed.Code), sites: slices.Clone(c.sites), needs: c.needs, start: at(t.start), invoke: at(t.invoke), resume: at(t.resume),
		resumeAll: at(t.resumeAll), main: at(c.funcs[0].body), mainTail: at(mainTail), funcs: map[int]uintptr{}, depth0: depth0}
	for k := range c.funcs {
		if f := &c.funcs[k]; c.live(f.start) {
			out.funcs[f.start] = at(f.body)
		}
	}
	for i, d := range proof.Cost.StackDepth {
		if i > 0 && d > 0 {
			out.lower = c.funcs[0].depth
		}
	}
	out.needs |= lowerNeeds(out.lower)
	for i := range out.sites {
		s := &out.sites[i]
		s.resumeAt, s.endAt = at(s.resume), at(s.end)
	}
	for _, m := range c.parts {
		m.Start = placed.Offset(m.at)
		out.parts = append(out.parts, m.Part)
	}
	return out, placed.Code, nil
}

// hashStubs writes the lookups of the hash tables that the program looks up keys in.
func (c *compiler) hashStubs() {
	clear(c.stubs)
	for pc := range c.insns {
		if i := &c.insns[pc]; i.Op != isa.Call || i.Imm != linux.HelperMapLookupElem || !c.live(pc) || c.opts.Helper != nil {
			continue
		}
		index := c.proof.MapArg(pc)
		if index < 0 || index >= len(c.opts.Maps) || c.stubs[index] != 0 {
			continue
		}
		m, ok := c.opts.Maps[index].(*maps.HashMap)
		if !ok {
			continue
		}
		l := m.Layout()
		if l.KeySize == 0 || l.KeySize > maxInlineKey {
			continue
		}
		bld := c.b.builder()
		stub := bld.Label()
		bld.Bind(stub)
		c.mark(-1, 0, "lookup in map "+c.prog.Maps[index].Name)
		if !c.b.hash(&l) {
			continue
		}
		if c.stubs == nil {
			c.stubs = map[int]layout.Label{}
		}
		c.stubs[index] = stub
	}
}

// live tells that the instruction may run.
func (c *compiler) live(pc int) bool { return c.facts[pc]&verifier.Walked != 0 }

// walkedLong is how often the head of a loop is walked by the verifier, round by round, before it is worth counting.
const walkedLong = 4096

// findLoops marks the heads of loops that may go round so often that they must be counted.
func (c *compiler) findLoops() {
	c.heads = resize(c.heads, len(c.insns)+1)
	c.loops = resize(c.loops, len(c.insns)+1)
	for k := range c.funcs {
		f := &c.funcs[k]
		for pc := f.start; pc < f.end; pc++ {
			i := &c.insns[pc]
			if i.Op != isa.Ja && !i.Op.IsCond() && i.Op != isa.MayGoto || !c.live(pc) {
				continue
			}
			head := i.Target(pc)
			if head > pc {
				continue
			}
			c.loops[head] = true
			long := f.kfuncs || f.mayGoto != 0 || c.proof.Walks(head) > walkedLong
			for at := head; at < pc && !long; at++ {
				if c.insns[at].Op == isa.CallSub {
					long = c.funcs[c.function(c.insns[at].Target(at))].loops
				}
			}
			c.heads[head] = c.heads[head] || long
		}
	}
}

// function1 emits a function.
func (c *compiler) function1(f *function, depth0 int, mainTail layout.Label) error {
	c.fn, c.flags = f, -1
	b := c.b
	bld := b.builder()
	bld.Align(32, 31)
	bld.Bind(f.body)
	c.mark(f.start, 0, "prologue")
	if f.main {
		b.clear(depth0)
		bld.Bind(mainTail)
		if !c.dead(f.start, isa.R0) {
			b.constant(isa.R0, 0) // a function of type void may end without having set it
		}
	}
	b.enter(f)
	for pc := f.start; pc < f.end; {
		if !c.live(pc) {
			pc++
			continue
		}
		c.pc = pc
		at := c.mark(pc, 1, "")
		c.bind(pc)
		n, err := c.emit(pc)
		if err != nil {
			return fmt.Errorf("instruction %d: %w", pc, err)
		}
		if c.list {
			c.parts[at].Count = n
		}
		for k := 1; k < n; k++ {
			bld.Bind(layout.Label(pc + k)) // within what was emitted together: nobody jumps there
		}
		pc += n
	}
	bld.Bind(f.epilogue)
	c.mark(f.start, 0, "epilogue")
	b.leave(f, c.th.done)
	for k := 0; k < len(c.cold); k++ {
		c.mark(c.cold[k].pc, 1, "out of line")
		cold := &c.cold[k]
		bld.Bind(cold.at)
		if cold.write == nil {
			b.exit(cold.site, cold.thunk)
			continue
		}
		cold.write()
	}
	c.cold = c.cold[:0]
	return nil
}

// bind puts the label of an instruction here, and what the head of a loop needs.
func (c *compiler) bind(pc int) {
	bld := c.b.builder()
	if c.loops[pc] {
		c.b.align()
	}
	bld.Bind(layout.Label(pc))
	if !c.heads[pc] {
		return
	}
	c.poll(pc)
}

// poll emits the count of a round of a loop.
func (c *compiler) poll(pc int) {
	resume := c.b.builder().Label()
	c.b.poll(pollCost, c.leaveCold(site{kind: sitePoll, pc: int32(pc), resume: resume}, c.th.all))
	c.b.builder().Bind(resume)
}

// pollCost is how many instructions a round of a loop counts for.
const pollCost = 8

// site makes a site of the function and gives its number.
func (c *compiler) site(s site) int {
	s.end, s.main = c.fn.epilogue, c.fn.main
	c.sites = append(c.sites, s)
	return len(c.sites) - 1
}
