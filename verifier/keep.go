package verifier

import (
	"errors"
	"fmt"

	"github.com/skepbpf/skep/isa"
)

// This file keeps the states in which each instruction was walked, for those who want to look at them or to compare
// them with what a run has.
//
// The walk that gives the verdict compares scalars loosely: of those whose range has not mattered, it keeps the values
// of the first path alone. So the states are kept by a second walk, which compares all ranges. It finds more states, and
// what it costs is not in the Proof's Cost.

// maxKept is how many states are kept. They take some 4 KiB each.
const maxKept = 1 << 16

// kept are the states of a Proof.
type kept struct {
	w      *walk
	states [][]keptState // by instruction
	total  int
	err    error // of the second walk
}

// A keptState is a state and the slots of it that may still be read.
type keptState struct {
	*state
	live []uint64 // by frame
}

var errTooManyStates = errors.New("verifier: there are too many states to keep")

// keepStates walks the program of a proof again.
func keepStates(w *walk) (k *kept) {
	o := *w.opts
	o.LogLevel, o.KeepStates, o.Budget = 0, false, 4*maxKept
	k = &kept{states: make([][]keptState, len(w.insns))}
	second := &walk{p: w.p, insns: w.insns, opts: &o, k: w.k, keeper: k}
	k.w = second
	defer func() {
		if r := recover(); r != nil && !o.panics {
			k.err = fmt.Errorf("verifier: keeping states: %v", r)
		}
	}()
	if fault := second.prepare(); fault != nil {
		k.err = fault
		return k
	}
	if k.err = second.verify(); k.err != nil {
		return k
	}
	for pc := range k.states {
		for i := range k.states[pc] {
			s := &k.states[pc][i]
			q := second.queryLive(s.state)
			for n := range s.frames {
				s.live = append(s.live, q.slots(n))
			}
		}
	}
	return k
}

// add keeps the present state of the walk.
func (k *kept) add(w *walk) error {
	if k.total++; k.total > maxKept {
		return errTooManyStates
	}
	s := &state{}
	w.pool.copy(s, w.cur, false)
	s.insn, s.parent = w.pc, nil
	k.states[w.pc] = append(k.states[w.pc], keptState{state: s})
	return nil
}

// StatesErr tells why the states of a Proof are not known: nil if Options.KeepStates was set and they are.
func (p *Proof) StatesErr() error {
	if p.kept == nil {
		return errors.New("verifier: the states were not kept")
	}
	return p.kept.err
}

// States gives the states in which the instruction was walked, each as the log prints it, a line a frame. It is nil
// if there are none, or if they are not known.
func (p *Proof) States(pc int) (out []string) {
	if p.StatesErr() != nil || pc < 0 || pc >= len(p.kept.states) {
		return nil
	}
	w := p.kept.w
	for _, s := range p.kept.states[pc] {
		var b []byte
		for n := range s.frames {
			if n > 0 {
				b = append(b, '\n')
			}
			b = w.log.appendState(b, s.state, n, true)
		}
		out = append(out, string(b))
	}
	return out
}

// globalCall tells that the instruction calls a function that is verified by itself.
func (w *walk) globalCall(pc int) bool {
	i := &w.insns[pc]
	return i.Op == isa.CallSub && w.in.Subprogs[w.in.SubOf[i.Target(pc)]].Global
}
