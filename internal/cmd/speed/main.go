// Speed compares the time that skep takes to verify the largest programs of a corpus with the time that the running
// kernel says it takes ("verification time" of log level 4), in turn, in the same minute. It needs root on Linux.
//
//	go run ./internal/cmd/speed -n 30 -rounds 5 ../shared/corpus
package main

import (
	"cmp"
	"flag"
	"fmt"
	"log"
	"math"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/skepbpf/skep/internal/corpus"
	"github.com/skepbpf/skep/oracle"
	"github.com/skepbpf/skep/verifier"
)

func main() {
	log.SetFlags(0)
	n := flag.Int("n", 30, "how many programs, those with the largest number of processed instructions")
	rounds := flag.Int("rounds", 5, "how often each is verified; the least time counts")
	flag.Parse()
	if err := run(flag.Arg(0), *n, *rounds); err != nil {
		log.Fatal("speed: ", err)
	}
}

// A row is the figures of one program.
type row struct {
	id           string
	processed    int
	skep, kernel time.Duration
	allocs       float64 // per processed instruction
}

var took = regexp.MustCompile(`verification time (\d+) usec`)

func run(dir string, n, rounds int) error {
	set, err := corpus.Open(dir)
	if err != nil {
		return err
	}
	k, err := oracle.Open()
	if err != nil {
		return err
	}
	defer k.Close()
	kb, err := k.BTF()
	if err != nil {
		return err
	}
	here, err := set.KernelOf(k.Release(), kb)
	if err != nil {
		return err
	}
	cases := slices.Clone(set.Cases)
	slices.SortStableFunc(cases, func(a, b *corpus.Case) int { return cmp.Compare(b.Want.Processed, a.Want.Processed) })
	var rows []row
	for _, c := range cases {
		if len(rows) == n {
			break
		}
		if c.Want.Verdict != corpus.Accept {
			continue
		}
		if r, ok := measure(k, here, c, rounds); ok {
			rows = append(rows, r)
		}
	}
	return report(rows)
}

// measure times one case; false if one of both does not accept it.
func measure(k *oracle.Kernel, here *corpus.Kernel, c *corpus.Case, rounds int) (row, bool) {
	r := row{id: c.ID, processed: c.Want.Processed, skep: math.MaxInt64, kernel: math.MaxInt64}
	p, err := c.ProgramFor(here)
	if err != nil {
		return r, false
	}
	for range rounds {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		proof, err := verifier.Verify(p, verifier.Options{KernelBTF: here.BTF, LogLevel: verifier.LogStats, CPUs: runtime.NumCPU()})
		d := time.Since(start)
		runtime.ReadMemStats(&after)
		if err != nil {
			return r, false
		}
		r.skep = min(r.skep, d)
		r.allocs = float64(after.Mallocs-before.Mallocs) / float64(proof.Cost.Processed)
		res, err := k.Load(p, oracle.Options{LogLevel: oracle.LogStats})
		if err != nil || res.Verdict != oracle.Accept {
			return r, false
		}
		m := took.FindStringSubmatch(res.Log)
		res.Close()
		if m == nil {
			return r, false
		}
		us, _ := strconv.Atoi(m[1]) // digits
		r.kernel = min(r.kernel, time.Duration(us)*time.Microsecond)
	}
	return r, true
}

func (r *row) ratio() float64 { return float64(r.skep) / float64(r.kernel) }

func report(rows []row) error {
	if len(rows) == 0 {
		return fmt.Errorf("no program that both accept")
	}
	sum, worst := 0.0, 0.0
	for i := range rows {
		sum += math.Log(rows[i].ratio())
		worst = max(worst, rows[i].allocs)
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(b.ratio(), a.ratio()) })
	tw := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "ratio\tskep\tkernel\tprocessed\tallocs/insn\tprogram\t")
	for i := range rows {
		r := &rows[i]
		fmt.Fprintf(tw, "%.2f\t%v\t%v\t%d\t%.3f\t%s\t\n", r.ratio(), r.skep.Round(time.Microsecond), r.kernel, r.processed, r.allocs, r.id)
	}
	tw.Flush() // to standard output
	fmt.Printf("geometric mean %.2f over %d programs; at most %.3f allocations per processed instruction\n",
		math.Exp(sum/float64(len(rows))), len(rows), worst)
	return nil
}
