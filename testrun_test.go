//go:build linux

package skep_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/oracle"
)

// TestTestRuns compares what a test run takes and gives with the running kernel, for each type of programs that it has test runs of: sizes of
// packets and contexts, fields that are not zero, repeats.
func TestTestRuns(t *testing.T) {
	k, err := oracle.Open()
	if err != nil {
		t.Skip("no kernel to ask: ", err)
	}
	defer k.Close()
	for _, prog := range []string{
		"prog socket_filter\nr0 = *(u32 *)(r1 +0)\nexit\n",
		"prog sched_cls\nr0 = *(u32 *)(r1 +0)\nexit\n",
		"prog sched_act\nr0 = *(u32 *)(r1 +8)\nexit\n",
		"prog xdp\nr2 = *(u32 *)(r1 +0)\nr0 = *(u32 *)(r1 +4)\nr0 -= r2\nexit\n",
		"prog cgroup_skb\nr0 = 1\nexit\n",
		"prog lwt_in\nr0 = *(u32 *)(r1 +0)\nexit\n",
		"prog lwt_out\nr0 = *(u32 *)(r1 +0)\nexit\n",
		"prog lwt_xmit\nr0 = *(u32 *)(r1 +0)\nexit\n",
		"prog flow_dissector\nr2 = *(u64 *)(r1 +144)\nr0 = *(u16 *)(r2 +0)\nr3 = 99\n*(u16 *)(r2 +2) = r3\nr0 = 0\nexit\n",
		"prog raw_tracepoint\nr0 = *(u64 *)(r1 +8)\nexit\n",
		"prog syscall\nflags sleepable\nr2 = *(u64 *)(r1 +8)\nr2 += 5\n*(u64 *)(r1 +0) = r2\nr0 = 3\nexit\n",
		"prog sk_lookup\nattach sk_lookup\nr0 = *(u32 *)(r1 +12)\nr0 &= 1\nexit\n",
	} {
		p, err := object.Parse(prog, object.Options{})
		require.NoError(t, err)
		t.Run(fmt.Sprint(p.Type), func(t *testing.T) {
			r, err := k.Load(p, oracle.Options{})
			require.NoError(t, err)
			require.Equal(t, oracle.Accept, r.Verdict, r.Message)
			defer r.Close()
			c := open(t, prog, nil)
			bad, compared := 0, 0
			for _, size := range []int{0, 1, 13, 14, 15, 33, 34, 53, 54, 64, 1514, 3500, 4096, 9000} {
				for _, proto := range []byte{0, 8, 0x86} {
					for _, ctxSize := range []int{0, 1, 8, 16, 24, 40, 56, 72, 96, 97, 192, 200} {
						for _, set := range []int{-1, 0, 4, 8, 12, 16, 32, 36, 40, 48, 52, 57, 62, 64, 72, 152, 160, 164, 176, 195} {
							for _, repeat := range []uint32{0, 1, 2} {
								if (p.Type == 17 || p.Type == 31) && ctxSize < 16 {
									continue // what programs read of the context must be given there; here the rest is zero
								}
								if set >= ctxSize || set >= 0 && repeat > 0 || proto > 0 && (size < 14 || ctxSize > 0) {
									continue
								}
								var data, ctx []byte
								if size > 0 {
									data = make([]byte, size)
									if proto == 8 {
										copy(data[12:], []byte{8, 0, 0x45})
									} else if proto > 0 {
										copy(data[12:], []byte{0x86, 0xdd, 0x60})
									}
								}
								if ctxSize > 0 {
									ctx = make([]byte, ctxSize)
									if p.Type == 6 && ctxSize >= 8 { // data_end
										ctx[4], ctx[5] = byte(size), byte(size>>8)
									}
								}
								if set >= 0 {
									ctx[set] ^= 1
								}
								there, kerr := oracle.TestRun(r.FD, data, ctx, repeat)
								o := skep.RunOptions{Data: data, DataOut: []byte{}, Repeat: repeat}
								var out []byte
								if ctx != nil {
									o.Context, o.ContextOut = ctx, &out
								}
								ret, err := only(c).Run(&o)
								compared++
								what := fmt.Sprintf("type %d, %d bytes (%x), context of %d with %d set, repeat %d", p.Type, size, proto, ctxSize, set, repeat)
								switch {
								case kerr == unix.ENOSPC:
									// The buffer for the context is as short as what is given; ours grows.
								case kerr != nil && err != nil:
									if maps.ErrnoOf(err) != maps.ErrnoOf(kerr) && fmt.Sprint(int(maps.ErrnoOf(err))) != fmt.Sprintf("%d", kerr) {
										t.Errorf("%s: %v (%d), kernel %v (%d)", what, err, maps.ErrnoOf(err), kerr, kerr)
										bad++
									}
								case kerr != nil || err != nil:
									t.Errorf("%s: %v, kernel %v", what, err, kerr)
									bad++
								case ret != there.Retval:
									t.Errorf("%s: returned %d, kernel %d", what, ret, there.Retval)
									bad++
								case string(there.Data) != string(o.DataOut):
									t.Errorf("%s: data %d %x, kernel %d %x", what, len(o.DataOut), o.DataOut[:min(60, len(o.DataOut))], len(there.Data), there.Data[:min(60, len(there.Data))])
									bad++
								case ctx != nil && string(there.Ctx) != string(out[:min(len(out), len(there.Ctx))]):
									t.Errorf("%s: context %x, kernel %x", what, out, there.Ctx)
									bad++
								}
								if bad > 5 {
									t.FailNow()
								}
							}
						}
					}
				}
			}
			t.Log(compared, "test runs compared")
		})
	}
}
