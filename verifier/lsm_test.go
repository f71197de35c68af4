package verifier_test

import (
	"bytes"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/verifier"
)

// TestReturnOfHook: what an LSM hook has returned so far is loaded with its range, as the log of a Linux 6.18 that lets
// LSM programs in says.
func TestReturnOfHook(t *testing.T) {
	var b btf.Builder
	num := &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	proto := &btf.FuncProto{Return: num, Params: []btf.FuncParam{{Name: "n", Type: num}}}
	id, err := b.Add(&btf.Func{Name: "bpf_lsm_file_open", Type: proto, Linkage: btf.StaticFunc})
	require.NoError(t, err)
	raw, err := b.Marshal(nil, nil)
	require.NoError(t, err)
	spec, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	require.NoError(t, err)
	insns, err := isa.Parse("r0 = *(u64 *)(r1 +8)\nexit")
	require.NoError(t, err)
	p := &object.Program{Type: uint32(linux.ProgTypeLSM), AttachType: uint32(linux.AttachLSMMAC), AttachID: uint32(id),
		AttachTo: "bpf_lsm_file_open", License: "GPL", Insns: insns}
	proof, err := verifier.Verify(p, verifier.Options{KernelBTF: &object.BTF{Raw: raw, Spec: spec}, LogLevel: verifier.LogStates})
	require.NoError(t, err)
	require.Contains(t, proof.Log, "R0=scalar(smin=smin32=-4095,smax=smax32=0) R1=ctx()")
}
