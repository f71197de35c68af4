package hook

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/maps"
)

// AttachNetNs attaches a program to the host's network namespace: one of sk_lookup, of which there may be several, or one of
// flow_dissector, of which there is one at most.
func (h *Host) AttachNetNs(p *skep.Program) (*Link, error) {
	at := attachment{point: "sk_lookup", prog: p, check: ofType(ebpf.SkLookup)}
	if p != nil && p.Type() == ebpf.FlowDissector {
		at = attachment{point: "flow_dissector", prog: p, most: 1, check: ofType(ebpf.FlowDissector)}
	}
	return h.attach(at)
}

// skLookup asks the sk_lookup programs. The first socket that one selects is taken; if none selects one, SK_DROP (0) of any
// drops the packet.
func (p *packet) skLookup(f flow, i *Interface) (chosen *Socket, drop bool, err error) {
	links := p.h.at("sk_lookup")
	if len(links) == 0 {
		return nil, false, nil
	}
	ctx := newContext("bpf_sk_lookup")
	family := uint64(familyIPv6)
	if f.dst.Addr().Is4() {
		family = familyIPv4
	}
	ctx.set("family", family)
	ctx.set("protocol", uint64(f.protocol))
	ctx.set("ingress_ifindex", uint64(i.Index))
	putAddr(ctx.at("remote_ip4"), ctx.at("remote_ip6"), f.src.Addr())
	putAddr(ctx.at("local_ip4"), ctx.at("local_ip6"), f.dst.Addr())
	binary.BigEndian.PutUint16(ctx.at("remote_port"), f.src.Port())
	ctx.set("local_port", uint64(f.dst.Port()))
	for _, l := range links {
		var picked *helpers.Sock
		r0, ran, err := p.run(l, ctx.setup, func(r *helpers.Run, _ uint64) error {
			picked = r.Assigned
			return nil
		})
		if err != nil {
			return nil, false, err
		}
		if !ran {
			continue
		}
		if s, ok := ownerOf(picked); ok && r0 == 1 && chosen == nil {
			chosen = s
		}
		drop = drop || r0 == 0
	}
	return chosen, drop && chosen == nil, nil
}

func ownerOf(s *helpers.Sock) (*Socket, bool) {
	if s == nil {
		return nil, false
	}
	owner, ok := s.Owner.(*Socket)
	return owner, ok
}

// FlowKeys are what a flow dissector found in a packet: the fields of struct bpf_flow_keys.
type FlowKeys struct {
	NetworkOffset, TransportOffset, AddrProto uint16
	IsFrag, IsFirstFrag, IsEncap, IPProto     uint8
	NetworkProto, SourcePort, DestPort        uint16 // in host order
	Source, Destination                       netip.Addr
	Flags, FlowLabel                          uint32
}

// Dissect asks the flow dissector about a packet, which starts with its link header. Linux calls it to hash packets. It returns
// what the program returned: BPF_OK (0), BPF_DROP (2) or BPF_FLOW_DISSECTOR_CONTINUE (129), which says that the kernel's own is to
// be asked.
func (h *Host) Dissect(frame []byte) (FlowKeys, uint32, error) {
	links := h.at("flow_dissector")
	if len(links) == 0 {
		return FlowKeys{}, 0, fmt.Errorf("hook: there is no flow dissector: %w", maps.ENOENT)
	}
	if len(frame) < ethLen {
		return FlowKeys{}, 0, fmt.Errorf("hook: a frame of %d bytes: %w", len(frame), maps.EINVAL)
	}
	keys := newContext("bpf_flow_keys")
	e := h.newEvent()
	r0, ran, err := e.run(links[0], func(r *helpers.Run) error {
		if err := r.SetSKB(frame, &helpers.SKB{}); err != nil {
			return err
		}
		return r.FlowKeys(keys.bytes)
	}, func(r *helpers.Run, _ uint64) error {
		keys.bytes = r.Flow()
		return nil
	})
	if err != nil || !ran {
		return FlowKeys{}, 0, err
	}
	return flowKeys(keys), uint32(r0), nil
}

func flowKeys(c *context) FlowKeys {
	half := func(name string) uint16 { return uint16(c.get(name)) }
	net := func(name string) uint16 { return binary.BigEndian.Uint16(c.at(name)) }
	k := FlowKeys{NetworkOffset: half("nhoff"), TransportOffset: half("thoff"), AddrProto: half("addr_proto"),
		IsFrag: c.at("is_frag")[0], IsFirstFrag: c.at("is_first_frag")[0], IsEncap: c.at("is_encap")[0], IPProto: c.at("ip_proto")[0],
		NetworkProto: net("n_proto"), SourcePort: net("sport"), DestPort: net("dport"),
		Flags: uint32(c.get("flags")), FlowLabel: binary.BigEndian.Uint32(c.at("flow_label"))}
	v4 := k.AddrProto == 0x0800
	if v4 || k.AddrProto == 0x86dd {
		k.Source = getAddr(c.at("ipv4_src"), c.at("ipv6_src"), v4)
		k.Destination = getAddr(c.at("ipv4_dst"), c.at("ipv6_dst"), v4)
	}
	return k
}
