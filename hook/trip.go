package hook

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/memory"
)

// A Verdict is what became of a packet.
type Verdict uint8

// What can become of a packet.
const (
	Dropped   Verdict = iota // a program, or nobody to take it
	Delivered                // up the stack of the host: to Trip.Socket, if one was bound to its destination
	Sent                     // out of Trip.Interface, where Sent has it
)

// String names the verdict.
func (v Verdict) String() string {
	return [...]string{"dropped", "delivered", "sent"}[min(v, Sent)]
}

// A Trip is the way of a packet.
type Trip struct {
	Verdict   Verdict
	Interface *Interface // where it was last
	Socket    *Socket    // that it was delivered to, nil if none is bound to its destination
	Packet    []byte     // as it was in the end, with its link header
	Steps     []Step     // the programs that ran on it, in order
	Why       string     // a word on who dropped it
	Clones    []*Trip    // the ways of copies that programs made (bpf_clone_redirect, broadcasts)
}

// maxHops is how often a packet may be redirected, or go from peer to peer.
const maxHops = 8

// A packet is a packet on its way.
type packet struct {
	*event
	trip *Trip
	hops int

	data     []byte // from its link header on
	meta     []byte // what XDP left before it, for TC
	md       helpers.SKB
	in       *Interface    // that it came in on, nil if the host sends it
	from     *Socket       // that sends it, if known
	assigned *Socket       // that a program of TC has chosen for it
	space    *memory.Space // of the XDP program that redirected it
}

func (h *Host) newPacket(frame []byte) *packet {
	p := &packet{event: h.newEvent(), trip: new(Trip), data: bytes.Clone(frame)}
	return p
}

// travel sends the packet on its way and finishes its trip.
func (p *packet) travel(where func(*Interface) error, i *Interface) (*Trip, error) {
	err := where(i)
	p.trip.Packet, p.trip.Steps = p.data, p.steps
	return p.trip, err
}

// Receive lets a frame arrive at the interface, and tells its way.
func (i *Interface) Receive(frame []byte) (*Trip, error) {
	p := i.h.newPacket(frame)
	return p.travel(p.receive, i)
}

// Send sends a frame out of the interface, as a packet socket does: TC egress sees it, cgroups do not. See Socket.Send.
func (i *Interface) Send(frame []byte) (*Trip, error) {
	p := i.h.newPacket(frame)
	return p.travel(p.transmit, i)
}

// drop ends the trip.
func (p *packet) drop(i *Interface, why string) error {
	p.trip.Verdict, p.trip.Interface, p.trip.Why = Dropped, i, why
	return nil
}

// hop counts a redirect; false if there were too many.
func (p *packet) hop() bool {
	p.hops++
	return p.hops <= maxHops
}

// clone sends a copy another way.
func (p *packet) clone(data []byte, where func(*packet) error) error {
	c := &packet{event: &event{h: p.h, task: p.task, setup: p.setup}, trip: new(Trip), hops: p.hops, data: bytes.Clone(data), md: p.md, in: p.in}
	c.mem.init()
	c.mem.below = &p.h.mem
	err := where(c)
	c.trip.Packet, c.trip.Steps = c.data, c.steps
	p.trip.Clones = append(p.trip.Clones, c.trip)
	return err
}

// skb is the packet's struct __sk_buff for a program on an interface.
func (p *packet) skb(i *Interface) *helpers.SKB {
	md := p.md
	md.Ifindex = uint32(i.Index)
	if p.in != nil {
		md.IngressIfindex = uint32(p.in.Index)
	}
	md.PktType = p.kind(i)
	return &md
}

// kind is whom the packet is for: PACKET_HOST, _BROADCAST, _MULTICAST, _OTHERHOST, or _OUTGOING.
func (p *packet) kind(i *Interface) uint32 {
	switch {
	case p.in == nil:
		return 4
	case len(p.data) < 6:
		return 0
	case bytes.Equal(p.data[:6], []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}):
		return 1
	case p.data[0]&1 != 0:
		return 2
	case i.MAC != HardwareAddr{} && i.MAC != HardwareAddr(p.data[:6]):
		return 3
	}
	return 0
}

// skbFields are the fields of struct __sk_buff that programs change and that stay with the packet.
func skbFields(md *helpers.SKB) map[string]*uint32 {
	return map[string]*uint32{"mark": &md.Mark, "priority": &md.Priority, "queue_mapping": &md.QueueMapping, "tc_index": &md.TCIndex,
		"tc_classid": &md.TCClassID, "hash": &md.Hash, "vlan_present": &md.VLANPresent, "vlan_tci": &md.VLANTCI, "vlan_proto": &md.VLANProto}
}

var skbStruct = linux.Struct("__sk_buff")

// runSKB runs a program on the packet as an skb. Clones go their way when it has ended.
func (p *packet) runSKB(l *Link, i *Interface, md *helpers.SKB) (r0 uint64, ran bool, to helpers.Redirect, err error) {
	type copied struct {
		data    []byte
		ifindex uint32
		ingress bool
	}
	var clones []copied
	r0, ran, err = p.run(l, func(r *helpers.Run) error {
		r.Clone = func(c *helpers.Packet, ifindex uint32, ingress bool) error {
			clones = append(clones, copied{bytes.Clone(c.Link()), ifindex, ingress})
			return nil
		}
		if p.from != nil {
			sock, err := r.Socket(p.from.sock())
			if err != nil {
				return err
			}
			md.Sock = uint64(sock)
			r.SocketCookie, r.SocketUID, r.SocketCgroups = p.from.cookie, p.from.UID, p.from.Cgroup.ids()
		}
		md.MetaLen = uint32(len(p.meta))
		return r.SetSKB(append(bytes.Clone(p.meta), p.data...), md)
	}, func(r *helpers.Run, _ uint64) error {
		p.data, p.meta = bytes.Clone(r.Packet.Link()), bytes.Clone(r.Packet.Meta())
		ctx := r.Context()
		for name, v := range skbFields(&p.md) {
			*v = binary.NativeEndian.Uint32(ctx[skbStruct.Field(name).Off:])
		}
		for n := range p.md.CB {
			p.md.CB[n] = binary.NativeEndian.Uint32(ctx[skbStruct.Field("cb").Off+4*n:])
		}
		p.md.Tstamp = binary.NativeEndian.Uint64(ctx[skbStruct.Field("tstamp").Off:])
		to = r.Redirect
		if s, ok := ownerOf(r.Assigned); ok {
			p.assigned = s
		}
		return nil
	})
	if err != nil {
		return 0, false, to, err
	}
	for _, c := range clones {
		target := p.h.Interface(int(c.ifindex))
		if target == nil {
			continue
		}
		err := p.clone(c.data, func(q *packet) error {
			switch {
			case !q.hop():
				return q.drop(target, tooManyHops(target))
			case c.ingress:
				q.in = target
				return q.ingress(target)
			}
			return q.transmit(target)
		})
		if err != nil {
			return 0, false, to, err
		}
	}
	return r0, ran, to, nil
}

// taps gives the packet to the packet sockets on the interface.
func (p *packet) taps(i *Interface) error {
	for _, s := range p.h.packetSockets(i) {
		md := p.skb(i)
		md.CB = [5]uint32{}
		n, ok, err := p.filter(s, i, md, len(p.data))
		if err != nil {
			return err
		}
		if ok {
			s.deliver(p.data[:n])
		}
	}
	return nil
}

// filter runs the filter of a socket, on what it sees of the packet, size bytes: it says how many of these it takes.
func (p *packet) filter(s *Socket, i *Interface, md *helpers.SKB, size int) (n int, take bool, err error) {
	n = size
	for _, l := range p.h.at(s.point()) {
		kept := *p // a filter changes nothing
		r0, ran, _, err := p.runSKB(l, i, md)
		p.data, p.meta, p.md = kept.data, kept.meta, kept.md
		if err != nil {
			return 0, false, err
		}
		if ran {
			n = int(min(uint64(uint32(r0)), uint64(n)))
		}
	}
	return n, n > 0, nil
}

// cgroups asks the cgroup_skb programs of a socket's cgroups: all of them must return 1; the second bit of egress is a
// hint on congestion.
func (p *packet) cgroups(s *Socket, at ebpf.AttachType, i *Interface) (allowed bool, err error) {
	allowed = true
	for _, l := range s.Cgroup.links(at) {
		md := p.skb(i)
		md.Pulled, md.CB = true, [5]uint32{}
		s.fill(md)
		r0, ran, _, err := p.runSKB(l, i, md)
		if err != nil {
			return false, err
		}
		if ran && r0&1 == 0 {
			allowed = false
		}
	}
	return allowed, nil
}

func tooManyHops(i *Interface) string {
	return fmt.Sprintf("more than %d redirects, at %s", maxHops, i.Name)
}
