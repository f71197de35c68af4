package fuzz

import (
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
)

// This file makes what calls may return NULL for, and what must be given back: elements, records, sockets.

// owning are the registers that hold what must be released.
func (g *generator) owning() (out []isa.Reg) {
	for i, v := range g.f.regs {
		switch v.k {
		case record, recordOr, sock, sockOr:
			out = append(out, isa.Reg(i))
		}
	}
	return out
}

// releaseAll gives back what the function holds.
func (g *generator) releaseAll() {
	for _, r := range g.owning() {
		if g.f.regs[r].k == none {
			continue
		}
		g.release(r)
	}
}

func (g *generator) release(r isa.Reg) {
	v := g.f.regs[r]
	if g.lie() {
		return
	}
	at := -1
	if v.k == recordOr || v.k == sockOr {
		at = g.here()
		g.emit(isa.Branch(isa.Jeq, 8, r, 0, 0))
	}
	g.mov(isa.R1, r)
	if v.k == sock || v.k == sockOr {
		g.emit(isa.CallHelper(linux.HelperSkRelease))
	} else {
		if v.off != 0 {
			g.emit(isa.Binary(isa.Sub, 8, isa.R1, int32(v.off)))
		}
		g.emit(isa.Binary(isa.Mov, 8, isa.R2, int32(g.n(2))))
		g.emit(isa.CallHelper(pick[int32](g.Source, linux.HelperRingBufSubmit, linux.HelperRingBufDiscard)))
	}
	if at >= 0 {
		g.patch(at)
	}
	for i := range g.f.regs {
		if g.f.regs[i].id == v.id && v.id != 0 {
			g.f.regs[i] = val{}
		}
	}
	for i := range g.f.slots {
		if g.f.slots[i].id == v.id && v.id != 0 {
			g.f.slots[i] = val{}
		}
	}
	g.clobber()
}

// newID names something that may be NULL or must be released.
func (g *generator) newID() int { g.ids++; return g.ids }

// afterNull checks what may be NULL, in one of several ways, and uses it.
func (g *generator) afterNull(r isa.Reg, to kind) {
	f := g.f
	if g.percent(40) {
		d := g.free(r)
		if d >= isa.R6 || g.percent(30) {
			g.mov(d, r)
		}
	}
	if g.percent(10) {
		return // later, or never
	}
	g.checkNull(r, to)
	if f.regs[r].k == value {
		for range 1 + g.n(2) {
			g.accessAt(r)
		}
	}
}

// checkNull makes a pointer and its copies one that is not NULL.
func (g *generator) checkNull(r isa.Reg, to kind) {
	f := g.f
	id := f.regs[r].id
	set := func(k kind) {
		for i := range f.regs {
			if f.regs[i].id == id && f.regs[i].k != none {
				f.regs[i].k = k
				if k == num {
					f.regs[i] = val{k: num, bound: 0}
				}
			}
		}
		for i := range f.slots {
			if f.slots[i].id == id && f.slots[i].k != none {
				f.slots[i].k = k
				if k == num {
					f.slots[i] = val{k: num, bound: 0, size: 8}
				}
			}
		}
	}
	if g.lie() {
		set(to)
		return
	}
	switch g.n(4) {
	case 0, 1: // not NULL: go on
		at := g.here()
		g.emit(isa.Branch(isa.Jne, 8, r, 0, 0))
		saved := f.state
		set(num)
		g.leave()
		f.state = saved
		g.patch(at)
		set(to)
	case 2: // a block for each
		at := g.here()
		g.emit(isa.Branch(isa.Jeq, 8, r, 0, 0))
		before := f.state
		set(to)
		if to == value {
			g.accessAt(r)
		}
		g.some(2)
		if to == record || to == sock {
			g.release(r)
		}
		end := g.here()
		g.emit(isa.New(isa.Ja, 0, false, 0, 0, 0, 0))
		g.patch(at)
		then := f.state
		f.state = before
		set(num)
		if g.percent(40) {
			g.some(1)
		}
		g.patch(end)
		f.state.join(&then)
	default: // NULL: leave, at the end of the block
		at := g.here()
		g.emit(isa.Branch(isa.Jeq, 8, r, 0, 0))
		saved := f.state
		set(to)
		if to == value {
			g.accessAt(r)
		}
		over := g.here()
		g.emit(isa.New(isa.Ja, 0, false, 0, 0, 0, 0))
		g.patch(at)
		after := f.state
		f.state = saved
		set(num)
		g.leave()
		f.state = after
		g.patch(over)
	}
}

// nullCheck checks a pointer that was left unchecked, perhaps a copy on the stack.
func (g *generator) nullCheck() {
	r, ok := g.any(func(v *val) bool { return v.k == valueOr })
	if !ok {
		return
	}
	g.checkNull(r, value)
}

// record reserves, fills and submits a record in the ring buffer.
func (g *generator) record() {
	f := g.f
	if !g.clobberSafe() || g.loops > 0 && g.percent(70) || f.nest > 2 {
		return
	}
	r := isa.R6 + isa.Reg(g.n(4))
	if f.protected>>r&1 != 0 || g.only(r) || f.regs[r].k >= record {
		return
	}
	n := 8 * (1 + g.n(6))
	g.mapAddr(isa.R1, mapRing)
	g.emit(isa.Binary(isa.Mov, 8, isa.R2, int32(n)), isa.Binary(isa.Mov, 8, isa.R3, 0))
	g.callHelper(linux.HelperRingBufReserve)
	id := g.newID()
	f.regs[isa.R0] = val{}
	g.emit(isa.BinaryReg(isa.Mov, 8, r, isa.R0))
	f.regs[r] = val{k: recordOr, size: n, id: id}
	g.resource(r, record)
}

// socket looks up a socket, reads it and releases it.
func (g *generator) socket() {
	f := g.f
	if g.typ != linux.ProgTypeSchedCLS && g.typ != linux.ProgTypeXDP || f.depth < 2 {
		return
	}
	c, ok := g.any(func(v *val) bool { return v.k == ctx && v.off == 0 })
	if !ok || c < isa.R6 || !g.clobberSafe() || g.loops > 0 || f.nest > 2 {
		return
	}
	r := isa.R6 + isa.Reg(g.n(4))
	if f.protected>>r&1 != 0 || g.only(r) || f.regs[r].k >= record {
		return
	}
	if g.percent(30) && g.typ == linux.ProgTypeSchedCLS { // the packet's own
		g.emit(isa.LoadMem(8, r, c, 168))
		f.regs[r] = val{k: none}
		at := g.here()
		g.emit(isa.Branch(isa.Jeq, 8, r, 0, 0))
		if g.percent(50) {
			g.emit(isa.BinaryReg(isa.Mov, 8, isa.R1, r), isa.CallHelper(pick[int32](g.Source, linux.HelperSkFullsock, linux.HelperTcpSock)))
			g.clobber()
			at2 := g.here()
			g.emit(isa.Branch(isa.Jeq, 8, isa.R0, 0, 0))
			g.emit(isa.LoadMem(4, isa.R1, isa.R0, int16(4*g.n(5))))
			g.patch(at2)
			f.regs[isa.R0], f.regs[isa.R1] = val{}, val{}
		}
		g.patch(at)
		return
	}
	g.stackArg(isa.R2, 12, true)
	g.mov(isa.R1, c)
	g.emit(isa.Binary(isa.Mov, 8, isa.R3, 12), isa.Binary(isa.Mov, 8, isa.R4, -1), isa.Binary(isa.Mov, 8, isa.R5, 0))
	g.callHelper(pick[int32](g.Source, linux.HelperSkLookupTcp, linux.HelperSkLookupUdp))
	f.regs[isa.R0] = val{}
	g.emit(isa.BinaryReg(isa.Mov, 8, r, isa.R0))
	f.regs[r] = val{k: sockOr, id: g.newID()}
	g.resource(r, sock)
}

// resource checks, uses and releases what was acquired.
func (g *generator) resource(r isa.Reg, to kind) {
	g.checkNull(r, to)
	if g.f.regs[r].k != to {
		return
	}
	if to == record {
		for range 1 + g.n(3) {
			g.accessAt(r)
		}
	}
	g.some(2)
	if g.f.regs[r].k == to {
		g.release(r)
	}
}
