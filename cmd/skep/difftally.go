package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/skepbpf/skep/internal/beside"
	"github.com/skepbpf/skep/internal/corpus"
)

// A diffTally counts comparisons, and keeps what is to be said of them at the end.
type diffTally struct {
	out     io.Writer
	flags   *diffFlags
	release string

	count           diffCount
	groups          []*diffGroup // of --table, in their order
	why             map[beside.Cause]map[string]int
	differ, printed int
	others          []compared // of --table: all that is not equal
}

// A diffCount counts comparisons of programs.
type diffCount struct {
	causes                               [beside.Equal + 1]int
	verdicts, rejects, accepts, messages int // equal verdicts, of which kind; of rejections, equal messages
	processed                            int // of acceptances, equal instructions processed
	walks, noWalk                        int // with --states: equal; not to be had
}

func (n *diffCount) programs() (sum int) {
	for _, m := range n.causes {
		sum += m
	}
	return sum
}

// judged are those of which the kernel gave a verdict.
func (n *diffCount) judged() int { return n.programs() - n.causes[beside.NotJudged] }

func (n *diffCount) add(c *beside.Comparison) {
	n.causes[c.Cause]++
	same := false
	switch c.Cause {
	case beside.NotJudged:
		return
	case beside.Unsupported, beside.Failed, beside.FalseAccept, beside.FalseReject:
	default:
		same = true
		n.verdicts++
		if c.Skep.Verdict.Verdict == corpus.Accept {
			n.accepts++
			if c.Skep.Processed == c.Kernel.Processed {
				n.processed++
			}
			break
		}
		n.rejects++
		if beside.SameMessage(c.Skep, c.Kernel) {
			n.messages++
		}
	}
	switch {
	case c.NoStates != "":
		n.noWalk++
	case same && c.At == nil:
		n.walks++
	}
}

// add counts a comparison and prints it, if it is to be seen.
func (t *diffTally) add(c compared) {
	t.count.add(c.Comparison)
	t.groupOf(c.candidate).add(c)
	if c.Cause != beside.Equal {
		if t.why == nil {
			t.why = map[beside.Cause]map[string]int{}
		}
		if t.why[c.Cause] == nil {
			t.why[c.Cause] = map[string]int{}
		}
		t.why[c.Cause][c.reason()]++
	}
	differs := c.Cause != beside.Equal && c.Cause != beside.NotJudged
	if differs {
		t.differ++
	}
	if t.flags.table {
		if c.Cause != beside.Equal {
			t.others = append(t.others, c)
		}
		return
	}
	switch {
	case differs && (t.flags.limit < 0 || t.printed < t.flags.limit):
		t.printed++
		fmt.Fprintf(t.out, "≠ %s: %s\n    kernel  %v\n    skep    %v\n", c.id, c.Cause, &c.Kernel.Verdict, &c.Skep.Verdict)
		if c.At != nil {
			fmt.Fprint(t.out, c.At)
		}
	case differs || !t.flags.all:
	case c.Cause == beside.NotJudged:
		fmt.Fprintf(t.out, "- %s: not compared: %s\n", c.id, c.Why)
	default:
		fmt.Fprintf(t.out, "= %s: %v\n", c.id, &c.Kernel.Verdict)
	}
}

// reason is what the causes of the end are told apart by.
func (c *compared) reason() string {
	switch c.Cause {
	case beside.NotJudged, beside.Unsupported, beside.Failed, beside.Cost:
		return c.Why
	}
	return "" // each has its own
}

// report says at the end how many differ, by cause.
func (t *diffTally) report() {
	n := &t.count
	fmt.Fprintf(t.out, "%d programs, %d of which Linux %s judged: verdict equal %s; message equal on %s rejections, processed on %s acceptances\n",
		n.programs(), n.judged(), t.release, of(n.verdicts, n.judged()), of(n.messages, n.rejects), of(n.processed, n.accepts))
	if t.flags.states {
		had := n.judged() - n.noWalk
		supported := had - n.causes[beside.Unsupported]
		fmt.Fprintf(t.out, "states equal at every instruction in %s of the programs whose states can be had, %s without the unsupported\n",
			of(n.walks, had), of(n.walks, supported))
		if n.noWalk > 0 {
			fmt.Fprintf(t.out, "%d programs have a log too long to compare\n", n.noWalk)
		}
	}
	for _, cause := range beside.Causes() {
		if n.causes[cause] == 0 {
			continue
		}
		fmt.Fprintf(t.out, "%6d %s\n", n.causes[cause], cause)
		for _, w := range t.reasons(cause) {
			fmt.Fprintf(t.out, "       %6d %s\n", t.why[cause][w], w)
		}
	}
}

// reasons are those of a cause, the most frequent first.
func (t *diffTally) reasons(cause beside.Cause) []string {
	var all []string
	for w := range t.why[cause] {
		if w != "" {
			all = append(all, w)
		}
	}
	slices.SortFunc(all, func(a, b string) int {
		return cmp.Or(cmp.Compare(t.why[cause][b], t.why[cause][a]), cmp.Compare(a, b))
	})
	return all
}

// of is a share as text.
func of(n, all int) string {
	if all == 0 {
		return "0 of 0"
	}
	return fmt.Sprintf("%d of %d (%.1f%%)", n, all, 100*float64(n)/float64(all))
}
