package jit

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/interp"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/memory"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/verifier"
)

// A bed is where a test runs programs in both engines.
type bed struct {
	space *memory.Space
	run   *helpers.Run
}

func newBed(t testing.TB) *bed {
	t.Helper()
	native(t)
	space, err := memory.New(memory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	run, err := helpers.NewRun(space, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := run.SetContext(make([]byte, 256)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { run.Close(); space.Close() })
	return &bed{space, run}
}

// engines makes a program ready in both engines: package interp and native code.
func (b *bed) engines(t testing.TB, typ linux.ProgType, insns []isa.Insn) [2]func(*helpers.Run) (uint64, error) {
	t.Helper()
	p := &object.Program{Type: uint32(typ), License: "GPL", Insns: insns}
	proof, err := verifier.Verify(p, verifier.Options{})
	if err != nil {
		t.Fatalf("%v\n%s", err, listing(insns))
	}
	m, err := interp.New(p, interp.Options{Space: b.space})
	if err != nil {
		t.Fatal(err)
	}
	n, err := Compile(proof, Options{Space: b.space})
	if err != nil {
		t.Fatal(err)
	}
	if ok, why := n.Native(); !ok {
		t.Fatal(why)
	}
	return [2]func(*helpers.Run) (uint64, error){m.Run, n.Run}
}

// both runs a program in both engines, and gives r0 and the stack of both.
func (b *bed) both(t testing.TB, insns []isa.Insn) (r0 [2]uint64, stack [2][]byte) {
	t.Helper()
	for i, run := range b.engines(t, linux.ProgTypeSocketFilter, insns) {
		var err error
		clear(b.space.Bytes(b.run.Stack, helpers.FrameSize))
		if r0[i], err = run(b.run); err != nil {
			t.Fatal(err)
		}
		stack[i] = bytes.Clone(b.space.Bytes(b.run.Stack, helpers.FrameSize))
	}
	return r0, stack
}

func listing(insns []isa.Insn) string {
	var out []byte
	for pc := range insns {
		out = append((&isa.Names{}).AppendLog(out, insns, pc), '\n')
	}
	return string(out)
}

// anyWord is a number, often one at an edge.
func anyWord(rng *rand.Rand) uint64 {
	switch rng.IntN(4) {
	case 0:
		return [...]uint64{0, 1, 2, ^uint64(0), 1 << 63, 1 << 31, 1 << 32, 0xffff_ffff, 0x7fff_ffff, 1<<63 - 1, 0xffff_ffff_8000_0000}[rng.IntN(11)]
	case 1:
		return uint64(uint8(rng.Uint32()))
	}
	return rng.Uint64() >> (rng.Uint32() % 64)
}

// TestEveryOp runs every operation of isa on random operands, registers and constants, and compares all registers and memory
// with the interpreter's.
func TestEveryOp(t *testing.T) {
	b := newBed(t)
	rng := rand.New(rand.NewPCG(7, 8))
	n := 150
	if testing.Short() {
		n = 20
	}
	for op := isa.Op(1); op < isa.NumOps; op++ {
		info := op.Info()
		if info.Unknown || info.Internal {
			continue
		}
		for range n {
			i, ok := randomInsn(rng, op)
			if !ok {
				break
			}
			if i.Op != op {
				t.Fatalf("%s (%d) could not be made", info.Name, op)
			}
			b.oneOp(t, rng, i)
		}
	}
}

// randomInsn makes an instruction of an operation; false if the test has other ways to have it run.
func randomInsn(rng *rand.Rand, op isa.Op) (i isa.Insn, ok bool) {
	info := op.Info()
	dst, src := isa.Reg(rng.IntN(10)), isa.Reg(rng.IntN(10))
	imm := int32(anyWord(rng))
	width := uint8(4 + 4*rng.IntN(2))
	size := uint8(1) << rng.IntN(4)
	for info.Sizes != 0 && uint8(info.Sizes)&size == 0 {
		size = 1 << rng.IntN(4)
	}
	reg := rng.IntN(2) == 0
	switch info.Form {
	case isa.FormBinary:
		if !reg && (op == isa.Lsh || op == isa.Rsh || op == isa.Arsh) {
			imm &= int32(width)*8 - 1
		}
		if !reg && imm == 0 && (op == isa.Div || op == isa.Mod || op == isa.SDiv || op == isa.SMod) {
			imm = 3
		}
		if reg {
			imm = 0
		} else {
			src = 0
		}
		off := int16(0)
		if op == isa.SDiv || op == isa.SMod {
			off = 1
		}
		return isa.New(op, width, reg, dst, src, off, imm), true
	case isa.FormUnary:
		return isa.New(op, width, false, dst, 0, 0, 0), true
	case isa.FormExtend:
		off := int16(8) << rng.IntN(3)
		if off == 32 {
			width = 8
		}
		return isa.New(op, width, true, dst, src, off, 0), true
	case isa.FormEndian:
		if op == isa.Bswap {
			width = 8
		} else {
			width = 4
		}
		return isa.New(op, width, false, dst, 0, 0, 16<<rng.IntN(3)), true
	case isa.FormBranch:
		if reg {
			imm = 0
		} else {
			src = 0
		}
		return isa.New(op, width, reg, dst, src, 1, imm), true
	case isa.FormLoad, isa.FormStore, isa.FormAtomic, isa.FormFetch, isa.FormAcquire, isa.FormRelease:
		imm = 0
		if len(info.Vals) > 0 {
			imm = info.Vals[0]
		}
		return isa.New(op, size, false, dst, src, 0, imm), true
	case isa.FormStoreImm:
		return isa.New(op, size, false, dst, 0, 0, imm), true
	}
	return i, false
}

// oneOp runs an instruction with registers full of numbers, and compares all of them after it.
func (b *bed) oneOp(t *testing.T, rng *rand.Rand, i isa.Insn) {
	t.Helper()
	var insns []isa.Insn
	put := func(r isa.Reg, v uint64) {
		c := isa.Const64(r, isa.PseudoNone, v)
		insns = append(insns, c[:]...)
	}
	for r := isa.R0; r < isa.R10; r++ {
		put(r, anyWord(rng))
	}
	if rng.IntN(3) == 0 && i.SrcReg {
		insns = append(insns, isa.BinaryReg(isa.Mov, 4, i.Src, i.Src)) // known to be narrow
		insns = append(insns, isa.BinaryReg(isa.Mov, 4, i.Dst, i.Dst))
	}
	base, access := baseOf(&i)
	other := i.Src
	if base == i.Src {
		other = i.Dst
	}
	if access {
		insns = append(insns, isa.StoreMem(8, isa.R10, -128, isa.R3), isa.StoreMem(8, isa.R10, -120, isa.R4))
		if rng.IntN(2) == 0 {
			insns = append(insns, isa.StoreMem(8, isa.R10, -128, isa.R0)) // a comparison may succeed
		}
		insns = append(insns, isa.BinaryReg(isa.Mov, 8, base, isa.R10), isa.Binary(isa.Add, 8, base, -128))
		if base == other && (i.Op == isa.Store || i.Op == isa.StoreRel || i.Op.IsAtomic() && i.Op != isa.LoadAcq) || base == isa.R0 && i.Op == isa.CmpXchg {
			return // pointers in arithmetic are refused
		}
	}
	insns = append(insns, i)
	if i.Op.IsCond() {
		insns = append(insns, isa.Binary(isa.Mov, 8, isa.R9, 77))
	}
	for r := isa.R0; r < isa.R10; r++ {
		insns = append(insns, isa.StoreMem(8, isa.R10, -8*int16(r)-8, r))
	}
	insns = append(insns, isa.Binary(isa.Mov, 8, isa.R0, 0), isa.Return())
	r0, stack := b.both(t, insns)
	if r0[0] != r0[1] || !bytes.Equal(stack[0], stack[1]) {
		t.Fatalf("the engines differ:\n%s\ninterpreter %x\nnative      %x", listing(insns), stack[0][256:], stack[1][256:])
	}
}
