package helpers

import (
	"encoding/binary"
	"errors"

	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
)

// A Packet is the packet that a run works on: bytes in the Space with room before and after them. The context's fields
// data, data_end, data_meta and len follow it. It belongs to its Run, and is as good as gone after the next SetXDP or
// SetSKB of it.
//
//	base      meta     data            linear       end       base+cap
//	| room    | meta   | packet, for pointers | only by helper | room |
//
// Pointers of programs reach from meta to linear; linear is end unless an XDP packet is in several buffers.
type Packet struct {
	space *memory.Space
	xdp   bool
	base  memory.Addr // what the Space gave, 0 if nothing
	cap   uint32

	// Tunnel is the struct bpf_tunnel_key of the tunnel that the packet came through; empty: none. TunnelOut is the one that
	// the program chose for it with bpf_skb_set_tunnel_key, TunnelOpt the options with bpf_skb_set_tunnel_opt.
	Tunnel, TunnelOut, TunnelOpt []byte

	meta, data, linear, end memory.Addr
	// limit is how far end may go without another allocation; of XDP, at all.
	limit memory.Addr

	given uint32 // ingress_ifindex of the context that a test run was given

	// What only packets of network paths have (skb).

	mac, net memory.Addr // where the link and the network header are
	trans    memory.Addr // where the transport header is, 0 if nobody has said so
	hash     uint32
	l4Hash   bool // the hash is one of addresses and ports
	swHash   bool // so is that of bpf_set_hash
	ctx      memory.Addr
	csum     uint32 // of the whole packet, if summed is complete
	summed   uint8  // what is known about checksums
	level    uint8  // how many checksums have been verified, minus one
	encap    bool
}

// Rooms that packets have.
const (
	xdpHeadroom = 256  // before an XDP packet
	xdpFrame    = 4096 // of a buffer, all in all
	xdpTail     = 320  // at the end of a buffer, for what the kernel keeps there
	skbHeadroom = 256
	skbTailroom = 256
	skbMax      = 64 << 10 // the longest packet
)

// ErrPacketSize is the error of a packet that is too short or too long.
var ErrPacketSize = errors.New("not a length that a packet of this kind can have")

// Bytes are the packet as it is, from data to its end: valid until the Run is used again.
func (p *Packet) Bytes() []byte { return p.space.Bytes(p.data, uint32(p.end-p.data)) }

// Meta is the metadata before the packet, from data_meta to data.
func (p *Packet) Meta() []byte { return p.space.Bytes(p.meta, uint32(p.data-p.meta)) }

// Len is the length of the packet in bytes.
func (p *Packet) Len() int { return int(p.end - p.data) }

// Linear is how many bytes of the packet pointers of programs may reach.
func (p *Packet) Linear() int { return int(p.linear - p.data) }

// Link is the packet from its link-layer header on, as it goes out on a wire: BPF_PROG_TEST_RUN returns it.
func (p *Packet) Link() []byte {
	if p.xdp || p.mac >= p.data {
		return p.Bytes()
	}
	return p.space.Bytes(p.mac, uint32(p.end-p.mac))
}

// init makes the packet the bytes in the parts, with room around them.
func (p *Packet) init(space *memory.Space, xdp bool, head, tail uint32, data []byte) error {
	n := uint32(len(data))
	if need := head + n + tail; p.base == 0 || p.cap < need {
		if p.base != 0 {
			if err := space.Free(p.base); err != nil {
				return err
			}
		}
		a, err := space.Alloc(need, memory.Packet, memory.Read|memory.Write, "")
		if err != nil {
			p.base, p.cap = 0, 0
			return err
		}
		p.base, p.cap = a, need
	} else {
		// What the run before left must not be found in the rooms.
		clear(space.Bytes(p.base, p.cap))
	}
	base, size := p.base, p.cap
	*p = Packet{space: space, xdp: xdp, base: base, cap: size}
	p.data = base + memory.Addr(head)
	p.meta, p.end = p.data, p.data+memory.Addr(n)
	p.linear, p.limit = p.end, p.end+memory.Addr(tail)
	p.mac, p.net = p.data, p.data
	copy(space.Bytes(p.data, n), data)
	return nil
}

// free gives back the memory.
func (p *Packet) free() error {
	if p.base == 0 {
		return nil
	}
	a := p.base
	p.base = 0
	return p.space.Free(a)
}

// show makes what pointers reach live, and nothing else, and writes the geometry to the context.
func (p *Packet) show() error {
	if err := p.space.Resize(p.base, p.meta, uint32(p.linear-p.meta)); err != nil {
		return err
	}
	if p.ctx == 0 {
		return nil
	}
	if p.xdp {
		p.set(offXDPData, uint32(p.data))
		p.set(offXDPEnd, uint32(p.linear))
		p.set(offXDPMeta, uint32(p.meta))
		return nil
	}
	p.set(offSKBLen, uint32(p.end-p.data))
	p.set(offSKBData, uint32(p.data))
	p.set(offSKBEnd, uint32(p.linear))
	p.set(offSKBMeta, uint32(p.meta))
	return nil
}

// set writes a field of the context.
func (p *Packet) set(off memory.Addr, v uint32) {
	if h := p.space.Half(p.ctx + off); h != nil {
		h.Store(v)
	}
}

// get reads a field of the context.
func (p *Packet) get(off memory.Addr) uint32 {
	if h := p.space.Half(p.ctx + off); h != nil {
		return h.Load()
	}
	return 0
}

// span is the n bytes at an offset from data; nil if they are not all in the packet.
func (p *Packet) span(off, n uint32) []byte {
	if uint64(off)+uint64(n) > uint64(p.end-p.data) {
		return nil
	}
	return p.space.Bytes(p.data+memory.Addr(off), n)
}

// LoadAbs is what BPF_LD_ABS loads: size bytes, 1, 2 or 4, in network order, at an offset from the start of the
// packet, or, where it is -0x100000 and more, of its network header, or from -0x200000 on, of its link header.
func (p *Packet) LoadAbs(off int32, size uint32) (v uint64, ok bool) {
	const netOff, linkOff = -0x100000, -0x200000
	at := int64(p.data)
	switch {
	case off >= 0:
		at += int64(off)
	case off >= netOff:
		at = int64(p.net) + int64(off) - netOff
	case off >= linkOff:
		at = int64(p.mac) + int64(off) - linkOff
	default:
		return 0, false
	}
	if at < int64(p.base) || at+int64(size) > int64(p.end) {
		return 0, false
	}
	b := p.space.Bytes(memory.Addr(at), size)
	switch size {
	case 1:
		return uint64(b[0]), true
	case 2:
		return uint64(binary.BigEndian.Uint16(b)), true
	case 4:
		return uint64(binary.BigEndian.Uint32(b)), true
	}
	return 0, false
}

// reserve makes sure that there are head bytes before the packet and tail bytes after it: the packet may move, and
// with it what pointers to it are to, which helpers that call this invalidate.
func (p *Packet) reserve(head, tail uint32) error {
	start := min(p.meta, p.mac)
	if uint32(start-p.base) >= head && uint32(p.base+memory.Addr(p.cap)-p.end) >= tail {
		return nil
	}
	// The head keeps what is there, as headers before data stay.
	head += skbHeadroom
	used := uint32(p.end - start)
	need := head + used + tail + skbTailroom
	a, err := p.space.Alloc(need, memory.Packet, memory.Read|memory.Write, "")
	if err != nil {
		return maps.ENOMEM
	}
	to := a + memory.Addr(head)
	copy(p.space.Bytes(to, used), p.space.Bytes(start, used))
	if err := p.space.Free(p.base); err != nil {
		return err
	}
	move := func(x *memory.Addr) { *x = *x - start + to }
	for _, x := range []*memory.Addr{&p.meta, &p.data, &p.linear, &p.end, &p.mac, &p.net} {
		move(x)
	}
	if p.trans != 0 {
		move(&p.trans)
	}
	p.base, p.cap = a, need
	p.limit = p.base + memory.Addr(p.cap)
	return nil
}
