package hook

import (
	"encoding/binary"
	"net/netip"

	"github.com/skepbpf/skep/helpers"
)

// What TC programs return besides 0, which lets the packet pass.
const (
	tcNext     = -1
	tcDrop     = 2
	tcRedirect = 7
)

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
