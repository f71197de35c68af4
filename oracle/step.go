package oracle

import "strings"

// A Step is one event of the walk: an instruction with the state after it, a branch taken up, a pruned
// state, a call or a return. Steps are the same whether or not lines about precision or liveness
// stood between.
type Step struct {
	Kind  Kind // Insn, From, Safe, Callee, Returning, or StateAt where a walk begins
	Insn  int
	From  int
	Text  string // Insn: the instruction
	State string // Insn: after it. Callee: the callee's. Returning: what the callee leaves. From, StateAt: there.
	Other string // Callee, Returning: the caller's state
	Line  int    // index into Log.Lines
}

// Steps gives the events of the log, with what varies from run to run normalised.
func (l *Log) Steps() []Step {
	var out []Step
	last := func(k Kind) *Step {
		if n := len(out); n > 0 && out[n-1].Kind == k {
			return &out[n-1]
		}
		return nil
	}
	open := false   // the last Step is an Insn whose state has not been seen
	var into Kind   // what the next Frame line belongs to
	popped := false // a From was just seen: the StateAt behind it repeats its state
	for i := range l.Lines {
		line := &l.Lines[i]
		switch line.Kind {
		case Insn:
			text, _, _ := cutState(normalizeLine(line.Raw))
			_, text, _ = strings.Cut(text, ": ")
			out = append(out, Step{Kind: Insn, Insn: line.Insn, From: -1, Text: strings.TrimSpace(text), State: line.State, Line: i})
			open = line.State == ""
		case StateAt:
			// After an instruction it is its state, torn off by lines between; after a call or a branch it
			// repeats what has been said.
			switch s := last(Insn); {
			case open && s != nil:
				s.State = line.State
			case popped, last(Callee) != nil, last(Returning) != nil:
			default:
				out = append(out, Step{Kind: StateAt, Insn: line.Insn, From: -1, State: line.State, Line: i})
			}
			open = false
		case From, Safe:
			out = append(out, Step{Kind: line.Kind, Insn: line.Insn, From: line.From, State: line.State, Line: i})
			open = false
		case Caller:
			out = append(out, Step{Kind: Callee, Insn: -1, From: -1, Line: i})
			into, open = Caller, false
		case Returning:
			out = append(out, Step{Kind: Returning, Insn: -1, From: -1, Line: i})
			into, open = Returning, false
		case Callee:
			into = Callee
		case ToCaller:
			into = ToCaller
			if s := last(Returning); s != nil {
				s.Insn = line.Insn
			}
		case Frame:
			if n := len(out); n > 0 {
				if into == Caller || into == ToCaller {
					out[n-1].Other = line.State
				} else {
					out[n-1].State = line.State
				}
			}
		default:
			continue // says nothing of states; popped stays
		}
		popped = line.Kind == From
	}
	return out
}

// Equal tells that two steps say the same, down to the order in which registers are printed.
func (s *Step) Equal(t *Step) bool {
	return s.Kind == t.Kind && s.Insn == t.Insn && s.From == t.From && s.Text == t.Text && s.State == t.State && s.Other == t.Other
}
