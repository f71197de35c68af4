package interp_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/skepbpf/skep/interp"
	"github.com/skepbpf/skep/object"
)

// TestCoverage: the profile has the count of each line that has instructions, those of a branch not taken being 0.
func TestCoverage(t *testing.T) {
	p := text(t, "prog xdp\nr0 = 2\nif r1 == 0 goto +1\ngoto +1\nr0 = 1\nexit\n")
	p.Lines = []object.LineInfo{
		{Insn: 0, File: "a.c", Line: 10, Text: "	if (ctx)"},
		{Insn: 2, File: "/b.c", Line: 3, Text: "  return XDP_PASS;"},
		{Insn: 3, File: "a.c", Line: 12, Text: "		return XDP_DROP;"},
		{Insn: 4, File: "a.c", Line: 13, Text: "}"},
	}
	var c interp.Coverage
	w, err := newWorld(t, p, interp.Options{Observe: c.Observe})
	if err != nil {
		t.Fatal(err)
	}
	defer w.close(t)
	if c.Counts(p) != nil {
		t.Error("counts before the first run")
	}
	for range 3 {
		if err := w.run.SetTestRun(make([]byte, 14), nil); err != nil {
			t.Fatal(err)
		}
		if _, err := w.m.Run(w.run); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := fmt.Sprint(c.Counts(p)), "[3 3 3 0 3]"; got != want {
		t.Errorf("counts %s, want %s", got, want)
	}
	other := text(t, "prog xdp\nr0 = 2\nexit\n")
	other.Lines = []object.LineInfo{{Insn: 0, File: "c/../d.c", Line: 1, Text: ""}}
	var b bytes.Buffer
	if err := c.WriteProfile(&b, p, other); err != nil {
		t.Fatal(err)
	}
	want := `mode: count
/b.c:3.3,3.19 1 3
./a.c:10.2,10.10 1 3
./a.c:12.3,12.19 1 0
./a.c:13.1,13.2 1 3
./d.c:1.1,1.2 1 0
`
	if got := b.String(); got != want {
		t.Errorf("profile\n%swant\n%s", got, want)
	}
}
