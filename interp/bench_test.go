package interp_test

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/interp"
	"github.com/skepbpf/skep/object"
)

// benchmarks are the programs of the benchmark set, with what each returns in Linux on its packet the first time. They are XDP
// programs in testdata/bench, compiled by clang 19 from the sources in the project's shared folder.
var benchmarks = []struct {
	name string
	want uint32
}{
	{"empty", 0}, {"xorshift", 3590099179}, {"modpow", 2206735699}, {"sort", 647770404}, {"csum", 2143126875},
	{"siphash", 3382249092}, {"steer", 62182113}, {"bytescan", 500}, {"firewall", 108}, {"calls", 2276667694},
	{"bsearch", 875588429}, {"arraymap", 3481}, {"pktcount", 2}, {"hashmap", 0},
}

// loadBench gives a program of the set and its packet.
func loadBench(t testing.TB, name string) (*object.Program, []byte) {
	t.Helper()
	c, err := object.Load(filepath.Join("testdata", "bench", name+".bpf.o"), object.Options{})
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join("testdata", "bench", name+".pkt"))
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
	for _, b := range benchmarks {
		t.Run(b.name, func(t *testing.T) {
			p, data := loadBench(t, b.name)
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
			if uint32(got) != b.want {
				t.Errorf("returned %d, want %d", uint32(got), b.want)
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

// BenchmarkPrograms runs the set. Counting instructions is a run of its own, with Observe.
func BenchmarkPrograms(b *testing.B) {
	for _, x := range benchmarks {
		b.Run(x.name, func(b *testing.B) {
			p, data := loadBench(b, x.name)
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
			w, err := newWorld(b, p, interp.Options{Unchecked: true})
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
		})
	}
}
