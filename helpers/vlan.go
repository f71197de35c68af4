package helpers

import (
	"encoding/binary"

	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
)

// vlanLen is the length of a tag in a packet. The outermost tag of a packet is not in it but beside it, in the context.
const vlanLen = 4

// vlanPush is bpf_skb_vlan_push(skb, proto, tci): a tag that is there already goes into the packet.
func vlanPush(c *Call) (uint64, error) {
	p, err := c.skb()
	if err != nil {
		return 0, err
	}
	proto := uint16(c.Args[1])
	if host := swap(proto); host != proto8021Q && host != proto8021AD {
		proto = swap(proto8021Q)
	}
	if p.get(offSKBVLAN) != 0 {
		if p.Len() < ethLen {
			return fail(maps.ENOMEM)
		}
		old, tci := uint16(p.get(offSKBVProto)), uint16(p.get(offSKBTCI))
		// The network header moves along: to Linux, the tag is the first thing in it.
		if err := p.insert(12, vlanLen); err != nil {
			return result(err)
		}
		b := p.span(12, vlanLen)
		binary.NativeEndian.PutUint16(b, old)
		binary.BigEndian.PutUint16(b[2:], tci)
		p.set(offSKBProtocol, uint32(old))
	}
	p.setTag(proto, uint16(c.Args[2]))
	p.clearHash()
	p.meta = p.data
	return p.done()
}

// vlanPop is bpf_skb_vlan_pop(skb): the outermost tag goes; the next one comes out of the packet.
func vlanPop(c *Call) (uint64, error) {
	p, err := c.skb()
	if err != nil {
		return 0, err
	}
	if p.get(offSKBVLAN) != 0 {
		p.set(offSKBVLAN, 0)
		p.set(offSKBTCI, 0)
		p.set(offSKBVProto, 0)
	} else if isVLAN(p.protocol()) {
		if _, ok := p.popTag(); !ok {
			return fail(maps.ENOMEM)
		}
	} else {
		return 0, nil
	}
	if proto := p.protocol(); isVLAN(proto) {
		tci, ok := p.popTag()
		if !ok {
			return fail(maps.ENOMEM)
		}
		p.setTag(swap(proto), tci)
	}
	p.clearHash()
	p.meta = p.data
	return p.done()
}

func isVLAN(proto uint16) bool { return proto == proto8021Q || proto == proto8021AD }

// swap is a number in network order, or one from it.
func swap(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}

func (p *Packet) setTag(proto, tci uint16) {
	p.set(offSKBVLAN, 1)
	p.set(offSKBTCI, uint32(tci))
	p.set(offSKBVProto, uint32(proto))
}

// popTag takes the first tag out of the packet.
func (p *Packet) popTag() (tci uint16, ok bool) {
	b := p.span(12, vlanLen+2)
	if b == nil {
		return 0, false
	}
	tci = binary.BigEndian.Uint16(b[2:])
	inner := etherType(b[4:])
	net := p.net
	p.remove(12, vlanLen)
	p.net = max(net, p.data+memory.Addr(ethLen))
	p.set(offSKBProtocol, uint32(inner))
	return tci, true
}
