package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep/internal/corpus"
	"github.com/skepbpf/skep/object"
)

var update = flag.Bool("update", false, "write what the commands print into testdata")

// TestMain is the command itself if a test runs this binary as that.
func TestMain(m *testing.M) {
	if os.Getenv("SKEP_TEST_COMMAND") != "" {
		main()
	}
	os.Exit(m.Run())
}

// TestScripts runs the commands of testdata/*.txt in the repository's root. After a line "$ skep …" a script has what the
// command prints, on both outputs, and its exit status, if it is not 0. A line "< …" before that is its standard input.
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, scripts)
	here, err := os.Getwd()
	require.NoError(t, err)
	for _, s := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(s), ".txt"), func(t *testing.T) {
			path := filepath.Join(here, s)
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			t.Chdir(filepath.Join(here, "..", ".."))
			got := replay(string(want))
			if *update {
				require.NoError(t, os.WriteFile(path, []byte(got), 0o666))
				return
			}
			require.Equal(t, string(want), got, "go test ./cmd/skep -run TestScripts -update writes the new output; review it")
		})
	}
}

var rxSeconds = regexp.MustCompile(`\d+\.\d s\b`)

// replay gives the script with what its commands print now.
func replay(script string) string {
	var out strings.Builder
	input := ""
	for line := range strings.Lines(script) {
		line = strings.TrimSuffix(line, "\n")
		if text, ok := strings.CutPrefix(line, "< "); ok {
			input += text + "\n"
			out.WriteString(line + "\n")
		}
		if strings.HasPrefix(line, "#") || line == "" {
			out.WriteString(line + "\n")
		}
		command, ok := strings.CutPrefix(line, "$ skep")
		if !ok {
			continue
		}
		out.WriteString(line + "\n")
		var b bytes.Buffer
		status := run(split(command), strings.NewReader(input), &b, &b)
		input = ""
		// Lines of output that look like the script's own are moved to the right.
		for l := range strings.Lines(rxSeconds.ReplaceAllString(b.String(), "N s")) {
			l = strings.TrimRight(l, "\n")
			if l == "" || strings.HasPrefix(l, "#") || strings.HasPrefix(l, "$") || strings.HasPrefix(l, "<") {
				l = "|" + l
			}
			out.WriteString(l + "\n")
		}
		if status != 0 {
			fmt.Fprintf(&out, "exit %d\n", status)
		}
	}
	return out.String()
}

// split splits a command line into words; those in single quotes are one.
func split(line string) []string {
	var out []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			out = append(out, part)
		} else {
			out = append(out, strings.Fields(part)...)
		}
	}
	return out
}

// shared is a file of the project's data, which a clone need not have.
func shared(t *testing.T, elem ...string) string {
	t.Helper()
	dir := os.Getenv("SKEP_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared")
	}
	path := filepath.Join(append([]string{dir}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no shared %s (set SKEP_SHARED): %v", filepath.Join(elem...), err)
	}
	return path
}

// conformanceCase is a line of the conformance suite.
type conformanceCase struct{ Name, Insns, Mem, Want string }

func conformance(t *testing.T) []conformanceCase {
	t.Helper()
	raw, err := os.ReadFile(shared(t, "conformance", "cases.jsonl"))
	require.NoError(t, err)
	var out []conformanceCase
	for line := range strings.Lines(string(raw)) {
		var c conformanceCase
		require.NoError(t, json.Unmarshal([]byte(line), &c))
		out = append(out, c)
	}
	return out
}

// arguments are those of the plugin protocol, and its standard input: bytes separated by blanks.
func (c *conformanceCase) arguments() (args []string, in string) {
	blanks := func(digits string) string {
		var parts []string
		for i := 0; i+2 <= len(digits); i += 2 {
			parts = append(parts, digits[i:i+2])
		}
		return strings.Join(parts, " ")
	}
	args = []string{"plugin"}
	if c.Mem != "" {
		args = append(args, blanks(c.Mem))
	}
	return append(args, "--engine", "interp"), blanks(c.Insns) + "\n"
}

// TestConformance runs the public suite through the plugin's protocol.
func TestConformance(t *testing.T) {
	for _, c := range conformance(t) {
		for _, engine := range []string{"interp", "jit"} {
			args, in := c.arguments()
			var out, errs bytes.Buffer
			status := run(append(args, "--engine", engine), strings.NewReader(in), &out, &errs)
			if engine == "jit" && errs.Len() > 0 && !hasNative() {
				continue
			}
			if assert.Zero(t, status, "%s in %s: %s", c.Name, engine, errs.String()) {
				requireSame(t, &c, out.String())
			}
		}
	}
}

// TestPluginProcess runs one case in a process of its own, as the suite does.
func TestPluginProcess(t *testing.T) {
	c := conformance(t)[0]
	args, in := c.arguments()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), "SKEP_TEST_COMMAND=1")
	cmd.Stdin = strings.NewReader(in)
	out, err := cmd.Output()
	require.NoError(t, err)
	requireSame(t, &c, string(out))

	cmd = exec.Command(exe, "plugin")
	cmd.Env = append(os.Environ(), "SKEP_TEST_COMMAND=1")
	cmd.Stdin = strings.NewReader("00\n")
	require.Error(t, cmd.Run(), "half an instruction")
}

// hasNative tells that this host has native code.
func hasNative() bool {
	return runtime.GOOS == "linux" && (runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64")
}

func requireSame(t *testing.T, c *conformanceCase, out string) {
	t.Helper()
	want, err := strconv.ParseUint(c.Want, 0, 64)
	require.NoError(t, err)
	got, err := strconv.ParseUint(strings.TrimSpace(out), 16, 64)
	require.NoError(t, err)
	require.Equal(t, want, got, c.Name)
}

// TestParity holds what is reached on the corpus: no false accept, no panic, and most verdicts right.
func TestParity(t *testing.T) {
	cases := shared(t, "corpus", "cases.jsonl.gz")
	if testing.Short() {
		t.Skip("it judges thousands of programs")
	}
	results := filepath.Join(t.TempDir(), "results.jsonl")
	var out, errs bytes.Buffer
	require.Zero(t, run([]string{"parity", cases, "--brief", "--out", results}, nil, &out, &errs), "%s%s", &out, &errs)
	set, err := corpus.Open(cases)
	require.NoError(t, err)
	wants, err := set.Wants("")
	require.NoError(t, err)
	got, err := corpus.ReadResults(results)
	require.NoError(t, err)
	require.Len(t, got, len(set.Cases))
	score := corpus.Compare(set.Cases, wants, got)
	require.Zero(t, score.Total.FalseAccept)
	require.Zero(t, score.Total.Failed)
	require.GreaterOrEqual(t, 100*score.Total.Agree, 55*score.Total.Wanted)
	t.Log(out.String()[:strings.Index(out.String(), "\n\n")])
}

// TestDisasmTypes prints native code of programs that call functions of the kernel whose types are given.
func TestDisasmTypes(t *testing.T) {
	if _, err := os.Stat(object.HostBTF); err != nil {
		t.Skipf("the running kernel has no types of its functions: %v", err)
	}
	var out, errs bytes.Buffer
	require.Zero(t, run([]string{"disasm", "--native", "--btf", "host", "../../jit/testdata/iters.o"}, strings.NewReader(""), &out, &errs), errs.String())
	require.Contains(t, out.String(), "bytes of ")
}
