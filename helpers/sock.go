package helpers

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
