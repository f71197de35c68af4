package jit

import (
	"errors"
	"fmt"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
)

// tailCall emits bpf_tail_call: a jump to where it led the last time, or if that is not known an exit. In a function that was
// called it is always an exit, as the other program takes the place of that function only. False: it is a call like others.
func (c *compiler) tailCall(pc int) bool {
	index := c.proof.MapArg(pc)
	if !c.fn.main || index < 0 || index >= len(c.opts.Maps) {
		return false
	}
	array, ok := c.opts.Maps[index].(*maps.Programs)
	if !ok {
		return false
	}
	resume := c.b.builder().Label()
	s := site{kind: siteTail, pc: int32(pc), fn: helpers.Lookup(linux.HelperTailCall).Call, tail: array, resume: resume}
	version, _ := array.Version()
	c.b.tailCall(version, c.leaveCold(s, c.th.call[3]))
	c.b.builder().Bind(resume)
	return true
}

// tail does bpf_tail_call: it makes the context go on in the other program, or after the call if that failed.
func (t *thread) tail(s *site, sp uintptr) error {
	c, p, r := t.ctx, t.p, t.run
	t.arguments()
	version := uint64(0)
	if s.tail != nil {
		_, v := s.tail.Version()
		version = v.Load() // before the element
	}
	r.TailCalls = int(c.tailed)
	r0, err := s.fn(&t.call)
	if err != nil {
		return err
	}
	c.tailed = uint64(r.TailCalls)
	c.regs[0] = r0
	c.entry, c.target = s.thunk, s.resumeAt
	element := r.Tail
	if element == nil {
		return nil
	}
	r.Tail = nil
	next := p.targetOf(element)
	if next == nil || next.base == 0 {
		return t.tailInterpreted(s, element)
	}
	if next.space != p.space {
		return errors.New("the program tail called is not of the same Space")
	}
	t.clearFor(next.code, t.depth())
	t.provide(next.code.needs)
	if s.main {
		if s.tail != nil {
			t.remember(s.tail, version, uint32(c.regs[isa.R3]), next)
		}
		c.sp = sp
		t.p = next
		c.entry, c.target = next.code.start, next.code.mainTail
		return nil
	}
	// A function that is in a call ends when the program does that takes its place.
	l := t.push()
	t.p = next
	c.lack |= needFrame0
	c.entry, c.target = next.code.start, next.code.mainTail
	enter(c)
	r0, err = t.loop(l.sp)
	if err != nil {
		return err
	}
	t.pop(&l)
	c.regs[0] = r0
	c.entry, c.target = s.thunk, s.endAt
	return nil
}

// remember notes where a tail call has led, for native code. The program stays as long as the note does.
func (t *thread) remember(m *maps.Programs, version uint64, index uint32, next *Program) {
	array, _ := m.Version()
	n := tailOf(array, index)
	t.tails[n] = next
	t.ctx.tails[n] = tail{version: version, index: index, need: next.code.needs | needFrame0, target: next.code.mainTail,
		depth: uint64(next.code.depth0)}
}

// sync finds out which program is running, after native code has come back.
func (t *thread) sync() {
	if n, ok := t.ctx.jumped(); ok {
		t.p = t.tails[n]
	}
}

// tailInterpreted goes on in a program that has no native code.
func (t *thread) tailInterpreted(s *site, element any) error {
	m := t.p.machineOf(element)
	if m == nil {
		return fmt.Errorf("the prog array holds a %T, which this engine cannot run", element)
	}
	l := t.push()
	calls := t.run.TailCalls
	r0, err := m.Run(t.run)
	t.bind(t.run)
	t.run.TailCalls = calls
	if err != nil {
		return err
	}
	t.pop(&l)
	t.ctx.regs[0] = r0
	t.ctx.entry, t.ctx.target = s.thunk, s.endAt
	return nil
}

// clearFor clears what of the stack a program that is tail called, in a frame, may read and the ones before have not: a run finds
// zeros where it has not written.
func (t *thread) clearFor(next *code, frame int) {
	c, r := t.ctx, t.run
	if n := helpers.FrameSize - c.cleared; n > 0 {
		clear(r.Space.Bytes(r.Stack, uint32(n)))
		c.cleared = helpers.FrameSize
	}
	for ; t.lower < frame+next.lower; t.lower++ {
		clear(r.Space.Bytes(r.Stack+memory.Addr((t.lower+1)*helpers.FrameStride), helpers.FrameSize))
	}
}
