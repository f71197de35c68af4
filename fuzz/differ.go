package fuzz

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/oracle"
	"github.com/skepbpf/skep/verifier"
)

// A Judgement is what one verifier said.
type Judgement struct {
	Verdict     string // oracle.Accept, oracle.Reject; "unsupported" of ours
	Errno       int
	Message     string // normalised
	Processed   int
	TotalStates int
	PeakStates  int
	MaxPerInsn  int
	StackDepth  string
	Log         string
}

// String gives the judgement in a line.
func (j *Judgement) String() string {
	return fmt.Sprintf("%s errno=%d processed=%d states=%d peak=%d stack=%s: %s", j.Verdict, j.Errno, j.Processed, j.TotalStates,
		j.PeakStates, j.StackDepth, j.Message)
}

// place is a number that Linux counts in code that it has rewritten: it cannot be told without that.
var place = regexp.MustCompile(`(to jit at insn )\d+`)

// Want gives what scripts note of a judgement.
func (j *Judgement) Want() string {
	if j.Verdict == oracle.Accept {
		return fmt.Sprintf("accept processed=%d states=%d stack=%s", j.Processed, j.TotalStates, j.StackDepth)
	}
	return fmt.Sprintf("%s errno=%d processed=%d: %s", j.Verdict, j.Errno, j.Processed, place.ReplaceAllString(j.Message, "${1}<n>"))
}

// Verify has the program judged by the verifier.
func Verify(p *object.Program, o verifier.Options) (*Judgement, *verifier.Proof) {
	proof, err := verifier.Verify(p, o)
	j := &Judgement{Verdict: oracle.Accept}
	var c verifier.Cost
	var refused *verifier.Error
	var un *verifier.UnsupportedError
	switch {
	case err == nil:
		c, j.Log = proof.Cost, proof.Log
	case errors.As(err, &refused):
		j.Verdict, j.Errno, j.Message = oracle.Reject, refused.Errno, oracle.Normalize(refused.Message)
		c, j.Log = refused.Cost, refused.Log
	case errors.As(err, &un):
		j.Verdict, j.Message, j.Log = "unsupported", un.Feature, un.Log
	default:
		j.Verdict, j.Message = "failed", err.Error()
	}
	j.Processed, j.TotalStates, j.PeakStates, j.MaxPerInsn = c.Processed, c.TotalStates, c.PeakStates, c.MaxStatesPerInsn
	for i, n := range c.StackDepth {
		if i > 0 {
			j.StackDepth += "+"
		}
		j.StackDepth += strconv.Itoa(n)
	}
	return j, proof
}

// Ask has the program judged by the running kernel.
func Ask(k *oracle.Kernel, p *object.Program, level uint32) (*Judgement, error) {
	r, err := k.Load(p, oracle.Options{LogLevel: level})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return &Judgement{Verdict: r.Verdict, Errno: int(r.Errno), Message: oracle.Normalize(r.Message), Processed: r.Processed,
		TotalStates: r.TotalStates, PeakStates: r.PeakStates, MaxPerInsn: r.MaxPerInsn, StackDepth: r.StackDepth, Log: r.Log}, nil
}

// A Difference is how two judgements differ, the worst first.
type Difference string

// Differences.
const (
	Same        Difference = ""
	FalseAccept Difference = "false accept"
	FalseReject Difference = "false reject"
	Unsupported Difference = "unsupported"
	Errno       Difference = "errno"
	Message     Difference = "message"
	Processed   Difference = "processed"
	States      Difference = "states"
	StackDepth  Difference = "stack depth"
	Log         Difference = "log"
)

// Compare tells how our judgement differs from the kernel's.
func Compare(ours, kernel *Judgement) Difference {
	switch {
	case ours.Verdict == "unsupported" || ours.Verdict == "failed":
		return Unsupported
	case ours.Verdict != kernel.Verdict && ours.Verdict == oracle.Accept:
		return FalseAccept
	case ours.Verdict != kernel.Verdict:
		return FalseReject
	case ours.Errno != kernel.Errno:
		return Errno
	case ours.Message != kernel.Message:
		return Message
	case ours.Processed != kernel.Processed:
		return Processed
	case ours.TotalStates != kernel.TotalStates || ours.PeakStates != kernel.PeakStates || ours.MaxPerInsn != kernel.MaxPerInsn:
		return States
	case ours.StackDepth != kernel.StackDepth:
		return StackDepth
	}
	return Same
}

// Differ has the program judged by both. With states, the logs of the walk are compared too.
func Differ(k *oracle.Kernel, p *object.Program, o verifier.Options, states bool) (d Difference, ours, kernel *Judgement, err error) {
	level := uint32(0)
	if states {
		level = oracle.LogStates | oracle.LogStats
		o.LogLevel = verifier.LogStates | verifier.LogStats
	}
	ours, _ = Verify(p, o)
	if kernel, err = Ask(k, p, level); err != nil {
		return Same, ours, nil, err
	}
	d = Compare(ours, kernel)
	if d == Same && states && oracle.Diff(ours.Log, kernel.Log) != nil {
		d = Log
	}
	return d, ours, kernel, nil
}

// Text writes the program as object.Parse reads it.
func Text(p *object.Program) string { return text(p) }
