package helpers

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/maps"
)

// loopback is the index of the device that test runs come from.
const loopback = 1

// SetTestRun gives the run a packet and a context as BPF_PROG_TEST_RUN of Linux 6.18 makes them from data and ctx, either of which
// may be nil, for programs of the Run's Type and AttachType. Errors are those of the system call (maps.Errno).
func (r *Run) SetTestRun(data, ctx []byte) error {
	r.Packet, r.Redirect, r.Retval = nil, Redirect{}, 0
	if r.Type == linux.ProgTypeXDP {
		return r.testXDP(data, ctx)
	}
	switch r.Type {
	case linux.ProgTypeSkSKB:
		return maps.ENOTSUPP
	case linux.ProgTypeFlowDissector:
		return r.testFlow(data, ctx)
	case linux.ProgTypeSkLookup:
		return r.testLookup(data, ctx)
	}
	if skb, _ := takesSKB(r.Type); skb {
		return r.testSKB(data, ctx)
	}
	if len(data) > 0 || r.Type == linux.ProgTypeRawTracepoint && len(ctx) > rawArguments {
		return maps.EINVAL
	}
	// Of the other types Linux runs few for a test. Here what is not given is zero.
	if err := r.context(max(uint32(len(ctx)), r.contextSize())); err != nil {
		return err
	}
	copy(r.Context(), ctx)
	return nil
}

// rawArguments is how many bytes of arguments tracepoints have at most.
const rawArguments = 12 * 8

// contextSize is the size of the context of programs of the Run's type; of those that are arguments, of as many as
// functions have.
func (r *Run) contextSize() uint32 {
	k := linux.Kernel{Version: linux.V(6, 18)}
	p := k.Prog(r.Type, r.AttachType, "")
	if p == nil || p.Ctx().Size <= 0 {
		return rawArguments
	}
	return uint32(p.Ctx().Size)
}

// testXDP is SetTestRun of XDP programs.
func (r *Run) testXDP(data, ctx []byte) error {
	md, given := XDP{IngressIfindex: loopback, Frags: true}, uint32(0)
	if len(ctx) > 0 {
		ctx, err := wholeContext(ctx, sizeXDP)
		if err != nil {
			return err
		}
		word := func(off int) uint32 { return binary.NativeEndian.Uint32(ctx[off:]) }
		meta, end := word(offXDPData), word(offXDPEnd)
		if word(offXDPMeta) != 0 || end > uint32(len(data)) || meta > end || meta%4 != 0 || word(offXDPEgress) != 0 {
			return maps.EINVAL
		}
		if word(offXDPIngress) > loopback || word(offXDPQueue) != 0 {
			return maps.EINVAL
		}
		// What comes after the end that is given lies in other buffers.
		md.MetaLen, md.Fragments, given = meta, uint32(len(data))-end, word(offXDPIngress)
	}
	if len(data)-int(md.MetaLen) < ethLen {
		return maps.EINVAL
	}
	if err := r.SetXDP(data, md); err != nil {
		return fmt.Errorf("%w: %w", maps.EINVAL, err)
	}
	r.Packet.given = given
	return nil
}

// wholeContext is a context of a size, filled up with zeros. What follows must be zeros too: E2BIG.
func wholeContext(ctx []byte, size int) ([]byte, error) {
	if len(ctx) > size {
		for _, b := range ctx[size:] {
			if b != 0 {
				return nil, maps.E2BIG
			}
		}
	}
	out := make([]byte, size)
	copy(out, ctx)
	return out, nil
}

// zero tells that bytes are all zero.
func zero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// Offsets in struct bpf_flow_keys.
const (
	offFlowThoff = 2
	offFlowProto = 10
	offFlowFlags = 48
	sizeFlowKeys = 56
)

// testFlow is SetTestRun of flow dissectors: the context is a struct bpf_flow_keys, of which the flags are taken.
func (r *Run) testFlow(data, ctx []byte) error {
	if len(data) < ethLen || len(data) > testFlowMax {
		return maps.EINVAL
	}
	given, err := wholeContext(ctx, sizeFlowKeys)
	switch {
	case err != nil:
		return err
	case !zero(given[:offFlowFlags]) || !zero(given[offFlowFlags+4:]):
		return maps.EINVAL
	}
	if err := r.SetSKB(data, &SKB{}); err != nil {
		return fmt.Errorf("%w: %w", maps.EINVAL, err)
	}
	return r.FlowKeys(given)
}

// FlowKeys gives the context a struct bpf_flow_keys, with the offset of the network header and the protocol filled in.
func (r *Run) FlowKeys(keys []byte) error {
	data := r.Packet.Bytes()
	if len(keys) != sizeFlowKeys || len(data) < ethLen {
		return maps.EINVAL
	}
	keys = bytes.Clone(keys)
	binary.NativeEndian.PutUint16(keys, ethLen)
	copy(keys[offFlowProto:], data[12:ethLen])
	a, err := r.Mem(keys)
	if err != nil {
		return err
	}
	binary.NativeEndian.PutUint64(r.Context()[offSKBFlow:], uint64(a))
	return nil
}

// Flow is the struct bpf_flow_keys as the program left it, its offsets cut to the packet.
func (r *Run) Flow() []byte {
	keys := bytes.Clone(r.Space.Bytes(r.mem, sizeFlowKeys))
	end := uint16(min(r.Packet.Len(), 1<<16-1))
	net := min(max(binary.NativeEndian.Uint16(keys), ethLen), end)
	trans := min(max(binary.NativeEndian.Uint16(keys[offFlowThoff:]), net), end)
	binary.NativeEndian.PutUint16(keys, net)
	binary.NativeEndian.PutUint16(keys[offFlowThoff:], trans)
	return keys
}

// testLookup is SetTestRun of sk_lookup programs: the context is a struct bpf_sk_lookup.
func (r *Run) testLookup(data, ctx []byte) error {
	const size, family, localPort, ingress = 72, 8, 60, 64
	if len(data) > 0 || len(ctx) == 0 {
		return maps.EINVAL
	}
	given, err := wholeContext(ctx, size)
	switch {
	case err != nil:
		return err
	case !zero(given[:family]) || !zero(given[ingress:]):
		return maps.EINVAL
	case binary.NativeEndian.Uint32(given[localPort:]) > 1<<16-1:
		return erange
	}
	switch binary.NativeEndian.Uint32(given[family:]) {
	case 2, 10: // AF_INET, AF_INET6
	default:
		return eafnosupport
	}
	return r.SetContext(given)
}

// Most bytes of a packet in a test run: what is left of a page, and a page.
const (
	testSKBMax  = 3712
	testFlowMax = 4096
)

// testSKB is SetTestRun of programs in the network stack.
func (r *Run) testSKB(data, ctx []byte) error {
	if len(data) < ethLen || len(data) > testSKBMax {
		return maps.EINVAL
	}
	_, link := takesSKB(r.Type)
	switch proto := swap(etherType(data[12:])); {
	case proto == protoIPv4 && len(data) < ethLen+20, proto == protoIPv6 && len(data) < ethLen+40:
		return maps.EINVAL
	}
	md := SKB{Pulled: !link, Ifindex: loopback, PktType: pktType(data)}
	if len(ctx) > 0 {
		ctx, err := wholeContext(ctx, sizeSKB)
		if err != nil {
			return err
		}
		if err := md.fromTestRun(ctx); err != nil {
			return err
		}
		n := uint32(len(data))
		if !link {
			n -= ethLen
		}
		switch {
		case md.WireLen == 0:
			md.WireLen = n
		case md.WireLen < n || md.WireLen > skbMax:
			return maps.EINVAL
		}
	}
	md.addresses(data)
	const closed = 7 // the state of a socket that nobody has used
	sock, err := r.Socket(&Sock{Family: md.Family, SrcIP4: md.LocalIP4, SrcIP6: md.LocalIP6, DstIP4: md.RemoteIP4,
		DstIP6: md.RemoteIP6, State: closed, RxQueueMapping: -1})
	if err != nil {
		return err
	}
	md.Sock = uint64(sock)
	if err := r.SetSKB(data, &md); err != nil {
		return fmt.Errorf("%w: %w", maps.EINVAL, err)
	}
	return nil
}

// pktType is whom a packet is for, by its link header, on the loopback device, whose address is zero: PACKET_HOST (0),
// PACKET_BROADCAST, PACKET_MULTICAST, PACKET_OTHERHOST.
func pktType(data []byte) uint32 {
	switch to := [6]byte(data); {
	case to == [6]byte{}:
		return 0
	case to == [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}:
		return 1
	case to[0]&1 != 0:
		return 2
	}
	return 3
}

// addresses gives the socket of a test run the addresses of the packet: the local one is its source.
func (s *SKB) addresses(data []byte) {
	switch ip := data[ethLen:]; swap(etherType(data[12:])) {
	case protoIPv4:
		s.Family = 2
		s.LocalIP4, s.RemoteIP4 = binary.NativeEndian.Uint32(ip[12:]), binary.NativeEndian.Uint32(ip[16:])
	case protoIPv6:
		s.Family = 10
		for i := range 4 {
			s.LocalIP6[i] = binary.NativeEndian.Uint32(ip[8+4*i:])
			s.RemoteIP6[i] = binary.NativeEndian.Uint32(ip[24+4*i:])
		}
	}
}

// fromTestRun takes the fields that a test run takes from a struct __sk_buff; the others must be zero.
func (s *SKB) fromTestRun(ctx []byte) error {
	word := func(off int) uint32 { return binary.NativeEndian.Uint32(ctx[off:]) }
	taken := [sizeSKB]bool{}
	for _, f := range testRunFields {
		for i := range f.size {
			taken[f.off+i] = true
		}
	}
	for i, b := range ctx {
		if b != 0 && !taken[i] {
			return maps.EINVAL
		}
	}
	s.Mark, s.Priority = word(offSKBMark), word(offSKBPriority)
	s.IngressIfindex = word(offSKBIngress)
	if i := word(offSKBIfindex); i > loopback {
		return maps.EINVAL // no such device
	}
	for i := range s.CB {
		s.CB[i] = word(offSKBCB + 4*i)
	}
	s.Tstamp = binary.NativeEndian.Uint64(ctx[offSKBTstamp:])
	s.HwTstamp = binary.NativeEndian.Uint64(ctx[offSKBHwTstamp:])
	s.WireLen, s.GSOSegs, s.GSOSize = word(offSKBWire), word(offSKBGSOSegs), word(offSKBGSOSize)
	return nil
}

// TestResult is the packet and the context as BPF_PROG_TEST_RUN gives them back: the packet is valid until the Run is
// used again. The context has what the program may have changed; of a packet of XDP, offsets instead of addresses.
func (r *Run) TestResult() (data, ctx []byte) {
	p := r.Packet
	if p == nil {
		return nil, r.Context()
	}
	if r.Type == linux.ProgTypeFlowDissector {
		ctx := make([]byte, sizeFlowKeys)
		data := r.Flow()
		copy(ctx[offFlowFlags:], data[offFlowFlags:offFlowFlags+4])
		return data, ctx
	}
	if p.xdp {
		ctx = make([]byte, sizeXDP)
		data = p.space.Bytes(p.meta, uint32(p.end-p.meta))
		binary.NativeEndian.PutUint32(ctx[offXDPData:], uint32(p.data-p.meta))
		binary.NativeEndian.PutUint32(ctx[offXDPEnd:], uint32(p.linear-p.meta))
		// The device comes back as it was given, not as the program saw it.
		binary.NativeEndian.PutUint32(ctx[offXDPIngress:], p.given)
		return data, ctx
	}
	ctx = make([]byte, sizeSKB)
	for _, f := range testRunFields {
		copy(ctx[f.off:f.off+f.size], r.Context()[f.off:])
	}
	if _, link := takesSKB(r.Type); !link {
		// A link header comes back as zeros.
		return append(make([]byte, ethLen), p.Bytes()...), ctx
	}
	return p.Bytes(), ctx
}

// testRunFields are the fields of struct __sk_buff that a test run takes and gives back.
var testRunFields = [...]struct{ off, size int }{
	{offSKBMark, 4}, {offSKBPriority, 4}, {offSKBIngress, 8}, {offSKBCB, 20}, {offSKBTstamp, 8}, {offSKBWire, 8},
	{offSKBGSOSize, 4}, {offSKBHwTstamp, 8},
}
