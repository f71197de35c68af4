package jit

import (
	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/jit/amd64"
	"github.com/skepbpf/skep/jit/layout"
)

// x86 is the backend of amd64. BMI2 and MOVBE are used if the processor has them.
type x86 struct {
	amd64.Asm
	bmi2, movbe bool
}

// Homes of the registers. RCX and RDX are free for shifts, divisions and whatever else is needed within an instruction.
var x86Home = [isa.NumRegs]amd64.Reg{amd64.RAX, amd64.RDI, amd64.RSI, amd64.R8, amd64.R9, amd64.R10, amd64.RBX, amd64.R12,
	amd64.R13, amd64.R14, amd64.RBP}

const (
	x86Base  = amd64.R15 // of the Space
	x86Ctx   = amd64.R11 // the context
	scratch  = amd64.RCX
	scratch2 = amd64.RDX
)

func (b *x86) builder() *layout.Builder  { return &b.Builder }
func (b *x86) encoding() layout.Encoding { return amd64.Encoding{} }

// x86Mem is the operand of memory at a BPF address.
func x86Mem(base isa.Reg, disp int32) amd64.Mem { return amd64.Indexed(x86Base, x86Home[base], disp) }

// field is a field of the context.
func field(off int32) amd64.Mem { return amd64.At(x86Ctx, off) }

func regField(r isa.Reg) amd64.Mem { return field(ctxRegs + 8*int32(r)) }

func (b *x86) thunks(t *thunks) {
	in := func() {
		b.MovRR(8, x86Ctx, amd64.RDI) // where enter leaves it
		b.Store(8, field(ctxGoSP), amd64.RSP)
		b.Store(8, field(ctxGoFP), amd64.RBP)
		b.LoadZX(8, amd64.RSP, field(ctxSP))
		b.LoadZX(8, x86Base, field(ctxBase))
	}
	load := func(regs ...isa.Reg) {
		for _, r := range regs {
			b.LoadZX(8, x86Home[r], regField(r))
		}
	}
	save := func(regs ...isa.Reg) {
		for _, r := range regs {
			b.Store(8, regField(r), x86Home[r])
		}
	}
	out := func() {
		b.LoadZX(8, amd64.RSP, field(ctxGoSP))
		b.LoadZX(8, amd64.RBP, field(ctxGoFP))
		b.Ret()
	}
	b.Align(32, 31)
	b.Bind(t.start)
	in()
	load(1, 2, 10)
	b.JmpM(field(ctxTarget))

	b.Bind(t.invoke)
	in()
	load(1, 2, 3, 4, 5, 10)
	b.CallM(field(ctxTarget))
	b.Bind(t.done)
	save(0)
	b.StoreI(8, field(ctxSite), siteDone)
	out()

	b.Align(32, 31)
	b.Bind(t.resumeAll)
	in()
	load(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	b.JmpM(field(ctxTarget))

	b.Bind(t.resume)
	in()
	load(0, 6, 7, 8, 9, 10)
	b.JmpM(field(ctxTarget))

	// The number of the site is in scratch.
	b.Align(32, 31)
	b.Bind(t.all)
	save(0)
	for n := len(t.call) - 1; n >= 0; n-- {
		b.Bind(t.call[n])
		if n > 0 {
			save(isa.Reg(n))
		}
	}
	save(6, 7, 8, 9, 10)
	b.Store(8, field(ctxSite), scratch)
	b.Store(8, field(ctxSP), amd64.RSP)
	out()
}

func (b *x86) enter(f *function) {
	if !f.main {
		for _, r := range f.saves {
			b.Push(x86Home[r])
		}
	}
	if f.mayGoto != 0 {
		b.MovRI(scratch, uint64(f.mayGoto))
		b.Push(scratch)
	}
}

func (b *x86) leave(f *function, done layout.Label) {
	if f.main {
		// The thunk takes the stack pointer from the context: what is on the stack does not matter.
		b.Jmp(done)
		return
	}
	if f.mayGoto != 0 {
		b.Pop(scratch)
	}
	for i := len(f.saves) - 1; i >= 0; i-- {
		b.Pop(x86Home[f.saves[i]])
	}
	b.Ret()
}

func (b *x86) clear(n int) {
	if n <= 0 {
		return
	}
	at := int32(-n)
	if n >= 16 {
		b.ZeroX0()
	}
	for ; at <= -16; at += 16 {
		b.StoreX0(x86Mem(isa.R10, at))
	}
	for ; at < 0; at += 8 {
		b.StoreI(8, x86Mem(isa.R10, at), 0)
	}
}

func (b *x86) jump(to layout.Label) { b.Jmp(to) }

// x86Cond are the conditions of the jumps that compare.
var x86Cond = [isa.NumOps]amd64.Cond{isa.Jeq: amd64.E, isa.Jne: amd64.NE, isa.Jset: amd64.NE, isa.Jgt: amd64.A, isa.Jge: amd64.AE,
	isa.Jlt: amd64.B, isa.Jle: amd64.BE, isa.Jsgt: amd64.G, isa.Jsge: amd64.GE, isa.Jslt: amd64.L, isa.Jsle: amd64.LE}

func (b *x86) branch(op isa.Op, width int, dst isa.Reg, src operand, zeroKnown bool, to layout.Label) {
	d := x86Home[dst]
	switch {
	case zeroKnown:
	case op == isa.Jset && src.isReg:
		b.TestRR(width, d, x86Home[src.reg])
	case op == isa.Jset:
		b.TestRI(width, d, src.imm)
	case src.isReg:
		b.ALURR(amd64.Cmp, width, d, x86Home[src.reg])
	case src.imm == 0:
		b.TestRR(width, d, d)
	default:
		b.ALURI(amd64.Cmp, width, d, src.imm)
	}
	b.Jcc(x86Cond[op], to)
}

func (b *x86) call(to layout.Label, frame bool) {
	if !frame {
		b.Call(to)
		return
	}
	b.ALURI(amd64.Add, 4, x86Home[isa.R10], helpers.FrameStride)
	b.Call(to)
	b.ALURI(amd64.Sub, 4, x86Home[isa.R10], helpers.FrameStride)
}

func (b *x86) loop(body layout.Label, frame bool, poll func()) {
	r0, r1, r2 := x86Home[isa.R0], x86Home[isa.R1], x86Home[isa.R2]
	index, count, arg := amd64.At(amd64.RSP, 0), amd64.At(amd64.RSP, 8), amd64.At(amd64.RSP, 16)
	b.Push(x86Home[isa.R3])
	b.MovRR(4, r1, r1)
	b.Push(r1)
	b.ALURR(amd64.Xor, 4, r0, r0)
	b.Push(r0)
	next, done := b.Label(), b.Label()
	b.Bind(next)
	b.LoadZX(8, r1, index)
	b.ALURM(amd64.Cmp, 8, r1, count)
	b.Jcc(amd64.AE, done)
	b.LoadZX(8, r2, arg)
	poll()
	b.call(body, frame)
	b.ALUMI(amd64.Add, 8, index, 1)
	b.TestRR(8, r0, r0)
	b.Jcc(amd64.E, next)
	b.Bind(done)
	b.Pop(r0)
	b.ALURI(amd64.Add, 8, amd64.RSP, 16)
}

func (b *x86) mayGoto(to layout.Label) {
	b.ALUMI(amd64.Cmp, 8, amd64.At(amd64.RSP, 0), 0)
	b.Jcc(amd64.E, to)
	b.ALUMI(amd64.Sub, 8, amd64.At(amd64.RSP, 0), 1)
}

func (b *x86) poll(n int32, cold layout.Label) {
	b.ALUMI(amd64.Sub, 8, field(ctxPolls), n)
	b.Jcc(amd64.S, cold)
}

func (b *x86) exit(site int, thunk layout.Label) {
	b.MovRI(scratch, uint64(site))
	b.Jmp(thunk)
}

// align puts heads of loops at the start of a cache line: a small loop that ends with a jump across two of them took 1.7 times
// as long.
func (b *x86) align() { b.Align(64, 63) }

func (b *x86) field(off int32) { b.LoadZX(8, x86Home[isa.R0], field(off)) }

func (b *x86) count(off int32, ask func() layout.Label) bool {
	r0 := x86Home[isa.R0]
	b.LoadZX(8, scratch, field(off))
	b.TestRR(8, scratch, scratch)
	b.Jcc(amd64.E, ask())
	b.MovRI(r0, 1)
	b.Lock()
	b.XaddMR(8, amd64.At(scratch, 0), r0)
	b.ALURI(amd64.Add, 8, r0, 1)
	return true
}
