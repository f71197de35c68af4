package interp_test

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/skepbpf/skep/bench"
	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/interp"
	"github.com/skepbpf/skep/object"
)

// loadBench gives a program of the benchmark set and its packet.
func loadBench(t testing.TB, name string) (*object.Program, []byte) {
	t.Helper()
	raw, err := bench.Files.ReadFile(name + ".o")
	if err != nil {
		t.Fatal(err)
	}
	c, err := object.LoadReader(bytes.NewReader(raw), object.Options{})
	if err != nil {
		t.Fatal(err)
	}
	data, err := bench.Files.ReadFile("packets/" + name + ".pkt")
	if err != nil {
		t.Fatal(err)
	}
	p := c.Programs[name]
	if p == nil {
		t.Fatalf("no program %s", name)
	}
	return p, data
}

// TestBench checks what the programs of the set return.
func TestBench(t *testing.T) {
	for _, b := range bench.Programs {
		t.Run(b.Name, func(t *testing.T) {
			p, data := loadBench(t, b.Name)
			w, err := newWorld(t, p, interp.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer w.close(t)
			if err := w.run.SetXDP(data, helpers.XDP{}); err != nil {
				t.Fatal(err)
			}
			got, err := w.m.Run(w.run)
			if err != nil {
				t.Fatal(err)
			}
			if uint32(got) != b.First() {
				t.Errorf("returned %d, want %d", uint32(got), b.First())
			}
			if n := testing.AllocsPerRun(20, func() {
				if _, err := w.m.Run(w.run); err != nil {
					t.Fatal(err)
				}
			}); n != 0 && !racing {
				t.Errorf("a run allocates %v times", n)
			}
		})
	}
}

// BenchmarkPrograms runs the set, with arguments of helpers checked and not: accesses to memory always are. Counting instructions is
// a run of its own, with Observe.
func BenchmarkPrograms(b *testing.B) {
	for _, x := range bench.Programs {
		p, data := loadBench(b, x.Name)
		insns := 0
		counting, err := newWorld(b, p, interp.Options{Observe: func(*interp.State) { insns++ }})
		if err != nil {
			b.Fatal(err)
		}
		counting.run.SetXDP(data, helpers.XDP{})
		if _, err := counting.m.Run(counting.run); err != nil {
			b.Fatal(err)
		}
		counting.close(b)
		for _, unchecked := range []bool{false, true} {
			name := x.Name + "/checked"
			if unchecked {
				name = x.Name + "/unchecked"
			}
			b.Run(name, func(b *testing.B) { benchmarkProgram(b, p, data, insns, unchecked) })
		}
	}
}

func benchmarkProgram(b *testing.B, p *object.Program, data []byte, insns int, unchecked bool) {
	w, err := newWorld(b, p, interp.Options{Unchecked: unchecked})
	if err != nil {
		b.Fatal(err)
	}
	defer w.close(b)
	w.run.SetXDP(data, helpers.XDP{})
	b.ReportAllocs()
	// Machines are noisy: the quickest batch says most.
	batch := max(1, 10000/insns)
	quickest := time.Duration(math.MaxInt64)
	for b.Loop() {
		start := time.Now()
		for range batch {
			if _, err := w.m.Run(w.run); err != nil {
				b.Fatal(err)
			}
		}
		quickest = min(quickest, time.Since(start))
	}
	b.ReportMetric(float64(quickest.Nanoseconds())/float64(batch), "min-ns/run")
	b.ReportMetric(float64(quickest.Nanoseconds())/float64(batch*insns), "min-ns/insn")
}
