package skep

import (
	"errors"
	"fmt"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/interp"
	"github.com/skepbpf/skep/jit"
	"github.com/skepbpf/skep/maps"
)

// An Engine is what runs programs.
type Engine uint8

// The engines.
const (
	// EngineAuto is native code for programs that the verifier accepts, where it can be had, and else the interpreter.
	EngineAuto Engine = iota
	// EngineInterp is the interpreter, which checks each access and each argument of a helper.
	EngineInterp
	// EngineJIT is native code: a program that there is none for is an error. With Options.Cover there is none.
	EngineJIT
)

// String is the name of the engine, as ParseEngine reads it.
func (e Engine) String() string {
	switch e {
	case EngineInterp:
		return "interp"
	case EngineJIT:
		return "jit"
	}
	return "auto"
}

// ParseEngine is the engine of a name: auto, interp or jit.
func ParseEngine(name string) (Engine, error) {
	for e := EngineAuto; e <= EngineJIT; e++ {
		if name == e.String() {
			return e, nil
		}
	}
	return 0, fmt.Errorf("skep: %q is no engine: there are auto, interp and jit", name)
}

// Engine is what runs the program: EngineJIT or EngineInterp.
func (p *Program) Engine() Engine {
	if nativeTarget(p.m) != nil {
		return EngineJIT
	}
	return EngineInterp
}

// Why tells why the program is not native code; nil if it is.
func (p *Program) Why() error { return p.m.why }

// ErrNoNative is the error of asking for native code of a program that never becomes any.
var ErrNoNative = errors.New("skep: the program was loaded for the interpreter")

// NativeCode gives the code that the program becomes on an architecture (see jit.Archs), with what it was made of. It need not
// be this host's.
func (p *Program) NativeCode(arch string) (*jit.Listing, error) {
	if p.m.compiled == nil {
		return nil, ErrNoNative
	}
	return p.m.compiled.List(arch)
}

// errNotProved is why EngineJIT is an error for a program that is not accepted.
var errNotProved = errors.New("only what the verifier accepts becomes native code")

// engine is a program in an engine.
type engine interface {
	Run(*helpers.Run) (uint64, error)
}

// compile makes the machine's native code, or leaves it to the interpreter.
func (m *machine) compile(b *builder, used []maps.Map) error {
	p, err := jit.Compile(m.verdict.Proof, jit.Options{Space: b.w.space, Maps: used, Budget: b.opts.Budget, Target: nativeTarget,
		Machine: target, Kfunc: b.kfunc})
	if err != nil {
		return err
	}
	m.engine, m.compiled = p, p
	if ok, why := p.Native(); !ok {
		m.why = why
		if b.opts.Engine == EngineJIT {
			return fmt.Errorf("skep: program %s: %w", m.verdict.Name, why)
		}
		m.engine, err = p.Machine()
		return err
	}
	return nil
}

// nativeTarget is the native program of an element of a prog array; nil if it has none.
func nativeTarget(element any) *jit.Program {
	m, ok := element.(*machine)
	if !ok {
		return nil
	}
	p, _ := m.engine.(*jit.Program)
	return p
}

// target is the Machine of an element of a prog array.
func target(element any) *interp.Machine {
	m, ok := element.(*machine)
	if !ok {
		return nil
	}
	if p := nativeTarget(m); p != nil {
		t, _ := p.Machine()
		return t
	}
	t, _ := m.engine.(*interp.Machine)
	return t
}
