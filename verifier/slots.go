package verifier

import "github.com/skepbpf/skep/isa"

// This file implements what the kernel keeps on the program's stack: dynptrs, open-coded iterators, saved interrupt
// flags. They take whole slots, which the program can neither read nor, while they hold a reference, overwrite.

// A form is what kind of dynptr a slot holds, or how far an iterator has come.
type form uint8

const (
	dynptrNone form = iota
	dynptrLocal
	dynptrRingbuf
	dynptrSkb
	dynptrXDP
	dynptrSkbMeta

	iterActive
	iterDrained
)

var formNames = [...]string{dynptrLocal: "local", dynptrRingbuf: "ringbuf", dynptrSkb: "skb", dynptrXDP: "xdp",
	dynptrSkbMeta: "skb_meta", iterActive: "active", iterDrained: "drained"}

// slotsAt finds n slots that a stack pointer points to: the lowest of them. Otherwise it says why not, in the log. The end
// of the stack counts as its last slot, as it does for Linux; endOfStack tells that apart.
func (w *walk) slotsAt(r *reg, n int, what string) (f *frame, spi int, ok bool) {
	if !r.num.IsConst() {
		w.line("%s has to be at a constant offset", what)
		return nil, 0, false
	}
	off := int(r.off) + int(int64(r.num.Bits.Value))
	if spi = -off/slotSize - 1; off == 0 {
		spi = 0
	}
	if off%slotSize != 0 || spi < n-1 {
		w.line("cannot pass in %s at an offset=%d", what, off)
		return nil, 0, false
	}
	return w.cur.frames[r.frame], spi, true
}

// endOfStack tells that a pointer is to where the stack ends. Linux takes that for the last slot, and its functions would write
// beyond.
func endOfStack(r *reg) bool { return int(r.off)+int(int64(r.num.Bits.Value)) == 0 }

// holds tells that n slots from spi on, upwards in memory, are there and of a kind.
func (f *frame) holds(spi, n int, kind byteKind) bool {
	if spi >= len(f.stack) {
		return false
	}
	for i := range n {
		if f.stack[spi-i].kind != objectKinds(kind) {
			return false
		}
	}
	return true
}

// objectKinds are the kinds of the bytes of a slot that is all of one kind.
func objectKinds(k byteKind) (all [slotSize]byteKind) {
	for i := range all {
		all[i] = k
	}
	return all
}

// put makes a slot part of an object.
func (w *walk) put(f *frame, spi int, kind byteKind, r *reg) {
	s := &f.stack[spi]
	s.kind = objectKinds(kind)
	s.spill = *r
	w.log.scratchSlot(spi)
	w.markWrite(f.no, 1<<spi)
}

// empty makes a slot one that was never written.
func (w *walk) empty(f *frame, spi int) {
	f.stack[spi] = slot{}
	w.log.scratchSlot(spi)
	w.markWrite(f.no, 1<<spi)
}

// markObject notes that a call looks at n slots.
func (w *walk) markObject(f *frame, spi, n int) {
	for i := range n {
		w.markRead(f.no, 1<<(spi-i))
		w.log.scratchSlot(spi - i)
	}
}

// reserve checks that n bytes of stack may be written, and writes them as a helper does.
func (w *walk) reserve(n isa.Reg, size int) error {
	for at := 0; at < size; at += slotSize {
		a := access{base: n, off: at, size: slotSize, write: true}
		if err := w.access(&a); err != nil {
			return err
		}
	}
	return nil
}

// overwrite prepares a slot for a store of plain bytes, or of a register, over what was there.
func (w *walk) overwrite(f *frame, spi int) error {
	s := &f.stack[spi]
	if !s.isObject() {
		return nil
	}
	if s.kind[0] == kindDynptr {
		return w.overwriteDynptr(f, spi)
	}
	s.scrub()
	return nil
}

// objectCovers is regCovers for objects in slots.
func (m *idMap) objectCovers(old, cur *reg) bool {
	if old.typ != cur.typ || old.form != cur.form || old.first != cur.first || old.btf != cur.btf || old.flags != cur.flags {
		return false
	}
	return m.match(old.ref, cur.ref)
}

// sameDepths tells that all iterators have moved on equally often.
func sameDepths(old, cur *state) bool {
	for n := range old.frames {
		of, cf := old.frames[n], cur.frames[n]
		for i := range min(len(of.stack), len(cf.stack)) {
			o, c := &of.stack[i], &cf.stack[i]
			if o.kind[0] == kindIter && c.kind[0] == kindIter && o.spill.memSize != c.spill.memSize {
				return false
			}
		}
	}
	return true
}

// appendObject prints what a slot holds: "dynptr_skb(id=1,dynptr_id=1)"; nothing but for the lowest of an object's slots.
func (r *reg) appendObject(b []byte) []byte {
	comma := false
	add := func(name string, id uint32) {
		if id == 0 {
			return
		}
		if comma {
			b = append(b, ',')
		}
		comma = true
		b = appendUnum(append(b, name...), uint64(id))
	}
	switch r.typ {
	case dynptrPtr:
		b = append(append(append(b, "dynptr_"...), formNames[r.form]...), '(')
		add("id=", r.id)
		add("ref_id=", r.ref)
		add("dynptr_id=", 1) // whatever it is
	case iterator:
		b = append(append(b, r.btf.name[len("bpf_"):]...), '(')
		add("ref_id=", r.ref)
		b = append(append(append(b, ",state="...), formNames[r.form]...), ",depth="...)
		b = appendUnum(b, uint64(r.memSize))
	case irqFlag:
		return b
	}
	return append(b, ')')
}
