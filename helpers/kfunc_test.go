package helpers

import (
	"testing"

	"github.com/skepbpf/skep/linux"
)

// TestKfuncNames: what is simulated is there to be called.
func TestKfuncNames(t *testing.T) {
	for name := range kfuncs {
		if row := linux.FindKfunc(name); row == nil || !row.Is(linux.KfuncProbed) {
			t.Errorf("%s is no kernel function that programs may call", name)
		}
	}
}
