package interp_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/interp"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/memory"
	"github.com/skepbpf/skep/object"
)

// An opTester runs instructions on registers of its choice.
type opTester struct {
	t     *testing.T
	space *memory.Space
	run   *helpers.Run
	rand  *rand.Rand
	mem   memory.Addr // 16 bytes
}

// exec runs the instructions with r1 and r2 as given, and gives r0 and the error. What the program is to return it has to
// move to r0.
func (o *opTester) exec(a, b uint64, insns ...isa.Insn) (uint64, error) {
	m, err := interp.New(&object.Program{Insns: insns}, interp.Options{Space: o.space, Budget: 1000, MayGoto: 3})
	if err != nil {
		o.t.Fatal(err)
	}
	return m.Call(o.run, 0, &[5]uint64{a, b})
}

// must is exec without an error.
func (o *opTester) must(a, b uint64, insns ...isa.Insn) uint64 {
	o.t.Helper()
	r0, err := o.exec(a, b, insns...)
	if err != nil {
		o.t.Fatalf("%v: %v", insns, err)
	}
	return r0
}

// operand is a random number, often one that is special.
func (o *opTester) operand() uint64 {
	special := [...]uint64{0, 1, 2, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1<<63 - 1, 1 << 63, 1<<64 - 1, 31, 32, 63, 64}
	if o.rand.IntN(2) == 0 {
		return special[o.rand.IntN(len(special))]
	}
	return o.rand.Uint64() >> o.rand.IntN(64)
}

// slot makes an instruction from fields.
func slot(opcode uint8, dst, src isa.Reg, off int16, imm int32) isa.Insn {
	return isa.Decode(isa.Insn{Opcode: opcode, Dst: dst, Src: src, Off: off, Imm: imm}.Encode())
}

var (
	exit    = slot(0x95, 0, 0, 0, 0)
	moveR1  = slot(0xbf, 0, 1, 0, 0) // r0 = r1
	moveR2  = slot(0xbf, 0, 2, 0, 0) // r0 = r2
	setZero = slot(0xb7, 0, 0, 0, 0)
	setOne  = slot(0xb7, 0, 0, 0, 1)
)

// classOf is an opcode's class for operands of size bytes.
func classOf(info *isa.Info, size uint8) (uint8, bool) {
	classes := [2]uint8{isa.ClassALU64, isa.ClassALU}
	if info.Form == isa.FormBranch {
		classes = [2]uint8{isa.ClassJMP, isa.ClassJMP32}
	}
	c := classes[0]
	if size == 4 {
		c = classes[1]
	}
	return c, info.In.Has(c)
}

// TestEveryOp runs every operation of the instruction set in every width and form, and compares what can be compared with
// package isa. It names the operations that have no test.
func TestEveryOp(t *testing.T) {
	space, run := newRun(t, memory.Options{})
	mem, err := space.Alloc(16, memory.Mem, memory.Read|memory.Write, "")
	if err != nil {
		t.Fatal(err)
	}
	o := &opTester{t, space, run, rand.New(rand.NewPCG(1, 2)), mem}
	special := map[isa.Op]func(isa.Op){
		isa.MovSX: o.movSX, isa.ToLE: o.endian, isa.ToBE: o.endian, isa.Bswap: o.endian,
		isa.AddrSpaceCast: o.traps, isa.MovPerCPU: o.traps, isa.CallX: o.traps, isa.JaX: o.traps, isa.Invalid: o.traps,
		isa.LdImm64Hi: o.middle, isa.LdImm64: o.imm64, isa.Ja: o.jump, isa.MayGoto: o.mayGoto, isa.Exit: o.returns,
		isa.Call: o.call, isa.CallKfn: o.kfunc, isa.CallSub: o.callSub, isa.LdAbs: o.packet, isa.LdInd: o.packet,
	}
	for op := isa.Invalid; op < isa.NumOps; op++ {
		info := op.Info()
		t.Run(fmt.Sprintf("%d %s", op, info.Name), func(t *testing.T) {
			o.t = t
			switch f := special[op]; {
			case f != nil:
				f(op)
			case info.Form == isa.FormBinary || info.Form == isa.FormUnary:
				o.alu(op)
			case info.Form == isa.FormBranch:
				o.branch(op)
			case info.Form == isa.FormLoad || info.Form == isa.FormAcquire:
				o.load(op)
			case info.Form == isa.FormStore || info.Form == isa.FormStoreImm || info.Form == isa.FormRelease:
				o.store(op)
			case info.Form == isa.FormAtomic || info.Form == isa.FormFetch:
				o.atomic(op)
			default:
				t.Errorf("operation %d (%s) has no test", op, info.Name)
			}
		})
	}
}

func (o *opTester) alu(op isa.Op) {
	info := op.Info()
	off := int16(0)
	if op == isa.SDiv || op == isa.SMod {
		off = 1
	}
	for _, size := range []uint8{4, 8} {
		class, ok := classOf(info, size)
		if !ok {
			continue
		}
		for range 300 {
			d, s := o.operand(), o.operand()
			if info.Src&isa.FromX != 0 {
				got := o.must(d, s, slot(class|info.Code|isa.SourceX, 1, 2, off, 0), moveR1, exit)
				if want := isa.ALU(op, uint(size)*8, d, s); got != want {
					o.t.Fatalf("%v of %#x, %#x, %d bytes: %#x, want %#x", info.Name, d, s, size, got, want)
				}
			}
			imm := int32(o.operand())
			if op == isa.Neg {
				imm = 0
			}
			if imm == 0 && (op == isa.Div || op == isa.SDiv || op == isa.Mod || op == isa.SMod) {
				continue // no instruction
			}
			if op == isa.Lsh || op == isa.Rsh || op == isa.Arsh {
				imm &= int32(size)*8 - 1
			}
			got := o.must(d, s, slot(class|info.Code, 1, 0, off, imm), moveR1, exit)
			if want := isa.ALU(op, uint(size)*8, d, uint64(int64(imm))); got != want {
				o.t.Fatalf("%v of %#x, immediate %#x, %d bytes: %#x, want %#x", info.Name, d, imm, size, got, want)
			}
		}
	}
}

func (o *opTester) branch(op isa.Op) {
	info := op.Info()
	for _, size := range []uint8{4, 8} {
		class, _ := classOf(info, size)
		for range 300 {
			d, s := o.operand(), o.operand()
			if o.rand.IntN(3) == 0 {
				s = d
			}
			imm := int32(s)
			for _, x := range []struct {
				i isa.Insn
				s uint64
			}{{slot(class|info.Code|isa.SourceX, 1, 2, 1, 0), s}, {slot(class|info.Code, 1, 0, 1, imm), uint64(int64(imm))}} {
				got := o.must(d, s, setOne, x.i, setZero, exit)
				if want := isa.Test(op, uint(size)*8, d, x.s); (got == 1) != want {
					o.t.Fatalf("%v of %#x, %#x, %d bytes: %v, want %v", info.Name, d, x.s, size, got == 1, want)
				}
			}
		}
	}
}

func (o *opTester) movSX(op isa.Op) {
	for _, from := range []int16{8, 16, 32} {
		for _, class := range []uint8{isa.ClassALU64, isa.ClassALU} {
			width := uint(64)
			if class == isa.ClassALU {
				if width = 32; from == 32 {
					continue
				}
			}
			for range 50 {
				s := o.operand()
				got := o.must(0, s, slot(class|0xb0|isa.SourceX, 1, 2, from, 0), moveR1, exit)
				if want := isa.MoveSX(width, uint(from), s); got != want {
					o.t.Fatalf("(s%d)%#x to %d bits: %#x, want %#x", from, s, width, got, want)
				}
			}
		}
	}
}

func (o *opTester) endian(op isa.Op) {
	opcode := map[isa.Op]uint8{isa.ToLE: 0xd4, isa.ToBE: 0xdc, isa.Bswap: 0xd7}[op]
	for _, width := range []int32{16, 32, 64} {
		for range 50 {
			d := o.operand()
			got := o.must(d, 0, slot(opcode, 1, 0, 0, width), moveR1, exit)
			if want := isa.Endian(op, uint(width), d); got != want {
				o.t.Fatalf("%v%d of %#x: %#x, want %#x", op.Info().Name, width, d, got, want)
			}
		}
	}
}

func (o *opTester) load(op isa.Op) {
	info := op.Info()
	for _, size := range []uint8{1, 2, 4, 8} {
		if uint8(info.Sizes)&size == 0 {
			continue
		}
		v := o.rand.Uint64() | 0x80808080_80808080
		binary.NativeEndian.PutUint64(o.space.Bytes(o.mem+8, 8), v)
		i := slot(info.Code|isa.ClassLDX|sizeBits(size), 0, 1, 4, 0)
		if op == isa.LoadAcq {
			i = slot(isa.ModeATOMIC|isa.ClassSTX|sizeBits(size), 0, 1, 4, info.Vals[0])
		}
		got := o.must(uint64(o.mem)+4, 0, i, exit)
		want := v << (64 - size*8) >> (64 - size*8)
		if op == isa.LoadSX {
			want = uint64(int64(v<<(64-size*8)) >> (64 - size*8))
		}
		if got != want {
			o.t.Errorf("load of %d bytes: %#x, want %#x", size, got, want)
		}
		if _, err := o.exec(uint64(o.mem)+13-uint64(size), 0, i, exit); err == nil {
			o.t.Errorf("load of %d bytes past the end did not trap", size)
		}
	}
}

func (o *opTester) store(op isa.Op) {
	info := op.Info()
	for _, size := range []uint8{1, 2, 4, 8} {
		v := o.rand.Uint64()
		const old = 0x1122334455667788
		b := o.space.Bytes(o.mem+8, 8)
		binary.NativeEndian.PutUint64(b, old)
		var i isa.Insn
		switch op {
		case isa.Store:
			i = slot(info.Code|isa.ClassSTX|sizeBits(size), 1, 2, -4, 0)
		case isa.StoreImm:
			imm := int32(v)
			i, v = slot(info.Code|isa.ClassST|sizeBits(size), 1, 0, -4, imm), uint64(int64(imm))
		default:
			i = slot(isa.ModeATOMIC|isa.ClassSTX|sizeBits(size), 1, 2, -4, info.Vals[0])
		}
		o.must(uint64(o.mem)+12, v, i, setZero, exit)
		keep := ^uint64(0) << (size * 8)
		if size == 8 {
			keep = 0
		}
		if got, want := binary.NativeEndian.Uint64(b), old&keep|v&^keep; got != want {
			o.t.Errorf("store of %d bytes: %#x, want %#x", size, got, want)
		}
		if _, err := o.exec(uint64(o.mem)+21-uint64(size), v, i, setZero, exit); err == nil {
			o.t.Errorf("store of %d bytes past the end did not trap", size)
		}
	}
}

// sizeBits are the bits of an opcode for a width.
func sizeBits(size uint8) uint8 { return map[uint8]uint8{1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18}[size] }

func (o *opTester) atomic(op isa.Op) {
	info := op.Info()
	for _, size := range []uint8{4, 8} {
		width := uint(size) * 8
		for range 50 {
			old, v := o.rand.Uint64(), o.rand.Uint64()
			b := o.space.Bytes(o.mem+8, 8)
			binary.NativeEndian.PutUint64(b, old)
			cut := old << (64 - width) >> (64 - width)
			i := slot(isa.ModeATOMIC|isa.ClassSTX|sizeBits(size), 1, 2, 0, info.Vals[0])
			sets, want, r0, r2 := false, uint64(0), uint64(0), v
			switch op {
			case isa.AtomicAdd, isa.FetchAdd:
				sets, want = true, isa.ALU(isa.Add, width, old, v)
			case isa.AtomicOr, isa.FetchOr:
				sets, want = true, isa.ALU(isa.Or, width, old, v)
			case isa.AtomicAnd, isa.FetchAnd:
				sets, want = true, isa.ALU(isa.And, width, old, v)
			case isa.AtomicXor, isa.FetchXor:
				sets, want = true, isa.ALU(isa.Xor, width, old, v)
			case isa.Xchg:
				sets, want = true, isa.ALU(isa.Mov, width, old, v)
			case isa.CmpXchg:
				r0 = o.rand.Uint64()
				if o.rand.IntN(2) == 0 {
					r0, sets, want = old, true, isa.ALU(isa.Mov, width, old, v)
				}
			}
			if info.Form == isa.FormFetch && op != isa.CmpXchg {
				r2 = cut
			}
			// r0 is set from the second word before the operation, for a comparison.
			binary.NativeEndian.PutUint64(o.space.Bytes(o.mem, 8), r0)
			load := slot(0x79, 0, 1, -8, 0)
			if got := o.must(uint64(o.mem)+8, v, load, i, moveR2, exit); got != r2 {
				o.t.Fatalf("%v leaves %#x in r2, want %#x", info.Name, got, r2)
			}
			after := binary.NativeEndian.Uint64(b)
			if !sets {
				want = cut
			}
			if after<<(64-width)>>(64-width) != want || size == 4 && after>>32 != old>>32 {
				o.t.Fatalf("%v of %#x, %#x: memory %#x, want %#x", info.Name, old, v, after, want)
			}
			binary.NativeEndian.PutUint64(b, old)
			if op == isa.CmpXchg {
				if got := o.must(uint64(o.mem)+8, v, load, i, exit); got != cut {
					o.t.Fatalf("cmpxchg leaves %#x in r0, want %#x", got, cut)
				}
			}
			if _, err := o.exec(uint64(o.mem)+13, v, load, i, exit); err == nil {
				o.t.Fatal("an atomic operation past the end did not trap")
			}
		}
	}
}
