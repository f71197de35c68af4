// Campaign judges generated programs by skep and by the running kernel, and prints where they differ. It needs root on
// Linux; nothing that it loads is attached or run.
//
//	go run ./fuzz/internal/campaign -n 100000 -seed 1
//	go run ./fuzz/internal/campaign -n 10000 -states      # compare the states at every instruction too
//	go run ./fuzz/internal/campaign -seed 123 -n 1 -show  # one program, as text, and both verdicts
//	go run ./fuzz/internal/campaign -run -n 10000         # run accepted programs: no kernel is needed
//	go run ./fuzz/internal/campaign -file x.txt           # one program given as text
//
// Programs are those of fuzz.Seeded(seed), seed+1, ….
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"time"

	"github.com/skepbpf/skep/fuzz"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/oracle"
	"github.com/skepbpf/skep/verifier"
)

type options struct {
	seed, n uint64
	states  bool
	show    bool
	run     bool
	runs    int
	logs    bool
	limit   int
	keep    string
	file    string
	every   time.Duration
}

func main() {
	log.SetFlags(0)
	var o options
	flag.Uint64Var(&o.seed, "seed", 1, "first seed")
	flag.Uint64Var(&o.n, "n", 1000, "number of programs")
	flag.BoolVar(&o.states, "states", false, "compare the logs of the walk")
	flag.BoolVar(&o.show, "show", false, "print each program and its verdicts")
	flag.BoolVar(&o.run, "run", false, "run accepted programs and compare with the states of the proof")
	flag.BoolVar(&o.logs, "logs", false, "with -show: print the logs too")
	flag.IntVar(&o.runs, "runs", 4, "with -run: runs of each program")
	flag.IntVar(&o.limit, "limit", 20, "stop after so many differences of one cause being printed")
	flag.StringVar(&o.keep, "keep", "", "write the minimised programs into this folder")
	flag.StringVar(&o.file, "file", "", "a program as text")
	flag.DurationVar(&o.every, "every", 30*time.Second, "how often to print figures")
	flag.Parse()
	if err := campaign(&o); err != nil {
		log.Fatal("campaign: ", err)
	}
}

// A tally counts.
type tally struct {
	verdicts map[string]int
	diffs    map[fuzz.Difference]int
	causes   map[string]int
	total    int
	start    time.Time
}

func (t *tally) print() {
	s := time.Since(t.start).Seconds()
	fmt.Printf("%d programs in %.0f s (%.0f/s): verdicts %v, differences %v\n", t.total, s, float64(t.total)/s, t.verdicts, t.diffs)
}

var digits = regexp.MustCompile(`-?(0x[0-9a-f]+|\d+)`)

// cause groups differences.
func cause(d fuzz.Difference, ours, kernel *fuzz.Judgement) string {
	m := ours.Message
	if d == fuzz.FalseAccept || m == "" {
		m = kernel.Message
	} else if d == fuzz.Message {
		m += " | " + kernel.Message
	}
	return string(d) + ": " + digits.ReplaceAllString(m, "N")
}

func campaign(o *options) error {
	if o.run {
		return execute(o)
	}
	k, err := oracle.Open()
	if err != nil {
		return err
	}
	defer k.Close()
	if kernelBTF, err = k.BTF(); err != nil {
		return err
	}
	t := &tally{verdicts: map[string]int{}, diffs: map[fuzz.Difference]int{}, causes: map[string]int{}, start: time.Now()}
	if o.file != "" {
		b, err := os.ReadFile(o.file)
		if err != nil {
			return err
		}
		p, err := fuzz.Parse(string(b))
		if err != nil {
			return err
		}
		o.show = true
		return one(k, p, o, t, 0)
	}
	last := time.Now()
	for seed := o.seed; seed < o.seed+o.n; seed++ {
		if err := one(k, fuzz.Generate(fuzz.Seeded(seed)), o, t, seed); err != nil {
			return err
		}
		if time.Since(last) > o.every {
			last = time.Now()
			t.print()
		}
	}
	t.print()
	var names []string
	for c := range t.causes {
		names = append(names, c)
	}
	sort.Slice(names, func(i, j int) bool { return t.causes[names[i]] > t.causes[names[j]] })
	for _, c := range names {
		fmt.Printf("%6d %s\n", t.causes[c], c)
	}
	return nil
}

// options of the verifier: as the oracle's kernel is.
func verify() verifier.Options {
	return verifier.Options{CPUs: fuzz.CPUs(), AllSymbols: true, KernelBTF: kernelBTF}
}

var kernelBTF *object.BTF

func one(k *oracle.Kernel, p *object.Program, o *options, t *tally, seed uint64) error {
	d, ours, kernel, err := fuzz.Differ(k, p, verify(), o.states)
	if err != nil {
		return err
	}
	t.total++
	t.verdicts[kernel.Verdict]++
	if o.show {
		fmt.Printf("seed %d\n%s\nskep:   %s\nkernel: %s\n", seed, fuzz.Text(p), ours, kernel)
		if o.states {
			fmt.Print(oracle.Diff(ours.Log, kernel.Log))
		}
		if o.logs {
			fmt.Printf("---- skep's log\n%s---- the kernel's log\n%s", ours.Log, kernel.Log)
		}
	}
	if d == fuzz.Same && o.file == "" {
		return nil
	}
	t.diffs[d]++
	c := cause(d, ours, kernel)
	t.causes[c]++
	if o.file != "" {
		fmt.Printf("---- %s\n# want %s\n", d, kernel.Want())
		return nil
	}
	if t.causes[c] > 1 || len(t.causes) > o.limit {
		return nil
	}
	q := fuzz.Minimise(p, func(q *object.Program) bool {
		e, a, b, err := fuzz.Differ(k, q, verify(), o.states)
		return err == nil && e == d && cause(e, a, b) == c
	})
	_, ours, kernel, err = fuzz.Differ(k, q, verify(), o.states)
	if err != nil {
		return err
	}
	fmt.Printf("---- %s, seed %d\n%s\nskep:   %s\nkernel: %s\n", d, seed, fuzz.Text(q), ours, kernel)
	if o.states {
		fmt.Print(oracle.Diff(ours.Log, kernel.Log))
	}
	if o.keep != "" {
		name := filepath.Join(o.keep, fmt.Sprintf("%d.txt", seed))
		return os.WriteFile(name, []byte("# "+c+"\n"+fuzz.Text(q)), 0o644)
	}
	return nil
}
