package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestObjectsAreCurrent compiles the sources again: the same compiler must give the committed objects, wherever the
// repository lies.
func TestObjectsAreCurrent(t *testing.T) {
	if _, err := exec.LookPath("clang-19"); err != nil {
		t.Skip("the objects were made with clang-19: ", err)
	}
	tmp := t.TempDir()
	cc := filepath.Join(tmp, "cc")
	out, err := exec.Command("go", "build", "-o", cc, "./internal/cc").CombinedOutput()
	require.NoError(t, err, "%s", out)
	sources, err := filepath.Glob("*/*.c")
	require.NoError(t, err)
	require.NotEmpty(t, sources)
	for _, src := range sources {
		cmd := exec.Command(cc, "-o", tmp, filepath.Base(src))
		cmd.Dir = filepath.Dir(src)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		obj := strings.TrimSuffix(src, ".c") + ".o"
		want, err := os.ReadFile(obj)
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(tmp, filepath.Base(obj)))
		require.NoError(t, err)
		require.Equal(t, want, got, "%s is not what clang-19 makes of %s: go generate ./examples/...", obj, src)
	}
}
