package arm64

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/arch/arm64/arm64asm"

	"github.com/skepbpf/skep/jit/disasm"
)

var update = flag.Bool("update", false, "write testdata/golden.txt")

type source struct{ rng *rand.Rand }

func (s source) reg() Reg    { return Reg(s.rng.IntN(31)) }
func (s source) width() int  { return 4 + 4*s.rng.IntN(2) }
func (s source) size() int   { return 1 << s.rng.IntN(4) }
func (s source) n(k int) int { return s.rng.IntN(k) }

func r(width int, x Reg) string {
	switch {
	case x == 31 && width == 8:
		return "xzr"
	case x == 31:
		return "wzr"
	case width == 8:
		return fmt.Sprintf("x%d", x)
	}
	return fmt.Sprintf("w%d", x)
}

// rt is a register of a load or store of size bytes.
func rt(size int, x Reg) string {
	if size == 8 {
		return r(8, x)
	}
	return r(4, x)
}

var suffix = map[int]string{1: "b", 2: "h", 4: "", 8: ""}

// forms are all instructions, with their text. Golang.org/x/arch does not know those in parentheses, which disasm reads.
var forms = []struct {
	name string
	make func(a *Asm, s source) string
}{
	{"rrr", func(a *Asm, s source) string {
		ops := []Op{Add, Adds, Sub, Subs, And, Orr, Orn, Eor, Ands, UDiv, SDiv, Lsl, Lsr, Asr, Mul}
		names := []string{"add", "adds", "sub", "subs", "and", "orr", "orn", "eor", "ands", "udiv", "sdiv", "lsl", "lsr", "asr", "mul"}
		k, w, d, n, m := s.n(len(ops)), s.width(), s.reg(), s.reg(), s.reg()
		a.RRR(ops[k], w, d, n, m)
		return fmt.Sprintf("%s %s, %s, %s", names[k], r(w, d), r(w, n), r(w, m))
	}},
	{"addi", func(a *Asm, s source) string {
		k, w, d, n, v := s.n(4), s.width(), s.reg(), s.reg(), uint32(s.n(4095))+1
		shift := ""
		name := []string{"add", "adds", "sub", "subs"}[k]
		text := fmt.Sprintf("%s %s, %s, #%#x", name, r(w, d), r(w, n), v)
		if s.n(2) == 0 {
			v <<= 12
			shift = ", lsl #12"
		}
		a.AddI([]Op{Add, Adds, Sub, Subs}[k], w, d, n, v)
		return text + shift
	}},
	{"madd", func(a *Asm, s source) string {
		w, d, n, m, x := s.width(), s.reg(), s.reg(), s.reg(), s.reg()
		if s.n(2) == 0 {
			a.MAdd(w, d, n, m, x)
			return fmt.Sprintf("madd %s, %s, %s, %s", r(w, d), r(w, n), r(w, m), r(w, x))
		}
		a.MSub(w, d, n, m, x)
		return fmt.Sprintf("msub %s, %s, %s, %s", r(w, d), r(w, n), r(w, m), r(w, x))
	}},
	{"umulh", func(a *Asm, s source) string {
		d, n, m := s.reg(), s.reg(), s.reg()
		a.UMulH(d, n, m)
		return fmt.Sprintf("umulh %s, %s, %s", r(8, d), r(8, n), r(8, m))
	}},
	{"addx", func(a *Asm, s source) string {
		d, n, m := s.reg(), s.reg(), s.reg()
		a.AddX(d, n, m)
		return fmt.Sprintf("add %s, %s, %s, uxtw", r(8, d), r(8, n), r(4, m))
	}},
	{"mov", func(a *Asm, s source) string {
		w, d, m := s.width(), s.reg(), s.reg()
		a.Mov(w, d, m)
		return fmt.Sprintf("mov %s, %s", r(w, d), r(w, m))
	}},
	{"movsp", func(a *Asm, s source) string {
		d := s.reg()
		if s.n(2) == 0 {
			a.MovSP(SP, d)
			return fmt.Sprintf("mov sp, %s", r(8, d))
		}
		a.MovSP(d, SP)
		return fmt.Sprintf("mov %s, sp", r(8, d))
	}},
	{"shift", func(a *Asm, s source) string {
		k, w, d, n := s.n(4), s.width(), s.reg(), s.reg()
		v := uint32(s.n(w*8-1)) + 1
		[]func(int, Reg, Reg, uint32){a.LslI, a.LsrI, a.AsrI, a.RorI}[k](w, d, n, v)
		return fmt.Sprintf("%s %s, %s, #%d", []string{"lsl", "lsr", "asr", "ror"}[k], r(w, d), r(w, n), v)
	}},
	{"sext", func(a *Asm, s source) string {
		z, w, d, n := 1<<s.n(3), s.width(), s.reg(), s.reg()
		if z == 4 {
			w = 8
		}
		a.SExt(z, w, d, n)
		return fmt.Sprintf("sxt%s %s, %s", map[int]string{1: "b", 2: "h", 4: "w"}[z], r(w, d), r(4, n))
	}},
	{"uext", func(a *Asm, s source) string {
		z, d, n := 1<<s.n(2), s.reg(), s.reg()
		a.UExt(z, d, n)
		return fmt.Sprintf("uxt%s %s, %s", suffix[z], r(4, d), r(4, n))
	}},
	{"rev", func(a *Asm, s source) string {
		w, d, n := s.width(), s.reg(), s.reg()
		a.Rev(w, d, n)
		return fmt.Sprintf("rev %s, %s", r(w, d), r(w, n))
	}},
	{"rev16", func(a *Asm, s source) string {
		d, n := s.reg(), s.reg()
		a.Rev16(d, n)
		return fmt.Sprintf("rev16 %s, %s", r(4, d), r(4, n))
	}},
	{"loadx", func(a *Asm, s source) string {
		z, d, n, m := s.size(), s.reg(), s.reg(), s.reg()
		if z < 8 && s.n(2) == 0 {
			a.LoadX(z, true, d, n, m)
			return fmt.Sprintf("ldrs%s %s, [%s, %s, uxtw]", map[int]string{1: "b", 2: "h", 4: "w"}[z], r(8, d), r(8, n), r(4, m))
		}
		a.LoadX(z, false, d, n, m)
		return fmt.Sprintf("ldr%s %s, [%s, %s, uxtw]", suffix[z], rt(z, d), r(8, n), r(4, m))
	}},
	{"storex", func(a *Asm, s source) string {
		z, d, n, m := s.size(), s.reg(), s.reg(), s.reg()
		a.StoreX(z, d, n, m)
		return fmt.Sprintf("str%s %s, [%s, %s, uxtw]", suffix[z], rt(z, d), r(8, n), r(4, m))
	}},
	{"load store", func(a *Asm, s source) string {
		z, d, n, off := s.size(), s.reg(), s.reg(), int32(s.n(4095)+1)
		off *= int32(z)
		if s.n(2) == 0 {
			a.Load(z, d, n, off)
			return fmt.Sprintf("ldr%s %s, [%s, #%d]", suffix[z], rt(z, d), r(8, n), off)
		}
		a.Store(z, d, n, off)
		return fmt.Sprintf("str%s %s, [%s, #%d]", suffix[z], rt(z, d), r(8, n), off)
	}},
	{"ordered", func(a *Asm, s source) string {
		z, d, n := s.size(), s.reg(), s.reg()
		if s.n(2) == 0 {
			a.LoadAcq(z, d, n)
			return fmt.Sprintf("ldar%s %s, [%s]", suffix[z], rt(z, d), r(8, n))
		}
		a.StoreRel(z, d, n)
		return fmt.Sprintf("stlr%s %s, [%s]", suffix[z], rt(z, d), r(8, n))
	}},
	{"(atomic)", func(a *Asm, s source) string {
		k, w, x, t, n := s.n(5), s.width(), s.reg(), s.reg(), s.reg()
		a.Atomic([]Atomic{LdAdd, LdClr, LdEor, LdSet, Swp}[k], w, x, t, n)
		return fmt.Sprintf("%s %s, %s, [%s]", []string{"ldaddal", "ldclral", "ldeoral", "ldsetal", "swpal"}[k], r(w, x), r(w, t), r(8, n))
	}},
	{"(cas)", func(a *Asm, s source) string {
		w, x, t, n := s.width(), s.reg(), s.reg(), s.reg()
		a.Cas(w, x, t, n)
		return fmt.Sprintf("casal %s, %s, [%s]", r(w, x), r(w, t), r(8, n))
	}},
	{"br", func(a *Asm, s source) string {
		n := s.reg()
		switch s.n(3) {
		case 0:
			a.Br(n)
			return "br " + r(8, n)
		case 1:
			a.Blr(n)
			return "blr " + r(8, n)
		}
		a.Ret()
		return "ret"
	}},
}

// TestGolden compares the bytes of some of each form with those of a file, in which llvm-mc has confirmed them:
//
//	cut -f2 testdata/golden.txt | llvm-mc -triple=aarch64 -mattr=+lse -show-encoding
func TestGolden(t *testing.T) {
	var out bytes.Buffer
	s := source{rand.New(rand.NewPCG(1, 2))}
	for _, f := range forms {
		for range 8 {
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
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("the encoder gives something else than %s:\n%s", file, out.Bytes())
	}
}

// TestDisassembler reads back random instructions of all forms.
func TestDisassembler(t *testing.T) {
	s := source{rand.New(rand.NewPCG(3, 4))}
	for _, f := range forms {
		for range 1000 {
			var a Asm
			want := f.make(&a, s)
			got, n := disasm.Next("arm64", a.Code, 0, strconv.Itoa)
			if n != len(a.Code) || norm(got) != norm(want) {
				t.Fatalf("%s: %x is %q, want %q", f.name, a.Code, got, want)
			}
		}
	}
}

// norm takes numbers as they are, in hex or not.
func norm(s string) string {
	w := strings.Fields(strings.NewReplacer(",", " , ", "]", " ] ", "[", " [ ").Replace(s))
	for i := range w {
		var v uint64
		if _, err := fmt.Sscanf(w[i], "#0x%x", &v); err == nil {
			w[i] = fmt.Sprintf("#%d", v)
		}
	}
	return strings.Join(w, " ")
}

// TestMovI executes, by hand, what MovI writes.
func TestMovI(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	values := []uint64{0, 1, 0xffff, 0x10000, 0xffff_ffff, 0xffff_0000, 0x1234_5678, ^uint64(0), 1 << 63, 0xffff_ffff_ffff_0000, 0xffff_1234_ffff_ffff}
	for range 2000 {
		v := rng.Uint64() >> (rng.Uint32() % 64)
		for range rng.IntN(3) {
			v &^= 0xffff << (16 * rng.IntN(4))
		}
		if rng.IntN(2) == 0 {
			v = ^v
		}
		values = append(values, v)
	}
	for _, v := range values {
		var a Asm
		a.MovI(3, v)
		x := uint64(0xdead)
		for b := a.Code; len(b) > 0; b = b[4:] {
			w := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
			h, at := uint64(w>>5&0xffff), w>>21&3*16
			switch w>>23&0xff<<23 | w&(1<<31) {
			case 0xd2800000 & 0xff800000:
				x = h << at
			}
			switch w & 0xff800000 {
			case 0xd2800000:
				x = h << at
			case 0x92800000:
				x = ^(h << at)
			case 0x12800000:
				x = uint64(^uint32(h << at))
			case 0xf2800000:
				x = x&^(0xffff<<at) | h<<at
			default:
				t.Fatalf("%x: what is %08x?", v, w)
			}
		}
		if x != v {
			t.Errorf("%#x became %#x", v, x)
		}
	}
}

// TestBranches goes over distances around the limit of conditional branches.
func TestBranches(t *testing.T) {
	for _, n := range []int{0, 1, 262_140, 262_142, 262_143, 262_144, 300_000} {
		for _, back := range []bool{false, true} {
			var a Asm
			a.Reset(0)
			l := a.Label()
			jumps := func() { a.BIf(NE, l); a.B(l); a.BL(l) }
			if back {
				a.Bind(l)
			} else {
				jumps()
			}
			a.Code = append(a.Code, make([]byte, 4*n)...)
			at := len(a.Code)
			if back {
				jumps()
			} else {
				a.Bind(l)
				at = 0
			}
			p, err := a.Place(Encoding{})
			if err != nil {
				t.Fatal(err)
			}
			found := 0
			for ; found < 3; at += 4 {
				inst, err := arm64asm.Decode(p.Code[at:])
				if err != nil {
					t.Fatal(err)
				}
				for _, arg := range inst.Args {
					rel, ok := arg.(arm64asm.PCRel)
					if !ok {
						continue
					}
					if to := at + int(rel); to == p.Offset(l) {
						found++
					} else if to != at+8 {
						t.Fatalf("n=%d back=%v: %v at %d goes to %d", n, back, inst, at, to)
					}
				}
			}
		}
	}
}
