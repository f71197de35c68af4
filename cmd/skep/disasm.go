package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/jit"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
)

type disasmFlags struct {
	target
	programs []string
	noSource bool
	native   bool
	arch     string
}

func disasmCommand() *cobra.Command {
	var f disasmFlags
	c := &cobra.Command{
		Use:   "disasm OBJECT…",
		Short: "Print the instructions of an object's programs",
		Long: `Disasm prints the instructions of an object's programs as they would be loaded, all relocations done, as the
verifier's log spells them, with the source lines that the object has. With --native it prints the code that they become on
this host, or on another one with --arch, below each instruction.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return disassemble(c.OutOrStdout(), c.ErrOrStderr(), &f, args)
		},
	}
	f.target.flags(c)
	c.Flags().StringSliceVar(&f.programs, "prog", nil, "`name` of a program to print (default all)")
	c.Flags().BoolVar(&f.noSource, "no-source", false, "leave out source lines")
	c.Flags().BoolVar(&f.native, "native", false, "print native code, too")
	c.Flags().StringVar(&f.arch, "arch", defaultArch(), "`architecture` of native code: "+strings.Join(jit.Archs(), ", "))
	return c
}

// defaultArch is this host's, or one that there is native code for.
func defaultArch() string {
	if slices.Contains(jit.Archs(), runtime.GOARCH) {
		return runtime.GOARCH
	}
	return jit.Archs()[0]
}

func disassemble(out, errs io.Writer, f *disasmFlags, paths []string) error {
	k, types, err := f.target.resolve()
	if err != nil {
		return err
	}
	v := k.Version
	opts := object.Options{Types: types, KernelVersion: uint32(v.Major())<<16 | uint32(v.Minor())<<8}
	failed := false
	for _, path := range paths {
		c, err := object.Load(path, opts)
		if err != nil {
			return err
		}
		for _, e := range c.Failed {
			fmt.Fprintf(errs, "skep: %s: %v\n", path, e)
			failed = true
		}
		names := f.programs
		if len(names) == 0 {
			names = slices.Sorted(maps.Keys(c.Programs))
		}
		for _, name := range names {
			p := c.Programs[name]
			if p == nil {
				return usage("%s has no program %q", path, name)
			}
			var b bytes.Buffer
			l := newLister(&b, p, !f.noSource)
			if f.native {
				code, err := nativeCode(c, name, k, types, f.arch)
				if err != nil {
					fmt.Fprintf(errs, "skep: %s: %v\n", path, err)
					failed = true
					continue
				}
				l.native(name, code)
			} else {
				l.insns(name)
			}
			if _, err := b.WriteTo(out); err != nil {
				return err
			}
		}
	}
	if failed {
		return &exit{status: exitRefused}
	}
	return nil
}

// A lister prints a program.
type lister struct {
	*bytes.Buffer
	p     *object.Program
	funcs map[int]string    // names, by where they start
	lines []object.LineInfo // not printed yet
	text  []byte
}

func newLister(b *bytes.Buffer, p *object.Program, source bool) *lister {
	l := &lister{Buffer: b, p: p, funcs: map[int]string{}}
	for _, f := range p.Funcs {
		l.funcs[f.Insn] = f.Name
	}
	if source {
		l.lines = p.Lines
	}
	return l
}

// head prints what the program is.
func (l *lister) head(name string) {
	fmt.Fprintf(l, "%s (%v", name, linux.ProgType(l.p.Type))
	if l.p.Section != "" {
		fmt.Fprintf(l, ", section %s", l.p.Section)
	}
	fmt.Fprintf(l, "), %d instructions", len(l.p.Insns))
}

// insns prints the instructions.
func (l *lister) insns(name string) {
	l.head(name)
	l.WriteByte('\n')
	for pc := range l.p.Insns {
		l.insn(pc)
	}
	l.WriteByte('\n')
}

// insn prints an instruction, with the name of the function that starts there and the source lines since the one before.
func (l *lister) insn(pc int) {
	p := l.p
	if name, ok := l.funcs[pc]; ok {
		fmt.Fprintf(l, "%s:\n", name)
	}
	for len(l.lines) > 0 && l.lines[0].Insn <= pc {
		if s := &l.lines[0]; strings.TrimSpace(s.Text) != "" {
			fmt.Fprintf(l, "; %s @ %s:%d\n", strings.TrimSpace(s.Text), filepath.Base(s.File), s.Line)
		}
		l.lines = l.lines[1:]
	}
	if p.Insns[pc].Op == isa.LdImm64Hi {
		return
	}
	l.text = names.AppendLog(l.text[:0], p.Insns, pc)
	fmt.Fprintf(l, "%4d: %s%s\n", pc, l.text, refersTo(p, pc))
}

// refersTo says what an instruction refers to beyond itself.
func refersTo(p *object.Program, pc int) string {
	i := &p.Insns[pc]
	if i.Op != isa.LdImm64 || pc+1 == len(p.Insns) {
		return ""
	}
	m := func() string {
		if n := int(i.Imm); n >= 0 && n < len(p.Maps) && !p.BadFDs[pc] {
			return p.Maps[n].Name
		}
		return fmt.Sprintf("bad descriptor %d", i.Imm)
	}
	switch i.Src {
	case isa.PseudoMapFD:
		return "    ; map " + m()
	case isa.PseudoMapValue:
		return fmt.Sprintf("    ; map %s + %d", m(), uint32(p.Insns[pc+1].Imm))
	case isa.PseudoBTFID:
		return fmt.Sprintf("    ; kernel type %d", i.Imm)
	}
	return ""
}
