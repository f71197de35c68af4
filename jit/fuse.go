package jit

import (
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/verifier"
)

// fused emits instructions that are better together, and tells how many slots they are; 0 if there is nothing of the kind.
// The order of attempts is that of length.
func (c *compiler) fused(pc int) int {
	i := &c.insns[pc]
	if !c.follows(pc + 1) {
		return 0
	}
	j := &c.insns[pc+1]
	switch {
	case i.Op == isa.Mov && i.SrcReg && i.Dst != i.Src:
		if n := c.fuseRotate(pc); n > 0 {
			return n
		}
		if n := c.fuseHalves(pc); n > 0 {
			return n
		}
		return c.fuseLea(pc, i, j)
	case i.Op == isa.Lsh && !i.SrcReg && i.Size == 8 && i.Imm == 32 && j.Dst == i.Dst && !j.SrcReg && j.Imm == 32 && j.Size == 8:
		switch j.Op {
		case isa.Rsh:
			c.b.mov(4, i.Dst, i.Dst)
			return 2
		case isa.Arsh:
			c.b.extend(4, 8, i.Dst, i.Dst)
			return 2
		}
	case i.Op == isa.Load:
		if n := c.fuseSwap(pc, i, j); n > 0 {
			return n
		}
		if n := c.fuseLoads(pc); n > 0 {
			return n
		}
		return c.fuseOperand(pc, i, j)
	}
	return 0
}

// follows tells that the instruction at pc is executed after the one before it, and only then.
func (c *compiler) follows(pc int) bool { return pc < c.fn.end && !c.target[pc] && c.live(pc) }

// fuseLea makes one addition with three operands of "d = s; d += x".
func (c *compiler) fuseLea(pc int, i, j *isa.Insn) int {
	if j.Op != isa.Add || j.Dst != i.Dst || i.Size != 8 && j.Size != 4 || j.SrcReg && j.Src == i.Dst {
		return 0
	}
	width := int(j.Size)
	if c.facts[pc+1]&verifier.PointerResult != 0 {
		width = 4
	}
	c.b.lea(width, i.Dst, i.Src, operandOf(j))
	return 2
}

// fuseRotate recognises a rotation of s by k, in the ways that compilers write it:
//
//	d = s; d <<= k; s >>= w-k; s |= d     (or with the shifts the other way round)
//
// The left part stays in d, where it may be used. With s left alone and d |= s the other way round is not seen.
func (c *compiler) fuseRotate(pc int) int {
	if !c.follows(pc+1) || !c.follows(pc+2) || !c.follows(pc+3) {
		return 0
	}
	i, x, y, z := &c.insns[pc], &c.insns[pc+1], &c.insns[pc+2], &c.insns[pc+3]
	d, s, w := i.Dst, i.Src, int32(x.Size)*8
	shift := func(n *isa.Insn, r isa.Reg) bool {
		return (n.Op == isa.Lsh || n.Op == isa.Rsh) && !n.SrcReg && n.Dst == r && n.Size == x.Size && n.Imm > 0 && n.Imm < w
	}
	if !shift(x, d) || !shift(y, s) || x.Op == y.Op || x.Imm+y.Imm != w || i.Size < x.Size {
		return 0
	}
	if z.Op != isa.Or && z.Op != isa.Xor && z.Op != isa.Add || !z.SrcReg || z.Size < x.Size {
		return 0
	}
	left := x.Imm
	if x.Op == isa.Rsh {
		left = y.Imm
	}
	width := int(x.Size)
	switch {
	case z.Dst == s && z.Src == d:
		// The other half, in d, is written too, unless nobody wants it.
		if !c.dead(pc+4, d) {
			c.b.mov(width, d, s)
			c.b.alu(x.Op, width, d, operand{imm: x.Imm})
		}
		c.b.rotate(width, s, s, uint8(left))
	case z.Dst == d && z.Src == s:
		c.b.rotate(width, d, s, uint8(left))
		if !c.dead(pc+4, s) {
			c.b.alu(y.Op, width, s, operand{imm: y.Imm})
		}
	default:
		return 0
	}
	return 4
}

// line gives n instructions that are executed one after the other from pc on; nil if they are not.
func (c *compiler) line(pc, n int) []isa.Insn {
	for k := 1; k < n; k++ {
		if !c.follows(pc + k) {
			return nil
		}
	}
	return c.insns[pc : pc+n]
}

// fuseHalves recognises a rotation whose source stays: a = s; a >>= k; d = s; d <<= w-k; d |= a, or with the shifts the
// other way round.
func (c *compiler) fuseHalves(pc int) int {
	l := c.line(pc, 5)
	if l == nil {
		return 0
	}
	a, d, s, w := l[0].Dst, l[2].Dst, l[0].Src, int32(l[1].Size)*8
	shift := func(n *isa.Insn, r isa.Reg) bool {
		return (n.Op == isa.Lsh || n.Op == isa.Rsh) && !n.SrcReg && n.Dst == r && n.Size == l[1].Size && n.Imm > 0 && n.Imm < w
	}
	if l[2].Op != isa.Mov || !l[2].SrcReg || l[2].Src != s || a == d || d == s || l[2].Size < l[1].Size || l[0].Size < l[1].Size {
		return 0
	}
	if !shift(&l[1], a) || !shift(&l[3], d) || l[1].Op == l[3].Op || l[1].Imm+l[3].Imm != w {
		return 0
	}
	if o := &l[4]; o.Op != isa.Or && o.Op != isa.Xor && o.Op != isa.Add || !o.SrcReg || o.Dst != d || o.Src != a || o.Size < l[1].Size {
		return 0
	}
	left := l[1].Imm
	if l[1].Op == isa.Rsh {
		left = l[3].Imm
	}
	width := int(l[1].Size)
	if !c.dead(pc+5, a) {
		c.b.mov(width, a, s)
		c.b.alu(l[1].Op, width, a, operand{imm: l[1].Imm})
	}
	c.b.rotate(width, d, s, uint8(left))
	return 5
}

// fuseLoads makes one load of two of neighbours that are put together: a = *p; d = *(p+n); d <<= 8*n; d |= a.
func (c *compiler) fuseLoads(pc int) int {
	l := c.line(pc, 4)
	if l == nil || l[1].Op != isa.Load || c.facts[pc]&verifier.ForeignBase != 0 || c.facts[pc+1]&verifier.ForeignBase != 0 {
		return 0
	}
	a, d, base, n := l[0].Dst, l[1].Dst, l[0].Src, l[0].Size
	if n > 4 || l[1].Size != n || l[1].Src != base || l[1].Off != l[0].Off+int16(n) || a == base || a == d {
		return 0
	}
	x, o := &l[2], &l[3]
	if x.Op != isa.Lsh || x.SrcReg || x.Dst != d || x.Imm != int32(n)*8 || n == 4 && x.Size != 8 {
		return 0
	}
	if o.Op != isa.Or && o.Op != isa.Add && o.Op != isa.Xor || !o.SrcReg || o.Dst != d || o.Src != a || n == 4 && o.Size != 8 {
		return 0
	}
	c.base(pc, base)
	if !c.dead(pc+4, a) {
		c.b.load(int(n), false, a, base, int32(l[0].Off))
	}
	c.b.load(int(2*n), false, d, base, int32(l[0].Off))
	return 4
}

// fuseSwap makes one load of "d = *p; d = be d".
func (c *compiler) fuseSwap(pc int, i, j *isa.Insn) int {
	if j.Op != isa.ToBE && j.Op != isa.Bswap || j.Dst != i.Dst || int(j.Imm) != int(i.Size)*8 ||
		c.facts[pc]&(verifier.ForeignBase|verifier.PointerResult) != 0 {
		return 0
	}
	c.base(pc, i.Src)
	if !c.b.loadSwapped(int(i.Size), i.Dst, i.Src, int32(i.Off)) {
		return 0
	}
	return 2
}

// fuseOperand takes the second operand of arithmetic from memory: "x = *p; d += x". Not that of a comparison with a constant: it
// could not be one with the jump that follows then, and a loop over bytes took 1.2 times as long.
func (c *compiler) fuseOperand(pc int, i, j *isa.Insn) int {
	size, width := int(i.Size), int(j.Size)
	switch j.Op {
	case isa.Add, isa.Sub, isa.Or, isa.And, isa.Xor, isa.Mul:
	default:
		return 0
	}
	if !j.SrcReg || j.Src != i.Dst || j.Dst == i.Dst || size < 4 || size < width || !c.dead(pc+2, i.Dst) ||
		c.facts[pc]&(verifier.ForeignBase|verifier.PointerResult) != 0 || !c.b.canMemory() {
		return 0
	}
	if c.facts[pc+1]&verifier.PointerResult != 0 {
		width = 4
	}
	c.base(pc, i.Src)
	c.b.aluMemory(j.Op, width, j.Dst, i.Src, int32(i.Off))
	if j.Op != isa.Mul && width == int(j.Size) {
		c.flags = pc + 1
	}
	return 2
}
