package fuzz

import (
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
)

// This file makes functions, calls of them, and helpers that call them back.

// passable is what may be passed to a function.
func passable(v *val) bool {
	switch v.k {
	case num, ctx, stack, value, pkt:
		return true
	}
	return false
}

// call calls a function: one made before with the same arguments, or a new one.
func (g *generator) call() {
	f := g.f
	if !g.clobberSafe() || len(g.funcs) > 6 {
		return
	}
	depth := 0
	for _, x := range g.funcs {
		if x == f {
			break
		}
		depth++
	}
	var args []val
	n := g.n(4)
	for i := range n {
		r := isa.R1 + isa.Reg(i)
		switch g.n(4) {
		case 0:
			k := g.f.depth
			g.emit(isa.BinaryReg(isa.Mov, 8, r, isa.R10), isa.Binary(isa.Add, 8, r, int32(-8*k)))
			for j := range k {
				if f.slots[j].k != num && f.slots[j].k != none {
					g.emit(isa.StoreMemImm(8, isa.R10, int16(-8*(j+1)), 0))
					f.slots[j] = unknown()
				}
			}
			args = append(args, val{k: stack, size: 0, off: 0})
			args[i] = val{k: stack, size: 8 * k, off: -8 * k}
			f.regs[r] = val{}
		default:
			p, ok := g.any(passable)
			if !ok || p >= isa.R1 && p < r {
				p = g.numReg()
				if p >= isa.R1 && p < r {
					g.emit(isa.Binary(isa.Mov, 8, r, g.imm()))
					args = append(args, unknown())
					continue
				}
			}
			g.mov(r, p)
			args = append(args, g.f.regs[r])
		}
	}
	to := -1
	for i := 1; i < len(g.funcs); i++ {
		if x := g.funcs[i]; x.ret != none && !x.callback && i > depth && sameArgs(x.args, args) && g.percent(70) {
			to = i
		}
	}
	if to < 0 {
		if depth >= 3 {
			return
		}
		to = g.makeFunc(args, false)
	}
	f.calls[g.here()] = to
	g.emit(isa.New(isa.CallSub, 0, false, 0, 0, 0, 0))
	g.clobber()
	if len(args) > 0 {
		g.forgetSlots()
	}
	g.dropPackets()
	f.regs[isa.R0] = unknown()
}

func sameArgs(a, b []val) bool {
	if len(a) > len(b) {
		return false
	}
	for i := range a {
		x, y := a[i], b[i]
		x.bound, y.bound = 0, 0
		if x != y {
			return false
		}
	}
	return true
}

// makeFunc makes a function and comes back to the present one.
func (g *generator) makeFunc(args []val, callback bool) int {
	f, loops := g.f, g.loops
	args = append([]val(nil), args...)
	for i := range args {
		if args[i].k == num {
			args[i].bound = -1
		}
	}
	to := g.newFunc(args...)
	g.f.callback = callback
	left := g.left
	g.left = min(g.left, 1+g.n(8))
	used := g.left
	g.body()
	g.left = max(0, left-used)
	g.f, g.loops = f, loops
	return to
}

// bpfLoop calls bpf_loop with a callback.
func (g *generator) bpfLoop() {
	if !g.clobberSafe() || len(g.funcs) > 6 || len(g.owning()) > 0 || g.loops > 0 {
		return
	}
	args := []val{unknown(), {k: num, bound: -1}}
	g.callbackCtx(isa.R3, &args[1])
	to := g.makeFunc(args, true)
	g.emit(isa.Binary(isa.Mov, 8, isa.R1, int32(pick(g.Source, 0, 1, 2, 5, 16, 100, 1000))))
	if g.percent(30) {
		if r, ok := g.any(func(v *val) bool { return v.k == num }); ok && r >= isa.R6 {
			g.mov(isa.R1, r)
			g.emit(isa.Binary(isa.And, 8, isa.R1, 0xff))
		}
	}
	g.funcAddr(isa.R2, to)
	g.emit(isa.Binary(isa.Mov, 8, isa.R4, 0))
	g.callHelper(linux.HelperLoop)
	g.afterCallback()
}

// forEach calls a callback for each element of a map.
func (g *generator) forEach() {
	if !g.clobberSafe() || len(g.funcs) > 6 || len(g.owning()) > 0 || g.loops > 0 {
		return
	}
	m := pick(g.Source, mapArray, mapHash, mapLRU, mapPerCPU)
	args := []val{{}, {}, {k: value, m: m, size: int(allMaps[m].ValueSize)}, unknown()}
	g.callbackCtx(isa.R3, &args[3])
	to := g.makeFunc(args, true)
	g.mapAddr(isa.R1, m)
	g.funcAddr(isa.R2, to)
	g.emit(isa.Binary(isa.Mov, 8, isa.R4, 0))
	g.callHelper(linux.HelperForEachMapElem)
	g.afterCallback()
}

// callbackCtx makes a register what a callback gets.
func (g *generator) callbackCtx(r isa.Reg, v *val) {
	f := g.f
	switch g.n(3) {
	case 0:
		k := f.depth
		g.emit(isa.BinaryReg(isa.Mov, 8, r, isa.R10), isa.Binary(isa.Add, 8, r, int32(-8*k)))
		for j := range k {
			if f.slots[j].k != num {
				g.emit(isa.StoreMemImm(8, isa.R10, int16(-8*(j+1)), 0))
				f.slots[j] = unknown()
			}
		}
		*v = val{k: stack, size: 8 * k, off: -8 * k}
	case 1:
		if p, ok := g.any(func(v *val) bool { return v.k == value || v.k == ctx }); ok && p >= isa.R6 {
			g.mov(r, p)
			*v = f.regs[p]
			break
		}
		fallthrough
	default:
		g.emit(isa.Binary(isa.Mov, 8, r, g.imm()))
		*v = unknown()
	}
	f.regs[r] = val{}
}

// afterCallback forgets what a callback may have changed.
func (g *generator) afterCallback() {
	g.forgetSlots()
	g.dropPackets()
}

func (g *generator) funcAddr(r isa.Reg, to int) {
	g.callbacks = true
	g.f.calls[g.here()] = to
	c := isa.Const64(r, isa.PseudoFunc, 0)
	g.emit(c[:]...)
	g.f.regs[r] = val{}
}
