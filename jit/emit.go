package jit

import (
	"fmt"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/jit/layout"
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/verifier"
)

// operandOf is the second operand of an instruction.
func operandOf(i *isa.Insn) operand { return operand{reg: i.Src, isReg: i.SrcReg, imm: i.Imm} }

// emit writes the instruction at pc, perhaps with some that follow, and tells how many slots that were.
func (c *compiler) emit(pc int) (int, error) {
	i := &c.insns[pc]
	if c.unused(pc) {
		if i.Op == isa.LdImm64 {
			return 2, nil
		}
		return 1, nil
	}
	if n := c.fused(pc); n > 0 {
		return n, nil
	}
	b, width := c.b, int(i.Size)
	switch op := i.Op; op {
	case isa.Div, isa.Mod, isa.SDiv, isa.SMod:
		c.divide(pc, i)
	case isa.Add, isa.Sub:
		if c.facts[pc]&verifier.PointerResult != 0 {
			width = 4
		}
		b.alu(op, width, i.Dst, operandOf(i))
		if width == int(i.Size) {
			c.flags = pc
		}
	case isa.Or, isa.And, isa.Xor, isa.Neg:
		b.alu(op, width, i.Dst, operandOf(i))
		c.flags = pc
	case isa.Mul, isa.Lsh, isa.Rsh, isa.Arsh, isa.Mov:
		b.alu(op, width, i.Dst, operandOf(i))
	case isa.MovSX:
		b.extend(int(i.Off)/8, width, i.Dst, i.Src)
	case isa.AddrSpaceCast:
		b.mov(4, i.Dst, i.Src)
	case isa.ToLE, isa.ToBE, isa.Bswap:
		b.endian(op, int(i.Imm), i.Dst)
	case isa.LdImm64:
		v, err := c.imm64(pc)
		if err != nil {
			return 0, err
		}
		b.constant(i.Dst, v)
		return 2, nil
	case isa.Load, isa.LoadSX, isa.Store, isa.StoreImm:
		c.access(pc, i)
	case isa.LdAbs, isa.LdInd:
		c.loadAbs(pc, i)
	case isa.Ja:
		c.jump(pc, i.Target(pc))
	case isa.MayGoto:
		b.mayGoto(layout.Label(i.Target(pc)))
	case isa.CallSub:
		f := &c.funcs[c.function(i.Target(pc))]
		b.call(f.body, f.frame)
	case isa.Call, isa.CallKfn:
		return c.call(pc, i)
	case isa.Exit:
		if pc+1 != c.fn.end {
			if c.fn.main {
				b.jump(c.th.done)
			} else {
				b.leave(c.fn, c.th.done)
			}
		}
	default:
		switch {
		case op.IsCond():
			c.branch(pc, i)
		case op.IsAtomic():
			c.atomic(pc, i)
		default:
			return 0, fmt.Errorf("%w: %s", errUnsupported, op.Info().Name)
		}
	}
	return 1, nil
}

// next is where what follows an instruction is emitted: dead code is skipped.
func (c *compiler) next(pc int) int {
	for pc < c.fn.end && !c.live(pc) {
		pc++
	}
	return pc
}

func (c *compiler) jump(pc, to int) {
	if to > pc && c.next(pc+1) == to {
		return
	}
	c.b.jump(layout.Label(to))
}

// branch emits a conditional jump, of which one way may never be taken.
func (c *compiler) branch(pc int, i *isa.Insn) {
	to := i.Target(pc)
	switch {
	case !c.live(to):
	case !c.live(pc + 1):
		c.jump(pc, to)
	default:
		c.b.branch(i.Op, int(i.Size), i.Dst, operandOf(i), c.zeroKnown(pc, i), layout.Label(to))
	}
}

// zeroKnown tells that the jump compares with 0, for equality, what the instruction before it has computed: processors
// whose arithmetic sets flags know already.
func (c *compiler) zeroKnown(pc int, i *isa.Insn) bool {
	if pc == 0 || c.flags != pc-1 || c.target[pc] || i.SrcReg || i.Imm != 0 || i.Op != isa.Jeq && i.Op != isa.Jne {
		return false
	}
	before := &c.insns[pc-1]
	return before.Dst == i.Dst && before.Size == i.Size
}

// divide emits a division. Numbers that fit in 32 bits are divided as such.
func (c *compiler) divide(pc int, i *isa.Insn) {
	width, s := int(i.Size), c.knownAt[pc].narrow
	if width == 8 && (i.Op == isa.Div || i.Op == isa.Mod) && s.has(i.Dst) && (i.SrcReg && s.has(i.Src) || !i.SrcReg && i.Imm > 0) {
		width = 4
	}
	// A width of 8 goes by the whole register, of which the low half is not zero.
	c.b.divide(i.Op, width, i.Dst, operandOf(i), i.SrcReg && c.knownAt[pc].nonzero.has(i.Src), c.outOfLine)
}

// outOfLine has something written after the function, and gives its label.
func (c *compiler) outOfLine(write func()) layout.Label {
	l := c.b.builder().Label()
	c.cold = append(c.cold, coldCode{at: l, pc: c.pc, write: write})
	return l
}

// base makes sure that the upper half of a base register is zero.
func (c *compiler) base(pc int, r isa.Reg) {
	if !c.knownAt[pc].narrow.has(r) {
		c.b.mov(4, r, r)
	}
}

// access emits a load or store.
func (c *compiler) access(pc int, i *isa.Insn) {
	if c.facts[pc]&verifier.ForeignBase != 0 {
		c.slow(pc)
		return
	}
	b, size, off := c.b, int(i.Size), int32(i.Off)
	r, _ := baseOf(i)
	c.base(pc, r)
	switch i.Op {
	case isa.Load:
		if c.facts[pc]&verifier.PointerResult != 0 {
			size = 4
		}
		b.load(size, false, i.Dst, i.Src, off)
	case isa.LoadSX:
		b.load(size, true, i.Dst, i.Src, off)
	case isa.Store:
		b.store(size, i.Dst, off, i.Src)
	case isa.StoreImm:
		b.storeImm(size, i.Dst, off, i.Imm)
	}
}

func (c *compiler) atomic(pc int, i *isa.Insn) {
	if c.facts[pc]&verifier.ForeignBase != 0 {
		c.slow(pc)
		return
	}
	r, _ := baseOf(i)
	c.base(pc, r)
	resume := c.b.builder().Label()
	slow := func() layout.Label { return c.leaveCold(site{kind: siteSlow, pc: int32(pc), resume: resume}, c.th.all) }
	if !c.b.atomic(i, slow) {
		c.slow(pc)
	}
	c.b.builder().Bind(resume)
}

// loadAbs emits a load of packet bytes. What is not in the packet, Go looks at.
func (c *compiler) loadAbs(pc int, i *isa.Insn) {
	src := operand{reg: i.Src, isReg: i.Op == isa.LdInd}
	if !src.isReg && uint32(i.Imm) > maxPacket {
		c.slow(pc)
		return
	}
	c.base(pc, isa.R6)
	resume := c.b.builder().Label()
	c.b.loadAbs(int(i.Size), src, i.Imm, c.leaveCold(site{kind: siteSlow, pc: int32(pc), resume: resume}, c.th.all))
	c.b.builder().Bind(resume)
}

// Offsets in struct __sk_buff (linux/bpf.h).
const (
	skbData    = 76
	skbDataEnd = 80
)

// maxPacket is more than the length of any packet.
const maxPacket = 1 << 20

// slow lets Go execute an instruction.
func (c *compiler) slow(pc int) { c.leave(site{kind: siteSlow, pc: int32(pc)}, c.th.all) }

// leave emits a site, and where the code goes on after it.
func (c *compiler) leave(s site, thunk layout.Label) {
	bld := c.b.builder()
	s.resume = bld.Label()
	c.b.exit(c.site(s), thunk)
	bld.Bind(s.resume)
}

// leaveCold emits a site out of line, which goes on at s.resume, and gives the label of the way there.
func (c *compiler) leaveCold(s site, thunk layout.Label) layout.Label {
	l := c.b.builder().Label()
	c.cold = append(c.cold, coldCode{at: l, pc: c.pc, site: c.site(s), thunk: thunk})
	return l
}

// imm64 is what an LdImm64 loads.
func (c *compiler) imm64(pc int) (uint64, error) {
	i, hi := &c.insns[pc], c.insns[pc+1]
	switch i.Src {
	case isa.PseudoNone:
		return i.Imm64(hi), nil
	case isa.PseudoFunc:
		return helpers.FuncAddr(i.Target(pc)), nil
	case isa.PseudoBTFID:
		if c.opts.Variable != nil {
			if v := c.opts.Variable(i.Imm); v != 0 {
				return v, nil
			}
		}
		return 0, fmt.Errorf("jit: no kernel variable with BTF id %d", i.Imm)
	}
	if uint32(i.Imm) >= uint32(len(c.opts.Maps)) || c.opts.Maps[i.Imm] == nil || c.prog.BadFDs[pc] {
		return 0, fmt.Errorf("jit: no map %d", i.Imm)
	}
	m := c.opts.Maps[i.Imm]
	if i.Src == isa.PseudoMapFD || i.Src == isa.PseudoMapIdx {
		return uint64(m.Addr()), nil
	}
	if v, ok := m.(maps.ValueAddresser); ok {
		if a, size, ok := v.ValueAddr(); ok && uint32(hi.Imm) < size {
			return uint64(a) + uint64(uint32(hi.Imm)), nil
		}
	}
	return 0, fmt.Errorf("jit: map %q has no value at offset %d", m.Spec().Name, uint32(hi.Imm))
}
