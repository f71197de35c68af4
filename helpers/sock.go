package helpers

import (
	"encoding/binary"

	"github.com/skepbpf/skep/memory"
)

// sockFamily are the helpers on sockets: that of the packet or event, and those that are looked for. None of them is more
// than a struct bpf_sock.
var sockFamily = map[int32]Func{
	95: func(c *Call) (uint64, error) { return c.Args[0], nil }, // bpf_sk_fullsock
	96: noSocket,                                                // bpf_tcp_sock: of a socket that is none of TCP
	98: noSocket,                                                // bpf_get_listener_sock

	136: noSocket, // bpf_skc_to_tcp6_sock and so on
	137: noSocket,
	138: noSocket,
	139: noSocket,
	140: noSocket,
	162: noSocket, // bpf_sock_from_file
	178: noSocket,
	196: noSocket,
	128: socketCgroup, // bpf_sk_cgroup_id
	129: socketCgroupAt,
	79:  socketCgroup, // bpf_skb_cgroup_id
	83:  socketCgroupAt,
}

func noSocket(*Call) (uint64, error) { return 0, nil }

// rootCgroup is the id of the cgroup that all sockets are in if nothing else is said.
const rootCgroup = 1

// socketCgroup is the id of the cgroup of the run's socket.
func socketCgroup(c *Call) (uint64, error) {
	if ids := c.Run.SocketCgroups; len(ids) > 0 {
		return ids[len(ids)-1], nil
	}
	return rootCgroup, nil
}

// socketCgroupAt is the id of the cgroup above it at a level, the root being 0; 0 if it is not that deep.
func socketCgroupAt(c *Call) (uint64, error) {
	ids := c.Run.SocketCgroups
	switch level := int64(int32(c.Args[1])); {
	case level >= 0 && level < int64(len(ids)):
		return ids[level], nil
	case level == 0 && len(ids) == 0:
		return rootCgroup, nil
	}
	return 0, nil
}

// A Sock is a socket as programs see it, struct bpf_sock. Addresses and DstPort are in network order, SrcPort is in the
// host's.
type Sock struct {
	BoundDevIf, Family, Type, Protocol, Mark, Priority uint32
	SrcIP4                                             uint32
	SrcIP6                                             [4]uint32
	SrcPort                                            uint32
	DstPort                                            uint16
	DstIP4                                             uint32
	DstIP6                                             [4]uint32
	State                                              uint32
	RxQueueMapping                                     int32

	// Owner is whose socket it is: what is stored for it (BPF_MAP_TYPE_SK_STORAGE) belongs to that. Nil: to the address.
	Owner any
}

// sizeSock is the size of a struct bpf_sock.
const sizeSock = 80

// Socket puts the socket of the Run into the Space, in place of the one before, and gives its address: for SKB.Sock, or
// for contexts that have a socket.
func (r *Run) Socket(s *Sock) (memory.Addr, error) {
	if r.sock == 0 {
		a, err := r.Space.Alloc(sizeSock, memory.Kernel, memory.Read, "socket")
		if err != nil {
			return 0, err
		}
		r.sock = a
	}
	r.putSock(r.sock, s)
	return r.sock, nil
}

// SockAt is the socket at an address, which a program was given; nil if there is none.
func (r *Run) SockAt(a memory.Addr) *Sock {
	if s := r.found[a]; s != nil || r.SocketAt == nil {
		return s
	}
	return r.SocketAt(a)
}

// NewSock puts a socket into a Space for good: an element of a map of sockets.
func NewSock(space *memory.Space, s *Sock) (memory.Addr, error) {
	a, err := space.Alloc(sizeSock, memory.Kernel, memory.Read, "socket")
	if err != nil {
		return 0, err
	}
	putSock(space, a, s)
	return a, nil
}

// putSock writes a struct bpf_sock.
func (r *Run) putSock(a memory.Addr, s *Sock) {
	if r.found == nil {
		r.found = map[memory.Addr]*Sock{}
	}
	r.found[a] = s
	putSock(r.Space, a, s)
}

func putSock(space *memory.Space, a memory.Addr, s *Sock) {
	words := [...]uint32{s.BoundDevIf, s.Family, s.Type, s.Protocol, s.Mark, s.Priority, s.SrcIP4,
		s.SrcIP6[0], s.SrcIP6[1], s.SrcIP6[2], s.SrcIP6[3], s.SrcPort, 0, s.DstIP4,
		s.DstIP6[0], s.DstIP6[1], s.DstIP6[2], s.DstIP6[3], s.State, uint32(s.RxQueueMapping)}
	b := space.Bytes(a, sizeSock)
	for i, w := range words {
		binary.NativeEndian.PutUint32(b[4*i:], w)
	}
	binary.NativeEndian.PutUint16(b[48:], s.DstPort)
}
