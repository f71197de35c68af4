package corpus

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// shared opens the shared corpus, or skips the test.
func shared(t testing.TB) *Set {
	t.Helper()
	dir := os.Getenv("SKEP_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared")
	}
	name := filepath.Join(dir, "corpus", "cases.jsonl.gz")
	if _, err := os.Stat(name); err != nil {
		t.Skipf("no shared corpus (set SKEP_SHARED): %v", err)
	}
	s, err := Open(name)
	require.NoError(t, err)
	return s
}

func TestEveryCaseIsAProgram(t *testing.T) {
	s := shared(t)
	require.NotEmpty(t, s.Cases)
	for _, c := range s.Cases {
		p, err := c.Program()
		require.NoError(t, err)
		require.Equal(t, len(c.Insns)/8, len(p.Insns), c.ID)
		require.Equal(t, len(c.Maps), len(p.Maps), c.ID)
		if p.BTF != nil {
			require.NoError(t, p.BTF.Err, c.ID)
		}
		for _, f := range p.Funcs {
			require.NotEmpty(t, f.Name, c.ID)
		}
	}
}

func TestBadDescriptorIsNoMapIndex(t *testing.T) {
	s := shared(t)
	c := s.Find("verifier/ld_imm64.c/test12 ld_imm64")
	require.Len(t, c, 1)
	p, err := c[0].Program()
	require.NoError(t, err)
	require.True(t, p.BadFDs[1])
	require.EqualValues(t, 1, p.Insns[1].Imm)
}
