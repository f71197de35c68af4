package verifier

import (
	"encoding/binary"
	"fmt"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/object"
)

// This file compares what a run has in its registers and on its stack with the states of a Proof.

// A Concrete is what a run has before an instruction.
type Concrete struct {
	Frames []ConcreteFrame // that of the program first

	Ctx                           uint64 // address of the context
	Packet, PacketEnd, PacketMeta uint64 // 0: there is no packet
	// Value finds the value of the map that the address lies in: where it starts.
	Value func(m *object.Map, addr uint64) (start uint64, ok bool)
	// Readable tells that n bytes from the address on may be read. Nil: that is not known.
	Readable func(addr uint64, n uint32) bool
}

// A ConcreteFrame is one function's part of a Concrete.
type ConcreteFrame struct {
	Insn  int // the next instruction, or the call that the frame behind it comes from
	Regs  [isa.NumRegs]uint64
	Stack []byte // what R10 points behind: the last byte is at R10-1
}

// Covers tells whether the run is in one of the states in which the Proof has the next instruction. Numbers must lie in
// their ranges, pointers point where they should as far as the Concrete tells. What is not read any more does not matter.
// It is false if the states are not known.
func (p *Proof) Covers(c *Concrete) bool { return p.misfit(c, false) == "" }

// Misfit says how the run differs from the last of the states that has the same calls; "" if one of them covers it.
func (p *Proof) Misfit(c *Concrete) string { return p.misfit(c, true) }

func (p *Proof) misfit(c *Concrete, say bool) string {
	if err := p.StatesErr(); err != nil {
		return err.Error()
	}
	w := p.kept.w
	frames := c.Frames
	for n := len(frames) - 2; n >= 0; n-- {
		if w.globalCall(frames[n].Insn) {
			frames = frames[n+1:]
			break
		}
	}
	pc := frames[len(frames)-1].Insn
	why := fmt.Sprintf("instruction %d was not walked with these calls", pc)
	for i := range p.kept.states[pc] {
		s := &p.kept.states[pc][i]
		if !w.sameFrames(s.state, frames) {
			continue
		}
		f := fitter{w: w, c: c, frames: frames, say: say}
		if f.state(s) {
			return ""
		}
		why = f.why
		if !say {
			why = "no"
		}
	}
	return why
}

// sameFrames tells that the state is in the same calls.
func (w *walk) sameFrames(s *state, frames []ConcreteFrame) bool {
	if len(s.frames) != len(frames) || s.frames[0].subprog != w.in.SubOf[frames[0].Insn] {
		return false
	}
	for n := 1; n < len(frames); n++ {
		if s.frames[n].callsite != frames[n-1].Insn || s.frames[n].subprog != w.in.SubOf[frames[n].Insn] {
			return false
		}
	}
	return true
}

// A fitter compares a run with one state.
type fitter struct {
	w      *walk
	c      *Concrete
	frames []ConcreteFrame
	say    bool
	why    string
}

func (f *fitter) state(s *keptState) bool {
	for n, af := range s.frames {
		cf := &f.frames[n]
		live := f.w.in.LiveIn[s.frameInsn(n)]
		for i := range isa.R10 {
			if live>>i&1 != 0 && !f.fits(&af.regs[i], cf.Regs[i]) {
				f.note(s, n, fmt.Sprintf("R%d is %#x", i, cf.Regs[i]))
				return false
			}
		}
		for i := range af.stack {
			if s.live[n]>>i&1 != 0 && !f.slotFits(&af.stack[i], cf.Stack, i) {
				f.note(s, n, fmt.Sprintf("fp-%d is %x", 8*(i+1), cf.Stack[len(cf.Stack)-8*(i+1):len(cf.Stack)-8*i]))
				return false
			}
		}
	}
	return true
}

func (f *fitter) note(s *keptState, n int, what string) {
	if f.say {
		f.why = fmt.Sprintf("%s in frame %d, not in%s", what, n, f.w.log.appendState(nil, s.state, n, true))
	}
}

// slotFits compares 8 bytes of the stack.
func (f *fitter) slotFits(s *slot, stack []byte, i int) bool {
	top := len(stack) - 8*i
	if top < slotSize {
		return true // not in the frame
	}
	b := stack[top-slotSize : top]
	width := 0
	for k, kind := range s.kind { // kind[0] is the byte at the highest address
		switch kind {
		case kindZero:
			if b[slotSize-1-k] != 0 {
				return false
			}
		case kindSpill:
			width++
		}
	}
	if width == 0 || s.spill.typ == notInit || !s.isSpill() {
		return true
	}
	v := binary.LittleEndian.Uint64(b)
	if width == slotSize {
		return f.fits(&s.spill, v)
	}
	if s.spill.typ != scalar {
		return true
	}
	n := s.spill.num
	n.Truncate(uint(width))
	return n.Contains(v & (1<<(8*width) - 1))
}

// fits tells that a register that holds v may be r.
func (f *fitter) fits(r *reg, v uint64) bool {
	if r.canBeNull() && v == 0 {
		return true
	}
	c := f.c
	far := v - uint64(int64(r.off)) // the object's start and the variable distance
	switch r.typ {
	case scalar:
		return r.num.Contains(v)
	case ptrCtx:
		return r.num.Contains(far - c.Ctx)
	case ptrStack:
		return int(r.frame) < len(f.frames) && r.num.Contains(far-f.frames[r.frame].Regs[isa.R10])
	case pkt:
		return c.PacketEnd == 0 || r.num.Contains(far-c.Packet) && (r.rng <= 0 || c.PacketEnd-far >= uint64(r.rng))
	case pktMeta:
		return c.PacketEnd == 0 || r.num.Contains(far-c.PacketMeta) && (r.rng <= 0 || c.Packet-far >= uint64(r.rng))
	case pktEnd:
		return c.PacketEnd == 0 || v == c.PacketEnd
	case mapValue:
		return f.valueFits(r, far)
	case mem:
		if r.num.IsConst() && r.flags&untrusted == 0 && c.Readable != nil {
			return c.Readable(far-r.num.Bits.Value, r.memSize)
		}
	}
	return r.typ == notInit || v != 0
}

// valueFits tells that far may be a variable distance behind the start of a value of the map.
func (f *fitter) valueFits(r *reg, far uint64) bool {
	if f.c.Value == nil || r.m == nil || r.m.inner != nil && r.canBeNull() {
		return true // of a map in a map, it is the inner map
	}
	if r.num.IsConst() {
		at := far - r.num.Bits.Value
		start, ok := f.c.Value(r.m.Map, at)
		return ok && start == at
	}
	for _, at := range []uint64{far, far + uint64(int64(r.off)), far - r.num.UMin, far - r.num.UMax} {
		if start, ok := f.c.Value(r.m.Map, at); ok && r.num.Contains(far-start) {
			return true
		}
	}
	// It points outside, which is fine as long as nobody looks there: which value it started from cannot be told.
	return r.num.UMax >= uint64(r.m.ValueSize) || r.num.SMin < 0
}
