package domain

import (
	"math/bits"
	"testing"

	"pgregory.net/rapid"
)

// This file tries random inputs at the production widths: whatever a Scalar is known of a word v must
// still hold of the result for the result of v.

// drawWord prefers the edges of both word sizes.
func drawWord(t *rapid.T, name string) uint64 {
	edge := rapid.SampledFrom([]uint64{0, 1 << 7, 1 << 15, 1 << 31, 1 << 32, 1 << 63, 0xffffffff_80000000}).Draw(t, name+" edge")
	switch rapid.IntRange(0, 2).Draw(t, name+" kind") {
	case 0:
		return edge + uint64(rapid.IntRange(-3, 3).Draw(t, name+" near"))
	case 1:
		return rapid.Uint64().Draw(t, name) >> rapid.IntRange(0, 63).Draw(t, name+" bits")
	}
	return rapid.Uint64().Draw(t, name)
}

// drawAround gives a Scalar that contains v.
func drawAround(t *rapid.T, name string, v uint64) Scalar {
	x := Unknown()
	around := func(v, limit uint64) (lo, hi uint64) {
		return v - min(v, drawWord(t, name+" below")), v + min(limit-v, drawWord(t, name+" above"))
	}
	signed := func(v uint64, n uint) (lo, hi int64) {
		sign := uint64(1) << (n - 1)
		a, b := around(v^sign, ^uint64(0)>>(64-n)) // order-preserving map of signed to unsigned
		return int64((a^sign)<<(64-n)) >> (64 - n), int64((b^sign)<<(64-n)) >> (64 - n)
	}
	parts := rapid.IntRange(0, 31).Draw(t, name+" parts")
	if parts&1 != 0 {
		mask := drawWord(t, name+" mask")
		x.Bits = Tnum{v &^ mask, mask}
	}
	if parts&2 != 0 {
		x.UMin, x.UMax = around(v, ^uint64(0))
	}
	if parts&4 != 0 {
		x.SMin, x.SMax = signed(v, 64)
	}
	if parts&8 != 0 {
		lo, hi := around(uint64(uint32(v)), 1<<32-1)
		x.U32Min, x.U32Max = uint32(lo), uint32(hi)
	}
	if parts&16 != 0 {
		lo, hi := signed(uint64(uint32(v)), 32)
		x.S32Min, x.S32Max = int32(lo), int32(hi)
	}
	x.Sync()
	return x
}

func check(t *rapid.T, what string, x *Scalar, v uint64) {
	if !x.Contains(v) || x.Violation() != "" {
		t.Fatalf("%s: %#x is not in %v (%s)", what, v, x, x.Violation())
	}
}

// chain applies a random sequence of operations and branches to two words and what is known of them.
func chain(t *rapid.T) {
	v, w := drawWord(t, "v"), drawWord(t, "w")
	x, y := drawAround(t, "x", v), drawAround(t, "y", w)
	check(t, "x", &x, v)
	check(t, "y", &y, w)
	for range rapid.IntRange(1, 6).Draw(t, "length") {
		is32 := rapid.Bool().Draw(t, "is32")
		width := uint(64)
		if is32 {
			width = 32
		}
		var what string
		switch rapid.IntRange(0, 5).Draw(t, "step") {
		case 0, 1:
			op := Op(rapid.IntRange(0, int(NumOps)-1).Draw(t, "op"))
			if (op == Lsh || op == Rsh || op == Arsh) && rapid.Bool().Draw(t, "constant") {
				w = uint64(rapid.IntRange(0, int(width)-1).Draw(t, "amount"))
				y = Const(w)
			}
			if zero, ok := x.Fork(op, &y); ok && !x.Contains(v) {
				x = zero
				x.Sync()
			}
			x.ALU(op, is32, &y)
			v = concreteALU(op, width, v, w)
			what = opNames[op]
		case 2:
			c := Cond(rapid.IntRange(0, int(NumConds)-1).Draw(t, "cond"))
			holds := concreteTest(c, width, v, w)
			if d := Decide(c, is32, &x, &y); d == 1 && !holds || d == 0 && holds {
				t.Fatalf("%v %s %v decided %d for %#x, %#x", &x, condNames[c], &y, d, v, w)
			}
			if !holds {
				c = c.Not()
			}
			if !Refine(c, is32, &x, &y) {
				t.Fatalf("%v %s %v: contradiction for %#x, %#x", &x, condNames[c], &y, v, w)
			}
			what = condNames[c]
		case 3:
			size := rapid.SampledFrom([]uint{1, 2, 4}).Draw(t, "size")
			if is32 = is32 && size < 4; is32 {
				v = uint64(uint32(int64(v<<(64-8*size)) >> (64 - 8*size)))
			} else {
				v = uint64(int64(v<<(64-8*size)) >> (64 - 8*size))
			}
			x.SignExtend(size, is32)
			what = "sign extension"
		case 4:
			size := rapid.SampledFrom([]uint{1, 2, 4, 8}).Draw(t, "size")
			v = v << (64 - 8*size) >> (64 - 8*size)
			x.Truncate(size)
			what = "truncation"
		case 5:
			n := rapid.SampledFrom([]uint{16, 32, 64}).Draw(t, "bits")
			o := rapid.SampledFrom([]Order{ToLE, ToBE, Bswap}).Draw(t, "order")
			if v = v << (64 - n); o == ToLE {
				v >>= 64 - n
			} else {
				v = bits.ReverseBytes64(v)
			}
			x.SwapBytes(o, n)
			what = "byte order"
		}
		check(t, what, &x, v)
		check(t, what+", y", &y, w)
		if rapid.Bool().Draw(t, "swap") {
			x, y, v, w = y, x, w, v
		}
	}
}

func TestWide(t *testing.T) { rapid.Check(t, chain) }

func FuzzWide(f *testing.F) { f.Fuzz(rapid.MakeFuzz(chain)) }

func TestOffset(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, w := drawWord(t, "v"), drawWord(t, "w")
		x, y := drawAround(t, "x", v), drawAround(t, "y", w)
		sum, diff := x, x
		sum.AddOffset(&y)
		check(t, "sum", &sum, v+w)
		diff.SubOffset(&y)
		check(t, "difference", &diff, v-w)
	})
}

func TestWithin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := drawWord(t, "v")
		x, y := drawAround(t, "x", v), drawAround(t, "y", v)
		if !Within(&x, &x) {
			t.Fatalf("%v is not within itself", &x)
		}
		if c := Const(v); !Within(&x, &c) {
			t.Fatalf("%#x is not within %v", v, &x)
		}
		if u := Unknown(); !Within(&u, &x) {
			t.Fatalf("%v is not within all", &x)
		}
		if w := drawWord(t, "w"); Within(&x, &y) && y.Contains(w) && !x.Contains(w) {
			t.Fatalf("%v within %v, but not %#x", &y, &x, w)
		}
	})
}
