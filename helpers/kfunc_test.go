package helpers

import (
	"strings"
	"testing"

	"github.com/skepbpf/skep/memory"

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

// TestKfuncErrors: an error says of which kernel function it is.
func TestKfuncErrors(t *testing.T) {
	space, err := memory.New(memory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer space.Close()
	r, err := NewRun(space, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	_, err = Kfunc("bpf_iter_num_next").Call(&Call{Run: r})
	if err == nil || !strings.HasPrefix(err.Error(), "bpf_iter_num_next: R1: ") {
		t.Error(err)
	}
}
