package oracle

import (
	"strconv"
	"strings"
)

// A State is an abstract state as a log prints it: of the registers and stack slots that matter there
// (often only those that changed), in the order printed.
type State struct {
	Frame int
	Items []Item
	Refs  string   // "2,4": ids of the references held
	Flags []string // what else is there: "cb", "async_cb"
}

// An Item is the value of a register or of a stack slot.
type Item struct {
	Name  string // "R1", "fp-8"
	Live  string // "w", "rw", "r": liveness marks of 6.17 and before
	Value string // "scalar(umax=4,var_off=(0x0; 0x7))"
}

// ParseState takes a state apart. It never fails: words that it does not know are Flags.
func ParseState(s string) State {
	var st State
	for _, word := range words(s) {
		name, value, isItem := strings.Cut(word, "=")
		switch {
		case strings.HasPrefix(word, "frame") && strings.HasSuffix(word, ":"):
			st.Frame = max(0, atoi(word[len("frame"):len(word)-1]))
		case isItem && name == "refs":
			st.Refs = value
		case isItem && (strings.HasPrefix(name, "R") || strings.HasPrefix(name, "fp-")):
			name, live, _ := strings.Cut(name, "_")
			st.Items = append(st.Items, Item{Name: name, Live: live, Value: value})
		default:
			st.Flags = append(st.Flags, word)
		}
	}
	return st
}

// words splits at the spaces that are not in parentheses.
func words(s string) []string {
	var out []string
	depth, from := 0, -1
	for i := range len(s) {
		switch c := s[i]; {
		case c == ' ' && depth == 0:
			if from >= 0 {
				out, from = append(out, s[from:i]), -1
			}
			continue
		case c == '(':
			depth++
		case c == ')':
			depth = max(0, depth-1)
		}
		if from < 0 {
			from = i
		}
	}
	if from >= 0 {
		out = append(out, s[from:])
	}
	return out
}

// Item gives the value of a register or slot.
func (s State) Item(name string) (Item, bool) {
	for _, it := range s.Items {
		if it.Name == name {
			return it, true
		}
	}
	return Item{}, false
}

// String prints the state as a log does.
func (s State) String() string {
	var out []string
	if s.Frame > 0 {
		out = append(out, "frame"+strconv.Itoa(s.Frame)+":")
	}
	for _, it := range s.Items {
		if it.Live != "" {
			it.Name += "_" + it.Live
		}
		out = append(out, it.Name+"="+it.Value)
	}
	if s.Refs != "" {
		out = append(out, "refs="+s.Refs)
	}
	return strings.Join(append(out, s.Flags...), " ")
}

// DiffStates names what differs between two states, one line each: "R1: scalar() instead of 5". It is empty if they say
// the same, in whatever order.
func DiffStates(got, want State) []string {
	var out []string
	differ := func(name, g, w string) {
		if g == w {
			return
		}
		if g == "" {
			g = "nothing"
		}
		if w == "" {
			w = "nothing"
		}
		out = append(out, name+": "+g+" instead of "+w)
	}
	if got.Frame != want.Frame {
		differ("frame", strconv.Itoa(got.Frame), strconv.Itoa(want.Frame))
	}
	for _, w := range want.Items {
		g, _ := got.Item(w.Name)
		differ(w.Name, g.Value, w.Value)
		if g.Value == w.Value {
			differ(w.Name+" liveness", g.Live, w.Live)
		}
	}
	for _, g := range got.Items {
		if _, ok := want.Item(g.Name); !ok {
			differ(g.Name, g.Value, "")
		}
	}
	differ("refs", got.Refs, want.Refs)
	differ("flags", strings.Join(got.Flags, " "), strings.Join(want.Flags, " "))
	return out
}
