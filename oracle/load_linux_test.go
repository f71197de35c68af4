package oracle

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep/internal/corpus"
)

// TestCrashIsAvoided must not load what it asks for.
func TestCrashIsAvoided(t *testing.T) {
	k, s := kernel(t), shared(t)
	b, err := k.BTF()
	require.NoError(t, err)
	here, err := s.KernelOf(k.Release(), b)
	require.NoError(t, err)
	found := 0
	for _, c := range s.Cases {
		if !c.Calls("bpf_wq_init") {
			continue
		}
		p, err := c.ProgramFor(here)
		if errors.Is(err, corpus.ErrNotThere) {
			continue
		}
		require.NoError(t, err)
		require.True(t, k.crashes(p), c.ID)
		found++
	}
	require.NotZero(t, found)
}
