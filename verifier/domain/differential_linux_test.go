package domain_test

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"

	. "github.com/skepbpf/skep/verifier/domain"
)

var (
	flagPrograms = flag.Int("domain.programs", 200, "random programs to compare with the live kernel")
	flagSeed     = flag.Uint64("domain.seed", 1, "seed of the random programs")
)

// A step is one instruction whose effect on registers is compared, and what the domain makes of it.
type step struct {
	pc       int
	name     string
	dst, src int // src is -1 for an immediate, imm its value
	imm      uint64
	cond     bool
	target   int // of a conditional jump
	apply    func(d, s *Scalar)
	c        Cond
	is32     bool
}

// A generator writes one random program over r1 to r5, with r6 a pointer at a variable offset and r9
// the pointer to the map's value.
type generator struct {
	*rand.Rand
	loads, branches int // out of 24 steps
	code            []byte
	steps           []step
	last            int32 // an immediate used before
}

func (g *generator) pc() int { return len(g.code) / 8 }

func (g *generator) emit(op byte, dst, src int, off int16, imm int32) {
	g.code = append(g.code, op, byte(src<<4|dst))
	g.code = binary.LittleEndian.AppendUint16(g.code, uint16(off))
	g.code = binary.LittleEndian.AppendUint32(g.code, uint32(imm))
}

func (g *generator) reg() int { return 1 + g.IntN(5) }

// imm prefers the edges: around zero, powers of two, sign changes, and numbers used before.
func (g *generator) imm() int32 {
	if g.IntN(3) == 0 {
		return g.last + int32(g.IntN(3)) - 1
	}
	g.last = g.freshImm()
	return g.last
}

func (g *generator) freshImm() int32 {
	switch g.IntN(6) {
	case 0:
		return int32(g.Uint32())
	case 1:
		return int32(g.IntN(20)) - 8
	case 2:
		return int32(g.Uint32()) >> g.IntN(32)
	}
	v := int32(uint32(1)<<g.IntN(32)) + int32(g.IntN(3)) - 1
	if g.IntN(3) == 0 {
		v = -v
	}
	return v
}

func (g *generator) add(s step) { s.pc = g.pc(); g.steps = append(g.steps, s) }

// load fills a register with an unknown value of 1 to 8 bytes.
func (g *generator) load(dst int) {
	size := 3 - min(g.IntN(5), 3)
	if size == 3 || g.IntN(3) > 0 {
		g.add(step{name: "load", dst: dst, src: -1, apply: func(d, _ *Scalar) { *d = Unknown(); d.Truncate(1 << size) }})
		g.emit(0x61|[4]byte{0x10, 0x08, 0x00, 0x18}[size], dst, 9, int16(8*g.IntN(8)), 0)
		return
	}
	g.add(step{name: "load sx", dst: dst, src: -1, apply: func(d, _ *Scalar) { *d = Unknown(); d.SignExtend(1<<size, false) }})
	g.emit(0x81|[4]byte{0x10, 0x08, 0x00, 0x18}[size], dst, 9, int16(8*g.IntN(8)), 0)
}

func (g *generator) constant(dst int) {
	if g.IntN(2) == 0 {
		v := g.imm()
		g.add(step{name: "mov", dst: dst, src: -1, apply: func(d, _ *Scalar) { *d = Const(uint64(int64(v))) }})
		g.emit(0xb7, dst, 0, 0, v)
		return
	}
	v := g.Uint64() >> g.IntN(64)
	if g.IntN(2) == 0 {
		v = uint64(1)<<g.IntN(64) + uint64(g.IntN(3)) - 1
	}
	g.add(step{name: "ld_imm64", dst: dst, src: -1, apply: func(d, _ *Scalar) { *d = Const(v) }})
	g.emit(0x18, dst, 0, 0, int32(v))
	g.emit(0, 0, 0, 0, int32(v>>32))
}

var aluOps = []struct {
	name string
	op   Op
	code byte
	off  int16
}{
	{"add", Add, 0x00, 0}, {"sub", Sub, 0x10, 0}, {"mul", Mul, 0x20, 0}, {"and", And, 0x50, 0}, {"or", Or, 0x40, 0},
	{"xor", Xor, 0xa0, 0}, {"lsh", Lsh, 0x60, 0}, {"rsh", Rsh, 0x70, 0}, {"arsh", Arsh, 0xc0, 0}, {"neg", Neg, 0x80, 0},
	{"div", Div, 0x30, 0}, {"sdiv", SDiv, 0x30, 1}, {"mod", Mod, 0x90, 0}, {"smod", SMod, 0x90, 1},
}

// alu emits an operation, its operand an immediate or a register (the same one, at times).
func (g *generator) alu() {
	o := aluOps[g.IntN(len(aluOps))]
	if g.IntN(3) > 0 { // the bulk goes to those with the richest results
		o = aluOps[g.IntN(9)]
	}
	is32 := g.IntN(2) == 0
	s := step{name: o.name, dst: g.reg(), src: -1, is32: is32}
	s.apply = func(d, s *Scalar) { d.Fork(o.op, s); d.ALU(o.op, is32, s) }
	class, bits := byte(7), 64
	if is32 {
		class, bits = 4, 32
		s.name += "32"
	}
	if o.op != Neg && g.IntN(2) == 0 {
		s.src = g.reg()
		g.add(s)
		g.emit(o.code|8|class, s.dst, s.src, o.off, 0)
		return
	}
	v := g.imm()
	switch o.op {
	case Lsh, Rsh, Arsh:
		v = int32(g.IntN(bits))
		if g.IntN(4) == 0 {
			v = int32(8 * g.IntN(bits/8))
		}
	case Div, SDiv, Mod, SMod:
		if v == 0 {
			v = 1
		}
	case Neg:
		v = 0
	}
	s.imm = uint64(int64(v))
	g.add(s)
	g.emit(o.code|class, s.dst, 0, o.off, v)
}

// move copies a register, and then loads the source anew: the kernel links copies by an id, and would
// refine both at the next branch.
func (g *generator) move() {
	dst, src := g.reg(), g.reg()
	if dst == src {
		return
	}
	is32, size := g.IntN(2) == 0, 8
	name, class := "mov", byte(0xbf)
	if is32 {
		name, class, size = "mov32", 0xbc, 4
	}
	sx := 1 << g.IntN(4)
	if sx >= size {
		g.add(step{name: name, dst: dst, src: src, apply: func(d, s *Scalar) { d.ALU(Mov, is32, s) }})
		sx = 0
	} else {
		g.add(step{name: fmt.Sprint(name, "sx", 8*sx), dst: dst, src: src, apply: func(d, s *Scalar) { *d = *s; d.SignExtend(uint(sx), is32) }})
	}
	g.emit(class, dst, src, int16(8*sx), 0)
	g.load(src)
}

func (g *generator) swap() {
	n := uint(16 << g.IntN(3))
	order := Order(g.IntN(3))
	g.add(step{name: fmt.Sprint([]string{"le", "be", "bswap"}[order], n), dst: g.reg(), src: -1, apply: func(d, _ *Scalar) { d.SwapBytes(order, n) }})
	g.emit([]byte{0xd4, 0xdc, 0xd7}[order], g.steps[len(g.steps)-1].dst, 0, 0, int32(n))
}

// lowConst makes the low half of a register constant, often a shift amount, and the high half unknown.
func (g *generator) lowConst(r int) {
	n := int32(g.IntN(40))
	if g.IntN(3) == 0 {
		n = g.imm() & 0x7fffffff
	}
	for _, o := range []struct {
		name string
		op   Op
		code byte
		imm  int32
	}{{"rsh", Rsh, 0x77, 32}, {"lsh", Lsh, 0x67, 32}, {"or", Or, 0x47, n}} {
		g.add(step{name: o.name, dst: r, src: -1, imm: uint64(o.imm), apply: func(d, s *Scalar) { d.Fork(o.op, s); d.ALU(o.op, false, s) }})
		g.emit(o.code, r, 0, 0, o.imm)
	}
}

// offset adds up to three bounded registers to a pointer, or subtracts them.
func (g *generator) offset() {
	g.add(step{name: "ptr", dst: 6, src: -1, apply: func(d, _ *Scalar) { *d = Const(0) }})
	g.emit(0xbf, 6, 9, 0, 0)
	for range 1 + g.IntN(3) {
		r := g.reg()
		if n := int32(40 + g.IntN(23)); g.IntN(2) == 0 {
			g.add(step{name: "arsh", dst: r, src: -1, imm: uint64(n), apply: func(d, s *Scalar) { d.ALU(Arsh, false, s) }})
			g.emit(0xc7, r, 0, 0, n)
		} else {
			n := g.imm() & 0xffffff
			g.add(step{name: "and", dst: r, src: -1, imm: uint64(n), apply: func(d, s *Scalar) { d.Fork(And, s); d.ALU(And, false, s) }})
			g.emit(0x57, r, 0, 0, n)
		}
		s := step{name: "ptr +", dst: 6, src: r}
		op, apply := byte(0x0f), (*Scalar).AddOffset
		if g.IntN(2) == 0 {
			s.name, op, apply = "ptr -", 0x1f, (*Scalar).SubOffset
		}
		s.apply = func(d, s *Scalar) {
			if !s.IsConst() { // a constant goes to the fixed offset
				apply(d, s)
			}
		}
		g.add(s)
		g.emit(op, 6, r, 0, 0)
	}
}

var condOps = []struct {
	name string
	c    Cond
	code byte
}{
	{"==", Eq, 0x10}, {"!=", Ne, 0x50}, {"&", Set, 0x40}, {">", Gt, 0x20}, {">=", Ge, 0x30}, {"<", Lt, 0xa0},
	{"<=", Le, 0xb0}, {"s>", SGt, 0x60}, {"s>=", SGe, 0x70}, {"s<", SLt, 0xc0}, {"s<=", SLe, 0xd0},
}

// branch emits a conditional jump to a stub of its own, whose offset finish fills in.
func (g *generator) branch() {
	o := condOps[g.IntN(len(condOps))]
	s := step{name: "if " + o.name, dst: g.reg(), src: -1, cond: true, c: o.c, is32: g.IntN(2) == 0}
	class := byte(5)
	if s.is32 {
		class = 6
		s.name = "if32 " + o.name
	}
	v := g.imm()
	if g.IntN(2) == 0 {
		s.src = g.reg()
		if s.src == s.dst && g.IntN(4) > 0 {
			s.src = s.src%5 + 1
		}
		class |= 8
		v = 0
	}
	s.imm = uint64(int64(v))
	g.add(s)
	g.emit(o.code|class, s.dst, max(s.src, 0), 0, v)
}

func (g *generator) finish() {
	g.emit(0xb7, 0, 0, 0, 0)
	g.emit(0x95, 0, 0, 0, 0)
	for i := range g.steps {
		if s := &g.steps[i]; s.cond {
			s.target = g.pc()
			binary.LittleEndian.PutUint16(g.code[s.pc*8+2:], uint16(s.target-s.pc-1))
			g.emit(0xb7, 0, 0, 0, 0)
			g.emit(0x95, 0, 0, 0, 0)
		}
	}
}

func generate(rnd *rand.Rand, mapFD, length int) *generator {
	g := &generator{Rand: rnd, loads: 1 + rnd.IntN(4), branches: 2 + rnd.IntN(8)}
	g.emit(0x18, 9, 2, 0, int32(mapFD))
	g.emit(0, 0, 0, 0, 0)
	for r := 1; r <= 5; r++ {
		g.load(r)
	}
	for len(g.steps) < length {
		switch n := g.IntN(24); {
		case n < g.loads:
			g.load(g.reg())
		case n < 5:
			g.constant(g.reg())
		case n < 6:
			g.move()
		case n < 7:
			g.swap()
		case n < 8:
			g.offset()
		case n < 9:
			g.lowConst(g.reg())
		case n < 9+g.branches:
			g.branch()
		default:
			g.alu()
		}
	}
	g.finish()
	return g
}

type tally struct {
	compared, different int
	examples            []string
}

// TestKernelStates runs random programs through the live kernel and compares every state that its log
// shows after an instruction, and on either side of a branch, with what the domain computes from the
// state that the log showed before.
func TestKernelStates(t *testing.T) {
	mapFD := newMap(t)
	tallies := map[string]*tally{}
	states, contradictions := 0, 0
	for i := range *flagPrograms {
		g := generate(rand.New(rand.NewPCG(*flagSeed, uint64(i))), mapFD, 100)
		log, err := load(g.code)
		if err != nil {
			t.Fatalf("program %d: %v\n%s", i, err, log[max(0, len(log)-2000):])
		}
		n, c := compare(t, g, parseLog(log), tallies)
		states += n
		contradictions += c
	}
	names := make([]string, 0, len(tallies))
	for name := range tallies {
		names = append(names, name)
	}
	sort.Strings(names)
	different := 0
	for _, name := range names {
		y := tallies[name]
		different += y.different
		if y.different > 0 {
			t.Errorf("%-12s %d of %d states differ", name, y.different, y.compared)
			for _, e := range y.examples {
				t.Log(e)
			}
		} else if testing.Verbose() {
			t.Logf("%-12s %d states equal", name, y.compared)
		}
	}
	t.Logf("%d programs, %d states compared, %d different; %d contradictions reported alike", *flagPrograms, states, different, contradictions)
}

func compare(t *testing.T, g *generator, tr trace, tallies map[string]*tally) (states, contradictions int) {
	reg := [7]Scalar{}
	check := func(s *step, what string, before, before2 *Scalar, reg int, got *Scalar, want string) {
		y := tallies[s.name]
		if y == nil {
			y = &tally{}
			tallies[s.name] = y
		}
		states++
		y.compared++
		if text(reg, got) != want {
			y.different++
			if len(y.examples) < 3 {
				y.examples = append(y.examples, fmt.Sprintf("%s %s dst=%d src=%d\n\tx      %v\n\ty      %v\n\tdomain %v\n\tkernel %v",
					s.name, what, s.dst, s.src, before, before2, got, want))
			}
		}
	}
	// adopt takes what the log shows as the state to go on from, lest one difference breed others. The
	// text of a contradictory register hides some of it, so mine, if it reads the same.
	adopt := func(rs regs, mine *[7]Scalar) {
		for n, want := range rs {
			if n < 1 || n > 6 {
				continue
			}
			reg[n] = mine[n]
			if text(n, &mine[n]) == want {
				continue
			}
			v, err := parseScalar(want)
			if err != nil {
				t.Fatal(err)
			}
			if text(n, &v) != want {
				t.Errorf("text of %s comes out as %v", want, text(n, &v))
			}
			reg[n] = v
		}
	}
	for i := range g.steps {
		s := &g.steps[i]
		after, ok := tr.after[s.pc]
		if !ok {
			return states, contradictions // not reached: a jump was always taken
		}
		imm := Const(s.imm)
		operand := func(r *[7]Scalar) *Scalar {
			if s.src < 0 {
				return &imm
			}
			return &r[s.src]
		}
		x, y := reg[s.dst], *operand(&reg)
		if !s.cond {
			r := reg
			s.apply(&r[s.dst], operand(&r))
			check(s, "", &x, &y, s.dst, &r[s.dst], after[s.dst])
			adopt(after, &r)
			continue
		}
		other, explored := tr.taken[[2]int{s.pc, s.target}]
		decided := -1
		if !explored {
			decided = 0
			if tr.next[s.pc] == s.target {
				decided = 1
			}
		}
		y2 := tallies["decide"]
		if y2 == nil {
			y2 = &tally{}
			tallies["decide"] = y2
		}
		y2.compared++
		mine := Decide(s.c, s.is32, &x, operand(&reg))
		if mine != decided {
			y2.different++
			if len(y2.examples) < 6 {
				y2.examples = append(y2.examples, fmt.Sprintf("decide %s dst=%d src=%d\n\tx %v\n\ty %v\n\tdomain %d\n\tkernel %d", s.name, s.dst, s.src, &x, &y, mine, decided))
			}
		}
		if decided == 1 {
			return states, contradictions
		}
		mineAfter, bugs := reg, ""
		if decided < 0 {
			for _, side := range []struct {
				what string
				c    Cond
				want regs
				name string
			}{{"taken", s.c, other, "true"}, {"not taken", s.c.Not(), after, "false"}} {
				r := reg
				a, b := &r[s.dst], operand(&r)
				if !Refine(side.c, s.is32, a, b) {
					side.what += " (contradiction)"
					for i, x := range []*Scalar{a, b} {
						if v := x.Violation(); v != "" {
							bugs += fmt.Sprintf("(%s_reg%d): %s\n", side.name, i+1, v)
							x.SetUnbounded()
						}
					}
				}
				check(s, side.what, &x, &y, s.dst, a, side.want[s.dst])
				if s.src >= 0 {
					check(s, side.what+" src", &x, &y, s.src, b, side.want[s.src])
				}
				mineAfter = r
			}
		}
		contradictions += strings.Count(bugs, "\n")
		if bugs != tr.bugs[s.pc] {
			t.Errorf("%s dst=%d src=%d\n\tx %v\n\ty %v\n\tdomain %s\n\tkernel %s", s.name, s.dst, s.src, &x, &y, bugs, tr.bugs[s.pc])
		}
		adopt(after, &mineAfter)
	}
	return states, contradictions
}
