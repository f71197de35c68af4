package interp

import (
	"errors"
	"fmt"
	"path"
	"sort"
	"strings"

	"github.com/skepbpf/skep/memory"
	"github.com/skepbpf/skep/object"
)

// A Trap is the end of a run by something that no verified program does: a bad access, a bad instruction, a bad
// argument, too many instructions.
type Trap struct {
	Program string // its name
	Insn    int    // slot, in Program
	Reason  string
	Frame   int    // calls deep: 0 is in the program itself
	Addr    uint64 // of a bad access

	// Object is what the address is in or nearest to, for a bad access; nil if there is nothing about.
	Object *memory.Object
	// Line is the source line, nil if the program does not say.
	Line *object.LineInfo
	// Err is the error behind it, if there is one: a *memory.Fault, a *helpers.BadArg.
	Err error
}

// Error says where, and why.
func (t *Trap) Error() string {
	var b strings.Builder
	b.WriteString("trap")
	if t.Program != "" {
		fmt.Fprintf(&b, " in %s", t.Program)
	}
	fmt.Fprintf(&b, " at instruction %d", t.Insn)
	if t.Line != nil {
		fmt.Fprintf(&b, " (%s:%d: %s)", path.Base(t.Line.File), t.Line.Line, strings.TrimSpace(t.Line.Text))
	}
	return b.String() + ": " + t.Reason
}

// Unwrap gives the error behind it.
func (t *Trap) Unwrap() error { return t.Err }

// lineAt is the source line of an instruction.
func lineAt(p *object.Program, insn int) *object.LineInfo {
	i := sort.Search(len(p.Lines), func(i int) bool { return p.Lines[i].Insn > insn })
	if i == 0 {
		return nil
	}
	return &p.Lines[i-1]
}

// NewTrap is the trap of a program at an instruction, so many calls deep, with the error of a helper that it called: for
// other engines. An err that is a Trap already is it.
func NewTrap(p *object.Program, insn, frame int, err error) *Trap {
	var inner *Trap
	if errors.As(err, &inner) {
		return inner
	}
	reason := err.Error()
	if name := callee(p, insn); name != "" {
		reason = name + ": " + reason
	}
	return makeTrap(p, insn, frame, reason, err)
}

// newTrap makes the trap of the machine at an instruction.
func (m *Machine) newTrap(insn, frame int, reason string, err error) *Trap {
	return makeTrap(m.prog, insn, frame, reason, err)
}

func makeTrap(p *object.Program, insn, frame int, reason string, err error) *Trap {
	t := &Trap{Program: p.Name, Insn: insn, Frame: frame, Reason: reason, Err: err, Line: lineAt(p, insn)}
	var f *memory.Fault
	if errors.As(err, &f) {
		t.Addr, t.Object = f.Addr, f.Object
	}
	return t
}
