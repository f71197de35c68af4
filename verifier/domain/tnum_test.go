package domain

import "testing"

// tnums gives all 3^n Tnums of n bits.
func tnums(n uint) (all []Tnum) {
	for mask := range uint64(1) << n {
		for value := range uint64(1) << n {
			if value&mask == 0 {
				all = append(all, Tnum{value, mask})
			}
		}
	}
	return all
}

// words gives the words of a small Tnum.
func (t Tnum) words() (all []uint64) {
	for v := range t.Max() + 1 {
		if t.Contains(v) {
			all = append(all, v)
		}
	}
	return all
}

// smallest gives the smallest Tnum that contains all words.
func smallest(words []uint64) Tnum {
	t := TnumConst(words[0])
	for _, v := range words[1:] {
		t = t.Union(TnumConst(v))
	}
	return t
}

// TestTnumOps tries every pair of 5-bit Tnums.
func TestTnumOps(t *testing.T) {
	const n = 5
	ops := []struct {
		name     string
		abstract func(x, y Tnum) Tnum
		concrete func(v, w uint64) uint64
		optimal  bool
	}{
		{"add", Tnum.Add, func(v, w uint64) uint64 { return v + w }, true},
		{"sub", Tnum.Sub, func(v, w uint64) uint64 { return v - w }, true},
		{"mul", Tnum.Mul, func(v, w uint64) uint64 { return v * w }, false},
		{"and", Tnum.And, func(v, w uint64) uint64 { return v & w }, true},
		{"or", Tnum.Or, func(v, w uint64) uint64 { return v | w }, true},
		{"xor", Tnum.Xor, func(v, w uint64) uint64 { return v ^ w }, true},
		{"neg", func(x, _ Tnum) Tnum { return x.Neg() }, func(v, _ uint64) uint64 { return -v }, true},
	}
	all := tnums(n)
	for _, op := range ops {
		var sc score
		for _, x := range all {
			for _, y := range all {
				var image []uint64
				for _, v := range x.words() {
					for _, w := range y.words() {
						image = append(image, op.concrete(v, w)&(1<<n-1))
					}
				}
				best, got := smallest(image), op.abstract(x, y).low(n)
				if !best.In(got) {
					t.Fatalf("%v %s %v = %v, which misses some of %v", x, op.name, y, got, best)
				}
				sc.count(best == got)
				if op.optimal && best != got {
					t.Fatalf("%v %s %v = %v, could be %v", x, op.name, y, got, best)
				}
			}
		}
		t.Logf("%s: %v", op.name, sc)
	}
}

func TestTnumSets(t *testing.T) {
	all := tnums(4)
	for _, x := range all {
		for _, y := range all {
			var both []uint64
			within := true
			for _, v := range x.words() {
				if y.Contains(v) {
					both = append(both, v)
				} else {
					within = false
				}
			}
			if x.In(y) != within {
				t.Errorf("%v in %v: %v", x, y, x.In(y))
			}
			if x.Overlaps(y) != (len(both) > 0) {
				t.Errorf("%v overlaps %v: %v", x, y, x.Overlaps(y))
			}
			if len(both) > 0 && x.Intersect(y) != smallest(both) {
				t.Errorf("%v meets %v in %v", x, y, x.Intersect(y))
			}
			if u := smallest(append(x.words(), y.words()...)); u != x.Union(y) {
				t.Errorf("%v joins %v in %v, not %v", x, y, x.Union(y), u)
			}
		}
		for v := uint64(0); v < 16; v++ {
			want := x.Max()
			for u := uint64(15); u > v; u-- {
				if x.Contains(u) {
					want = u
				}
			}
			if got := x.after(v); got != want {
				t.Errorf("%v after %#x: %#x, not %#x", x, v, got, want)
			}
		}
		for n := uint(0); n < 4; n++ {
			var shifted []uint64
			for _, v := range x.words() {
				shifted = append(shifted, concreteALU(Arsh, 4, v, uint64(n)))
			}
			if got := x.Arsh(n, 4); got != smallest(shifted) {
				t.Errorf("%v arsh %d: %v", x, n, got)
			}
		}
	}
}

func TestTnumRange(t *testing.T) {
	for lo := uint64(0); lo < 32; lo++ {
		for hi := lo; hi < 32; hi++ {
			got := TnumRange(lo, hi)
			for v := lo; v <= hi; v++ {
				if !got.Contains(v) {
					t.Errorf("%d to %d: %v without %d", lo, hi, got, v)
				}
			}
			half := Tnum{lo &^ (got.Mask >> 1), got.Mask >> 1}
			if got.Mask != 0 && half.Contains(hi) {
				t.Errorf("%d to %d: %v, could be %v", lo, hi, got, half)
			}
		}
	}
	if !TnumRange(0, ^uint64(0)).IsUnknown() {
		t.Error("the full range knows a bit")
	}
}

func TestTnumParts(t *testing.T) {
	x := Tnum{0xf00f0000_12340000, 0x0ff00000_0000ffff}
	for _, tt := range []struct {
		name      string
		got, want Tnum
	}{
		{"subreg", x.Subreg(), Tnum{0x12340000, 0xffff}},
		{"clear", x.ClearSubreg(), Tnum{0xf00f0000_00000000, 0x0ff00000_00000000}},
		{"with", x.WithSubreg(Tnum{0x1, 0x2}), Tnum{0xf00f0000_00000001, 0x0ff00000_00000002}},
		{"const", x.ConstSubreg(7), Tnum{0xf00f0000_00000007, 0x0ff00000_00000000}},
		{"cast 1", x.Cast(1), Tnum{0, 0xff}},
		{"cast 8", x.Cast(8), x},
		{"lsh", x.Lsh(4), Tnum{0x00f00001_23400000, 0xff000000_000ffff0}},
		{"rsh", x.Rsh(4), Tnum{0x0f00f000_01234000, 0x00ff0000_00000fff}},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %v, not %v", tt.name, tt.got, tt.want)
		}
	}
	if x.SubregIsConst() || !x.ConstSubreg(7).SubregIsConst() {
		t.Error("SubregIsConst")
	}
	if x.Aligned(2) || !x.Lsh(3).Aligned(8) || x.Lsh(3).Aligned(16) {
		t.Error("Aligned")
	}
}
