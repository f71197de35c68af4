package verifier

import "github.com/skepbpf/skep/verifier/domain"

// This file tells whether a state is included in another: whether all that was found safe from the old one on is
// safe from the new one on.

// A matching is how states are compared.
type matching uint8

const (
	byPrecision matching = iota // scalars only where they mattered
	byRange                     // scalars by range, whether they mattered or not
	exactly                     // the same
)

// An idMap relates the ids of the old state to those of the new one.
type idMap struct {
	pairs []idPair
	temp  uint32
	loose bool // several ids of the old state may be one of the new; those of scalars and values do not matter
}

type idPair struct{ old, cur uint32 }

func (m *idMap) reset(next uint32) {
	m.pairs = m.pairs[:0]
	m.temp = next
}

// match tells that the two ids can stand for the same thing.
func (m *idMap) match(old, cur uint32) bool {
	if old == 0 || cur == 0 {
		return old == cur
	}
	for _, p := range m.pairs {
		if p.old == old {
			return p.cur == cur
		}
		if p.cur == cur && !m.loose {
			return false
		}
	}
	m.pairs = append(m.pairs, idPair{old, cur})
	return true
}

// matchScalars is match for scalars: one without an id is like one with an id of its own.
func (m *idMap) matchScalars(old, cur uint32) bool {
	if old == 0 {
		m.temp++
		old = m.temp
	}
	if cur == 0 {
		m.temp++
		cur = m.temp
	}
	return m.match(old, cur)
}

// covers tells that cur is included in old.
func (w *walk) covers(old, cur *state, how matching) bool {
	if len(old.frames) != len(cur.frames) || old.sleepable != cur.sleepable {
		return false
	}
	m := &w.ids
	m.reset(w.nextID)
	if !refsMatch(m, old, cur) {
		return false
	}
	for n := range old.frames {
		of, cf := old.frames[n], cur.frames[n]
		if m.loose {
			m.reset(w.nextID)
		}
		if of.callsite != cf.callsite || of.cbDepth > cf.cbDepth {
			return false
		}
		live := w.in.LiveIn[old.frameInsn(n)]
		for i := range of.regs {
			if live>>i&1 != 0 && !m.regCovers(&of.regs[i], &cf.regs[i], how) {
				return false
			}
		}
		if !m.stackCovers(of, cf, how) {
			return false
		}
	}
	return true
}

func refsMatch(m *idMap, old, cur *state) bool {
	if len(old.refs) != len(cur.refs) || old.locks != cur.locks || old.preemptOff != cur.preemptOff || old.rcu != cur.rcu ||
		old.lock != cur.lock || !m.match(old.lockID, cur.lockID) {
		return false
	}
	for i := range old.refs {
		o, c := &old.refs[i], &cur.refs[i]
		if m.loose && o.id != c.id || !m.match(o.id, c.id) || o.kind != c.kind || o.lock != c.lock {
			return false
		}
	}
	return true
}

// sameBase tells that all but ids, frame and precision are equal.
func (r *reg) sameBase(o *reg) bool {
	return r.sameType(o) && r.num == o.num
}

// sameType tells that all but numbers, ids, frame and precision are equal.
func (r *reg) sameType(o *reg) bool {
	return r.typ == o.typ && r.flags == o.flags && r.off == o.off && r.rng == o.rng && r.memSize == o.memSize &&
		r.mapUID == o.mapUID && r.dyn == o.dyn && r.form == o.form && r.first == o.first && r.subprog == o.subprog && r.btf == o.btf && r.m == o.m
}

func (m *idMap) same(old, cur *reg) bool {
	return old.sameBase(cur) && old.delta == cur.delta && old.delta32 == cur.delta32 && m.match(old.id, cur.id) && m.match(old.ref, cur.ref)
}

func (m *idMap) regCovers(old, cur *reg, how matching) bool {
	if how == exactly {
		return m.same(old, cur)
	}
	if old.typ == notInit {
		return true
	}
	if old.typ != cur.typ || old.flags != cur.flags {
		return false
	}
	switch old.typ {
	case scalar:
		if how == byPrecision && !old.precise {
			return true
		}
		if !domain.Within(&old.num, &cur.num) {
			return false
		}
		if old.id == 0 || m.loose {
			return true // it stood alone: ties of the new one only say more of it
		}
		return old.delta == cur.delta && old.delta32 == cur.delta32 && (!old.delta || old.off == cur.off) &&
			m.matchScalars(old.id, cur.id)
	case mapKey, mapValue, mem, buf, tpBuffer:
		return old.sameType(cur) && domain.Within(&old.num, &cur.num) &&
			(m.match(old.id, cur.id) || m.loose && old.typ == mapValue && !old.canBeNull()) && m.match(old.ref, cur.ref)
	case pkt, pktMeta:
		if old.rng < 0 || cur.rng < 0 {
			if old.rng != cur.rng {
				return false
			}
		} else if old.rng > cur.rng {
			return false
		}
		return old.off == cur.off && m.match(old.id, cur.id) && domain.Within(&old.num, &cur.num)
	case ptrStack:
		return m.same(old, cur) && old.frame == cur.frame
	case arenaPtr:
		return true
	}
	return m.same(old, cur)
}

var anyScalar = unknownReg()

// scalarIn is the one scalar that the slot holds, nil if it does not.
func (s *slot) scalarIn() *reg {
	if s.isScalarSpill64() {
		return &s.spill
	}
	if s.isMisc() {
		return &anyScalar
	}
	return nil
}

func (m *idMap) stackCovers(old, cur *frame, how matching) bool {
	for spi := range old.stack {
		o := &old.stack[spi]
		var c *slot
		if spi < len(cur.stack) {
			c = &cur.stack[spi]
		}
		if !m.slotCovers(o, c, how) {
			return false
		}
	}
	return true
}

func (m *idMap) slotCovers(o, c *slot, how matching) bool {
	if how != byPrecision {
		if c == nil || o.kind != c.kind {
			return false // even where the slot holds nothing: the stack has to be as large
		}
	}
	for i := 0; i < slotSize; i++ {
		k := o.kind[i]
		if k == kindInvalid || k == kindMisc {
			continue
		}
		if c == nil {
			return false
		}
		if or, cr := o.scalarIn(), c.scalarIn(); or != nil && cr != nil {
			return m.regCovers(or, cr, how)
		}
		if k != c.kind[i] {
			return false
		}
		if k >= kindDynptr {
			return m.objectCovers(&o.spill, &c.spill)
		}
		if i == slotSize-1 && k == kindSpill && !m.regCovers(&o.spill, &c.spill, how) {
			return false
		}
	}
	return true
}

// sameTop is a quick look whether two states may be the same: their registers, up to ids.
func sameTop(old, cur *state) bool {
	if len(old.frames) != len(cur.frames) {
		return false
	}
	of, cf := old.top(), cur.top()
	for i := range of.regs {
		o, c := &of.regs[i], &cf.regs[i]
		if !o.sameBase(c) || o.id != c.id || o.ref != c.ref || o.delta != c.delta || o.delta32 != c.delta32 {
			return false
		}
	}
	return true
}
