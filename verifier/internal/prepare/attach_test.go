package prepare

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep/object"
)

// TestLSMHooks: Linux 6.18 has hooks that no program may attach to, and hooks where programs may sleep.
func TestLSMHooks(t *testing.T) {
	const sleepable = 1 << 4 // BPF_F_SLEEPABLE
	var b btf.Builder
	proto := &btf.FuncProto{Return: &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}}
	ids := map[string]uint32{}
	for _, name := range []string{"bpf_lsm_getprocattr", "bpf_lsm_file_open", "bpf_lsm_task_free"} {
		id, err := b.Add(&btf.Func{Name: name, Type: proto, Linkage: btf.StaticFunc})
		require.NoError(t, err)
		ids[name] = uint32(id)
	}
	raw, err := b.Marshal(nil, nil)
	require.NoError(t, err)
	spec, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	require.NoError(t, err)
	types := &object.BTF{Raw: raw, Spec: spec}
	for _, c := range []struct {
		hook    string
		flags   uint32
		message string
		known   bool
	}{
		{"bpf_lsm_getprocattr", 0, "attach_btf_id %d points to disabled hook bpf_lsm_getprocattr", true},
		{"bpf_lsm_file_open", 0, "", true},
		{"bpf_lsm_file_open", sleepable, "", true},
		{"bpf_lsm_task_free", sleepable, "", false},
	} {
		p := &object.Program{Type: progLSM, AttachType: 27, AttachID: ids[c.hook], Flags: c.flags, License: "GPL", Insns: ret0}
		in, f := Prepare(p, Options{KernelBTF: types})
		if c.message != "" {
			require.NotNil(t, f, c.hook)
			require.Equal(t, fmt.Sprintf(c.message, ids[c.hook]), f.Message)
			require.Equal(t, einval, f.Errno)
			continue
		}
		require.Nil(t, f, c.hook)
		require.Equal(t, c.known, in.Unsupported == "", "%s: %s", c.hook, in.Unsupported)
	}
}
