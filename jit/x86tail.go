package jit

import (
	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/jit/amd64"
	"github.com/skepbpf/skep/jit/layout"
	"github.com/skepbpf/skep/memory"
)

// tailCall uses r0 and r2 to r5, which do not live over a call, as scratch registers; r1 is the context for the other program.
func (b *x86) tailCall(version memory.Addr, slow layout.Label) {
	entry := func(off int32) amd64.Mem { return amd64.At(scratch, off) }
	index, tmp := x86Home[isa.R3], x86Home[isa.R0]

	b.Lea(4, scratch, amd64.At(index, int32(tailSalt(version))))
	b.ALURI(amd64.And, 4, scratch, numTails-1)
	b.ShiftI(amd64.Shl, 4, scratch, tailShift)
	b.Lea(8, scratch, amd64.Indexed(x86Ctx, scratch, ctxTails))
	b.ALURM(amd64.Cmp, 4, index, entry(tailIndex))
	b.Jcc(amd64.NE, slow)
	b.MovRI(tmp, uint64(version))
	b.LoadZX(8, tmp, amd64.Indexed(x86Base, tmp, 0))
	b.ALURM(amd64.Cmp, 8, tmp, entry(tailVersion))
	b.Jcc(amd64.NE, slow)
	b.LoadZX(4, tmp, entry(tailNeed))
	b.ALURM(amd64.And, 4, tmp, field(ctxLack))
	b.Jcc(amd64.NE, slow)
	b.ALUMI(amd64.Cmp, 8, field(ctxTailed), helpers.MaxTailCalls)
	b.Jcc(amd64.AE, slow)
	b.ALUMI(amd64.Add, 8, field(ctxTailed), 1)

	cleared, done := b.Label(), b.Label()
	b.LoadZX(8, scratch2, field(ctxCleared))
	b.ALURM(amd64.Cmp, 8, scratch2, entry(tailDepth))
	b.Jcc(amd64.AE, done)
	b.ZeroX0()
	b.Bind(cleared)
	b.MovRR(4, tmp, x86Home[isa.R10])
	b.ALURR(amd64.Sub, 4, tmp, scratch2)
	b.StoreX0(amd64.Indexed(x86Base, tmp, -16))
	b.ALURI(amd64.Add, 8, scratch2, 16)
	b.ALURM(amd64.Cmp, 8, scratch2, entry(tailDepth))
	b.Jcc(amd64.B, cleared)
	b.Store(8, field(ctxCleared), scratch2)
	b.Bind(done)
	b.Store(8, field(ctxRunning), scratch)
	b.JmpM(entry(tailTarget))
}
