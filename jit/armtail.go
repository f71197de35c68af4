package jit

import (
	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/jit/arm64"
	"github.com/skepbpf/skep/jit/layout"
	"github.com/skepbpf/skep/memory"
)

func (b *arm) tailCall(version memory.Addr, slow layout.Label) {
	const entry, addr = arm64.Reg(12), arm64.Reg(13)
	index := armHome[isa.R3]
	same := func(width int, x, y arm64.Reg) {
		b.RRR(arm64.Subs, width, arm64.Zero, x, y)
		b.BIf(arm64.NE, slow)
	}
	b.AddI(arm64.Add, 4, tmp, index, tailSalt(version))
	b.MovI(tmp2, numTails-1)
	b.RRR(arm64.And, 4, tmp, tmp, tmp2)
	b.LslI(8, tmp, tmp, tailShift)
	b.AddI(arm64.Add, 8, entry, armCtx, uint32(ctxTails))
	b.RRR(arm64.Add, 8, entry, entry, tmp)
	b.Load(4, tmp, entry, tailIndex)
	same(4, tmp, index)
	b.MovI(addr, uint64(version))
	b.LoadX(8, false, tmp2, armBase, addr)
	b.Load(8, tmp, entry, tailVersion)
	same(8, tmp, tmp2)
	b.Load(4, tmp, entry, tailNeed)
	b.Load(4, tmp2, armCtx, ctxLack)
	b.RRR(arm64.Ands, 4, arm64.Zero, tmp, tmp2)
	b.BIf(arm64.NE, slow)
	b.Load(8, tmp, armCtx, ctxTailed)
	b.AddI(arm64.Subs, 8, arm64.Zero, tmp, helpers.MaxTailCalls)
	b.BIf(arm64.HS, slow)
	b.AddI(arm64.Add, 8, tmp, tmp, 1)
	b.Store(8, tmp, armCtx, ctxTailed)

	clear, done := b.Label(), b.Label()
	b.Load(8, tmp, armCtx, ctxCleared)
	b.Load(8, tmp2, entry, tailDepth)
	b.Bind(clear)
	b.RRR(arm64.Subs, 8, arm64.Zero, tmp, tmp2)
	b.BIf(arm64.HS, done)
	b.AddI(arm64.Add, 8, tmp, tmp, 16)
	b.RRR(arm64.Sub, 4, addr, armHome[isa.R10], tmp)
	b.AddX(addr, armBase, addr)
	b.Store(8, arm64.Zero, addr, 0)
	b.Store(8, arm64.Zero, addr, 8)
	b.Store(8, tmp, armCtx, ctxCleared)
	b.B(clear)
	b.Bind(done)
	b.Store(8, entry, armCtx, ctxRunning)
	b.Load(8, tmp, entry, tailTarget)
	b.Br(tmp)
}
