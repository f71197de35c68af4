package prepare

import "slices"

const maxSubprogs = 256

// findSubprogs finds where functions start: at calls' targets and at addresses taken.
func (in *Info) findSubprogs() *Fault {
	insns := in.Program.Insns
	starts := []int{0}
	kfuncs := map[kfuncID]bool{}
	for pc := range insns {
		t, ok := callTarget(insns, pc)
		if ok && in.options.NoFuncPtr && insns[pc].Opcode == opLdImm64 {
			continue
		}
		if !ok {
			if f := in.checkKfunc(pc, kfuncs); f != nil {
				f.Functions = len(starts)
				return f
			}
			continue
		}
		if t < 0 || t >= len(insns) {
			f := fault(einval, pc, "call-destination", "call to invalid destination")
			f.Functions = len(starts)
			return f
		}
		at, found := slices.BinarySearch(starts, t)
		if found {
			continue
		}
		if len(starts) >= maxSubprogs {
			f := fault(e2big, pc, "too-many-subprograms", "too many subprograms")
			f.Functions = len(starts)
			return f
		}
		starts = slices.Insert(starts, at, t)
	}
	except, f := in.findException()
	if f != nil {
		return f
	}
	if in.options.NoExceptions {
		except = -1
	}
	if except >= 0 {
		at, found := slices.BinarySearch(starts, except)
		if !found {
			if len(starts) >= maxSubprogs {
				return fault(e2big, -1, "too-many-subprograms", "too many subprograms")
			}
			starts = slices.Insert(starts, at, except)
		}
	}
	in.SubOf = make([]int, len(insns))
	for i, s := range starts {
		end := len(insns)
		if i+1 < len(starts) {
			end = starts[i+1]
		}
		in.Subprogs = append(in.Subprogs, Subprog{Start: s, End: end, IsException: s == except})
		for pc := s; pc < end; pc++ {
			in.SubOf[pc] = i
		}
	}
	return nil
}

// checkJumps checks that jumps stay in their function and that functions do not run into the next one.
func (in *Info) checkJumps() *Fault {
	insns := in.Program.Insns
	for n := range in.Subprogs {
		s := &in.Subprogs[n]
		for pc := s.Start; pc < s.End; pc++ {
			i := &insns[pc]
			switch {
			case i.Opcode == opCall && i.Src == 0 && i.Imm == tailCallID:
				s.HasTailCall = true
			case isLdAbs(i):
				s.HasLdAbs = true
			case isJump(i):
				if t := jumpTarget(i, pc); t < s.Start || t >= s.End {
					return fault(einval, pc, "jump-out-of-range", "jump out of range from insn %d to %d", pc, int32(t))
				}
			}
			if pc == s.End-1 && i.Opcode != opExit && !isGoto(i) {
				return fault(einval, pc, "falls-through", "last insn is not an exit or jmp")
			}
		}
	}
	return nil
}
