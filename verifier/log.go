package verifier

import (
	"fmt"
	"math/bits"
	"path"
	"strconv"
	"strings"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
)

// A logger writes the verifier's log, in the kernel's format. Off, it costs a test for each line.
type logger struct {
	level LogLevel
	b     []byte

	regs  uint16 // registers touched since the state was printed
	slots uint64 // stack slots of the present frame, likewise

	fresh    bool // the state is to be printed whole before the next instruction
	insnEnd  int  // end of the log after the last instruction's text, 0 if something followed
	insnLen  int  // length of that text
	lastLine int  // index+1 of the line_info last printed
	names    isa.Names
}

func (l *logger) on() bool     { return l.level&(LogErrors|LogStates) != 0 }
func (l *logger) states() bool { return l.level&LogStates != 0 }

func (l *logger) line(s string) {
	l.b = append(l.b, s...)
	l.b = append(l.b, '\n')
}

// pos is how far the log has come; popped cuts it to there, unless it keeps all paths.
func (l *logger) pos() int { return len(l.b) }

func (l *logger) popped(pos int) {
	if !l.states() && pos < len(l.b) {
		l.b = l.b[:pos]
		if l.insnEnd > pos {
			l.insnEnd = 0
		}
	}
	l.fresh = true
}

func (l *logger) scratchReg(r isa.Reg) { l.regs |= 1 << r }
func (l *logger) scratchSlot(spi int)  { l.slots |= 1 << spi }
func (l *logger) scratchAll()          { l.regs, l.slots = ^uint16(0), ^uint64(0) }

// safe notes that the present state is included in one seen before.
func (l *logger) safe(w *walk) {
	if !l.on() {
		return
	}
	if l.fresh {
		l.line("\nfrom " + strconv.Itoa(w.prev) + " to " + strconv.Itoa(w.pc) + ": safe")
	} else {
		l.line(strconv.Itoa(w.pc) + ": safe")
	}
}

// insn prints the instruction that is about to be walked, with what is new before it.
func (l *logger) insn(w *walk) {
	if !l.on() {
		l.fresh = false
		return
	}
	if l.states() && l.fresh {
		l.b = append(l.b, "\nfrom "...)
		l.b = strconv.AppendInt(l.b, int64(w.prev), 10)
		l.b = append(l.b, " to "...)
		l.b = strconv.AppendInt(l.b, int64(w.pc), 10)
		l.b = append(l.b, ':')
		l.state(w.cur, len(w.cur.frames)-1, true)
		l.fresh = false
	}
	if l.regs != 0 || l.slots != 0 {
		l.insnState(w, w.cur)
	}
	l.source(w, w.pc)
	start := len(l.b)
	l.b = strconv.AppendInt(l.b, int64(w.pc), 10)
	l.b = append(l.b, ": "...)
	l.b = l.names.AppendLog(l.b, w.insns, w.pc)
	l.b = append(l.b, '\n')
	l.insnLen = len(l.b) - start
	l.insnEnd = len(l.b)
}

// insnState prints what has changed, behind the instruction if nothing came between.
func (l *logger) insnState(w *walk, s *state) {
	if l.insnEnd != 0 && l.insnEnd == len(l.b) {
		const column, step = 40, 8
		l.b = l.b[:len(l.b)-1]
		at := max(l.insnLen+step/2, column)
		for n := (at+step-1)/step*step - l.insnLen - 1; n > 0; n-- {
			l.b = append(l.b, ' ')
		}
		l.b = append(l.b, ';')
	} else {
		l.b = strconv.AppendInt(l.b, int64(w.pc), 10)
		l.b = append(l.b, ':')
	}
	l.state(s, len(s.frames)-1, false)
}

// branchState prints the state at a jump whose outcome is now clear.
func (l *logger) branchState(w *walk) {
	if l.on() {
		l.insnState(w, w.cur)
	}
}

// source prints the source line that the instruction begins.
func (l *logger) source(w *walk, pc int) {
	n := lineOf(w.p, pc)
	if n < 0 || n+1 == l.lastLine {
		return
	}
	li := &w.p.Lines[n]
	if l.lastLine > 0 {
		if last := &w.p.Lines[l.lastLine-1]; last.File == li.File && last.Line == li.Line {
			return // the same line goes on
		}
	}
	l.lastLine = n + 1
	l.b = append(l.b, "; "...)
	l.b = append(l.b, strings.TrimLeft(li.Text, " \t\n\r\v\f")...)
	l.b = append(l.b, " @ "...)
	l.b = append(l.b, path.Base(li.File)...)
	l.b = append(l.b, ':')
	l.b = strconv.AppendUint(l.b, uint64(li.Line), 10)
	l.b = append(l.b, '\n')
}

// lineOf is the index of the line information that covers an instruction, -1 if there is none.
func lineOf(p *object.Program, pc int) int {
	lo, hi := 0, len(p.Lines)
	for lo < hi {
		m := (lo + hi) / 2
		if p.Lines[m].Insn <= pc {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo - 1
}

// stats prints the figures.
func (l *logger) stats(w *walk) {
	if l.level == 0 {
		return
	}
	c := w.cost()
	if l.level&LogStats != 0 {
		l.b = append(l.b, "verification time 0 usec\nstack depth "...)
		for i, d := range c.StackDepth {
			if i > 0 {
				l.b = append(l.b, '+')
			}
			l.b = strconv.AppendInt(l.b, int64(d), 10)
		}
		l.b = append(l.b, '\n')
	}
	l.b = fmt.Appendf(l.b, "processed %d insns (limit %d) max_states_per_insn %d total_states %d peak_states %d mark_read %d\n",
		c.Processed, w.k.Limit(linux.LimitProcessed), c.MaxStatesPerInsn, c.TotalStates, c.PeakStates, c.LongestMark)
}

var kindChars = [...]byte{kindInvalid: '?', kindSpill: 'r', kindMisc: 'm', kindZero: '0', kindDynptr: 'd', kindIter: 'i', kindIRQ: 'f'}

// state prints one frame of a state: all of it, or what was touched.
func (l *logger) state(s *state, no int, all bool) {
	l.b = l.appendState(l.b, s, no, all)
	l.b = append(l.b, '\n')
	if !all {
		l.regs, l.slots = 0, 0
	}
}

func (l *logger) appendState(b []byte, s *state, no int, all bool) []byte {
	f := s.frames[no]
	if f.no != 0 {
		b = append(b, " frame"...)
		b = strconv.AppendInt(b, int64(f.no), 10)
		b = append(b, ':')
	}
	for i := range f.regs {
		if f.regs[i].typ == notInit || !all && l.regs>>i&1 == 0 {
			continue
		}
		b = append(b, " R"...)
		b = strconv.AppendInt(b, int64(i), 10)
		b = append(b, '=')
		b = f.regs[i].appendText(b, f)
	}
	for i := range f.stack {
		if all || l.slots>>i&1 != 0 {
			b = f.appendSlot(b, i)
		}
	}
	first := true
	for i := range s.refs {
		switch {
		case first:
			if s.refs[0].id == 0 {
				continue
			}
			b = append(b, " refs="...)
		case s.refs[i].id == 0:
			continue
		default:
			b = append(b, ',')
		}
		first = false
		b = strconv.AppendUint(b, uint64(s.refs[i].id), 10)
	}
	if f.callback {
		b = append(b, " cb"...)
	}
	if f.async {
		b = append(b, " async_cb"...)
	}
	return b
}

// appendSlot prints a stack slot of which something is known.
func (f *frame) appendSlot(b []byte, i int) []byte {
	s := &f.stack[i]
	if s.kind == [slotSize]byteKind{} || (s.kind[0] == kindDynptr || s.kind[0] == kindIter) && !s.spill.first {
		return b
	}
	b = append(b, " fp"...)
	b = strconv.AppendInt(b, int64(-slotSize*(i+1)), 10)
	b = append(b, '=')
	if s.kind[0] == kindDynptr || s.kind[0] == kindIter {
		return s.spill.appendObject(b)
	}
	for _, k := range s.kind {
		if k == kindSpill && s.isSpill() {
			return s.spill.appendText(b, f)
		}
		b = append(b, kindChars[k])
	}
	return b
}

// appendText prints a register as the log has it: "ctx()", "fp-8", "map_value(map=m,ks=4,vs=8,off=4)".
func (r *reg) appendText(b []byte, f *frame) []byte {
	if r.typ == scalar {
		if r.precise {
			b = append(b, 'P')
		}
		if r.num.IsConst() {
			return r.num.AppendText(b, "")
		}
		var attrs [48]byte
		a := attrs[:0]
		if r.id != 0 {
			a = append(a, "id="...)
			a = strconv.AppendUint(a, uint64(r.id), 10)
		}
		if r.delta {
			if r.off >= 0 {
				a = append(a, '+')
			}
			a = strconv.AppendInt(a, int64(r.off), 10)
		}
		return r.num.AppendText(b, string(a))
	}
	b = append(b, r.typeName()...)
	switch r.typ {
	case arenaPtr:
		return b
	case ptrStack:
		if int(r.frame) != f.no {
			b = append(b, '[')
			b = strconv.AppendInt(b, int64(r.frame), 10)
			b = append(b, ']')
		}
		if r.num.IsConst() {
			return appendNum(b, int64(r.num.Bits.Value)+int64(r.off))
		}
	case btfPtr:
		b = append(b, r.btf.name...)
	}
	b = append(b, '(')
	comma := false
	add := func(name string) {
		if comma {
			b = append(b, ',')
		}
		comma = true
		b = append(b, name...)
	}
	if r.id != 0 {
		add("id=")
		b = strconv.AppendUint(b, uint64(r.id), 10)
	}
	if r.ref != 0 {
		add("ref_obj_id=")
		b = strconv.AppendUint(b, uint64(r.ref), 10)
	}
	if r.flags&nonOwnRef != 0 {
		add("non_own_ref")
	}
	if r.typ == constMap || r.typ == mapKey || r.typ == mapValue {
		if r.m.Name != "" {
			add("map=")
			b = append(b, mapName(r.m.Name)...)
		}
		add("ks=")
		b = strconv.AppendUint(b, uint64(r.m.KeySize), 10)
		add("vs=")
		b = strconv.AppendUint(b, uint64(r.m.ValueSize), 10)
	}
	if r.off != 0 {
		add("off=")
		b = appendNum(b, int64(r.off))
	}
	if r.typ == dynptrPtr {
		add("type=")
		b = append(b, formNames[r.form]...)
	}
	if r.isPkt() {
		add("r=")
		b = appendUnum(b, uint64(int64(r.rng)))
	}
	if r.typ == mem {
		add("sz=")
		b = appendUnum(b, uint64(r.memSize))
	}
	if r.num.IsConst() {
		if r.num.Bits.Value != 0 {
			add("imm=")
			b = appendNum(b, int64(r.num.Bits.Value))
		}
	} else {
		b = r.num.AppendRanges(b, comma)
	}
	return append(b, ')')
}

// mapName is as much of the name as the kernel keeps.
func mapName(s string) string { return s[:min(len(s), linux.MaxNameLen)] }

// appendNum and appendUnum spell numbers as the log does: decimal if they are small.
func appendNum(b []byte, v int64) []byte {
	if v == int64(int16(v)) {
		return strconv.AppendInt(b, v, 10)
	}
	return strconv.AppendUint(append(b, "0x"...), uint64(v), 16)
}

func appendUnum(b []byte, v uint64) []byte {
	if v == uint64(uint16(v)) {
		return strconv.AppendUint(b, v, 10)
	}
	return strconv.AppendUint(append(b, "0x"...), v, 16)
}

// regList spells a set of registers: "r1,r2".
func regList(b []byte, set uint16) []byte {
	for n := 0; set != 0; n++ {
		i := bits.TrailingZeros16(set)
		set &= set - 1
		if n > 0 {
			b = append(b, ',')
		}
		b = append(b, 'r')
		b = strconv.AppendInt(b, int64(i), 10)
	}
	return b
}

// slotList spells a set of stack slots: "-8,-16".
func slotList(b []byte, set uint64) []byte {
	for n := 0; set != 0; n++ {
		i := bits.TrailingZeros64(set)
		set &= set - 1
		if n > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(-slotSize*(i+1)), 10)
	}
	return b
}
