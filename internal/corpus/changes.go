package corpus

import "fmt"

// A Change is a case on which two runs of a verifier differ in how well they agree with the kernel.
type Change struct {
	Case          *Case
	Want          *Verdict
	Before, After *Verdict
}

// Changes compares two sets of results: broken are the cases whose agreement with the kernel got worse, fixed those where it
// got better. The order of merit is: failed, unsupported or the wrong verdict; the right verdict; and for
// that also the message, or the number of processed instructions.
func Changes(cases []*Case, wants map[string]*Verdict, before, after []Verdict) (broken, fixed []Change) {
	byID := func(vs []Verdict) map[string]*Verdict {
		m := make(map[string]*Verdict, len(vs))
		for i := range vs {
			m[vs[i].ID] = &vs[i]
		}
		return m
	}
	old, now := byID(before), byID(after)
	for _, c := range cases {
		want, b, a := wants[c.ID], old[c.ID], now[c.ID]
		if !wanted(want) || b == nil || a == nil {
			continue
		}
		switch mb, ma := merit(want, b), merit(want, a); {
		case ma < mb:
			broken = append(broken, Change{c, want, b, a})
		case ma > mb:
			fixed = append(fixed, Change{c, want, b, a})
		}
	}
	return broken, fixed
}

func merit(want, got *Verdict) int {
	switch {
	case got.Verdict != want.Verdict:
		return 0
	case got.Verdict == Reject && got.Message != want.Message, got.Verdict == Accept && got.Processed != want.Processed:
		return 1
	}
	return 2
}

// String shows the change with the wanted verdict.
func (c Change) String() string {
	return fmt.Sprintf("  %s [%s]\n    want   %s\n    before %s\n    after  %s", c.Case.ID, c.Case.Area, c.Want, c.Before, c.After)
}
