package hook

import (
	"encoding/binary"
	"net/netip"
)

// A route says where packets to a network go.
type route struct {
	to    netip.Prefix
	via   netip.Addr // zero: the destination is a neighbour
	iface *Interface
}

// A neighbour is an address on the network of an interface.
type neighbour struct {
	index int
	addr  netip.Addr
}

// AddRoute makes bpf_fib_lookup find an interface for a network, by a gateway if via is valid.
func (h *Host) AddRoute(to netip.Prefix, via netip.Addr, i *Interface) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.routes = append(h.routes, route{to.Masked(), via, i})
}

// AddNeighbour tells the Ethernet address of an address on the network of an interface.
func (h *Host) AddNeighbour(i *Interface, addr netip.Addr, mac HardwareAddr) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.neighbours[neighbour{i.Index, addr.Unmap()}] = mac
}

func (h *Host) neighbour(i *Interface, addr netip.Addr) (HardwareAddr, bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	mac, ok := h.neighbours[neighbour{i.Index, addr.Unmap()}]
	return mac, ok
}

// route is the longest route to an address.
func (h *Host) route(to netip.Addr) (best route, ok bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, r := range h.routes {
		if r.to.Contains(to) && (!ok || r.to.Bits() > best.to.Bits()) {
			best, ok = r, true
		}
	}
	return best, ok
}

// Results of bpf_fib_lookup (BPF_FIB_LKUP_RET_*).
const (
	fibSuccess     = 0
	fibNotFwded    = 4
	fibNoNeigh     = 7
	fibFragNeeded  = 8
	fibSkipNeigh   = 1 << 2 // BPF_FIB_LOOKUP_SKIP_NEIGH
	fibParamsSrc   = 16
	fibParamsDst   = 32
	fibParamsSmac  = 52
	fibParamsDmac  = 58
	fibParamsIndex = 8
	fibParamsLen   = 6
)

// fib answers bpf_fib_lookup from the routes and neighbours.
func (h *Host) fib(params []byte, flags uint32) int {
	v4 := params[0] == familyIPv4
	at := func(off int) []byte { return params[off : off+16] }
	r, ok := h.route(getAddr(at(fibParamsDst), at(fibParamsDst), v4))
	if !ok {
		return fibNotFwded
	}
	if n := binary.NativeEndian.Uint16(params[fibParamsLen:]); int(n) > r.iface.MTU {
		binary.NativeEndian.PutUint16(params[fibParamsLen:], uint16(r.iface.MTU))
		return fibFragNeeded
	}
	hop := getAddr(at(fibParamsDst), at(fibParamsDst), v4)
	if r.via.IsValid() {
		hop = r.via
		putAddr(at(fibParamsDst), at(fibParamsDst), hop)
		if hop.Unmap().Is4() != v4 {
			params[0] = familyIPv6
		}
	}
	binary.NativeEndian.PutUint32(params[fibParamsIndex:], uint32(r.iface.Index))
	binary.NativeEndian.PutUint16(params[fibParamsLen:], uint16(r.iface.MTU))
	if flags&fibSkipNeigh != 0 {
		return fibSuccess
	}
	mac, known := h.neighbour(r.iface, hop)
	if !known {
		return fibNoNeigh
	}
	copy(params[fibParamsSmac:], r.iface.MAC[:])
	copy(params[fibParamsDmac:], mac[:])
	clear(params[48:52]) // no VLAN
	return fibSuccess
}
