package object

import (
	"errors"
	"fmt"
)

// ErrNoType tells that a program's section does not say of which type it is. Whoever loads it may set the
// type in the CollectionSpec first.
var ErrNoType = errors.New("program type is unknown")

// ErrNoKernelTypes tells that something of an object can only be resolved with the types of a kernel, and
// Options.Types has none.
var ErrNoKernelTypes = errors.New("needs the types (BTF) of a kernel")

// An UnsupportedError is something that an object uses and that cannot be loaded from it here, though other
// loaders (libbpf) may be able to.
type UnsupportedError struct {
	Cause string // what it is: "a big-endian object", "a static map", …
	Err   error  // how the parser of the object put it; may be nil
}

// Error names the cause.
func (e *UnsupportedError) Error() string {
	if e.Err == nil {
		return "not supported: " + e.Cause
	}
	return fmt.Sprintf("not supported: %s (%v)", e.Cause, e.Err)
}

// Unwrap gives the parser's error.
func (e *UnsupportedError) Unwrap() error { return e.Err }

// A MalformedError is an object, or type information, that is not well formed.
type MalformedError struct {
	Name string // of the file, "" if unknown
	Err  error
}

// Error names the object and what is wrong with it.
func (e *MalformedError) Error() string {
	if e.Name == "" {
		return fmt.Sprintf("malformed object: %v", e.Err)
	}
	return fmt.Sprintf("%s: malformed object: %v", e.Name, e.Err)
}

// Unwrap gives what is wrong.
func (e *MalformedError) Unwrap() error { return e.Err }

// A ProgramError is why one program of an object could not be made.
type ProgramError struct {
	Name    string
	Section string
	Err     error
}

// Error names the program and the reason.
func (e *ProgramError) Error() string {
	if e.Section == "" {
		return fmt.Sprintf("program %s: %v", e.Name, e.Err)
	}
	return fmt.Sprintf("program %s (section %s): %v", e.Name, e.Section, e.Err)
}

// Unwrap gives the reason.
func (e *ProgramError) Unwrap() error { return e.Err }

// A RelocationError is a CO-RE relocation that could not be done.
type RelocationError struct {
	Insn       int    // slot of the instruction
	Line       string // where in the source, "" if unknown
	Relocation string // kind, type and accessor
	Err        error
}

// Error names the relocation and where it is.
func (e *RelocationError) Error() string {
	at := fmt.Sprintf("instruction %d", e.Insn)
	if e.Line != "" {
		at += " (" + e.Line + ")"
	}
	return fmt.Sprintf("%s: CO-RE relocation %s: %v", at, e.Relocation, e.Err)
}

// Unwrap gives the reason.
func (e *RelocationError) Unwrap() error { return e.Err }

// recovered turns a panic of the parsing library into an error: what it is given may be wild.
func recovered(err *error, doing string) {
	if r := recover(); r != nil {
		*err = &MalformedError{Err: fmt.Errorf("%s: %v", doing, r)}
	}
}
