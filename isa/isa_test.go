package isa_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/skepbpf/skep/isa"
)

// TestTable goes through the table and through all opcodes: each is claimed by the rows it should be, and
// decodes to them.
func TestTable(t *testing.T) {
	for op := range isa.NumOps {
		info := op.Info()
		require.Equal(t, op, info.Op)
		if op == isa.Invalid || op == isa.LdImm64Hi {
			continue
		}
		require.NotEmpty(t, info.Name, "operation %d", op)
		require.NotZero(t, info.In, info.Name)
		require.NotZero(t, info.Form, info.Name)
		require.Equal(t, info.By == 0 && len(info.Vals) > 0, false, "%s selects by nothing", info.Name)
		for _, size := range []uint8{4, 8, 1, 2} {
			for _, reg := range []bool{false, true} {
				i := isa.New(op, size, reg, 1, 2, 16, 16)
				if i != (isa.Insn{}) {
					require.Equal(t, op, i.Op, "%s: %v", info.Name, i)
				}
			}
		}
	}
	require.Equal(t, &isa.Table[isa.Invalid], isa.Op(200).Info())

	// How many opcode bytes are instructions, by class. RFC 9669 and Linux agree but for atomics of one and
	// two bytes, which Linux has for acquire and release.
	counts := map[uint8]int{}
	for b := range 256 {
		known := false
		for v := range 256 { // some field values make an instruction of it
			for _, e := range [][8]byte{{byte(b), byte(v << 4)}, {byte(b), 0, byte(v)}, {byte(b), 0, 0, 0, byte(v)}, {byte(b), 0, 0, 0, byte(v), 1}} {
				i := isa.Decode(e)
				require.Equal(t, byte(b), i.Opcode)
				known = known || i.Op != isa.Invalid
			}
		}
		if known {
			counts[uint8(b)&7]++
		}
	}
	require.Equal(t, map[uint8]int{isa.ClassLD: 7, isa.ClassLDX: 7, isa.ClassST: 4, isa.ClassSTX: 8,
		isa.ClassALU: 27, isa.ClassALU64: 26, isa.ClassJMP: 28, isa.ClassJMP32: 23}, counts)
}

// TestNew makes each operation in each width and looks at what the table says of the result.
func TestNew(t *testing.T) {
	require.Equal(t, isa.Insn{}, isa.New(isa.Div, 2, false, 1, 0, 0, 5))
	require.Equal(t, isa.Insn{}, isa.New(isa.Neg, 8, true, 1, 2, 0, 0))
	require.Equal(t, isa.Insn{}, isa.New(isa.NumOps, 8, true, 1, 2, 0, 0))
	require.Equal(t, isa.Insn{}, isa.New(isa.MovSX, 8, true, 1, 2, 7, 0), "7 bits")
	require.Equal(t, [8]byte{0x3f, 0x21, 1}, isa.New(isa.SDiv, 8, true, 1, 2, 0, 0).Encode())
	require.Equal(t, [8]byte{0x06, 0, 0, 0, 5}, isa.New(isa.Ja, 4, false, 0, 0, 0, 5).Encode())
	require.Equal(t, [8]byte{0x05, 0, 5}, isa.New(isa.Ja, 8, false, 0, 0, 5, 0).Encode())
	require.Equal(t, [8]byte{0x85, 0x10, 0, 0, 7}, isa.New(isa.CallSub, 0, false, 0, 0, 0, 7).Encode())
	require.Equal(t, [8]byte{0xd3, 0x21, 4, 0, 0, 1}, isa.AtomicMem(isa.LoadAcq, 1, 1, 4, 2).Encode())
	pair := isa.Const64(3, isa.PseudoNone, 0x1122334455667788)
	require.Equal(t, uint64(0x1122334455667788), pair[0].Imm64(pair[1]))
	require.Equal(t, [8]byte{0x18, 3, 0, 0, 0x88, 0x77, 0x66, 0x55}, pair[0].Encode())
}

// slot draws a slot whose opcode is one more often than not.
func slot(t *rapid.T) isa.Insn {
	for {
		var b [8]byte
		copy(b[:], rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "bytes"))
		if rapid.Bool().Draw(t, "small") {
			b[2], b[3], b[5], b[6], b[7] = b[2]&0x38, 0, b[5]&1, 0, 0
			b[1] &= 0x33
		}
		if i := isa.Decode(b); i.Op != isa.Invalid || rapid.IntRange(0, 9).Draw(t, "keep") == 0 {
			return i
		}
	}
}

func TestEncodeDecode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b [8]byte
		copy(b[:], rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "bytes"))
		i := isa.Decode(b)
		require.Equal(t, b, i.Encode())
		require.Equal(t, i, isa.Decode(i.Encode()))
	})
}

func TestDecodeProgram(t *testing.T) {
	_, err := isa.DecodeProgram(make([]byte, 9))
	require.Error(t, err)
	pair := isa.Const64(1, isa.PseudoNone, 5)
	insns := []isa.Insn{pair[0], pair[1], isa.Return()}
	var raw []byte
	for _, i := range insns {
		b := i.Encode()
		raw = append(raw, b[:]...)
	}
	got, err := isa.DecodeProgram(raw)
	require.NoError(t, err)
	require.Equal(t, insns, got)
	got, err = isa.DecodeProgram(raw[8:])
	require.NoError(t, err)
	require.Equal(t, isa.Invalid, got[0].Op, "a second slot alone is nothing")
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{0x18, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		insns, err := isa.DecodeProgram(b)
		if err != nil {
			return
		}
		for pc := range insns {
			if insns[pc].Encode() != [8]byte(b[pc*8:]) {
				t.Fatalf("slot %d: %x becomes %x", pc, b[pc*8:pc*8+8], insns[pc].Encode())
			}
			isa.Precheck(insns, pc)
			isa.Check(insns, pc)
			isa.Format(insns, pc)
		}
		isa.CheckAll(insns)
		back, err := isa.Parse(isa.Source(insns))
		if err != nil {
			t.Fatal(err)
		}
		require.Equal(t, insns, back)
	})
}

func BenchmarkDecode(b *testing.B) {
	prog := benchProgram(b)
	b.SetBytes(int64(len(prog)))
	for b.Loop() {
		for at := 0; at < len(prog); at += 8 {
			sink = isa.Decode([8]byte(prog[at:]))
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	insns, err := isa.DecodeProgram(benchProgram(b))
	require.NoError(b, err)
	for b.Loop() {
		for pc := range insns {
			if isa.Check(insns, pc) != nil {
				b.Fatal(pc)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(insns)), "ns/insn")
}

var sink isa.Insn

// benchProgram is a program of 1024 slots of common kinds.
func benchProgram(b *testing.B) []byte {
	insns, err := isa.Parse("r1 = *(u64 *)(r10 -8)\nr1 += 5\nif r1 > 7 goto +1\n*(u32 *)(r10 -4) = r1\n" +
		"w1 = w2\nr2 = (s8)r1\nr3 s/= 5\nlock *(u64 *)(r10 -8) += r1\n")
	require.NoError(b, err)
	var out []byte
	for len(out) < 8192 {
		for _, i := range insns {
			e := i.Encode()
			out = append(out, e[:]...)
		}
	}
	return out
}
