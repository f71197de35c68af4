package beside

import (
	"fmt"

	"github.com/skepbpf/skep/internal/corpus"
	"github.com/skepbpf/skep/oracle"
)

// A Cause is how two judgements differ, by what is worst in it.
type Cause int

// Causes, the worst first.
const (
	Failed      Cause = iota // skep panicked, or gave an error that is no verdict
	FalseAccept              // skep accepts what the kernel refuses
	FalseReject
	Errno
	Message
	Cost        // processed, states or stack depth
	State       // the walks of the two logs part
	Unsupported // skep knows that it cannot tell
	NotJudged   // the kernel cannot tell
	Equal
)

var causes = [...]string{"skep fails", "false accept", "false reject", "errno", "message", "cost", "state", "unsupported", "the kernel cannot judge", "equal"}

// String names the cause: "false accept".
func (c Cause) String() string { return causes[c] }

// Causes are all, in their order.
func Causes() []Cause {
	all := make([]Cause, len(causes))
	for i := range all {
		all[i] = Cause(i)
	}
	return all
}

// A Comparison is what both say of a program and how that differs.
type Comparison struct {
	Cause        Cause
	Why          string // of NotJudged, Unsupported and Failed the reason, of Cost the figures that differ
	Skep, Kernel *Judgement
	At           *oracle.Difference // where the walks part, if they were compared and do
	NoStates     string             // why the walks could not be compared; "" if they were, or need not be
}

// Compare compares two judgements, and with states the walks in their logs (level 2).
func Compare(skep, kernel *Judgement, states bool) *Comparison {
	c := &Comparison{Cause: NotJudged, Why: kernel.NotJudged(), Skep: skep, Kernel: kernel}
	if c.Why != "" {
		return c
	}
	c.Cause, c.Why = verdicts(skep, kernel)
	if !states {
		return c
	}
	switch {
	case kernel.Truncated:
		c.NoStates = "the kernel's log is too long"
	case c.Cause != Unsupported && c.Cause != Failed:
		c.At = oracle.Diff(skep.Log, kernel.Log)
	}
	if c.At != nil && c.Cause == Equal {
		c.Cause = State
	}
	return c
}

func verdicts(s, k *Judgement) (Cause, string) {
	switch {
	case s.Verdict.Verdict == corpus.Unsupported:
		return Unsupported, s.Message
	case s.Verdict.Verdict == corpus.Failed:
		return Failed, s.Message
	case s.Verdict.Verdict != k.Verdict.Verdict && s.Verdict.Verdict == corpus.Accept:
		return FalseAccept, fmt.Sprintf("errno %d: %s", k.Errno, k.Message)
	case s.Verdict.Verdict != k.Verdict.Verdict:
		return FalseReject, fmt.Sprintf("errno %d: %s", s.Errno, s.Message)
	case s.Errno != k.Errno:
		return Errno, fmt.Sprintf("%d instead of %d", s.Errno, k.Errno)
	case !SameMessage(s, k):
		return Message, fmt.Sprintf("%q instead of %q", s.Message, k.Message)
	}
	if what := costs(s, k); what != "" {
		return Cost, what
	}
	return Equal, ""
}

// SameMessage tells that the messages are equal but for what varies from build to build.
func SameMessage(a, b *Judgement) bool {
	return oracle.Normalize(a.Message) == oracle.Normalize(b.Message)
}

// costs names the figures that differ.
func costs(s, k *Judgement) (what string) {
	for _, f := range []struct {
		name string
		same bool
	}{
		{"processed", s.Processed == k.Processed},
		{"total states", s.TotalStates == k.TotalStates},
		{"peak states", s.PeakStates == k.PeakStates},
		{"states of an instruction", s.MaxPerInsn == k.MaxPerInsn},
		{"stack depth", s.StackDepth == k.StackDepth || s.Verdict.Verdict != corpus.Accept},
	} {
		if f.same {
			continue
		}
		if what != "" {
			what += ", "
		}
		what += f.name
	}
	return what
}
