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
	"github.com/skepbpf/skep/memory"
	"github.com/skepbpf/skep/object"
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
	c.Flags().StringVar(&engine, "engine", "interp", "`engine` that runs it: interp")
	return c
}

// plugin runs one program.
func plugin(in io.Reader, out io.Writer, engine string, args []string) error {
	if engine != "interp" {
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
	r0, err := runRaw(code, mem)
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
