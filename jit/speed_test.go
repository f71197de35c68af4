package jit

import (
	"bytes"
	"testing"
	"time"

	"github.com/skepbpf/skep/bench"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/verifier"
)

func (b *bed) compile(t testing.TB, insns []isa.Insn) *Program {
	t.Helper()
	proof, err := verifier.Verify(&object.Program{Type: uint32(linux.ProgTypeSocketFilter), License: "GPL", Insns: insns}, verifier.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := Compile(proof, Options{Space: b.space})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var nothing = []isa.Insn{isa.Binary(isa.Mov, 8, isa.R0, 0), isa.Return()}

// calls is a program that calls a helper so often.
func calls(n int) (out []isa.Insn) {
	for range n {
		out = append(out, isa.CallHelper(42)) // bpf_get_numa_node_id
	}
	return append(out, nothing...)
}

// TestNoAllocations: runs allocate nothing, with and without helpers.
func TestNoAllocations(t *testing.T) {
	b := newBed(t)
	for _, insns := range [][]isa.Insn{nothing, calls(3)} {
		p := b.compile(t, insns)
		if n := testing.AllocsPerRun(100, func() {
			if _, err := p.Run(b.run); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
	}
}

func benchmarkRun(b *testing.B, insns []isa.Insn) {
	bed := newBed(b)
	p := bed.compile(b, insns)
	for b.Loop() {
		if _, err := p.Run(bed.run); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEmpty(b *testing.B) { benchmarkRun(b, nothing) }

// BenchmarkHelper16 has 16 calls of a helper: what is more than BenchmarkEmpty, by 16, is the price of one.
func BenchmarkHelper16(b *testing.B) { benchmarkRun(b, calls(16)) }

// BenchmarkCompile compiles the largest program of the set.
func BenchmarkCompile(b *testing.B) {
	bed := newBed(b)
	raw, err := bench.Files.ReadFile("firewall.o")
	if err != nil {
		b.Fatal(err)
	}
	c, err := object.LoadReader(bytes.NewReader(raw), object.Options{})
	if err != nil {
		b.Fatal(err)
	}
	proof, err := verifier.Verify(c.Programs["firewall"], verifier.Options{})
	if err != nil {
		b.Fatal(err)
	}
	insns := len(proof.Program().Insns)
	for b.Loop() {
		if _, err := Compile(proof, Options{Space: bed.space}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(insns)*float64(b.N)/float64(b.Elapsed().Milliseconds()+1), "insns/ms")
}

// TestDeterministic: the same program becomes the same code.
func TestDeterministic(t *testing.T) {
	b := newBed(t)
	for _, arch := range Archs() {
		p, err := b.compile(t, calls(3)).List(arch)
		if err != nil {
			t.Fatal(err)
		}
		q, err := b.compile(t, calls(3)).List(arch)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(p.Code, q.Code) {
			t.Errorf("%s: the code differs", arch)
		}
	}
}

// BenchmarkPrice reports the least time that an empty run and the call of a helper took in many rounds: medians say more about
// the machine's other work than about these few nanoseconds.
func BenchmarkPrice(b *testing.B) {
	const n, helpers = 2000, 16
	bed := newBed(b)
	programs := [2]*Program{bed.compile(b, nothing), bed.compile(b, calls(helpers))}
	least := [2]time.Duration{time.Hour, time.Hour}
	for b.Loop() {
		for i, p := range programs {
			start := time.Now()
			for range n {
				if _, err := p.Run(bed.run); err != nil {
					b.Fatal(err)
				}
			}
			least[i] = min(least[i], time.Since(start))
		}
	}
	empty, all := float64(least[0])/n, float64(least[1])/n
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(empty, "empty-ns")
	b.ReportMetric((all-empty)/helpers, "exit-ns")
}
