package domain

import "math/bits"

// This file implements changes of width: loads, sign extensions and byte swaps.

// Truncate makes x the zero extension of its low size bytes (1, 2, 4 or 8), as a load of that size does.
func (x *Scalar) Truncate(size uint) { truncate[w64, w32](x, 8*size) }

func truncate[W, H width](x *Scalar, n uint) {
	if n >= nbits[W]() {
		return
	}
	low := uint64(1)<<n - 1
	w := span{umin: 0, umax: low}
	if x.UMin&^low == x.UMax&^low {
		w.umin, w.umax = x.UMin&low, x.UMax&low
	}
	w.smin, w.smax = int64(w.umin), int64(w.umax)
	x.Bits = x.Bits.low(n)
	x.setWord(w)
	if n < nbits[H]() {
		x.setHalf(fullSpan[H]())
	}
	sync[W, H](x, 0)
}

// SignExtend makes x the sign extension of its low size bytes (1, 2 or 4), as a sign-extending load of
// that size or a movsx does. With is32 the extension is to 32 bits and the high ones become zero.
func (x *Scalar) SignExtend(size uint, is32 bool) { signExtend[w64, w32](x, 8*size, is32) }

func signExtend[W, H width](x *Scalar, n uint, is32 bool) {
	if is32 {
		if n >= nbits[H]() {
			return
		}
		x.Bits, x.S32Min, x.S32Max, x.U32Min, x.U32Max = signExtendHalf[H](x, n)
		zeroExtend[W, H](x)
		sync[W, H](x, 0)
		return
	}
	if n >= nbits[W]() {
		return
	}
	t, w := signExtendSpan[W](x.Bits, x.word(), n)
	half := fullSpan[H]()
	if w.smin >= minS[H]() && w.smax <= maxS[H]() {
		half.meetS(w.smin, w.smax)
	}
	x.Bits = t
	x.setWord(w)
	x.setHalf(half)
	sync[W, H](x, 0)
}

func signExtendHalf[H width](x *Scalar, n uint) (Tnum, int32, int32, uint32, uint32) {
	t, h := signExtendSpan[H](x.Bits.low(nbits[H]()), x.half(), n)
	return t, int32(h.smin), int32(h.smax), uint32(h.umin), uint32(h.umax)
}

// signExtendSpan extends the low n bits of a W-bit word. If all words of the range agree above those
// bits and do not pass the sign change of the narrow word, the signed range is extended bound by
// bound; otherwise it is that of any narrow word.
func signExtendSpan[W width](t Tnum, r span, n uint) (Tnum, span) {
	narrow := func(v int64) int64 { return v << (64 - n) >> (64 - n) }
	out := fullSpan[W]()
	out.smin, out.smax = -1<<(n-1), 1<<(n-1)-1
	if t.Mask == 0 {
		v := trunc[W](uint64(narrow(int64(t.Value))))
		return Tnum{Value: v}, constSpan[W](v)
	}
	lo, hi := narrow(r.smin), narrow(r.smax)
	if r.smin>>n != r.smax>>n || (lo < 0) != (hi < 0) {
		return Tnum{Mask: maxU[W]()}, out
	}
	out.smin, out.smax = min(lo, hi), max(lo, hi)
	out.umin, out.umax = trunc[W](uint64(out.smin)), trunc[W](uint64(out.smax))
	return TnumRange(out.umin, out.umax).low(nbits[W]()), out
}

// An Order is one of the byte order instructions.
type Order uint8

// Byte order instructions of a little-endian machine.
const (
	ToLE  Order = iota // zero extension
	ToBE               // bytes reversed, zero-extended
	Bswap              // the same, in its unconditional form
)

// SwapBytes makes x the result of a byte order instruction on its low n bits (16, 32 or 64).
// Of a reversal Linux follows the known bits only.
func (x *Scalar) SwapBytes(o Order, n uint) {
	if o == ToLE {
		x.Truncate(n / 8)
		return
	}
	t := Tnum{bits.ReverseBytes64(x.Bits.Value), bits.ReverseBytes64(x.Bits.Mask)}.Rsh(64 - n)
	*x = Unknown()
	x.Bits = t
	x.Sync()
}
