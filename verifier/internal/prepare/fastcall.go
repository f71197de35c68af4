package prepare

import (
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
)

// Some helpers and kernel functions are replaced by a few instructions that leave most argument registers alone
// ("bpf_fastcall"). A compiler that does not count on that saves the registers around the call at the bottom of
// the stack, innermost lowest:
//
//	*(u64 *)(r10 -16) = r1
//	*(u64 *)(r10 -24) = r2
//	call bpf_get_smp_processor_id#8
//	r2 = *(u64 *)(r10 -24)
//	r1 = *(u64 *)(r10 -16)
//
// Linux drops such pairs, and then the slots do not count as stack, unless the function touches them otherwise
// below Subprog.FastcallOff.

const (
	opSpill = 0x7b // *(u64 *)(dst + off) = src
	opFill  = 0x79 // dst = *(u64 *)(src + off)
)

// findFastcalls marks the saves and restores around calls that leave registers alone.
func (in *Info) findFastcalls() {
	insns := in.Program.Insns
	for n := range in.Subprogs {
		s := &in.Subprogs[n]
		var lowest int16
		for pc := s.Start; pc < s.End; pc++ {
			if i := &insns[pc]; i.Opcode == opSpill && i.Dst == isa.R10 {
				lowest = min(lowest, i.Off)
			}
		}
		if lowest == 0 {
			continue
		}
		for pc := s.Start; pc < s.End; pc++ {
			if kept, ok := in.fastcall(pc); ok {
				in.markFastcall(s, pc, kept, lowest)
			}
		}
	}
}

// fastcall gives the argument registers that the call at the slot leaves alone; ok tells that it does.
func (in *Info) fastcall(pc int) (kept uint16, ok bool) {
	i := &in.Program.Insns[pc]
	if i.Opcode != opCall {
		return 0, false
	}
	switch i.Src {
	case isa.PseudoCallHelper:
		if h := in.helper(i.Imm); h != nil {
			return argRegs &^ args(h.NumArgs()), h.FastCall
		}
	case isa.PseudoCallKfunc:
		if k := in.kfunc(pc); k != nil {
			return argRegs &^ args(k.args), k.is(linux.KfuncFastCall)
		}
	}
	return 0, false
}

// markFastcall marks the pairs around the call at pc, which start at the slot off.
func (in *Info) markFastcall(s *Subprog, pc int, kept uint16, off int16) {
	insns := in.Program.Insns
	pairs := 0
	for pc-pairs-1 >= s.Start && pc+pairs+1 < s.End {
		save, restore := &insns[pc-pairs-1], &insns[pc+pairs+1]
		if save.Opcode != opSpill || save.Dst != isa.R10 || save.Off != off ||
			restore.Opcode != opFill || restore.Src != isa.R10 || restore.Off != off ||
			save.Src != restore.Dst || kept>>save.Src&1 == 0 {
			break
		}
		kept &^= 1 << save.Src
		off += 8
		pairs++
		in.Flags[pc-pairs] |= FastcallSlot
		in.Flags[pc+pairs] |= FastcallSlot
	}
	if pairs == 0 {
		return
	}
	if !s.HasFastcall || off < s.FastcallOff {
		s.FastcallOff = off
	}
	s.HasFastcall = true
}
