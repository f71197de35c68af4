package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/skepbpf/skep/internal/corpus"
	"github.com/skepbpf/skep/oracle"
)

// crashes is a kernel function that some kernels crash on when the map argument carries no BTF.
const crashes = "bpf_wq_init"

// pick gives the cases that the text and the flags name.
func pick(set *corpus.Set, text string, o *options) []*corpus.Case {
	var out []*corpus.Case
	for _, c := range set.Find(text) {
		if strings.Contains(c.Area, o.area) && (o.typ == "" || c.ProgTypeName == o.typ) {
			out = append(out, c)
		}
	}
	return out
}

func askCase(k *oracle.Kernel, here *corpus.Kernel, c *corpus.Case, o *options) error {
	if o.list {
		fmt.Printf("%s\t%s\t%s\n", c.ID, c.ProgTypeName, c.Area)
		return nil
	}
	fmt.Printf("=== %s (%s, area %s)\n", c.ID, c.ProgTypeName, c.Area)
	if c.Calls(crashes) {
		fmt.Println("--> not loaded, it calls", crashes)
		return nil
	}
	p, err := c.ProgramFor(here)
	if errors.Is(err, corpus.ErrNotThere) {
		fmt.Println("-->", err)
		return nil
	}
	if err != nil {
		return err
	}
	if o.diff != "" {
		mine, err := os.ReadFile(o.diff)
		if err != nil {
			return err
		}
		r, err := k.Load(p, oracle.Options{LogLevel: oracle.LogStates | oracle.LogStats})
		if err != nil {
			return err
		}
		defer r.Close()
		fmt.Print(oracle.Diff(string(mine), r.Log))
		return nil
	}
	r, err := load(k, p, o)
	if err != nil {
		return err
	}
	defer r.Close()
	if w := c.Want; w != nil && (w.Verdict != r.Verdict || w.Message != r.Message || w.Processed != r.Processed) {
		fmt.Println("    recorded:", w)
	}
	return nil
}

// check loads the cases and scores the running kernel as if it were the verifier under test.
func check(k *oracle.Kernel, here *corpus.Kernel, set *corpus.Set, cases []*corpus.Case) error {
	var runner corpus.Runner
	results := runner.Run(cases, func(c *corpus.Case) corpus.Verdict {
		if c.Calls(crashes) {
			return corpus.Verdict{Verdict: corpus.Unsupported, Message: "not loaded, it calls " + crashes}
		}
		p, err := c.ProgramFor(here)
		if err != nil {
			return corpus.Verdict{Verdict: corpus.Failed, Message: err.Error()}
		}
		r, err := k.Load(p, oracle.Options{})
		if err != nil {
			return corpus.Verdict{Verdict: corpus.Failed, Message: err.Error()}
		}
		defer r.Close()
		return corpus.Verdict{Verdict: r.Verdict, Errno: int(r.Errno), Message: r.Message, Processed: r.Processed,
			TotalStates: r.TotalStates, PeakStates: r.PeakStates, StackDepth: r.StackDepth}
	})
	wants, err := set.Wants("")
	if err != nil {
		return err
	}
	return corpus.Compare(cases, wants, results).Report(os.Stdout, corpus.ReportOptions{Messages: -1, Processed: -1})
}
