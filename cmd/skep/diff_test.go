package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep/internal/beside"
	"github.com/skepbpf/skep/internal/corpus"
	"github.com/skepbpf/skep/oracle"
)

func needKernel(t *testing.T) {
	t.Helper()
	k, err := oracle.Open()
	if err != nil {
		t.Skip("no kernel to ask: ", err)
	}
	k.Close()
}

// TestDiff compares the examples with the running kernel: on them the two agree, state by state.
func TestDiff(t *testing.T) {
	needKernel(t)
	var out bytes.Buffer
	require.NoError(t, diff(&out, &diffFlags{states: true, limit: -1, workers: 2}, []string{"../../examples/firewall"}), "%s", &out)
	require.Contains(t, out.String(), "states equal at every instruction in 2 of 2 (100.0%)")
	require.Contains(t, out.String(), "     2 equal\n")
}

// TestDiffTable has a line for each folder, and says what cannot be read.
func TestDiffTable(t *testing.T) {
	needKernel(t)
	dir := t.TempDir()
	for to, from := range map[string]string{"a/x.o": "../../examples/firewall/firewall.o", "b/y.o": "diff_test.go"} {
		b, err := os.ReadFile(from)
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, to)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, to), b, 0o644))
	}
	var out bytes.Buffer
	require.NoError(t, diff(&out, &diffFlags{table: true, workers: 2}, []string{dir}))
	require.Contains(t, out.String(), "\n| a | 1 | 1 | 1 | 1 of 1 (100.0%) | 0 | 0 of 0 | 1 of 1 |\n| b | 1 | 1 | 0 | 0 of 0 | 0 | 0 of 0 | 0 of 0 |\n| all | 2 |")
	require.Contains(t, out.String(), "the kernel cannot judge (1):")
}

// TestDiffTally counts what differs, and the exit status tells of it.
func TestDiffTally(t *testing.T) {
	verdict := func(v, message string) *beside.Judgement {
		return &beside.Judgement{Verdict: corpus.Verdict{Verdict: v, Message: message, Processed: 2}}
	}
	accept, unsupported := verdict(corpus.Accept, ""), verdict(corpus.Unsupported, "arena")
	var out bytes.Buffer
	tally := &diffTally{out: &out, flags: &diffFlags{states: true, limit: 0}, release: "6.18"}
	for _, c := range []*beside.Comparison{beside.Compare(accept, accept, true), beside.Compare(unsupported, accept, true),
		beside.Compare(accept, verdict(corpus.Reject, "no"), true), {Cause: beside.NotJudged, Why: "policy"}} {
		tally.add(compared{candidate{}, c})
	}
	tally.report()
	require.Equal(t, 2, tally.differ)
	require.Equal(t, `4 programs, 3 of which Linux 6.18 judged: verdict equal 1 of 3 (33.3%); message equal on 0 of 0 rejections, processed on 1 of 1 (100.0%) acceptances
states equal at every instruction in 1 of 3 (33.3%) of the programs whose states can be had, 1 of 2 (50.0%) without the unsupported
     1 false accept
     1 unsupported
            1 arena
     1 the kernel cannot judge
            1 policy
     1 equal
`, out.String())
}

// TestInner refuses inner maps that are none.
func TestInner(t *testing.T) {
	for _, text := range []string{"x", "m=hash:1:2", "m=nothing:1:2:3", "m=hash:a:2:3"} {
		var e *exit
		require.True(t, errors.As(setInner(nil, text), &e) && e.status == exitUsage, "%s", text)
	}
}
