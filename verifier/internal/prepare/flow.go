package prepare

import (
	"slices"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/linux"
)

// Next lists the slots that may be executed in the same function after pc: what follows, then where a jump goes.
func (in *Info) Next(pc int) (out [2]int, n int) {
	i := &in.Program.Insns[pc]
	add := func(t int) {
		if t < len(in.Program.Insns) {
			out[n] = t
			n++
		}
	}
	switch {
	case i.Opcode == opExit:
	case isGoto(i):
		add(jumpTarget(i, pc))
	case isJump(i):
		add(pc + 1)
		add(jumpTarget(i, pc))
	default:
		add(pc + slots(i))
	}
	return out, n
}

// checkBackEdges refuses what older kernels take for a loop that may not be. They search depth first, what follows before
// where a jump goes; what matters is an edge to an instruction that is on the way to this one.
func (in *Info) checkBackEdges() *Fault {
	if !in.options.Straight {
		return nil
	}
	insns := in.Program.Insns
	const onPath, done = 1, 2
	state := make([]uint8, len(insns))
	type at struct{ pc, edge int }
	path := make([]at, 0, 64)
	for n := range in.Subprogs {
		if start := in.Subprogs[n].Start; start == 0 || in.Subprogs[n].IsException {
			path, state[start] = append(path, at{start, 0}), onPath
		}
		for len(path) > 0 {
			top := &path[len(path)-1]
			to, jump, ok := in.edge(top.pc, top.edge)
			top.edge++
			switch {
			case !ok:
				state[top.pc] = done
				path = path[:len(path)-1]
			case to >= len(insns) || state[to] == done:
			case state[to] == 0:
				path, state[to] = append(path, at{to, 0}), onPath
			case !jump:
				return fault(einval, top.pc, "loop", "back-edge from insn %d to %d", top.pc, to)
			}
		}
	}
	return nil
}

// edge is the n-th way on from pc, and whether it is one of a jump.
func (in *Info) edge(pc, n int) (to int, jump, ok bool) {
	next, most := in.Next(pc)
	i := &in.Program.Insns[pc]
	switch {
	case i.Opcode == opLdImm64 && in.options.Halves && n == 0:
		return pc + 1, false, true
	case n < most:
		return next[n], isJump(i) || isGoto(i), true
	case n == most:
		to, ok = callTarget(in.Program.Insns, pc)
	}
	return to, i.Opcode == opLdImm64, ok
}

// checkFlow checks that every instruction can be reached, notes what Linux does at it, and what a function does
// by those that it calls.
func (in *Info) checkFlow() *Fault {
	insns := in.Program.Insns
	in.Flags = make([]Flags, len(insns))
	seen := make([]bool, len(insns))
	work := []int{0}
	push := func(t int) {
		if t < len(insns) && !seen[t] {
			seen[t] = true
			work = append(work, t)
		}
	}
	seen[0] = true
	for n := range in.Subprogs {
		if in.Subprogs[n].IsException {
			push(in.Subprogs[n].Start)
		}
	}
	for len(work) > 0 {
		pc := work[len(work)-1]
		work = work[:len(work)-1]
		in.mark(pc)
		to, n := in.Next(pc)
		for _, t := range to[:n] {
			push(t)
		}
		if t, ok := callTarget(insns, pc); ok {
			push(t)
		}
	}
	for pc := 0; pc < len(insns); pc++ {
		if !seen[pc] {
			return fault(einval, pc, "unreachable", "unreachable insn %d", pc)
		}
		if slots(&insns[pc]) == 2 {
			if seen[pc+1] {
				return fault(einval, pc, "jump-into-ldimm64", "jump into the middle of ldimm64 insn %d", pc)
			}
			pc++
		}
	}
	in.spread()
	return nil
}

// mark sets the flags that the instruction at pc gives itself and others.
func (in *Info) mark(pc int) {
	insns := in.Program.Insns
	i := &insns[pc]
	set := func(t int, f Flags) {
		if t < len(in.Flags) {
			in.Flags[t] |= f
		}
	}
	s := &in.Subprogs[in.SubOf[pc]]
	switch {
	case isGoto(i):
		set(jumpTarget(i, pc), PrunePoint|JumpPoint|Target)
	case isJump(i):
		set(pc, PrunePoint)
		if i.Opcode == opMayGoto {
			set(pc, ForceCheckpoint)
		}
		set(jumpTarget(i, pc), PrunePoint|JumpPoint|Target)
	case i.Opcode == opLdImm64:
		if t, ok := callTarget(insns, pc); ok {
			set(pc, PrunePoint)
			set(pc+2, PrunePoint|JumpPoint)
			set(t, PrunePoint|JumpPoint)
			n := in.SubOf[t]
			in.Subprogs[n].IsCallback = true
			s.Takes = addSorted(s.Takes, n)
		}
	case i.Opcode == opCall:
		in.markCall(pc, s, set)
	}
}

func (in *Info) markCall(pc int, s *Subprog, set func(int, Flags)) {
	i := &in.Program.Insns[pc]
	set(pc+1, PrunePoint|JumpPoint) // even where no function of the program is called
	switch i.Src {
	case 1:
		set(pc, PrunePoint)
		set(pc+1+int(i.Imm), PrunePoint|JumpPoint)
		s.Calls = addSorted(s.Calls, in.SubOf[pc+1+int(i.Imm)])
	case 0:
		h := in.helper(i.Imm)
		if h == nil {
			return
		}
		if h.Has(helpers.AsyncCallback) {
			set(pc, PrunePoint)
		}
		if h.Has(helpers.SyncCallback) {
			set(pc, CallsCallback)
			if !in.options.CallOnce {
				set(pc, ForceCheckpoint|PrunePoint|JumpPoint)
			}
		}
		s.ChangesPacket = s.ChangesPacket || h.Has(helpers.ChangesPacket)
		s.MightSleep = s.MightSleep || h.MightSleep && (in.options.Helper == nil || in.options.Helper(i.Imm))
	case 2:
		k := in.kfunc(pc)
		if k == nil {
			return
		}
		if k.is(linux.KfuncAsync) {
			set(pc, PrunePoint)
		}
		if k.is(linux.KfuncIterNext) {
			set(pc, PrunePoint|ForceCheckpoint)
		}
		if k.is(linux.KfuncCallback) {
			set(pc, CallsCallback|ForceCheckpoint|PrunePoint|JumpPoint)
		}
		s.MightSleep = s.MightSleep || k.is(linux.KfuncSleepable)
		s.ChangesPacket = s.ChangesPacket || k.is(linux.KfuncChangesPacket)
	}
}

// spread gives to every function what those that it calls do.
func (in *Info) spread() {
	for changed := true; changed; {
		changed = false
		for n := range in.Subprogs {
			s := &in.Subprogs[n]
			for _, m := range append(slices.Clone(s.Calls), s.Takes...) {
				c := &in.Subprogs[m]
				if c.ChangesPacket && !s.ChangesPacket || c.MightSleep && !s.MightSleep {
					s.ChangesPacket = s.ChangesPacket || c.ChangesPacket
					s.MightSleep = s.MightSleep || c.MightSleep
					changed = true
				}
			}
		}
	}
}

func addSorted(a []int, n int) []int {
	if at, found := slices.BinarySearch(a, n); !found {
		return slices.Insert(a, at, n)
	}
	return a
}
