package helpers

import (
	"encoding/binary"

	"github.com/skepbpf/skep/memory"
)

// sockFamily are the helpers on sockets. A run knows one socket at most, that of its packet: looking for others finds
// none, so what is done to those that were found is never called by a program that was verified.
var sockFamily = map[int32]Func{
	84: noSocket,                                                // bpf_sk_lookup_tcp
	85: noSocket,                                                // bpf_sk_lookup_udp
	99: noSocket,                                                // bpf_skc_lookup_tcp
	86: func(*Call) (uint64, error) { return 0, nil },           // bpf_sk_release
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
	128: noCgroup, // bpf_sk_cgroup_id
	129: noCgroup,
	79:  noCgroup, // bpf_skb_cgroup_id
	83:  noCgroup,
}

func noSocket(*Call) (uint64, error) { return 0, nil }

func noCgroup(*Call) (uint64, error) { return 0, nil }

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
	words := [...]uint32{s.BoundDevIf, s.Family, s.Type, s.Protocol, s.Mark, s.Priority, s.SrcIP4,
		s.SrcIP6[0], s.SrcIP6[1], s.SrcIP6[2], s.SrcIP6[3], s.SrcPort, 0, s.DstIP4,
		s.DstIP6[0], s.DstIP6[1], s.DstIP6[2], s.DstIP6[3], s.State, uint32(s.RxQueueMapping)}
	b := r.Space.Bytes(r.sock, sizeSock)
	for i, w := range words {
		binary.NativeEndian.PutUint32(b[4*i:], w)
	}
	binary.NativeEndian.PutUint16(b[48:], s.DstPort)
	return r.sock, nil
}
