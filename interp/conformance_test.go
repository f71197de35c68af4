package interp_test

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/interp"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/memory"
	"github.com/skepbpf/skep/object"
)

// shared is a file of the folder that the project's data are in; the test is skipped where there is none.
func shared(t testing.TB, elem ...string) string {
	t.Helper()
	dir := os.Getenv("SKEP_SHARED")
	if dir == "" {
		dir = "../../shared"
	}
	name := filepath.Join(append([]string{dir}, elem...)...)
	if _, err := os.Stat(name); err != nil {
		t.Skipf("no %s (set SKEP_SHARED to the folder with the data): %v", filepath.Join(elem...), err)
	}
	return name
}

// newRun makes a Space and a Run in it for a test.
func newRun(t testing.TB, o memory.Options) (*memory.Space, *helpers.Run) {
	t.Helper()
	space, err := memory.New(o)
	if err != nil {
		t.Fatal(err)
	}
	run, err := helpers.NewRun(space, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := run.Close(); err != nil {
			t.Error(err)
		}
		space.Close()
	})
	return space, run
}

// TestConformance runs the public suite of bpf_conformance.
func TestConformance(t *testing.T) {
	f, err := os.Open(shared(t, "conformance", "cases.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	space, run := newRun(t, memory.Options{})
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	passed, all := 0, 0
	for lines.Scan() {
		var c struct{ Name, Insns, Mem, Want string }
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		all++
		if t.Run(c.Name, func(t *testing.T) {
			code, err := hex.DecodeString(c.Insns)
			if err != nil {
				t.Fatal(err)
			}
			insns, err := isa.DecodeProgram(code)
			if err != nil {
				t.Fatal(err)
			}
			m, err := interp.New(&object.Program{Name: c.Name, Insns: insns}, interp.Options{Space: space})
			if err != nil {
				t.Fatal(err)
			}
			mem, err := hex.DecodeString(c.Mem)
			if err != nil {
				t.Fatal(err)
			}
			var a memory.Addr
			if len(mem) > 0 {
				if a, err = space.Alloc(uint32(len(mem)), memory.Context, memory.Read|memory.Write, "mem"); err != nil {
					t.Fatal(err)
				}
				defer space.Free(a)
				space.CopyIn(a, mem)
			}
			want, err := strconv.ParseUint(c.Want, 0, 64)
			if err != nil {
				t.Fatal(err)
			}
			got, err := m.RunMemory(run, a, uint32(len(mem)))
			if err != nil {
				t.Fatal(err)
			}
			if got != want {
				t.Errorf("r0 = %#x, want %#x", got, want)
			}
		}) {
			passed++
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d cases pass", passed, all)
}
