package jit

import (
	"fmt"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/jit/layout"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/maps"
)

// call emits a call of a helper or kernel function.
func (c *compiler) call(pc int, i *isa.Insn) (int, error) {
	if i.Op == isa.Call && c.opts.Helper == nil {
		if n := c.inline(pc, i); n > 0 {
			return n, nil
		}
	}
	s, args := site{pc: int32(pc)}, 5
	switch {
	case i.Op == isa.CallKfn:
		k := c.kfunc(pc)
		if k == nil {
			s.fn = missing(fmt.Errorf("no kernel function with BTF id %d", i.Imm))
			break
		}
		if n := c.inlineKfunc(pc, k); n > 0 {
			return n, nil
		}
		s.fn = k.Call
	default:
		if c.opts.Helper != nil {
			s.fn = c.opts.Helper(i.Imm)
		}
		if s.fn == nil {
			if h := helpers.Lookup(i.Imm); h != nil {
				s.fn = h.Call
			}
		}
		if s.fn == nil {
			s.fn = missing(fmt.Errorf("helper %s#%d is not simulated", helpers.ByID(i.Imm).Name, i.Imm))
		}
		if i.Imm == linux.HelperTailCall {
			s.kind = siteTail
		}
		args = c.arguments(i.Imm)
	}
	c.leave(s, c.th.call[args])
	return 1, nil
}

// arguments is how many arguments a helper takes.
func (c *compiler) arguments(id int32) int {
	p := helpers.ForProg(id, c.prog.Type, c.prog.AttachType, c.prog.Sleepable())
	if p == nil || c.opts.Helper != nil || id == linux.HelperTracePrintk {
		return 5
	}
	n := 0
	for n < len(p.Args) && p.Args[n].Kind != helpers.ArgNone {
		n++
	}
	return min(n, 5)
}

// missing is a function that is not there.
func missing(err error) helpers.Func { return func(*helpers.Call) (uint64, error) { return 0, err } }

// inline emits a helper in place, with the comparison of its result with 0 if that follows; 0 if it is to be called.
func (c *compiler) inline(pc int, i *isa.Insn) int {
	switch i.Imm {
	case linux.HelperMapLookupElem:
		return c.lookup(pc)
	case linux.HelperLoop:
		return c.loop(pc, i)
	case linux.HelperTailCall:
		if c.tailCall(pc) {
			return 1
		}
	case linux.HelperKtimeGetNs:
		return c.count(pc, i, ctxTicks, func() {
			c.b.alu(isa.Mul, 8, isa.R0, operand{imm: int32(helpers.ClockTick)})
			c.b.alu(isa.Add, 8, isa.R0, operand{imm: int32(helpers.ClockStart)})
		})
	case linux.HelperGetPrandomU32:
		return c.count(pc, i, ctxDraws, c.random)
	}
	if f, ok := contextFields[i.Imm]; ok {
		c.needs |= f.need
		c.b.field(f.off)
		return 1
	}
	return 0
}

// contextFields are the helpers that return a field of the context, with what that takes.
var contextFields = map[int32]struct {
	off  int32
	need need
}{
	linux.HelperGetSmpProcessorId:  {ctxCPU, 0},
	linux.HelperGetCurrentPidTgid:  {ctxPIDTGID, needTask},
	linux.HelperGetCurrentUidGid:   {ctxUIDGID, needTask},
	linux.HelperGetCurrentCGroupId: {ctxCgroup, needTask},
	linux.HelperGetCurrentTask:     {ctxTask, needTask},
	linux.HelperGetCurrentTaskBtf:  {ctxTask, needTask},
}

// loop emits bpf_loop, if its callback is loaded shortly before it: calls of it one after the other. Whatever the callback is then,
// another one, too many rounds or flags leave.
func (c *compiler) loop(pc int, i *isa.Insn) int {
	h := helpers.Lookup(i.Imm)
	at := pc - 1
	for ; at >= c.fn.start && at > pc-16; at-- {
		if l := &c.insns[at]; l.Op == isa.LdImm64 && l.Dst == isa.R2 {
			break
		}
	}
	if h == nil || at < c.fn.start || c.insns[at].Op != isa.LdImm64 || c.insns[at].Src != isa.PseudoFunc {
		return 0
	}
	f := &c.funcs[c.function(c.insns[at].Target(at))]
	if !c.live(f.start) {
		return 0
	}
	b := c.b
	resume := b.builder().Label()
	leave := c.leaveCold(site{pc: int32(pc), fn: h.Call, resume: resume}, c.th.call[4])
	b.constant(isa.R0, helpers.FuncAddr(f.start))
	b.branch(isa.Jne, 8, isa.R2, operand{reg: isa.R0, isReg: true}, false, leave)
	b.branch(isa.Jne, 8, isa.R4, operand{}, false, leave)
	b.branch(isa.Jgt, 4, isa.R1, operand{imm: helpers.MaxLoops}, false, leave)
	b.loop(f.body, f.frame, func() { c.poll(pc) })
	b.builder().Bind(resume)
	return 1
}

// count emits a helper whose result then makes of the new value, in r0, of a counter of the Env that it increments. An Env
// with a clock or random numbers of its own has no such counter: the helper is called.
func (c *compiler) count(pc int, i *isa.Insn, counter int32, then func()) int {
	h := helpers.Lookup(i.Imm)
	if h == nil {
		return 0
	}
	resume := c.b.builder().Label()
	ask := func() layout.Label {
		return c.leaveCold(site{pc: int32(pc), fn: h.Call, resume: resume}, c.th.call[0])
	}
	if !c.b.count(counter, ask) {
		return 0
	}
	c.needs |= needCounters
	then()
	c.b.builder().Bind(resume)
	return 1
}

// random makes the random number of how many were drawn: see helpers.RandomStep. Registers that calls do not preserve are
// free.
func (c *compiler) random() {
	multiply := func(v uint64) {
		c.b.constant(isa.R1, v)
		c.b.alu(isa.Mul, 8, isa.R0, operand{reg: isa.R1, isReg: true})
	}
	multiply(helpers.RandomStep)
	for _, r := range helpers.RandomRounds {
		c.b.mov(8, isa.R1, isa.R0)
		c.b.alu(isa.Rsh, 8, isa.R1, operand{imm: int32(r.Shift)})
		c.b.alu(isa.Xor, 8, isa.R0, operand{reg: isa.R1, isReg: true})
		multiply(r.Factor)
	}
	c.b.alu(isa.Rsh, 8, isa.R0, operand{imm: 32})
}

// lookedUp is the map that a call looks up in place; nil if it is not that.
func (c *compiler) lookedUp(pc int) maps.Map {
	i, index := &c.insns[pc], c.proof.MapArg(pc)
	if i.Op != isa.Call || i.Imm != linux.HelperMapLookupElem || c.opts.Helper != nil || index < 0 || index >= len(c.opts.Maps) {
		return nil
	}
	switch m := c.opts.Maps[index].(type) {
	case *maps.ArrayMap, *maps.MapArray:
		return m
	case *maps.HashMap:
		if _, ok := c.stubs[index]; ok {
			return m
		}
	}
	return nil
}

// lookup emits the lookup in a map that is known.
func (c *compiler) lookup(pc int) int {
	var write func(miss layout.Label)
	switch m := c.lookedUp(pc).(type) {
	case *maps.ArrayMap:
		l := m.Layout()
		write = func(miss layout.Label) { c.b.lookup(&l, miss) }
	case *maps.MapArray: // of handles, 0 where there is no map
		l := m.Layout()
		write = func(miss layout.Label) {
			c.b.lookup(&l, miss)
			c.b.load(8, false, isa.R0, isa.R0, 0)
			c.b.branch(isa.Jeq, 8, isa.R0, operand{}, false, miss)
		}
	case *maps.HashMap:
		stub := c.stubs[c.proof.MapArg(pc)]
		write = func(miss layout.Label) { c.b.callStub(stub, miss) }
	default:
		return 0
	}
	after := c.b.builder().Label()
	to := after
	c.base(pc, isa.R2)
	write(c.outOfLine(func() {
		c.b.constant(isa.R0, 0)
		c.b.jump(to)
	}))
	n, zero := c.nullCheck(pc + 1)
	if n > 0 {
		to = zero
		c.found(pc+1, zero)
	}
	c.b.builder().Bind(after)
	return 1 + n
}

// nullCheck recognises the comparison of r0 with 0: how many slots it has, 0 or 1, and where the way of 0 leads.
func (c *compiler) nullCheck(pc int) (n int, zero layout.Label) {
	if pc >= c.fn.end-1 || c.target[pc] || !c.live(pc) || !c.live(pc+1) {
		return 0, 0
	}
	i := &c.insns[pc]
	if i.Op != isa.Jeq && i.Op != isa.Jne || i.SrcReg || i.Imm != 0 || i.Dst != isa.R0 || i.Size != 8 || !c.live(i.Target(pc)) {
		return 0, 0
	}
	if i.Op == isa.Jeq {
		return 1, layout.Label(i.Target(pc))
	}
	return 1, layout.Label(pc + 1)
}
