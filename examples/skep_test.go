package examples

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/examples/classifier"
	"github.com/skepbpf/skep/examples/execlog"
	"github.com/skepbpf/skep/examples/firewall"
	"github.com/skepbpf/skep/examples/ratelimit"
	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/interp"
	"github.com/skepbpf/skep/oracle"
)

// TestSkepVerdicts compares skep's verdicts with those that Linux 6.18 gave when the examples were written.
func TestSkepVerdicts(t *testing.T) {
	for _, want := range programs {
		v := verify(t, want.object, want.name)
		require.Equal(t, want.verdict == oracle.Accept, v.Accepted(), "%s: %v", want.name, v.Err)
		require.Equal(t, want.processed, v.Cost().Processed, want.name)
		if want.message != "" {
			require.NotNil(t, v.Refused(), want.name)
			require.Contains(t, v.Refused().Log, want.message)
		}
	}
}

// TestSkepAndKernel compares them with the running kernel's, if it is of that version.
func TestSkepAndKernel(t *testing.T) {
	k := kernel(t)
	if k.Release()[:5] != "6.18." {
		t.Skip("verdicts and costs are those of 6.18; this is Linux ", k.Release())
	}
	for _, want := range programs {
		v := verify(t, want.object, want.name)
		r, err := k.Load(load(t, want.object).Programs[want.name], oracle.Options{})
		require.NoError(t, err)
		defer r.Close()
		require.Equal(t, r.Verdict == oracle.Accept, v.Accepted(), want.name)
		require.Equal(t, r.Processed, v.Cost().Processed, want.name)
		require.Equal(t, r.TotalStates, v.Cost().TotalStates, want.name)
		require.Equal(t, r.PeakStates, v.Cost().PeakStates, want.name)
		if e := v.Refused(); e != nil {
			require.Equal(t, r.Message, e.Message, want.name)
			require.Equal(t, int(r.Errno), e.Errno, want.name)
		}
	}
}

func verify(t *testing.T, obj []byte, name string) *skep.Verdict {
	t.Helper()
	vs, err := skep.VerifyReader(bytes.NewReader(obj), &skep.VerifyOptions{Programs: []string{name}})
	require.NoError(t, err)
	require.Len(t, vs, 1)
	return vs[0]
}

func spec(t *testing.T, obj []byte) *ebpf.CollectionSpec {
	t.Helper()
	s, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(obj))
	require.NoError(t, err)
	return s
}

// A count is an element of the firewall's counters.
type count struct{ Packets, Bytes uint64 }

// TestFirewall runs the firewall on its capture, and compares actions and counters with what the running kernel makes
// of the same packets, if there is one.
func TestFirewall(t *testing.T) {
	var objs struct {
		Firewall *skep.Program `ebpf:"firewall"`
		Blocked4 *skep.Map     `ebpf:"blocked4"`
		Blocked6 *skep.Map     `ebpf:"blocked6"`
		Closed   *skep.Map     `ebpf:"closed_ports"`
		Counters *skep.Map     `ebpf:"counters"`
	}
	require.NoError(t, skep.LoadAndAssign(spec(t, firewall.Object), &objs, nil))
	defer objs.Firewall.Close()
	for _, m := range []*skep.Map{objs.Blocked4, objs.Blocked6, objs.Closed, objs.Counters} {
		defer m.Close()
	}
	require.NoError(t, objs.Blocked4.Put(network("203.0.113.0/24"), uint32(0)))
	require.NoError(t, objs.Blocked6.Put(network("2001:db8:bad::/48"), uint32(0)))
	require.NoError(t, objs.Closed.Put([]byte{0, 23, 6, 0}, uint32(0)))

	want := make([]count, malformed+1)
	for i, frame := range frames(t, firewall.Packets) {
		ret, out, err := objs.Firewall.Test(frame)
		require.NoError(t, err)
		require.Equal(t, frame, out)
		action := uint32(1) // XDP_DROP
		if became[i] == passed || became[i] == notIP {
			action = 2 // XDP_PASS
		}
		require.Equal(t, action, ret, "packet %d", i)
		want[became[i]].Packets++
		want[became[i]].Bytes += uint64(len(frame))
	}
	got := make([]count, len(want))
	for i := range got {
		var each []count
		require.NoError(t, objs.Counters.Lookup(uint32(i), &each))
		for _, c := range each {
			got[i].Packets += c.Packets
			got[i].Bytes += c.Bytes
		}
	}
	require.Equal(t, want, got)
	t.Run("kernel", func(t *testing.T) { require.Equal(t, kernelCounters(t, len(want)), got) })
}

// kernelCounters are the firewall's counters after the running kernel has run it on its capture.
func kernelCounters(t *testing.T, n int) []count {
	k := kernel(t)
	p := load(t, firewall.Object).Programs["firewall"]
	r, err := k.Load(p, oracle.Options{FreshMaps: true})
	require.NoError(t, err)
	defer r.Close()
	fds := map[string]int{}
	for i, m := range p.Maps {
		fds[m.Name] = r.Maps[i]
	}
	none := make([]byte, 4)
	require.NoError(t, oracle.MapUpdate(fds["blocked4"], network("203.0.113.0/24"), none, 0))
	require.NoError(t, oracle.MapUpdate(fds["blocked6"], network("2001:db8:bad::/48"), none, 0))
	require.NoError(t, oracle.MapUpdate(fds["closed_ports"], []byte{0, 23, 6, 0}, none, 0))
	for _, frame := range frames(t, firewall.Packets) {
		_, err := oracle.TestRun(r.FD, frame, nil, 1)
		require.NoError(t, err)
	}
	cpus, err := ebpf.PossibleCPU()
	require.NoError(t, err)
	out := make([]count, n)
	each := make([]byte, 16*cpus)
	for i := range out {
		require.NoError(t, oracle.MapLookup(fds["counters"], binary.NativeEndian.AppendUint32(nil, uint32(i)), each))
		for cpu := range cpus {
			out[i].Packets += binary.NativeEndian.Uint64(each[16*cpu:])
			out[i].Bytes += binary.NativeEndian.Uint64(each[16*cpu+8:])
		}
	}
	return out
}

// TestDryRun sets a constant before loading: the firewall then drops nothing.
func TestDryRun(t *testing.T) {
	s := spec(t, firewall.Object)
	require.NoError(t, s.Variables["dry_run"].Set(byte(1)))
	c, err := skep.NewCollection(s, nil)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.Maps["blocked4"].Put(network("203.0.113.0/24"), uint32(0)))
	for i, frame := range frames(t, firewall.Packets) {
		ret, _, err := c.Programs["firewall"].Test(frame)
		require.NoError(t, err)
		require.EqualValues(t, 2, ret, "packet %d", i)
	}
}

// TestBrokenFirewall shows what a user sees of a program that is refused.
func TestBrokenFirewall(t *testing.T) {
	_, err := skep.NewCollection(spec(t, firewall.Broken), nil)
	var ve *ebpf.VerifierError
	require.ErrorAs(t, err, &ve)
	require.ErrorContains(t, err, "R1 offset is outside of the packet (examples/firewall/firewall_broken.c:46: if (tcp->dest == bpf_htons(23)))")
}

// TestClassifier runs the classifier, whose programs are called by tail calls.
func TestClassifier(t *testing.T) {
	c, err := skep.NewCollection(spec(t, classifier.Object), nil)
	require.NoError(t, err)
	defer c.Close()
	packets := frames(t, firewall.Packets)
	for i, want := range map[int]struct{ mark, class uint32 }{
		1: {6, 1<<16 | 10},  // a SYN
		2: {17, 1<<16 | 10}, // UDP to port 53
		0: {0, 1<<16 | 30},  // ARP
	} {
		var out []byte // all of the context: a test run does not give back the class
		ret, err := c.Programs["classify"].Run(&skep.RunOptions{Data: packets[i], Result: func(r *helpers.Run, _ uint64) error {
			out = bytes.Clone(r.Context())
			return nil
		}})
		require.NoError(t, err)
		require.Zero(t, ret)
		require.Equal(t, want.mark, binary.NativeEndian.Uint32(out[8:]), "packet %d: mark", i)
		require.Equal(t, want.class, binary.NativeEndian.Uint32(out[72:]), "packet %d: class", i)
	}
}

// TestExeclog reads the records that the log writes.
func TestExeclog(t *testing.T) {
	c, err := skep.NewCollection(spec(t, execlog.Object), nil)
	require.NoError(t, err)
	defer c.Close()
	r, err := skep.NewRingReader(c.Maps["records"])
	require.NoError(t, err)
	defer r.Close()
	_, err = c.Programs["execlog"].Run(&skep.RunOptions{Context: make([]byte, 64)})
	require.NoError(t, err)
	rec, err := r.Read()
	require.NoError(t, err)
	var record struct {
		Time     uint64
		PID, UID uint32
		Comm     [16]byte
		Filename [128]byte
	}
	_, err = binary.Decode(rec.RawSample, binary.NativeEndian, &record)
	require.NoError(t, err)
	require.EqualValues(t, 1, record.PID)
	require.Equal(t, "skep", string(bytes.TrimRight(record.Comm[:], "\x00")))
}

// TestRatelimit sends until the bucket is empty.
func TestRatelimit(t *testing.T) {
	s := spec(t, ratelimit.Object)
	c, err := skep.NewCollection(s, nil)
	require.NoError(t, err)
	defer c.Close()
	frame := frames(t, firewall.Packets)[1]
	sent := 0
	for range 100000 {
		ret, err := c.Programs["ratelimit"].Run(&skep.RunOptions{Data: frame})
		require.NoError(t, err)
		if ret == 0 {
			break
		}
		sent++
	}
	require.Greater(t, sent, 10)
	require.Less(t, sent, 100000, "the bucket is never empty")
}

// udp is a UDP datagram in an Ethernet frame.
func udp(src, dst netip.AddrPort, payload string) []byte {
	b := append(make([]byte, 12), 8, 0, 0x45, 0, 0, byte(28+len(payload)), 0, 0, 0, 0, 64, 17, 0, 0)
	b = append(append(b, src.Addr().AsSlice()...), dst.Addr().AsSlice()...)
	for _, v := range []uint16{src.Port(), dst.Port(), uint16(8 + len(payload)), 0} {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return append(b, payload...)
}

// TestCover tells how often its capture reaches the lines of the firewall.
func TestCover(t *testing.T) {
	var cover interp.Coverage
	c, err := skep.NewCollection(spec(t, firewall.Object), &skep.Options{Cover: &cover})
	require.NoError(t, err)
	defer c.Close()
	for _, frame := range frames(t, firewall.Packets) {
		_, _, err := c.Programs["firewall"].Test(frame)
		require.NoError(t, err)
	}
	var profile strings.Builder
	require.NoError(t, cover.WriteProfile(&profile))
	source, err := os.ReadFile("firewall/firewall.c")
	require.NoError(t, err)
	lines := strings.Split(string(source), "\n")
	counts := map[string]int{} // by text of the line
	for _, block := range strings.Split(strings.TrimSpace(profile.String()), "\n")[1:] {
		var line, from, to, count int
		_, err := fmt.Sscanf(block, "./examples/firewall/firewall.c:%d.%d,%d.%d 1 %d", &line, &from, &line, &to, &count)
		require.NoError(t, err, block)
		require.Equal(t, strings.TrimLeft(lines[line-1], "\t"), lines[line-1][from-1:to-1], "the block is the line")
		counts[strings.TrimSpace(lines[line-1])] = count
	}
	require.Equal(t, 9, counts["__u32 reason = check(&c);"], "all packets come here")
	require.Equal(t, 6, counts["struct network4 source = {.bits = 32};"], "those of IPv4")
	require.Equal(t, 2, counts["struct network6 source = {.bits = 128};"], "those of IPv6")
}
