// Package interp is the checking interpreter: it runs any Program, verified or not, and checks every access
// against the Space that the program runs in. What a verified program never does ends the run with a Trap. So it
// is the referee for the verifier and for the native engine.
//
// # How it works
//
// New translates each slot of the program into 16 bytes (code.go): an operation with its width and form resolved,
// a displacement or jump distance, an immediate; and joins instructions that often stand together (fuse.go). One loop with
// one switch executes them (loop.go), and stops at what it does not know how to do, calls above all: run.go does that and
// goes on. What is wrong with an instruction as such (an unknown opcode, a jump out of the program) is a trap of its own
// in its place, and costs nothing elsewhere.
package interp

import (
	"errors"
	"fmt"
	"sync"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
	"github.com/skepbpf/skep/object"
)

// Options are the choices of New. Space must be there; the rest may be zero.
type Options struct {
	Space *memory.Space

	// Maps are the maps of the program, by index of Program.Maps. Instructions that name one that is not there trap.
	Maps []maps.Map

	// Budget is the number of instructions that a run may execute, more or less: it is looked at when a
	// jump is taken. 0 is DefaultBudget.
	Budget int64
	// MayGoto is how often each call of a function may go through its may_gotos. 0 is DefaultMayGoto, as in Linux.
	MayGoto uint32

	// Kfunc finds the function behind a call of a kernel function, by its BTF id and the index in fd_array. Nil, or
	// a nil result: the call traps.
	Kfunc func(id int32, module int16) *helpers.KernelFunc
	// Helper finds helpers in place of those of package helpers, which answer where it returns nil; it may be nil.
	Helper func(id int32) helpers.Func
	// Variable finds the address of a kernel variable by its BTF id (an LdImm64 with PseudoBTFID); 0 if there is none.
	Variable func(id int32) uint64

	// Target makes a Machine of what a prog array holds, for tail calls. Nil: elements must be Machines.
	Target func(element any) *Machine

	// Unchecked calls helpers without a check of their arguments against their prototypes: for verified programs.
	Unchecked bool

	// Observe is called before each instruction. It makes runs slow, and nil costs nothing.
	Observe func(*State)
}

// Defaults of Options.
const (
	DefaultBudget  = 1 << 32
	DefaultMayGoto = 8 << 20
)

// A Machine is a program ready to run. It may be used by several goroutines, each with a Run of its own.
type Machine struct {
	prog  *object.Program
	opts  Options
	space *memory.Space

	code     []code // what runs: by slot, then traps that jumps out of the program go to
	plain    []code // code without Observe's operations; the same as code if there are none
	exit     int    // slot of an exit that no instruction stands for
	calls    []callSite
	traps    []trapSite
	arena    bool // the program has an arena
	observed bool // code is not plain

	threads sync.Pool // *thread
}

// A State is what Options.Observe is given: valid during the call, and not to be changed.
type State struct {
	Insn  int         // slot of the instruction that is next
	Regs  *[16]uint64 // r0 to r10 are the first eleven
	Frame int         // 0 is that of the program
	Run   *helpers.Run
	// Program is what is running: another one after a tail call.
	Program *object.Program
}

// ErrNoSpace is the error of Options without a Space.
var ErrNoSpace = errors.New("interp: no Space to run in")

// New makes a Machine. It fails only for lack of a Space: what is wrong with the program shows when it runs.
func New(p *object.Program, o Options) (*Machine, error) {
	if o.Space == nil {
		return nil, ErrNoSpace
	}
	if p == nil {
		return nil, errors.New("interp: no program")
	}
	if o.Budget <= 0 {
		o.Budget = DefaultBudget
	}
	o.Budget = min(o.Budget, 1<<56) // in bytes of code it must fit
	if o.MayGoto == 0 {
		o.MayGoto = DefaultMayGoto
	}
	m := &Machine{prog: p, opts: o, space: o.Space}
	for _, mp := range o.Maps {
		if mp != nil && mp.Spec().Type == maps.Arena {
			m.arena = true
		}
	}
	m.translate()
	m.threads.New = func() any { return newThread() }
	return m, nil
}

// Program is what the Machine runs.
func (m *Machine) Program() *object.Program { return m.prog }

// Run runs the program with r1 = r.Ctx and returns r0. An error is a *Trap.
func (m *Machine) Run(r *helpers.Run) (uint64, error) {
	return m.Call(r, 0, &[5]uint64{uint64(r.Ctx)})
}

// RunMemory runs a program without a type, as raw virtual machines do: r1 is the address of some memory and r2 its
// length.
func (m *Machine) RunMemory(r *helpers.Run, a memory.Addr, n uint32) (uint64, error) {
	return m.Call(r, 0, &[5]uint64{uint64(a), uint64(n)})
}

// Call runs the program's function at the instruction with r1 to r5 as given: a callback that outlives the run
// that named it, such as a timer's.
func (m *Machine) Call(r *helpers.Run, insn int, args *[5]uint64) (uint64, error) {
	if insn < 0 || insn >= len(m.prog.Insns) {
		return 0, &Trap{Insn: insn, Reason: fmt.Sprintf("no instruction %d to start at", insn)}
	}
	t := m.threads.Get().(*thread)
	r0, err := t.start(m, r, insn, args)
	m.threads.Put(t)
	return r0, err
}

// Name of the operand forms in an operation; see code.
const (
	r64 = iota // 64 bits, register
	k64        // 64 bits, immediate
	r32
	k32
)

// Operations of the loop beyond those of isa, which are isa's number times 4 plus a form.
const (
	opTrap    = uint16(isa.NumOps)<<2 + iota // imm: index into Machine.traps
	opObserve                                // call Options.Observe, then do what plain says
	opHelper                                 // imm: index into Machine.calls
	opTail                                   // bpf_tail_call, checked

	// Two instructions as one; see fuse.

	opMovAdd  // dst = src + imm
	opMovLsh  // dst = src << imm
	opMovRsh  // dst = src >> imm
	opMovAnd  // dst = src & imm
	opZeroExt // dst = the low half of dst
	opSignExt // dst = the low half of dst, sign-extended
	opLshXor  // dst = src << imm; src ^= dst: three
	opRshXor  // dst = src >> imm; src ^= dst: three
	opRotate  // dst = src << imm; src >>= 64-imm; src |= dst: four
	numOps
)
