package fuzz

import (
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
)

// step makes a few instructions of one sort.
func (g *generator) step() {
	steps := [...]struct {
		weight int
		do     func()
	}{
		{24, g.arith}, {6, g.copy}, {6, func() { g.set(g.free()) }}, {14, g.branch}, {10, g.guard}, {10, g.spill}, {10, g.fill},
		{5, g.stackVar}, {6, g.ctxLoad}, {8, g.packet}, {9, g.lookup}, {4, g.direct}, {9, g.access}, {5, g.atomic}, {6, g.helper},
		{4, g.call}, {4, g.loop}, {2, g.bpfLoop}, {4, g.pointer}, {2, g.record}, {2, g.socket}, {2, g.forEach}, {2, g.inMap},
		{2, g.nullCheck}, {2, g.early}, {1, g.tail}, {2, g.ldAbs}, {2, g.compare},
	}
	total := 0
	for i := range steps {
		total += steps[i].weight
	}
	at := g.n(total)
	for i := range steps {
		if at -= steps[i].weight; at < 0 {
			steps[i].do()
			return
		}
	}
}

var arithOps = []isa.Op{isa.Add, isa.Sub, isa.Mul, isa.And, isa.Or, isa.Xor, isa.Lsh, isa.Rsh, isa.Arsh, isa.Neg, isa.Div, isa.Mod,
	isa.SDiv, isa.SMod, isa.Mov, isa.MovSX, isa.ToLE, isa.ToBE, isa.Bswap, isa.Add, isa.Sub, isa.And}

// target is a number that may change.
func (g *generator) target() isa.Reg {
	d, ok := g.any(func(v *val) bool { return v.k == num })
	if !ok || g.f.protected>>d&1 != 0 {
		d = g.free()
		g.emit(isa.Binary(isa.Mov, 8, d, g.imm()))
		g.f.regs[d] = unknown()
	}
	return d
}

// arith makes arithmetic on numbers.
func (g *generator) arith() {
	for range 1 + g.n(3) {
		d := g.target()
		op := arithOps[g.n(len(arithOps))]
		size := pick(g.Source, uint8(8), 8, 4)
		g.oneArith(op, size, d)
	}
}

func (g *generator) oneArith(op isa.Op, size uint8, d isa.Reg) {
	v := &g.f.regs[d]
	switch op {
	case isa.Neg:
		g.emit(isa.New(op, size, false, d, 0, 0, 0))
		*v = unknown()
		return
	case isa.ToLE, isa.ToBE, isa.Bswap:
		if op == isa.Bswap {
			size = 8
		} else {
			size = 4
		}
		bits := pick(g.Source, int32(16), 32, 64)
		g.emit(isa.New(op, size, op == isa.ToBE, d, 0, 0, bits))
		*v = unknown()
		if bits < 64 {
			*v = upTo(1<<bits - 1)
		}
		return
	case isa.MovSX:
		s := g.numReg(d)
		bits := pick(g.Source, int16(8), 16, 32)
		if size == 4 && bits == 32 {
			bits = 16
		}
		g.emit(isa.New(op, size, true, d, s, bits, 0))
		*v = unknown()
		return
	}
	if g.percent(40) || op == isa.Mov {
		s := g.numReg(d)
		g.emit(isa.BinaryReg(op, size, d, s))
		*v = unknown()
		if op == isa.Mov {
			*v = g.f.regs[s]
			if size == 4 && (v.bound < 0 || v.bound >= 1<<32) {
				*v = upTo(1<<32 - 1)
			}
		}
		return
	}
	k := g.imm()
	switch op {
	case isa.Lsh, isa.Rsh, isa.Arsh:
		k = int32(g.n(8 * int(size)))
	case isa.Div, isa.Mod, isa.SDiv, isa.SMod:
		if k == 0 {
			k = int32(1 + g.n(100))
		}
	}
	if g.lie() {
		k = g.imm()
	}
	g.emit(isa.Binary(op, size, d, k))
	was := *v
	*v = unknown()
	switch {
	case op == isa.And && k >= 0, op == isa.Mod && k > 0:
		*v = upTo(int64(k))
	case op == isa.Rsh && size == 8 && k > 0 && k < 64:
		*v = upTo(1<<(64-k) - 1)
	case op == isa.Add && size == 8 && was.bound >= 0 && was.bound < 1<<40 && k >= 0:
		*v = upTo(was.bound + int64(k))
	case size == 4:
		*v = upTo(1<<32 - 1)
	}
}

// copy copies a register, pointers too.
func (g *generator) copy() {
	s, ok := g.any(func(v *val) bool { return true })
	if !ok {
		return
	}
	d := g.free(s)
	g.mov(d, s)
}

var conds = []isa.Op{isa.Jeq, isa.Jne, isa.Jgt, isa.Jge, isa.Jlt, isa.Jle, isa.Jsgt, isa.Jsge, isa.Jslt, isa.Jsle, isa.Jset}

// condition makes a jump on a number, to be patched.
func (g *generator) condition() (at int) {
	d := g.numReg()
	op := conds[g.n(len(conds))]
	size := pick(g.Source, uint8(8), 8, 4)
	at = g.here()
	if g.percent(35) {
		if s := g.numReg(); g.percent(90) || s != d {
			at = g.here()
			g.emit(isa.BranchReg(op, size, d, s, 0))
			return at
		}
	}
	g.emit(isa.Branch(op, size, d, g.imm(), 0))
	return at
}

// branch makes an if with an else, or without.
func (g *generator) branch() {
	f := g.f
	if f.nest >= 4 {
		return
	}
	f.nest++
	defer func() { f.nest-- }()
	at := g.condition()
	before := f.state
	g.some(3)
	if g.percent(50) { // no else
		after := f.state
		g.patch(at)
		f.state = before
		f.state.join(&after)
		return
	}
	end := g.here()
	g.emit(isa.New(isa.Ja, 0, false, 0, 0, 0, 0))
	g.patch(at)
	then := f.state
	f.state = before
	g.some(3)
	g.patch(end)
	f.state.join(&then)
}

// some makes a few steps, for a block.
func (g *generator) some(n int) {
	protected := g.f.protected
	g.f.protected |= g.owned()
	for range g.n(n) + 1 {
		if g.left <= 0 {
			break
		}
		g.left--
		g.step()
	}
	g.f.protected = protected
}

// owned are the registers that hold what must be released: in a block they must stay.
func (g *generator) owned() (out uint16) {
	for i, v := range g.f.regs {
		switch v.k {
		case record, recordOr, sock, sockOr:
			out |= 1 << i
		}
	}
	return out
}

// leave makes an early end of the function, as a block to be jumped over.
func (g *generator) leave() {
	f := g.f
	saved := f.state
	g.releaseAll()
	g.exit()
	f.state = saved
}

// early makes a conditional early end.
func (g *generator) early() {
	at := g.condition()
	g.leave()
	g.patch(at)
}

// guard leaves the function if a number is out of bounds: after it, it is in bounds.
func (g *generator) guard() {
	r := g.numReg()
	n := pick(g.Source, 1, 3, 7, 8, 15, 16, 31, 63, 100, 255, 4096)
	op := pick(g.Source, isa.Jle, isa.Jlt)
	size := pick(g.Source, uint8(8), 8, 8, 4)
	k := int32(n)
	if op == isa.Jlt {
		k++
	}
	if g.percent(15) { // or not at all, by equality
		g.emit(isa.Branch(isa.Jeq, size, r, g.imm(), 0))
		at := g.here() - 1
		g.leave()
		g.patch(at)
		return
	}
	at := g.here()
	g.emit(isa.Branch(op, size, r, k, 0))
	g.leave()
	g.patch(at)
	if size == 8 {
		g.f.regs[r] = upTo(int64(n))
	}
}

// compare compares pointers, which is allowed and of little use.
func (g *generator) compare() {
	p, ok := g.any(func(v *val) bool { return v.k != num })
	if !ok {
		return
	}
	op := pick(g.Source, isa.Jeq, isa.Jne)
	at := g.here()
	if q, ok := g.any(func(v *val) bool { return v.k != num }); ok && g.percent(50) {
		g.emit(isa.BranchReg(op, 8, p, q, 0))
	} else if g.percent(50) {
		g.emit(isa.BranchReg(op, 8, p, g.numReg(), 0))
		at = g.here() - 1
	} else {
		g.emit(isa.Branch(op, 8, p, 0, 0))
	}
	before := g.f.state
	g.some(2)
	g.patch(at)
	g.f.state.join(&before)
}

// early numbers of what a loop counts.
func (g *generator) loop() {
	f := g.f
	if g.loops >= 2 || f.nest >= 3 || f.protected&0x3c0 == 0x3c0 {
		return
	}
	c := isa.R6 + isa.Reg(g.n(4))
	for f.protected>>c&1 != 0 || g.only(c) || f.regs[c].k >= record {
		if c++; c > isa.R9 {
			return
		}
	}
	g.loops++
	f.nest++
	saved := f.protected
	times := 1 + g.n(pick(g.Source, 4, 8, 20))
	stepBy := 1 + g.n(3)
	down := g.percent(25)
	start := 0
	if down {
		start = times * stepBy
	}
	g.emit(isa.Binary(isa.Mov, pick(g.Source, uint8(8), 8, 4), c, int32(start)))
	f.regs[c] = upTo(int64(times * stepBy))
	// What is a pointer stays one: the next round needs it.
	for i, v := range f.regs {
		if v.k != num && v.k != none {
			f.protected |= 1 << i
		}
	}
	f.protected |= 1 << c
	for i := range f.regs {
		if f.regs[i].k == num && isa.Reg(i) != c {
			f.regs[i].bound = -1
		}
	}
	for i := range f.slots {
		f.slots[i] = val{}
	}
	for r := isa.R0; r <= isa.R5; r++ { // calls would lose them
		if f.regs[r].k != none && g.percent(70) {
			f.regs[r] = val{}
		}
	}
	head := f.state
	top := g.here()
	var out []int
	if g.percent(30) {
		out = append(out, g.condition())
	}
	g.some(4)
	if g.percent(20) {
		out = append(out, g.condition())
	}
	// Numbers that are none any more are made anew.
	for i, v := range head.regs {
		if v.k == num && f.regs[i].k != num {
			g.emit(isa.Binary(isa.Mov, 8, isa.Reg(i), g.imm()))
			f.regs[i] = unknown()
		}
	}
	op, limit := pick(g.Source, isa.Jlt, isa.Jne, isa.Jslt), times*stepBy
	k := int32(stepBy)
	if down {
		op, limit, k = pick(g.Source, isa.Jgt, isa.Jne, isa.Jsgt), 0, -k
	}
	if g.lie() {
		k = 0
	}
	g.emit(isa.Binary(isa.Add, 8, c, k))
	g.emit(isa.Branch(op, pick(g.Source, uint8(8), 8, 4), c, int32(limit), 0))
	back := g.here() - 1
	f.insns[back].Off = int16(top - back - 1)
	for _, at := range out {
		g.patch(at)
	}
	f.state.join(&head)
	f.regs[c] = upTo(int64(times * stepBy))
	f.protected = saved
	f.nest--
	g.loops--
}

// tail makes a tail call.
func (g *generator) tail() {
	c, ok := g.any(func(v *val) bool { return v.k == ctx })
	if !ok || !g.clobberSafe() || len(g.owning()) > 0 {
		return
	}
	g.mov(isa.R1, c)
	g.mapAddr(isa.R2, mapProgs)
	g.emit(isa.Binary(isa.Mov, 4, isa.R3, int32(g.n(3))))
	if g.percent(30) {
		if r, ok := g.any(func(v *val) bool { return v.k == num }); ok {
			g.mov(isa.R3, r)
		}
	}
	g.callHelper(linux.HelperTailCall)
}

// ldAbs makes a legacy load from the packet.
func (g *generator) ldAbs() {
	if g.typ != linux.ProgTypeSocketFilter && g.typ != linux.ProgTypeSchedCLS && g.typ != linux.ProgTypeCGroupSKB && !g.lie() {
		return
	}
	if g.f.regs[isa.R6].k != ctx || !g.clobberSafe() || len(g.owning()) > 0 || g.f.callback {
		return
	}
	size := pick(g.Source, uint8(1), 2, 4)
	if s, ok := g.any(func(v *val) bool { return v.k == num }); ok && g.percent(50) {
		g.emit(isa.New(isa.LdInd, size, false, 0, s, 0, int32(g.n(64))))
	} else {
		g.emit(isa.New(isa.LdAbs, size, false, 0, 0, 0, int32(g.n(64))))
	}
	g.clobber()
	g.f.regs[isa.R0] = unknown()
}
