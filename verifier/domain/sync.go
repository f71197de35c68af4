package domain

// This file implements Sync, the mutual reduction of the five parts of a Scalar.

// Sync makes each part of s know what the others imply, as far as Linux draws the conclusion. It goes
// three rounds rather than to a fixpoint; three million random Scalars at width 8 did not need a fourth.
func (s *Scalar) Sync() { sync[w64, w32](s, 0) }

func sync[W, H width](s *Scalar, less Less) {
	w, h, t := s.word(), s.half(), s.Bits
	if t.Mask == 0 && w == constSpan[W](t.Value) && h == constSpan[H](t.Value) {
		return
	}

	if v, ok := meetBoth[W, H](&w, &h, t); ok && less&LessSync == 0 {
		setConst[W, H](s, v)
		return
	}
	settled := false // the last round found nothing, so another would not either
	for round := 0; round < 3 && !settled; round++ {
		w0, h0 := w, h
		if less&LessApart == 0 {
			halfFromWord[W, H](&h, &w)
		}
		crossSign[H](&h, less)
		crossSign[W](&w, less)
		if less&LessApart == 0 {
			wordFromHalf[W, H](&w, &h)
		}
		settled = w == w0 && h == h0
	}
	t = t.Intersect(TnumRange(w.umin, w.umax).low(nbits[W]()))
	t = t.withLow(t.low(nbits[H]()).Intersect(TnumRange(h.umin, h.umax).low(nbits[H]())), nbits[H]())
	if settled && t == s.Bits && w == s.word() && h == s.half() {
		return // nothing has changed since the bits were looked at: the common case
	}
	if v, ok := meetBoth[W, H](&w, &h, t); ok && less&LessSync == 0 {
		setConst[W, H](s, v)
		return
	}
	s.Bits = t
	s.setWord(w)
	s.setHalf(h)
}

// meetBoth narrows word and half by the known bits. It tells the only word that has the known bits and
// lies in the unsigned range, if there is but one.
func meetBoth[W, H width](w, h *span, t Tnum) (only uint64, ok bool) {
	meetBits[H](h, t.low(nbits[H]()))
	meetBits[W](w, t)
	if t.Mask&(t.Mask+1) == 0 && w.umin < w.umax {
		return 0, false // the unknown bits are the lowest ones, so that all of the range has the others
	}
	after := t.after(w.umin)
	switch {
	case t.Contains(w.umin):
		return w.umin, after > w.umax
	case after == t.Max():
		return after, true
	}
	return after, after <= w.umax && t.after(after) > w.umax
}

// crossSign lets the two readings of one word narrow each other.
func crossSign[W width](r *span, less Less) {
	// Unsigned bounds on the same side of the sign change are signed bounds too.
	if lo, hi := sext[W](r.umin), sext[W](r.umax); lo <= hi {
		r.meetS(lo, hi)
	}
	lo, hi := trunc[W](uint64(r.smin)), trunc[W](uint64(r.smax))
	switch {
	case lo <= hi:
		r.meetU(lo, hi)
	case less&LessSync != 0:
	case r.umax < lo:
		// In the unsigned reading the signed range is 0..hi and lo..2^W-1. Only the first is possible.
		r.smin = sext[W](r.umin)
		r.umax = min(r.umax, hi)
	case r.umin > hi:
		r.smax = sext[W](r.umax)
		r.umin = max(r.umin, lo)
	}
}

// halfFromWord narrows the low half by either range of the whole word.
func halfFromWord[W, H width](h, w *span) {
	lowOfRange[W, H](h, w.umin, w.umax)
	lowOfRange[W, H](h, trunc[W](uint64(w.smin)), trunc[W](uint64(w.smax)))
}

// lowOfRange narrows h by the low halves of lo, lo+1, ..., hi.
func lowOfRange[W, H width](h *span, lo, hi uint64) {
	n := nbits[H]()
	ulo, uhi := trunc[H](lo), trunc[H](hi)
	slo, shi := sext[H](lo), sext[H](hi)
	switch {
	case lo>>n == hi>>n:
		// The high half is fixed, so the low half runs from ulo to uhi.
		if ulo <= uhi {
			h.meetU(ulo, uhi)
		}
		if slo <= shi {
			h.meetS(slo, shi)
		}
	case trunc[H](lo>>n+1) == hi>>n && slo < 0 && shi >= 0:
		// The high half steps once, where the low half passes from all ones to zero: a range around 0
		// in the signed reading.
		h.meetS(slo, shi)
	}
}

// wordFromHalf narrows the whole word by its low half.
func wordFromHalf[W, H width](w, h *span) {
	low := maxU[H]()
	// A bound with its low half replaced by the bound of that half.
	w.meetU(w.umin&^low|h.umin, w.umax&^low|h.umax)
	w.meetS(w.smin&^int64(low)|int64(h.umin), w.smax&^int64(low)|int64(h.umax))
	// A word that is the sign extension of its low half equals that half if its sign is known to be
	// clear. The unsigned bounds of the word are lost if they were tighter: so does Linux.
	if h.smin >= 0 && w.smin >= minS[H]() && w.smax <= maxS[H]() {
		*w = span{h.smin, h.smax, uint64(h.smin), uint64(h.smax)}
	}
}
