package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/internal/beside"
	"github.com/skepbpf/skep/internal/corpus"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/verifier"
)

type parityFlags struct {
	kernel, out, before string
	area, id, run       string
	brief, verbose      bool
	messages, costs     int
	workers             int
}

func parityCommand() *cobra.Command {
	var f parityFlags
	c := &cobra.Command{
		Use:   "parity CASES.jsonl.gz",
		Short: "Judge a corpus and compare with recorded verdicts",
		Long: `Parity judges every case of a corpus and prints, area by area, how the verdicts, messages and costs compare with
those that the corpus records. Cases without a recorded verdict are only judged.

The BTF blobs that cases name, and the types of the kernels, lie beside the file.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return parity(c.OutOrStdout(), c.ErrOrStderr(), &f, args[0])
		},
	}
	fl := c.Flags()
	fl.StringVar(&f.kernel, "kernel", "", "`version` whose verdicts to compare with (default the one that the cases record)")
	fl.StringVar(&f.out, "out", "", "`file` to write the verdicts to, as JSON lines")
	fl.StringVar(&f.before, "before", "", "`file` of earlier verdicts (--out): also print what got better and worse")
	fl.StringVar(&f.run, "run", "", "also run what is accepted, by this `engine` (interp or jit), and compare return values")
	fl.StringVar(&f.area, "area", "", "only cases whose area contains this `text`")
	fl.StringVar(&f.id, "case", "", "only cases whose id contains this `text`")
	fl.BoolVar(&f.brief, "brief", false, "print the tables alone")
	fl.BoolVarP(&f.verbose, "verbose", "v", false, "print each case as it is judged")
	fl.IntVar(&f.messages, "messages", 20, "print so `many` differences of messages (-1: all)")
	fl.IntVar(&f.costs, "costs", 20, "print so `many` differences of costs (-1: all)")
	fl.IntVarP(&f.workers, "workers", "j", 0, "judge so `many` cases at once (default one a CPU)")
	return c
}

// parity judges the cases and reports.
func parity(out, errs io.Writer, f *parityFlags, path string) error {
	engine := skep.EngineAuto
	if f.run != "" {
		var err error
		if engine, err = skep.ParseEngine(f.run); err != nil {
			return usage("%v", err)
		}
	}
	set, err := corpus.Open(path)
	if err != nil {
		return err
	}
	kernel, types, err := parityKernel(set, f.kernel)
	if err != nil {
		return err
	}
	var cases []*corpus.Case
	for _, c := range set.Find(f.id) {
		if strings.Contains(c.Area, f.area) {
			cases = append(cases, c)
		}
	}
	if len(cases) == 0 {
		return usage("no case has %q in its id and %q in its area", f.id, f.area)
	}
	wants := map[string]*corpus.Verdict{}
	if f.kernel != "" || set.Recorded() != "" {
		if wants, err = set.Wants(f.kernel); err != nil {
			return err
		}
	}
	start := time.Now()
	results := parityRunner(out, errs, f).Run(cases, func(c *corpus.Case) corpus.Verdict {
		v := judge(c, kernel, types)
		// What cannot be judged runs all the same: the interpreter checks it.
		if w := wants[c.ID]; f.run != "" && v.Verdict != corpus.Reject && w != nil {
			v.Retvals = retvals(errs, c, w, kernel, types, engine)
		}
		return v
	})
	fmt.Fprintf(out, "%d cases judged in %.1f s for Linux %s\n", len(cases), time.Since(start).Seconds(), kernel.Version)
	if f.out != "" {
		if err := writeResults(f.out, results); err != nil {
			return err
		}
	}
	score := corpus.Compare(cases, wants, results)
	err = score.Report(out, corpus.ReportOptions{Brief: f.brief, Messages: f.messages, Processed: f.costs})
	if err != nil {
		return err
	}
	if f.before != "" {
		if err := printChanges(out, f.before, cases, wants, results); err != nil {
			return err
		}
	}
	if score.Total.Failed > 0 {
		return &exit{exitFailed, fmt.Errorf("%d cases could not be judged", score.Total.Failed)}
	}
	return nil
}

// parityKernel gives the kernel of a version that the corpus knows, "" being the recorded one, and its types.
func parityKernel(set *corpus.Set, version string) (*linux.Kernel, *corpus.Kernel, error) {
	k := linux.Default
	if version == "" {
		version = set.Recorded()
	}
	types, err := set.Kernel(version)
	if err != nil {
		return nil, nil, err
	}
	if version != "" {
		v, err := linux.ParseVersion(version)
		if err != nil {
			return nil, nil, &exit{exitUsage, err}
		}
		k = linux.For(v)
		if !types.Recorded() {
			// The others are Debian's builds: with kprobes, and CONFIG_KALLSYMS_ALL.
			k.Config.Extra.Add(linux.HelperProbeWriteUser)
		}
	}
	return k, types, nil
}

func parityRunner(out, errs io.Writer, f *parityFlags) *corpus.Runner {
	r := &corpus.Runner{Workers: f.workers, Stuck: func(c *corpus.Case, since time.Duration) {
		fmt.Fprintf(errs, "skep: %s has taken %.0f s so far\n", c.ID, since.Seconds())
	}}
	if f.verbose {
		r.Each = func(c *corpus.Case, v corpus.Verdict) { fmt.Fprintf(out, "%s [%s] %s\n", c.ID, c.Area, &v) }
	}
	return r
}

// recordedCPUs is how many CPUs the machines had that recorded the corpus: what bpf_get_smp_processor_id returns depends
// on it, and with it whether an index into an array of so many elements is in bounds.
const recordedCPUs = 2

// judge verifies a case.
func judge(c *corpus.Case, k *linux.Kernel, types *corpus.Kernel) corpus.Verdict {
	p, err := c.ProgramFor(types)
	if errors.Is(err, corpus.ErrNotThere) {
		return corpus.Verdict{Verdict: corpus.Unsupported, Message: err.Error()}
	}
	if err != nil {
		return corpus.Verdict{Verdict: corpus.Failed, Message: err.Error()}
	}
	start := time.Now()
	v := beside.Judge(p, verifier.Options{Kernel: k, KernelBTF: types.BTF, AllSymbols: !types.Recorded(), CPUs: recordedCPUs}).Verdict
	v.Usec = max(1, time.Since(start).Microseconds())
	return v
}

func writeResults(path string, results []corpus.Verdict) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	err = corpus.WriteResults(w, results)
	return errors.Join(err, w.Flush(), f.Close())
}

// printChanges compares with the results of an earlier run.
func printChanges(out io.Writer, before string, cases []*corpus.Case, wants map[string]*corpus.Verdict, results []corpus.Verdict) error {
	old, err := corpus.ReadResults(before)
	if err != nil {
		return err
	}
	broken, fixed := corpus.Changes(cases, wants, old, results)
	for _, group := range []struct {
		title   string
		changes []corpus.Change
	}{{"better", fixed}, {"worse", broken}} {
		fmt.Fprintf(out, "\n%s than before (%d)\n", group.title, len(group.changes))
		for _, c := range group.changes {
			fmt.Fprintln(out, c)
		}
	}
	return nil
}
