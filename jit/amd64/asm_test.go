package amd64

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/arch/x86/x86asm"

	"github.com/skepbpf/skep/jit/disasm"
	"github.com/skepbpf/skep/jit/layout"
)

var update = flag.Bool("update", false, "write testdata/golden.txt")

// An operand source gives operands: those of the golden file, or random ones.
type source struct{ rng *rand.Rand }

func (s source) reg() Reg     { return Reg(s.rng.IntN(16)) }
func (s source) width() int   { return 4 + 4*s.rng.IntN(2) }
func (s source) size() int    { return 1 << s.rng.IntN(4) }
func (s source) alu() ALU     { return ALU(s.rng.IntN(8)) }
func (s source) cond() Cond   { return Cond(s.rng.IntN(16)) }
func (s source) shift() Shift { return [...]Shift{Rol, Ror, Shl, Shr, Sar}[s.rng.IntN(5)] }
func (s source) count(width int) uint8 {
	return uint8(1 + s.rng.IntN(width*8-1))
}

func (s source) imm() int32 {
	switch s.rng.IntN(3) {
	case 0:
		return int32(int8(s.rng.Uint32()))
	case 1:
		return int32(int16(s.rng.Uint32()))
	}
	return int32(s.rng.Uint32())
}

func (s source) mem() Mem {
	m := Mem{Base: s.reg(), Index: NoIndex, Scale: 1, Disp: s.imm()}
	if s.rng.IntN(4) == 0 {
		m.Disp = 0
	}
	if s.rng.IntN(2) == 0 {
		m.Index, m.Scale = s.reg(), 1<<s.rng.IntN(4)
	}
	if m.Index == NoIndex {
		m.Scale = 1
	}
	return m
}

// forms are all instructions, with their text. Golang.org/x/arch does not know those in parentheses, which disasm reads.
var forms = []struct {
	name string
	make func(a *Asm, s source) string // gives the text, as written by hand
}{
	{"alu rr", func(a *Asm, s source) string {
		o, w, d, r := s.alu(), s.width(), s.reg(), s.reg()
		a.ALURR(o, w, d, r)
		return fmt.Sprintf("%s %s, %s", aluName[o], name(w, d), name(w, r))
	}},
	{"alu ri", func(a *Asm, s source) string {
		o, w, d, v := s.alu(), s.width(), s.reg(), s.imm()
		a.ALURI(o, w, d, v)
		return fmt.Sprintf("%s %s, %s", aluName[o], name(w, d), immText(w, v))
	}},
	{"alu rm", func(a *Asm, s source) string {
		o, w, d, m := s.alu(), s.width(), s.reg(), s.mem()
		a.ALURM(o, w, d, m)
		return fmt.Sprintf("%s %s, %s", aluName[o], name(w, d), memText(w, m))
	}},
	{"cmp rm", func(a *Asm, s source) string {
		w, d, m := s.size(), s.reg(), s.mem()
		a.ALURM(Cmp, w, d, m)
		return fmt.Sprintf("cmp %s, %s", name(w, d), memText(w, m))
	}},
	{"alu mr", func(a *Asm, s source) string {
		o, w, d, m := s.alu(), s.size(), s.reg(), s.mem()
		a.ALUMR(o, w, m, d)
		return fmt.Sprintf("%s %s, %s", aluName[o], memText(w, m), name(w, d))
	}},
	{"alu mi", func(a *Asm, s source) string {
		o, w, v, m := s.alu(), s.size(), s.imm(), s.mem()
		if w == 1 {
			v = int32(int8(v))
		} else if w == 2 {
			v = int32(int16(v))
		}
		a.ALUMI(o, w, m, v)
		return fmt.Sprintf("%s %s, %s", aluName[o], memText(w, m), immText(w, v))
	}},
	{"test rr", func(a *Asm, s source) string {
		w, d, r := s.width(), s.reg(), s.reg()
		a.TestRR(w, d, r)
		return fmt.Sprintf("test %s, %s", name(w, d), name(w, r))
	}},
	{"test ri", func(a *Asm, s source) string {
		w, d, v := s.width(), s.reg(), s.imm()
		a.TestRI(w, d, v)
		if v >= 0 && v < 0x80 {
			w = 1
		}
		return fmt.Sprintf("test %s, %s", name(w, d), immText(w, v))
	}},
	{"mov rr", func(a *Asm, s source) string {
		w, d, r := s.width(), s.reg(), s.reg()
		a.MovRR(w, d, r)
		return fmt.Sprintf("mov %s, %s", name(w, d), name(w, r))
	}},
	{"mov ri", func(a *Asm, s source) string {
		d, v := s.reg(), s.rng.Uint64()
		switch s.rng.IntN(3) {
		case 0:
			v = uint64(uint32(v))
		case 1:
			v = uint64(int64(int32(v)))
		}
		a.MovRI(d, v)
		switch {
		case v == uint64(uint32(v)):
			return fmt.Sprintf("mov %s, %#x", name(4, d), v)
		default:
			return fmt.Sprintf("mov %s, %#x", name(8, d), v)
		}
	}},
	{"load zx", func(a *Asm, s source) string {
		w, d, m := s.size(), s.reg(), s.mem()
		a.LoadZX(w, d, m)
		if w < 4 {
			return fmt.Sprintf("movzx %s, %s", name(4, d), memText(w, m))
		}
		return fmt.Sprintf("mov %s, %s", name(w, d), memText(w, m))
	}},
	{"load sx", func(a *Asm, s source) string {
		w, d, m := 1<<s.rng.IntN(3), s.reg(), s.mem()
		a.LoadSX(w, d, m)
		return fmt.Sprintf("%s %s, %s", sxName(w), name(8, d), memText(w, m))
	}},
	{"store", func(a *Asm, s source) string {
		w, d, m := s.size(), s.reg(), s.mem()
		a.Store(w, m, d)
		return fmt.Sprintf("mov %s, %s", memText(w, m), name(w, d))
	}},
	{"store imm", func(a *Asm, s source) string {
		w, v, m := s.size(), s.imm(), s.mem()
		if w == 1 {
			v = int32(int8(v))
		} else if w == 2 {
			v = int32(int16(v))
		}
		a.StoreI(w, m, v)
		return fmt.Sprintf("mov %s, %s", memText(w, m), immText(w, v))
	}},
	{"movzx", func(a *Asm, s source) string {
		w, d, r := 1<<s.rng.IntN(2), s.reg(), s.reg()
		a.MovZX(w, d, r)
		return fmt.Sprintf("movzx %s, %s", name(4, d), name(w, r))
	}},
	{"movsx", func(a *Asm, s source) string {
		w, to, d, r := 1<<s.rng.IntN(3), s.width(), s.reg(), s.reg()
		if w == 4 {
			to = 8
		}
		a.MovSX(w, to, d, r)
		return fmt.Sprintf("%s %s, %s", sxName(w), name(to, d), name(w, r))
	}},
	{"lea", func(a *Asm, s source) string {
		w, d, m := s.width(), s.reg(), s.mem()
		a.Lea(w, d, m)
		return fmt.Sprintf("lea %s, %s", name(w, d), memText(0, m))
	}},
	{"shift", func(a *Asm, s source) string {
		o, w, d := s.shift(), s.width(), s.reg()
		n := s.count(w)
		a.ShiftI(o, w, d, n)
		return fmt.Sprintf("%s %s, %#x", shiftName[o], name(w, d), n)
	}},
	{"rol16", func(a *Asm, s source) string {
		d := s.reg()
		a.Rol16(d, 8)
		return fmt.Sprintf("rol %s, 0x8", name(2, d))
	}},
	{"shift cl", func(a *Asm, s source) string {
		o, w, d := s.shift(), s.width(), s.reg()
		a.ShiftCL(o, w, d)
		return fmt.Sprintf("%s %s, cl", shiftName[o], name(w, d))
	}},
	{"(shiftx)", func(a *Asm, s source) string {
		o, w, d, r, n := [...]Shift{Shl, Shr, Sar}[s.rng.IntN(3)], s.width(), s.reg(), s.reg(), s.reg()
		a.ShiftX(o, w, d, r, n)
		return fmt.Sprintf("%sx %s, %s, %s", shiftName[o], name(w, d), name(w, r), name(w, n))
	}},
	{"(rorx)", func(a *Asm, s source) string {
		w, d, r := s.width(), s.reg(), s.reg()
		n := s.count(w)
		a.RorX(w, d, r, n)
		return fmt.Sprintf("rorx %s, %s, %#x", name(w, d), name(w, r), n)
	}},
	{"(mulx)", func(a *Asm, s source) string {
		w, h, l, r := s.width(), s.reg(), s.reg(), s.reg()
		a.MulX(w, h, l, r)
		return fmt.Sprintf("mulx %s, %s, %s", name(w, h), name(w, l), name(w, r))
	}},
	{"(andn)", func(a *Asm, s source) string {
		w, d, x, y := s.width(), s.reg(), s.reg(), s.reg()
		a.AndN(w, d, x, y)
		return fmt.Sprintf("andn %s, %s, %s", name(w, d), name(w, x), name(w, y))
	}},
	{"imul rr", func(a *Asm, s source) string {
		w, d, r := s.width(), s.reg(), s.reg()
		a.ImulRR(w, d, r)
		return fmt.Sprintf("imul %s, %s", name(w, d), name(w, r))
	}},
	{"imul rm", func(a *Asm, s source) string {
		w, d, m := s.width(), s.reg(), s.mem()
		a.ImulRM(w, d, m)
		return fmt.Sprintf("imul %s, %s", name(w, d), memText(w, m))
	}},
	{"imul rri", func(a *Asm, s source) string {
		w, d, r, v := s.width(), s.reg(), s.reg(), s.imm()
		a.ImulRRI(w, d, r, v)
		return fmt.Sprintf("imul %s, %s, %s", name(w, d), name(w, r), immText(w, v))
	}},
	{"unary", func(a *Asm, s source) string {
		w, d, k := s.width(), s.reg(), s.rng.IntN(5)
		[]func(int, Reg){a.Mul, a.Div, a.IDiv, a.Neg, a.Not}[k](w, d)
		return fmt.Sprintf("%s %s", []string{"mul", "div", "idiv", "neg", "not"}[k], name(w, d))
	}},
	{"sign", func(a *Asm, s source) string {
		w := s.width()
		a.SignRDX(w)
		return map[int]string{4: "cdq", 8: "cqo"}[w]
	}},
	{"bswap", func(a *Asm, s source) string {
		w, d := s.width(), s.reg()
		a.Bswap(w, d)
		return "bswap " + name(w, d)
	}},
	{"(movbe)", func(a *Asm, s source) string {
		w, d, m := 2<<s.rng.IntN(3), s.reg(), s.mem()
		a.MovBE(w, d, m)
		return fmt.Sprintf("movbe %s, %s", name(w, d), memText(w, m))
	}},
	{"(movbe store)", func(a *Asm, s source) string {
		w, d, m := 2<<s.rng.IntN(3), s.reg(), s.mem()
		a.MovBEStore(w, m, d)
		return fmt.Sprintf("movbe %s, %s", memText(w, m), name(w, d))
	}},
	{"atomics", func(a *Asm, s source) string {
		w, d, m, k := s.width(), s.reg(), s.mem(), s.rng.IntN(3)
		a.Lock()
		[]func(int, Mem, Reg){a.XaddMR, a.CmpxchgMR, a.XchgMR}[k](w, m, d)
		return fmt.Sprintf("lock %s %s, %s", []string{"xadd", "cmpxchg", "xchg"}[k], memText(w, m), name(w, d))
	}},
	{"push", func(a *Asm, s source) string { d := s.reg(); a.Push(d); return "push " + name(8, d) }},
	{"pop", func(a *Asm, s source) string { d := s.reg(); a.Pop(d); return "pop " + name(8, d) }},
	{"ret", func(a *Asm, s source) string { a.Ret(); return "ret" }},
	{"trap", func(a *Asm, s source) string { a.Trap(); return "ud2" }},
	{"call m", func(a *Asm, s source) string { m := s.mem(); a.CallM(m); return "call " + memText(8, m) }},
	{"jmp m", func(a *Asm, s source) string { m := s.mem(); a.JmpM(m); return "jmp " + memText(8, m) }},
	{"set", func(a *Asm, s source) string {
		c, d := s.cond(), s.reg()
		a.Set(c, d)
		return "set" + condName[c] + " " + name(1, d)
	}},
	{"cmov", func(a *Asm, s source) string {
		c, w, d, r := s.cond(), s.width(), s.reg(), s.reg()
		a.CMov(c, w, d, r)
		return fmt.Sprintf("cmov%s %s, %s", condName[c], name(w, d), name(w, r))
	}},
	{"bt", func(a *Asm, s source) string {
		w, d := s.width(), s.reg()
		n := s.count(w)
		a.BT(w, d, n)
		return fmt.Sprintf("bt %s, %#x", name(w, d), n)
	}},
	{"zero x0", func(a *Asm, s source) string { a.ZeroX0(); return "xorps xmm0, xmm0" }},
	{"store x0", func(a *Asm, s source) string {
		m := s.mem()
		a.StoreX0(m)
		return "movups " + memText(16, m) + ", xmm0"
	}},
}

var (
	aluName   = [...]string{"add", "or", "adc", "sbb", "and", "sub", "xor", "cmp"}
	shiftName = [...]string{Rol: "rol", Ror: "ror", Shl: "shl", Shr: "shr", Sar: "sar"}
	condName  = [...]string{"o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g"}
	regName   = [...]string{"ax", "cx", "dx", "bx", "sp", "bp", "si", "di"}
)

var scales = map[uint8]string{1: "", 2: "2*", 4: "4*", 8: "8*"}

func sxName(size int) string {
	if size == 4 {
		return "movsxd"
	}
	return "movsx"
}

func name(size int, r Reg) string {
	if r >= 8 {
		return fmt.Sprintf("r%d%s", r, map[int]string{1: "b", 2: "w", 4: "d", 8: ""}[size])
	}
	switch size {
	case 8:
		return "r" + regName[r]
	case 4:
		return "e" + regName[r]
	case 2:
		return regName[r]
	}
	if r < 4 {
		return regName[r][:1] + "l"
	}
	return regName[r] + "l"
}

func immText(width int, v int32) string {
	switch width {
	case 1:
		return fmt.Sprintf("%#x", uint8(v))
	case 2:
		return fmt.Sprintf("%#x", uint16(v))
	case 4:
		return fmt.Sprintf("%#x", uint32(v))
	}
	return fmt.Sprintf("%#x", uint64(int64(v)))
}

// memText is an operand of memory; size 0 is that of lea.
func memText(size int, m Mem) string {
	t := map[int]string{0: "", 1: "byte ptr ", 2: "word ptr ", 4: "dword ptr ", 8: "qword ptr ", 16: "xmmword ptr "}[size] +
		"[" + name(8, m.Base)
	if m.Index != NoIndex {
		t += "+" + scales[m.Scale] + name(8, m.Index)
	}
	switch {
	case m.Disp > 0:
		t += fmt.Sprintf("+%#x", m.Disp)
	case m.Disp < 0:
		t += fmt.Sprintf("-%#x", -int64(m.Disp))
	}
	return t + "]"
}

// TestGolden compares the bytes of some of each form with those of a file, in which llvm-mc has confirmed them:
//
//	cut -f2 testdata/golden.txt | llvm-mc -triple=x86_64 -x86-asm-syntax=intel -show-encoding
func TestGolden(t *testing.T) {
	var out bytes.Buffer
	s := source{rand.New(rand.NewPCG(1, 2))}
	for _, f := range forms {
		for range 6 {
			var a Asm
			text := f.make(&a, s)
			fmt.Fprintf(&out, "%x\t%s\n", a.Code, text)
		}
	}
	const file = "testdata/golden.txt"
	if *update {
		if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got, old := strings.Split(out.String(), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(got), len(old)) {
		if got[i] != old[i] {
			t.Fatalf("line %d: got %q, want %q", i+1, got[i], old[i])
		}
	}
	if len(got) != len(old) {
		t.Errorf("%d lines, want %d", len(got), len(old))
	}
}

// TestDisassembler reads back random instructions of all forms.
func TestDisassembler(t *testing.T) {
	s := source{rand.New(rand.NewPCG(3, 4))}
	for _, f := range forms {
		for range 1000 {
			var a Asm
			want := f.make(&a, s)
			got, n := disasm.Next("amd64", a.Code, 0, strconv.Itoa)
			if n != len(a.Code) || !same(got, want) {
				t.Fatalf("%s: %x is %q of %d bytes, want %q", f.name, a.Code, got, n, want)
			}
		}
	}
}

// same compares texts but for the disassembler's ways: a number's sign and width, conditions with two names.
func same(got, want string) bool {
	got = strings.NewReplacer(", ptr [", ", [", "setz ", "sete ", "setnz ", "setne ", "setnb ", "setae ", "cmovz ", "cmove ", "cmovnz ", "cmovne ", "cmovnb ", "cmovae ",
		"cmovnl ", "cmovge ", "cmovng ", "cmovle ", "cmovnle ", "cmovg ", "cmovnbe ", "cmova ",
		"setnl ", "setge ", "setng ", "setle ", "setnle ", "setg ", "setnbe ", "seta ", "movabs ", "mov ", "movsxd", "movsx", ", 0x1", ", 0x1").Replace(got)
	want = strings.ReplaceAll(want, "movsxd", "movsx")
	norm := func(s string) string {
		w := strings.Fields(strings.ReplaceAll(s, ",", " , "))
		for i := range w {
			if v := int64(0); strings.HasPrefix(w[i], "-0x") {
				fmt.Sscanf(w[i][3:], "%x", &v)
				w[i] = fmt.Sprintf("%#x", uint64(-v))
			}
		}
		return strings.Join(w, " ")
	}
	got, want = norm(got), norm(want)
	if got == want {
		return true
	}
	// Immediates are printed sign-extended to one width or another: compare the low digits that both have.
	g, h := strings.LastIndex(got, " 0x"), strings.LastIndex(want, " 0x")
	return g > 0 && h > 0 && got[:g] == want[:h] && tailEqual(got[g+3:], want[h+3:])
}

func tailEqual(x, y string) bool {
	n := min(len(x), len(y))
	return x[len(x)-n:] == y[len(y)-n:]
}

// TestJumps goes over distances around the limits of short jumps.
func TestJumps(t *testing.T) {
	for _, n := range []int{0, 1, 126, 127, 128, 129, 1000} {
		for _, back := range []bool{false, true} {
			var a Asm
			a.Reset(0)
			l, m := a.Label(), a.Label()
			if back {
				a.Bind(l)
			} else {
				a.Jcc(NE, l)
				a.Jmp(l)
				a.Call(m)
			}
			for range n {
				a.Ret()
			}
			if back {
				a.Jcc(NE, l)
				a.Jmp(l)
				a.Call(m)
			} else {
				a.Bind(l)
			}
			a.Bind(m)
			p, err := a.Place(Encoding{})
			if err != nil {
				t.Fatal(err)
			}
			at, found := 0, 0
			for at < len(p.Code) {
				inst, err := x86asm.Decode(p.Code[at:], 64)
				if err != nil {
					t.Fatal(err)
				}
				if rel, ok := inst.Args[0].(x86asm.Rel); ok {
					to := l
					if inst.Op == x86asm.CALL {
						to = m
					}
					if got := at + inst.Len + int(rel); got != p.Offset(to) {
						t.Errorf("n=%d back=%v: %v goes to %d, want %d", n, back, inst, got, p.Offset(to))
					}
					if near := int(rel) == int(int8(rel)); inst.Op != x86asm.CALL && near != (inst.Len == 2) {
						t.Errorf("n=%d back=%v: %v has %d bytes", n, back, inst, inst.Len)
					}
					found++
				}
				at += inst.Len
			}
			if found != 3 {
				t.Errorf("n=%d: %d jumps", n, found)
			}
		}
	}
}

func TestFill(t *testing.T) {
	for n := range 64 {
		b := Encoding{}.Fill(nil, n)
		if len(b) != n {
			t.Fatalf("%d bytes, want %d", len(b), n)
		}
		for len(b) > 0 {
			inst, err := x86asm.Decode(b, 64)
			if err != nil || inst.Op != x86asm.NOP {
				t.Fatalf("%x: %v %v", b, inst, err)
			}
			b = b[inst.Len:]
		}
	}
	var a Asm
	a.Reset(0)
	a.Ret()
	l := a.Label()
	a.Align(32, 31)
	a.Bind(l)
	a.Ret()
	p, err := a.Place(Encoding{})
	if err != nil || p.Offset(l) != 32 {
		t.Errorf("aligned to %d, %v", p.Offset(l), err)
	}
	var u layout.Builder
	u.Reset(0)
	u.Site(jmp, 0, u.Label())
	if _, err := u.Place(Encoding{}); err == nil {
		t.Error("a jump to nowhere was placed")
	}
}
