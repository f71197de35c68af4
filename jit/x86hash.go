package jit

import (
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/jit/amd64"
	"github.com/skepbpf/skep/jit/layout"
	"github.com/skepbpf/skep/maps"
)

// Registers of a stub that looks a key up: those of r1 to r5, of which a call leaves nothing, and the scratch registers.
const (
	hashHead   = amd64.R10 // the bucket, as it was read
	hashBucket = amd64.R9  // its address
	hashFactor = amd64.R8
	hashSum    = amd64.RCX // hash of the key
	hashTmp    = amd64.RDX
	hashElem   = amd64.RAX // the element
)

func (b *x86) callStub(stub, miss layout.Label) {
	b.Call(stub)
	b.TestRR(4, amd64.RAX, amd64.RAX)
	b.Jcc(amd64.E, miss)
}

// hash writes the lookup that maps.TableLayout describes, as a function: the key is where r2 points to, the address of the
// value, or 0, goes to r0.
func (b *x86) hash(l *maps.TableLayout) bool {
	if !b.bmi2 {
		return false
	}
	key := func(p piece) amd64.Mem { return x86Mem(isa.R2, p.at) }
	space := func(r amd64.Reg, off uint32) amd64.Mem { return amd64.Indexed(x86Base, r, int32(off)) }
	parts := pieces(l.KeySize)

	b.Align(16, 15)
	b.MovRI(hashFactor, maps.HashFactor)
	b.MovRI(hashTmp, l.Seed)
	for _, p := range parts {
		b.LoadZX(p.size, hashSum, key(p))
		if p.shift() > 0 {
			b.ShiftI(amd64.Shl, 8, hashSum, p.shift())
		}
		b.ALURR(amd64.Xor, 8, hashTmp, hashSum)
		if p.ends(l.KeySize) { // h = fold(h ^ word)
			b.MulX(8, hashSum, hashTmp, hashFactor)
			b.ALURR(amd64.Xor, 8, hashTmp, hashSum)
		}
	}
	b.MovRR(8, hashSum, hashTmp)
	b.ShiftI(amd64.Shr, 8, hashSum, 32)
	b.ALURR(amd64.Xor, 4, hashSum, hashTmp)
	b.MovRR(4, hashBucket, hashSum)
	b.ALURI(amd64.And, 4, hashBucket, int32(l.Mask))
	b.ShiftI(amd64.Shl, 4, hashBucket, 3)
	b.ALURI(amd64.Add, 4, hashBucket, int32(l.Buckets))

	again, loop, next, none := b.Label(), b.Label(), b.Label(), b.Label()
	b.Bind(again)
	b.LoadZX(8, hashHead, space(hashBucket, 0))
	b.MovRR(4, hashElem, hashHead)
	b.Bind(loop)
	b.TestRR(4, hashElem, hashElem)
	b.Jcc(amd64.E, none)
	b.ALURM(amd64.Cmp, 4, hashSum, space(hashElem, 4))
	b.Jcc(amd64.NE, next)
	for _, p := range parts {
		b.LoadZX(p.size, hashTmp, key(p))
		b.ALURM(amd64.Cmp, p.size, hashTmp, space(hashElem, l.Key+uint32(p.at)))
		b.Jcc(amd64.NE, next)
	}
	if l.Ref != 0 {
		// Not written if set, so that CPUs may share the cache line.
		set := b.Label()
		b.ALUMI(amd64.Cmp, 4, space(hashElem, l.Ref), 0)
		b.Jcc(amd64.NE, set)
		b.StoreI(4, space(hashElem, l.Ref), 1)
		b.Bind(set)
	}
	if l.CPUStride != 0 {
		b.LoadZX(4, hashElem, space(hashElem, 8))
		b.LoadZX(4, hashTmp, field(ctxCPU))
		b.ImulRRI(4, hashTmp, hashTmp, int32(l.CPUStride))
		b.ALURR(amd64.Add, 4, hashElem, hashTmp)
	} else {
		b.ALURI(amd64.Add, 4, hashElem, int32(l.Value))
	}
	b.Ret()
	b.Bind(next)
	b.LoadZX(4, hashElem, space(hashElem, 0))
	b.Jmp(loop)
	b.Bind(none) // if the version is still the same: else an element may have come up in another bucket
	b.LoadZX(8, hashTmp, space(hashBucket, 0))
	b.ALURR(amd64.Xor, 8, hashTmp, hashHead)
	b.ShiftI(amd64.Shr, 8, hashTmp, 32)
	b.Jcc(amd64.NE, again)
	b.Ret() // with 0
	return true
}
