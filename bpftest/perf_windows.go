package bpftest

import "github.com/cilium/ebpf"

// PerfReader is not to be had of Windows' kernel.
func (x outside) PerfReader(name string, perCPUBuffer int) (PerfReader, error) {
	return nil, ebpf.ErrNotSupported
}
