package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
)

type disasmFlags struct {
	target
	programs []string
	noSource bool
}

func disasmCommand() *cobra.Command {
	var f disasmFlags
	c := &cobra.Command{
		Use:   "disasm OBJECT…",
		Short: "Print the instructions of an object's programs",
		Long: `Disasm prints the instructions of an object's programs as they would be loaded, all relocations done, as the
verifier's log spells them, with the source lines that the object has.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return disasm(c.OutOrStdout(), c.ErrOrStderr(), &f, args)
		},
	}
	f.target.flags(c)
	c.Flags().StringSliceVar(&f.programs, "prog", nil, "`name` of a program to print (default all)")
	c.Flags().BoolVar(&f.noSource, "no-source", false, "leave out source lines")
	return c
}

func disasm(out, errs io.Writer, f *disasmFlags, paths []string) error {
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
			printInsns(&b, name, p, !f.noSource)
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

// printInsns prints a program.
func printInsns(w *bytes.Buffer, name string, p *object.Program, source bool) {
	fmt.Fprintf(w, "%s (%v", name, linux.ProgType(p.Type))
	if p.Section != "" {
		fmt.Fprintf(w, ", section %s", p.Section)
	}
	fmt.Fprintf(w, "), %d instructions\n", len(p.Insns))
	funcs := map[int]string{}
	for _, f := range p.Funcs {
		funcs[f.Insn] = f.Name
	}
	lines := p.Lines
	var text []byte
	for pc := range p.Insns {
		if f, ok := funcs[pc]; ok {
			fmt.Fprintf(w, "%s:\n", f)
		}
		for len(lines) > 0 && lines[0].Insn <= pc {
			if l := &lines[0]; source && strings.TrimSpace(l.Text) != "" {
				fmt.Fprintf(w, "; %s @ %s:%d\n", strings.TrimSpace(l.Text), filepath.Base(l.File), l.Line)
			}
			lines = lines[1:]
		}
		if p.Insns[pc].Op == isa.LdImm64Hi {
			continue
		}
		text = names.AppendLog(text[:0], p.Insns, pc)
		fmt.Fprintf(w, "%4d: %s%s\n", pc, text, refersTo(p, pc))
	}
	w.WriteByte('\n')
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
