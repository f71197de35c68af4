package oracle

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep/internal/corpus"
	"github.com/skepbpf/skep/object"
)

// kernel opens the running kernel, or skips the test.
func kernel(t testing.TB) *Kernel {
	t.Helper()
	k, err := Open()
	if errors.Is(err, ErrUnavailable) {
		t.Skipf("needs a kernel to ask: %v", err)
	}
	require.NoError(t, err)
	t.Cleanup(k.Close)
	return k
}

// shared opens the shared corpus, or skips the test.
func shared(t testing.TB) *corpus.Set {
	t.Helper()
	dir := os.Getenv("SKEP_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared")
	}
	name := filepath.Join(dir, "corpus", "cases.jsonl.gz")
	if _, err := os.Stat(name); err != nil {
		t.Skipf("no shared corpus (set SKEP_SHARED): %v", err)
	}
	s, err := corpus.Open(name)
	require.NoError(t, err)
	return s
}

// TestCorpus loads every case into the running kernel, which must say what was recorded: of a bug in the
// way we load there would be much to see.
func TestCorpus(t *testing.T) {
	k, s := kernel(t), shared(t)
	if !strings.HasPrefix(k.Release(), s.Recorded()) {
		t.Skipf("the verdicts are those of %s, this is %s", s.Recorded(), k.Release())
	}
	b, err := k.BTF()
	require.NoError(t, err)
	here, err := s.KernelOf(k.Release(), b)
	require.NoError(t, err)
	recorded, err := s.Kernel("")
	require.NoError(t, err)
	sameBuild := bytes.Equal(recorded.BTF.Raw, b.Raw)
	var cases []*corpus.Case
	for _, c := range s.Cases {
		if c.CoreRelo && !sameBuild { // its offsets and type ids are those of the recorded build
			continue
		}
		if c.Calls("bpf_wq_init") { // crashes some kernels
			continue
		}
		if testing.Short() && c.Want.Processed > 20000 {
			continue
		}
		cases = append(cases, c)
	}
	runner := corpus.Runner{}
	results := runner.Run(cases, func(c *corpus.Case) corpus.Verdict {
		p, err := c.ProgramFor(here)
		if err != nil {
			return corpus.Verdict{Verdict: corpus.Failed, Message: err.Error()}
		}
		r, err := k.Load(p, Options{})
		if err != nil {
			return corpus.Verdict{Verdict: corpus.Failed, Message: err.Error()}
		}
		defer r.Close()
		v := corpus.Verdict{Verdict: r.Verdict, Errno: int(r.Errno), Message: r.Message, Processed: r.Processed,
			TotalStates: r.TotalStates, PeakStates: r.PeakStates, StackDepth: r.StackDepth}
		for _, w := range c.Want.Retvals {
			if r.Verdict != Accept {
				break
			}
			run := runFresh(t, k, p, w)
			if run == nil {
				break
			}
			v.Retvals = append(v.Retvals, corpus.Retval{Data: w.Data, Retval: run.Retval})
		}
		return v
	})
	// What this machine's policy refuses before the verifier sees it says nothing.
	const eperm = 1
	judged := results[:0]
	for _, v := range results {
		if v.Errno != eperm || v.Processed > 0 {
			judged = append(judged, v)
		}
	}
	refused := len(results) - len(judged)
	t.Logf("%d programs are not verified here by policy", refused)
	require.Less(t, refused, 20)
	results = judged
	wants, err := s.Wants("")
	require.NoError(t, err)
	score := corpus.Compare(cases, wants, results)
	var out strings.Builder
	require.NoError(t, score.Report(&out, corpus.ReportOptions{Messages: -1, Processed: -1}))
	report := out.String()
	if name := os.Getenv("REPORT"); name != "" {
		require.NoError(t, os.WriteFile(name, []byte(report), 0o600))
	}
	t.Log("\n" + report[:min(len(report), 4000)])

	total := score.Total
	// Type ids that CO-RE put into a few programs are those of the recorded build.
	require.GreaterOrEqual(t, total.Agree, total.Wanted-4, "verdicts")
	require.GreaterOrEqual(t, total.MessageEqual, total.Rejects, "messages")
	require.Equal(t, total.Rejects, total.ErrnoEqual, "errnos")
	require.GreaterOrEqual(t, total.ProcessedEqual, total.Accepts, "processed")
	require.GreaterOrEqual(t, total.StatesEqual, total.Accepts, "states")
	require.GreaterOrEqual(t, total.PeakEqual, total.Accepts, "peak states")
	require.GreaterOrEqual(t, total.DepthEqual, total.Accepts, "stack depth")
	require.GreaterOrEqual(t, total.RunsEqual, total.Runs, "return values")
}

// runFresh runs a case on a load of its own: nil if the kernel does not.
func runFresh(t *testing.T, k *Kernel, p *object.Program, w corpus.Retval) *Run {
	r, err := k.Load(p, Options{NoLog: true, FreshMaps: true})
	if err != nil || r.Verdict != Accept {
		t.Errorf("%s: %v %v", p.Name, r, err)
		return nil
	}
	defer r.Close()
	run, err := TestRun(r.FD, w.Data, nil, uint32(min(len(w.Data), 1))) // without data some types refuse to repeat
	if err != nil {
		t.Logf("%s: cannot be run: %v", p.Name, err)
		return nil
	}
	return run
}
