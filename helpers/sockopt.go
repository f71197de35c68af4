package helpers

import (
	"encoding/binary"

	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
)

// sockoptFamily are the helpers that change sockets, as far as a run knows one.
var sockoptFamily = map[int32]Func{
	49:  func(c *Call) (uint64, error) { return c.sockopt(true) },
	57:  func(c *Call) (uint64, error) { return c.sockopt(false) },
	59:  cbFlagsSet,
	64:  bind,
	84:  func(c *Call) (uint64, error) { return c.lookupSocket(ipTCP) }, // bpf_sk_lookup_tcp
	85:  func(c *Call) (uint64, error) { return c.lookupSocket(ipUDP) }, // bpf_sk_lookup_udp
	99:  func(c *Call) (uint64, error) { return c.lookupSocket(ipTCP) }, // bpf_skc_lookup_tcp
	86:  releaseSocket,
	124: assign,
}

const (
	ipTCP = 6
	ipUDP = 17
)

// sockopt is bpf_setsockopt(ctx, level, name, value, size) and bpf_getsockopt: Run.Sockopt does it.
func (c *Call) sockopt(set bool) (uint64, error) {
	n := uint32(c.Args[4])
	value := c.mem(c.Args[3], n)
	if value == nil && n > 0 {
		return bad(3, errNoMem)
	}
	f := c.Run.Sockopt
	if f == nil {
		if !set {
			clear(value)
		}
		return fail(maps.EINVAL)
	}
	if err := f(set, int32(c.Args[1]), int32(c.Args[2]), value); err != nil {
		if !set {
			clear(value)
		}
		return result(err)
	}
	return 0, nil
}

// cbFlagsSet is bpf_sock_ops_cb_flags_set(ctx, flags): it returns those that there are not.
func cbFlagsSet(c *Call) (uint64, error) {
	const all, field = 0x7f, 84 // bpf_sock_ops_cb_flags of struct bpf_sock_ops
	if b := c.mem(c.Args[0]+field, 4); b != nil {
		binary.NativeEndian.PutUint32(b, uint32(c.Args[1])&all)
	}
	return c.Args[1] &^ all & 0xffff_ffff, nil
}

// bind is bpf_bind(ctx, addr, size): Run.Bind does it.
func bind(c *Call) (uint64, error) {
	n := uint32(c.Args[2])
	addr := c.mem(c.Args[1], n)
	switch {
	case addr == nil:
		return bad(1, errNoMem)
	case c.Run.Bind == nil || n < 2:
		return fail(maps.EINVAL)
	}
	return result(c.Run.Bind(addr))
}

// lookupSocket is bpf_sk_lookup_tcp(ctx, tuple, size, netns, flags) and its kin: Run.FindSocket answers; without it there are
// no sockets.
func (c *Call) lookupSocket(protocol uint8) (uint64, error) {
	const v4, v6 = 12, 36 // bytes of a struct bpf_sock_tuple
	n := uint32(c.Args[2])
	tuple := c.mem(c.Args[1], n)
	switch {
	case tuple == nil:
		return bad(1, errNoMem)
	case n != v4 && n != v6 || c.Args[4] != 0 || c.Run.FindSocket == nil:
		return 0, nil
	}
	s := c.Run.FindSocket(protocol, tuple)
	if s == nil {
		return 0, nil
	}
	a, err := c.Run.Space.Alloc(sizeSock, memory.Kernel, memory.Read, "socket")
	if err != nil {
		return 0, nil
	}
	c.Run.putSock(a, s)
	return uint64(a), nil
}

// releaseSocket is bpf_sk_release(sock): of one that was found.
func releaseSocket(c *Call) (uint64, error) {
	a := memory.Addr(c.Args[0])
	if c.Args[0]>>32 == 0 && c.Run.found[a] != nil {
		delete(c.Run.found, a)
		if err := c.Run.Space.Free(a); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// assign is bpf_sk_assign(ctx, sock, flags): the packet is for that socket.
func assign(c *Call) (uint64, error) {
	const replace, noReuseport = 1, 2
	r, sock, flags := c.Run, c.Args[1], c.Args[2]
	if r.Type != linux.ProgTypeSkLookup {
		if flags != 0 || sock == 0 {
			return fail(maps.EINVAL)
		}
		r.Assigned = r.SockAt(memory.Addr(sock))
		return 0, nil
	}
	switch {
	case flags&^(replace|noReuseport) != 0:
		return fail(maps.EINVAL)
	case r.Assigned != nil && flags&replace == 0:
		return fail(maps.EEXIST)
	}
	r.Assigned = nil
	if sock != 0 {
		r.Assigned = r.SockAt(memory.Addr(sock))
	}
	// The field sk of the context is the socket that is selected.
	if b := c.mem(c.Args[0], 8); b != nil {
		binary.NativeEndian.PutUint64(b, sock)
	}
	return 0, nil
}
