// Mkpcap writes testdata/packets.pcap, the packets that the firewall is tried on.
package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
)

func main() {
	if err := os.WriteFile("testdata/packets.pcap", pcap(packets()), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "mkpcap:", err)
		os.Exit(1)
	}
}

const (
	tcp    = 6
	udp    = 17
	here   = "192.0.2.1"
	here6  = "2001:db8::1"
	peer   = "198.51.100.7"
	peer6  = "2001:db8:1::7"
	enemy  = "203.0.113.9"       // in a blocked network
	enemy6 = "2001:db8:bad:1::9" // in a blocked network
)

// packets are the packets, with what becomes of each.
func packets() [][]byte {
	long := ip4(peer, tcp, make([]byte, 8), segment(tcp, 23)) // 8 bytes of options before the ports
	short := ip4(peer, tcp, nil, segment(tcp, 80)[:10])
	return [][]byte{
		eth(0x0806, make([]byte, 28)),                       // 0: ARP: not IP
		eth(0x0800, ip4(peer, tcp, nil, segment(tcp, 80))),  // 1: passed
		eth(0x0800, ip4(peer, udp, nil, segment(udp, 53))),  // 2: passed
		eth(0x0800, ip4(enemy, tcp, nil, segment(tcp, 80))), // 3: blocked network
		eth(0x0800, ip4(peer, tcp, nil, segment(tcp, 23))),  // 4: closed port
		eth(0x0800, short), // 5: malformed
		eth(0x86dd, ip6(peer6, udp, segment(udp, 53))),   // 6: passed
		eth(0x86dd, ip6(enemy6, tcp, segment(tcp, 443))), // 7: blocked network
		eth(0x0800, long), // 8: closed port
	}
}

// eth is a frame.
func eth(protocol uint16, payload []byte) []byte {
	b := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}
	return append(binary.BigEndian.AppendUint16(b, protocol), payload...)
}

// ip4 is a packet of IPv4. Options are a multiple of 4 bytes.
func ip4(from string, protocol byte, options, payload []byte) []byte {
	header := 20 + len(options)
	b := []byte{0x40 | byte(header/4), 0}
	b = binary.BigEndian.AppendUint16(b, uint16(header+len(payload)))
	b = append(b, 0, 0, 0, 0, 64, protocol, 0, 0)
	b = append(b, netip.MustParseAddr(from).AsSlice()...)
	b = append(b, netip.MustParseAddr(here).AsSlice()...)
	b = append(b, options...)
	binary.BigEndian.PutUint16(b[10:], checksum(b))
	return append(b, payload...)
}

// checksum is the one of RFC 1071.
func checksum(b []byte) uint16 {
	sum := uint32(0)
	for ; len(b) > 0; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// ip6 is a packet of IPv6.
func ip6(from string, protocol byte, payload []byte) []byte {
	b := []byte{0x60, 0, 0, 0}
	b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
	b = append(b, protocol, 64)
	b = append(b, netip.MustParseAddr(from).AsSlice()...)
	b = append(b, netip.MustParseAddr(here6).AsSlice()...)
	return append(b, payload...)
}

// segment is a header of TCP (a SYN) or UDP. Checksums are left out: the firewall does not look at them.
func segment(protocol byte, port uint16) []byte {
	b := binary.BigEndian.AppendUint16(nil, 49152)
	b = binary.BigEndian.AppendUint16(b, port)
	if protocol == udp {
		return append(b, 0, 8, 0, 0)
	}
	return append(b, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0)
}

// pcap is a capture file of Ethernet frames, a millisecond apart.
func pcap(packets [][]byte) []byte {
	le := binary.LittleEndian
	b := le.AppendUint32(nil, 0xa1b2c3d4)
	b = le.AppendUint16(b, 2)
	b = le.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...)
	b = le.AppendUint32(b, 65535)
	b = le.AppendUint32(b, 1)
	for i, p := range packets {
		b = le.AppendUint32(b, 0)
		b = le.AppendUint32(b, uint32(1000*i))
		b = le.AppendUint32(b, uint32(len(p)))
		b = le.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	return b
}
