package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/interp"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/jit"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/verifier"
)

func pluginCommand() *cobra.Command {
	var engine string
	c := &cobra.Command{
		Use:   "plugin [MEMORY]",
		Short: "Run a program of the bpf_conformance suite",
		Long: `Plugin is skep as a plugin of the bpf_conformance suite: the program comes on standard input as one line of hex
bytes, the memory that r1 points to as the first argument, and r0 goes to standard output in hex.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return plugin(c.InOrStdin(), c.OutOrStdout(), engine, args)
		},
	}
	c.Flags().StringVar(&engine, "engine", "interp", "`engine` that runs it: interp, or jit, for which it is verified")
	return c
}

// plugin runs one program.
func plugin(in io.Reader, out io.Writer, engine string, args []string) error {
	run := map[string]func(code, mem []byte) (uint64, error){"interp": runRaw, "jit": runProved}[engine]
	if run == nil {
		return usage("there is no engine %q", engine)
	}
	text, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	code, err := hexBytes(string(text))
	if err != nil {
		return fmt.Errorf("program: %w", err)
	}
	var mem []byte
	if len(args) > 0 {
		if mem, err = hexBytes(args[0]); err != nil {
			return usage("memory: %v", err)
		}
	}
	r0, err := run(code, mem)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%x\n", r0)
	return err
}

// hexBytes reads hex bytes, separated by blanks or not.
func hexBytes(s string) ([]byte, error) {
	return hex.DecodeString(strings.Join(strings.Fields(s), ""))
}

// runRaw runs a program without a type on some memory.
func runRaw(code, mem []byte) (r0 uint64, err error) {
	insns, err := isa.DecodeProgram(code)
	if err != nil {
		return 0, err
	}
	space, err := memory.New(memory.Options{})
	if err != nil {
		return 0, err
	}
	defer space.Close()
	m, err := interp.New(&object.Program{Insns: insns}, interp.Options{Space: space})
	if err != nil {
		return 0, err
	}
	r, err := helpers.NewRun(space, nil)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	var a memory.Addr
	if len(mem) > 0 {
		if a, err = space.Alloc(uint32(len(mem)), memory.Context, memory.Read|memory.Write, "memory"); err != nil {
			return 0, err
		}
		space.CopyIn(a, mem)
	}
	return m.RunMemory(r, a, uint32(len(mem)))
}

// runProved runs a program as native code. Only what is verified can be: so the memory is the value of a map, and the
// program begins with instructions that put its address and its length where the suite has them.
func runProved(code, mem []byte) (r0 uint64, err error) {
	insns, err := isa.DecodeProgram(code)
	if err != nil {
		return 0, err
	}
	p := &object.Program{Type: uint32(linux.ProgTypeSocketFilter), License: "GPL"}
	head := []isa.Insn{isa.Binary(isa.Mov, 8, isa.R1, 0), isa.Binary(isa.Mov, 8, isa.R2, int32(len(mem)))}
	if len(mem) > 0 {
		value := make([]byte, len(mem))
		copy(value, mem)
		p.Maps = []*object.Map{{Name: "memory", Type: uint32(linux.MapTypeArray), KeySize: 4, ValueSize: uint32(len(mem)), MaxEntries: 1,
			Contents: []object.MapKV{{Key: make([]byte, 4), Value: value}}}}
		value64 := isa.Const64(isa.R1, isa.PseudoMapValue, 0)
		head = append(value64[:], head[1])
	}
	for i := range insns {
		// RFC 9669 takes shifts modulo the width; Linux refuses constants that are larger.
		if n := &insns[i]; (n.Op == isa.Lsh || n.Op == isa.Rsh || n.Op == isa.Arsh) && !n.SrcReg {
			n.Imm &= int32(n.Size)*8 - 1
		}
	}
	p.Insns = append(head, insns...)
	proof, err := verifier.Verify(p, verifier.Options{})
	if err != nil {
		return 0, err
	}
	space, err := memory.New(memory.Options{})
	if err != nil {
		return 0, err
	}
	defer space.Close()
	r, err := helpers.NewRun(space, nil)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	var used []maps.Map
	for _, m := range p.Maps {
		made, err := maps.New(space, &maps.Spec{Name: m.Name, Type: maps.Array, KeySize: 4, ValueSize: m.ValueSize, MaxEntries: 1}, 1)
		if err != nil {
			return 0, err
		}
		defer made.Close()
		if err := made.Put(m.Contents[0].Key, m.Contents[0].Value, 0); err != nil {
			return 0, err
		}
		used = append(used, made)
	}
	native, err := jit.Compile(proof, jit.Options{Space: space, Maps: used})
	if err != nil {
		return 0, err
	}
	if ok, why := native.Native(); !ok {
		return 0, why
	}
	return native.Run(r)
}
