package oracle

import (
	"strconv"
	"strings"
)

// A Kind tells what a line of a verifier log is.
type Kind uint8

// Kinds of lines. The comment is the kernel's spelling.
const (
	Text      Kind = iota // anything else: messages, notes on functions and arguments
	Insn                  // 4: (07) r1 += -8    ; R1=fp-8
	StateAt               // 5: R0=scalar() fp-8=mmmmmmmm: the state in which instruction 5 is met
	From                  // from 7 to 9: R0=0 R10=fp0: the state popped from the stack of branches to walk
	Safe                  // 9: safe, from 7 to 9: safe: the state is included in one seen before
	Caller                // caller:
	Callee                // callee:
	Returning             // returning from callee:
	ToCaller              // to caller at 5:
	Frame                 // " frame1: R1=0", " R10=fp0": the state that goes with one of the four above
	Source                // ; x = y + 1; @ file.c:12
	Precise               // mark_precise: …, frame 0: propagating r1
	Liveness              // Live regs before insn: and its table, (0) frame 0 insn 5 +live -8, SCC enter (1)
	Figure                // func#1 @5, verification time, stack depth, processed
)

// A Line is a line of a verifier log.
type Line struct {
	Kind  Kind
	Insn  int    // the instruction it is about, -1 if none; for From and Safe the target
	From  int    // From and Safe: the branch, -1 if none is named
	Text  string // Insn: the instruction without its number; otherwise the line
	State string // the state it shows, spaces trimmed; ParseState takes it apart
	Raw   string
}

// A Log is a parsed verifier log.
type Log struct {
	Lines   []Line
	Message string // the last line that is not a figure, whatever the verdict
	Stats   Stats
}

// ParseLog parses a log of any level. It never fails: what it does not know is Text.
func ParseLog(log string) *Log {
	l := &Log{}
	l.Message, l.Stats = Summary(log)
	table := false // in the table below "Live regs before insn:"
	for raw := range strings.Lines(log) {
		raw = strings.TrimSuffix(raw, "\n")
		line := parseLine(raw)
		switch {
		case raw == "Live regs before insn:":
			table = true
		case table && isLiveRow(raw):
			line = Line{Kind: Liveness, Insn: -1, From: -1, Text: raw, Raw: raw}
		default:
			table = false
		}
		if raw != "" {
			l.Lines = append(l.Lines, line)
		}
	}
	return l
}

// isLiveRow matches "     12: .1........ (07) r1 += -8", with a component number before it or without.
func isLiveRow(raw string) bool {
	head, rest, ok := strings.Cut(raw, ": ")
	return ok && strings.Trim(head, " 0123456789") == "" && len(rest) > 10 && strings.Trim(rest[:10], ".0123456789") == ""
}

// IsMessage tells that a line of a log is a message: neither part of the walk nor a figure.
func IsMessage(line string) bool { return line != "" && parseLine(line).Kind == Text }

func parseLine(raw string) Line {
	line := Line{Insn: -1, From: -1, Text: raw, Raw: raw}
	switch {
	case strings.HasPrefix(raw, "; "):
		line.Kind = Source
	case strings.HasPrefix(raw, "mark_precise: "), strings.HasPrefix(raw, "frame ") && strings.Contains(raw, ": propagating"):
		line.Kind = Precise
	case raw == "Live regs before insn:", strings.HasPrefix(raw, "SCC "),
		strings.HasPrefix(raw, "(") && (strings.Contains(raw, ") frame ") || strings.Contains(raw, ") live stack update")):
		line.Kind = Liveness
	case isFigure(raw), strings.HasPrefix(raw, "func#"):
		line.Kind = Figure
	case raw == "caller:":
		line.Kind = Caller
	case raw == "callee:":
		line.Kind = Callee
	case raw == "returning from callee:":
		line.Kind = Returning
	case strings.HasPrefix(raw, "to caller at "):
		line.Kind = ToCaller
		line.Insn = atoi(strings.TrimSuffix(raw[len("to caller at "):], ":"))
	case strings.HasPrefix(raw, "from "):
		parseFrom(&line)
	case strings.HasPrefix(raw, " ") && isState(strings.TrimSpace(raw)):
		line.Kind, line.State = Frame, strings.TrimSpace(raw)
	default:
		parseNumbered(&line)
	}
	return line
}

// parseFrom parses "from 7 to 9: …".
func parseFrom(line *Line) {
	head, state, ok := strings.Cut(line.Raw, ": ")
	if !ok {
		head, ok = strings.CutSuffix(line.Raw, ":")
	}
	from, to, both := strings.Cut(strings.TrimPrefix(head, "from "), " to ")
	f, t := atoi(from), atoi(to)
	if !ok || !both || f < 0 || t < 0 {
		return
	}
	line.Kind, line.From, line.Insn, line.State = From, f, t, strings.TrimSpace(state)
	if line.State == "safe" {
		line.Kind, line.State = Safe, ""
	}
}

// parseNumbered parses what begins with the number of an instruction.
func parseNumbered(line *Line) {
	head, rest, ok := strings.Cut(line.Raw, ":")
	n := atoi(head)
	if !ok || n < 0 || rest != "" && rest[0] != ' ' {
		return
	}
	rest = strings.TrimSpace(rest)
	switch {
	case rest == "safe":
		line.Kind, line.Insn = Safe, n
	case isInsn(rest):
		line.Kind, line.Insn = Insn, n
		text, state, shows := cutState(rest)
		line.Text = strings.TrimSpace(text)
		if shows {
			line.State = strings.TrimSpace(state)
		}
	case rest == "" || isState(rest):
		line.Kind, line.Insn, line.State = StateAt, n, rest
	}
}

// cutState cuts an instruction from the state behind it. Spaces come before the semicolon, and a
// message may have been glued to the instruction's text; the state is what follows the last "; " that
// begins one (a tnum has one inside its parentheses).
func cutState(s string) (text, state string, shows bool) {
	for i := 0; ; {
		j := strings.Index(s[i:], " ;")
		if j < 0 {
			return s, "", false
		}
		j += i
		if rest := s[j+2:]; strings.TrimSpace(rest) == "" || rest[0] == ' ' && isState(strings.TrimSpace(rest)) {
			return s[:j], rest, true
		}
		i = j + 2
	}
}

// isInsn matches "(07) …".
func isInsn(s string) bool {
	return len(s) > 4 && s[0] == '(' && s[3] == ')' && isHex(s[1]) && isHex(s[2])
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' }

// isState tells that a text begins like a state: "frame1:", "R1=", "R1_w=", "fp-8=", "refs=", "cb", "async_cb".
func isState(s string) bool {
	word, _, _ := strings.Cut(s, " ")
	if word == "cb" || word == "async_cb" || strings.HasPrefix(word, "refs=") {
		return true
	}
	if rest, ok := strings.CutPrefix(word, "frame"); ok {
		return atoi(strings.TrimSuffix(rest, ":")) >= 0 && strings.HasSuffix(rest, ":")
	}
	name, _, ok := strings.Cut(word, "=")
	name, _, _ = strings.Cut(name, "_")
	if !ok {
		return false
	}
	if r, ok := strings.CutPrefix(name, "R"); ok {
		return atoi(r) >= 0
	}
	r, ok := strings.CutPrefix(name, "fp-")
	return ok && atoi(r) >= 0
}

// atoi gives the number that is the whole text, -1 for anything else.
func atoi(s string) int {
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return int(n)
	}
	return -1
}
