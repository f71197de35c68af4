package maptest

import (
	"bytes"

	"github.com/skepbpf/skep/maps"
	"pgregory.net/rapid"
)

// perf is the model of a perf event array with one reader.
type perf struct {
	*fixture
	m      *maps.PerfArray
	reader *maps.PerfReader
	paused bool
	size   int // of each buffer
	bufs   [cpus]perfBuf
}

type perfBuf struct {
	records []maps.PerfRecord
	used    int
	lost    uint64
}

func newPerf(f *fixture, m *maps.PerfArray) *perf { return &perf{fixture: f, m: m} }

func perfSize(n int) int { return (n + 12 + 7) &^ 7 }

func (p *perf) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"NewReader": func(t *rapid.T) {
			if p.reader != nil {
				return
			}
			n := rapid.IntRange(1, 9000).Draw(t, "bytes")
			r, err := p.m.NewReader(n, maps.PerfOptions{})
			want(t, "NewReader", err, 0)
			p.reader, p.size, p.paused, p.bufs = r, r.BufferSize(), false, [cpus]perfBuf{}
			if p.size < n || p.size&(p.size-1) != 0 {
				t.Fatalf("a buffer of %d bytes has %d", n, p.size)
			}
		},
		"Close": func(t *rapid.T) {
			if p.reader != nil && rapid.IntRange(0, 9).Draw(t, "rarely") == 0 {
				want(t, "Close", p.reader.Close(), 0)
				p.reader = nil
			}
		},
		"Pause": func(t *rapid.T) {
			if p.reader == nil {
				return
			}
			if p.paused = rapid.Bool().Draw(t, "pause"); p.paused {
				want(t, "Pause", p.reader.Pause(), 0)
			} else {
				want(t, "Resume", p.reader.Resume(), 0)
			}
		},
		"Output": p.output,
		"Read": func(t *rapid.T) {
			if p.reader == nil {
				return
			}
			var got maps.PerfRecord
			if !p.reader.TryRead(&got) {
				for cpu := range p.bufs {
					if len(p.bufs[cpu].records) > 0 {
						t.Fatalf("nothing to read, but for %d records of CPU %d", len(p.bufs[cpu].records), cpu)
					}
				}
				return
			}
			b := &p.bufs[got.CPU]
			if len(b.records) == 0 {
				t.Fatalf("read %+v, but CPU %d has written nothing", got, got.CPU)
			}
			next := b.records[0]
			b.records = b.records[1:]
			if next.LostSamples > 0 {
				b.used -= 24
			} else {
				b.used -= len(next.RawSample) + 12
			}
			if got.LostSamples != next.LostSamples || !bytes.Equal(got.RawSample, next.RawSample) || got.Remaining != b.used {
				t.Fatalf("read %+v, want %+v with %d remaining", got, next, b.used)
			}
		},
	}
}

func (p *perf) output(t *rapid.T) {
	cpu := rapid.IntRange(0, cpus-1).Draw(t, "CPU")
	flags := rapid.SampledFrom([]uint64{maps.CurrentCPU, uint64(cpu), uint64(cpu), 0, 1, 9, 1 << 32}).Draw(t, "flags")
	room := max(p.size-p.bufs[cpu].used, 64)
	n := rapid.OneOf(rapid.IntRange(0, 40), rapid.IntRange(0, 70000), rapid.IntRange(room-64, room)).Draw(t, "size")
	data := bytes.Repeat([]byte{rapid.Byte().Draw(t, "data")}, n)
	err := p.m.Output(cpu, flags, data[:n/2], data[n/2:])
	i := flags
	if i == maps.CurrentCPU {
		i = uint64(cpu)
	}
	switch {
	case flags>>32 != 0:
		want(t, "Output", err, maps.EINVAL)
		return
	case i >= uint64(p.s.MaxEntries):
		want(t, "Output", err, maps.E2BIG)
		return
	case p.reader == nil || p.paused:
		want(t, "Output", err, maps.ENOENT)
		return
	case i != uint64(cpu):
		want(t, "Output", err, maps.EOPNOTSUPP)
		return
	case perfSize(n) > 1<<16-8:
		want(t, "Output", err, maps.E2BIG)
		return
	}
	b := &p.bufs[cpu]
	need := perfSize(n)
	if b.lost > 0 {
		need += 24
	}
	if b.used+need >= p.size {
		want(t, "Output", err, maps.ENOSPC)
		b.lost++
		return
	}
	want(t, "Output", err, 0)
	if b.lost > 0 {
		b.records = append(b.records, maps.PerfRecord{LostSamples: b.lost})
		b.lost = 0
	}
	b.records = append(b.records, maps.PerfRecord{RawSample: append(data, make([]byte, perfSize(n)-12-n)...)})
	b.used += need
}

func (p *perf) check(t *rapid.T) {
	for i := range p.s.MaxEntries {
		there := p.m.Event(i) != nil
		if there != (p.reader != nil && !p.paused && i < cpus) {
			t.Fatalf("event %d is there: %v", i, there)
		}
	}
}
