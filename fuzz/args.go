package fuzz

import (
	"github.com/skepbpf/skep/isa"
)

// This file makes the arguments of calls, and forgets what calls destroy.

// clobberSafe tells that a call may be made: nothing protected, and no last pointer to the context, would be lost.
func (g *generator) clobberSafe() bool {
	for r := isa.R0; r <= isa.R5; r++ {
		if g.f.protected>>r&1 != 0 {
			return false
		}
		switch g.f.regs[r].k {
		case record, recordOr, sock, sockOr:
			return false
		}
		if g.only(r) && g.percent(90) {
			return false
		}
	}
	return true
}

// clobber forgets what calls do not preserve.
func (g *generator) clobber() {
	for r := isa.R0; r <= isa.R5; r++ {
		g.f.regs[r] = val{}
	}
}

func (g *generator) callHelper(id int32) {
	g.emit(isa.CallHelper(id))
	g.clobber()
	g.f.regs[isa.R0] = unknown()
}

// mapAddr loads the address of a map.
func (g *generator) mapAddr(r isa.Reg, m int) {
	c := isa.Const64(r, isa.PseudoMapFD, uint64(g.useMap(m)))
	g.emit(c[:]...)
	g.f.regs[r] = val{}
}

// stackArg makes a register point to size bytes of the stack that a call may read or write.
func (g *generator) stackArg(r isa.Reg, size int, init bool) (first int) {
	f := g.f
	n := (size + 7) / 8
	i := n - 1 + g.n(f.depth-n+1)
	if i >= f.depth {
		i = f.depth - 1
	}
	g.emit(isa.BinaryReg(isa.Mov, 8, r, isa.R10), isa.Binary(isa.Add, 8, r, int32(-8*(i+1))))
	f.regs[r] = val{}
	for j := i; j > i-n && j >= 0; j-- {
		if init && f.slots[j].k != num && !g.lie() {
			g.emit(isa.StoreMemImm(8, isa.R10, int16(-8*(j+1)), int32(g.n(5))))
		}
		if init && f.slots[j].k != num {
			f.slots[j] = unknown()
		}
	}
	return i
}

// wrote notes that a helper wrote n bytes of the stack from slot i on.
func (g *generator) wrote(i, n int) {
	for j := i; j > i-(n+7)/8 && j >= 0; j-- {
		g.f.slots[j] = unknown()
	}
}

// sizeArg is a register with a size of at most n, or R0: it is to be a constant.
func (g *generator) sizeArg(n int) isa.Reg {
	if g.percent(60) {
		return isa.R0
	}
	r := g.bounded(n)
	if r < isa.R6 {
		if d := isa.R6 + isa.Reg(g.n(4)); g.f.protected>>d&1 == 0 && !g.only(d) && g.f.regs[d].k < record {
			g.mov(d, r)
			return d
		}
		return isa.R0
	}
	return r
}

// size loads a size argument.
func (g *generator) size(r, s isa.Reg, n int) {
	if s == isa.R0 || s < isa.R6 {
		g.emit(isa.Binary(isa.Mov, 8, r, int32(n)))
		return
	}
	g.emit(isa.BinaryReg(isa.Mov, 8, r, s))
}

// dropPackets forgets pointers into the packet.
func (g *generator) dropPackets() {
	drop := func(v *val) {
		if v.k == pkt || v.k == pktEnd || v.k == pktMeta {
			*v = val{}
		}
	}
	for i := range g.f.regs {
		drop(&g.f.regs[i])
	}
	for i := range g.f.slots {
		drop(&g.f.slots[i])
	}
}
