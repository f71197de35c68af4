package prepare

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/skepbpf/skep/internal/corpus"
)

func liveOf(log string) []string {
	_, rest, ok := strings.Cut(log, "Live regs before insn:\n")
	if !ok {
		return nil
	}
	var out []string
	for _, l := range strings.Split(rest, "\n") {
		if len(l) < 20 || l[7] != ':' && l[8] != ':' && l[9] != ':' && l[10] != ':' {
			break
		}
		if i := strings.IndexByte(l, '('); i > 0 && strings.IndexByte(l, ':') < i && len(l[strings.IndexByte(l, ':'):i]) == 13 {
			out = append(out, l[:i-1])
		} else {
			break
		}
	}
	return out
}

func TestDevLive(t *testing.T) {
	s, err := corpus.Open("../../../../shared/corpus")
	if err != nil {
		t.Fatal(err)
	}
	k, err := s.Kernel("")
	if err != nil {
		t.Fatal(err)
	}
	same, diff, shown := 0, 0, 0
	for _, c := range s.Cases {
		p, err := c.Program()
		if err != nil {
			t.Fatal(err)
		}
		info, f := Prepare(p, Options{KernelBTF: k.BTF})
		w := c.Want
		early := w.Verdict == corpus.Reject && w.Processed == 0
		switch {
		case f != nil && !early:
			fmt.Println("FALSE", c.ID, f, "want", w.Verdict, w.Message)
		case f == nil && early:
			fmt.Println("MISSED", c.ID, "want", w.Message)
		case f != nil && (f.Message != w.Message || f.Errno != w.Errno):
			fmt.Println("OTHER", c.ID, f, "want", w.Message)
		}
		if info == nil {
			continue
		}
		log, err := os.ReadFile("/tmp/logs/" + strings.NewReplacer("/", "__", " ", "_").Replace(c.ID) + ".log")
		if err != nil {
			continue
		}
		want := liveOf(string(log))
		if len(want) == 0 {
			continue
		}
		got := info.LiveTable(func(int) string { return "" })[1:]
		for i := range got {
			got[i] = strings.TrimRight(got[i], " ")
		}
		if strings.Join(got, "\n") == strings.Join(want, "\n") {
			same++
			continue
		}
		diff++
		if shown++; shown < 12 {
			fmt.Println("DIFF", c.ID, len(got), len(want))
			n := 0
			for i := range min(len(got), len(want)) {
				if got[i] != want[i] {
					fmt.Printf("   got %q want %q\n", got[i], want[i])
					if n++; n > 3 {
						break
					}
				}
			}
		}
	}
	fmt.Println("live same", same, "diff", diff)
}
