//go:build !windows

package bpftest

import "github.com/cilium/ebpf/perf"

func (x outside) PerfReader(name string, perCPUBuffer int) (PerfReader, error) {
	m := x.c.Maps[name]
	if m == nil {
		return nil, noMap(name)
	}
	r, err := perf.NewReader(m, perCPUBuffer)
	if err != nil {
		return nil, err
	}
	return kernelPerf{r}, nil
}

type kernelPerf struct{ *perf.Reader }

func (r kernelPerf) Read() (PerfRecord, error) {
	rec, err := r.Reader.Read()
	return PerfRecord{rec.CPU, rec.RawSample, rec.LostSamples}, err
}
