package hook

import (
	"encoding/binary"
	"net/netip"
)

// A flow is what the stack reads in the headers of a packet.
type flow struct {
	src, dst  netip.AddrPort
	protocol  uint8
	transport int // offset of the transport header
	payload   int // offset of what comes after it
}

const ethLen = 14

// parse reads the headers of an Ethernet frame with IP; false if it is none, or not whole. VLAN tags and extension headers
// of IPv6 are not understood.
func parse(b []byte) (f flow, ok bool) {
	if len(b) < ethLen {
		return f, false
	}
	var src, dst netip.Addr
	switch ip := b[ethLen:]; binary.BigEndian.Uint16(b[12:]) {
	case 0x0800:
		if len(ip) < 20 || int(ip[0]&15)*4 < 20 || int(ip[0]&15)*4 > len(ip) {
			return f, false
		}
		f.protocol, f.transport = ip[9], ethLen+int(ip[0]&15)*4
		src, dst = netip.AddrFrom4([4]byte(ip[12:])), netip.AddrFrom4([4]byte(ip[16:]))
	case 0x86dd:
		if len(ip) < 40 {
			return f, false
		}
		f.protocol, f.transport = ip[6], ethLen+40
		src, dst = netip.AddrFrom16([16]byte(ip[8:])), netip.AddrFrom16([16]byte(ip[24:]))
	default:
		return f, false
	}
	t := b[f.transport:]
	f.payload = f.transport
	var from, to uint16
	switch {
	case f.protocol == UDP && len(t) >= 8:
		f.payload += 8
	case f.protocol == TCP && len(t) >= 20:
		f.payload = min(f.transport+int(t[12]>>4)*4, len(b))
	default:
		f.src, f.dst = netip.AddrPortFrom(src, 0), netip.AddrPortFrom(dst, 0)
		return f, true
	}
	from, to = binary.BigEndian.Uint16(t), binary.BigEndian.Uint16(t[2:])
	f.src, f.dst = netip.AddrPortFrom(src, from), netip.AddrPortFrom(dst, to)
	return f, true
}

// destination is where a frame with IP goes.
func destination(b []byte) (netip.Addr, bool) {
	f, ok := parse(b)
	return f.dst.Addr(), ok
}
