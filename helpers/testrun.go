package helpers

import (
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
	if r.Type == linux.ProgTypeSkSKB {
		return maps.ENOTSUPP
	}
	if skb, _ := takesSKB(r.Type); skb {
		return r.testSKB(data, ctx)
	}
	if len(data) > 0 {
		return maps.EINVAL
	}
	// Of the other types Linux runs few for a test. Here what is not given is zero.
	if err := r.context(max(uint32(len(ctx)), r.contextSize())); err != nil {
		return err
	}
	copy(r.Context(), ctx)
	return nil
}

// contextSize is the size of the context of programs of the Run's type; of those that are arguments, of as many as
// functions have.
func (r *Run) contextSize() uint32 {
	const arguments = 12 * 8
	k := linux.Kernel{Version: linux.V(6, 18)}
	p := k.Prog(r.Type, r.AttachType, "")
	if p == nil || p.Ctx().Size <= 0 {
		return arguments
	}
	return uint32(p.Ctx().Size)
}

// testXDP is SetTestRun of XDP programs.
func (r *Run) testXDP(data, ctx []byte) error {
	md, given := XDP{IngressIfindex: loopback, Frags: true}, uint32(0)
	if len(ctx) > 0 {
		if len(ctx) < sizeXDP {
			ctx = append(make([]byte, 0, sizeXDP), ctx...)[:sizeXDP]
		}
		word := func(off int) uint32 { return binary.NativeEndian.Uint32(ctx[off:]) }
		meta, end := word(offXDPData), word(offXDPEnd)
		if word(offXDPMeta) != 0 || end != uint32(len(data)) || meta > end || meta%4 != 0 || word(offXDPEgress) != 0 {
			return maps.EINVAL
		}
		if word(offXDPIngress) > loopback || word(offXDPQueue) != 0 {
			return maps.EINVAL
		}
		md.MetaLen, given = meta, word(offXDPIngress)
	}
	if len(data) < ethLen {
		return maps.EINVAL
	}
	if err := r.SetXDP(data, md); err != nil {
		return fmt.Errorf("%w: %w", maps.EINVAL, err)
	}
	r.Packet.given = given
	return nil
}

// testSKB is SetTestRun of programs in the network stack.
func (r *Run) testSKB(data, ctx []byte) error {
	if len(data) < ethLen {
		return maps.EINVAL
	}
	_, link := takesSKB(r.Type)
	switch proto := swap(etherType(data[12:])); {
	case proto == protoIPv4 && len(data) < ethLen+20, proto == protoIPv6 && len(data) < ethLen+40:
		return maps.EINVAL
	}
	md := SKB{Pulled: !link, Ifindex: loopback, PktType: pktType(data)}
	if len(ctx) > 0 {
		ctx = append(make([]byte, 0, sizeSKB), ctx...)[:max(len(ctx), sizeSKB)]
		if err := md.fromTestRun(ctx); err != nil {
			return err
		}
		if md.WireLen == 0 {
			if md.WireLen = uint32(len(data)); !link {
				md.WireLen -= ethLen
			}
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
		if b != 0 && (i >= sizeSKB || !taken[i]) {
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
	if p.xdp {
		ctx = make([]byte, sizeXDP)
		data = p.space.Bytes(p.meta, uint32(p.end-p.meta))
		binary.NativeEndian.PutUint32(ctx[offXDPData:], uint32(p.data-p.meta))
		binary.NativeEndian.PutUint32(ctx[offXDPEnd:], uint32(len(data)))
		// The device comes back as it was given, not as the program saw it.
		binary.NativeEndian.PutUint32(ctx[offXDPIngress:], p.given)
		return data, ctx
	}
	ctx = make([]byte, sizeSKB)
	for _, f := range testRunFields {
		copy(ctx[f.off:f.off+f.size], r.Context()[f.off:])
	}
	clear(ctx[offSKBIngress:offSKBIfindex])
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
