package domain

// This file implements the shifts. Linux follows only shifts by a constant below the word size.

func shift[W, H width](x, y *Scalar, op Op, is32 bool, less Less) {
	n, size := uint(y.UMin), nbits[W]()
	if is32 {
		size = nbits[H]()
	}
	// Rarely, Sync leaves a range of one word without knowing all its bits: that is no constant to Linux.
	if y.Bits.low(size).Mask != 0 || y.UMin != y.UMax || y.UMax >= uint64(size) {
		setUnknown[W, H](x)
		return
	}
	if is32 {
		x.Bits = shiftBits(x.Bits.low(size), op, n, size)
		x.setHalf(shiftSpan[H](x.half(), op, n))
		zeroExtend[W, H](x)
		sync[W, H](x, less)
		return
	}
	half := fullSpan[H]()
	if op == Lsh && n < nbits[H]() {
		half = lshSpan[H](x.half(), n)
	}
	w := shiftSpan[W](x.word(), op, n)
	if op == Lsh && n == nbits[H]() {
		// The idiom for extending a 32-bit word starts so: the signed range of the half moves up.
		w.smin, w.smax = int64(x.S32Min)<<n, int64(x.S32Max)<<n
	}
	x.Bits = shiftBits(x.Bits, op, n, size)
	x.setWord(w)
	x.setHalf(half)
	sync[W, H](x, less)
}

func shiftBits(t Tnum, op Op, n, size uint) Tnum {
	switch op {
	case Lsh:
		return t.Lsh(n).low(size)
	case Rsh:
		return t.Rsh(n)
	}
	return t.Arsh(n, size)
}

func shiftSpan[W width](x span, op Op, n uint) span {
	switch op {
	case Lsh:
		return lshSpan[W](x, n)
	case Rsh:
		return rshSpan[W](x, n)
	}
	return arshSpan[W](x, n)
}
