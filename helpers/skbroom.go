package helpers

import (
	"encoding/binary"

	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
)

// skbRoomFamily are the helpers that change how long a packet of the network stack is.
var skbRoomFamily = map[int32]Func{
	18: vlanPush,
	19: vlanPop,
	31: skbChangeProto,
	38: skbChangeTail,
	43: skbChangeHead,
	50: skbAdjustRoom,
}

// maxSKB is the longest packet that helpers make: four pages less what the kernel keeps in them.
const maxSKB = 4*4096 - xdpTail

// insert opens n zeroed bytes at off from the start of the packet: what comes before moves down.
func (p *Packet) insert(off, n uint32) error {
	if err := p.reserve(n, 0); err != nil {
		return err
	}
	head := uint32(p.data - min(p.mac, p.data)) // a link header before data moves along
	to := p.data - memory.Addr(n+head)
	copy(p.space.Bytes(to, off+head), p.space.Bytes(p.data-memory.Addr(head), off+head))
	clear(p.space.Bytes(to+memory.Addr(off+head), n))
	p.shift(-int64(n))
	return nil
}

// remove closes n bytes at off from the start of the packet: what comes before moves up.
func (p *Packet) remove(off, n uint32) {
	from := p.data
	copy(p.space.Bytes(from+memory.Addr(n), off), p.space.Bytes(from, off))
	p.shift(int64(n))
}

// shift moves the start of the packet and its headers.
func (p *Packet) shift(n int64) {
	for _, x := range []*memory.Addr{&p.meta, &p.data, &p.mac, &p.net} {
		*x = memory.Addr(int64(*x) + n)
	}
}

// done shows the new geometry.
func (p *Packet) done() (uint64, error) {
	p.linear = p.end
	return 0, p.show()
}

// skbChangeTail is bpf_skb_change_tail(skb, len, flags): the packet is cut, or zeros are added.
func skbChangeTail(c *Call) (uint64, error) {
	p, err := c.skb()
	if err != nil {
		return 0, err
	}
	n, old := uint32(c.Args[1]), uint32(p.Len())
	least := uint32(max(int64(p.net)-int64(p.data), int64(p.trans)-int64(p.data), 0))
	if c.Args[2] != 0 || n > maxSKB || n < least {
		return fail(maps.EINVAL)
	}
	if n > old {
		if err := p.reserve(0, n-old); err != nil {
			return result(err)
		}
		clear(p.space.Bytes(p.end, n-old))
	}
	p.end = p.data + memory.Addr(n)
	p.meta = p.data
	p.clearHash()
	return p.done()
}

// skbChangeHead is bpf_skb_change_head(skb, len, flags): zeros are added in front, where a link header is to be.
func skbChangeHead(c *Call) (uint64, error) {
	p, err := c.skb()
	if err != nil {
		return 0, err
	}
	n := uint32(c.Args[1])
	if c.Args[2] != 0 || int32(n) < 0 || uint64(n)+uint64(p.Len()) > maxSKB {
		return fail(maps.EINVAL)
	}
	// What was before data, metadata or a link header, is overwritten.
	p.meta, p.mac = p.data, p.data
	if err := p.reserve(n, 0); err != nil {
		return result(err)
	}
	p.data -= memory.Addr(n)
	p.meta, p.mac = p.data, p.data
	clear(p.space.Bytes(p.data, n))
	return p.done()
}

// skbChangeProto is bpf_skb_change_proto(skb, proto, flags): between IPv4 and IPv6; the program fills in the header.
func skbChangeProto(c *Call) (uint64, error) {
	p, err := c.skb()
	if err != nil {
		return 0, err
	}
	if c.Args[2] != 0 {
		return fail(maps.EINVAL)
	}
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], uint16(c.Args[1]))
	to := binary.BigEndian.Uint16(b[:])
	off := uint32(p.net - p.mac)
	const diff = 20 // of the lengths of the headers
	switch from := p.protocol(); {
	case from == protoIPv4 && to == protoIPv6:
		if err := p.insert(off, diff); err != nil {
			return result(err)
		}
	case from == protoIPv6 && to == protoIPv4:
		if uint32(p.Len()) < off+diff {
			return fail(maps.EINVAL)
		}
		p.remove(off, diff)
	default:
		return fail(maps.ENOTSUPP)
	}
	p.setProtocol(to)
	p.clearHash()
	return p.done()
}

// Modes and flags of bpf_skb_adjust_room.
const (
	roomNet       = 0 // after the network header
	roomMAC       = 1 // after the link header
	roomFixedGSO  = 1 << 0
	roomL3IPv4    = 1 << 1
	roomL3IPv6    = 1 << 2
	roomL4GRE     = 1 << 3
	roomL4UDP     = 1 << 4
	roomKeepCsum  = 1 << 5
	roomL2Eth     = 1 << 6
	roomDecapIPv4 = 1 << 7
	roomDecapIPv6 = 1 << 8
	roomL2Len     = 0xff << 56
	roomEncap     = roomL3IPv4 | roomL3IPv6
	roomDecap     = roomDecapIPv4 | roomDecapIPv6
)

// skbAdjustRoom is bpf_skb_adjust_room(skb, diff, mode, flags): room for headers of a tunnel is opened or closed.
func skbAdjustRoom(c *Call) (uint64, error) {
	p, err := c.skb()
	if err != nil {
		return 0, err
	}
	diff, mode, flags := int32(c.Args[1]), uint32(c.Args[2]), c.Args[3]
	n := uint32(max(diff, -diff))
	if flags&^(roomFixedGSO|roomEncap|roomL4GRE|roomL4UDP|roomKeepCsum|roomL2Eth|roomDecap|roomL2Len) != 0 {
		return fail(maps.EINVAL)
	}
	if n > 0xfff || diff == -1<<31 {
		return fail(maps.EFAULT)
	}
	base := uint32(20)
	switch p.protocol() {
	case protoIPv4:
	case protoIPv6:
		base = 40
	default:
		return fail(maps.ENOTSUPP)
	}
	off, least := uint32(p.net-p.mac), base
	if mode == roomNet {
		off += base
	} else if mode != roomMAC {
		return fail(maps.ENOTSUPP)
	}
	if flags&roomDecap != 0 {
		if diff >= 0 || flags&roomDecap == roomDecap {
			return fail(maps.EINVAL)
		}
		if least = 20; flags&roomDecapIPv6 != 0 {
			least = 40
		}
	}
	cur := uint32(p.end - p.net)
	if diff < 0 && (n >= cur || cur-n < least) || diff >= 0 && p.Len()+int(n) > maxSKB {
		return fail(maps.ENOTSUPP)
	}
	if diff < 0 {
		if flags&^(roomFixedGSO|roomDecap|roomKeepCsum) != 0 {
			return fail(maps.EINVAL)
		}
		if uint32(p.Len()) < off+n {
			return fail(maps.ENOMEM)
		}
		p.remove(off, n)
		switch {
		case flags&roomDecapIPv4 != 0:
			p.setProtocol(protoIPv4)
		case flags&roomDecapIPv6 != 0:
			p.setProtocol(protoIPv6)
		}
	} else if e := p.grow(off, n, flags); e != 0 {
		return fail(e)
	}
	if flags&roomKeepCsum == 0 && p.summed == csumUnnecessary {
		p.summed = csumNone
	}
	return p.done()
}

// grow opens room in front of what is to be inside a tunnel.
func (p *Packet) grow(off, n uint32, flags uint64) maps.Errno {
	if flags&(roomEncap|roomL4GRE|roomL4UDP|roomL2Eth|roomL2Len) != 0 {
		l4 := flags & (roomL4GRE | roomL4UDP)
		inner := uint32(flags >> 56)
		if flags&roomEncap == 0 || flags&roomEncap == roomEncap || l4 == roomL4GRE|roomL4UDP || inner > n ||
			flags&roomL2Eth != 0 && inner < ethLen {
			return maps.EINVAL
		}
		if p.encap {
			return maps.Errno(114) // EALREADY
		}
		p.encap = true
	}
	if uint32(p.Len()) < off {
		return maps.ENOMEM
	}
	if err := p.insert(off, n); err != nil {
		return maps.ErrnoOf(err)
	}
	switch {
	case flags&roomL3IPv6 != 0:
		p.setProtocol(protoIPv6)
		p.trans = p.net + 40
	case flags&roomL3IPv4 != 0:
		p.setProtocol(protoIPv4)
		p.trans = p.net + 20
	}
	p.clearHash()
	return 0
}
