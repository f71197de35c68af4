package hook

import (
	"fmt"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/maps"
)

// A HardwareAddr is an Ethernet address.
type HardwareAddr [6]byte

// String is the address as it is usually written.
func (a HardwareAddr) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", a[0], a[1], a[2], a[3], a[4], a[5])
}

// An Interface is a network interface of a Host. Its exported fields may be set before it is used.
type Interface struct {
	Index int    // ifindex, from 1; not to be changed
	Name  string // not to be changed
	// MAC is its Ethernet address. As long as it is zero, all frames are for it.
	MAC HardwareAddr
	// MTU is what bpf_fib_lookup and bpf_check_mtu tell of; frames of any size pass.
	MTU int

	h    *Host
	peer *Interface
	sent [][]byte // under h.mu
}

// AddInterface adds an interface. Its index is the next one: 2 for the first, as "lo" is 1.
func (h *Host) AddInterface(name string) *Interface {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := &Interface{Index: len(h.interfaces) + 1, Name: name, MTU: 1500, h: h}
	h.interfaces = append(h.interfaces, i)
	return i
}

// AddVeth adds two interfaces, each the peer of the other: what is sent out of one arrives at the other.
func (h *Host) AddVeth(name, peer string) (a, b *Interface) {
	a, b = h.AddInterface(name), h.AddInterface(peer)
	a.peer, b.peer = b, a
	return a, b
}

// Interface is the interface with an index, nil if there is none.
func (h *Host) Interface(index int) *Interface {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if index < 1 || index > len(h.interfaces) {
		return nil
	}
	return h.interfaces[index-1]
}

// Sent takes the frames that have left by the interface, in order. Those of an interface with a peer are not kept.
func (i *Interface) Sent() [][]byte {
	i.h.mu.Lock()
	defer i.h.mu.Unlock()
	sent := i.sent
	i.sent = nil
	return sent
}

// XDPOptions say what AttachXDP attaches.
type XDPOptions struct {
	Program   *skep.Program
	Interface int // its Index
}

// AttachXDP attaches a program to an interface, which has one at most: EBUSY.
func (h *Host) AttachXDP(opts XDPOptions) (*Link, error) {
	i := h.Interface(opts.Interface)
	if i == nil {
		return nil, fmt.Errorf("hook: attach XDP: %w: there is no interface %d", maps.ENODEV, opts.Interface)
	}
	return h.attach(attachment{point: "xdp " + i.Name, prog: opts.Program, most: 1, check: ofType(ebpf.XDP)})
}

// TCXOptions say what AttachTCX attaches.
type TCXOptions struct {
	Program   *skep.Program
	Interface int             // its Index
	Attach    ebpf.AttachType // ebpf.AttachTCXIngress or AttachTCXEgress
	Anchor    Anchor          // nil: Tail
	Cookie    uint64
}

// AttachTCX attaches a program to the traffic control of an interface.
func (h *Host) AttachTCX(opts TCXOptions) (*Link, error) {
	i := h.Interface(opts.Interface)
	if i == nil {
		return nil, fmt.Errorf("hook: attach TCX: %w: there is no interface %d", maps.ENODEV, opts.Interface)
	}
	way := map[ebpf.AttachType]string{ebpf.AttachTCXIngress: "tc ingress ", ebpf.AttachTCXEgress: "tc egress "}[opts.Attach]
	if way == "" {
		return nil, fmt.Errorf("hook: attach TCX: %w: Attach is neither AttachTCXIngress nor AttachTCXEgress", maps.EINVAL)
	}
	return h.attach(attachment{point: way + i.Name, prog: opts.Program, anchor: opts.Anchor, cookie: opts.Cookie,
		check: ofType(ebpf.SchedCLS)})
}

// capture keeps a frame that leaves.
func (i *Interface) capture(b []byte) {
	i.h.mu.Lock()
	defer i.h.mu.Unlock()
	i.sent = append(i.sent, slices.Clone(b))
}

// mtu is that of the interface with an index; 0 if there is none.
func (h *Host) mtu(index uint32) uint32 {
	if i := h.Interface(int(index)); i != nil {
		return uint32(i.MTU)
	}
	return 0
}
