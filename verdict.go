package skep

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep/internal/explain"
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/verifier"
)

// A Verdict is what the verifier says of a program: that it is accepted, that Linux refuses it, or that skep cannot
// tell.
type Verdict struct {
	Name    string
	Section string

	Program *object.Program // nil if it could not be made
	Proof   *verifier.Proof // nil unless the program is accepted

	// Err is nil if the program is accepted. Otherwise it is a *verifier.Error (refused), a
	// *verifier.UnsupportedError (cannot tell) or an *object.ProgramError (could not be made).
	Err error
}

// Accepted tells that Linux would load the program.
func (v *Verdict) Accepted() bool { return v.Proof != nil && v.Err == nil }

// Refused is the refusal, nil if the program is not refused.
func (v *Verdict) Refused() *verifier.Error {
	var e *verifier.Error
	errors.As(v.Err, &e)
	return e
}

// Cost is what verifying took, in the kernel's figures.
func (v *Verdict) Cost() verifier.Cost {
	var u *verifier.UnsupportedError
	switch e := v.Refused(); {
	case v.Proof != nil:
		return v.Proof.Cost
	case e != nil:
		return e.Cost
	case errors.As(v.Err, &u):
		return u.Cost
	}
	return verifier.Cost{}
}

// Log is the verifier's log, as VerifyOptions.LogLevel asked for.
func (v *Verdict) Log() string {
	var u *verifier.UnsupportedError
	switch e := v.Refused(); {
	case v.Proof != nil:
		return v.Proof.Log
	case e != nil:
		return e.Log
	case errors.As(v.Err, &u):
		return u.Log
	}
	return ""
}

// An Explanation is what a person needs to know of a program that is not accepted.
type Explanation struct {
	Code    string           // skep's stable name of the refusal, "" if it is none
	Message string           // the kernel's wording, or what is not supported
	Lines   []string         // the message with the lines that the kernel prints before its last one
	Insn    int              // slot that is to blame, -1 if none
	Line    *object.LineInfo // its source line, nil if unknown
	Path    []*object.LineInfo
	Why     string // in plain words; may be ""
	Help    string // what would help; may be ""
}

// Explain explains why the program is not accepted; nil if it is.
func (v *Verdict) Explain() *Explanation {
	if v.Accepted() || v.Err == nil {
		return nil
	}
	x := &Explanation{Insn: -1, Message: v.Err.Error()}
	var u *verifier.UnsupportedError
	switch e := v.Refused(); {
	case e != nil:
		x.Code, x.Message, x.Insn = e.Code, e.Message, e.Insn
		text := explain.Of(e.Code, e.Message)
		x.Why, x.Help = text.Why, text.Help
		x.Path = sourcePath(v.Program, e.Path)
		x.Lines = messageLines(e)
	case errors.As(v.Err, &u):
		x.Message, x.Insn = u.Feature, u.Insn
		x.Why = "This is not modelled yet, so there is no telling whether Linux accepts the program."
	default:
		x.Message = made(v.Err)
		if errors.Is(v.Err, object.ErrNoKernelTypes) {
			x.Why = "The program refers to types or functions of the kernel by name."
			x.Help = "Give the types of the kernel that it is for: --btf FILE, or in Go VerifyOptions.Types."
		}
	}
	x.Line = lineAt(v.Program, x.Insn)
	return x
}

// messageLines is the message of a refusal with what the log has before its last line: what comes after the last
// instruction.
func messageLines(e *verifier.Error) []string {
	var out []string
	for line := range strings.Lines(e.Log) {
		line = strings.TrimRight(line, "\n")
		switch head, _, ok := strings.Cut(line, ": "); {
		case strings.HasPrefix(line, "processed "), strings.HasPrefix(line, "verification time "), strings.HasPrefix(line, "stack depth "):
		case line == "", strings.HasPrefix(line, "; "), strings.HasPrefix(line, "from "), ok && strings.Trim(head, "0123456789") == "",
			strings.HasPrefix(line, "func#"), strings.HasPrefix(line, "mark_precise: "), strings.HasPrefix(line, "frame "):
			out = out[:0] // part of the walk: no message so far
		default:
			out = append(out, line)
		}
	}
	if len(out) == 0 || out[len(out)-1] != e.Message {
		return []string{e.Message} // the log is not of that form
	}
	return out
}

// made is why a program could not be made, without its name.
func made(err error) string {
	var e *object.ProgramError
	if errors.As(err, &e) {
		return e.Err.Error()
	}
	return err.Error()
}

// lineAt is the source line of an instruction, nil if the program does not say.
func lineAt(p *object.Program, insn int) *object.LineInfo {
	if p == nil || insn < 0 {
		return nil
	}
	i := sort.Search(len(p.Lines), func(i int) bool { return p.Lines[i].Insn > insn })
	if i == 0 {
		return nil
	}
	return &p.Lines[i-1]
}

// sourcePath are the source lines of a path, without repetitions of neighbours.
func sourcePath(p *object.Program, path []int) []*object.LineInfo {
	var out []*object.LineInfo
	for _, insn := range path {
		l := lineAt(p, insn)
		if l == nil || len(out) > 0 && out[len(out)-1].Line == l.Line && out[len(out)-1].File == l.File {
			continue
		}
		out = append(out, l)
	}
	return out
}

// A ProgramError is why a collection does not have a program: errors.As finds in it what Verdict.Err may be, and an
// *ebpf.VerifierError with the log if the program was refused.
type ProgramError struct{ Verdict *Verdict }

// Error names the program, the reason and the source line.
func (e *ProgramError) Error() string {
	x := e.Verdict.Explain()
	if x == nil {
		return fmt.Sprintf("program %s: not usable", e.Verdict.Name)
	}
	msg := x.Message
	if msg == "" {
		msg = x.Code
	}
	if x.Line != nil {
		msg += fmt.Sprintf(" (%s:%d: %s)", x.Line.File, x.Line.Line, strings.TrimSpace(x.Line.Text))
	}
	return fmt.Sprintf("program %s: %s", e.Verdict.Name, msg)
}

// Unwrap gives the verdict's error.
func (e *ProgramError) Unwrap() error { return e.Verdict.Err }

// As lets errors.As find the error of cilium/ebpf.
func (e *ProgramError) As(target any) bool {
	to, ok := target.(**ebpf.VerifierError)
	refusal := e.Verdict.Refused()
	if !ok || refusal == nil {
		return false
	}
	log := strings.Split(strings.TrimRight(refusal.Log, "\n"), "\n")
	if refusal.Log == "" {
		log = []string{refusal.Message}
	}
	*to = &ebpf.VerifierError{Cause: maps.Errno(refusal.Errno), Log: log}
	return true
}
