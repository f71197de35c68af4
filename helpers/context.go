package helpers

import (
	"encoding/binary"
	"fmt"

	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
)

// Offsets in struct xdp_md.
const (
	offXDPData       = 0
	offXDPEnd        = 4
	offXDPMeta       = 8
	offXDPIngress    = 12
	offXDPQueue      = 16
	offXDPEgress     = 20
	sizeXDP          = 24
	offSKBLen        = 0
	offSKBType       = 4
	offSKBMark       = 8
	offSKBQueue      = 12
	offSKBProtocol   = 16
	offSKBVLAN       = 20 // vlan_present
	offSKBTCI        = 24
	offSKBVProto     = 28
	offSKBPriority   = 32
	offSKBIngress    = 36
	offSKBIfindex    = 40
	offSKBTCIndex    = 44
	offSKBCB         = 48
	offSKBHash       = 68
	offSKBClass      = 72
	offSKBData       = 76
	offSKBEnd        = 80
	offSKBNapi       = 84
	offSKBFamily     = 88
	offSKBRemote4    = 92
	offSKBLocal4     = 96
	offSKBRemote6    = 100
	offSKBLocal6     = 116
	offSKBRemotePort = 132
	offSKBLocalPort  = 136
	offSKBMeta       = 140
	offSKBFlow       = 144
	offSKBTstamp     = 152
	offSKBWire       = 160
	offSKBGSOSegs    = 164
	offSKBSock       = 168
	offSKBGSOSize    = 176
	offSKBHwTstamp   = 184
	sizeSKB          = 192
)

// SetContext gives the run a context of the bytes in b: r1 of a program whose context is a struct that helpers do not
// change, such as a struct pt_regs or the arguments of a tracepoint. Context reads it back.
func (r *Run) SetContext(b []byte) error {
	r.Packet = nil
	if err := r.context(uint32(len(b))); err != nil {
		return err
	}
	copy(r.Space.Bytes(r.Ctx, r.CtxSize), b)
	return nil
}

// Context is the context as it is: valid until the Run is used again.
func (r *Run) Context() []byte { return r.Space.Bytes(r.Ctx, r.CtxSize) }

// Mem puts bytes where the context can point to them, such as the value of a socket option, and gives their address. There
// is one such memory at a time.
func (r *Run) Mem(b []byte) (memory.Addr, error) {
	if r.mem != 0 {
		if err := r.Space.Free(r.mem); err != nil {
			return 0, err
		}
		r.mem = 0
	}
	a, err := r.Space.Alloc(uint32(max(len(b), 1)), memory.Mem, memory.Read|memory.Write, "")
	if err != nil {
		return 0, err
	}
	r.mem = a
	copy(r.Space.Bytes(a, uint32(len(b))), b)
	return a, nil
}

// context makes a zeroed context of n bytes.
func (r *Run) context(n uint32) error {
	if r.ctx != 0 && r.ctxCap == n {
		clear(r.Space.Bytes(r.ctx, n))
	} else {
		if r.ctx != 0 {
			if err := r.Space.Free(r.ctx); err != nil {
				return err
			}
			r.ctx = 0
		}
		a, err := r.Space.Alloc(max(n, 8), memory.Context, memory.Read|memory.Write, "")
		if err != nil {
			return err
		}
		r.ctx, r.ctxCap = a, n
	}
	r.Ctx, r.CtxSize = r.ctx, n
	return nil
}

// XDP is what comes with an XDP packet besides its bytes.
type XDP struct {
	IngressIfindex uint32 // device that the packet came in on
	RxQueueIndex   uint32
	EgressIfindex  uint32 // of programs in a devmap
	MetaLen        uint32 // the first bytes of the data are metadata, not packet; a multiple of 4
	Fragments      uint32 // so many of the last bytes lie in other buffers, where pointers of programs do not reach
	Frags          bool   // the program takes packets in several buffers (BPF_F_XDP_HAS_FRAGS)
}

// SetXDP gives the run a packet as XDP programs get it, and a struct xdp_md as its context: 256 bytes of room before it,
// and after it what is left of a page.
func (r *Run) SetXDP(data []byte, md XDP) error {
	most := int(xdpFrame - xdpHeadroom - xdpTail + md.MetaLen)
	if len(data) < int(md.MetaLen) || md.MetaLen%4 != 0 || md.MetaLen > 255 {
		return fmt.Errorf("helpers: %d bytes of metadata in %d: %w", md.MetaLen, len(data), ErrPacketSize)
	}
	if len(data) > most && !md.Frags || len(data) > skbMax {
		return fmt.Errorf("helpers: an XDP packet of %d bytes: %w", len(data), ErrPacketSize)
	}
	p := r.usePacket()
	room := uint32(max(most-len(data), 0))
	// The packet is at 256, and its metadata before it.
	if err := p.init(r.Space, true, xdpHeadroom-md.MetaLen, room, data); err != nil {
		return err
	}
	p.data += memory.Addr(md.MetaLen)
	p.linear = max(min(p.end-memory.Addr(min(md.Fragments, uint32(len(data))-md.MetaLen)), p.base+xdpFrame-xdpTail), p.data)
	if err := r.context(sizeXDP); err != nil {
		return err
	}
	p.ctx = r.Ctx
	p.set(offXDPIngress, md.IngressIfindex)
	p.set(offXDPQueue, md.RxQueueIndex)
	p.set(offXDPEgress, md.EgressIfindex)
	r.Packet = p
	return p.show()
}

// SKB is what comes with a packet of the network stack: the fields of struct __sk_buff that are not geometry, in
// its units and byte orders.
type SKB struct {
	PktType, Mark, QueueMapping, Priority uint32
	// Protocol is in network order, as in struct __sk_buff: 0x0008 for IPv4 on a little-endian machine. 0: as the
	// link header says.
	Protocol                  uint32
	VLANPresent, VLANTCI      uint32
	VLANProto                 uint32 // in network order
	IngressIfindex, Ifindex   uint32
	TCIndex, Hash, TCClassID  uint32
	CB                        [5]uint32
	NapiID, Family            uint32
	Tstamp, HwTstamp          uint64
	WireLen, GSOSegs, GSOSize uint32
	Sock                      uint64 // address of a struct bpf_sock in the Space

	// Of the socket: addresses in network order, as in the headers of its packets; the local port in host order.

	RemoteIP4, LocalIP4   uint32
	RemoteIP6, LocalIP6   [4]uint32
	RemotePort, LocalPort uint32

	// LinkHeader is the length of the link header that the data start with; 0: 14, or none if the data are shorter.
	LinkHeader uint32
	// Pulled tells that the packet starts after its link header: so programs on cgroups, sockets and tunnels see it.
	Pulled bool
	// MetaLen: the first bytes of the data are metadata that XDP left, not packet.
	MetaLen uint32
	// Start is where the packet starts for the program, in bytes from its link header; 0: as Pulled says. Filters of
	// sockets see what comes after the network header.
	Start uint32
}

// SetSKB gives the run a packet as programs in the network stack get it, and a struct __sk_buff as its context. The
// data start with the link header.
func (r *Run) SetSKB(data []byte, md *SKB) error {
	if len(data) > skbMax {
		return fmt.Errorf("helpers: a packet of %d bytes: %w", len(data), ErrPacketSize)
	}
	p := r.usePacket()
	if err := p.init(r.Space, false, skbHeadroom, skbTailroom, data); err != nil {
		return err
	}
	if err := r.context(sizeSKB); err != nil {
		return err
	}
	p.ctx = r.Ctx
	meta := min(md.MetaLen, uint32(len(data)))
	data = data[meta:]
	p.data += memory.Addr(meta)
	p.mac = p.data
	link := md.LinkHeader
	if link == 0 && len(data) >= ethLen {
		link = ethLen
	}
	p.net = p.data + memory.Addr(min(link, uint32(len(data))))
	protocol := md.Protocol
	if protocol == 0 && len(data) >= ethLen {
		protocol = uint32(etherType(data[12:]))
	}
	if md.Pulled {
		p.data, p.meta = p.net, p.net
	}
	if md.Start > 0 {
		p.data = p.mac + memory.Addr(min(md.Start, uint32(len(data))))
		p.meta = p.data
	}
	c := r.Context()
	for _, f := range [...]struct {
		off int
		v   uint32
	}{
		{offSKBType, md.PktType}, {offSKBMark, md.Mark}, {offSKBQueue, md.QueueMapping}, {offSKBProtocol, protocol},
		{offSKBVLAN, md.VLANPresent}, {offSKBTCI, md.VLANTCI}, {offSKBVProto, md.VLANProto},
		{offSKBPriority, md.Priority}, {offSKBIngress, md.IngressIfindex}, {offSKBIfindex, md.Ifindex},
		{offSKBTCIndex, md.TCIndex}, {offSKBHash, md.Hash}, {offSKBClass, md.TCClassID}, {offSKBNapi, md.NapiID},
		{offSKBFamily, md.Family}, {offSKBWire, md.WireLen}, {offSKBGSOSegs, md.GSOSegs}, {offSKBGSOSize, md.GSOSize},
		{offSKBRemote4, md.RemoteIP4}, {offSKBLocal4, md.LocalIP4},
		{offSKBRemotePort, md.RemotePort}, {offSKBLocalPort, md.LocalPort},
	} {
		binary.NativeEndian.PutUint32(c[f.off:], f.v)
	}
	for i := range 4 {
		binary.NativeEndian.PutUint32(c[offSKBRemote6+4*i:], md.RemoteIP6[i])
		binary.NativeEndian.PutUint32(c[offSKBLocal6+4*i:], md.LocalIP6[i])
	}
	for i, v := range md.CB {
		binary.NativeEndian.PutUint32(c[offSKBCB+4*i:], v)
	}
	binary.NativeEndian.PutUint64(c[offSKBTstamp:], md.Tstamp)
	binary.NativeEndian.PutUint64(c[offSKBHwTstamp:], md.HwTstamp)
	binary.NativeEndian.PutUint64(c[offSKBSock:], md.Sock)
	p.hash = md.Hash
	r.Packet = p
	return p.show()
}

// ethLen is the length of an Ethernet header.
const ethLen = 14

// etherType is the protocol of an Ethernet header as struct sk_buff has it: in network order, so that its value on this
// machine is that of the two bytes as they are. Lengths (of 802.3) are 802.2.
func etherType(b []byte) uint16 {
	if t := binary.BigEndian.Uint16(b); t < 0x600 {
		var p [2]byte
		binary.BigEndian.PutUint16(p[:], 4) // ETH_P_802_2
		return binary.NativeEndian.Uint16(p[:])
	}
	return binary.NativeEndian.Uint16(b)
}

// usePacket is the packet that the Run keeps.
func (r *Run) usePacket() *Packet {
	if r.packet == nil {
		r.packet = new(Packet)
	}
	return r.packet
}

// ErrNoTestRun is the error of a type of program whose context cannot be made from bytes alone.
var ErrNoTestRun = fmt.Errorf("helpers: %w", maps.ENOTSUPP)

// takesSKB tells that programs of the type have a struct __sk_buff, and whether it starts at the link header.
func takesSKB(t linux.ProgType) (skb, link bool) {
	switch t {
	case linux.ProgTypeSchedCLS, linux.ProgTypeSchedACT:
		return true, true
	case linux.ProgTypeSocketFilter, linux.ProgTypeCGroupSKB, linux.ProgTypeLWTIn, linux.ProgTypeLWTOut,
		linux.ProgTypeLWTXmit, linux.ProgTypeLWTSeg6local, linux.ProgTypeSkSKB:
		return true, false
	}
	return false, false
}
