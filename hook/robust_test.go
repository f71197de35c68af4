package hook_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep/hook"
)

// FuzzFormat reads formats of tracepoints, and makes records of what they have.
func FuzzFormat(f *testing.F) {
	f.Add(execFormat, "filename", "text", int64(1))
	f.Add("field:char x;\toffset:8;\tsize:0;", "x", "", int64(-1))
	f.Add("field:;\toffset:8;\tsize:4;", "", "", int64(0))
	f.Add("field:__rel_loc char[] y;\toffset:8;\tsize:2;", "y", "z", int64(0))
	f.Fuzz(func(t *testing.T, format, name, text string, n int64) {
		h := hook.NewHost(nil)
		if h.DefineTracepoint("g", "n", format) != nil {
			return
		}
		for _, v := range []any{text, n, []byte(text), []any{n, text}, []error{}, nil, struct{ A, B int32 }{1, 2}, [3]uint16{}, true, func() {}} {
			// It may fail; it must not panic.
			_, _ = h.Trace("g", "n", hook.Fields{name: v})
		}
	})
}

// TestAnyFrame lets frames of any bytes arrive and go out where all kinds of programs are attached.
func TestAnyFrame(t *testing.T) {
	h := hook.NewHost(nil)
	a, b := h.AddVeth("a", "b")
	must := func(_ *hook.Link, err error) { t.Helper(); require.NoError(t, err) }
	for _, i := range []*hook.Interface{a, b} {
		must(h.AttachXDP(hook.XDPOptions{Program: load(t, h, returns("xdp", 2)), Interface: i.Index}))
		must(h.AttachTCX(hook.TCXOptions{Program: load(t, h, returns("sched_cls", -1)), Interface: i.Index, Attach: ebpf.AttachTCXIngress}))
		must(h.AttachTCX(hook.TCXOptions{Program: load(t, h, "prog sched_cls\nr1 = 1\nr2 = 0\nr3 = 0\nr4 = 0\ncall bpf_redirect_neigh\nexit\n"),
			Interface: i.Index, Attach: ebpf.AttachTCXEgress}))
	}
	s := h.Listen(hook.UDP, server)
	must(h.AttachSocketFilter(s, load(t, h, returns("socket_filter", 100))))
	must(h.AttachSocketFilter(h.PacketSocket(nil), load(t, h, returns("socket_filter", 5))))
	must(h.AttachCgroup(hook.CgroupOptions{Program: load(t, h, returns("cgroup_skb", 1)), Attach: ebpf.AttachCGroupInetIngress}))
	must(h.AttachNetNs(load(t, h, "prog sk_lookup\nattach sk_lookup\nr0 = 1\nexit\n")))
	must(h.AttachNetNs(load(t, h, "prog flow_dissector\nr0 = 0\nexit\n")))
	r := rand.New(rand.NewPCG(2, 2))
	good := frame(client, server, "hello")
	for range 3000 {
		f := append([]byte(nil), good[:r.IntN(len(good)+1)]...)
		for range r.IntN(4) {
			if len(f) > 0 {
				f[r.IntN(len(f))] = byte(r.Uint32())
			}
		}
		_, err := a.Receive(f)
		require.NoError(t, err, "%x", f)
		_, err = b.Send(f)
		require.NoError(t, err, "%x", f)
		_, err = s.Send(a, f)
		require.NoError(t, err, "%x", f)
		_, _, _ = h.Dissect(f)
		s.Received()
	}
	_, err := a.Receive(make([]byte, 100_000))
	require.Error(t, err, "no packet is so long")
	require.True(t, strings.Contains(err.Error(), "xdp a"), err)
}
