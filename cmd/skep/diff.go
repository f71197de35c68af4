package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep/internal/corpus"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/oracle"
	"github.com/skepbpf/skep/verifier"
)

type diffFlags struct {
	states, all bool
	id, area    string
	limit       int
	workers     int
}

func diffCommand() *cobra.Command {
	var f diffFlags
	c := &cobra.Command{
		Use:   "diff OBJECT…|CASES.jsonl.gz",
		Short: "Compare with the verifier of the running kernel",
		Long: `Diff loads programs into the running kernel, attaching nothing, and prints skep's verdict, message and cost beside the
kernel's where they differ. With --states it compares the state at every instruction, and shows the first that differs.

It needs Linux and the right to load programs. The exit status is 1 if anything differs.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return diff(c.OutOrStdout(), &f, args)
		},
	}
	fl := c.Flags()
	fl.BoolVar(&f.states, "states", false, "compare the states at every instruction, too")
	fl.BoolVar(&f.all, "all", false, "print programs on which all agrees, too")
	fl.StringVar(&f.id, "case", "", "only cases and programs whose name contains this `text`")
	fl.StringVar(&f.area, "area", "", "only cases whose area contains this `text`")
	fl.IntVar(&f.limit, "limit", -1, "print so `many` differences (-1: all)")
	fl.IntVarP(&f.workers, "workers", "j", runtime.NumCPU(), "compare so `many` programs at once")
	return c
}

// A candidate is a program to compare.
type candidate struct {
	id      string
	program func() (*object.Program, error)
}

// A comparison is what both say of a program.
type comparison struct {
	id           string
	skep, kernel corpus.Verdict
	got, want    *oracle.Log // with --states
	err          error       // it could not be compared
}

func diff(out io.Writer, f *diffFlags, paths []string) error {
	k, err := oracle.Open()
	if err != nil {
		return err
	}
	defer k.Close()
	types, err := k.BTF()
	if err != nil {
		return err
	}
	version, err := linux.ParseVersion(k.Release())
	if err != nil {
		return err
	}
	var all []candidate
	for _, path := range paths {
		some, err := candidates(path, k, types, f)
		if err != nil {
			return err
		}
		all = append(all, some...)
	}
	opts := verifier.Options{Kernel: linux.For(version), KernelBTF: types}
	var t diffTally
	compareAll(all, f.workers, func(c candidate) comparison { return compare(k, c, opts, f.states) }, func(c comparison) {
		t.add(out, c, f)
	})
	t.report(out, f, k.Release())
	if t.differ > 0 {
		return &exit{status: exitRefused}
	}
	return nil
}

// candidates are the programs of an object, or the cases of a corpus.
func candidates(path string, k *oracle.Kernel, types *object.BTF, f *diffFlags) ([]candidate, error) {
	if strings.HasSuffix(path, ".jsonl") || strings.HasSuffix(path, ".jsonl.gz") {
		return caseCandidates(path, k, types, f)
	}
	c, err := object.Load(path, object.Options{Types: types})
	if err != nil {
		return nil, err
	}
	var out []candidate
	for _, name := range slices.Sorted(maps.Keys(c.Programs)) {
		if p := c.Programs[name]; strings.Contains(name, f.id) {
			out = append(out, candidate{path + ":" + name, func() (*object.Program, error) { return p, nil }})
		}
	}
	for _, e := range c.Failed {
		out = append(out, candidate{path + ":" + e.Name, func() (*object.Program, error) { return nil, e.Err }})
	}
	return out, nil
}

// crashes is a kernel function that some kernels crash on when the map argument carries no BTF.
const crashes = "bpf_wq_init"

func caseCandidates(path string, k *oracle.Kernel, types *object.BTF, f *diffFlags) ([]candidate, error) {
	set, err := corpus.Open(path)
	if err != nil {
		return nil, err
	}
	here, err := set.KernelOf(k.Release(), types)
	if err != nil {
		return nil, err
	}
	var out []candidate
	for _, c := range set.Find(f.id) {
		if !strings.Contains(c.Area, f.area) {
			continue
		}
		out = append(out, candidate{c.ID, func() (*object.Program, error) {
			if c.Calls(crashes) {
				return nil, fmt.Errorf("not loaded: it calls %s", crashes)
			}
			return c.ProgramFor(here)
		}})
	}
	return out, nil
}

// compareAll compares some at once and tells of them in their order.
func compareAll(all []candidate, workers int, compare func(candidate) comparison, tell func(comparison)) {
	type slot struct {
		i int
		c comparison
	}
	next, done := make(chan int), make(chan slot)
	var wg sync.WaitGroup
	for range max(1, workers) {
		wg.Go(func() {
			for i := range next {
				done <- slot{i, compare(all[i])}
			}
		})
	}
	go func() {
		for i := range all {
			next <- i
		}
		close(next)
		wg.Wait()
		close(done)
	}()
	waiting := map[int]comparison{}
	at := 0
	for s := range done {
		waiting[s.i] = s.c
		for c, ok := waiting[at]; ok; c, ok = waiting[at] {
			delete(waiting, at)
			tell(c)
			at++
		}
	}
}

// compare asks both.
func compare(k *oracle.Kernel, c candidate, opts verifier.Options, states bool) (out comparison) {
	out.id = c.id
	p, err := c.program()
	if err != nil {
		out.err = err
		return out
	}
	var ko oracle.Options
	if states {
		ko.LogLevel = oracle.LogStates | oracle.LogStats
		opts.LogLevel = verifier.LogStates | verifier.LogStats
	}
	r, err := k.Load(p, ko)
	if err != nil {
		out.err = err
		return out
	}
	defer r.Close()
	out.kernel = corpus.Verdict{Verdict: r.Verdict, Errno: int(r.Errno), Message: r.Message, Processed: r.Processed,
		TotalStates: r.TotalStates, PeakStates: r.PeakStates, StackDepth: r.StackDepth}
	proof, err := safeVerify(p, opts)
	out.skep = verdictOf(proof, err)
	if states {
		out.want, out.got = oracle.ParseLog(r.Log), oracle.ParseLog(logOf(proof, err))
	}
	return out
}

// safeVerify turns a panic into an error, so that one program does not hide the others.
func safeVerify(p *object.Program, o verifier.Options) (proof *verifier.Proof, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return verifier.Verify(p, o)
}

// logOf is the log of a verdict.
func logOf(proof *verifier.Proof, err error) string {
	var refused *verifier.Error
	var unsupported *verifier.UnsupportedError
	switch {
	case proof != nil:
		return proof.Log
	case errors.As(err, &refused):
		return refused.Log
	case errors.As(err, &unsupported):
		return unsupported.Log
	}
	return ""
}
