package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/verifier"
)

type verifyFlags struct {
	target
	programs []string
	level    uint8
	format   string
}

func verifyCommand() *cobra.Command {
	var f verifyFlags
	c := &cobra.Command{
		Use:   "verify OBJECT…",
		Short: "Judge the programs of object files",
		Long: `Verify judges the programs of object files as the verifier of a Linux kernel would.

For an accepted program it prints what verifying cost; for a refused one the kernel's message, the source line,
why, and what would help. An object is an ELF file, or a program as text; "-" is standard input.`,
		Example: "  skep verify firewall.o\n  skep verify --kernel 5.15 --btf vmlinux-5.15.btf --prog xdp_fw firewall.o",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return verify(c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr(), &f, args)
		},
	}
	f.target.flags(c)
	c.Flags().StringSliceVar(&f.programs, "prog", nil, "`name` of a program to judge (default all)")
	c.Flags().Uint8Var(&f.level, "log", 0, "print the verifier's log: the sum of 1 (path to a refusal), 2 (all states), 4 (figures)")
	c.Flags().StringVar(&f.format, "format", "text", "text or json")
	return c
}

// verify judges the objects and prints the verdicts.
func verify(in io.Reader, out, errs io.Writer, f *verifyFlags, paths []string) error {
	if f.format != "text" && f.format != "json" {
		return usage("--format is text or json, not %q", f.format)
	}
	if f.level > 7 {
		return usage("--log is at most 7, not %d", f.level)
	}
	k, types, err := f.target.resolve()
	if err != nil {
		return err
	}
	opts := &skep.VerifyOptions{Kernel: k, Types: types, Programs: f.programs, LogLevel: verifier.LogLevel(f.level)}
	status := exitOK
	objects := make([]verifiedObject, 0, len(paths))
	for _, path := range paths {
		o := verifiedObject{Path: path}
		o.verdicts, o.err = verifyPath(in, path, opts)
		objects = append(objects, o)
		if o.err != nil {
			complain(errs, about(path, o.err))
			status = exitFailed
		}
		for _, v := range o.verdicts {
			if !v.Accepted() {
				status = max(status, exitRefused)
			}
		}
		if f.format == "text" {
			p := textPrinter{w: out, log: f.level != 0}
			p.object(&o, len(paths) > 1)
		}
	}
	if f.format == "json" {
		if err := writeJSON(out, k, objects, f.level != 0); err != nil {
			return err
		}
	}
	if status != exitOK {
		return &exit{status: status}
	}
	return nil
}

// about puts the name of a file into an error that does not have it.
func about(path string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) && pe.Path == path {
		return err
	}
	return fmt.Errorf("%s: %w", path, err)
}

// A verifiedObject is a file and what is to be said of it.
type verifiedObject struct {
	Path     string
	verdicts []*skep.Verdict
	err      error
}

func verifyPath(in io.Reader, path string, opts *skep.VerifyOptions) ([]*skep.Verdict, error) {
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return skep.VerifyReader(f, opts)
	}
	b, err := io.ReadAll(in)
	if err != nil {
		return nil, err
	}
	return skep.VerifyReader(bytes.NewReader(b), opts)
}

// Names of verdicts, as in --format json.
const (
	accept      = "accept"
	reject      = "reject"
	unsupported = "unsupported" // skep cannot tell
	unloadable  = "unloadable"  // the object's program could not be made
)

func verdictName(v *skep.Verdict) string {
	switch {
	case v.Accepted():
		return accept
	case v.Refused() != nil:
		return reject
	case v.Program == nil:
		return unloadable
	}
	return unsupported
}

// The JSON form of verdicts. It is an interface: fields are added, not changed.
type (
	jsonReport struct {
		Kernel  string       `json:"kernel"`
		Objects []jsonObject `json:"objects"`
	}
	jsonObject struct {
		Path     string        `json:"path"`
		Error    string        `json:"error,omitempty"`
		Programs []jsonVerdict `json:"programs"`
	}
	jsonVerdict struct {
		Name    string    `json:"name"`
		Section string    `json:"section,omitempty"`
		Type    string    `json:"type,omitempty"`
		Verdict string    `json:"verdict"`
		Code    string    `json:"code,omitempty"`
		Errno   int       `json:"errno,omitempty"`
		Message string    `json:"message,omitempty"`
		Lines   []string  `json:"lines,omitempty"` // of the message, where there are several
		Insn    *int      `json:"insn,omitempty"`
		File    string    `json:"file,omitempty"`
		Line    uint32    `json:"line,omitempty"`
		Column  uint32    `json:"column,omitempty"`
		Source  string    `json:"source,omitempty"`
		Why     string    `json:"why,omitempty"`
		Help    string    `json:"help,omitempty"`
		Cost    *jsonCost `json:"cost,omitempty"`
		Log     string    `json:"log,omitempty"`
	}
	jsonCost struct {
		Processed   int   `json:"processed"`
		TotalStates int   `json:"total_states"`
		PeakStates  int   `json:"peak_states"`
		StackDepth  []int `json:"stack_depth"`
	}
)

func writeJSON(w io.Writer, k *linux.Kernel, objects []verifiedObject, logs bool) error {
	r := jsonReport{Kernel: k.Version.String(), Objects: []jsonObject{}}
	for _, o := range objects {
		j := jsonObject{Path: o.Path, Programs: []jsonVerdict{}}
		if o.err != nil {
			j.Error = o.err.Error()
		}
		for _, v := range o.verdicts {
			jv := jsonOf(v)
			if logs {
				jv.Log = v.Log()
			}
			j.Programs = append(j.Programs, jv)
		}
		r.Objects = append(r.Objects, j)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(&r)
}

func jsonOf(v *skep.Verdict) jsonVerdict {
	j := jsonVerdict{Name: v.Name, Section: v.Section, Verdict: verdictName(v)}
	if v.Program != nil {
		c := v.Cost()
		j.Type = linux.ProgType(v.Program.Type).String()
		j.Cost = &jsonCost{c.Processed, c.TotalStates, c.PeakStates, append([]int{}, c.StackDepth...)}
	}
	if e := v.Refused(); e != nil {
		j.Errno = e.Errno
	}
	if x := v.Explain(); x != nil {
		j.Code, j.Message, j.Why, j.Help = x.Code, x.Message, x.Why, x.Help
		if len(x.Lines) > 1 {
			j.Lines = x.Lines
		}
		if x.Insn >= 0 {
			j.Insn = &x.Insn
		}
		if l := x.Line; l != nil {
			j.File, j.Line, j.Column, j.Source = l.File, l.Line, l.Col, l.Text
		}
	}
	return j
}
