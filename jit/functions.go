package jit

import (
	"slices"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/isa"
)

// findFunctions finds the functions of the program, and what is to be known of each before it is emitted.
func (c *compiler) findFunctions() {
	starts := []int{0}
	c.target = resize(c.target, len(c.insns)+1)
	for pc := range c.insns {
		i := &c.insns[pc]
		switch {
		case i.Op == isa.CallSub, i.Op == isa.LdImm64 && i.Src == isa.PseudoFunc:
			starts = append(starts, i.Target(pc))
		case i.Op.IsCond(), i.Op == isa.Ja, i.Op == isa.MayGoto:
			if c.live(pc) {
				c.target[i.Target(pc)] = true
			}
		}
	}
	slices.Sort(starts)
	starts = slices.Compact(starts)
	c.funcs = c.funcs[:0]
	for k, s := range starts {
		end := len(c.insns)
		if k+1 < len(starts) {
			end = starts[k+1]
		}
		c.funcs = append(c.funcs, function{start: s, end: end, main: s == 0})
		c.target[s] = true
	}
	for k := range c.funcs {
		c.scan(&c.funcs[k])
	}
	for range helpers.MaxFrames {
		for k := range c.funcs {
			f := &c.funcs[k]
			for _, to := range f.calls {
				g := &c.funcs[to]
				f.loops = f.loops || g.loops
				f.depth = min(max(f.depth, g.depth+1), helpers.MaxFrames-1)
				f.frame = f.frame || g.frame
			}
		}
	}
}

// scan looks at the instructions of a function.
func (c *compiler) scan(f *function) {
	var saves regSet
	for pc := f.start; pc < f.end; pc++ {
		i := &c.insns[pc]
		if !c.live(pc) {
			continue
		}
		if r, ok := savedWritten(i); ok {
			saves.set(r, true)
		}
		if base, ok := baseOf(i); ok && base >= isa.R6 && base <= isa.R9 {
			saves.set(base, true)
		}
		if dst, src := i.Operands(); dst && i.Dst == isa.R10 || src && i.Src == isa.R10 {
			f.frame = true
		}
		switch i.Op {
		case isa.MayGoto:
			f.mayGoto, f.frame = c.opts.MayGoto, true
			f.loops = true
		case isa.CallKfn:
			f.kfuncs, f.frame = true, true
		case isa.Call, isa.LdAbs, isa.LdInd:
			f.frame = true // who looks where the run is goes by the frame pointer
		case isa.CallSub:
			f.calls = append(f.calls, c.function(i.Target(pc)))
		case isa.LdImm64:
			if i.Src == isa.PseudoFunc {
				to := c.function(i.Target(pc))
				f.calls = append(f.calls, to)
				c.funcs[to].callback = true
				f.frame = true
			}
		default:
			if (i.Op == isa.Ja || i.Op.IsCond()) && i.Target(pc) <= pc {
				f.loops = true
			}
		}
	}
	for r := isa.R6; r <= isa.R9; r++ {
		if saves.has(r) {
			f.saves = append(f.saves, r)
		}
	}
}

// function is the number of the function that starts at pc.
func (c *compiler) function(pc int) int {
	k, _ := slices.BinarySearchFunc(c.funcs, pc, func(f function, pc int) int { return f.start - pc })
	return k
}
