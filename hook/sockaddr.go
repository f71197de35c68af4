package hook

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep/helpers"
)

// Families, types and protocols of sockets.
const (
	familyIPv4 = 2
	familyIPv6 = 10

	Stream   = 1 // SOCK_STREAM
	Datagram = 2 // SOCK_DGRAM

	TCP = 6  // IPPROTO_TCP
	UDP = 17 // IPPROTO_UDP
)

// A SockAddr is an address that a task gives to a system call, or gets from it, with the socket. Programs of sock_addr see
// and change it.
type SockAddr struct {
	Addr netip.AddrPort
	// Source is where a message is sent from, of Sendmsg; it may be left out.
	Source netip.Addr
	// Type and Protocol are the socket's. 0: Stream and TCP for Connect, Bind and the names, Datagram and UDP for messages.
	Type, Protocol uint32
	// Mark, Priority and BoundDevIf are the socket's.
	Mark, Priority, BoundDevIf uint32
}

// Connect asks the programs of connect4 or connect6, and changes the address as they do. EPERM: they refuse.
func (c *Cgroup) Connect(a *SockAddr) ([]Step, error) {
	return c.sockAddr(a, ebpf.AttachCGroupInet4Connect, ebpf.AttachCGroupInet6Connect, Stream, TCP)
}

// Bind asks the programs of bind4 or bind6, and changes the address as they do.
func (c *Cgroup) Bind(a *SockAddr) ([]Step, error) {
	return c.sockAddr(a, ebpf.AttachCGroupInet4Bind, ebpf.AttachCGroupInet6Bind, Stream, TCP)
}

// Sendmsg asks the programs of sendmsg4 or sendmsg6, and changes both addresses as they do.
func (c *Cgroup) Sendmsg(a *SockAddr) ([]Step, error) {
	return c.sockAddr(a, ebpf.AttachCGroupUDP4Sendmsg, ebpf.AttachCGroupUDP6Sendmsg, Datagram, UDP)
}

// Recvmsg lets the programs of recvmsg4 or recvmsg6 change the address that a message came from.
func (c *Cgroup) Recvmsg(a *SockAddr) ([]Step, error) {
	return c.sockAddr(a, ebpf.AttachCGroupUDP4Recvmsg, ebpf.AttachCGroupUDP6Recvmsg, Datagram, UDP)
}

// Getpeername lets the programs of getpeername4 or getpeername6 change what the task gets.
func (c *Cgroup) Getpeername(a *SockAddr) ([]Step, error) {
	return c.sockAddr(a, ebpf.AttachCgroupInet4GetPeername, ebpf.AttachCgroupInet6GetPeername, Stream, TCP)
}

// Getsockname lets the programs of getsockname4 or getsockname6 change what the task gets.
func (c *Cgroup) Getsockname(a *SockAddr) ([]Step, error) {
	return c.sockAddr(a, ebpf.AttachCgroupInet4GetSockname, ebpf.AttachCgroupInet6GetSockname, Stream, TCP)
}

func (c *Cgroup) sockAddr(a *SockAddr, at4, at6 ebpf.AttachType, typ, protocol uint32) ([]Step, error) {
	if !a.Addr.IsValid() {
		return nil, fmt.Errorf("hook: %v is no address", a.Addr)
	}
	at, family, v4 := at4, uint32(familyIPv4), a.Addr.Addr().Unmap().Is4()
	if !v4 {
		at, family = at6, familyIPv6
	}
	if a.Type != 0 {
		typ = a.Type
	}
	if a.Protocol != 0 {
		protocol = a.Protocol
	}
	ctx := newContext("bpf_sock_addr")
	for name, v := range map[string]uint32{"user_family": family, "family": family, "type": typ, "protocol": protocol} {
		ctx.set(name, uint64(v))
	}
	putAddr(ctx.at("user_ip4"), ctx.at("user_ip6"), a.Addr.Addr())
	binary.BigEndian.PutUint16(ctx.at("user_port"), a.Addr.Port())
	if a.Source.IsValid() {
		putAddr(ctx.at("msg_src_ip4"), ctx.at("msg_src_ip6"), a.Source)
	}
	ctx.sock = &helpers.Sock{Family: family, Type: typ, Protocol: protocol, Mark: a.Mark, Priority: a.Priority, BoundDevIf: a.BoundDevIf,
		RxQueueMapping: -1}
	e := c.h.newEvent()
	e.setup = c.h.sockOptions(&Socket{h: c.h})
	err := c.allow(e, at, ctx)
	a.Addr = netip.AddrPortFrom(getAddr(ctx.at("user_ip4"), ctx.at("user_ip6"), v4), binary.BigEndian.Uint16(ctx.at("user_port")))
	if a.Source.IsValid() {
		a.Source = getAddr(ctx.at("msg_src_ip4"), ctx.at("msg_src_ip6"), v4)
	}
	return e.steps, err
}

// putAddr writes an address to the field for its family, in network order.
func putAddr(ip4, ip6 []byte, a netip.Addr) {
	if a = a.Unmap(); a.Is4() {
		b := a.As4()
		copy(ip4, b[:])
		return
	}
	b := a.As16()
	copy(ip6, b[:])
}

// getAddr reads an address.
func getAddr(ip4, ip6 []byte, v4 bool) netip.Addr {
	if v4 {
		return netip.AddrFrom4([4]byte(ip4))
	}
	return netip.AddrFrom16([16]byte(ip6))
}
