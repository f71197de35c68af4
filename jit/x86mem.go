package jit

import (
	"math/bits"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/jit/amd64"
	"github.com/skepbpf/skep/jit/layout"
	"github.com/skepbpf/skep/maps"
)

func (b *x86) load(size int, signed bool, dst, base isa.Reg, disp int32) {
	if signed {
		b.LoadSX(size, x86Home[dst], x86Mem(base, disp))
		return
	}
	b.LoadZX(size, x86Home[dst], x86Mem(base, disp))
}

func (b *x86) loadSwapped(size int, dst, base isa.Reg, disp int32) bool {
	if !b.movbe || size < 4 {
		return false
	}
	b.MovBE(size, x86Home[dst], x86Mem(base, disp))
	return true
}

func (b *x86) store(size int, base isa.Reg, disp int32, src isa.Reg) {
	b.Store(size, x86Mem(base, disp), x86Home[src])
}

func (b *x86) storeImm(size int, base isa.Reg, disp int32, v int32) {
	b.StoreI(size, x86Mem(base, disp), v)
}

// x86Atomic are the operations with a locked instruction, or that a loop of compare and exchange does.
var x86Atomic = [isa.NumOps]amd64.ALU{isa.AtomicAdd: amd64.Add, isa.AtomicOr: amd64.Or, isa.AtomicAnd: amd64.And, isa.AtomicXor: amd64.Xor,
	isa.FetchOr: amd64.Or, isa.FetchAnd: amd64.And, isa.FetchXor: amd64.Xor}

func (b *x86) atomic(i *isa.Insn, _ func() layout.Label) bool {
	size, m, s := int(i.Size), x86Mem(i.Dst, int32(i.Off)), x86Home[i.Src]
	switch i.Op {
	case isa.AtomicAdd, isa.AtomicOr, isa.AtomicAnd, isa.AtomicXor:
		b.Lock()
		b.ALUMR(x86Atomic[i.Op], size, m, s)
	case isa.FetchAdd:
		b.Lock()
		b.XaddMR(size, m, s)
	case isa.Xchg:
		b.XchgMR(size, m, s)
	case isa.CmpXchg:
		b.Lock()
		b.CmpxchgMR(size, m, s)
		if size == 4 {
			b.MovRR(4, amd64.RAX, amd64.RAX) // it is left alone where memory was equal
		}
	case isa.FetchOr, isa.FetchAnd, isa.FetchXor:
		if i.Dst == isa.R0 {
			return false // its home is what compare and exchange needs
		}
		b.fetch(x86Atomic[i.Op], size, m, s)
	case isa.LoadAcq: // loads and stores are that by themselves
		b.LoadZX(size, x86Home[i.Dst], x86Mem(i.Src, int32(i.Off)))
	case isa.StoreRel:
		b.Store(size, m, s)
	default:
		return false
	}
	return true
}

// fetch is an atomic operation that gives s what was there before.
func (b *x86) fetch(op amd64.ALU, size int, m amd64.Mem, s amd64.Reg) {
	b.MovRR(8, scratch, amd64.RAX)
	again := b.Label()
	b.LoadZX(size, amd64.RAX, m)
	b.Bind(again)
	b.MovRR(8, scratch2, amd64.RAX)
	if s == amd64.RAX {
		b.ALURR(op, size, scratch2, scratch)
	} else {
		b.ALURR(op, size, scratch2, s)
	}
	b.Lock()
	b.CmpxchgMR(size, m, scratch2)
	b.Jcc(amd64.NE, again)
	if s != amd64.RAX {
		b.MovRR(size, s, amd64.RAX)
		b.MovRR(8, amd64.RAX, scratch)
	} else if size == 4 {
		b.MovRR(4, amd64.RAX, amd64.RAX)
	}
}

// lookup of an array: the index is in scratch.
func (b *x86) lookup(l *maps.ArrayLayout, miss layout.Label) {
	r0 := x86Home[isa.R0]
	b.LoadZX(4, scratch, x86Mem(isa.R2, 0))
	b.ALURI(amd64.Cmp, 4, scratch, int32(l.Count))
	b.Jcc(amd64.AE, miss)
	if l.Stride&(l.Stride-1) == 0 {
		b.ShiftI(amd64.Shl, 4, scratch, uint8(bits.TrailingZeros32(l.Stride)))
		b.Lea(4, r0, amd64.At(scratch, int32(l.First)))
	} else {
		b.ImulRRI(4, r0, scratch, int32(l.Stride))
		b.ALURI(amd64.Add, 4, r0, int32(l.First))
	}
	if l.CPUStride != 0 {
		b.LoadZX(4, scratch, field(ctxCPU))
		b.ImulRRI(4, scratch, scratch, int32(l.CPUStride))
		b.ALURR(amd64.Add, 4, r0, scratch)
	}
}

func (b *x86) loadAbs(size int, src operand, off int32, cold layout.Label) {
	if src.isReg {
		b.Lea(4, scratch, amd64.At(x86Home[src.reg], off))
		b.TestRR(4, scratch, scratch)
		b.Jcc(amd64.S, cold)
		off = 0
	}
	b.LoadZX(4, scratch2, x86Mem(isa.R6, skbData))
	if src.isReg {
		b.Lea(8, scratch, amd64.Indexed(scratch, scratch2, int32(size)))
	} else {
		b.Lea(8, scratch, amd64.At(scratch2, off+int32(size)))
	}
	b.LoadZX(4, scratch2, x86Mem(isa.R6, skbDataEnd))
	b.ALURR(amd64.Cmp, 8, scratch, scratch2)
	b.Jcc(amd64.A, cold)
	r0, at := x86Home[isa.R0], amd64.Indexed(x86Base, scratch, -int32(size))
	switch {
	case size == 1:
		b.LoadZX(1, r0, at)
	case size == 4 && b.movbe:
		b.MovBE(4, r0, at)
	default:
		b.LoadZX(size, r0, at)
		b.endian(isa.ToBE, size*8, isa.R0)
	}
}

func (b *x86) canMemory() bool { return true }

func (b *x86) aluMemory(op isa.Op, width int, dst, base isa.Reg, disp int32) {
	d, m := x86Home[dst], x86Mem(base, disp)
	if op == isa.Mul {
		b.ImulRM(width, d, m)
		return
	}
	b.ALURM(x86ALU[op], width, d, m)
}
