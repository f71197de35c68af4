package oracle

import (
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
)

// Facts gives the tables for the running kernel: its version, and what of its build can be found out by asking.
func (k *Kernel) Facts() (*linux.Kernel, error) {
	v, err := linux.ParseVersion(k.Release())
	if err != nil {
		return nil, err
	}
	facts := linux.For(v)
	if trust, err := k.trustsNull(); err == nil {
		facts.Config.TrustedArgs = !trust
	}
	return facts, nil
}

// trustsNull tells that a kernel function whose flags ask for no trust is not refused NULL as such.
func (k *Kernel) trustsNull() (bool, error) {
	types, err := k.BTF()
	if err != nil {
		return false, err
	}
	var f *btf.Func
	if err := types.Spec.TypeByName("bpf_dynptr_size", &f); err != nil {
		return false, err
	}
	id, err := types.Spec.TypeID(f)
	if err != nil {
		return false, err
	}
	p := &object.Program{Type: uint32(linux.ProgTypeSocketFilter), License: "GPL", Insns: []isa.Insn{
		isa.New(isa.Mov, 8, false, isa.R1, 0, 0, 0), isa.New(isa.CallKfn, 0, false, 0, 0, 0, int32(id)),
		isa.New(isa.Mov, 8, false, isa.R0, 0, 0, 0), isa.New(isa.Exit, 0, false, 0, 0, 0, 0)}}
	r, err := k.Load(p, Options{LogLevel: LogStates})
	if err != nil {
		return false, err
	}
	defer r.Close()
	return !strings.Contains(r.Log, "trusted arg"), nil
}
