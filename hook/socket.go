package hook

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
)

// A Socket is a socket of a Host: one that is bound to an address and gets what comes for it, or a packet socket that sees
// what passes an interface. Its exported fields may be set before it is used.
type Socket struct {
	// Protocol is TCP or UDP; 0 for packet sockets.
	Protocol uint32
	// Local is what it is bound to; without an address, all of the host's are meant.
	Local netip.AddrPort
	// Remote is what it is connected to; the zero value is all.
	Remote netip.AddrPort
	// Cgroup is the one that it was made in, "/" if nothing was said.
	Cgroup *Cgroup
	// UID is who has made it.
	UID uint32
	// Mark and Priority are its options of that name.
	Mark, Priority uint32

	h         *Host
	number    int
	cookie    uint64
	packet    bool
	iface     *Interface // of packet sockets; nil: all
	received  [][]byte   // under h.mu, as is:
	options   map[[2]int32][]byte
	elements  map[*memory.Space]*socketElement
	listening bool
}

// Listen makes a socket that is bound to an address, of protocol TCP or UDP.
func (h *Host) Listen(protocol uint32, local netip.AddrPort) *Socket {
	return h.addSocket(&Socket{Protocol: protocol, Local: local, listening: true})
}

// Dial makes a socket that is bound and connected. Programs are not asked: see Cgroup.Connect.
func (h *Host) Dial(protocol uint32, local, remote netip.AddrPort) *Socket {
	return h.addSocket(&Socket{Protocol: protocol, Local: local, Remote: remote})
}

// PacketSocket makes a packet socket on an interface, or for nil on all: it gets copies of what passes, in both directions.
func (h *Host) PacketSocket(i *Interface) *Socket {
	return h.addSocket(&Socket{packet: true, iface: i})
}

func (h *Host) addSocket(s *Socket) *Socket {
	s.h, s.Cgroup = h, h.Cgroup("/")
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sockets = append(h.sockets, s)
	s.number = len(h.sockets)
	s.cookie = uint64(s.number)
	return s
}

// Received takes what the socket got, in order: of a packet socket frames, of others what comes after the transport header;
// cut to what its filter let through.
func (s *Socket) Received() [][]byte {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	got := s.received
	s.received = nil
	return got
}

func (s *Socket) deliver(b []byte) {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	s.received = append(s.received, bytes.Clone(b))
}

// Send sends a packet from the socket out of an interface. It is given with its headers: the Host makes none. The cgroup_skb
// programs of the socket's cgroups see it first, then TC egress.
func (s *Socket) Send(i *Interface, frame []byte) (*Trip, error) {
	p := s.h.newPacket(frame)
	p.md.Mark, p.md.Priority = s.Mark, s.Priority
	p.from = s
	return p.travel(func(i *Interface) error {
		allowed, err := p.cgroups(s, ebpf.AttachCGroupInetEgress, i)
		switch {
		case err != nil:
			return err
		case !allowed:
			return p.drop(i, "cgroup_skb of egress")
		}
		return p.transmit(i)
	}, i)
}

func (s *Socket) point() string { return fmt.Sprintf("filter of socket %d", s.number) }

// AttachSocketFilter attaches a filter to a socket, in the place of the one that is attached.
func (h *Host) AttachSocketFilter(s *Socket, p *skep.Program) (*Link, error) {
	if old := h.at(s.point()); len(old) > 0 {
		return old[0], old[0].Update(p)
	}
	return h.attach(attachment{point: s.point(), prog: p, most: 1, check: ofType(ebpf.SocketFilter)})
}

// packetSockets are those that see an interface.
func (h *Host) packetSockets(i *Interface) []*Socket {
	h.mu.RLock()
	defer h.mu.RUnlock()
	var out []*Socket
	for _, s := range h.sockets {
		if s.packet && (s.iface == nil || s.iface == i) {
			out = append(out, s)
		}
	}
	return out
}

// lookup is the socket that gets the packets of a flow: one that is connected before one that is bound to the address, and
// that before one that is bound to none.
func (h *Host) lookup(protocol uint8, src, dst netip.AddrPort) (best *Socket, connected bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	score := 0
	for _, s := range h.sockets {
		if s.packet || uint32(protocol) != s.Protocol || s.Local.Port() != dst.Port() {
			continue
		}
		n := 1
		if a := s.Local.Addr(); a.IsValid() && !a.IsUnspecified() {
			if a != dst.Addr() {
				continue
			}
			n++
		}
		if s.Remote.IsValid() {
			if s.Remote != src {
				continue
			}
			n += 2
		}
		if n > score {
			best, score = s, n
		}
	}
	return best, score > 2
}

// find is the socket for a packet: that of its connection, or the one that sk_lookup programs choose, or the one that is bound to
// its destination. It is dropped for the reason why, if there is one.
func (p *packet) find(f flow, i *Interface) (s *Socket, why string, err error) {
	if p.assigned != nil {
		return p.assigned, "", nil
	}
	s, connected := p.h.lookup(f.protocol, f.src, f.dst)
	if connected || f.protocol != TCP && f.protocol != UDP {
		return s, "", nil
	}
	chosen, drop, err := p.skLookup(f, i)
	switch {
	case err != nil:
		return nil, "", err
	case drop:
		return nil, "sk_lookup", nil
	case chosen != nil:
		return chosen, "", nil
	}
	return s, "", nil
}

// sock is the socket as programs see it.
func (s *Socket) sock() *helpers.Sock {
	const established, listen, closed = 1, 10, 7
	out := &helpers.Sock{Type: Stream, Protocol: s.Protocol, Mark: s.Mark, Priority: s.Priority, State: closed, RxQueueMapping: -1, Owner: s}
	if s.Protocol == UDP {
		out.Type = Datagram
	}
	out.Family = familyIPv4
	if a := s.Local.Addr(); a.IsValid() && !a.Unmap().Is4() {
		out.Family = familyIPv6
	}
	switch {
	case s.Remote.IsValid():
		out.State = established
	case s.listening && s.Protocol == TCP:
		out.State = listen
	}
	out.SrcPort = uint32(s.Local.Port())
	out.DstPort = binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, s.Remote.Port()))
	out.SrcIP4, out.SrcIP6 = addressWords(s.Local.Addr())
	out.DstIP4, out.DstIP6 = addressWords(s.Remote.Addr())
	return out
}

// fill sets what struct __sk_buff tells of the socket.
func (s *Socket) fill(md *helpers.SKB) {
	k := s.sock()
	md.Family, md.LocalPort, md.RemotePort = k.Family, k.SrcPort, uint32(k.DstPort)
	md.LocalIP4, md.LocalIP6, md.RemoteIP4, md.RemoteIP6 = k.SrcIP4, k.SrcIP6, k.DstIP4, k.DstIP6
}

// addressWords is an address in network order.
func addressWords(a netip.Addr) (ip4 uint32, ip6 [4]uint32) {
	switch a = a.Unmap(); {
	case a.Is4():
		b := a.As4()
		ip4 = binary.NativeEndian.Uint32(b[:])
	case a.Is6():
		b := a.As16()
		for i := range ip6 {
			ip6[i] = binary.NativeEndian.Uint32(b[4*i:])
		}
	}
	return ip4, ip6
}

// Option is the value of an option that a program has set on the socket; nil if none has.
func (s *Socket) Option(level, name int32) []byte {
	s.h.mu.RLock()
	defer s.h.mu.RUnlock()
	return s.options[[2]int32{level, name}]
}

// sockOptions lets programs set and get options of a socket: any option has the value that was set.
func (h *Host) sockOptions(s *Socket) func(*helpers.Run) {
	return func(r *helpers.Run) {
		r.Sockopt = func(set bool, level, name int32, value []byte) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			key := [2]int32{level, name}
			if set {
				if s.options == nil {
					s.options = map[[2]int32][]byte{}
				}
				s.options[key] = bytes.Clone(value)
				return nil
			}
			v, ok := s.options[key]
			if !ok {
				return maps.EINVAL
			}
			clear(value[copy(value, v):])
			return nil
		}
	}
}
