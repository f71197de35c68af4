package jit_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/bench"
	"github.com/skepbpf/skep/object"
)

// TestNoExecutablePages runs a program in a process that may make no page executable (PR_SET_MDWE, Linux 6.3): it runs in the
// interpreter, says so and why, and is an error only for who insists on native code.
func TestNoExecutablePages(t *testing.T) {
	const env = "SKEP_TEST_MDWE"
	if os.Getenv(env) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestNoExecutablePages$", "-test.v")
		cmd.Env = append(os.Environ(), env+"=1")
		out, err := cmd.CombinedOutput()
		if failed := new(exec.ExitError); err != nil && !errors.As(err, &failed) {
			t.Skipf("no process of its own, emulated perhaps: %v", err)
		}
		require.NoError(t, err, "%s", out)
		if strings.Contains(string(out), "--- SKIP") {
			t.Skipf("%s", out)
		}
		return
	}
	if err := unix.Prctl(unix.PR_SET_MDWE, unix.PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0); err != nil {
		t.Skipf("the kernel cannot forbid executable pages: %v", err)
	}
	p := load(t, "siphash", skep.EngineAuto)
	require.Equal(t, skep.EngineInterp, p.Engine())
	require.ErrorContains(t, p.Why(), "executable")
	ret, _, err := p.Test(packet(t, "siphash"))
	require.NoError(t, err)
	for _, b := range bench.Programs {
		if b.Name == "siphash" {
			require.Equal(t, b.Want, ret)
		}
	}

	b, err := bench.Files.ReadFile("siphash.o")
	require.NoError(t, err)
	oc, err := object.LoadReader(bytes.NewReader(b), object.Options{})
	require.NoError(t, err)
	_, err = skep.LoadObject(oc, &skep.Options{Engine: skep.EngineJIT})
	require.ErrorContains(t, err, "executable")
}
