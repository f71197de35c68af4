package verifier_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep/fuzz"
	"github.com/skepbpf/skep/oracle"
	"github.com/skepbpf/skep/verifier"
)

// TestCVE has programs judged that verifiers with known holes got wrong. What is accepted must stay in its states.
func TestCVE(t *testing.T) {
	scripts, err := fuzz.Scripts("testdata/cve")
	require.NoError(t, err)
	require.NotEmpty(t, scripts)
	w, err := fuzz.NewWorld()
	require.NoError(t, err)
	defer w.Close()
	for _, s := range scripts {
		t.Run(s.Name, func(t *testing.T) {
			j, proof := fuzz.Verify(s.Program, verifier.Options{KeepStates: true})
			if j.Verdict == "unsupported" {
				t.Skipf("SKIPPED: unsupported: %s", j.Message)
			}
			require.Equal(t, s.Want, j.Want())
			if proof != nil {
				require.NoError(t, proof.StatesErr())
				require.NoError(t, w.Execute(proof, fuzz.Seeded(1), 200, &fuzz.Tally{}))
			}
		})
	}
}

// TestCVEKernel asks the running kernel.
func TestCVEKernel(t *testing.T) {
	k, err := oracle.Open()
	if errors.Is(err, oracle.ErrUnavailable) {
		t.Skipf("SKIPPED: %v", err)
	}
	require.NoError(t, err)
	defer k.Close()
	if !strings.HasPrefix(k.Release(), "6.18.") {
		t.Skipf("SKIPPED: this is Linux %s, not 6.18", k.Release())
	}
	scripts, err := fuzz.Scripts("testdata/cve")
	require.NoError(t, err)
	for _, s := range scripts {
		j, err := fuzz.Ask(k, s.Program, 0)
		require.NoError(t, err)
		require.Equal(t, s.Want, j.Want(), s.Name)
	}
}
