package prepare

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep/internal/corpus"
	"github.com/skepbpf/skep/oracle"
)

// openCorpus opens the shared corpus, or skips the test.
func openCorpus(t testing.TB) *corpus.Set {
	t.Helper()
	dir := os.Getenv("SKEP_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared")
	}
	name := filepath.Join(dir, "corpus")
	if _, err := os.Stat(name); err != nil {
		t.Skipf("no shared corpus (set SKEP_SHARED): %v", err)
	}
	s, err := corpus.Open(name)
	require.NoError(t, err)
	return s
}

// TestCorpusFaults compares with what Linux 6.18 said of real programs: those that it refused before it walked them are
// refused alike, all others are not.
func TestCorpusFaults(t *testing.T) {
	s := openCorpus(t)
	k, err := s.Kernel("")
	require.NoError(t, err)
	early, same, others, passed := 0, 0, 0, 0
	for _, c := range s.Cases {
		if c.Want == nil {
			continue
		}
		p, err := c.Program()
		require.NoError(t, err)
		in, got := prepareAnswer(p, Options{KernelBTF: k.BTF})
		want := answer{}
		if c.Want.Verdict == corpus.Reject && c.Want.Processed == 0 {
			want = answer{c.Want.Errno, c.Want.Message}
			early++
		} else {
			others++
		}
		if !assert.Equal(t, want, got, c.ID) {
			continue
		}
		if want != (answer{}) {
			same++
			continue
		}
		passed++
		assert.Empty(t, in.Unsupported, c.ID)
	}
	t.Logf("refused before the walk: %d of %d as Linux does; not refused: %d of %d", same, early, passed, others)
	require.NotZero(t, early)
}

// TestCorpusLiveRegisters compares the tables of live registers with those of the running kernel.
func TestCorpusLiveRegisters(t *testing.T) {
	s := openCorpus(t)
	w := newWorld(t)
	if !w.ask(t) {
		t.Skip("no Linux 6.18 to ask")
	}
	k := &corpus.Kernel{Version: w.oracle.Release(), BTF: w.kernel}
	const eperm = 1
	tables, differ, refused := 0, 0, 0
	for i, c := range s.Cases {
		if c.Want == nil || c.Want.Processed == 0 || c.Want.Processed > 500 || c.Calls("bpf_wq_init") || testing.Short() && i%10 != 0 {
			continue
		}
		p, err := c.ProgramFor(k)
		if errors.Is(err, corpus.ErrNotThere) {
			continue
		}
		require.NoError(t, err)
		in, f := Prepare(p, Options{KernelBTF: k.BTF})
		require.Nil(t, f, c.ID)
		r, err := w.oracle.Load(p, oracle.Options{LogLevel: oracle.LogStates})
		require.NoError(t, err)
		r.Close()
		if r.Errno == eperm && r.Processed == 0 {
			refused++ // by the policy of this machine, before the verifier
			continue
		}
		want := liveTable(r.Log)
		require.NotEmpty(t, want, c.ID)
		tables++
		if assert.ObjectsAreEqual(want, tableOf(in)) {
			continue
		}
		// Of a callee that the program's type may not call, Linux does not know the arguments and takes all five for read.
		differ++
		assert.Equal(t, corpus.Reject, c.Want.Verdict, c.ID)
	}
	t.Logf("%d of %d tables as Linux has them; %d programs not verified here by policy", tables-differ, tables, refused)
	require.Less(t, refused, 20)
	assert.Less(t, differ*50, tables+50)
}
