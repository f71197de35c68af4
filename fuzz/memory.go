package fuzz

import (
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
)

// size is the width of an access.
func (g *generator) width() uint8 { return pick(g.Source, uint8(1), 2, 4, 8, 8, 4) }

// slot is one of the frame's.
func (g *generator) slot() int { return g.n(g.f.depth) }

// spill stores into the stack.
func (g *generator) spill() {
	f := g.f
	i := g.slot()
	off := -8 * (i + 1)
	sl := &f.slots[i]
	switch g.n(6) {
	case 0, 1, 2: // a register, all of it
		r, ok := g.any(func(v *val) bool { return v.k != recordOr && v.k != record && v.k != sock && v.k != sockOr })
		if !ok {
			return
		}
		g.emit(isa.StoreMem(8, isa.R10, int16(off), r))
		*sl = f.regs[r]
		sl.size8()
	case 3: // an immediate
		w := g.width()
		g.emit(isa.StoreMemImm(w, isa.R10, int16(off+g.inside(w)), g.imm()))
		*sl = val{k: num, bound: -1}
	default: // part of a number
		r := g.numReg()
		w := g.width()
		at := g.inside(w)
		if g.percent(50) {
			at = 0
		}
		if g.lie() {
			at++
		}
		g.emit(isa.StoreMem(w, isa.R10, int16(off+at), r))
		*sl = val{k: num, bound: -1}
		if at == 0 && w >= 4 {
			sl.size = int(w)
		}
	}
}

// size8 notes a whole number.
func (v *val) size8() {
	if v.k == num {
		v.size = 8
	}
}

// inside is an aligned place for w bytes in a slot.
func (g *generator) inside(w uint8) int { return g.n(8/int(w)) * int(w) }

// fill loads from the stack.
func (g *generator) fill() {
	f := g.f
	i := g.slot()
	if g.percent(80) { // one that was written
		for range f.depth {
			if f.slots[i].k != none {
				break
			}
			i = (i + 1) % f.depth
		}
	}
	sl := f.slots[i]
	off := int16(-8 * (i + 1))
	d := g.free()
	switch {
	case sl.k == none:
		if !g.lie() && g.percent(70) {
			return
		}
		w := g.width()
		g.emit(isa.LoadMem(w, d, isa.R10, off+int16(g.inside(w))))
		f.regs[d] = unknown()
	case sl.k != num:
		g.emit(isa.LoadMem(8, d, isa.R10, off))
		f.regs[d] = sl
		if g.lie() {
			f.insns[g.here()-1] = isa.LoadMem(4, d, isa.R10, off)
		}
	default:
		w := g.width()
		if sl.size == 8 && g.percent(50) {
			w = 8
		}
		op := isa.Load
		if w < 8 && g.percent(20) {
			op = isa.LoadSX
		}
		at := 0
		if g.percent(30) {
			at = g.inside(w)
		}
		g.emit(isa.New(op, w, false, d, isa.R10, off+int16(at), 0))
		f.regs[d] = unknown()
		if w == 8 && at == 0 && sl.size == 8 {
			f.regs[d] = sl
			f.regs[d].size = 0
		}
	}
}

// stackVar accesses the stack at an offset that is not known.
func (g *generator) stackVar() {
	f := g.f
	n := pick(g.Source, 1, 3, 7, 8, 15)
	n = min(n, 8*f.depth-8)
	idx := g.bounded(n)
	p := g.free(idx)
	w := pick(g.Source, uint8(1), 1, 1, 2, 4, 8)
	if w > 1 {
		d := g.free(idx, p)
		g.mov(d, idx)
		g.emit(isa.Binary(isa.And, 8, d, -int32(w)))
		idx = d
	}
	base := 8 * ((n + int(w) + 7) / 8)
	base += 8 * g.n(f.depth-base/8+1)
	g.emit(isa.BinaryReg(isa.Mov, 8, p, isa.R10))
	if g.percent(50) {
		g.emit(isa.Binary(isa.Add, 8, p, int32(-base)), isa.BinaryReg(isa.Add, 8, p, idx))
	} else {
		g.emit(isa.BinaryReg(isa.Add, 8, p, idx), isa.Binary(isa.Add, 8, p, int32(-base)))
	}
	f.regs[p] = val{}
	first, last := base/8-1, max(0, (base-n-int(w))/8)
	if g.lie() {
		g.emit(isa.Binary(isa.Add, 8, p, int32(g.n(32)-16)))
	}
	if g.percent(50) {
		if g.percent(30) {
			g.emit(isa.StoreMemImm(w, p, 0, int32(g.n(3))))
		} else {
			g.emit(isa.StoreMem(w, p, 0, g.numReg(p)))
		}
		for i := last; i <= first && i < len(f.slots); i++ {
			f.slots[i] = val{k: num, bound: -1}
		}
		return
	}
	for i := last; i <= first && i < len(f.slots); i++ {
		if k := f.slots[i].k; k != num && !g.lie() {
			g.emit(isa.StoreMemImm(8, isa.R10, int16(-8*(i+1)), g.imm()))
			f.slots[i] = val{k: num, bound: -1}
		}
	}
	d := g.free(p)
	g.emit(isa.LoadMem(w, d, p, 0))
	f.regs[d] = unknown()
}

// ctxFields are offsets of four bytes in the context that any program of the type may read.
func (g *generator) ctxFields() []int {
	switch g.typ {
	case linux.ProgTypeXDP:
		return []int{12, 16}
	case linux.ProgTypeSocketFilter, linux.ProgTypeSchedCLS, linux.ProgTypeCGroupSKB:
		return []int{0, 4, 8, 16, 40, 44, 48, 52, 64}
	}
	return []int{0, 8, 16, 24, 32, 40, 48, 56, 64}
}

// ctxLoad reads a field of the context.
func (g *generator) ctxLoad() {
	c, ok := g.any(func(v *val) bool { return v.k == ctx })
	if !ok {
		return
	}
	d := g.free(c)
	fields := g.ctxFields()
	off, w := fields[g.n(len(fields))], uint8(4)
	if g.typ == linux.ProgTypeTracepoint || g.typ == linux.ProgTypeKprobe {
		w = 8
	}
	switch {
	case g.lie():
		off, w = g.n(256), g.width()
	case g.percent(10) && w == 4:
		w = pick(g.Source, uint8(1), 2)
	}
	if g.percent(8) && w == 4 && (g.typ == linux.ProgTypeSchedCLS || g.typ == linux.ProgTypeSocketFilter) {
		off := pick(g.Source, 48, 52, 56, 60, 64)
		g.emit(isa.StoreMem(4, c, int16(off), g.numReg(c)))
		return
	}
	g.emit(isa.LoadMem(w, d, c, int16(off)))
	g.f.regs[d] = unknown()
	if w == 4 {
		g.f.regs[d] = upTo(1<<32 - 1)
	}
}

// packetFields are where the context has the packet's start, its end and what is before it.
func (g *generator) packetFields() (data, end, meta int, ok bool) {
	switch g.typ {
	case linux.ProgTypeXDP:
		return 0, 4, 8, true
	case linux.ProgTypeSchedCLS:
		return 76, 80, 140, true
	case linux.ProgTypeCGroupSKB:
		return 76, 80, -1, true
	}
	return 76, 80, -1, false
}

// packet makes pointers into the packet with a check, and accesses.
func (g *generator) packet() {
	f := g.f
	data, end, meta, ok := g.packetFields()
	c, has := g.any(func(v *val) bool { return v.k == ctx })
	if !ok && !g.lie() || !has {
		return
	}
	if p, ok := g.any(func(v *val) bool { return v.k == pkt && v.size > v.off }); ok && g.percent(50) {
		g.packetAccess(p)
		return
	}
	start := g.free(c)
	g.emit(isa.LoadMem(4, start, c, int16(data)))
	f.regs[start] = val{k: pkt}
	if meta >= 0 && g.percent(10) {
		m := g.free(c, start)
		g.emit(isa.LoadMem(4, m, c, int16(meta)))
		t := g.free(c, start, m)
		g.mov(t, m)
		n := 1 + g.n(16)
		g.emit(isa.Binary(isa.Add, 8, t, int32(n)))
		at := g.here()
		g.emit(isa.BranchReg(isa.Jgt, 8, t, start, 0), isa.LoadMem(1, t, m, int16(g.n(n))))
		g.patch(at)
		f.regs[m], f.regs[t] = val{}, val{}
		return
	}
	e := g.free(c, start)
	g.emit(isa.LoadMem(4, e, c, int16(end)))
	f.regs[e] = val{k: pktEnd}
	if g.percent(35) { // a variable distance
		n := pick(g.Source, 3, 15, 63, 255, 4095)
		idx := g.bounded(n, c, start, e)
		g.emit(isa.BinaryReg(isa.Add, 8, start, idx))
		f.regs[start].span = n
	}
	t := g.free(c, start, e)
	g.mov(t, start)
	n := 1 + g.n(pick(g.Source, 8, 34, 64))
	g.emit(isa.Binary(isa.Add, 8, t, int32(n)))
	f.regs[t] = val{k: pkt, off: n, span: f.regs[start].span}
	at := g.here()
	room := n
	switch g.n(8) {
	case 0, 1, 2: // t > end: leave
		g.emit(isa.BranchReg(isa.Jgt, 8, t, e, 0))
	case 3:
		g.emit(isa.BranchReg(isa.Jlt, 8, e, t, 0))
	case 4: // t >= end: leave; one byte more is there
		g.emit(isa.BranchReg(isa.Jge, 8, t, e, 0))
		room++
	case 5:
		g.emit(isa.BranchReg(isa.Jle, 8, e, t, 0))
		room++
	default: // t <= end: go on; else leave
		op, a, b := isa.Jle, t, e
		switch g.n(4) {
		case 0:
			op, room = isa.Jlt, n+1
		case 1:
			op, a, b = isa.Jge, e, t
		case 2:
			op, a, b, room = isa.Jgt, e, t, n+1
		}
		g.emit(isa.BranchReg(op, 8, a, b, 0))
		g.leave()
		g.patch(at)
		at = -1
	}
	f.regs[start].size, f.regs[t].size = room, room
	before := f.state
	for i := range before.regs {
		if before.regs[i].k == pkt {
			before.regs[i].size = 0
		}
	}
	for range 1 + g.n(3) {
		g.packetAccess(start)
	}
	if at < 0 {
		return
	}
	if g.percent(50) {
		g.some(3)
	}
	if g.percent(30) { // leave where it is too short
		end := g.here()
		g.emit(isa.New(isa.Ja, 0, false, 0, 0, 0, 0))
		g.patch(at)
		after := f.state
		f.state = before
		g.leave()
		g.patch(end)
		f.state = after
		return
	}
	g.patch(at)
	f.state.join(&before)
}

// packetAccess reads or writes where the packet is known to be.
func (g *generator) packetAccess(p isa.Reg) {
	v := g.f.regs[p]
	if v.k != pkt {
		return
	}
	w := g.width()
	room := v.size - int(w)
	if room < 0 {
		w, room = 1, v.size-1
	}
	if room < 0 && !g.lie() {
		return
	}
	off := g.n(room+1) - v.off
	if g.lie() {
		off += 1 + g.n(8)
	}
	if g.percent(25) && (g.typ != linux.ProgTypeCGroupSKB || g.lie()) {
		g.emit(isa.StoreMem(w, p, int16(off), g.numReg(p)))
		return
	}
	d := g.free(p)
	op := isa.Load
	if w < 8 && g.percent(20) {
		op = isa.LoadSX
	}
	g.emit(isa.New(op, w, false, d, p, int16(off), 0))
	g.f.regs[d] = unknown()
	if op == isa.Load && w < 8 {
		g.f.regs[d] = upTo(1<<(8*w) - 1)
	}
}

// access reads or writes an object that a register points to: a map's value, a record, a caller's stack.
func (g *generator) access() {
	p, ok := g.any(func(v *val) bool { return v.k == value || v.k == record || v.k == stack && v.size > 0 })
	if !ok {
		return
	}
	g.accessAt(p)
}

func (g *generator) accessAt(p isa.Reg) {
	f := g.f
	v := f.regs[p]
	w := g.width()
	lo, hi := -v.off, v.size-v.off-v.span-int(w) // offsets that are inside
	if v.k == stack {
		lo, hi = -v.size-v.off, -v.off-v.span-int(w)
	}
	if hi < lo {
		return
	}
	off := lo + g.n(hi-lo+1)
	if v.k == stack {
		off = off / int(w) * int(w)
	}
	if g.lie() {
		off += g.n(32) - 16
	}
	if off != int(int16(off)) {
		return
	}
	if g.percent(40) && (v.m != mapConst || g.lie()) {
		r := g.numReg(p)
		if g.percent(25) {
			g.emit(isa.StoreMemImm(w, p, int16(off), g.imm()))
		} else {
			g.emit(isa.StoreMem(w, p, int16(off), r))
		}
		if v.k == stack {
			g.forgetSlots()
		}
		return
	}
	if v.k == stack && !g.lie() {
		return
	}
	d := g.free(p)
	op := isa.Load
	if w < 8 && g.percent(20) {
		op = isa.LoadSX
	}
	g.emit(isa.New(op, w, false, d, p, int16(off), 0))
	f.regs[d] = unknown()
	if op == isa.Load && w < 8 {
		f.regs[d] = upTo(1<<(8*w) - 1)
	}
}

// forgetSlots forgets what was spilled: a store through a pointer may have hit it.
func (g *generator) forgetSlots() {
	for i := range g.f.slots {
		if g.f.slots[i].k != none {
			g.f.slots[i] = val{}
		}
	}
}

// pointer moves a pointer, by a constant or by a number that is not known.
func (g *generator) pointer() {
	f := g.f
	p, ok := g.any(func(v *val) bool { return v.k == value || v.k == pkt || v.k == record && v.off == 0 })
	if !ok {
		return
	}
	d := g.free(p)
	g.mov(d, p)
	v := &f.regs[d]
	room := max(v.size-v.off-v.span, 0)
	switch {
	case v.k == pkt && g.percent(50):
		n := g.n(40)
		g.emit(isa.Binary(isa.Add, 8, d, int32(n)))
		v.off += n
	case v.k == pkt:
		n := pick(g.Source, 7, 31, 255)
		idx := g.bounded(n, d, p)
		g.emit(isa.BinaryReg(isa.Add, 8, d, idx))
		f.regs[d] = val{k: pkt, span: v.span + n}
	case g.percent(50):
		n := g.n(room + 1)
		if g.percent(20) {
			n = -g.n(v.off + 1)
		}
		if g.percent(30) {
			g.emit(isa.Binary(isa.Sub, 8, d, int32(-n)))
		} else {
			g.emit(isa.Binary(isa.Add, 8, d, int32(n)))
		}
		v.off += n
	default:
		n := g.n(room + 1)
		idx := g.bounded(n, d, p)
		g.emit(isa.BinaryReg(isa.Add, 8, d, idx))
		f.regs[d].span += n
		if g.percent(15) {
			g.emit(isa.BinaryReg(isa.Sub, 8, d, idx))
			f.regs[d] = val{}
			return
		}
	}
	if f.regs[d].k != pkt && g.percent(70) {
		g.accessAt(d)
	}
	if g.lie() {
		g.emit(isa.BinaryReg(pick(g.Source, isa.Sub, isa.And, isa.Mul, isa.Add), 8, d, g.numReg(d)))
	}
}

// atomic makes an atomic operation.
func (g *generator) atomic() {
	f := g.f
	op := pick(g.Source, isa.AtomicAdd, isa.AtomicOr, isa.AtomicAnd, isa.AtomicXor, isa.FetchAdd, isa.FetchOr, isa.FetchAnd, isa.FetchXor,
		isa.Xchg, isa.CmpXchg, isa.LoadAcq, isa.StoreRel)
	w := pick(g.Source, uint8(4), 8)
	if (op == isa.LoadAcq || op == isa.StoreRel) && g.percent(40) {
		w = pick(g.Source, uint8(1), 2)
	}
	base, off, i := isa.R10, 0, -1
	if p, ok := g.any(func(v *val) bool {
		return v.k == value && v.m != mapConst && v.span == 0 && v.size-v.off >= 8 && v.off >= 0
	}); ok && g.percent(60) {
		base = p
		room := (f.regs[p].size - f.regs[p].off - int(w)) / int(w)
		off = (-f.regs[p].off)%int(w) + int(w)*g.n(room+1)
		off = max(off, 0)
	} else {
		i = g.slot()
		off = -8 * (i + 1)
		if f.slots[i].k == none || f.slots[i].k != num && g.percent(90) {
			g.emit(isa.StoreMem(8, isa.R10, int16(off), g.numReg()))
			f.slots[i] = unknown()
		}
		off += g.inside(w)
	}
	if g.lie() {
		off += g.n(8)
	}
	src := g.numReg(base)
	if op == isa.CmpXchg && f.regs[isa.R0].k != num {
		if f.protected&1 != 0 {
			return
		}
		g.emit(isa.Binary(isa.Mov, 8, isa.R0, g.imm()))
		f.regs[isa.R0] = unknown()
	}
	switch op {
	case isa.LoadAcq:
		d := g.free(base)
		g.emit(isa.AtomicMem(op, w, d, int16(off), base))
		f.regs[d] = unknown()
		return
	case isa.CmpXchg:
		if f.protected&1 != 0 {
			return
		}
		g.emit(isa.AtomicMem(op, w, base, int16(off), src))
		f.regs[isa.R0] = unknown()
	case isa.FetchAdd, isa.FetchOr, isa.FetchAnd, isa.FetchXor, isa.Xchg:
		if f.protected>>src&1 != 0 {
			return
		}
		g.emit(isa.AtomicMem(op, w, base, int16(off), src))
		f.regs[src] = unknown()
	default:
		g.emit(isa.AtomicMem(op, w, base, int16(off), src))
	}
	if i >= 0 {
		f.slots[i] = unknown()
	}
}
