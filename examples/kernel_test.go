package examples

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep/examples/classifier"
	"github.com/skepbpf/skep/examples/execlog"
	"github.com/skepbpf/skep/examples/filewatch"
	"github.com/skepbpf/skep/examples/firewall"
	"github.com/skepbpf/skep/examples/gateway"
	"github.com/skepbpf/skep/examples/ratelimit"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/oracle"
)

// programs are the examples' programs, with what Linux 6.18 says of each. Processed instructions depend on the version.
var programs = []struct {
	object    []byte
	name      string
	verdict   string
	message   string // in the log
	processed int
}{
	{firewall.Object, "firewall", oracle.Accept, "", 347},
	{firewall.Broken, "firewall_broken", oracle.Reject, "invalid access to packet, off=36 size=2, R1(id=0,off=36,r=34)\nR1 offset is outside of the packet", 40},
	{classifier.Object, "classify", oracle.Accept, "", 38},
	{classifier.Object, "classify_tcp", oracle.Accept, "", 63},
	{classifier.Object, "classify_udp", oracle.Accept, "", 49},
	{execlog.Object, "execlog", oracle.Accept, "", 43},
	{ratelimit.Object, "ratelimit", oracle.Accept, "", 134},
	{gateway.Object, "gateway_xdp", oracle.Accept, "", 39},
	{gateway.Object, "gateway_tc", oracle.Accept, "", 41},
	{filewatch.Object, "opened", oracle.Accept, "", 38},
	{filewatch.Object, "removed", oracle.Accept, "", 40},
}

func kernel(t *testing.T) *oracle.Kernel {
	t.Helper()
	k, err := oracle.Open()
	if err != nil {
		t.Skip("there is no kernel to ask: ", err)
	}
	t.Cleanup(k.Close)
	return k
}

func load(t *testing.T, obj []byte) *object.Collection {
	t.Helper()
	c, err := object.LoadReader(bytes.NewReader(obj), object.Options{})
	require.NoError(t, err)
	require.NoError(t, c.Err())
	return c
}

func TestVerdicts(t *testing.T) {
	k := kernel(t)
	for _, want := range programs {
		t.Run(want.name, func(t *testing.T) {
			r, err := k.Load(load(t, want.object).Programs[want.name], oracle.Options{})
			require.NoError(t, err)
			defer r.Close()
			require.Equal(t, want.verdict, r.Verdict, r.Log)
			if want.message != "" {
				require.Contains(t, r.Log, want.message)
			}
			if strings.HasPrefix(k.Release(), "6.18.") {
				require.Equal(t, want.processed, r.Processed)
			}
		})
	}
}

// Counters of the firewall.
const (
	passed = iota
	notIP
	blockedNetwork
	closedPort
	malformed
)

// became tells what becomes of each packet of the capture.
var became = []int{notIP, passed, passed, blockedNetwork, closedPort, malformed, passed, blockedNetwork, closedPort}

func TestFirewallOnKernel(t *testing.T) {
	k := kernel(t)
	p := load(t, firewall.Object).Programs["firewall"]
	r, err := k.Load(p, oracle.Options{FreshMaps: true})
	require.NoError(t, err)
	defer r.Close()
	require.Equal(t, oracle.Accept, r.Verdict)
	fds := map[string]int{}
	for i, m := range p.Maps {
		fds[m.Name] = r.Maps[i]
	}
	update := func(name string, key []byte) {
		require.NoError(t, oracle.MapUpdate(fds[name], key, make([]byte, 4), 0))
	}
	update("blocked4", network("203.0.113.0/24"))
	update("blocked6", network("2001:db8:bad::/48"))
	update("closed_ports", []byte{0, 23, 6, 0}) // port in network order, protocol in the host's

	all := frames(t, firewall.Packets)
	require.Len(t, all, len(became))
	for i, frame := range all {
		run, err := oracle.TestRun(r.FD, frame, nil, 1)
		require.NoError(t, err)
		want := uint32(1) // XDP_DROP
		if became[i] == passed || became[i] == notIP {
			want = 2 // XDP_PASS
		}
		require.Equal(t, want, run.Retval, "packet %d", i)
	}
}

// network is the key of a network in an LPM trie.
func network(s string) []byte {
	p := netip.MustParsePrefix(s)
	return append(binary.LittleEndian.AppendUint32(nil, uint32(p.Bits())), p.Addr().AsSlice()...)
}

// frames are the packets of a capture.
func frames(t *testing.T, pcap []byte) [][]byte {
	t.Helper()
	const header, record = 24, 16
	require.Greater(t, len(pcap), header)
	var out [][]byte
	for b := pcap[header:]; len(b) > 0; {
		n := int(binary.LittleEndian.Uint32(b[8:]))
		out = append(out, b[record:record+n])
		b = b[record+n:]
	}
	return out
}
