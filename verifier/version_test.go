package verifier_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/verifier"
)

// TestVersions has skep judge scripts for versions of Linux, each of which was asked: 5.10.262, 6.1.192, 6.12.118, 6.18.15
// and 7.3.4, as ../shared/kernels boots them.
func TestVersions(t *testing.T) {
	files, err := filepath.Glob("testdata/versions/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, f := range files {
		all, err := scripts(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range all {
			if s.err != nil || len(s.versions) == 0 {
				t.Fatalf("%s:%d: %v, of %d versions", f, s.line, s.err, len(s.versions))
			}
			for v, want := range s.versions {
				t.Run(fmt.Sprintf("%s/%s/%v", strings.TrimSuffix(filepath.Base(f), ".txt"), s.name, v), func(t *testing.T) {
					got, log := answer(s.p, verifier.Options{Kernel: linux.For(v), CPUs: 2, LogLevel: verifier.LogStates})
					if got != want {
						t.Errorf("%s:%d:\n got  %s\n want %s\n%s", f, s.line, got, want, log)
					}
				})
			}
		}
	}
}
