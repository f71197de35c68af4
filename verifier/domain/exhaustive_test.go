package domain

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
)

// This file runs the production code at widths 4/2, 6/3 and 8/4 against concrete arithmetic.

var flagSets = flag.Int("domain.sets", 100, "sets to combine pairwise at width 6; thrice as many at 4, half at 8")

// An element is a Scalar and the words it stands for.
type element struct {
	x     Scalar
	set   set
	words []uint64
}

// elements gives n different non-empty Scalars, or all if there are fewer: at width 4 every hull of a
// set of words, so every Scalar that cannot be reduced further; then such as Sync leaves behind, which
// is weaker, made from parts at random.
func elements[W, H width](rnd *rand.Rand, n int) []element {
	seen := map[Scalar]bool{}
	var all []element
	add := func(x Scalar) {
		if !seen[x] {
			seen[x] = true
			if s := meaning[W, H](&x); !s.empty() {
				all = append(all, element{x, s, s.words()})
			}
		}
	}
	if nbits[W]() == 4 {
		for sub := uint64(1); sub < 1<<16; sub++ {
			add(hull[W, H](&set{sub}))
		}
		rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		all = all[:min(len(all), n-n/4)]
	}
	for tries := 0; len(all) < n && tries < 100*n; tries++ {
		x := randomScalar[W, H](rnd)
		sync[W, H](&x, 0)
		add(x)
	}
	return all
}

// randomScalar narrows some of the parts of the unknown Scalar.
func randomScalar[W, H width](rnd *rand.Rand) (x Scalar) {
	setUnknown[W, H](&x)
	word := func() uint64 { return rnd.Uint64() >> (rnd.UintN(nbits[W]())) & maxU[W]() }
	if rnd.IntN(2) == 0 {
		x.Bits.Mask = word()
		sparse := word()
		x.Bits.Mask |= sparse & word()
		x.Bits.Value = word() &^ x.Bits.Mask
	}
	w, h := x.word(), x.half()
	narrow := func(r *span, bits uint, extend func(uint64) int64) {
		a, b := word()>>(nbits[W]()-bits), word()>>(nbits[W]()-bits)
		if rnd.IntN(2) == 0 {
			b = a + 2
		}
		switch sa, sb := extend(a), extend(b); rnd.IntN(4) {
		case 0:
			r.umin, r.umax = min(a, b), max(a, b)&(^uint64(0)>>(64-bits))
		case 1:
			r.smin, r.smax = min(sa, sb), max(sa, sb)
		}
	}
	narrow(&w, nbits[W](), sext[W])
	narrow(&h, nbits[H](), sext[H])
	x.setWord(w)
	x.setHalf(h)
	return x
}

// A score counts how often a result is as narrow as the domain allows.
type score struct{ total, exact int }

func (s *score) count(exact bool) {
	s.total++
	if exact {
		s.exact++
	}
}

func (s score) String() string {
	return fmt.Sprintf("%5.1f%% of %d exact", 100*float64(s.exact)/float64(max(s.total, 1)), s.total)
}

// narrowest tells that no part of got can be narrower if it is to contain image.
func narrowest[W, H width](got *Scalar, image *set) bool {
	return image.empty() || *got == hull[W, H](image)
}

var opNames = [NumOps]string{"mov", "add", "sub", "mul", "div", "sdiv", "mod", "smod", "and", "or", "xor", "lsh", "rsh", "arsh", "neg"}

var condNames = [NumConds]string{"==", "!=", "&", "!&", ">", "<=", ">=", "<", "s>", "s<=", "s>=", "s<"}

func TestSmallWidths(t *testing.T) {
	n := *flagSets
	if testing.Short() {
		n /= 3
	}
	t.Run("4", func(t *testing.T) { testWidth[[4]struct{}, [2]struct{}](t, 3*n) })
	t.Run("6", func(t *testing.T) { testWidth[[6]struct{}, [3]struct{}](t, n) })
	t.Run("8", func(t *testing.T) { testWidth[[8]struct{}, [4]struct{}](t, n/2) })
}

func testWidth[W, H width](t *testing.T, n int) {
	all := elements[W, H](rand.New(rand.NewPCG(1, uint64(nbits[W]()))), n)
	t.Logf("%d different sets", len(all))
	for _, is32 := range []bool{false, true} {
		name := map[bool]string{false: "", true: "32"}[is32]
		for op := range NumOps {
			t.Run(opNames[op]+name, func(t *testing.T) { testALU[W, H](t, all, op, is32) })
		}
		for c := range NumConds {
			t.Run("if"+name+condNames[c], func(t *testing.T) { testCond[W, H](t, all, c, is32) })
		}
	}
	t.Run("sync", func(t *testing.T) { testSync[W, H](t, n) })
	t.Run("casts", func(t *testing.T) { testCasts[W, H](t, all) })
}

// allLess is what the oldest kernels conclude.
const allLess = LessNeg | LessSums | LessMul | LessSync | LessCompare | LessApart | LessMixed | LessTrim

func testALU[W, H width](t *testing.T, all []element, op Op, is32 bool) {
	w := nbits[W]()
	if is32 {
		w = nbits[H]()
	}
	others := all
	if op == Mov || op == Neg {
		others = all[:1] // one operand is ignored
	}
	var sc, constant, less score // constant: if y is; less: in older kernels
	for i := range all {
		for j := range others {
			x, y := &all[i], &others[j]
			var image set
			for _, v := range x.words {
				for _, u := range y.words {
					image.add(concreteALU(op, w, v, u))
				}
			}
			got := x.x
			alu[W, H](&got, &y.x, op, is32, 0)
			which := &sc
			if y.x.IsConst() {
				which = &constant
			}
			if !checkImage[W, H](t, &got, &image, which) {
				t.Fatalf("%v\n%+v\n%+v\n=> %+v\nmisses some of %b", opNames[op], x.x, y.x, got, image)
			}
			old := x.x
			alu[W, H](&old, &y.x, op, is32, allLess)
			if !checkImage[W, H](t, &old, &image, &less) {
				t.Fatalf("%v\n%+v\n%+v\n=> %+v in older kernels\nmisses some of %b", opNames[op], x.x, y.x, old, image)
			}
		}
	}
	t.Logf("%s at %d bits: %v; if y is constant, %v", opNames[op], w, sc, constant)
}

func checkImage[W, H width](t *testing.T, got *Scalar, image *set, sc *score) bool {
	t.Helper()
	gotSet := meaning[W, H](got)
	if sc != nil {
		sc.count(narrowest[W, H](got, image))
	}
	return image.in(&gotSet)
}

func testCond[W, H width](t *testing.T, all []element, c Cond, is32 bool) {
	w := nbits[W]()
	if is32 {
		w = nbits[H]()
	}
	var decided, refined, less score
	for i := range all {
		for j := range all {
			x, y := &all[i], &all[j]
			var xs, ys set // the words that can meet the condition
			never, always := true, true
			for _, v := range x.words {
				for _, u := range y.words {
					if concreteTest(c, w, v, u) {
						xs.add(v)
						ys.add(u)
						never = false
					} else {
						always = false
					}
				}
			}
			d := decide[W, H](c, is32, &x.x, &y.x)
			if d == 1 && !always || d == 0 && !never {
				t.Fatalf("%s: decided %d\n%+v\n%+v", condNames[c], d, x.x, y.x)
			}
			decided.count(d >= 0 || !never && !always)
			if d >= 0 {
				continue
			}
			a, b := x.x, y.x
			refine[W, H](c, is32, &a, &b, 0)
			if !checkImage[W, H](t, &a, &xs, &refined) || !checkImage[W, H](t, &b, &ys, &refined) {
				t.Fatalf("%s\n%+v\n%+v\n=>\n%+v\n%+v\nmisses some of %b or %b", condNames[c], x.x, y.x, a, b, xs, ys)
			}
			oldA, oldB := x.x, y.x
			refine[W, H](c, is32, &oldA, &oldB, allLess)
			if !checkImage[W, H](t, &oldA, &xs, &less) || !checkImage[W, H](t, &oldB, &ys, &less) {
				t.Fatalf("%s\n%+v\n%+v\n=> in older kernels\n%+v\n%+v\nmisses some of %b or %b", condNames[c], x.x, y.x, oldA, oldB, xs, ys)
			}
			if (!consistent[W, H](&a) || !consistent[W, H](&b)) && !never {
				t.Fatalf("%s\n%+v\n%+v\n=> called contradictory\n%+v\n%+v", condNames[c], x.x, y.x, a, b)
			}
		}
	}
	t.Logf("%s at %d bits: decided %v; refined %v", condNames[c], w, decided, refined)
}

// testSync checks that Sync loses no word and says nothing that is not implied.
func testSync[W, H width](t *testing.T, n int) {
	rnd := rand.New(rand.NewPCG(2, uint64(nbits[W]())))
	var sc score
	for range 50 * n {
		x := randomScalar[W, H](rnd)
		before := meaning[W, H](&x)
		if before.empty() {
			continue
		}
		got := x
		sync[W, H](&got, 0)
		if !checkImage[W, H](t, &got, &before, &sc) {
			t.Fatalf("%+v\n=> %+v", x, got)
		}
	}
	t.Logf("sync at %d bits: %v", nbits[W](), sc)
}

func testCasts[W, H width](t *testing.T, all []element) {
	for n := uint(1); n <= nbits[W](); n++ {
		var truncated, extended, extended32 score
		low := uint64(1)<<n - 1
		for i := range all {
			x := &all[i]
			var zero, sign, sign32 set
			for _, v := range x.words {
				zero.add(v & low)
				sx := uint64(int64(v<<(64-n)) >> (64 - n))
				sign.add(trunc[W](sx))
				sign32.add(trunc[H](sx))
			}
			got := x.x
			truncate[W, H](&got, n)
			if !checkImage[W, H](t, &got, &zero, &truncated) {
				t.Fatalf("truncate to %d\n%+v\n=> %+v", n, x.x, got)
			}
			got = x.x
			signExtend[W, H](&got, n, false)
			if !checkImage[W, H](t, &got, &sign, &extended) {
				t.Fatalf("sign-extend %d\n%+v\n=> %+v", n, x.x, got)
			}
			if n < nbits[H]() {
				got = x.x
				signExtend[W, H](&got, n, true)
				if !checkImage[W, H](t, &got, &sign32, &extended32) {
					t.Fatalf("sign-extend %d to half\n%+v\n=> %+v", n, x.x, got)
				}
			}
		}
		t.Logf("%d bits: truncate %v; extend %v; extend to half %v", n, truncated, extended, extended32)
	}
}
