package domain

import (
	"math/rand/v2"
	"testing"
)

// benchScalars are typical operands: constants, bytes, bounded indices, unknowns.
func benchScalars() []Scalar {
	rnd := rand.New(rand.NewPCG(3, 3))
	all := make([]Scalar, 64)
	for i := range all {
		x := Unknown()
		switch i % 4 {
		case 0:
			x = Const(uint64(rnd.IntN(4096)))
		case 1:
			x.Truncate(1 << rnd.IntN(3))
		case 2:
			x.Truncate(4)
			y := Const(uint64(1 + rnd.IntN(1000)))
			Refine(Lt, false, &x, &y)
		}
		all[i] = x
	}
	return all
}

func benchALU(b *testing.B, op Op, is32 bool) {
	all := benchScalars()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		x := all[i&63]
		x.ALU(op, is32, &all[(i*7+3)&63])
	}
}

func BenchmarkAdd(b *testing.B)   { benchALU(b, Add, false) }
func BenchmarkAdd32(b *testing.B) { benchALU(b, Add, true) }
func BenchmarkAnd(b *testing.B)   { benchALU(b, And, false) }
func BenchmarkMul(b *testing.B)   { benchALU(b, Mul, false) }

func BenchmarkAddConst(b *testing.B) {
	all := benchScalars()
	y := Const(8)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		x := all[i&63]
		x.ALU(Add, false, &y)
	}
}

func BenchmarkLsh(b *testing.B) {
	all := benchScalars()
	y := Const(3)
	for i := 0; b.Loop(); i++ {
		x := all[i&63]
		x.ALU(Lsh, false, &y)
	}
}

func BenchmarkSync(b *testing.B) {
	all := benchScalars()
	for i := 0; b.Loop(); i++ {
		x := all[i&63]
		x.Sync()
	}
}

func BenchmarkDecide(b *testing.B) {
	all := benchScalars()
	for i := 0; b.Loop(); i++ {
		Decide(Cond(i%int(NumConds)), false, &all[i&63], &all[(i*7+3)&63])
	}
}

func BenchmarkRefine(b *testing.B) {
	all := benchScalars()
	for i := 0; b.Loop(); i++ {
		x, y := all[i&63], all[(i*7+3)&63]
		Refine(Cond(i%int(NumConds)), false, &x, &y)
	}
}

func BenchmarkWithin(b *testing.B) {
	all := benchScalars()
	for i := 0; b.Loop(); i++ {
		Within(&all[i&63], &all[(i*7+3)&63])
	}
}

func BenchmarkAppendText(b *testing.B) {
	all := benchScalars()
	buf := make([]byte, 0, 256)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		buf = all[i&63].AppendText(buf[:0], "")
	}
}
