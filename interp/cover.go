package interp

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/skepbpf/skep/object"
)

// A Coverage counts how often each instruction of the programs that it observes is executed. The zero Coverage is ready to
// use, by any number of programs and goroutines.
type Coverage struct {
	programs sync.Map // *object.Program → []atomic.Uint32, by slot
}

// Observe counts the instruction that is next: it is an Options.Observe.
func (c *Coverage) Observe(s *State) {
	counts, ok := c.programs.Load(s.Program)
	if !ok {
		counts, _ = c.programs.LoadOrStore(s.Program, make([]atomic.Uint32, len(s.Program.Insns)))
	}
	counts.([]atomic.Uint32)[s.Insn].Add(1)
}

// Counts is how often each slot of a program was executed; nil if it never ran.
func (c *Coverage) Counts(p *object.Program) []uint32 {
	v, ok := c.programs.Load(p)
	if !ok {
		return nil
	}
	counts := v.([]atomic.Uint32)
	out := make([]uint32, len(counts))
	for i := range counts {
		out[i] = counts[i].Load()
	}
	return out
}

// A coverLine is a source line that has instructions.
type coverLine struct {
	file string
	line uint32
}

// WriteProfile writes what was counted as a Go cover profile, of mode count: a block for each line of C that has
// instructions in one of the programs, which were executed at least once or are named in also. Its count is that of the
// instruction of the line that was executed most. Names of files that are not absolute start with "./", so that "go tool
// cover -html" looks for them where it is called.
func (c *Coverage) WriteProfile(w io.Writer, also ...*object.Program) error {
	type block struct {
		first, last int // columns
		count       uint32
	}
	blocks := map[coverLine]*block{}
	add := func(p *object.Program) {
		counts := c.Counts(p)
		for i, l := range p.Lines {
			if l.File == "" || l.Line == 0 {
				continue
			}
			end := len(p.Insns)
			if i+1 < len(p.Lines) {
				end = min(end, p.Lines[i+1].Insn)
			}
			b := blocks[coverLine{l.File, l.Line}]
			if b == nil {
				text := strings.TrimLeft(l.Text, " \t")
				b = &block{first: len(l.Text) - len(text) + 1, last: len(l.Text) + 1}
				blocks[coverLine{l.File, l.Line}] = b
			}
			for n := l.Insn; n < end && n < len(counts); n++ {
				b.count = max(b.count, counts[n])
			}
		}
	}
	c.programs.Range(func(p, _ any) bool {
		add(p.(*object.Program))
		return true
	})
	for _, p := range also {
		if _, ran := c.programs.Load(p); !ran {
			add(p)
		}
	}
	lines := make([]coverLine, 0, len(blocks))
	for l := range blocks {
		lines = append(lines, l)
	}
	slices.SortFunc(lines, func(a, b coverLine) int {
		return cmp.Or(strings.Compare(a.file, b.file), cmp.Compare(a.line, b.line))
	})
	out := bufio.NewWriter(w)
	fmt.Fprintln(out, "mode: count")
	for _, l := range lines {
		b, file := blocks[l], l.file
		if !path.IsAbs(file) {
			file = "./" + path.Clean(file)
		}
		fmt.Fprintf(out, "%s:%d.%d,%d.%d 1 %d\n", file, l.line, b.first, l.line, max(b.last, b.first+1), b.count)
	}
	return out.Flush()
}
