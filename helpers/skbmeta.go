package helpers

import (
	"encoding/binary"

	"github.com/skepbpf/skep/maps"
)

// skbMetaFamily are the helpers on what the network stack knows about a packet.
var skbMetaFamily = map[int32]Func{
	24:  func(*Call) (uint64, error) { return 0, nil }, // bpf_get_route_realm: there are no routes
	32:  skbChangeType,
	34:  hashRecalc,
	41:  hashInvalid,
	46:  func(c *Call) (uint64, error) { return c.Run.SocketCookie, nil },
	47:  func(c *Call) (uint64, error) { return uint64(c.Run.SocketUID), nil },
	48:  setHash,
	97:  ecnSetCE,
	122: func(c *Call) (uint64, error) { return c.Run.NetnsCookie, nil },
	151: func(*Call) (uint64, error) { return 0, nil }, // bpf_skb_cgroup_classid: there is no net_cls
	192: setTstamp,
}

// skbChangeType is bpf_skb_change_type(skb, type): of the types PACKET_HOST (0) to PACKET_OTHERHOST (3).
func skbChangeType(c *Call) (uint64, error) {
	p, err := c.skb()
	if err != nil {
		return 0, err
	}
	if t := uint32(c.Args[1]); t > 3 || p.get(offSKBType) > 3 {
		return fail(maps.EINVAL)
	} else {
		p.set(offSKBType, t)
	}
	return 0, nil
}

func (p *Packet) setHash(h uint32, software, l4 bool) {
	p.hash, p.swHash, p.l4Hash = h, software, l4
	p.set(offSKBHash, h)
}

func (p *Packet) clearHash() { p.setHash(0, false, false) }

func setHash(c *Call) (uint64, error) {
	p, err := c.skb()
	if err != nil {
		return 0, err
	}
	p.setHash(uint32(c.Args[1]), true, false)
	return 0, nil
}

func hashInvalid(c *Call) (uint64, error) {
	p, err := c.skb()
	if err != nil {
		return 0, err
	}
	p.clearHash()
	return 0, nil
}

// hashRecalc is bpf_get_hash_recalc(skb): a hash of addresses and ports. Linux's has a random key; this is the same
// in every run.
func hashRecalc(c *Call) (uint64, error) {
	p, err := c.skb()
	if err != nil {
		return 0, err
	}
	if !p.swHash && !p.l4Hash {
		h, l4 := p.flowHash()
		p.setHash(h, true, l4)
	}
	return uint64(p.hash), nil
}

// network is the packet from its network header on.
func (p *Packet) network() []byte {
	if p.net > p.end {
		return nil
	}
	return p.space.Bytes(p.net, uint32(p.end-p.net))
}

// protocol is the protocol of the context in host order.
func (p *Packet) protocol() uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], uint16(p.get(offSKBProtocol)))
	return binary.BigEndian.Uint16(b[:])
}

// innerProtocol is the protocol behind the VLAN tags that are in the packet.
func (p *Packet) innerProtocol() uint16 {
	proto := p.protocol()
	for off := uint32(ethLen); isVLAN(proto); off += vlanLen {
		b := p.span(off, vlanLen)
		if b == nil {
			return 0
		}
		proto = binary.BigEndian.Uint16(b[2:])
	}
	return proto
}

func (p *Packet) setProtocol(v uint16) {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	p.set(offSKBProtocol, uint32(binary.NativeEndian.Uint16(b[:])))
}

// Protocols of the link layer.
const (
	protoIPv4   = 0x0800
	protoIPv6   = 0x86dd
	proto8021Q  = 0x8100
	proto8021AD = 0x88a8
	protoTEB    = 0x6558 // an Ethernet frame in a tunnel
)

// flowHash hashes addresses, protocol and ports (FNV-1a); never to 0.
func (p *Packet) flowHash() (h uint32, l4 bool) {
	b := p.network()
	h = 2166136261
	mix := func(b []byte) {
		for _, x := range b {
			h = (h ^ uint32(x)) * 16777619
		}
	}
	var ports []byte
	var proto byte
	switch v := p.protocol(); {
	case v == protoIPv4 && len(b) >= 20 && b[0]>>4 == 4:
		mix(b[12:20])
		proto = b[9]
		if n := int(b[0]&15) * 4; len(b) >= n+4 && binary.BigEndian.Uint16(b[6:])&0x3fff == 0 {
			ports = b[n : n+4]
		}
	case v == protoIPv6 && len(b) >= 40 && b[0]>>4 == 6:
		mix(b[8:40])
		if proto = b[6]; len(b) >= 44 {
			ports = b[40:44]
		}
	default:
		mix([]byte{byte(v >> 8), byte(v)})
	}
	mix([]byte{proto})
	if proto == 6 || proto == 17 || proto == 132 {
		mix(ports)
		l4 = len(ports) > 0
	}
	return max(h, 1), l4
}

// ecnSetCE is bpf_skb_ecn_set_ce(skb): 1 if the packet says that it met congestion, as it did or does now.
func ecnSetCE(c *Call) (uint64, error) {
	p, err := c.skb()
	if err != nil {
		return 0, err
	}
	b := p.network()
	// Linux looks behind VLAN tags for the protocol, and not for the header.
	switch v := p.innerProtocol(); {
	case v == protoIPv4 && len(b) >= 20:
		switch b[1] & 3 {
		case 0:
			return 0, nil
		case 3:
			return 1, nil
		}
		old := uint32(binary.NativeEndian.Uint16(b))
		b[1] |= 3
		sum, _ := replace(binary.NativeEndian.Uint16(b[10:]), 2, old, uint32(binary.NativeEndian.Uint16(b)))
		binary.NativeEndian.PutUint16(b[10:], sum)
		return 1, nil
	case v == protoIPv6 && len(b) >= 40:
		switch b[1] >> 4 & 3 {
		case 0:
			return 0, nil
		}
		b[1] |= 3 << 4
		return 1, nil
	}
	return 0, nil
}

// setTstamp is bpf_skb_set_tstamp(skb, time, clock): of the real-time (0), monotonic (1) or TAI (2) clock.
func setTstamp(c *Call) (uint64, error) {
	p, err := c.skb()
	if err != nil {
		return 0, err
	}
	if v := p.protocol(); v != protoIPv4 && v != protoIPv6 {
		return fail(maps.EOPNOTSUPP)
	}
	t, kind := c.Args[1], uint32(c.Args[2])
	switch {
	case kind == 0, kind <= 2 && t != 0:
	default:
		return fail(maps.EINVAL)
	}
	if w := p.space.Word(p.ctx + offSKBTstamp); w != nil {
		w.Store(t)
	}
	if b := p.space.Bytes(p.ctx+180, 1); b != nil {
		b[0] = byte(kind)
	}
	return 0, nil
}
