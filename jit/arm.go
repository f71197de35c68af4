package jit

import (
	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/jit/arm64"
	"github.com/skepbpf/skep/jit/layout"
	"github.com/skepbpf/skep/maps"
)

// arm is the backend of arm64. The atomic operations of LSE are used if the processor has them.
type arm struct {
	arm64.Asm
	lse  bool
	slot int32 // of the function's counter of may_gotos, from the stack pointer
}

// Homes of the registers. X18 is the platform's, X28 is Go's g, X29 its frame pointer: none of them is touched.
var armHome = [isa.NumRegs]arm64.Reg{7, 0, 1, 2, 3, 4, 19, 20, 21, 22, 25}

const (
	armBase = arm64.Reg(23) // of the Space
	armCtx  = arm64.Reg(24) // the context
	tmp     = arm64.Reg(9)
	tmp2    = arm64.Reg(10)
	tmp3    = arm64.Reg(11)
)

func (b *arm) builder() *layout.Builder  { return &b.Builder }
func (b *arm) encoding() layout.Encoding { return arm64.Encoding{} }

func (b *arm) thunks(t *thunks) {
	ctx := func(load bool, r arm64.Reg, off int32) {
		if load {
			b.Load(8, r, armCtx, off)
		} else {
			b.Store(8, r, armCtx, off)
		}
	}
	in := func() {
		b.Mov(8, armCtx, 0) // where enter leaves it
		b.MovSP(tmp, arm64.SP)
		ctx(false, tmp, ctxGoSP)
		ctx(false, arm64.LR, ctxGoLR)
		ctx(true, tmp, ctxSP)
		b.MovSP(arm64.SP, tmp)
		ctx(true, armBase, ctxBase)
		ctx(true, tmp, ctxTarget)
	}
	regs := func(load bool, of ...isa.Reg) {
		for _, r := range of {
			ctx(load, armHome[r], ctxRegs+8*int32(r))
		}
	}
	out := func() {
		ctx(true, tmp, ctxGoSP)
		b.MovSP(arm64.SP, tmp)
		ctx(true, arm64.LR, ctxGoLR)
		b.Ret()
	}
	b.Bind(t.start)
	in()
	regs(true, 1, 2, 10)
	b.Br(tmp)

	b.Bind(t.invoke)
	in()
	regs(true, 1, 2, 3, 4, 5, 10)
	b.Blr(tmp)
	b.Bind(t.done)
	regs(false, 0)
	b.MovI(tmp, ^uint64(0)) // siteDone
	ctx(false, tmp, ctxSite)
	out()

	b.Bind(t.resumeAll)
	in()
	regs(true, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	b.Br(tmp)

	b.Bind(t.resume)
	in()
	regs(true, 0, 6, 7, 8, 9, 10)
	b.Br(tmp)

	// The number of the site is in tmp.
	b.Bind(t.all)
	regs(false, 0)
	for n := len(t.call) - 1; n >= 0; n-- {
		b.Bind(t.call[n])
		if n > 0 {
			regs(false, isa.Reg(n))
		}
	}
	regs(false, 6, 7, 8, 9, 10)
	ctx(false, tmp, ctxSite)
	b.MovSP(tmp, arm64.SP)
	ctx(false, tmp, ctxSP)
	out()
}

// frameOf is the bytes of native stack that a function takes: return address, saved registers, counter; a multiple of 16.
func (b *arm) frameOf(f *function) uint32 {
	n := 1 + len(f.saves)
	if f.main {
		n = 0
	}
	b.slot = int32(n) * 8
	if f.mayGoto != 0 {
		n++
	}
	return uint32(n+1) &^ 1 * 8
}

func (b *arm) enter(f *function) {
	n := b.frameOf(f)
	if n == 0 {
		return
	}
	b.AddI(arm64.Sub, 8, arm64.SP, arm64.SP, n)
	if !f.main {
		b.Store(8, arm64.LR, arm64.SP, 0)
		for i, r := range f.saves {
			b.Store(8, armHome[r], arm64.SP, int32(i+1)*8)
		}
	}
	if f.mayGoto != 0 {
		b.MovI(tmp, uint64(f.mayGoto))
		b.Store(8, tmp, arm64.SP, b.slot)
	}
}

func (b *arm) leave(f *function, done layout.Label) {
	if f.main {
		b.B(done)
		return
	}
	b.Load(8, arm64.LR, arm64.SP, 0)
	for i, r := range f.saves {
		b.Load(8, armHome[r], arm64.SP, int32(i+1)*8)
	}
	b.AddI(arm64.Add, 8, arm64.SP, arm64.SP, b.frameOf(f))
	b.Ret()
}

func (b *arm) clear(n int) {
	if n <= 0 {
		return
	}
	b.AddX(tmp, armBase, armHome[isa.R10])
	b.AddI(arm64.Sub, 8, tmp, tmp, uint32(n))
	for at := 0; at < n; at += 8 {
		b.Store(8, arm64.Zero, tmp, int32(at))
	}
}

// value puts an operand into a register.
func (b *arm) value(o operand, width int, r arm64.Reg) arm64.Reg {
	if o.isReg {
		return armHome[o.reg]
	}
	v := uint64(int64(o.imm))
	if width == 4 {
		v = uint64(uint32(o.imm))
	}
	if v == 0 {
		return arm64.Zero
	}
	b.MovI(r, v)
	return r
}

// armOp are the operations that have one instruction.
var armOp = [isa.NumOps]arm64.Op{isa.Add: arm64.Add, isa.Sub: arm64.Sub, isa.Mul: arm64.Mul, isa.Or: arm64.Orr, isa.And: arm64.And,
	isa.Xor: arm64.Eor, isa.Lsh: arm64.Lsl, isa.Rsh: arm64.Lsr, isa.Arsh: arm64.Asr}

func (b *arm) alu(op isa.Op, width int, dst isa.Reg, src operand) {
	d := armHome[dst]
	switch op {
	case isa.Add, isa.Sub:
		if !src.isReg && b.addI(op, width, d, d, src.imm) {
			return
		}
	case isa.Lsh, isa.Rsh, isa.Arsh:
		if !src.isReg {
			n := uint32(src.imm) & uint32(width*8-1)
			switch {
			case n == 0:
				b.Mov(width, d, d)
			case op == isa.Lsh:
				b.LslI(width, d, d, n)
			case op == isa.Rsh:
				b.LsrI(width, d, d, n)
			default:
				b.AsrI(width, d, d, n)
			}
			return
		}
	case isa.Neg:
		b.RRR(arm64.Sub, width, d, arm64.Zero, d)
		return
	case isa.Mov:
		switch {
		case src.isReg:
			b.mov(width, dst, src.reg)
		case width == 4:
			b.MovI(d, uint64(uint32(src.imm)))
		default:
			b.MovI(d, uint64(int64(src.imm)))
		}
		return
	}
	b.RRR(armOp[op], width, d, d, b.value(src, width, tmp))
}

// addI adds a constant if that takes one instruction.
func (b *arm) addI(op isa.Op, width int, d, n arm64.Reg, v int32) bool {
	add := op == isa.Add
	if v < 0 {
		add, v = !add, -v
	}
	if v < 0 || !arm64.FitsAddI(uint32(v)) {
		return false
	}
	o := arm64.Sub
	if add {
		o = arm64.Add
	}
	b.AddI(o, width, d, n, uint32(v))
	return true
}

func (b *arm) lea(width int, dst, x isa.Reg, y operand) {
	if !y.isReg && b.addI(isa.Add, width, armHome[dst], armHome[x], y.imm) {
		return
	}
	b.RRR(arm64.Add, width, armHome[dst], armHome[x], b.value(y, width, tmp))
}

func (b *arm) rotate(width int, dst, src isa.Reg, n uint8) {
	b.RorI(width, armHome[dst], armHome[src], uint32(width*8)-uint32(n))
}

func (b *arm) mov(width int, dst, src isa.Reg) {
	if dst != src || width == 4 {
		b.Mov(width, armHome[dst], armHome[src])
	}
}

func (b *arm) constant(dst isa.Reg, v uint64) { b.MovI(armHome[dst], v) }

func (b *arm) extend(from, width int, dst, src isa.Reg) {
	if from == 4 && width == 4 {
		b.Mov(4, armHome[dst], armHome[src])
		return
	}
	b.SExt(from, width, armHome[dst], armHome[src])
}

func (b *arm) endian(op isa.Op, width int, dst isa.Reg) {
	d := armHome[dst]
	swap := op != isa.ToLE
	switch {
	case width == 16:
		if swap {
			b.Rev16(d, d)
		}
		b.UExt(2, d, d)
	case width == 32 && swap:
		b.Rev(4, d, d)
	case width == 32:
		b.Mov(4, d, d)
	case swap:
		b.Rev(8, d, d)
	}
}

// divide needs no checks: a division by zero gives zero here, which leaves of a remainder the number itself, and that of the
// least number by -1 wraps around.
func (b *arm) divide(op isa.Op, width int, dst isa.Reg, src operand, _ bool, _ func(func()) layout.Label) {
	d, s := armHome[dst], b.value(src, width, tmp)
	o := arm64.UDiv
	if op == isa.SDiv || op == isa.SMod {
		o = arm64.SDiv
	}
	if op == isa.Div || op == isa.SDiv {
		b.RRR(o, width, d, d, s)
		return
	}
	b.RRR(o, width, tmp2, d, s)
	b.MSub(width, d, tmp2, s, d)
}

// index is the register with the offset of an access in the Space: the low half counts.
func (b *arm) index(base isa.Reg, disp int32) arm64.Reg {
	switch r := armHome[base]; {
	case disp == 0:
		return r
	case b.addI(isa.Add, 4, tmp2, r, disp):
	default:
		b.MovI(tmp2, uint64(uint32(disp)))
		b.RRR(arm64.Add, 4, tmp2, tmp2, r)
	}
	return tmp2
}

func (b *arm) load(size int, signed bool, dst, base isa.Reg, disp int32) {
	b.LoadX(size, signed, armHome[dst], armBase, b.index(base, disp))
}

func (b *arm) canMemory() bool                                { return false }
func (b *arm) aluMemory(isa.Op, int, isa.Reg, isa.Reg, int32) {}

func (b *arm) loadSwapped(int, isa.Reg, isa.Reg, int32) bool { return false }

func (b *arm) store(size int, base isa.Reg, disp int32, src isa.Reg) {
	b.StoreX(size, armHome[src], armBase, b.index(base, disp))
}

func (b *arm) storeImm(size int, base isa.Reg, disp int32, v int32) {
	b.StoreX(size, b.value(operand{imm: v}, 8, tmp), armBase, b.index(base, disp))
}

// armAtomic are the operations of LSE; that of And takes the complement.
var armAtomic = [isa.NumOps]arm64.Atomic{isa.AtomicAdd: arm64.LdAdd, isa.FetchAdd: arm64.LdAdd, isa.AtomicOr: arm64.LdSet,
	isa.FetchOr: arm64.LdSet, isa.AtomicAnd: arm64.LdClr, isa.FetchAnd: arm64.LdClr, isa.AtomicXor: arm64.LdEor,
	isa.FetchXor: arm64.LdEor, isa.Xchg: arm64.Swp}

func (b *arm) atomic(i *isa.Insn, slow func() layout.Label) bool {
	size := int(i.Size)
	if !b.lse && i.Op != isa.LoadAcq && i.Op != isa.StoreRel {
		return false
	}
	base, _ := baseOf(i)
	b.AddX(tmp3, armBase, b.index(base, int32(i.Off)))
	if size > 1 {
		// At an address that is not aligned these fault.
		b.MovI(tmp, uint64(size-1))
		b.RRR(arm64.Ands, 8, arm64.Zero, tmp3, tmp)
		b.BIf(arm64.NE, slow())
	}
	src := armHome[i.Src]
	switch i.Op {
	case isa.LoadAcq:
		b.LoadAcq(size, armHome[i.Dst], tmp3)
		return true
	case isa.StoreRel:
		b.StoreRel(size, src, tmp3)
		return true
	case isa.CmpXchg:
		b.Cas(size, armHome[isa.R0], src, tmp3)
		return true
	}
	old := tmp2
	if i.Op.Info().Form == isa.FormFetch {
		old = src
	}
	if i.Op == isa.AtomicAnd || i.Op == isa.FetchAnd {
		b.RRR(arm64.Orn, 8, tmp, arm64.Zero, src)
		src = tmp
	}
	b.Atomic(armAtomic[i.Op], size, src, old, tmp3)
	return true
}

func (b *arm) jump(to layout.Label) { b.B(to) }

var armCond = [isa.NumOps]arm64.Cond{isa.Jeq: arm64.EQ, isa.Jne: arm64.NE, isa.Jset: arm64.NE, isa.Jgt: arm64.HI, isa.Jge: arm64.HS,
	isa.Jlt: arm64.LO, isa.Jle: arm64.LS, isa.Jsgt: arm64.GT, isa.Jsge: arm64.GE, isa.Jslt: arm64.LT, isa.Jsle: arm64.LE}

func (b *arm) branch(op isa.Op, width int, dst isa.Reg, src operand, _ bool, to layout.Label) {
	d := armHome[dst]
	switch {
	case op == isa.Jset:
		b.RRR(arm64.Ands, width, arm64.Zero, d, b.value(src, width, tmp))
	default:
		b.compare(width, d, src)
	}
	b.BIf(armCond[op], to)
}

// compare sets flags by d - src.
func (b *arm) compare(width int, d arm64.Reg, src operand) {
	if !src.isReg && src.imm >= 0 && arm64.FitsAddI(uint32(src.imm)) {
		b.AddI(arm64.Subs, width, arm64.Zero, d, uint32(src.imm))
		return
	}
	b.RRR(arm64.Subs, width, arm64.Zero, d, b.value(src, width, tmp2))
}

func (b *arm) call(to layout.Label, frame bool) {
	r10 := armHome[isa.R10]
	if frame {
		b.AddI(arm64.Add, 4, r10, r10, helpers.FrameStride)
	}
	b.BL(to)
	if frame {
		b.AddI(arm64.Sub, 4, r10, r10, helpers.FrameStride)
	}
}

func (b *arm) loop(body layout.Label, frame bool, poll func()) {
	const index, count, arg, size = 0, 8, 16, 32
	r0, r1 := armHome[isa.R0], armHome[isa.R1]
	b.AddI(arm64.Sub, 8, arm64.SP, arm64.SP, size)
	b.Store(8, armHome[isa.R3], arm64.SP, arg)
	b.Mov(4, tmp, r1)
	b.Store(8, tmp, arm64.SP, count)
	b.Store(8, arm64.Zero, arm64.SP, index)
	next, done := b.Label(), b.Label()
	b.Bind(next)
	b.Load(8, r1, arm64.SP, index)
	b.Load(8, tmp, arm64.SP, count)
	b.RRR(arm64.Subs, 8, arm64.Zero, r1, tmp)
	b.BIf(arm64.HS, done)
	b.Load(8, armHome[isa.R2], arm64.SP, arg)
	poll()
	b.call(body, frame)
	b.Load(8, tmp, arm64.SP, index)
	b.AddI(arm64.Add, 8, tmp, tmp, 1)
	b.Store(8, tmp, arm64.SP, index)
	b.AddI(arm64.Subs, 8, arm64.Zero, r0, 0)
	b.BIf(arm64.EQ, next)
	b.Bind(done)
	b.Load(8, r0, arm64.SP, index)
	b.AddI(arm64.Add, 8, arm64.SP, arm64.SP, size)
}

func (b *arm) mayGoto(to layout.Label) {
	b.Load(8, tmp, arm64.SP, b.slot)
	b.AddI(arm64.Subs, 8, tmp, tmp, 1)
	b.BIf(arm64.LO, to)
	b.Store(8, tmp, arm64.SP, b.slot)
}

func (b *arm) poll(n int32, cold layout.Label) {
	b.Load(8, tmp, armCtx, ctxPolls)
	b.AddI(arm64.Subs, 8, tmp, tmp, uint32(n))
	b.Store(8, tmp, armCtx, ctxPolls)
	b.BIf(arm64.MI, cold)
}

func (b *arm) exit(site int, thunk layout.Label) {
	b.MovI(tmp, uint64(site))
	b.B(thunk)
}

func (b *arm) align() {}

func (b *arm) field(off int32) { b.Load(8, armHome[isa.R0], armCtx, off) }

func (b *arm) count(off int32, ask func() layout.Label) bool {
	if !b.lse {
		return false
	}
	r0 := armHome[isa.R0]
	b.Load(8, tmp, armCtx, off)
	b.AddI(arm64.Subs, 8, arm64.Zero, tmp, 0)
	b.BIf(arm64.EQ, ask())
	b.MovI(tmp2, 1)
	b.Atomic(arm64.LdAdd, 8, tmp2, r0, tmp)
	b.AddI(arm64.Add, 8, r0, r0, 1)
	return true
}

func (b *arm) loadAbs(size int, src operand, off int32, cold layout.Label) {
	b.MovI(tmp, uint64(uint32(off)))
	if src.isReg {
		b.RRR(arm64.Adds, 4, tmp, tmp, armHome[src.reg])
		b.BIf(arm64.MI, cold)
	}
	b.LoadX(4, false, tmp3, armBase, b.index(isa.R6, skbData))
	b.RRR(arm64.Add, 8, tmp, tmp, tmp3)
	b.AddI(arm64.Add, 8, tmp, tmp, uint32(size))
	b.LoadX(4, false, tmp3, armBase, b.index(isa.R6, skbDataEnd))
	b.RRR(arm64.Subs, 8, arm64.Zero, tmp, tmp3)
	b.BIf(arm64.HI, cold)
	b.AddI(arm64.Sub, 4, tmp, tmp, uint32(size))
	b.LoadX(size, false, armHome[isa.R0], armBase, tmp)
	if size > 1 {
		b.endian(isa.ToBE, size*8, isa.R0)
	}
}

func (b *arm) lookup(l *maps.ArrayLayout, miss layout.Label) {
	b.LoadX(4, false, tmp, armBase, armHome[isa.R2])
	b.compare(4, tmp, operand{imm: int32(l.Count)})
	b.BIf(arm64.HS, miss)
	b.MovI(tmp2, uint64(l.Stride))
	b.MovI(tmp3, uint64(l.First))
	r0 := armHome[isa.R0]
	b.MAdd(4, r0, tmp, tmp2, tmp3)
	if l.CPUStride != 0 {
		b.Load(4, tmp, armCtx, ctxCPU)
		b.MovI(tmp2, uint64(l.CPUStride))
		b.MAdd(4, r0, tmp, tmp2, r0)
	}
}
