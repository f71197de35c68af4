package oracle

import (
	"fmt"
	"strings"
)

// A Difference is where two logs of one program part.
type Difference struct {
	Index     int      // of the first Step that differs; the steps before it are equal
	Insn      int      // the instruction
	Got, Want *Step    // nil: that log has ended
	What      []string // what differs, a line each

	GotMessage, WantMessage string // where the walk is the same but the end is not

	before []Step // a few equal steps before it
}

// Compare finds the first event of the walk in which the two logs (level 2) differ: the instruction that
// is walked, the state printed, pruning, or, if all that is equal, the message at the end. It returns nil for
// logs that agree. Lines about precision and liveness, source lines and figures do not count, and an instruction's state
// may stand on its line or below it.
func Compare(got, want *Log) *Difference {
	g, w := got.Steps(), want.Steps()
	total := max(len(g), len(w))
	for i := range total {
		d := &Difference{Index: i, before: w[max(0, min(i, len(w))-context):min(i, len(w))]}
		if i < len(g) {
			d.Got = &g[i]
			d.Insn = g[i].Insn
		}
		if i < len(w) {
			d.Want = &w[i]
			d.Insn = w[i].Insn
		}
		if d.Got != nil && d.Want != nil && d.Got.Equal(d.Want) {
			continue
		}
		if d.What = whatDiffers(d.Got, d.Want); len(d.What) > 0 {
			d.GotMessage, d.WantMessage = got.Message, want.Message
			return d
		}
	}
	if gm, wm := Normalize(got.Message), Normalize(want.Message); gm != wm && !(got.quiet() && want.quiet()) {
		return &Difference{Index: total, Insn: -1, What: []string{"the message"}, GotMessage: gm, WantMessage: wm,
			before: w[max(0, len(w)-context):]}
	}
	return nil
}

// Diff is Compare on texts.
func Diff(got, want string) *Difference { return Compare(ParseLog(got), ParseLog(want)) }

// context is how many equal steps a Difference shows.
const context = 6

// quiet tells that the last line is part of the walk, not a message: the program was accepted.
func (l *Log) quiet() bool {
	return !IsMessage(l.Message)
}

// whatDiffers names the differences of two steps. It is empty if the same is said in another order.
func whatDiffers(g, w *Step) []string {
	switch {
	case g == nil:
		return []string{"the walk ends, instead of " + w.String()}
	case w == nil:
		return []string{g.String() + ", instead of the walk's end"}
	case g.Kind != w.Kind || g.Insn != w.Insn || g.From != w.From:
		return []string{g.String() + ", instead of " + w.String()}
	}
	var out []string
	if g.Text != w.Text {
		out = append(out, "the instruction: "+g.Text+" instead of "+w.Text)
	}
	out = append(out, DiffStates(ParseState(g.State), ParseState(w.State))...)
	for _, d := range DiffStates(ParseState(g.Other), ParseState(w.Other)) {
		out = append(out, "caller's "+d)
	}
	return out
}

// String gives the step as a log does.
func (s *Step) String() string {
	switch s.Kind {
	case Insn:
		if s.State == "" {
			return fmt.Sprintf("%d: %s", s.Insn, s.Text)
		}
		return fmt.Sprintf("%d: %s ; %s", s.Insn, s.Text, s.State)
	case From:
		return fmt.Sprintf("from %d to %d: %s", s.From, s.Insn, s.State)
	case Safe:
		if s.From >= 0 {
			return fmt.Sprintf("from %d to %d: safe", s.From, s.Insn)
		}
		return fmt.Sprintf("%d: safe", s.Insn)
	case Callee:
		return fmt.Sprintf("caller: %s callee: %s", s.Other, s.State)
	case Returning:
		return fmt.Sprintf("returning from callee: %s to caller at %d: %s", s.State, s.Insn, s.Other)
	}
	return fmt.Sprintf("%d: %s", s.Insn, s.State)
}

// String shows the difference with the steps before it.
func (d *Difference) String() string {
	if d == nil {
		return "no difference\n"
	}
	var b strings.Builder
	where := fmt.Sprintf("at instruction %d", d.Insn)
	if d.Insn < 0 {
		where = "at the end"
	}
	fmt.Fprintf(&b, "the logs part %s, after %d equal steps\n", where, d.Index)
	for i := range d.before {
		fmt.Fprintf(&b, "      %s\n", d.before[i].String())
	}
	side := func(sign string, s *Step, message string) {
		switch {
		case s != nil:
			fmt.Fprintf(&b, "  %s   %s\n", sign, s)
		case message != "":
			fmt.Fprintf(&b, "  %s   %s\n", sign, message)
		default:
			fmt.Fprintf(&b, "  %s   (end)\n", sign)
		}
	}
	side("-", d.Want, d.WantMessage)
	side("+", d.Got, d.GotMessage)
	for _, w := range d.What {
		fmt.Fprintf(&b, "  differs: %s\n", w)
	}
	return b.String()
}
