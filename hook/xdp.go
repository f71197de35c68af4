package hook

import (
	"bytes"
	"encoding/binary"

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
