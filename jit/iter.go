package jit

import (
	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/jit/layout"
)

// This file has kernel functions in place: iterators over numbers, which loops call in each round. A struct bpf_iter_num is the
// number that was given last and the one after the last, 4 bytes each, as package helpers has it.

// Kernel functions that are in place.
const (
	numNew     = "bpf_iter_num_new"
	numNext    = "bpf_iter_num_next"
	numDestroy = "bpf_iter_num_destroy"
)

// kfunc is the kernel function that an instruction calls; nil if there is none. It is looked for once: that may take a while.
func (c *compiler) kfunc(pc int) *helpers.KernelFunc {
	i := &c.insns[pc]
	if i.Op != isa.CallKfn || c.opts.Kfunc == nil {
		return nil
	}
	k, ok := c.kfuncs[pc]
	if !ok {
		if c.kfuncs == nil {
			c.kfuncs = map[int]*helpers.KernelFunc{}
		}
		k = c.opts.Kfunc(i.Imm, i.Off)
		c.kfuncs[pc] = k
	}
	return k
}

// kfuncArguments is how many arguments a kernel function takes.
func kfuncArguments(k *helpers.KernelFunc) int {
	if k != nil {
		switch k.Name {
		case numNew:
			return 3
		case numNext, numDestroy:
			return 1
		}
	}
	return 5
}

// inlineKfunc emits a kernel function in place, with the comparison of its result with 0 if that follows; 0 if it is to be called.
// Registers that calls do not preserve are free.
func (c *compiler) inlineKfunc(pc int, k *helpers.KernelFunc) int {
	b := c.b
	reg := func(r isa.Reg) operand { return operand{reg: r, isReg: true} }
	switch k.Name {
	case numNew:
		resume := b.builder().Label()
		c.base(pc, isa.R1)
		b.extend(4, 8, isa.R4, isa.R2)
		b.extend(4, 8, isa.R5, isa.R3)
		b.alu(isa.Sub, 8, isa.R5, reg(isa.R4))
		// Less than 0, or too many: not a range.
		b.branch(isa.Jgt, 8, isa.R5, operand{imm: helpers.MaxLoops}, false,
			c.leaveCold(site{pc: int32(pc), fn: k.Call, resume: resume}, c.th.call[3]))
		b.alu(isa.Sub, 4, isa.R2, operand{imm: 1})
		b.store(4, isa.R1, 0, isa.R2)
		b.store(4, isa.R1, 4, isa.R3)
		b.constant(isa.R0, 0)
		b.builder().Bind(resume)
		return 1
	case numNext:
		c.base(pc, isa.R1)
		b.load(4, true, isa.R2, isa.R1, 0)
		b.load(4, true, isa.R3, isa.R1, 4)
		b.alu(isa.Add, 8, isa.R2, operand{imm: 1})
		after := b.builder().Label()
		to := after
		b.branch(isa.Jsge, 8, isa.R2, reg(isa.R3), false, c.outOfLine(func() {
			b.storeImm(8, isa.R1, 0, 0)
			b.constant(isa.R0, 0)
			b.jump(to)
		}))
		b.store(4, isa.R1, 0, isa.R2)
		b.mov(8, isa.R0, isa.R1)
		n, zero := c.nullCheck(pc + 1)
		if n > 0 {
			to = zero
			c.found(pc+1, zero)
		}
		b.builder().Bind(after)
		return 1 + n
	case numDestroy:
		c.base(pc, isa.R1)
		b.storeImm(8, isa.R1, 0, 0)
		b.constant(isa.R0, 0)
		return 1
	}
	return 0
}

// found jumps to where those go who have found something, if that is not what follows the comparison at pc.
func (c *compiler) found(pc int, zero layout.Label) {
	if zero == layout.Label(pc+1) { // "if r0 != 0 goto found"
		c.b.jump(layout.Label(c.insns[pc].Target(pc)))
	}
}
