package bpftest

import (
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep"
)

// In is a collection of this process.
func In(c *skep.Collection) Collection { return inside{c} }

type inside struct{ c *skep.Collection }

func (x inside) Map(name string) Map {
	if m := x.c.Maps[name]; m != nil {
		return m
	}
	return nil
}

func (x inside) Program(name string) Program {
	if p := x.c.Programs[name]; p != nil {
		return program{p}
	}
	return nil
}

func (x inside) Variable(name string) Variable {
	if v := x.c.Variables[name]; v != nil {
		return v
	}
	return nil
}

func (x inside) CPUs() int { return x.c.CPUs() }
func (x inside) Close()    { x.c.Close() }

func (x inside) RingReader(name string) (RingReader, error) {
	m := x.c.Maps[name]
	if m == nil {
		return nil, noMap(name)
	}
	r, err := skep.NewRingReader(m)
	if err != nil {
		return nil, err
	}
	return ringReader{r}, nil
}

func (x inside) PerfReader(name string, perCPUBuffer int) (PerfReader, error) {
	m := x.c.Maps[name]
	if m == nil {
		return nil, noMap(name)
	}
	r, err := skep.NewPerfReader(m, perCPUBuffer)
	if err != nil {
		return nil, err
	}
	return perfReader{r}, nil
}

func noMap(name string) error { return fmt.Errorf("bpftest: there is no map %q", name) }

// A program is a program of this process that takes the options of cilium/ebpf.
type program struct{ *skep.Program }

// Run runs the program. Flags and BatchSize, which are about how the kernel does it, are left out.
func (p program) Run(o *ebpf.RunOptions) (uint32, error) {
	opts := skep.RunOptions{Data: o.Data, DataOut: o.DataOut, Context: o.Context, ContextOut: o.ContextOut, Repeat: o.Repeat, CPU: o.CPU}
	ret, err := p.Program.Run(&opts)
	if n := len(o.DataOut); err == nil && n > 0 {
		// cilium/ebpf cuts what the caller made, and fails if it was too short.
		if len(opts.DataOut) > n {
			return 0, fmt.Errorf("bpftest: %d bytes of packet for a DataOut of %d: %w", len(opts.DataOut), n, ebpf.ErrNotSupported)
		}
		o.DataOut = o.DataOut[:copy(o.DataOut, opts.DataOut)]
	}
	return ret, err
}

type ringReader struct{ *skep.RingReader }

func (r ringReader) Read() ([]byte, error) {
	rec, err := r.RingReader.Read()
	return rec.RawSample, err
}

type perfReader struct{ *skep.PerfReader }

func (r perfReader) Read() (PerfRecord, error) {
	rec, err := r.PerfReader.Read()
	return PerfRecord{rec.CPU, rec.RawSample, rec.LostSamples}, err
}
