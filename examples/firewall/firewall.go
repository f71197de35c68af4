// Package firewall is an XDP program that drops packets from blocked networks and to closed ports, and counts what it did.
package firewall

import _ "embed"

//go:generate go run ../internal/cc firewall.c firewall_broken.c
//go:generate go run ./mkpcap

// Object is the firewall.
//
//go:embed firewall.o
var Object []byte

// Broken is a firewall that forgot to check how long a packet is. It is refused.
//
//go:embed firewall_broken.o
var Broken []byte

// Packets is a capture, in the format of pcap, with at least one packet for each of the firewall's counters if
// 203.0.113.0/24 and 2001:db8:bad::/48 are blocked and TCP port 23 is closed.
//
//go:embed testdata/packets.pcap
var Packets []byte
