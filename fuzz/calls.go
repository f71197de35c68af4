package fuzz

import (
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
)

// This file makes calls of helpers.

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

// helperCalls are calls of helpers that take numbers or memory. One that the program cannot make now makes nothing.
var helperCalls = [...]func(g *generator, c callCtx){
	callNumbers, callNumbers, callLoadBytes, callProbeRead, callCsumDiff, callIntoValue, callMovePacket, callStrtoulOrQueue, callRingOutput,
}

// A callCtx is the register that holds the context, if one does.
type callCtx struct {
	reg isa.Reg
	ok  bool
}

// helper makes one of helperCalls.
func (g *generator) helper() {
	if !g.clobberSafe() {
		return
	}
	var c callCtx
	c.reg, c.ok = g.any(func(v *val) bool { return v.k == ctx && v.off == 0 })
	helperCalls[g.n(len(helperCalls))](g, c)
}

// skb tells that the context is a packet's, with helpers that read from it.
func (g *generator) skb() bool {
	return g.typ == linux.ProgTypeSocketFilter || g.typ == linux.ProgTypeSchedCLS || g.typ == linux.ProgTypeCGroupSKB
}

func (g *generator) tracing() bool {
	return g.typ == linux.ProgTypeTracepoint || g.typ == linux.ProgTypeKprobe
}

func callNumbers(g *generator, _ callCtx) {
	g.callHelper(pick[int32](g.Source, linux.HelperGetPrandomU32, linux.HelperKtimeGetNs, linux.HelperGetSmpProcessorId, linux.HelperGetNumaNodeId,
		linux.HelperJiffies64))
	if g.percent(60) {
		d := g.free()
		g.mov(d, isa.R0)
	}
}

// callLoadBytes reads into the stack, a size that is known or not.
func callLoadBytes(g *generator, c callCtx) {
	if !g.skb() || !c.ok {
		return
	}
	n := 1 + g.n(min(8*g.f.depth, 32))
	s := g.sizeArg(n)
	g.mov(isa.R1, c.reg)
	g.emit(isa.Binary(isa.Mov, 8, isa.R2, int32(g.n(40))))
	i := g.stackArg(isa.R3, n, g.percent(50))
	g.size(isa.R4, s, n)
	g.callHelper(linux.HelperSKBLoadBytes)
	g.wrote(i, n)
}

func callProbeRead(g *generator, _ callCtx) {
	if !g.tracing() {
		return
	}
	n := 1 + g.n(min(8*g.f.depth, 32))
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

// callCsumDiff makes a checksum of two regions.
func callCsumDiff(g *generator, _ callCtx) {
	n := 4 * g.n(min(2*g.f.depth, 8)+1)
	if !g.skb() && g.typ != linux.ProgTypeXDP || g.typ == linux.ProgTypeSocketFilter {
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
}

// callIntoValue reads into a map's value.
func callIntoValue(g *generator, c callCtx) {
	p, ok := g.any(func(v *val) bool {
		return v.k == value && v.m != mapConst && v.span == 0 && v.off >= 0 && v.size > v.off
	})
	tracing := g.tracing()
	if !ok || !tracing && !g.skb() {
		return
	}
	n := g.f.regs[p].size - g.f.regs[p].off
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
	if !c.ok || s <= isa.R3 && s != isa.R0 || p <= isa.R1 {
		return
	}
	g.mov(isa.R3, p)
	if c.reg == isa.R3 {
		return
	}
	g.mov(isa.R1, c.reg)
	g.emit(isa.Binary(isa.Mov, 8, isa.R2, 0))
	g.size(isa.R4, s, n)
	g.callHelper(linux.HelperSKBLoadBytes)
}

// callMovePacket changes the packet, so that pointers into it are lost.
func callMovePacket(g *generator, c callCtx) {
	if !c.ok || len(g.owning()) > 0 {
		return
	}
	switch g.typ {
	case linux.ProgTypeXDP:
		g.mov(isa.R1, c.reg)
		g.emit(isa.Binary(isa.Mov, 8, isa.R2, int32(g.n(16)-8)))
		g.callHelper(pick[int32](g.Source, linux.HelperXDPAdjustHead, linux.HelperXDPAdjustTail))
	case linux.ProgTypeSchedCLS:
		g.mov(isa.R1, c.reg)
		g.emit(isa.Binary(isa.Mov, 8, isa.R2, int32(g.n(64))))
		g.callHelper(linux.HelperSKBPullData)
	default:
		return
	}
	g.dropPackets()
}

// callStrtoulOrQueue reads a number in a string, or puts into or takes from a queue.
func callStrtoulOrQueue(g *generator, _ callCtx) {
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
}

func callRingOutput(g *generator, _ callCtx) {
	n := 8 * (1 + g.n(min(2, g.f.depth)))
	g.stackArg(isa.R2, n, true)
	g.mapAddr(isa.R1, mapRing)
	g.emit(isa.Binary(isa.Mov, 8, isa.R3, int32(n)), isa.Binary(isa.Mov, 8, isa.R4, 0))
	g.callHelper(linux.HelperRingBufOutput)
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
