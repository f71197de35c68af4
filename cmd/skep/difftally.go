package main

import (
	"fmt"
	"io"

	"github.com/skepbpf/skep/internal/corpus"
	"github.com/skepbpf/skep/oracle"
)

// A diffTally counts comparisons.
type diffTally struct {
	compared, skipped, unsupported       int
	verdicts, messages, rejects, accepts int // equal verdicts; of rejections, equal messages
	costs                                int // of acceptances, equal figures
	differ, printed                      int
	states                               oracle.Tally
}

// add counts a comparison and prints it, if it is to be seen.
func (t *diffTally) add(out io.Writer, c comparison, f *diffFlags) {
	if c.err != nil || c.kernel.Verdict == oracle.Refused {
		t.skipped++
		if f.all {
			why := c.kernel.Message
			if c.err != nil {
				why = c.err.Error()
			}
			fmt.Fprintf(out, "- %s: not compared: %s\n", c.id, why)
		}
		return
	}
	t.compared++
	var d *oracle.Difference
	if f.states && c.skep.Verdict != corpus.Unsupported {
		d = t.states.Add(c.id, c.got, c.want)
	}
	same := t.count(&c) && d == nil
	if same {
		if f.all {
			fmt.Fprintf(out, "= %s: %v\n", c.id, &c.kernel)
		}
		return
	}
	t.differ++
	if f.limit >= 0 && t.printed >= f.limit {
		return
	}
	t.printed++
	fmt.Fprintf(out, "≠ %s\n    kernel  %v\n    skep    %v\n", c.id, &c.kernel, &c.skep)
	if d != nil {
		fmt.Fprint(out, d)
	}
}

// count counts what is equal, and reports whether all is.
func (t *diffTally) count(c *comparison) bool {
	s, k := &c.skep, &c.kernel
	switch {
	case s.Verdict == corpus.Unsupported:
		t.unsupported++
		return false
	case s.Verdict != k.Verdict:
		return false
	}
	t.verdicts++
	if s.Verdict == corpus.Reject {
		t.rejects++
		same := oracle.Normalize(s.Message) == oracle.Normalize(k.Message)
		if same {
			t.messages++
		}
		return same && s.Errno == k.Errno
	}
	t.accepts++
	same := s.Processed == k.Processed && s.TotalStates == k.TotalStates && s.PeakStates == k.PeakStates && s.StackDepth == k.StackDepth
	if same {
		t.costs++
	}
	return same
}

func (t *diffTally) report(out io.Writer, f *diffFlags, release string) {
	fmt.Fprintf(out, "%d programs compared with Linux %s, %d not: verdict equal %d, unsupported %d; message equal %d of %d; cost equal %d of %d\n",
		t.compared, release, t.skipped, t.verdicts, t.unsupported, t.messages, t.rejects, t.costs, t.accepts)
	if f.states {
		// An error of the writer shows in what follows, if anybody reads it.
		_ = t.states.Report(out, 0)
	}
}
