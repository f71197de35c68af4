package skep

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/verifier"
)

// VerifyOptions are the choices of Verify. The zero value asks for the verdict of Linux 6.18 of which the types are
// not known, on all programs.
type VerifyOptions struct {
	// Kernel is the kernel whose verdict is asked for. Nil: linux.Default.
	Kernel *linux.Kernel
	// Types are that kernel's types, for CO-RE and for programs that refer to the kernel by name. See object.LoadBTF.
	Types *object.BTF
	// Config is its configuration, for objects that ask for values of it: see object.Options.
	Config map[string]string
	// Programs names the programs to verify. Empty: all.
	Programs []string
	// LogLevel says what goes into the log of each verdict.
	LogLevel verifier.LogLevel
	// KeepStates keeps in each Proof the states that it found.
	KeepStates bool
}

func (o *VerifyOptions) kernel() *linux.Kernel {
	if o.Kernel == nil {
		return linux.Default
	}
	return o.Kernel
}

func (o *VerifyOptions) object() object.Options {
	v := o.kernel().Version
	version := uint32(v.Major())<<16 | uint32(v.Minor())<<8
	return object.Options{Types: o.Types, KernelVersion: version, Config: o.Config}
}

func (o *VerifyOptions) verifier() verifier.Options {
	return verifier.Options{Kernel: o.kernel(), KernelBTF: o.Types, LogLevel: o.LogLevel, KeepStates: o.KeepStates}
}

// Verify judges the programs of a spec, in the order of their names. An error is one of the spec as a whole; what is
// wrong with a program is in its Verdict. The spec is not changed. Options may be nil.
func Verify(spec *ebpf.CollectionSpec, opts *VerifyOptions) ([]*Verdict, error) {
	opts = orDefault(opts)
	c, err := object.FromSpec(spec, opts.object())
	if err != nil {
		return nil, err
	}
	return verifyAll(c, opts)
}

// VerifyReader judges the programs of a file: an ELF object, or a program as text, in the form that object.Parse reads.
func VerifyReader(r io.ReaderAt, opts *VerifyOptions) ([]*Verdict, error) {
	opts = orDefault(opts)
	c, err := readObject(r, opts.object())
	if err != nil {
		return nil, err
	}
	return verifyAll(c, opts)
}

func orDefault(o *VerifyOptions) *VerifyOptions {
	if o == nil {
		return &VerifyOptions{}
	}
	return o
}

// readObject reads an ELF object or a program as text.
func readObject(r io.ReaderAt, o object.Options) (*object.Collection, error) {
	const maxText = 16 << 20 // bytes: a program of the longest allowed length takes less
	var magic [4]byte
	if n, err := r.ReadAt(magic[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	} else if n == len(magic) && bytes.Equal(magic[:], []byte("\x7fELF")) || !printable(magic[:n]) {
		return object.LoadReader(r, o)
	}
	text, err := io.ReadAll(io.NewSectionReader(r, 0, maxText))
	if err != nil {
		return nil, err
	}
	p, err := object.Parse(string(text), o)
	if err != nil {
		return nil, err
	}
	name := p.Name
	if name == "" {
		name = "program"
	}
	c := &object.Collection{Programs: map[string]*object.Program{name: p}, Maps: map[string]*object.Map{}}
	for _, m := range p.Maps {
		c.Maps[m.Name] = m
	}
	return c, nil
}

// printable tells that a file that starts like this may be text.
func printable(b []byte) bool {
	return !bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' && r != '\r' || r > '~' })
}

// verifyAll judges the programs of a collection that opts names.
func verifyAll(c *object.Collection, opts *VerifyOptions) ([]*Verdict, error) {
	var out []*Verdict
	failed := map[string]*object.ProgramError{}
	for _, e := range c.Failed {
		failed[e.Name] = e
	}
	names := opts.Programs
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(c.Programs))
		names = slices.AppendSeq(names, maps.Keys(failed))
		slices.Sort(names)
	}
	for _, name := range names {
		p, e := c.Programs[name], failed[name]
		switch {
		case p != nil:
			v := verifyProgram(p, opts)
			v.Name = name
			out = append(out, v)
		case e != nil:
			out = append(out, &Verdict{Name: name, Section: e.Section, Err: e})
		default:
			return nil, fmt.Errorf("skep: there is no program %q", name)
		}
	}
	return out, nil
}

// verifyProgram judges a program. As cilium/ebpf does, it asks a refused one again for the log, if there was none: that
// has the lines of the message before the last.
func verifyProgram(p *object.Program, opts *VerifyOptions) *Verdict {
	o := opts.verifier()
	proof, err := verifier.Verify(p, o)
	if refused := (*verifier.Error)(nil); o.LogLevel == 0 && errors.As(err, &refused) {
		o.LogLevel = verifier.LogErrors
		_, err = verifier.Verify(p, o)
	}
	return &Verdict{Name: p.Name, Section: p.Section, Program: p, Proof: proof, Err: err}
}
