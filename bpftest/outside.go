package bpftest

import (
	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
)

// On is a collection of the kernel.
func On(c *ebpf.Collection) Collection { return outside{c} }

type outside struct{ c *ebpf.Collection }

func (x outside) Map(name string) Map {
	if m := x.c.Maps[name]; m != nil {
		return m
	}
	return nil
}

func (x outside) Program(name string) Program {
	if p := x.c.Programs[name]; p != nil {
		return p
	}
	return nil
}

func (x outside) Variable(name string) Variable {
	if v := x.c.Variables[name]; v != nil {
		return v
	}
	return nil
}

func (x outside) CPUs() int {
	n, err := ebpf.PossibleCPU()
	if err != nil {
		return 1
	}
	return n
}

func (x outside) Close() { x.c.Close() }

func (x outside) RingReader(name string) (RingReader, error) {
	m := x.c.Maps[name]
	if m == nil {
		return nil, noMap(name)
	}
	r, err := ringbuf.NewReader(m)
	if err != nil {
		return nil, err
	}
	return kernelRing{r}, nil
}

type kernelRing struct{ *ringbuf.Reader }

func (r kernelRing) Read() ([]byte, error) {
	rec, err := r.Reader.Read()
	return rec.RawSample, err
}
