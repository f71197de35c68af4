package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/internal/pcap"
	"github.com/skepbpf/skep/internal/value"
	"github.com/skepbpf/skep/interp"
	"github.com/skepbpf/skep/linux"
)

type runFlags struct {
	target
	prog, packet, file, ctx string
	cover, engine           string
	put, set                []string
	repeat                  uint32
	cpu                     uint32
	cpus                    int
	unverified, noMaps      bool
}

func runCommand() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run OBJECT --prog NAME",
		Short: "Run a program of an object on packets or a context",
		Long: `Run verifies a program and runs it: on each packet of a capture (pcap or pcapng), on one packet, or on a context.
It prints the return value, the packet if the program changed it, what it printed, and in the end what is in the maps.

A program that the verifier refuses or cannot judge is run with --unverified only; it ends where it does what is not allowed.`,
		Example: `  skep run firewall.o --prog firewall --file packets.pcap --put blocked4:203.0.113.0/24=1
  skep run classifier.o --prog classify --packet 0200...0800... --ctx '{"mark": 7}'`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return runProgram(c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr(), &f, args[0])
		},
	}
	f.target.flags(c)
	fl := c.Flags()
	fl.StringVar(&f.prog, "prog", "", "`name` of the program (not needed if the object has one)")
	fl.StringVar(&f.packet, "packet", "", "run on this packet, in `hex`")
	fl.StringVar(&f.file, "file", "", "run on each packet of this capture, or on this packet (`file`; - is standard input)")
	fl.StringVar(&f.ctx, "ctx", "", "context: `JSON` object of its struct's fields, list of 8-byte words, or x:BYTES")
	fl.StringArrayVar(&f.put, "put", nil, "put `MAP:KEY=VALUE` into a map first: numbers, addresses, networks, or x:BYTES")
	fl.StringArrayVar(&f.set, "set", nil, "set `VARIABLE=VALUE` before loading")
	fl.Uint32Var(&f.repeat, "repeat", 1, "run so `often` on each packet")
	fl.Uint32Var(&f.cpu, "cpu", 0, "virtual `CPU` to run on")
	fl.IntVar(&f.cpus, "cpus", 4, "`number` of virtual CPUs")
	fl.StringVar(&f.cover, "cover", "", "write a Go cover profile of the source lines to this `file` (go tool cover -html)")
	fl.StringVar(&f.engine, "engine", skep.EngineAuto.String(), "`engine`: auto, interp or jit")
	fl.BoolVar(&f.unverified, "unverified", false, "run even what is not accepted")
	fl.BoolVar(&f.noMaps, "no-maps", false, "do not print the maps")
	return c
}

// runProgram runs a program of an object as the flags say.
func runProgram(in io.Reader, out, errs io.Writer, f *runFlags, path string) error {
	engine, err := skep.ParseEngine(f.engine)
	if err != nil {
		return usage("--engine: %v", err)
	}
	packets, err := f.packets(in)
	if err != nil {
		return err
	}
	k, types, err := f.target.resolve()
	if err != nil {
		return err
	}
	name, spec, err := f.open(path)
	if err != nil {
		return err
	}
	opts := &skep.Options{VerifyOptions: skep.VerifyOptions{Kernel: k, Types: types, Programs: []string{name}},
		AllowUnverified: f.unverified, CPUs: f.cpus, Trace: out, Engine: engine}
	if f.cover != "" {
		opts.Cover = new(interp.Coverage)
	}
	c, err := spec.collection(opts)
	if pe := (*skep.ProgramError)(nil); errors.As(err, &pe) {
		p := textPrinter{w: out}
		p.verdict(pe.Verdict)
		return &exit{exitRefused, fmt.Errorf("%s is not accepted; --unverified runs it all the same", name)}
	}
	if err != nil {
		return err
	}
	defer c.Close()
	if err := putAll(c, f.put); err != nil {
		return err
	}
	p := c.Programs[name]
	ctx, err := contextOf(p, f.ctx)
	if err != nil {
		return err
	}
	readers, err := readersOf(c)
	if err != nil {
		return err
	}
	defer readers.close()
	if f.repeat == 1 {
		f.repeat = 0 // some types of programs take none
	}
	runErr := runAll(out, p, packets, ctx, f, readers)
	if !f.noMaps {
		printMaps(out, c)
	}
	if f.cover != "" {
		if err := writeCover(f.cover, opts.Cover, p); err != nil {
			return err
		}
	}
	return runErr
}

// writeCover writes what was covered, of the program and those that it has called.
func writeCover(path string, c *interp.Coverage, p *skep.Program) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(c.WriteProfile(f, p.Verdict().Program), f.Close())
}

// open reads the object and tells which program is meant.
func (f *runFlags) open(path string) (string, *source, error) {
	s, err := readSource(path)
	if err != nil {
		return "", nil, err
	}
	for _, v := range f.set {
		if err := s.set(v); err != nil {
			return "", nil, err
		}
	}
	names := s.programs()
	switch {
	case f.prog == "" && len(names) == 1:
		return names[0], s, nil
	case f.prog == "":
		return "", nil, usage("which program? --prog is one of %s", strings.Join(names, ", "))
	case !slices.Contains(names, f.prog):
		return "", nil, usage("there is no program %q: there is %s", f.prog, strings.Join(names, ", "))
	}
	return f.prog, s, nil
}

// packets are the packets to run on; a nil one where there is to be none.
func (f *runFlags) packets(in io.Reader) ([][]byte, error) {
	switch {
	case f.packet != "" && f.file != "":
		return nil, usage("--packet and --file exclude each other")
	case f.packet != "":
		b, err := hexBytes(f.packet)
		if err != nil {
			return nil, usage("--packet: %v", err)
		}
		return [][]byte{b}, nil
	case f.file == "":
		return [][]byte{nil}, nil
	}
	b, err := readFile(in, f.file)
	if err != nil {
		return nil, err
	}
	if !pcap.Is(b) {
		return [][]byte{b}, nil
	}
	capture, err := pcap.Read(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.file, err)
	}
	out := make([][]byte, len(capture))
	for i, p := range capture {
		if p.Link != pcap.Ethernet {
			return nil, fmt.Errorf("%s: packet %d has a link layer of type %d; only Ethernet (1) is understood", f.file, i, p.Link)
		}
		out[i] = p.Data
	}
	return out, nil
}

func readFile(in io.Reader, path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(in)
	}
	return os.ReadFile(path)
}

// runAll runs the program on each packet and prints what becomes of it.
func runAll(out io.Writer, p *skep.Program, packets [][]byte, ctx any, f *runFlags, readers readers) error {
	failed := 0
	for i, data := range packets {
		var ctxOut []byte
		o := skep.RunOptions{Data: data, Context: ctx, Repeat: f.repeat, CPU: f.cpu, DataOut: []byte{}}
		// A test run gives back less of the context than the program may have changed.
		o.Result = func(r *helpers.Run, _ uint64) error {
			ctxOut = append(ctxOut[:0], r.Context()...)
			return nil
		}
		ret, err := p.Run(&o)
		what := "run"
		if data != nil {
			what = fmt.Sprintf("packet %d (%d bytes)", i, len(data))
		}
		if err != nil {
			fmt.Fprintf(out, "%s: %v\n", what, err)
			failed++
			readers.print(out)
			continue
		}
		fmt.Fprintf(out, "%s: %s\n", what, resultText(p, ret))
		if data != nil && !bytes.Equal(data, o.DataOut) {
			fmt.Fprintf(out, "    now %d bytes: %s\n", len(o.DataOut), hex.EncodeToString(o.DataOut))
		}
		if changed := contextChanges(p, ctx, ctxOut); changed != "" {
			fmt.Fprintf(out, "    context: %s\n", changed)
		}
		readers.print(out)
	}
	if failed > 0 {
		return &exit{exitRefused, fmt.Errorf("%d of %d runs ended with an error", failed, len(packets))}
	}
	return nil
}

// resultText is a return value with its name.
func resultText(p *skep.Program, ret uint32) string {
	if name := linux.ProgType(p.Type()).Action(ret); name != "" {
		return fmt.Sprintf("%s (%d)", name, int32(ret))
	}
	return fmt.Sprint(int32(ret))
}

// putAll puts the elements that --put names into the maps.
func putAll(c *skep.Collection, put []string) error {
	for _, text := range put {
		name, rest, ok1 := strings.Cut(text, ":")
		key, val, ok2 := strings.Cut(rest, "=")
		m := c.Maps[name]
		switch {
		case !ok1 || !ok2:
			return usage("--put is MAP:KEY=VALUE, not %q", text)
		case m == nil:
			return usage("--put: there is no map %q: there is %s", name, strings.Join(slices.Sorted(maps.Keys(c.Maps)), ", "))
		}
		k, err := value.Parse(key, int(m.KeySize()))
		if err != nil {
			return usage("--put %s: key: %v", text, err)
		}
		v, err := value.Parse(val, int(m.ValueSize()))
		if err != nil {
			return usage("--put %s: value: %v", text, err)
		}
		if err := m.PutBytes(k, v); err != nil {
			return fmt.Errorf("--put %s: %w", text, err)
		}
	}
	return nil
}
