package skep_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/oracle"
)

// TestRepeat: what a repeated run leaves is what it finds the next time, as on the kernel.
func TestRepeat(t *testing.T) {
	for name, text := range map[string]string{
		"xdp":       "prog xdp\nr2 = *(u32 *)(r1 +0)\nr3 = *(u32 *)(r1 +4)\nr4 = r2\nr4 += 14\nr0 = 0\nif r4 > r3 goto out\nr0 = *(u8 *)(r2 +0)\nr0 += 1\n*(u8 *)(r2 +0) = r0\nout:\nexit\n",
		"head":      "prog xdp\nr2 = -4\ncall bpf_xdp_adjust_head\nexit\n",
		"sched_cls": "prog sched_cls\nr0 = *(u32 *)(r1 +8)\nr0 += 1\n*(u32 *)(r1 +8) = r0\nexit\n",
		"tail":      "prog sched_cls\nr2 = *(u32 *)(r1 +0)\nr2 += 3\nr3 = 0\ncall bpf_skb_change_tail\nexit\n",
		"cb":        "prog cgroup_skb\nr0 = *(u32 *)(r1 +48)\nr0 += 1\n*(u32 *)(r1 +48) = r0\nr0 &= 1\nexit\n",
		"redirect":  "prog sched_cls\nr1 = 1\nr2 = 0\ncall bpf_redirect\nexit\n",
	} {
		t.Run(name, func(t *testing.T) {
			p, err := object.Parse(text, object.Options{})
			require.NoError(t, err)
			k, err := oracle.Open()
			if err != nil {
				t.Skip("no kernel to ask: ", err)
			}
			defer k.Close()
			r, err := k.Load(p, oracle.Options{})
			require.NoError(t, err)
			require.Equal(t, oracle.Accept, r.Verdict, r.Message)
			defer r.Close()
			for _, repeat := range []uint32{0, 1, 2, 5, 70} {
				for _, data := range [][]byte{make([]byte, 64), make([]byte, 14), make([]byte, 13), nil} {
					there, kerr := oracle.TestRun(r.FD, data, nil, repeat)
					c := open(t, text, nil)
					o := skep.RunOptions{Data: data, DataOut: []byte{}, Repeat: repeat}
					ret, err := only(c).Run(&o)
					require.Equal(t, kerr != nil, err != nil, "%v, kernel %v", err, kerr)
					if err != nil {
						continue
					}
					require.Equal(t, there.Retval, ret, "repeat %d, %d bytes", repeat, len(data))
					require.Equal(t, there.Data, o.DataOut, "repeat %d, %d bytes", repeat, len(data))
				}
			}
		})
	}
}

// only is the program of a collection that has one.
func only(c *skep.Collection) *skep.Program {
	for _, p := range c.Programs {
		return p
	}
	return nil
}
