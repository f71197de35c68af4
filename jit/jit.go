// Package jit makes native code of verified programs and runs it in place: without cgo, and without leaving it for what
// can be done there. See README.md for how it works.
//
// Compile takes a Proof, which only verifier.Verify makes. Where native code cannot be had (other hosts than Linux on
// amd64 and arm64, pages that must not be executable, a Space that is not a full one), a Program runs in package interp
// instead: Program.Native tells.
package jit

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/interp"
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/verifier"
)

// Options are the choices of Compile. Space must be there; the rest may be zero.
type Options struct {
	Space *memory.Space

	// Maps are the maps of the program, by index of Program.Maps.
	Maps []maps.Map

	// Budget is the number of instructions that a run may execute, more or less: native code counts rounds of those loops
	// only that may go on for long. 0 is interp.DefaultBudget.
	Budget int64
	// MayGoto is how often each call of a function may go through its may_gotos. 0 is interp.DefaultMayGoto.
	MayGoto uint32

	// Kfunc, Helper and Variable are as in interp.Options.
	Kfunc    func(id int32, module int16) *helpers.KernelFunc
	Helper   func(id int32) helpers.Func
	Variable func(id int32) uint64

	// Target makes a Program of what a prog array holds, for tail calls. Nil: elements must be Programs.
	Target func(element any) *Program
	// Machine is the same for elements that Target has no Program for. It may be nil.
	Machine func(element any) *interp.Machine

	// Interpret runs the program in package interp in any case.
	Interpret bool
}

// A Program is a program ready to run. It may be used by several goroutines, each with a Run of its own. Its code is freed
// when nobody holds it any more.
type Program struct {
	prog  *object.Program
	proof *verifier.Proof
	opts  Options
	space *memory.Space
	code  *code
	base  uintptr // of the code; 0: it is not native
	why   error   // why it is not

	interpreter func() (*interp.Machine, error)
}

// ErrNoSpace is the error of Options without a Space.
var ErrNoSpace = errors.New("jit: no Space to run in")

// ErrNoProof is the error of a Proof that proves nothing.
var ErrNoProof = errors.New("jit: no proof of a program")

// ErrInterpret is why a program is not native that was not to be.
var ErrInterpret = errors.New("jit: the interpreter was asked for")

// compilers are kept for their memory.
var compilers = sync.Pool{New: func() any { return new(compiler) }}

// Compile makes a program ready to run.
func Compile(proof *verifier.Proof, o Options) (*Program, error) {
	if proof == nil || proof.Program() == nil {
		return nil, ErrNoProof
	}
	if o.Space == nil {
		return nil, ErrNoSpace
	}
	if o.Budget <= 0 {
		o.Budget = interp.DefaultBudget
	}
	if o.MayGoto == 0 {
		o.MayGoto = interp.DefaultMayGoto
	}
	p := &Program{prog: proof.Program(), proof: proof, opts: o, space: o.Space}
	p.interpreter = sync.OnceValues(p.newMachine)
	if p.why = p.native(); p.why != nil {
		if _, err := p.interpreter(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// native makes native code, or says why there is none.
func (p *Program) native() error {
	if p.opts.Interpret {
		return ErrInterpret
	}
	if hostBackend() == nil {
		return fmt.Errorf("jit: no native code on %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	if err := p.space.Open(); err != nil {
		return err
	}
	return p.compile(nil, func(code *code, text []byte) error {
		at, err := pages.place(text)
		if err != nil {
			return err
		}
		runtime.AddCleanup(p, pages.free, at)
		code.relocate(at.addr)
		p.code, p.base = code, at.addr
		return nil
	})
}

// compile makes code and gives it to use, with its bytes, which use must not keep. A backend other than nil, which is the
// host's, means that the code is to be listed. A panic is a bug here, and an error for the caller: the program is as good in the
// interpreter.
func (p *Program) compile(b backend, use func(code *code, text []byte) error) (err error) {
	c := compilers.Get().(*compiler)
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("jit: internal error: %v", r)
			return // without the compiler, which may be in any state
		}
		c.forget()
		compilers.Put(c)
	}()
	if c.list = b != nil; !c.list {
		if c.host == nil {
			c.host = hostBackend()
		}
		b = c.host
	}
	code, text, err := c.compile(p.proof, &p.opts, b)
	if err != nil {
		return err
	}
	return use(code, text)
}

// newMachine makes the program for the interpreter.
func (p *Program) newMachine() (*interp.Machine, error) {
	o := &p.opts
	return interp.New(p.prog, interp.Options{Space: o.Space, Maps: o.Maps, Budget: o.Budget, MayGoto: o.MayGoto, Kfunc: o.Kfunc,
		Helper: o.Helper, Variable: o.Variable, Unchecked: true, Target: func(element any) *interp.Machine {
			return p.machineOf(element)
		}})
}

// targetOf is the program that an element of a prog array is.
func (p *Program) targetOf(element any) *Program {
	if p.opts.Target != nil {
		return p.opts.Target(element)
	}
	t, _ := element.(*Program)
	return t
}

// machineOf is what the interpreter runs for it; nil if that is nothing.
func (p *Program) machineOf(element any) *interp.Machine {
	if t := p.targetOf(element); t != nil {
		m, _ := t.Machine()
		return m
	}
	if p.opts.Machine != nil {
		return p.opts.Machine(element)
	}
	return nil
}

// Machine is the program as the interpreter runs it.
func (p *Program) Machine() (*interp.Machine, error) { return p.interpreter() }

// Program is what runs.
func (p *Program) Program() *object.Program { return p.prog }

// Native tells whether the program runs as native code; if not, the error says why.
func (p *Program) Native() (bool, error) { return p.base != 0, p.why }

// Size is the number of bytes of native code; 0 if there is none.
func (p *Program) Size() int {
	if p.code == nil {
		return 0
	}
	return p.code.size
}

// Run runs the program with r1 = r.Ctx and returns r0. An error is an *interp.Trap.
func (p *Program) Run(r *helpers.Run) (uint64, error) { return p.RunMemory(r, r.Ctx, 0) }

// RunMemory runs a program without a type, as raw virtual machines do: r1 is the address of some memory and r2 its
// length.
func (p *Program) RunMemory(r *helpers.Run, a memory.Addr, n uint32) (uint64, error) {
	if p.base == 0 {
		m, err := p.interpreter()
		if err != nil {
			return 0, err
		}
		return m.RunMemory(r, a, n)
	}
	args := [5]uint64{uint64(a), uint64(n)}
	t, ok := r.Engine.(*thread)
	if !ok || t.busy || r.Space != p.space {
		return p.runElse(r, args, 0)
	}
	return t.start(p, r, &args, 0)
}

// runElse is a run on a Run that has no thread yet, or whose thread is busy: a helper runs another program.
func (p *Program) runElse(r *helpers.Run, args [5]uint64, insn int) (uint64, error) {
	if r.Space != p.space {
		return 0, &interp.Trap{Program: p.prog.Name, Reason: "the Run is not one of the Machine's Space"}
	}
	t, ok := r.Engine.(*thread)
	if ok && t.busy {
		other, err := newThread(r)
		if err != nil {
			return 0, err
		}
		defer t.bind(r)
		return other.start(p, r, &args, insn)
	}
	if !ok {
		var err error
		if t, err = newThread(r); err != nil {
			return 0, err
		}
		r.Engine = t
	}
	return t.start(p, r, &args, insn)
}

// Call runs the program's function at the instruction with r1 to r5 as given: a callback that outlives the run that named
// it, such as a timer's.
func (p *Program) Call(r *helpers.Run, insn int, args *[5]uint64) (uint64, error) {
	if p.base == 0 || insn != 0 && p.code.funcs[insn] == 0 {
		m, err := p.interpreter()
		if err != nil {
			return 0, err
		}
		return m.Call(r, insn, args)
	}
	return p.runElse(r, *args, insn)
}
