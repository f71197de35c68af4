package interp_test

import (
	"math/rand/v2"
	"testing"

	"github.com/skepbpf/skep/interp"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/memory"
	"github.com/skepbpf/skep/object"
)

// TestFused compares random sequences of the instructions that are fused with the same, one by one (under Observe nothing is
// fused), from every instruction on.
func TestFused(t *testing.T) {
	space, run := newRun(t, memory.Options{})
	r := rand.New(rand.NewPCG(9, 9))
	reg := func() isa.Reg { return isa.Reg(r.IntN(3)) }
	for range 3000 {
		var insns []isa.Insn
		for range 1 + r.IntN(8) {
			a, b, k := reg(), reg(), int32(r.IntN(64))
			if r.IntN(3) == 0 {
				k = 32
			}
			switch r.IntN(6) {
			case 0:
				insns = append(insns, isa.BinaryReg(isa.Mov, 8, a, b), isa.Binary([]isa.Op{isa.Add, isa.And}[r.IntN(2)], 8, a, int32(r.Uint32())))
			case 1:
				insns = append(insns, isa.Binary(isa.Lsh, 8, a, k), isa.Binary([]isa.Op{isa.Rsh, isa.Arsh}[r.IntN(2)], 8, a, k))
			case 2:
				insns = append(insns, isa.BinaryReg(isa.Mov, 8, a, b), isa.Binary([]isa.Op{isa.Lsh, isa.Rsh}[r.IntN(2)], 8, a, k),
					isa.BinaryReg(isa.Xor, 8, b, a))
			case 3:
				insns = append(insns, isa.BinaryReg(isa.Mov, 8, a, b), isa.Binary(isa.Lsh, 8, a, k),
					isa.Binary(isa.Rsh, 8, b, (64-k)&63), isa.BinaryReg(isa.Or, 8, b, a))
			default:
				insns = append(insns, isa.BinaryReg([]isa.Op{isa.Mov, isa.Xor, isa.Or}[r.IntN(3)], 8, a, b))
			}
		}
		insns = append(insns, isa.BinaryReg(isa.Xor, 8, 0, 1), isa.Binary(isa.Mul, 8, 0, 31), isa.BinaryReg(isa.Xor, 8, 0, 2), isa.Return())
		p := &object.Program{Insns: insns}
		fused, err := interp.New(p, interp.Options{Space: space})
		if err != nil {
			t.Fatal(err)
		}
		plain, err := interp.New(p, interp.Options{Space: space, Observe: func(*interp.State) {}})
		if err != nil {
			t.Fatal(err)
		}
		args := [5]uint64{r.Uint64(), r.Uint64()}
		for pc := range insns {
			got, err := fused.Call(run, pc, &args)
			want, err2 := plain.Call(run, pc, &args)
			if got != want || err != nil || err2 != nil {
				t.Fatalf("from %d of\n%s\n%#x, %v; one by one %#x, %v", pc, isa.Source(insns), got, err, want, err2)
			}
		}
	}
}
