package helpers

import "github.com/skepbpf/skep/maps"

// A RedirectKind says how a program asked for its packet to be redirected.
type RedirectKind uint8

// The ways to redirect a packet.
const (
	NoRedirect  RedirectKind = iota
	ToDevice                 // bpf_redirect: out of a device, or in on it with the flag BPF_F_INGRESS (1)
	ToPeer                   // bpf_redirect_peer: in on the peer of a device in another namespace
	ToNeighbour              // bpf_redirect_neigh: out of a device, with a link header for the next hop
	ToMap                    // bpf_redirect_map: to an element of a device, CPU or XSK map
	ToAll                    // bpf_redirect_map with BPF_F_BROADCAST: to all elements
)

// A Redirect is where a program asked for its packet to go. It counts only if the program returns XDP_REDIRECT or
// TC_ACT_REDIRECT.
type Redirect struct {
	Kind    RedirectKind
	Ifindex uint32
	Flags   uint64
	Map     maps.Map // of ToMap and ToAll
	Key     uint64   // index or key of the element, of ToMap
	// NextHop is the struct bpf_redir_neigh of ToNeighbour; HasNextHop tells that there was one.
	NextHop    [20]byte
	HasNextHop bool
}
