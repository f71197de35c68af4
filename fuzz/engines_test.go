package fuzz_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep/fuzz"
	"github.com/skepbpf/skep/internal/corpus"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/oracle"
	"github.com/skepbpf/skep/verifier"
)

var programs = flag.Uint64("programs", 1000, "how many programs TestEngines generates")
var firstSeed = flag.Uint64("first", 0, "the first seed of TestEngines")

// TestEngines runs generated programs in the interpreter and as native code.
func TestEngines(t *testing.T) {
	var tally fuzz.Tally
	var e *fuzz.Engines
	var err error
	for n := range *programs {
		if n%2000 == 0 {
			if e != nil {
				e.Close()
			}
			e, err = fuzz.NewEngines()
			require.NoError(t, err)
		}
		seed := *firstSeed + n
		p := fuzz.Generate(fuzz.Seeded(seed))
		j, proof := fuzz.Verify(p, options(t, nil))
		if j.Verdict != oracle.Accept {
			continue
		}
		if err := e.Compare(proof, ^seed, 2, &tally); err != nil {
			t.Errorf("seed %d: %v\n%s", seed, err, fuzz.Text(p))
		}
	}
	e.Close()
	t.Logf("%+v", tally)
}

// TestEnginesCorpus runs the programs of the corpus in both engines.
func TestEnginesCorpus(t *testing.T) {
	dir := os.Getenv("SKEP_SHARED")
	if dir == "" {
		dir = "../../shared"
	}
	set, err := corpus.Open(filepath.Join(dir, "corpus"))
	if err != nil {
		t.Skipf("no corpus (set SKEP_SHARED to the folder with the data): %v", err)
	}
	kernel, err := set.Kernel("")
	require.NoError(t, err)
	e, err := fuzz.NewEngines()
	require.NoError(t, err)
	e.Types = kernel.BTF.Spec
	defer func() { e.Close() }()
	var tally fuzz.Tally
	traps, cannot := 0, 0
	for _, c := range set.Cases {
		p, err := c.ProgramFor(kernel)
		if err != nil {
			continue
		}
		proof, err := verifier.Verify(p, verifier.Options{KernelBTF: kernel.BTF, CPUs: 2})
		if err != nil {
			continue
		}
		if slices.ContainsFunc(p.Insns, func(i isa.Insn) bool { return i.Op == isa.Call && i.Imm == linux.HelperSpinLock }) {
			continue // what is random in a map may be a lock that is held
		}
		err = e.Compare(proof, 1, 2, &tally)
		var d *fuzz.Disparity
		switch {
		case err == nil:
			continue
		case errors.As(err, &d) && strings.HasPrefix(d.Why, "engine 0"):
			traps++ // the interpreter's own business: helpers without what they work on
		case errors.As(err, &d):
			t.Errorf("%s: %v", c.ID, err)
		default:
			cannot++
			t.Logf("%s: %v", c.ID, err)
		}
	}
	t.Logf("%+v, %d trapped in the interpreter, %d could not be run", tally, traps, cannot)
	require.Greater(t, tally.Runs, 1000)
}

// TestEnginesExamples runs the programs of the examples and of the benchmarks in both engines.
func TestEnginesExamples(t *testing.T) {
	e, err := fuzz.NewEngines()
	require.NoError(t, err)
	defer func() { e.Close() }()
	var tally fuzz.Tally
	for _, pattern := range []string{"../examples/*/*.o", "../bench/*.o"} {
		paths, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, paths, pattern)
		for _, path := range paths {
			c, err := object.Load(path, object.Options{CPUs: fuzz.CPUs()})
			require.NoError(t, err)
			for name, p := range c.Programs {
				proof, err := verifier.Verify(p, verifier.Options{})
				if err != nil {
					t.Logf("%s: %s is not accepted: %v", path, name, err)
					continue
				}
				if err := e.Compare(proof, 1, 300, &tally); err != nil {
					t.Errorf("%s: %s: %v", path, name, err)
				}
			}
		}
	}
	t.Logf("%+v", tally)
	require.Zero(t, tally.Missing+tally.Budget)
}
