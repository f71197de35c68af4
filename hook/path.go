package hook

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/maps"
)

// What XDP programs return.
const (
	xdpAborted = iota
	xdpDrop
	xdpPass
	xdpTX
	xdpRedirect
)

// What TC programs return besides 0, which lets the packet pass.
const (
	tcNext     = -1
	tcDrop     = 2
	tcRedirect = 7
)

// receive is where a packet comes in: XDP first.
func (p *packet) receive(i *Interface) error {
	p.in, p.md, p.meta = i, helpers.SKB{}, nil
	for _, l := range p.h.at("xdp " + i.Name) {
		var to helpers.Redirect
		r0, ran, err := p.run(l, func(r *helpers.Run) error {
			return r.SetXDP(p.data, helpers.XDP{IngressIfindex: uint32(i.Index), Frags: p.frags(l)})
		}, func(r *helpers.Run, _ uint64) error {
			p.data, p.meta, to = bytes.Clone(r.Packet.Bytes()), bytes.Clone(r.Packet.Meta()), r.Redirect
			p.space = r.Space
			return nil
		})
		if err != nil {
			return err
		}
		if !ran {
			continue
		}
		switch uint32(r0) {
		case xdpPass:
		case xdpTX:
			p.in = nil
			return p.wire(i)
		case xdpRedirect:
			return p.xdpRedirect(i, &to)
		case xdpDrop:
			return p.drop(i, "XDP_DROP")
		case xdpAborted:
			return p.drop(i, "XDP_ABORTED")
		default:
			return p.drop(i, "XDP returned no action that there is")
		}
	}
	return p.ingress(i)
}

// frags tells that the program of a link takes packets in several buffers.
func (p *packet) frags(l *Link) bool {
	const hasFrags = 1 << 5 // BPF_F_XDP_HAS_FRAGS
	return l.prog.Load().Verdict().Program.Flags&hasFrags != 0
}

// xdpRedirect sends the packet where XDP asked for it to go: straight out of a device, without TC.
func (p *packet) xdpRedirect(i *Interface, to *helpers.Redirect) error {
	switch to.Kind {
	case helpers.ToDevice:
		return p.out(i, int(to.Ifindex))
	case helpers.ToMap:
		switch to.Map.Spec().Type {
		case maps.DevMap, maps.DevMapHash:
			return p.outBy(i, to.Map, uint32(to.Key))
		case maps.CPUMap:
			return p.onCPU(i, to.Map, uint32(to.Key))
		case maps.XSKMap:
			p.trip.Verdict, p.trip.Interface = Delivered, i
			return nil
		}
	case helpers.ToAll:
		return p.broadcast(i, to)
	}
	return p.drop(i, "XDP_REDIRECT to nowhere")
}

// outBy sends the packet out of the device of a map's element, whose program sees it first if it has one.
func (p *packet) outBy(i *Interface, m maps.Map, key uint32) error {
	ifindex, program, ok := element(m, key)
	if !ok {
		return p.drop(i, "there is no such element in the device map")
	}
	pass, err := p.second(i, "xdp devmap", program, helpers.XDP{IngressIfindex: uint32(i.Index), EgressIfindex: ifindex})
	if err != nil || !pass {
		return err
	}
	return p.out(i, int(ifindex))
}

// onCPU is where the packet goes on after it was sent to another CPU: by way of the program of the element, if it has one.
func (p *packet) onCPU(i *Interface, m maps.Map, key uint32) error {
	_, program, ok := element(m, key)
	if !ok {
		return p.drop(i, "there is no such element in the CPU map")
	}
	pass, err := p.second(i, "xdp cpumap", program, helpers.XDP{IngressIfindex: uint32(i.Index)})
	if err != nil || !pass {
		return err
	}
	return p.ingress(i)
}

// element is what a device or CPU map has for a key.
func element(m maps.Map, key uint32) (value, program uint32, ok bool) {
	if r, is := m.(maps.Redirecter); is {
		return r.Target(key)
	}
	return 0, 0, false
}

// second runs the program of an element, by its ID; it is true if the packet goes on. What the program redirects is dropped, as
// Linux does with devices.
func (p *packet) second(i *Interface, point string, id uint32, md helpers.XDP) (pass bool, err error) {
	if id == 0 {
		return true, nil
	}
	owner, ok := p.space.HandleByID(id).(interface{ Program() *skep.Program })
	if !ok {
		return false, p.drop(i, "the program of the element is none")
	}
	l := &Link{h: p.h, point: point + " " + i.Name}
	prog := owner.Program()
	defer prog.Close()
	l.prog.Store(prog)
	md.Frags = p.frags(l)
	r0, ran, err := p.run(l, func(r *helpers.Run) error { return r.SetXDP(p.data, md) }, func(r *helpers.Run, _ uint64) error {
		p.data = bytes.Clone(r.Packet.Bytes())
		return nil
	})
	if err != nil || !ran {
		return false, err
	}
	if uint32(r0) != xdpPass {
		return false, p.drop(i, point+" program")
	}
	return true, nil
}

// broadcast sends copies out of all devices of a map, but for the one that it came in on if so asked.
func (p *packet) broadcast(i *Interface, to *helpers.Redirect) error {
	const excludeIngress = 1 << 4
	for key, err := to.Map.NextKey(nil); err == nil; key, err = to.Map.NextKey(key) {
		k := binary.NativeEndian.Uint32(key)
		ifindex, _, ok := element(to.Map, k)
		if !ok || to.Flags&excludeIngress != 0 && int(ifindex) == i.Index {
			continue
		}
		if err := p.clone(p.data, func(q *packet) error { q.space = p.space; return q.outBy(i, to.Map, k) }); err != nil {
			return err
		}
	}
	return p.drop(i, "copies went out of the devices of a map")
}

// out sends the packet out of a device.
func (p *packet) out(i *Interface, ifindex int) error {
	target := p.h.Interface(ifindex)
	if target == nil {
		return p.drop(i, "redirected to an interface that is not there")
	}
	if !p.hop() {
		return p.drop(i, tooManyHops(i))
	}
	p.meta = nil
	return p.wire(target)
}

// wire is where packets leave.
func (p *packet) wire(i *Interface) error {
	if i.peer != nil {
		if !p.hop() {
			return p.drop(i, tooManyHops(i))
		}
		return p.receive(i.peer)
	}
	i.capture(p.data)
	p.trip.Verdict, p.trip.Interface = Sent, i
	return nil
}

// ingress is the way in after XDP: packet sockets, TC, then up.
func (p *packet) ingress(i *Interface) error {
	if err := p.taps(i); err != nil {
		return err
	}
	done, err := p.tc("tc ingress "+i.Name, i)
	if err != nil || done {
		return err
	}
	p.meta = nil
	if p.kind(i) == 3 {
		return p.drop(i, "it is for another host")
	}
	return p.up(i)
}

// transmit is the way out: TC, packet sockets, then the wire.
func (p *packet) transmit(i *Interface) error {
	done, err := p.tc("tc egress "+i.Name, i)
	if err != nil || done {
		return err
	}
	if err := p.taps(i); err != nil {
		return err
	}
	return p.wire(i)
}

// tc asks the programs of traffic control; it is done if they dropped the packet or sent it elsewhere.
func (p *packet) tc(point string, i *Interface) (done bool, err error) {
	for _, l := range p.h.at(point) {
		r0, ran, to, err := p.runSKB(l, i, p.skb(i))
		if err != nil {
			return true, err
		}
		if !ran {
			continue
		}
		switch int32(r0) {
		case tcNext:
		case tcDrop:
			return true, p.drop(i, "TC_ACT_SHOT")
		case tcRedirect:
			return true, p.tcRedirect(i, &to)
		default: // other values end it, and let the packet pass
			return false, nil
		}
	}
	return false, nil
}

// tcRedirect sends the packet where TC asked for it to go.
func (p *packet) tcRedirect(i *Interface, to *helpers.Redirect) error {
	target := p.h.Interface(int(to.Ifindex))
	switch {
	case target == nil:
		return p.drop(i, "redirected to an interface that is not there")
	case !p.hop():
		return p.drop(i, tooManyHops(i))
	}
	p.meta = nil
	switch to.Kind {
	case helpers.ToDevice:
		if to.Flags&1 != 0 {
			p.in = target
			return p.ingress(target)
		}
		return p.transmit(target)
	case helpers.ToPeer:
		if target.peer == nil {
			return p.drop(i, "redirected to the peer of an interface that has none")
		}
		p.in = target.peer
		return p.ingress(target.peer)
	case helpers.ToNeighbour:
		if why := p.address(target, to); why != "" {
			return p.drop(i, why)
		}
		return p.transmit(target)
	}
	return p.drop(i, "TC_ACT_REDIRECT to nowhere")
}

// address gives the packet the link addresses for its next hop, or says why it cannot.
func (p *packet) address(target *Interface, to *helpers.Redirect) string {
	hop, ok := destination(p.data)
	if to.HasNextHop {
		switch family := binary.NativeEndian.Uint32(to.NextHop[:]); family {
		case familyIPv4:
			hop, ok = netip.AddrFrom4([4]byte(to.NextHop[4:8])), true
		case familyIPv6:
			hop, ok = netip.AddrFrom16([16]byte(to.NextHop[4:20])), true
		}
	}
	mac, known := p.h.neighbour(target, hop)
	if !ok || !known {
		return "there is no neighbour with the address of the next hop"
	}
	copy(p.data, mac[:])
	copy(p.data[6:], target.MAC[:])
	return ""
}

// up is the way up the stack, to a socket.
func (p *packet) up(i *Interface) error {
	p.trip.Verdict, p.trip.Interface = Delivered, i
	f, ok := parse(p.data)
	if !ok {
		return nil
	}
	s, why, err := p.find(f, i)
	switch {
	case err != nil:
		return err
	case why != "":
		return p.drop(i, why)
	case s == nil:
		return nil
	}
	p.from = s
	defer func() { p.from = nil }()
	allowed, err := p.cgroups(s, ebpf.AttachCGroupInetIngress, i)
	if err != nil {
		return err
	}
	if !allowed {
		return p.drop(i, "cgroup_skb of ingress")
	}
	md := p.skb(i)
	md.Start, md.CB = uint32(f.transport), [5]uint32{}
	s.fill(md)
	n, take, err := p.filter(s, i, md, len(p.data)-f.transport)
	if err != nil {
		return err
	}
	if !take {
		return p.drop(i, "the filter of the socket")
	}
	p.trip.Socket = s
	s.deliver(p.data[min(f.payload, f.transport+n) : f.transport+n])
	return nil
}
