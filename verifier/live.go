package verifier

import (
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/verifier/internal/prepare"
)

// This file follows which stack slots are still needed. Registers are simple: prepare has worked out before the walk
// where each is live. Which slots an instruction touches is known only when it is walked, with the pointers it has
// there; so each walk of it leaves marks, for the chain of calls that led to its function: the slots that it may
// read, and those that it has written whole every time. A pass over the function's control flow turns the
// marks into live slots. Where a state is kept, what is dead in it need not be compared.

// A liveFunc has the marks of a function in one chain of calls.
type liveFunc struct {
	outer    *liveFunc
	callsite int // in outer
	subprog  int
	depth    int // number of its frame
	start    int

	inner map[liveKey]*liveFunc

	// By frame (its own, and those of its callers whose slots it gets pointers to), then by instruction.
	frames  [linux.MaxFrames][]slotMarks
	visited []bool // the instruction's writes are known

	// What has changed since the live slots were computed: instructions by frame, or for frames in reset all.
	dirty [linux.MaxFrames][]int32
	reset [linux.MaxFrames]bool
	stale bool // something has changed here or in a function called from here
}

type liveKey struct{ callsite, subprog int }

type slotMarks struct{ reads, writes, live uint64 }

// marks is the part of the walk that keeps them.
type marks struct {
	roots  map[int]*liveFunc // by subprogram
	order  [][]int32         // the instructions of each subprogram, successors first
	after  [][2]int32        // the instructions reached from each; -1: none
	before [][]int32         // the instructions from which each is reached
	inst   *liveFunc         // of the frame being executed, nil if it must be found
	markPC int               // instruction being walked, in inst when it began
	markIn *liveFunc
	writes [linux.MaxFrames]uint64 // by this instruction, by frame
	wrote  bool

	funcSlab  []liveFunc
	visitSlab []bool
}

func (w *walk) newLive(outer *liveFunc, callsite, subprog, depth int) *liveFunc {
	s := &w.in.Subprogs[subprog]
	n := s.End - s.Start
	l := take(&w.funcSlab, 16)
	*l = liveFunc{outer: outer, callsite: callsite, subprog: subprog, depth: depth, start: s.Start,
		visited: cut(&w.visitSlab, n)[:n]}
	return l
}

// liveOf finds the marks of a frame of a state.
func (w *walk) liveOf(s *state, no int) *liveFunc {
	f := s.frames[0]
	l := w.roots[f.subprog]
	if l == nil {
		if w.roots == nil {
			w.roots = map[int]*liveFunc{}
		}
		l = w.newLive(nil, -1, f.subprog, 0)
		w.roots[f.subprog] = l
	}
	for n := 1; n <= no; n++ {
		f := s.frames[n]
		key := liveKey{f.callsite, f.subprog}
		in := l.inner[key]
		if in == nil {
			if l.inner == nil {
				l.inner = map[liveKey]*liveFunc{}
			}
			in = w.newLive(l, f.callsite, f.subprog, n)
			l.inner[key] = in
		}
		l = in
	}
	return l
}

// instance is the marks of the frame being executed.
func (w *walk) instance() *liveFunc {
	if w.inst == nil {
		w.inst = w.liveOf(w.cur, len(w.cur.frames)-1)
	}
	return w.inst
}

func (l *liveFunc) marks(frame int) []slotMarks {
	if l.frames[frame] == nil {
		l.frames[frame] = make([]slotMarks, len(l.visited))
	}
	return l.frames[frame]
}

// markRead notes that the instruction may read slots of a frame.
func (w *walk) markRead(frame int, slots uint64) { w.markIn.markRead(frame, w.markPC, slots) }

// change notes that the marks of an instruction have changed.
func (l *liveFunc) change(frame, pc int) {
	if !l.reset[frame] {
		if l.dirty[frame] == nil {
			l.dirty[frame] = make([]int32, 0, 32)
		}
		l.dirty[frame] = append(l.dirty[frame], int32(pc))
	}
	for ; l != nil && !l.stale; l = l.outer {
		l.stale = true
	}
}

func (l *liveFunc) markRead(frame, pc int, slots uint64) {
	if slots == 0 {
		return
	}
	m := &l.marks(frame)[pc-l.start]
	if slots&^m.reads != 0 {
		m.reads |= slots
		l.change(frame, pc)
	}
}

// resetWrites begins an instruction.
func (w *walk) resetWrites() {
	if w.wrote {
		w.writes = [8]uint64{}
		w.wrote = false
	}
	w.markIn, w.markPC = w.instance(), w.pc
}

// markWrite notes that the instruction writes all of a slot.
func (w *walk) markWrite(frame int, slots uint64) {
	w.writes[frame] |= slots
	w.wrote = true
}

// commitWrites ends it: of the slots that the instruction has always written, it keeps those written now.
func (w *walk) commitWrites() {
	l := w.markIn
	at := w.markPC - l.start
	first := !l.visited[at]
	if first && !w.wrote {
		l.visited[at] = true
		return
	}
	for f := 0; f <= l.depth; f++ {
		mask := w.writes[f]
		if l.frames[f] == nil && mask == 0 {
			continue
		}
		m := &l.marks(f)[at]
		if !first {
			mask &= m.writes
		}
		if mask != m.writes {
			// What was taken for live may turn out to be dead, if the writes were not known before.
			l.reset[f] = l.reset[f] || m.live&mask&^m.reads != 0
			m.writes = mask
			l.change(f, w.markPC)
		}
	}
	l.visited[at] = true
}

// solve computes the live slots of a function from its marks, the least solution. What a callee reads of its callers'
// frames counts as read by the call.
func (w *walk) solve(l *liveFunc) {
	if !l.stale {
		return
	}
	l.stale = false
	for _, c := range l.inner {
		if !c.stale {
			continue
		}
		w.solve(c)
		for f := 0; f < c.depth; f++ {
			if c.frames[f] != nil {
				l.markRead(f, c.callsite, c.frames[f][0].live)
			}
		}
	}
	l.stale = false
	for f := 0; f <= l.depth; f++ {
		if l.reset[f] {
			l.reset[f] = false
			l.dirty[f] = l.dirty[f][:0]
			w.sweep(l, l.frames[f])
		} else if len(l.dirty[f]) > 0 {
			l.dirty[f] = w.spread(l, l.frames[f], l.dirty[f])
		}
	}
}

// solveCalls computes the live slots of the functions that a state is in. Linux does so whenever a path ends, and when
// counts: see sweep.
func (w *walk) solveCalls(s *state) {
	for n := range s.frames {
		w.solve(w.liveOf(s, n))
	}
}

// sweep computes the live slots from those found before. What later turns out to be written first does not stay alive,
// except in a loop, where it is read, as far as anybody knows, the next time round: so does Linux.
func (w *walk) sweep(l *liveFunc, m []slotMarks) {
	for changed := true; changed; {
		changed = false
		for _, pc := range w.order[l.subprog] {
			k := &m[int(pc)-l.start]
			if live := w.liveAfter(l, m, int(pc))&^k.writes | k.reads; live != k.live {
				k.live = live
				changed = true
			}
		}
	}
}

func (w *walk) liveAfter(l *liveFunc, m []slotMarks, pc int) (out uint64) {
	for _, t := range w.after[pc] {
		if t >= 0 {
			out |= m[int(t)-l.start].live
		}
	}
	return out
}

// spread carries slots that have become live at some instructions back to those before.
func (w *walk) spread(l *liveFunc, m []slotMarks, work []int32) []int32 {
	for len(work) > 0 {
		pc := int(work[len(work)-1])
		work = work[:len(work)-1]
		k := &m[pc-l.start]
		if live := w.liveAfter(l, m, pc)&^k.writes | k.reads; live&^k.live != 0 {
			k.live = live
			work = append(work, w.before[pc]...)
		}
	}
	return work
}

// findFlow lists what comes before and after every instruction.
func (w *walk) findFlow() {
	count := make([]int32, len(w.insns))
	w.after = make([][2]int32, len(w.insns))
	w.order = make([][]int32, len(w.in.Subprogs))
	order := make([]int32, len(w.insns))
	for n := range w.in.Subprogs {
		size := w.in.Subprogs[n].End - w.in.Subprogs[n].Start
		w.order[n], order = order[:0:size], order[size:]
	}
	for _, at := range w.in.Postorder {
		n := w.in.SubOf[at]
		w.order[n] = append(w.order[n], int32(at))
		w.after[at] = [2]int32{-1, -1}
		to, k := w.in.Next(at)
		for i, t := range to[:k] {
			w.after[at][i] = int32(t)
			count[t]++
		}
	}
	all := make([]int32, 2*len(w.insns))
	w.before = make([][]int32, len(w.insns))
	for at, n := range count {
		w.before[at], all = all[:0:n], all[n:]
	}
	for _, at := range w.in.Postorder {
		for _, t := range w.after[at] {
			if t >= 0 {
				w.before[t] = append(w.before[t], int32(at))
			}
		}
	}
}

// A liveQuery tells which slots of a state are alive.
type liveQuery struct {
	w     *walk
	s     *state
	funcs [linux.MaxFrames]*liveFunc
}

func (w *walk) queryLive(s *state) (q liveQuery) {
	q.w, q.s = w, s
	for n := range s.frames {
		q.funcs[n] = w.liveOf(s, n)
		w.solve(q.funcs[n])
	}
	return q
}

func (l *liveFunc) liveBefore(frame, pc int) uint64 {
	at := pc - l.start
	if l.frames[frame] == nil || at < 0 || at >= len(l.visited) {
		return 0
	}
	return l.frames[frame][at].live
}

// slots are the live slots of a frame: what is read from here on, in the function being executed or, once it has
// returned, in those that called it; of a call that calls back, also by calling again.
func (q *liveQuery) slots(frame int) uint64 {
	top := len(q.s.frames) - 1
	live := q.funcs[top].liveBefore(frame, q.s.insn)
	for n := frame; n < top; n++ {
		call := q.s.frames[n+1].callsite
		if q.w.in.Flags[call]&prepare.CallsCallback == 0 {
			call++
		}
		live |= q.funcs[n].liveBefore(frame, call)
	}
	return live
}
