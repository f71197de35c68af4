package verifier

import (
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/verifier/internal/prepare"
)

// This file keeps states and compares later ones with them: if a state is included in one that has been
// walked to the end, or is being walked, there is nothing new to find.

// A checkpoint is a state that was kept.
type checkpoint struct {
	st        *state
	next      *checkpoint
	miss, hit int
	dropped   bool // no longer compared with; kept for the paths that go on from it
}

// seen is the part of the walk that keeps checkpoints.
type seen struct {
	buckets []*checkpoint // by instruction and call site
	kept    int           // in buckets
	dropped int           // out of them, with branches
	total   int           // ever
	peak    int
	most    int // compared with at one instruction

	jumpsAt, processedAt int // w.jumps and w.processed when the last one was kept

	loops    map[loopKey]*loop
	backlogs int // back edges noted in all loops
}

// A loopKey is a loop (a strongly connected component) of a function in a chain of calls.
type loopKey struct {
	scc   int
	calls [8]int32
}

// A loop notes the states in which the walk came back to a state that is still being walked: what is found to
// matter in that one matters in them too, but only when the loop has been left is all of it known.
type loop struct {
	entry *state // the first checkpoint in it, while it is being walked
	back  []*state
}

func (w *walk) bucket() int {
	n := uint32(len(w.insns))
	return int((uint32(w.pc) ^ uint32(int32(w.cur.top().callsite))) % n)
}

func (w *walk) updatePeak() { w.peak = max(w.peak, w.kept+w.dropped+w.backlogs) }

// visit compares the present state with those kept here, and keeps it if that may pay. It tells that the state is
// safe: included in one that was walked before.
func (w *walk) visit() (safe bool, err error) {
	cur := w.cur
	force := w.freq || w.in.Flags[w.pc]&prepare.ForceCheckpoint != 0 || len(cur.history) > 40
	keep := force
	// Keeping every state costs more than it saves; these figures are Linux's.
	if w.jumps-w.jumpsAt >= 2 && w.processed-w.processedAt >= 8 {
		keep = true
	}
	at := w.bucket()
	w.clean(w.buckets[at])
	n := 0
	for link := &w.buckets[at]; *link != nil; {
		ck := *link
		n++
		if ck.st.insn != w.pc {
			link = &ck.next
			continue
		}
		hit, looping, err := w.compare(ck, force, &keep)
		if err != nil {
			return false, err
		}
		if hit {
			return true, w.included(ck, looping)
		}
		if keep {
			ck.miss++
		}
		// A state that is seldom of use is no longer compared with.
		f := 3
		if w.in.Flags[w.pc]&prepare.ForceCheckpoint != 0 && ck.st.branches > 0 {
			f = 64
		}
		if ck.miss > ck.hit*f+f {
			*link = ck.next
			ck.next = nil
			ck.dropped = true
			w.kept--
			w.dropped++
			w.release(ck)
			continue
		}
		link = &ck.next
	}
	w.most = max(w.most, n)
	if keep {
		w.keep(at)
	}
	return false, nil
}

// compare tells whether the present state is included in ck's. looping: that one is still being walked.
func (w *walk) compare(ck *checkpoint, force bool, keep *bool) (hit, looping bool, err error) {
	cur, old := w.cur, ck.st
	if old.branches == 0 {
		looping = w.unfinished(old)
		how := byPrecision
		if looping || w.keeper != nil {
			how = byRange
		}
		return w.covers(old, cur, how), looping, nil
	}
	of, cf := old.top(), cur.top()
	switch {
	case of.async && of.entries != cf.entries:
		// Different asynchronous callbacks are no loop.
	case w.in.Flags[w.pc]&prepare.CallsCallback != 0:
		if w.covers(old, cur, byRange) {
			return true, false, nil // the call comes back here, but that is no edge of a loop
		}
	case w.isIterNext(w.pc):
		if w.covers(old, cur, byRange) && !sameDepths(old, cur) {
			if it := w.iterOf(cur); it != nil && it.form == iterActive {
				return true, true, nil
			}
		}
	case w.insns[w.pc].Op == isa.MayGoto && old.mayGoto != cur.mayGoto && w.covers(old, cur, byRange):
		return true, true, nil
	default:
		how := exactly
		if w.ids.loose {
			how = byPrecision
		}
		if sameTop(old, cur) && w.covers(old, cur, how) && sameDepths(old, cur) && old.mayGoto == cur.mayGoto && old.unroll == cur.unroll {
			return false, false, w.infinite(old)
		}
	}
	// In a loop each round has another state, and keeping many of them helps nobody.
	if !force && w.jumps-w.jumpsAt < 20 && w.processed-w.processedAt < 100 {
		*keep = false
	}
	return false, false, nil
}

// infinite refuses a loop that comes back to where it was in the very same state.
func (w *walk) infinite(old *state) error {
	if w.log.on() {
		w.log.source(w, w.pc)
	}
	n := len(w.cur.frames) - 1
	if w.ids.loose {
		return w.refuse(einval, "infinite-loop", "infinite loop detected at insn %d", w.pc)
	}
	return w.refuse(einval, "infinite-loop", "infinite loop detected at insn %d\ncur state:%s\nold state:%s", w.pc,
		w.log.appendState(nil, w.cur, n, true), w.log.appendState(nil, old, n, true))
}

// included ends the path: what mattered from ck's state on matters on this path too.
func (w *walk) included(ck *checkpoint, looping bool) error {
	ck.hit++
	if w.in.Flags[w.pc]&prepare.JumpPoint != 0 {
		w.note(nil)
	}
	if _, err := w.propagate(ck.st, w.cur); err != nil {
		return err
	}
	if looping {
		if l := w.loopOf(ck.st); l != nil {
			s := w.pool.state()
			w.pool.copy(s, w.cur, true)
			s.insn = w.pc
			s.kept = ck // what it is equal to
			l.back = append(l.back, s)
			w.backlogs++
			w.updatePeak()
		}
	}
	return nil
}

// keep makes a checkpoint of the present state.
func (w *walk) keep(at int) {
	cur := w.cur
	w.kept++
	w.total++
	w.updatePeak()
	w.jumpsAt, w.processedAt = w.jumps, w.processed
	// What mattered before it need not matter after it.
	for _, f := range cur.frames {
		for i := range f.regs {
			f.regs[i].precise = false
		}
		for i := range f.stack {
			if f.stack[i].isSpill() {
				f.stack[i].spill.precise = false
			}
		}
	}
	s := w.pool.state()
	w.pool.copy(s, cur, false)
	// The history belongs to what is kept: it leads from the checkpoint before to here.
	if cap(s.history) >= historyLen {
		w.pool.histories = append(w.pool.histories, s.history)
	}
	s.history = w.pool.steps(cur.history)
	cur.history = cur.history[:0]
	w.here = nil
	s.insn = w.pc
	ck := take(&w.pool.keptSlab, 64)
	*ck = checkpoint{st: s, next: w.buckets[at]}
	s.kept = ck
	w.buckets[at] = ck
	w.enterLoop(s)
	cur.parent = s
	cur.firstInsn = w.pc
	cur.depth = s.depth + 1
}

// finish notes that the path of a state has ended.
func (w *walk) finish(s *state) error {
	for s != nil {
		s.branches--
		if s.branches > 0 {
			return nil
		}
		if err := w.leaveLoop(s); err != nil {
			return err
		}
		parent := s.parent
		if s.kept != nil {
			w.release(s.kept)
		}
		s = parent
	}
	return nil
}

// release frees a checkpoint that is no longer compared with, once no path goes on from it.
func (w *walk) release(ck *checkpoint) {
	if !ck.dropped || ck.st == nil || ck.st.branches != 0 || w.unfinished(ck.st) {
		return
	}
	w.dropped--
	w.pool.free(ck.st)
	ck.st = nil
}

// clean forgets what is dead in states that were walked to the end, so that it need not be compared.
func (w *walk) clean(ck *checkpoint) {
	for ; ck != nil; ck = ck.next {
		s := ck.st
		if s.branches != 0 || s.insn != w.pc || s.cleaned || !s.sameCalls(w.cur) || w.unfinished(s) {
			continue
		}
		s.cleaned = true
		q := w.queryLive(s)
		for n, f := range s.frames {
			live := w.in.LiveIn[s.frameInsn(n)]
			for i := range f.regs[:isa.R10] {
				if live>>i&1 == 0 {
					f.regs[i] = reg{}
				}
			}
			slots := q.slots(n)
			for i := range f.stack {
				if slots>>i&1 == 0 {
					f.stack[i] = slot{}
				}
			}
		}
	}
}

// loopOf is the outermost loop that a state is in, nil if there is none or it has not been entered.
func (w *walk) loopOf(s *state) *loop {
	key, ok := w.loopKey(s)
	if !ok {
		return nil
	}
	return w.loops[key]
}

func (w *walk) loopKey(s *state) (key loopKey, ok bool) {
	for n := range s.frames {
		at := s.frameInsn(n)
		if scc := w.in.SCC[at]; scc != 0 {
			key.scc = scc
			return key, true
		}
		if n < len(key.calls) {
			key.calls[n] = int32(at) + 1
		}
	}
	return key, false
}

// unfinished tells that the state is in a loop that came back to itself, and has not been left.
func (w *walk) unfinished(s *state) bool {
	if w.backlogs == 0 {
		return false
	}
	l := w.loopOf(s)
	return l != nil && len(l.back) > 0
}

func (w *walk) enterLoop(s *state) {
	key, ok := w.loopKey(s)
	if !ok {
		return
	}
	l := w.loops[key]
	if l == nil {
		l = &loop{}
		w.loops[key] = l
	}
	if l.entry == nil {
		l.entry = s
	}
}

// leaveLoop ends the loop that the checkpoint was the first in: what matters goes round until nothing is added.
func (w *walk) leaveLoop(s *state) error {
	l := w.loopOf(s)
	if l == nil || l.entry != s {
		return nil
	}
	const rounds = 64 // Linux gives up then, and takes everything to matter
	for i := 0; ; i++ {
		changed := false
		for _, b := range l.back {
			if i >= rounds {
				w.allPrecise(b)
			}
			c, err := w.propagate(b.kept.st, b)
			if err != nil {
				return err
			}
			changed = changed || c
		}
		if !changed || i >= rounds {
			break
		}
	}
	l.entry = nil
	w.backlogs -= len(l.back)
	for _, b := range l.back {
		b.kept = nil
		w.pool.free(b)
	}
	l.back = l.back[:0]
	w.updatePeak()
	return nil
}
