package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep"
	bpfmaps "github.com/skepbpf/skep/maps"
)

// readers read what programs put into ring buffers and perf event arrays.
type readers []reader

type reader struct {
	name string
	next func() (string, bool) // the text of the next record
	io.Closer
}

// perfBuffer is the size of the buffers of perf event arrays, of each CPU.
const perfBuffer = 1 << 20

// readersOf makes a reader of each map that has records.
func readersOf(c *skep.Collection) (out readers, err error) {
	for _, name := range slices.Sorted(maps.Keys(c.Maps)) {
		switch m := c.Maps[name]; m.Type() {
		case ebpf.RingBuf:
			r, err := skep.NewRingReader(m)
			if err != nil {
				return out, errors.Join(err, out.close())
			}
			out = append(out, reader{name, func() (string, bool) {
				var rec bpfmaps.RingRecord
				ok := r.TryRead(&rec)
				return hex.EncodeToString(rec.RawSample), ok
			}, r})
		case ebpf.PerfEventArray:
			r, err := skep.NewPerfReader(m, perfBuffer)
			if err != nil {
				return out, errors.Join(err, out.close())
			}
			out = append(out, reader{name, func() (string, bool) {
				var rec bpfmaps.PerfRecord
				ok := r.TryRead(&rec)
				if rec.LostSamples > 0 {
					return fmt.Sprintf("%d samples lost", rec.LostSamples), ok
				}
				return fmt.Sprintf("CPU %d %s", rec.CPU, hex.EncodeToString(rec.RawSample)), ok
			}, r})
		}
	}
	return out, nil
}

// print prints the records that there are.
func (rs readers) print(out io.Writer) {
	for _, r := range rs {
		for text, ok := r.next(); ok; text, ok = r.next() {
			fmt.Fprintf(out, "    record of %s: %s\n", r.name, text)
		}
	}
}

func (rs readers) close() error {
	var errs []error
	for _, r := range rs {
		errs = append(errs, r.Close())
	}
	return errors.Join(errs...)
}
