package corpus

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// small is a corpus written by hand: a case for each way to agree and to differ.
func small() ([]*Case, map[string]*Verdict, []Verdict) {
	acc := func(processed int) *Verdict {
		return &Verdict{Verdict: Accept, Processed: processed, TotalStates: 1, PeakStates: 1, StackDepth: "8"}
	}
	rej := func(msg string) *Verdict { return &Verdict{Verdict: Reject, Errno: 13, Message: msg} }
	rows := []struct {
		id, area string
		features []string
		want     *Verdict
		got      Verdict
	}{
		{"same", "a", nil, acc(100), Verdict{Verdict: Accept, Processed: 100, TotalStates: 1, PeakStates: 2, StackDepth: "8"}},
		{"near", "a", nil, acc(100), Verdict{Verdict: Accept, Processed: 110, StackDepth: "16"}},
		{"far", "a", []string{"dynptr"}, acc(100), Verdict{Verdict: Accept, Processed: 111}},
		{"refused", "b", nil, rej("R1 !read_ok"), Verdict{Verdict: Reject, Errno: 13, Message: "R1 !read_ok"}},
		{"misworded", "b", nil, rej("R1 !read_ok"), Verdict{Verdict: Reject, Errno: 22, Message: "R2 !read_ok"}},
		{"false accept", "b", []string{"rbtree", "kfunc call"}, rej("no"), *acc(1)},
		{"false reject", "dynptr", nil, acc(1), *rej("no")},
		{"unsupported", "b", nil, acc(1), Verdict{Verdict: Unsupported}},
		{"panics", "b", nil, acc(1), Verdict{Verdict: Failed, Message: "panic: x", Stack: "goroutine 1\nmain.go:1"}},
		{"judged", "b", nil, nil, *acc(1)},
	}
	var cases []*Case
	var results []Verdict
	wants := map[string]*Verdict{}
	for _, r := range rows {
		cases = append(cases, &Case{ID: r.id, Area: r.area, Features: r.features, Want: r.want})
		r.got.ID = r.id
		results = append(results, r.got)
		if r.want != nil {
			wants[r.id] = r.want
		}
	}
	return cases, wants, results
}

func TestCompare(t *testing.T) {
	s := Compare(small())
	require.Equal(t, Tally{Cases: 10, Wanted: 9, Agree: 5, FalseAccept: 1, FalseReject: 1, Unsupported: 1, Failed: 1,
		Rejects: 2, MessageEqual: 1, ErrnoEqual: 1,
		Accepts: 3, ProcessedEqual: 1, ProcessedNear: 2, StatesEqual: 1, PeakEqual: 0, DepthEqual: 1}, s.Total)
	require.Equal(t, 3, s.InFamily.Cases)
	require.Equal(t, 7, s.Outside.Cases)
	require.Equal(t, 2, s.Family["dynptr"].Wanted)
	require.Equal(t, 1, s.Family["rbtree"].FalseAccept)
	require.Equal(t, 1, s.Family["kfunc call"].FalseAccept)
	require.Equal(t, 3, s.Area["a"].Agree)
	require.Len(t, s.Messages, 1)
	require.Len(t, s.Processeds, 2)
}

func TestReport(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, Compare(small()).Report(&b, ReportOptions{Messages: -1, Processed: 1}))
	golden := filepath.Join("testdata", "report.txt")
	if os.Getenv("UPDATE") != "" {
		require.NoError(t, os.WriteFile(golden, b.Bytes(), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), b.String())
}

func TestRunnerKeepsPanics(t *testing.T) {
	cases, _, results := small()
	byID := map[string]Verdict{}
	for _, v := range results {
		byID[v.ID] = v
	}
	var told int
	r := Runner{Workers: 4, Each: func(*Case, Verdict) { told++ }}
	got := r.Run(cases, func(c *Case) Verdict {
		if c.ID == "panics" {
			panic("on purpose")
		}
		return byID[c.ID]
	})
	require.Equal(t, len(cases), told)
	for i, c := range cases {
		require.Equal(t, c.ID, got[i].ID)
		if c.ID == "panics" {
			require.Equal(t, Failed, got[i].Verdict)
			require.Equal(t, "panic: on purpose", got[i].Message)
			require.Contains(t, got[i].Stack, "score_test.go")
		}
	}
}

func TestResultsRoundTrip(t *testing.T) {
	_, _, results := small()
	var b bytes.Buffer
	require.NoError(t, WriteResults(&b, results))
	name := filepath.Join(t.TempDir(), "r.jsonl")
	require.NoError(t, os.WriteFile(name, b.Bytes(), 0o600))
	got, err := ReadResults(name)
	require.NoError(t, err)
	require.Equal(t, results, got)
}

func TestWantsScoreThemselves(t *testing.T) {
	s := shared(t)
	wants, err := s.Wants("")
	require.NoError(t, err)
	var results []Verdict
	for _, c := range s.Cases {
		results = append(results, *c.Want)
		results[len(results)-1].ID = c.ID
	}
	score := Compare(s.Cases, wants, results)
	require.Equal(t, len(s.Cases), score.Total.Agree)
	require.Equal(t, score.Total.Accepts, score.Total.StatesEqual)
	require.Equal(t, score.Total.Runs, score.Total.RunsEqual)
	require.NotZero(t, score.InFamily.Wanted)
	require.NotZero(t, score.Outside.Wanted)
}

func TestOtherKernels(t *testing.T) {
	s := shared(t)
	require.Contains(t, s.Versions(), "6.1.192")
	for _, v := range s.Versions() {
		wants, err := s.Wants(v)
		require.NoError(t, err)
		require.Greater(t, len(wants), len(s.Cases)*9/10, v)
	}
	_, err := s.Wants("2.4")
	require.ErrorContains(t, err, "no verdicts of kernel 2.4")

	k, err := s.Kernel("6.1.192")
	require.NoError(t, err)
	made := 0
	for _, c := range s.Cases {
		p, err := c.ProgramFor(k)
		if err != nil {
			require.ErrorIs(t, err, ErrNotThere)
			continue
		}
		require.Equal(t, len(c.Insns)/8, len(p.Insns))
		made++
	}
	require.Greater(t, made, len(s.Cases)/2)
}

func TestChanges(t *testing.T) {
	cases, wants, before := small()
	after := append([]Verdict(nil), before...)
	for i := range after {
		switch after[i].ID {
		case "same": // still accepted, at another cost
			after[i].Processed++
		case "misworded":
			after[i].Message = "R1 !read_ok"
		case "false accept":
			after[i] = Verdict{ID: after[i].ID, Verdict: Reject, Message: "another"}
		case "judged":
			after[i].Verdict = Failed
		}
	}
	broken, fixed := Changes(cases, wants, before, after)
	ids := func(cs []Change) (out []string) {
		for _, c := range cs {
			out = append(out, c.Case.ID)
		}
		return out
	}
	require.Equal(t, []string{"same"}, ids(broken))
	require.Equal(t, []string{"misworded", "false accept"}, ids(fixed))
	require.Contains(t, broken[0].String(), "before accept, processed 100")
}
