package corpus

import (
	"fmt"
	"io"
	"sort"
	"strings"
	"text/tabwriter"
)

// ReportOptions say what Report lists besides the tables.
type ReportOptions struct {
	Messages  int // so many agreed rejections with another message; -1: all
	Processed int // so many agreed acceptances with another cost; -1: all
	Brief     bool
}

// Report writes the score: the agreement overall, by family and by area, then (unless Brief) what failed,
// every false accept and false reject with both messages, and the unsupported cases.
func (s *Score) Report(w io.Writer, o ReportOptions) error {
	e := &errWriter{w: w}
	t := &s.Total
	fmt.Fprintf(e, "agreement %s of the cases (%d of %d); false accepts %d, false rejects %d, unsupported %d, failed %d\n",
		share(t.Agree, t.Wanted), t.Agree, t.Wanted, t.FalseAccept, t.FalseReject, t.Unsupported, t.Failed)
	if n := t.Cases - t.Wanted; n > 0 {
		fmt.Fprintf(e, "%d more cases were judged without a recorded verdict\n", n)
	}
	fmt.Fprintf(e, "agreed rejections %d: message equal %s, errno equal %s\n", t.Rejects, share(t.MessageEqual, t.Rejects), share(t.ErrnoEqual, t.Rejects))
	fmt.Fprintf(e, "agreed acceptances %d: processed equal %s, within 10%% %s; total_states equal %s, peak_states %s; stack depth equal %s\n",
		t.Accepts, share(t.ProcessedEqual, t.Accepts), share(t.ProcessedNear, t.Accepts), share(t.StatesEqual, t.Accepts),
		share(t.PeakEqual, t.Accepts), share(t.DepthEqual, t.Accepts))
	if t.Runs > 0 {
		fmt.Fprintf(e, "return values equal %d of %d\n", t.RunsEqual, t.Runs)
	}
	fmt.Fprintln(e)
	s.table(e)
	if !o.Brief {
		list(e, "failed", s.Failures, -1)
		list(e, "false accepts", s.FalseAccepts, -1)
		list(e, "false rejects", s.FalseRejects, -1)
		list(e, "unsupported", s.Unsupporteds, -1)
		list(e, "other messages", s.Messages, o.Messages)
		list(e, "other costs", s.Processeds, o.Processed)
	}
	return e.err
}

// table writes the tallies by family and by area.
func (s *Score) table(w io.Writer) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name string, t *Tally) {
		fmt.Fprintf(tw, "%s\t%d\t%s\t%d\t%d\t%d\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t\n", name, t.Wanted, share(t.Agree, t.Wanted), t.FalseAccept,
			t.FalseReject, t.Unsupported, t.Failed, share(t.MessageEqual, t.Rejects), share(t.ErrnoEqual, t.Rejects),
			share(t.ProcessedEqual, t.Accepts), share(t.ProcessedNear, t.Accepts), share(t.StatesEqual, t.Accepts), share(t.DepthEqual, t.Accepts))
	}
	group := func(title string, m map[string]*Tally) {
		fmt.Fprintf(tw, "%s\tcases\tagree\tf.acc\tf.rej\tunsup\tfailed\tmessage\terrno\tproc.\twithin 10%%\tstates\tdepth\t\n", title)
		names := make([]string, 0, len(m))
		for n := range m {
			names = append(names, n)
		}
		sort.Slice(names, func(i, j int) bool {
			a, b := m[names[i]], m[names[j]]
			if a.Wanted != b.Wanted {
				return a.Wanted > b.Wanted
			}
			return names[i] < names[j]
		})
		for _, n := range names {
			row(n, m[n])
		}
	}
	group("FAMILY", s.Family)
	row("any of these", &s.InFamily)
	row("none of these", &s.Outside)
	group("AREA", s.Area)
	row("all", &s.Total)
	tw.Flush() // its writer keeps the error
}

func list(w io.Writer, title string, pairs []Pair, limit int) {
	if len(pairs) == 0 || limit == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s (%d)\n", title, len(pairs))
	for i, p := range pairs {
		if i == limit {
			fmt.Fprintf(w, "  … and %d more\n", len(pairs)-i)
			return
		}
		note := ""
		if p.Want != nil && p.Want.EnvSuspect != "" {
			note = " (the refusal may be due to that kernel's configuration)"
		}
		fmt.Fprintf(w, "  %s [%s]%s\n    want %s\n    got  %s\n", p.Case.ID, p.Case.Area, note, p.Want, p.Got)
		if p.Got.Stack != "" {
			fmt.Fprintf(w, "      %s\n", strings.ReplaceAll(strings.TrimSpace(p.Got.Stack), "\n", "\n      "))
		}
	}
}

// String gives the verdict in one line.
func (v *Verdict) String() string {
	if v == nil {
		return "nothing recorded"
	}
	switch v.Verdict {
	case Accept:
		return fmt.Sprintf("accept, processed %d, states %d/%d, stack %s", v.Processed, v.TotalStates, v.PeakStates, v.StackDepth)
	case Reject:
		return fmt.Sprintf("reject %d, processed %d: %s", v.Errno, v.Processed, v.Message)
	}
	return fmt.Sprintf("%s %d: %s", v.Verdict, v.Errno, v.Message)
}

func share(n, of int) string {
	if of == 0 {
		return "-"
	}
	if n < of && 2000*(of-n) < of {
		return "99.9%" // 100% is for all of them
	}
	return fmt.Sprintf("%.1f%%", 100*float64(n)/float64(of))
}

// An errWriter keeps the first error, so that a report is written without asking after every line.
type errWriter struct {
	w   io.Writer
	err error
}

func (e *errWriter) Write(b []byte) (int, error) {
	if e.err == nil {
		_, e.err = e.w.Write(b)
	}
	return len(b), nil
}
