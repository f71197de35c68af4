// Mutate looks for differences between skep and the running kernel: it changes cases of the corpus a little, by a
// seed, loads them into the kernel, which never attaches or runs them, and has skep judge them.
//
//	go run ./internal/cmd/mutate -n 20                  # 20 mutants a case: a table of what differs, by kind
//	go run ./internal/cmd/mutate -n 20 -seed 1000       # others
//	go run ./internal/cmd/mutate -n 20 -states          # compare all states, too
//	go run ./internal/cmd/mutate -calls -n 1000         # calls of helpers with all sorts of arguments
//	go run ./internal/cmd/mutate -show ID -seed 17      # one mutant: its changes, both logs, where they part
//
// Differences are put together by what both say, without the numbers; the shortest program stands for all.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/skepbpf/skep/internal/beside"
	"github.com/skepbpf/skep/internal/corpus"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/oracle"
	"github.com/skepbpf/skep/verifier"
)

type options struct {
	n, workers, most int
	seed             uint64
	id, area, show   string
	unsupported      bool
	states, calls    bool
	dir              string
	level            uint
	limit            int
}

func main() {
	log.SetFlags(0)
	var o options
	flag.IntVar(&o.n, "n", 10, "mutants a case; 0: the cases as they are, as skep diff compares them")
	flag.IntVar(&o.workers, "j", 1, "at once")
	flag.IntVar(&o.most, "most", 3000, "leave out cases of which more instructions are processed")
	flag.Uint64Var(&o.seed, "seed", 1, "of the first mutant of each case")
	flag.StringVar(&o.id, "case", "", "only cases whose id contains this")
	flag.StringVar(&o.area, "area", "", "only cases whose area contains this")
	flag.StringVar(&o.show, "show", "", "id of a case: show its mutant of that seed")
	flag.BoolVar(&o.unsupported, "unsupported", false, "list what is unsupported, too")
	flag.BoolVar(&o.states, "states", false, "compare the states at every instruction, too")
	flag.BoolVar(&o.calls, "calls", false, "programs that call helpers, for each type of program, instead of mutants")
	flag.StringVar(&o.dir, "corpus", "../shared/corpus", "folder of the corpus")
	flag.UintVar(&o.level, "l", 2, "log level of -show")
	flag.IntVar(&o.limit, "limit", 100, "print so many kinds of difference")
	flag.Parse()
	if err := run(&o); err != nil {
		log.Fatal("mutate: ", err)
	}
}

// A job is a mutant to compare.
type job struct {
	c    *corpus.Case
	base *object.Program
	seed uint64
}

// A runner has what all jobs share.
type runner struct {
	o    *options
	k    *oracle.Kernel
	opts verifier.Options

	mu   sync.Mutex
	done map[string]int
	kind map[string]*kind
}

// A kind of difference.
type kind struct {
	cause beside.Cause
	text  string
	count int
	size  int
	id    string
	seed  uint64
	what  []string
	ids   map[string]bool
}

func run(o *options) error {
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
	set, err := corpus.Open(o.dir)
	if err != nil {
		return err
	}
	here, err := set.KernelOf(k.Release(), types)
	if err != nil {
		return err
	}
	r := &runner{o: o, k: k, opts: verifier.Options{Kernel: facts, KernelBTF: types, CPUs: runtime.NumCPU()}, done: map[string]int{}, kind: map[string]*kind{}}
	if o.show != "" {
		return r.show(set, here)
	}
	start := time.Now()
	jobs := make(chan job)
	var wg sync.WaitGroup
	for range o.workers {
		wg.Go(func() {
			for j := range jobs {
				r.one(j)
			}
		})
	}
	var cases []*corpus.Case
	var programs []*object.Program
	for _, c := range set.Find(o.id) {
		if !strings.Contains(c.Area, o.area) || c.Want != nil && c.Want.Processed > o.most || c.Calls("bpf_wq_init") {
			continue
		}
		p, err := c.ProgramFor(here)
		if errors.Is(err, corpus.ErrNotThere) {
			continue
		}
		if err != nil {
			return err
		}
		cases, programs = append(cases, c), append(programs, p)
	}
	if o.calls {
		some := bases(programs)
		for i, n := range some {
			cases[i], programs[i] = cases[n], programs[n]
		}
		cases = cases[:len(some)]
	}
	for n, c := range cases {
		p := programs[n]
		if b, err := r.ask(p, 0); err != nil || c.Want != nil && (b.Verdict.Verdict != c.Want.Verdict || b.Processed != c.Want.Processed) {
			r.count("cases on which the kernel is not the recorded one")
			continue
		}
		if o.n == 0 {
			jobs <- job{c, p, 0}
		}
		for n := range o.n {
			jobs <- job{c, p, o.seed + uint64(n)}
		}
	}
	close(jobs)
	wg.Wait()
	r.report(time.Since(start))
	return nil
}

// long is from how many instructions processed on a log is too long.
const long = 20_000

func (r *runner) ask(p *object.Program, level uint32) (*beside.Judgement, error) {
	return beside.Ask(r.k, p, oracle.Options{LogLevel: level, LongProgram: long})
}

func (r *runner) judge(p *object.Program, level verifier.LogLevel) *beside.Judgement {
	o := r.opts
	o.LogLevel = level
	return beside.Judge(p, o)
}

func (r *runner) one(j job) {
	p, what := j.base, []string(nil)
	if j.seed != 0 {
		p, what = r.mutant(j.base, j.c.ID, j.seed)
	}
	if p == nil {
		r.count("not loaded")
		return
	}
	level := uint32(0) // the figures, and of refusals the path
	if r.o.states {
		level = oracle.LogStates | oracle.LogStats
	}
	want, err := r.ask(p, level)
	if err != nil {
		r.count("not asked")
		return
	}
	if why := want.NotJudged(); why != "" {
		r.count("not judged")
		return
	}
	r.count("kernel: " + want.Verdict.Verdict)
	if level == 0 && want.Verdict.Verdict == corpus.Reject {
		level = oracle.LogPath | oracle.LogStats
	}
	if want.Processed >= long {
		level = 0 // the kernel was not asked for its log
	}
	got := r.judge(p, verifier.LogLevel(level))
	if want.Processed >= long {
		want.Message, want.Log, got.Log = got.Message, "", ""
	}
	cause, text := compare(got, want, r.o.states)
	if text == "" {
		r.count("equal")
		return
	}
	if cause == beside.Unsupported {
		r.count("unsupported")
		if !r.o.unsupported && !strings.Contains(got.Message, "internal error") && !strings.Contains(got.Message, "backtracking") {
			return
		}
	}
	r.add(cause, text, len(p.Insns), j, what)
}

func (r *runner) mutant(p *object.Program, id string, seed uint64) (*object.Program, []string) {
	if r.o.calls {
		return caller(p, id, seed)
	}
	return mutant(p, id, seed)
}

func (r *runner) count(what string) {
	r.mu.Lock()
	r.done[what]++
	r.mu.Unlock()
}

func (r *runner) add(cause beside.Cause, text string, size int, j job, what []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.kind[text]
	if k == nil {
		k = &kind{cause: cause, text: text, ids: map[string]bool{}}
		r.kind[text] = k
	}
	k.count++
	k.ids[j.c.ID] = true
	if k.size == 0 || size < k.size {
		k.size, k.id, k.seed, k.what = size, j.c.ID, j.seed, what
	}
}

var (
	rxNumber = regexp.MustCompile(`0x[0-9a-f]+|-?\d+`)
	rxName   = regexp.MustCompile(`'[^']*'`)
	rxColumn = regexp.MustCompile(` +;`) // where it is depends on the length of addresses
	rxBits   = regexp.MustCompile(`\(N; N\)`)
)

// shape is a message without what is particular to the program.
func shape(s string) string {
	s = rxName.ReplaceAllString(s, "'…'")
	return rxBits.ReplaceAllString(rxNumber.ReplaceAllString(s, "N"), "N")
}

// compare gives the cause of a difference and names it; "" is none.
func compare(got, want *beside.Judgement, states bool) (beside.Cause, string) {
	say := func(j *beside.Judgement) string {
		if j.Verdict.Verdict == corpus.Accept {
			return "accept"
		}
		return fmt.Sprintf("%s %d: %s", j.Verdict.Verdict, j.Errno, shape(oracle.Normalize(j.Message)))
	}
	c := beside.Compare(got, want, states)
	name := strings.ToUpper(c.Cause.String()) + " "
	switch c.Cause {
	case beside.Unsupported:
		return c.Cause, name + shape(got.Message)
	case beside.Cost:
		return c.Cause, name + c.Why + " (" + shape(say(want)) + ")"
	case beside.State:
		if len(c.At.What) == 0 {
			return beside.Equal, ""
		}
		return c.Cause, name + shape(c.At.What[0])
	case beside.Equal:
		if a, b := quiet(got.Log), quiet(want.Log); !states && got.Verdict.Verdict == corpus.Reject && a != b {
			return beside.State, "LOG " + shape(firstDifference(a, b))
		}
		return c.Cause, ""
	}
	return c.Cause, fmt.Sprintf("%skernel %s\n      skep   %s", name, say(want), say(got))
}

// quiet is a log without the figures.
func quiet(s string) string {
	s = oracle.Normalize(s)
	if i := strings.Index(s, "verification time"); i >= 0 {
		s = s[:i]
	}
	return rxColumn.ReplaceAllString(s, " ;")
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		var a, b string
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			return "kernel " + strings.TrimSpace(b) + "\n      skep   " + strings.TrimSpace(a)
		}
	}
	return ""
}

func (r *runner) report(took time.Duration) {
	names := make([]string, 0, len(r.done))
	for n := range r.done {
		names = append(names, n)
	}
	sort.Strings(names)
	fmt.Printf("%.0f s", took.Seconds())
	for _, n := range names {
		fmt.Printf("; %s %d", n, r.done[n])
	}
	fmt.Println()
	kinds := make([]*kind, 0, len(r.kind))
	counts := map[beside.Cause]int{}
	for _, k := range r.kind {
		kinds = append(kinds, k)
		counts[k.cause] += k.count
	}
	for _, c := range beside.Causes() {
		if counts[c] > 0 {
			fmt.Printf("%s %d; ", c, counts[c])
		}
	}
	fmt.Println()
	sort.Slice(kinds, func(i, j int) bool {
		a, b := kinds[i], kinds[j]
		if a.cause != b.cause {
			return a.cause < b.cause
		}
		if a.count != b.count {
			return a.count > b.count
		}
		return a.text < b.text
	})
	for i, k := range kinds {
		if i == r.o.limit {
			fmt.Printf("… and %d more\n", len(kinds)-i)
			break
		}
		fmt.Printf("%5d %s\n      -show %s -seed %d (%s; %d slots; %d cases)\n", k.count, k.text, k.id, k.seed, strings.Join(k.what, ", "), k.size, len(k.ids))
	}
}

// show prints one mutant.
func (r *runner) show(set *corpus.Set, here *corpus.Kernel) error {
	cases := set.Find(r.o.show)
	if len(cases) != 1 {
		return fmt.Errorf("%q names %d cases", r.o.show, len(cases))
	}
	base, err := cases[0].ProgramFor(here)
	if err != nil {
		return err
	}
	p, what := base, []string(nil)
	if r.o.seed != 0 {
		p, what = r.mutant(base, cases[0].ID, r.o.seed)
	}
	if p == nil {
		return fmt.Errorf("that mutant is none, or must not be loaded")
	}
	fmt.Printf("changes: %v\n", what)
	changes(base, p)
	level := uint32(r.o.level) | oracle.LogStats
	want, err := r.ask(p, level)
	if err != nil {
		return err
	}
	got := r.judge(p, verifier.LogLevel(level))
	dir := os.TempDir()
	for _, f := range []struct{ name, text string }{{"mutate.kernel", want.Log}, {"mutate.skep", got.Log}} {
		if err := os.WriteFile(filepath.Join(dir, f.name), []byte(oracle.Normalize(f.text)), 0o644); err != nil {
			return err
		}
	}
	fmt.Printf("kernel: %v\nskep:   %v\n%v", &want.Verdict, &got.Verdict, oracle.Diff(got.Log, want.Log))
	return nil
}

// changes prints what was changed.
func changes(old, p *object.Program) {
	names := &isa.Names{Helper: linux.HelperName}
	fmt.Printf("type %d attach %d flags %#x license %q\n", p.Type, p.AttachType, p.Flags, p.License)
	for i := range p.Maps {
		if len(old.Maps) != len(p.Maps) {
			b := p.Maps[i]
			fmt.Printf("map %d: type %d key %d value %d entries %d flags %#x\n", i, b.Type, b.KeySize, b.ValueSize, b.MaxEntries, b.Flags)
			continue
		}
		a, b := old.Maps[i], p.Maps[i]
		if a != b {
			fmt.Printf("map %d: type %d key %d value %d entries %d flags %#x (was %d %d %d %d %#x) btf %v\n", i, b.Type, b.KeySize, b.ValueSize, b.MaxEntries, b.Flags,
				a.Type, a.KeySize, a.ValueSize, a.MaxEntries, a.Flags, b.BTF != nil)
		}
	}
	for i := range p.Insns {
		if len(old.Insns) != len(p.Insns) {
			fmt.Printf("  %4d %s\n", i, names.AppendLog(nil, p.Insns, i))
		} else if old.Insns[i] != p.Insns[i] {
			fmt.Printf("- %4d %s\n+ %4d %s\n", i, names.AppendLog(nil, old.Insns, i), i, names.AppendLog(nil, p.Insns, i))
		}
	}
}
