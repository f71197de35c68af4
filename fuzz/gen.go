package fuzz

import (
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
)

// A kind is what the generator takes a register to hold.
type kind uint8

const (
	none kind = iota // nothing that may be read
	num
	ctx
	stack   // into this frame, or a caller's (size says how much is there)
	value   // in a map
	valueOr // that, or NULL
	pkt
	pktEnd
	pktMeta
	record   // in the ring buffer
	recordOr // that, or NULL
	inner    // a map looked up in a map
	innerOr
	sock
	sockOr
)

// A val is what the generator takes a register to hold.
type val struct {
	k     kind
	bound int64 // num: at most that, unsigned; -1: not known
	off   int   // fixed distance from the object's start: stack counts from the frame's top, down
	span  int   // what the variable distance may be at most
	m     int   // map, of value and inner
	size  int   // of the object; pkt: bytes that are known to be there
	id    int   // of one that may be NULL, or must be released
}

func unknown() val { return val{k: num, bound: -1} }

func upTo(n int64) val { return val{k: num, bound: n} }

// A state is what a function's registers and stack hold at one place.
type state struct {
	regs  [10]val
	slots [64]val // spilled there; num with size: that many bytes of it
}

// join keeps what holds on both of two paths.
func (s *state) join(o *state) {
	one := func(a *val, b val) {
		switch {
		case *a == b:
		case a.k == num && b.k == num:
			if a.bound < 0 || b.bound < 0 {
				a.bound = -1
			} else {
				a.bound = max(a.bound, b.bound)
			}
			a.size = min(a.size, b.size)
		case a.k == pkt && b.k == pkt && a.off == b.off && a.span == b.span:
			a.size = min(a.size, b.size)
		default:
			*a = val{}
		}
	}
	for i := range s.regs {
		one(&s.regs[i], o.regs[i])
	}
	for i := range s.slots {
		one(&s.slots[i], o.slots[i])
	}
}

// A fn is a function being made.
type fn struct {
	insns []isa.Insn
	args  []val
	ret   kind
	// calls are the slots of calls and of addresses of functions, and the function that each is of.
	calls map[int]int

	state
	protected uint16 // registers that must keep what they hold
	depth     int    // slots of stack that it uses
	nest      int    // of blocks
	callback  bool
}

// A generator makes one program.
type generator struct {
	*Source
	typ    linux.ProgType
	attach linux.AttachType
	flags  uint32
	funcs  []*fn
	f      *fn
	sloppy int // how many of a thousand choices are wrong on purpose
	left   int // steps
	loops  int // nesting of loops
	ids    int
	// callbacks tells that helpers call functions.
	callbacks bool
	maps      map[int]int // used, by index in allMaps: index in the program
	order     []int
}

// progTypes are the types of programs that are made.
var progTypes = []linux.ProgType{linux.ProgTypeSocketFilter, linux.ProgTypeSchedCLS, linux.ProgTypeXDP, linux.ProgTypeTracepoint,
	linux.ProgTypeKprobe, linux.ProgTypeSchedCLS, linux.ProgTypeXDP, linux.ProgTypeCGroupSKB}

// Generate makes a program. The same choices make the same program.
func Generate(s *Source) *object.Program {
	g := &generator{Source: s, maps: map[int]int{}}
	g.typ = progTypes[g.n(len(progTypes))]
	if g.typ == linux.ProgTypeCGroupSKB {
		g.attach = linux.AttachType(g.n(2)) // ingress, egress
	}
	g.sloppy = pick(s, 0, 0, 0, 0, 2, 5, 20)
	g.left = 1 + g.n(pick(s, 6, 12, 25, 50))
	if g.percent(3) {
		g.flags |= 1 << 3 // BPF_F_TEST_STATE_FREQ
	}
	if g.percent(2) {
		g.flags |= 1 // BPF_F_STRICT_ALIGNMENT
	}
	g.newFunc(val{k: ctx})
	g.body()
	p := &object.Program{Name: "generated", Type: uint32(g.typ), AttachType: uint32(g.attach), Flags: g.flags, License: "GPL"}
	p.Insns = g.link()
	for _, m := range g.order {
		om := allMaps[m]
		if m == mapProgs {
			om = progsFor[progKind{g.typ, g.attach}]
		}
		p.Maps = append(p.Maps, om)
	}
	if len(g.funcs) > 1 && (g.callbacks && !g.lie() || g.percent(30)) {
		addFuncs(p)
	}
	if g.sloppy > 0 && g.percent(40) {
		g.mutate(p)
	}
	return p
}

// newFunc begins a function with these arguments, and makes it the present one.
func (g *generator) newFunc(args ...val) int {
	f := &fn{args: args, calls: map[int]int{}, depth: 2 + g.n(8)}
	if len(g.funcs) == 0 && g.percent(10) {
		f.depth = 8 + g.n(30)
	}
	for i, a := range args {
		f.regs[1+i] = a
	}
	g.funcs = append(g.funcs, f)
	g.f = f
	return len(g.funcs) - 1
}

// body makes the present function.
func (g *generator) body() {
	f := g.f
	if f.regs[isa.R1].k == ctx && g.percent(90) {
		g.mov(isa.R6+isa.Reg(g.n(4)), isa.R1)
	}
	for range 1 + g.n(3) {
		g.set(isa.Reg(g.n(10)))
	}
	for g.left > 0 {
		g.left--
		g.step()
		if f != g.funcs[0] && g.percent(12) {
			break
		}
	}
	g.releaseAll()
	g.exit()
}

// exit ends the function with what it may return.
func (g *generator) exit() {
	f := g.f
	limit := int64(-1)
	switch {
	case f.callback:
		limit = 1
	case f == g.funcs[0] && g.typ == linux.ProgTypeCGroupSKB:
		limit = 1 + 2*int64(g.attach)
	}
	r0 := &f.regs[isa.R0]
	switch {
	case g.lie():
	case limit >= 0 && r0.k == num && g.percent(50):
		g.emit(isa.Binary(isa.And, 8, isa.R0, int32(limit)))
	case r0.k == num && limit < 0 && g.percent(60):
	case limit < 0 && g.percent(40):
		if r, ok := g.any(func(v *val) bool { return v.k == num }); ok {
			g.mov(isa.R0, r)
			break
		}
		fallthrough
	default:
		g.emit(isa.Binary(isa.Mov, pick(g.Source, uint8(8), 4), isa.R0, int32(g.n(int(max(limit, 1))+1))))
		f.regs[isa.R0] = upTo(max(limit, 1))
	}
	g.emit(isa.Return())
	f.ret = num
}

// lie tells whether to do something wrong here.
func (g *generator) lie() bool { return g.sloppy > 0 && g.n(1000) < g.sloppy }

func (g *generator) emit(i ...isa.Insn) { g.f.insns = append(g.f.insns, i...) }

// here is the slot that comes next.
func (g *generator) here() int { return len(g.f.insns) }

// patch makes the jump at a slot go to what comes next.
func (g *generator) patch(at int) { g.f.insns[at].Off = int16(g.here() - at - 1) }

// any is a register that fits.
func (g *generator) any(fits func(*val) bool) (isa.Reg, bool) {
	var out [10]isa.Reg
	n := 0
	for i := range g.f.regs {
		if v := &g.f.regs[i]; v.k != none && fits(v) {
			out[n] = isa.Reg(i)
			n++
		}
	}
	if n == 0 {
		return 0, false
	}
	return out[g.n(n)], true
}

// free is a register that may be overwritten, not one of those given. It prefers those with nothing of worth.
func (g *generator) free(not ...isa.Reg) isa.Reg {
	at := g.n(10)
	best, worth := isa.Reg(0), 99
	for i := range isa.Reg(10) {
		r := (i + isa.Reg(at)) % 10
		used := g.f.protected>>r&1 != 0
		for _, n := range not {
			used = used || n == r
		}
		if used {
			continue
		}
		w := 1
		switch v := &g.f.regs[r]; {
		case v.k == none:
			w = 0
		case v.k == ctx && g.only(r):
			w = 8
		case v.k == recordOr || v.k == record || v.k == sock || v.k == sockOr:
			w = 9
		case v.k != num:
			w = 2
		}
		if w < worth {
			best, worth = r, w
		}
		if w <= 1 && g.percent(60) {
			return r
		}
	}
	return best
}

// only tells that no other register points to the context.
func (g *generator) only(r isa.Reg) bool {
	n := 0
	for i := range g.f.regs {
		if g.f.regs[i].k == ctx {
			n++
		}
	}
	return n <= 1 && g.f.regs[r].k == ctx
}

// mov copies a register.
func (g *generator) mov(d, s isa.Reg) {
	if d == s {
		return
	}
	g.emit(isa.BinaryReg(isa.Mov, 8, d, s))
	if s == isa.R10 {
		g.f.regs[d] = val{k: stack, size: 8 * g.f.depth}
		return
	}
	g.f.regs[d] = g.f.regs[s]
}

// set makes a register some number.
func (g *generator) set(r isa.Reg) {
	if g.f.protected>>r&1 != 0 || g.only(r) {
		return
	}
	switch g.n(6) {
	case 0:
		v := g.number()
		c := isa.Const64(r, isa.PseudoNone, v)
		g.emit(c[:]...)
		g.f.regs[r] = upTo(int64(v & (1<<63 - 1)))
		if int64(v) < 0 {
			g.f.regs[r] = unknown()
		}
	case 1:
		if g.clobberSafe() && g.percent(70) {
			g.callHelper(pick[int32](g.Source, linux.HelperGetPrandomU32, linux.HelperKtimeGetNs, linux.HelperGetSmpProcessorId))
			g.f.regs[isa.R0] = unknown()
			g.mov(r, isa.R0)
			return
		}
		fallthrough
	default:
		v := g.imm()
		size := pick(g.Source, uint8(8), 8, 4)
		g.emit(isa.Binary(isa.Mov, size, r, v))
		g.f.regs[r] = upTo(int64(v))
		if v < 0 {
			g.f.regs[r] = unknown()
		}
	}
}

// number is a register with a number; it makes one if there is none.
func (g *generator) numReg(not ...isa.Reg) isa.Reg {
	r, ok := g.any(func(v *val) bool { return v.k == num })
	if ok {
		return r
	}
	r = g.free(not...)
	g.emit(isa.Binary(isa.Mov, 8, r, g.imm()))
	g.f.regs[r] = unknown()
	return r
}

// bounded is a register with a number that is at most n: a new one, made of one that is not protected.
func (g *generator) bounded(n int, not ...isa.Reg) isa.Reg {
	if r, ok := g.any(func(v *val) bool { return v.k == num && v.bound >= 0 && v.bound <= int64(n) }); ok && g.percent(50) {
		return r
	}
	s := g.numReg(not...)
	d := g.free(append(not, s)...)
	g.mov(d, s)
	g.bind(d, n)
	return d
}

// bind makes a register's number at most n, by one of many ways.
func (g *generator) bind(r isa.Reg, n int) {
	if g.lie() {
		n += 1 + g.n(8)
	}
	if n <= 0 {
		g.emit(isa.Binary(isa.And, 8, r, 0))
		g.f.regs[r] = upTo(0)
		return
	}
	mask := 1
	for mask*2 <= n+1 {
		mask *= 2
	}
	size := pick(g.Source, uint8(8), 4)
	switch g.n(6) {
	case 0, 1:
		g.emit(isa.Binary(isa.And, size, r, int32(mask-1)))
		n = mask - 1
	case 2:
		g.emit(isa.Binary(isa.Mod, size, r, int32(n+1)))
	case 3: // skip over a reset
		op := pick(g.Source, isa.Jle, isa.Jlt)
		if op == isa.Jlt {
			g.emit(isa.Branch(op, size, r, int32(n+1), 1))
		} else {
			g.emit(isa.Branch(op, size, r, int32(n), 1))
		}
		g.emit(isa.Binary(isa.Mov, 8, r, int32(g.n(n+1))))
		if size == 4 {
			g.emit(isa.BinaryReg(isa.Mov, 4, r, r))
		}
	case 4: // both signed bounds
		g.emit(isa.Branch(isa.Jsgt, 8, r, int32(n), 1), isa.Branch(isa.Jsge, 8, r, 0, 1), isa.Binary(isa.Mov, 8, r, int32(g.n(n+1))))
	default:
		shift := 0
		for (int64(1)<<(64-shift))-1 > int64(n) || 64-shift > 62 {
			shift++
		}
		g.emit(isa.Binary(isa.Rsh, 8, r, int32(shift)))
		n = 1<<(64-shift) - 1
	}
	g.f.regs[r] = upTo(int64(n))
}

// link puts the functions behind each other.
func (g *generator) link() []isa.Insn {
	var out []isa.Insn
	starts := make([]int, len(g.funcs))
	for i, f := range g.funcs {
		starts[i] = len(out)
		out = append(out, f.insns...)
	}
	for i, f := range g.funcs {
		for at, to := range f.calls {
			pc := starts[i] + at
			out[pc].Imm = int32(starts[to] - pc - 1)
		}
	}
	return out
}

// useMap is the index in the program of one of allMaps.
func (g *generator) useMap(m int) int {
	i, ok := g.maps[m]
	if !ok {
		i = len(g.order)
		g.maps[m] = i
		g.order = append(g.order, m)
	}
	return i
}
