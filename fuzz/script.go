package fuzz

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/skepbpf/skep/object"
)

// A Script is a program as text, with a line "# want" that has what Linux 6.18 says of it, as Judgement.Want gives it.
type Script struct {
	Name    string
	Program *object.Program
	Want    string
}

// Scripts reads the scripts of a folder.
func Scripts(dir string) (out []*Script, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		s := &Script{Name: strings.TrimSuffix(filepath.Base(f), ".txt")}
		for line := range strings.Lines(string(b)) {
			if w, ok := strings.CutPrefix(line, "# want "); ok {
				s.Want = strings.TrimSpace(w)
			}
		}
		if s.Program, err = Parse(string(b)); err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		if s.Want == "" {
			return nil, fmt.Errorf("%s: it does not say what is wanted", f)
		}
		out = append(out, s)
	}
	return out, nil
}
