package jit

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/skepbpf/skep/jit/layout"
)

// A Listing is the native code of a program for an architecture, with what each part of it is.
type Listing struct {
	Arch  string // amd64 or arm64
	Code  []byte
	Parts []Part // in the order of Code, all of it
}

// A Part is a stretch of code, from Start to the Start of the next one.
type Part struct {
	Start int // in bytes
	Insn  int // the instruction that it was made of, or of whose function it is the prologue; -1 if it is none's
	Count int // of how many slots from Insn on, if they were written together; 0 if it is no instruction
	What  string
}

// Entry is what the Part is that starts and leaves programs.
const Entry = "entry and exits"

// mark is a Part whose place is not known yet.
type mark struct {
	at layout.Label
	Part
}

// Archs are the architectures that there is native code for.
func Archs() []string { return []string{"amd64", "arm64"} }

// List gives the native code of the program for an architecture, this host's or another, with all that modern processors
// have. It is not placed: code does not depend on where it will be.
func (p *Program) List(arch string) (*Listing, error) {
	if !slices.Contains(Archs(), arch) {
		return nil, fmt.Errorf("jit: no native code for %q: there is %v", arch, Archs())
	}
	l := &Listing{Arch: arch}
	err := p.compile(backendOf(arch, true), func(code *code, text []byte) error {
		l.Code, l.Parts = bytes.Clone(text), code.parts
		return nil
	})
	if err != nil {
		return nil, err
	}
	return l, nil
}

// mark notes that a part starts here, if somebody wants to know, and gives its number.
func (c *compiler) mark(insn, count int, what string) int {
	if !c.list {
		return 0
	}
	bld := c.b.builder()
	m := mark{bld.Label(), Part{Insn: insn, Count: count, What: what}}
	bld.Bind(m.at)
	c.parts = append(c.parts, m)
	return len(c.parts) - 1
}
