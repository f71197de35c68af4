package jit_test

import (
	"bytes"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/bench"
)

// load makes a program of the set, to run in an engine.
func load(t testing.TB, name string, e skep.Engine) *skep.Program {
	t.Helper()
	b, err := bench.Files.ReadFile(name + ".o")
	if err != nil {
		t.Fatal(err)
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	c, err := skep.NewCollection(spec, &skep.Options{Engine: e})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	for _, p := range c.Programs {
		return p
	}
	t.Fatal("no program")
	return nil
}

func packet(t testing.TB, name string) []byte {
	b, err := bench.Files.ReadFile("packets/" + name + ".pkt")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestBench runs the programs of the set in both engines.
func TestBench(t *testing.T) {
	for _, p := range bench.Programs {
		t.Run(p.Name, func(t *testing.T) {
			for _, e := range []skep.Engine{skep.EngineInterp, skep.EngineJIT} {
				prog, in := load(t, p.Name, e), packet(t, p.Name)
				var ret uint32
				for range 2 { // hashmap counts from the second run on
					var err error
					if ret, _, err = prog.Test(in); err != nil {
						t.Fatal(err)
					}
				}
				if ret != p.Want {
					t.Errorf("%v: got %d, want %d", e, ret, p.Want)
				}
			}
		})
	}
}
