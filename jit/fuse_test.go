package jit

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/memory"
)

// TestFused runs what fuse.go and the flags of arithmetic are for, on random registers and constants, with and without what
// makes them what they are, and compares all registers with the interpreter's.
func TestFused(t *testing.T) {
	b := newBed(t)
	rng := rand.New(rand.NewPCG(11, 12))
	reg := func() isa.Reg { return isa.Reg(rng.IntN(10)) }
	n := 2000
	if testing.Short() {
		n = 200
	}
	for range n {
		d, s, a, w := reg(), reg(), reg(), uint8(4+4*rng.IntN(2))
		bits := int32(w) * 8
		k := 1 + int32(rng.IntN(int(bits-1)))
		l := bits - k
		if rng.IntN(8) == 0 {
			l = max(l-1, 1) // no rotation
		}
		first, second := isa.Lsh, isa.Rsh
		if rng.IntN(2) == 0 {
			first, second = second, first
		}
		or := []isa.Op{isa.Or, isa.Xor, isa.Add, isa.And}[rng.IntN(4)]
		var body []isa.Insn
		switch rng.IntN(8) {
		case 0:
			body = []isa.Insn{isa.BinaryReg(isa.Mov, w, d, s), isa.Binary(first, w, d, k), isa.Binary(second, w, s, l)}
			if rng.IntN(2) == 0 {
				body = append(body, isa.BinaryReg(or, w, s, d))
			} else {
				body = append(body, isa.BinaryReg(or, w, d, s))
			}
		case 1:
			body = []isa.Insn{isa.BinaryReg(isa.Mov, w, a, s), isa.Binary(first, w, a, k), isa.BinaryReg(isa.Mov, w, d, s),
				isa.Binary(second, w, d, l), isa.BinaryReg(or, w, d, a)}
		case 2:
			size := uint8(1) << rng.IntN(3)
			body = []isa.Insn{isa.LoadMem(size, a, isa.R10, -128), isa.LoadMem(size, d, isa.R10, -128+int16(size)),
				isa.Binary(isa.Lsh, 8, d, int32(size)*8), isa.BinaryReg(or, 8, d, a)}
			if size < 4 && w == 4 {
				body[2], body[3] = isa.Binary(isa.Lsh, 4, d, int32(size)*8), isa.BinaryReg(or, 4, d, a)
			}
		case 3:
			body = []isa.Insn{isa.BinaryReg(isa.Mov, w, d, s), isa.BinaryReg(isa.Add, w, d, a)}
			if rng.IntN(2) == 0 {
				body[1] = isa.Binary(isa.Add, w, d, int32(anyWord(rng)))
			}
		case 4:
			size := uint8(2) << rng.IntN(3)
			body = []isa.Insn{isa.LoadMem(size, d, isa.R10, -128), isa.New(isa.ToBE, 4, false, d, 0, 0, int32(size)*8)}
		case 5:
			op := []isa.Op{isa.Add, isa.Sub, isa.And, isa.Or, isa.Xor, isa.Lsh, isa.Mul}[rng.IntN(7)]
			body = []isa.Insn{isa.BinaryReg(op, w, d, s)}
			if rng.IntN(2) == 0 {
				v := []int32{0, 1, -1, 128, 127, int32(rng.Uint32())}[rng.IntN(6)]
				if op == isa.Lsh {
					v &= bits - 1
				}
				body[0] = isa.Binary(op, w, d, v)
			}
			test := []isa.Op{isa.Jeq, isa.Jne, isa.Jsgt}[rng.IntN(3)]
			body = append(body, isa.Branch(test, uint8(4+4*rng.IntN(2)), d, 0, 1), isa.Binary(isa.Add, 8, a, 12345))
		case 6:
			body = []isa.Insn{isa.Binary(isa.Lsh, 8, d, 32), isa.Binary([]isa.Op{isa.Rsh, isa.Arsh}[rng.IntN(2)], 8, d, 32)}
		case 7:
			op := []isa.Op{isa.Div, isa.Mod}[rng.IntN(2)]
			body = []isa.Insn{isa.BinaryReg(isa.Mov, 4, d, d), isa.Binary(op, w, d, int32(max(rng.Uint32()>>(rng.Uint32()%31), 1)))}
		}
		if rng.IntN(3) == 0 {
			body = append(body, isa.Binary(isa.Mov, 8, a, 1)) // nobody wants it
		}
		if rng.IntN(3) == 0 {
			body = append(body, isa.Binary(isa.Mov, 8, s, 2))
		}
		var insns []isa.Insn
		for r := isa.R0; r < isa.R10; r++ {
			c := isa.Const64(r, isa.PseudoNone, anyWord(rng))
			insns = append(insns, c[:]...)
		}
		insns = append(insns, isa.StoreMem(8, isa.R10, -128, isa.R3), isa.StoreMem(8, isa.R10, -120, isa.R4))
		insns = append(insns, body...)
		for r := isa.R0; r < isa.R10; r++ {
			insns = append(insns, isa.StoreMem(8, isa.R10, -8*int16(r)-8, r))
		}
		insns = append(insns, isa.Binary(isa.Mov, 8, isa.R0, 0), isa.Return())
		r0, stack := b.both(t, insns)
		if r0[0] != r0[1] || !bytes.Equal(stack[0], stack[1]) {
			t.Fatalf("the engines differ:\n%s\ninterpreter %x\nnative      %x", listing(insns), stack[0][256:], stack[1][256:])
		}
	}
}

// TestDivisorKnown divides by what the instructions before have made sure is not 0, or only seem to.
func TestDivisorKnown(t *testing.T) {
	b := newBed(t)
	rng := rand.New(rand.NewPCG(21, 22))
	jumps := []isa.Op{isa.Jeq, isa.Jne, isa.Jgt, isa.Jge, isa.Jlt, isa.Jle, isa.Jsgt, isa.Jset}
	n := 4000
	if testing.Short() {
		n = 400
	}
	for range n {
		// From the context (cb of struct __sk_buff), so that the verifier does not know what the numbers are.
		insns := []isa.Insn{isa.BinaryReg(isa.Mov, 8, isa.R6, isa.R1)}
		for k, r := range []isa.Reg{isa.R1, isa.R2} {
			v := anyWord(rng)
			if r == isa.R2 && rng.IntN(2) == 0 {
				v = uint64(rng.IntN(2)) << (32 * rng.IntN(2)) // the lower half is 0, or all of it
			}
			at := 48 + 8*int16(k)
			binary.LittleEndian.PutUint64(b.space.Bytes(b.run.Ctx+memory.Addr(at), 8), v)
			insns = append(insns, isa.LoadMem(4, r, isa.R6, at), isa.LoadMem(4, isa.R3, isa.R6, at+4), isa.Binary(isa.Lsh, 8, isa.R3, 32),
				isa.BinaryReg(isa.Or, 8, r, isa.R3))
		}
		width := func() uint8 { return uint8(4 + 4*rng.IntN(2)) }
		for range rng.IntN(3) {
			switch rng.IntN(4) {
			case 0:
				insns = append(insns, isa.BinaryReg(isa.Mov, width(), isa.R2, isa.R2))
			case 1:
				insns = append(insns, isa.Binary(isa.Or, width(), isa.R2, int32(rng.IntN(2))))
			case 2:
				insns = append(insns, isa.BinaryReg(isa.Or, width(), isa.R2, isa.R1))
			case 3:
				insns = append(insns, isa.Binary(isa.And, width(), isa.R2, int32(anyWord(rng))))
			}
		}
		divide := isa.BinaryReg([]isa.Op{isa.Div, isa.Mod}[rng.IntN(2)], width(), isa.R1, isa.R2)
		skip := int16(rng.IntN(2))
		insns = append(insns, isa.New(jumps[rng.IntN(len(jumps))], width(), false, isa.R2, 0, skip, int32(rng.IntN(3))-1), divide, divide,
			isa.BinaryReg(isa.Mov, 8, isa.R0, isa.R1), isa.Return())
		if r0, _ := b.both(t, insns); r0[0] != r0[1] {
			t.Fatalf("the engines differ: %#x, %#x in native code\n%s", r0[0], r0[1], listing(insns))
		}
	}
}
