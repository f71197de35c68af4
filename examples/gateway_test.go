package examples

import (
	"net/netip"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/examples/gateway"
	"github.com/skepbpf/skep/hook"
)

// TestGateway sends packets through XDP and TC of one interface, out of another; both programs use one map.
func TestGateway(t *testing.T) {
	host := hook.NewHost(nil)
	lan, wan := host.AddInterface("lan"), host.AddInterface("wan")

	var objs struct {
		XDP      *skep.Program `ebpf:"gateway_xdp"`
		TC       *skep.Program `ebpf:"gateway_tc"`
		Services *skep.Map     `ebpf:"services"`
	}
	require.NoError(t, skep.LoadAndAssign(spec(t, gateway.Object), &objs, nil))
	defer objs.XDP.Close()
	defer objs.TC.Close()
	defer objs.Services.Close()
	type service struct {
		Ifindex, _ uint32
		Seen, Sent uint64
	}
	require.NoError(t, objs.Services.Put(uint16(53), service{Ifindex: uint32(wan.Index)}))

	xdp, err := host.AttachXDP(hook.XDPOptions{Program: objs.XDP, Interface: lan.Index})
	require.NoError(t, err)
	defer xdp.Close()
	tc, err := host.AttachTCX(hook.TCXOptions{Program: objs.TC, Interface: lan.Index, Attach: ebpf.AttachTCXIngress})
	require.NoError(t, err)
	defer tc.Close()

	client := netip.MustParseAddrPort("198.51.100.7:4000")
	query := udp(client, netip.MustParseAddrPort("192.0.2.1:53"), "query")
	for range 3 {
		trip, err := lan.Receive(query)
		require.NoError(t, err)
		require.Equal(t, hook.Sent, trip.Verdict)
		require.Same(t, wan, trip.Interface)
	}
	require.Equal(t, [][]byte{query, query, query}, wan.Sent())

	trip, err := lan.Receive(udp(client, netip.MustParseAddrPort("192.0.2.1:99"), "?"))
	require.NoError(t, err)
	require.Equal(t, hook.Dropped, trip.Verdict)
	require.Equal(t, "XDP_DROP", trip.Why)

	var s service
	require.NoError(t, objs.Services.Lookup(uint16(53), &s))
	require.Equal(t, service{Ifindex: uint32(wan.Index), Seen: 3, Sent: 3}, s)
}
