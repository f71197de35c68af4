package hook

import (
	"encoding/binary"
	"net/netip"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/memory"
)

// A socketElement stands for a socket in the maps of a Space.
type socketElement struct{ addr memory.Addr }

// Addr is what programs get that look the socket up.
func (e *socketElement) Addr() memory.Addr { return e.addr }

// Element makes what stands for the socket in maps of sockets: skep.Map.Update calls it, with the Socket as its value.
func (s *Socket) Element(space *memory.Space) (any, error) {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	if e := s.elements[space]; e != nil {
		return e, nil
	}
	a, err := helpers.NewSock(space, s.sock())
	if err != nil {
		return nil, err
	}
	if s.elements == nil {
		s.elements = map[*memory.Space]*socketElement{}
	}
	e := &socketElement{a}
	s.elements[space] = e
	return e, nil
}

// socketAt finds the socket at an address in a Space.
func (h *Host) socketAt(space *memory.Space, a memory.Addr) *helpers.Sock {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, s := range h.sockets {
		if e := s.elements[space]; e != nil && e.addr == a {
			return s.sock()
		}
	}
	return nil
}

// findSocket answers bpf_sk_lookup_tcp and its kin. A tuple has the source and destination of a packet to the socket.
func (h *Host) findSocket(protocol uint8, tuple []byte) *helpers.Sock {
	n := 16
	if len(tuple) == 12 {
		n = 4
	}
	src, _ := netip.AddrFromSlice(tuple[:n])
	dst, _ := netip.AddrFromSlice(tuple[n : 2*n])
	ports := tuple[2*n:]
	s, _ := h.lookup(protocol, netip.AddrPortFrom(src, binary.BigEndian.Uint16(ports)), netip.AddrPortFrom(dst, binary.BigEndian.Uint16(ports[2:])))
	if s == nil {
		return nil
	}
	return s.sock()
}
