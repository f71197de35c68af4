package hook

import "github.com/cilium/ebpf"

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
