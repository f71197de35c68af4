package main

import (
	"io"
	"runtime"
	"sync"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep/internal/beside"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/oracle"
	"github.com/skepbpf/skep/verifier"
)

type diffFlags struct {
	states, all, table bool
	id, area           string
	inner              []string
	limit              int
	workers            int
}

func diffCommand() *cobra.Command {
	var f diffFlags
	c := &cobra.Command{
		Use:   "diff OBJECT…|DIR…|CASES.jsonl.gz",
		Short: "Compare with the verifier of the running kernel",
		Long: `Diff loads programs into the running kernel, attaching nothing, and prints skep's verdict, message and cost beside the
kernel's where they differ, and how many differ by what cause. With --states it compares the state at every instruction,
and shows the first that differs. Of a folder, all objects below it are compared.

It needs Linux and the right to load programs. The exit status is 1 if anything differs.`,
		Example: "  skep diff --states firewall.o\n  skep diff --table --inner containers=hash:8:4:256 objects/",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return diff(c.OutOrStdout(), &f, args)
		},
	}
	fl := c.Flags()
	fl.BoolVar(&f.states, "states", false, "compare the states at every instruction, too")
	fl.BoolVar(&f.all, "all", false, "print programs on which all agrees, or that cannot be compared, too")
	fl.BoolVar(&f.table, "table", false, "print a table in Markdown, a line for each folder in DIR, and below it what differs")
	fl.StringVar(&f.id, "case", "", "only cases and programs whose name contains this `text`")
	fl.StringVar(&f.area, "area", "", "only cases whose area contains this `text`")
	fl.StringArrayVar(&f.inner, "inner", nil, "`MAP=TYPE:KEY:VALUE:ENTRIES`, the inner map of a map of maps that an object leaves to its loader")
	fl.IntVar(&f.limit, "limit", -1, "print so `many` differences (-1: all)")
	fl.IntVarP(&f.workers, "workers", "j", runtime.NumCPU(), "compare so `many` programs at once")
	return c
}

// A candidate is a program to compare.
type candidate struct {
	group, object, id string // group is a line of --table
	program           func() (*object.Program, error)
}

// A compared candidate.
type compared struct {
	candidate
	*beside.Comparison
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
	facts, err := k.Facts()
	if err != nil {
		return err
	}
	l := &candidateLoader{kernel: k, types: types, flags: f}
	var all []candidate
	for _, path := range paths {
		some, err := l.load(path)
		if err != nil {
			return err
		}
		all = append(all, some...)
	}
	opts := verifier.Options{Kernel: facts, KernelBTF: types, CPUs: runtime.NumCPU()}
	t := &diffTally{out: out, flags: f, release: k.Release()}
	compareAll(all, f.workers, func(c candidate) compared { return compared{c, compare(k, c, opts, f.states)} }, t.add)
	if f.table {
		t.table()
	} else {
		t.report()
	}
	if t.differ > 0 {
		return &exit{status: exitRefused}
	}
	return nil
}

// compareAll compares some at once and tells of them in their order.
func compareAll(all []candidate, workers int, compare func(candidate) compared, tell func(compared)) {
	type slot struct {
		i int
		c compared
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
	waiting := map[int]compared{}
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
func compare(k *oracle.Kernel, c candidate, opts verifier.Options, states bool) *beside.Comparison {
	p, err := c.program()
	if err != nil {
		return &beside.Comparison{Cause: beside.NotJudged, Why: err.Error()}
	}
	var ko oracle.Options
	if states {
		ko.LogLevel = oracle.LogStates | oracle.LogStats
		opts.LogLevel = verifier.LogStates | verifier.LogStats
	}
	kernel, err := beside.Ask(k, p, ko)
	if err != nil {
		return &beside.Comparison{Cause: beside.NotJudged, Why: err.Error()}
	}
	return beside.Compare(beside.Judge(p, opts), kernel, states)
}
