package corpus

import (
	"bytes"
	"slices"
	"strings"
)

// A Tally counts how verdicts compare with the wanted ones.
type Tally struct {
	Cases       int // judged
	Wanted      int // of these, with a wanted accept or reject: what the next five add up to
	Agree       int
	FalseAccept int
	FalseReject int
	Unsupported int
	Failed      int // the judge panicked or could not judge

	Rejects      int // agreed rejections
	MessageEqual int
	ErrnoEqual   int

	Accepts        int // agreed acceptances
	ProcessedEqual int
	ProcessedNear  int // within 10%, equal ones included
	StatesEqual    int // total_states
	PeakEqual      int // peak_states
	DepthEqual     int // stack depth

	Runs      int // wanted return values, where the judge ran the program or tried to
	RunsEqual int
}

// add counts one case.
func (t *Tally) add(want *Verdict, got *Verdict) {
	t.Cases++
	if !wanted(want) {
		return
	}
	t.Wanted++
	one := func(n *int, yes bool) {
		if yes {
			*n++
		}
	}
	for i, w := range want.Retvals {
		if got.Retvals == nil {
			break // it was not run
		}
		t.Runs++
		one(&t.RunsEqual, i < len(got.Retvals) && bytes.Equal(got.Retvals[i].Data, w.Data) && got.Retvals[i].Retval == w.Retval)
	}
	switch {
	case got.Verdict == Unsupported:
		t.Unsupported++
		return
	case got.Verdict != Accept && got.Verdict != Reject:
		t.Failed++
		return
	case got.Verdict != want.Verdict:
		one(&t.FalseAccept, got.Verdict == Accept)
		one(&t.FalseReject, got.Verdict == Reject)
		return
	}
	t.Agree++
	if got.Verdict == Reject {
		t.Rejects++
		one(&t.MessageEqual, got.Message == want.Message)
		one(&t.ErrnoEqual, got.Errno == want.Errno)
		return
	}
	t.Accepts++
	one(&t.ProcessedEqual, got.Processed == want.Processed)
	one(&t.ProcessedNear, 10*max(got.Processed-want.Processed, want.Processed-got.Processed) <= want.Processed)
	one(&t.StatesEqual, got.TotalStates == want.TotalStates)
	one(&t.PeakEqual, got.PeakStates == want.PeakStates)
	one(&t.DepthEqual, got.StackDepth == want.StackDepth)
}

// wanted tells that a kernel decided.
func wanted(v *Verdict) bool { return v != nil && (v.Verdict == Accept || v.Verdict == Reject) }

// A Pair is a case with both verdicts.
type Pair struct {
	Case *Case
	Want *Verdict
	Got  *Verdict
}

// A Score says how a verifier compares with a kernel over a corpus.
type Score struct {
	Total    Tally
	InFamily Tally             // cases that name one of the Families
	Outside  Tally             // those that do not
	Family   map[string]*Tally // by name; a case may be in several
	Area     map[string]*Tally // by Case.Area

	// The cases behind the counts, in the order of the corpus.
	FalseAccepts, FalseRejects, Unsupporteds, Failures []Pair
	Messages                                           []Pair // agreed rejections with another message
	Processeds                                         []Pair // agreed acceptances with another number of processed instructions
}

// Compare scores results against what a kernel said, by case id (Set.Wants). Results for cases that are
// not given, and cases without result, do not count.
func Compare(cases []*Case, wants map[string]*Verdict, results []Verdict) *Score {
	s := &Score{Family: map[string]*Tally{}, Area: map[string]*Tally{}}
	byID := make(map[string]*Verdict, len(results))
	for i := range results {
		byID[results[i].ID] = &results[i]
	}
	for _, c := range cases {
		if got := byID[c.ID]; got != nil {
			s.add(c, wants[c.ID], got)
		}
	}
	return s
}

func (s *Score) add(c *Case, want, got *Verdict) {
	s.Total.add(want, got)
	of(s.Area, c.Area).add(want, got)
	families := c.Families()
	for _, f := range families {
		of(s.Family, f).add(want, got)
	}
	if len(families) > 0 {
		s.InFamily.add(want, got)
	} else {
		s.Outside.add(want, got)
	}

	p := Pair{c, want, got}
	switch {
	case got.Verdict == Unsupported:
		s.Unsupporteds = append(s.Unsupporteds, p)
	case got.Verdict != Accept && got.Verdict != Reject:
		s.Failures = append(s.Failures, p)
	case !wanted(want):
	case got.Verdict == Accept && want.Verdict == Reject:
		s.FalseAccepts = append(s.FalseAccepts, p)
	case got.Verdict == Reject && want.Verdict == Accept:
		s.FalseRejects = append(s.FalseRejects, p)
	case got.Verdict == Reject && got.Message != want.Message:
		s.Messages = append(s.Messages, p)
	case got.Verdict == Accept && got.Processed != want.Processed:
		s.Processeds = append(s.Processeds, p)
	}
}

func of(m map[string]*Tally, key string) *Tally {
	if m[key] == nil {
		m[key] = &Tally{}
	}
	return m[key]
}

// families are the groups of features that a verifier may leave out at first: each has the features,
// areas and program types by which a case names it.
var families = []struct {
	name                   string
	features, areas, types []string
}{
	{name: "kfunc call", features: []string{"kfunc call"}, areas: []string{"kfuncs"}},
	{name: "dynptr", features: []string{"dynptr"}, areas: []string{"dynptr"}},
	{name: "open-coded iterators and may_goto", features: []string{"iterators (open coded)", "may_goto"}, areas: []string{"may_goto / iterators"}},
	{name: "local kptr", features: []string{"local kptr (obj_new/drop/refcount)"}},
	{name: "rbtree", features: []string{"rbtree"}, areas: []string{"rbtree / linked list"}},
	{name: "linked list", features: []string{"linked list"}, areas: []string{"rbtree / linked list"}},
	{name: "exceptions", features: []string{"exceptions (bpf_throw)"}, areas: []string{"exceptions"}},
	{name: "arena", features: []string{"arena", "map: arena", "arena addr_space_cast"}, areas: []string{"arena"}},
	{name: "struct_ops", areas: []string{"struct_ops"}, types: []string{"struct_ops"}},
	{name: "workqueue", features: []string{"workqueue"}},
}

// Families names the groups of newer features that the case belongs to: kfunc call, dynptr, open-coded
// iterators and may_goto, local kptr, rbtree, linked list, exceptions, arena, struct_ops, workqueue.
func (c *Case) Families() []string {
	var out []string
	for _, f := range families {
		if slices.Contains(f.areas, c.Area) || slices.Contains(f.types, c.ProgTypeName) ||
			slices.ContainsFunc(c.Features, func(s string) bool { return slices.Contains(f.features, strings.TrimSpace(s)) }) {
			out = append(out, f.name)
		}
	}
	return out
}
