package fuzz

import (
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
)

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

var lookups = []int{mapArray, mapHash, mapPerCPU, mapLRU, mapBig, mapArray, mapHash, mapConst}

// lookup looks up a map's element, and mostly checks that it is there.
func (g *generator) lookup() {
	f := g.f
	if !g.clobberSafe() {
		return
	}
	m := lookups[g.n(len(lookups))]
	om := allMaps[m]
	i := g.stackArg(isa.R2, int(om.KeySize), true)
	if om.KeySize == 4 && g.percent(60) { // a key that is known, or that is in bounds
		g.emit(isa.StoreMemImm(4, isa.R10, int16(-8*(i+1)), int32(g.n(int(om.MaxEntries)+1))))
	} else if om.KeySize == 4 && g.percent(50) {
		g.emit(isa.StoreMem(4, isa.R10, int16(-8*(i+1)), g.numReg(isa.R2)))
	}
	g.mapAddr(isa.R1, m)
	if g.percent(8) { // update or delete instead
		if g.percent(50) && (m != mapConst || g.lie()) && m != mapPerCPU {
			n := int(om.ValueSize)
			if n > 8*f.depth {
				return
			}
			saved := f.slots
			_ = saved
			g.stackArg(isa.R3, n, true)
			g.emit(isa.Binary(isa.Mov, 8, isa.R4, int32(g.n(3))))
			g.callHelper(linux.HelperMapUpdateElem)
			return
		}
		if m != mapConst || g.lie() {
			g.callHelper(linux.HelperMapDeleteElem)
			return
		}
	}
	g.callHelper(linux.HelperMapLookupElem)
	f.regs[isa.R0] = val{k: valueOr, m: m, size: int(om.ValueSize), id: g.newID()}
	g.afterNull(isa.R0, value)
}

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

// direct loads the address of a map's value.
func (g *generator) direct() {
	m := pick(g.Source, mapBig, mapConst, mapArray)
	d := g.free()
	off := g.n(int(allMaps[m].ValueSize))
	if m == mapArray {
		off = g.n(16)
	}
	if g.percent(50) {
		off = 0
	}
	c := isa.Const64(d, isa.PseudoMapValue, uint64(g.useMap(m))|uint64(off)<<32)
	g.emit(c[:]...)
	g.f.regs[d] = val{k: value, m: m, size: int(allMaps[m].ValueSize), off: off}
	g.accessAt(d)
}

// helper calls one of the helpers that take numbers or memory.
func (g *generator) helper() {
	f := g.f
	if !g.clobberSafe() {
		return
	}
	skb := g.typ == linux.ProgTypeSocketFilter || g.typ == linux.ProgTypeSchedCLS || g.typ == linux.ProgTypeCGroupSKB
	tracing := g.typ == linux.ProgTypeTracepoint || g.typ == linux.ProgTypeKprobe
	c, hasCtx := g.any(func(v *val) bool { return v.k == ctx && v.off == 0 })
	switch g.n(9) {
	case 0, 1:
		g.callHelper(pick[int32](g.Source, linux.HelperGetPrandomU32, linux.HelperKtimeGetNs, linux.HelperGetSmpProcessorId, linux.HelperGetNumaNodeId,
			linux.HelperJiffies64))
		if g.percent(60) {
			d := g.free()
			g.mov(d, isa.R0)
		}
	case 2: // read into the stack, a size that is known or not
		if skb && hasCtx {
			n := 1 + g.n(min(8*f.depth, 32))
			s := g.sizeArg(n)
			g.mov(isa.R1, c)
			g.emit(isa.Binary(isa.Mov, 8, isa.R2, int32(g.n(40))))
			i := g.stackArg(isa.R3, n, g.percent(50))
			g.size(isa.R4, s, n)
			g.callHelper(linux.HelperSKBLoadBytes)
			g.wrote(i, n)
		}
	case 3:
		if tracing {
			n := 1 + g.n(min(8*f.depth, 32))
			s := g.sizeArg(n)
			if s == isa.R3 {
				return
			}
			src := g.numReg()
			g.mov(isa.R3, src)
			i := g.stackArg(isa.R1, n, g.percent(50))
			g.size(isa.R2, s, n)
			g.callHelper(pick[int32](g.Source, linux.HelperProbeReadKernel, linux.HelperProbeReadUser, linux.HelperProbeReadKernelStr))
			g.wrote(i, n)
		}
	case 4: // checksum of two regions
		n := 4 * g.n(min(2*f.depth, 8)+1)
		if !skb && g.typ != linux.ProgTypeXDP || g.typ == linux.ProgTypeSocketFilter {
			return
		}
		if n == 0 || g.percent(30) {
			g.emit(isa.Binary(isa.Mov, 8, isa.R1, 0), isa.Binary(isa.Mov, 8, isa.R2, 0))
			n = max(n, 4)
		} else {
			g.stackArg(isa.R1, n, true)
			g.emit(isa.Binary(isa.Mov, 8, isa.R2, int32(n)))
		}
		g.stackArg(isa.R3, n, true)
		g.emit(isa.Binary(isa.Mov, 8, isa.R4, int32(n)), isa.Binary(isa.Mov, 8, isa.R5, g.imm()))
		g.callHelper(linux.HelperCsumDiff)
	case 5: // into a map's value
		p, ok := g.any(func(v *val) bool {
			return v.k == value && v.m != mapConst && v.span == 0 && v.off >= 0 && v.size > v.off
		})
		if !ok || !tracing && !skb {
			return
		}
		n := f.regs[p].size - f.regs[p].off
		s := g.sizeArg(n)
		if tracing {
			if p == isa.R2 || s == isa.R1 {
				return
			}
			g.mov(isa.R1, p)
			g.size(isa.R2, s, n)
			g.emit(isa.Binary(isa.Mov, 8, isa.R3, 0))
			g.callHelper(linux.HelperProbeReadKernel)
			return
		}
		if !hasCtx || s <= isa.R3 && s != isa.R0 || p <= isa.R1 {
			return
		}
		g.mov(isa.R3, p)
		if c == isa.R3 {
			return
		}
		g.mov(isa.R1, c)
		g.emit(isa.Binary(isa.Mov, 8, isa.R2, 0))
		g.size(isa.R4, s, n)
		g.callHelper(linux.HelperSKBLoadBytes)
	case 6: // the packet changes
		if !hasCtx || len(g.owning()) > 0 {
			return
		}
		switch g.typ {
		case linux.ProgTypeXDP:
			g.mov(isa.R1, c)
			g.emit(isa.Binary(isa.Mov, 8, isa.R2, int32(g.n(16)-8)))
			g.callHelper(pick[int32](g.Source, linux.HelperXDPAdjustHead, linux.HelperXDPAdjustTail))
		case linux.ProgTypeSchedCLS:
			g.mov(isa.R1, c)
			g.emit(isa.Binary(isa.Mov, 8, isa.R2, int32(g.n(64))))
			g.callHelper(linux.HelperSKBPullData)
		default:
			return
		}
		g.dropPackets()
	case 7:
		if g.percent(50) {
			g.stackArg(isa.R3, 8, g.percent(50))
			g.stackArg(isa.R1, 8, true)
			g.emit(isa.Binary(isa.Mov, 8, isa.R2, 8))
			g.emit(isa.BinaryReg(isa.Mov, 8, isa.R4, isa.R3), isa.Binary(isa.Mov, 8, isa.R3, pick(g.Source, int32(0), 10, 16)))
			g.callHelper(linux.HelperStrtoul)
			g.forgetSlots()
			return
		}
		g.stackArg(isa.R2, 8, true)
		g.mapAddr(isa.R1, mapQueue)
		if g.percent(50) {
			g.emit(isa.Binary(isa.Mov, 8, isa.R3, 0))
			g.callHelper(linux.HelperMapPushElem)
		} else {
			g.callHelper(pick[int32](g.Source, linux.HelperMapPopElem, linux.HelperMapPeekElem))
			g.forgetSlots()
		}
	default:
		n := 8 * (1 + g.n(min(2, f.depth)))
		g.stackArg(isa.R2, n, true)
		g.mapAddr(isa.R1, mapRing)
		g.emit(isa.Binary(isa.Mov, 8, isa.R3, int32(n)), isa.Binary(isa.Mov, 8, isa.R4, 0))
		g.callHelper(linux.HelperRingBufOutput)
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

// inMap looks up a map in a map, and an element in that.
func (g *generator) inMap() {
	f := g.f
	if !g.clobberSafe() {
		return
	}
	m := pick(g.Source, mapOuter, mapHashOuter)
	i := g.stackArg(isa.R2, 4, true)
	g.emit(isa.StoreMemImm(4, isa.R10, int16(-8*(i+1)), int32(g.n(2))))
	g.mapAddr(isa.R1, m)
	g.callHelper(linux.HelperMapLookupElem)
	f.regs[isa.R0] = val{}
	at := g.here()
	g.emit(isa.Branch(isa.Jne, 8, isa.R0, 0, 0))
	if !g.lie() {
		g.leave()
	}
	g.patch(at)
	g.stackArg(isa.R2, 4, true)
	g.emit(isa.BinaryReg(isa.Mov, 8, isa.R1, isa.R0))
	g.callHelper(linux.HelperMapLookupElem)
	f.regs[isa.R0] = val{k: valueOr, m: m, size: int(allMaps[m].Inner.ValueSize), id: g.newID()}
	g.afterNull(isa.R0, value)
}

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
