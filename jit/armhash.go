package jit

import (
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/jit/arm64"
	"github.com/skepbpf/skep/jit/layout"
	"github.com/skepbpf/skep/maps"
)

// Registers of a stub that looks a key up: none is the home of anything that lives over a call.
const (
	armKey    = arm64.Reg(12) // address of the key
	armSum    = arm64.Reg(13) // hash of it
	armFactor = arm64.Reg(14)
	armBucket = arm64.Reg(15) // address of the bucket
	armHead   = arm64.Reg(16) // the bucket, as it was read
	armElem   = arm64.Reg(17) // address of the element
)

func (b *arm) callStub(stub, miss layout.Label) {
	b.BL(stub)
	b.AddI(arm64.Subs, 4, arm64.Zero, armHome[isa.R0], 0)
	b.BIf(arm64.EQ, miss)
}

// hash writes the lookup that maps.TableLayout describes, as a function: the key is where r2 points to, the address of the
// value, or 0, goes to r0. The bucket and the links are loaded with acquire, so that what is loaded after them, the bucket
// once more at the end, is not older than they are.
func (b *arm) hash(l *maps.TableLayout) bool {
	parts := pieces(l.KeySize)
	found := armHome[isa.R0]

	b.AddX(armKey, armBase, armHome[isa.R2])
	b.hashKey(l, parts)
	b.MovI(tmp, uint64(l.Mask))
	b.RRR(arm64.And, 4, tmp, tmp, armSum)
	b.LslI(4, tmp, tmp, 3)
	b.MovI(tmp2, uint64(l.Buckets))
	b.RRR(arm64.Add, 4, tmp, tmp, tmp2)
	b.AddX(armBucket, armBase, tmp)

	again, loop, next, none := b.Label(), b.Label(), b.Label(), b.Label()
	differs := func(x, y arm64.Reg, width int, to layout.Label) {
		b.RRR(arm64.Subs, width, arm64.Zero, x, y)
		b.BIf(arm64.NE, to)
	}
	b.Bind(again)
	b.LoadAcq(8, armHead, armBucket)
	b.Mov(4, found, armHead)
	b.Bind(loop)
	b.AddI(arm64.Subs, 4, arm64.Zero, found, 0)
	b.BIf(arm64.EQ, none)
	b.AddX(armElem, armBase, found)
	b.Load(4, tmp, armElem, 4)
	differs(tmp, armSum, 4, next)
	for _, p := range parts {
		b.Load(p.size, tmp, armKey, p.at)
		b.Load(p.size, tmp2, armElem, int32(l.Key)+p.at)
		differs(tmp, tmp2, 4, next)
	}
	if l.Ref != 0 {
		// Not written if set, so that CPUs may share the cache line.
		set := b.Label()
		b.Load(4, tmp, armElem, int32(l.Ref))
		differs(tmp, arm64.Zero, 4, set)
		b.MovI(tmp, 1)
		b.Store(4, tmp, armElem, int32(l.Ref))
		b.Bind(set)
	}
	if l.CPUStride != 0 {
		b.Load(4, found, armElem, 8)
		b.Load(4, tmp, armCtx, ctxCPU)
		b.MovI(tmp2, uint64(l.CPUStride))
		b.MAdd(4, found, tmp, tmp2, found)
	} else {
		b.AddI(arm64.Add, 4, found, found, l.Value)
	}
	b.Ret()
	b.Bind(next)
	b.LoadAcq(4, found, armElem)
	b.B(loop)
	b.Bind(none) // if the version is still the same: else an element may have come up in another bucket
	b.LoadAcq(8, tmp, armBucket)
	b.RRR(arm64.Eor, 8, tmp, tmp, armHead)
	b.LsrI(8, tmp, tmp, 32)
	differs(tmp, arm64.Zero, 4, again)
	b.Ret() // with 0
	return true
}

// hashKey writes maps.HashKey of the key.
func (b *arm) hashKey(l *maps.TableLayout, parts []piece) {
	b.MovI(armFactor, maps.HashFactor)
	b.MovI(armSum, l.Seed)
	for _, p := range parts {
		b.Load(p.size, tmp, armKey, p.at)
		if p.shift() > 0 {
			b.LslI(8, tmp, tmp, uint32(p.shift()))
		}
		b.RRR(arm64.Eor, 8, armSum, armSum, tmp)
		if p.ends(l.KeySize) { // h = fold(h ^ word)
			b.UMulH(tmp, armSum, armFactor)
			b.RRR(arm64.Mul, 8, armSum, armSum, armFactor)
			b.RRR(arm64.Eor, 8, armSum, armSum, tmp)
		}
	}
	b.LsrI(8, tmp, armSum, 32)
	b.RRR(arm64.Eor, 4, armSum, armSum, tmp)
}
