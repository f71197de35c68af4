package skep_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// floors is the house: a package imports only packages on floors below its own. The root package is ".". What lies in a
// folder named internal belongs to the package above it, stands on its floor and may be imported by it; those of the
// root are on floors of their own.
const floors = `
6  bpftest cmd/skep examples fuzz fuzz/raw hook internal/cmd
5  . internal/beside
4  jit oracle
3  verifier interp internal/corpus
2  helpers object internal/value
1  maps jit/amd64 jit/arm64 linux
0  bench isa verifier/domain memory internal/explain internal/pcap jit/disasm jit/layout
0  examples/firewall examples/gateway examples/filewatch examples/classifier examples/execlog examples/ratelimit examples/firewall/mkpcap
2  maps/maptest
`

const module = "github.com/skepbpf/skep"

// TestFloors reads the imports with go/parser, not with the go command: a subprocess is invisible to the test cache,
// which would go on saying "ok".
func TestFloors(t *testing.T) {
	floor := map[string]int{}
	for line := range strings.Lines(floors) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		n, err := strconv.Atoi(words[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range words[1:] {
			floor[p] = n
		}
	}
	seen := map[string]bool{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		base := path.Base(name)
		if d.IsDir() {
			if base == "testdata" || base == "tools" || name != "." && strings.HasPrefix(base, ".") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(base, ".go") || strings.HasSuffix(base, "_test.go") {
			return nil // a test may use what stands above, such as the running kernel
		}
		house := houseOf(path.Dir(name))
		seen[house] = true
		at, ok := floor[house]
		if !ok {
			t.Errorf("package %s stands on no floor: add it to floors", path.Dir(name))
			return fs.SkipDir
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			imp, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if imp != module && !strings.HasPrefix(imp, module+"/") {
				continue
			}
			to := houseOf(strings.TrimPrefix(strings.TrimPrefix(imp, module), "/"))
			if to == house {
				continue
			}
			if below, ok := floor[to]; !ok || below >= at {
				t.Errorf("%s: package %s, on floor %d, imports %s, on floor %d", name, house, at, to, below)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, must := range []string{".", "isa", "verifier", "cmd/skep"} {
		if !seen[must] {
			t.Errorf("package %s was not seen: does the test look at the right folder?", must)
		}
	}
}

// houseOf is the package whose floor a package stands on.
func houseOf(p string) string {
	if p == "" {
		return "."
	}
	if strings.HasPrefix(p, "internal/cmd/") {
		return "internal/cmd" // tools for those who work on skep
	}
	if i := strings.Index(p, "/internal"); i >= 0 {
		return p[:i]
	}
	return p
}
