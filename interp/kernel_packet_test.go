package interp_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/oracle"
)

// A generator makes scripts of random calls.
type generator struct {
	*rand.Rand
	size int // of the packet
}

// around is a number near one that is special.
func (g *generator) around(special ...int) int {
	return special[g.IntN(len(special))] + g.IntN(5) - 2
}

// offset is one in the packet, mostly.
func (g *generator) offset() int {
	if g.IntN(2) == 0 {
		return g.IntN(g.size + 4)
	}
	return g.around(0, 14, 34, g.size, 0xffff, 1<<31-3, -1)
}

// length is one that memory has.
func (g *generator) length() int { return 1 + g.IntN([]int{8, 64, 255}[g.IntN(3)]) }

func (g *generator) pick(of ...int) int { return of[g.IntN(len(of))] }

// TestKernelXDP compares the helpers of XDP programs with the running kernel.
func TestKernelXDP(t *testing.T) {
	k := kernel(t)
	g := &generator{rand.New(rand.NewPCG(7, 7)), 0}
	kinds := []func() step{
		func() step {
			return step{"xdp_adjust_head", []any{ctx, g.around(0, 14, -14, -40, -216, -256, g.size-14)}}
		},
		func() step {
			return step{"xdp_adjust_tail", []any{ctx, g.around(0, -14, 20, 14-g.size, 3520-g.size, 64)}}
		},
		func() step { return step{"xdp_adjust_meta", []any{ctx, g.around(0, -4, -8, -32, -252, -256, 4)}} },
		func() step { return step{"xdp_load_bytes", []any{ctx, g.offset(), buf(0), g.length()}} },
		func() step { return step{"xdp_store_bytes", []any{ctx, g.offset(), buf(0), g.length()}} },
		func() step { return step{"xdp_get_buff_len", []any{ctx}} },
		func() step { return step{"redirect", []any{g.IntN(3), g.IntN(3)}} },
		func() step {
			return step{"csum_diff", []any{buf(0), g.IntN(16) * 4, buf(64), g.IntN(16) * 4, int64(g.Uint32())}}
		},
	}
	random(t, k, g, linux.ProgTypeXDP, kinds)
}

// TestKernelTC compares the helpers of classifiers with the running kernel.
func TestKernelTC(t *testing.T) {
	k := kernel(t)
	g := &generator{rand.New(rand.NewPCG(8, 8)), 0}
	random(t, k, g, linux.ProgTypeSchedCLS, g.skb())
}

// skb are the calls of classifiers.
func (g *generator) skb() []func() step {
	sizes := func() int { return g.pick(0, 2, 2, 4, 4, 3, 16) }
	return []func() step{
		func() step { return step{"skb_load_bytes", []any{ctx, g.offset(), buf(0), g.length()}} },
		func() step {
			return step{"skb_load_bytes_relative", []any{ctx, g.offset(), buf(0), g.length(), g.IntN(3)}}
		},
		func() step {
			return step{"skb_store_bytes", []any{ctx, g.offset(), buf(0), g.length(), g.pick(0, 1, 2, 3, 4)}}
		},
		func() step { return step{"skb_pull_data", []any{ctx, g.offset()}} },
		func() step {
			return step{"l3_csum_replace", []any{ctx, g.offset(), g.pick(0, int(int32(g.Uint32()))), int(int32(g.Uint32())), sizes()}}
		},
		func() step {
			return step{"l4_csum_replace", []any{ctx, g.offset(), g.pick(0, int(int32(g.Uint32()))), int(int32(g.Uint32())),
				sizes() | g.pick(0, 0x10, 0x20, 0x60, 0x100)}}
		},
		func() step {
			return step{"csum_diff", []any{buf(0), g.IntN(16) * 4, buf(64), g.IntN(16) * 4, int64(g.Uint32())}}
		},
		func() step { return step{"csum_update", []any{ctx, int64(g.Uint32())}} },
		func() step { return step{"csum_level", []any{ctx, g.IntN(5)}} },
		func() step {
			return step{"skb_change_tail", []any{ctx, g.around(0, 12, g.size, g.size+100, 3000), g.pick(0, 0, 0, 1)}}
		},
		func() step {
			return step{"skb_change_head", []any{ctx, g.around(2, 14, 20), g.pick(0, 0, 0, 1)}}
		},
		func() step {
			return step{"skb_change_proto", []any{ctx, g.pick(0x0008, 0xdd86, 0x1234), g.pick(0, 0, 0, 1)}}
		},
		func() step { return step{"skb_change_type", []any{ctx, g.IntN(6)}} },
		func() step { return step{"skb_vlan_push", []any{ctx, g.pick(0x0081, 0xa888, 0), g.IntN(0x10000)}} },
		func() step { return step{"skb_vlan_pop", []any{ctx}} },
		func() step {
			return step{"skb_adjust_room", []any{ctx, g.around(0, 20, -20, 38, -8, 14-g.size), g.IntN(3),
				int64(g.pick(0, 0, 1, 2, 4, 6, 0xa, 0x12, 0x1a, 0x20, 0x80, 0x100, 0x180, 0x200))}}
		},
		func() step { return step{"set_hash", []any{ctx, int64(g.Uint32())}} },
		func() step { return step{"set_hash_invalid", []any{ctx}} },
		func() step { return step{"skb_ecn_set_ce", []any{ctx}} },
		func() step { return step{"skb_set_tstamp", []any{ctx, int64(g.IntN(3)), g.IntN(4)}} },
		func() step { return step{"redirect", []any{g.IntN(3), g.IntN(3)}} },
		func() step { return step{"redirect_peer", []any{g.IntN(3), g.IntN(2)}} },
		func() step { return step{"redirect_neigh", []any{g.IntN(3), buf(0), g.pick(0, 8, 20, 24), g.IntN(2)}} },
		func() step { return step{"get_cgroup_classid", []any{ctx}} },
		func() step { return step{"get_route_realm", []any{ctx}} },
		func() step { return step{"skb_cgroup_classid", []any{ctx}} },
	}
}

// random compares random scripts.
func random(t *testing.T, k *oracle.Kernel, g *generator, typ linux.ProgType, kinds []func() step) {
	bad, all := 0, 400
	if testing.Short() {
		all = 50
	}
	for range all {
		g.size = g.pick(14, 15, 60, 64, 128, 1500)
		data := packet(g.Rand, g.size)
		steps := make([]step, 1+g.IntN(8))
		for i := range steps {
			steps[i] = kinds[g.IntN(len(kinds))]()
		}
		memory := make([]byte, bufSize)
		for i := range memory {
			memory[i] = byte(g.Uint32())
		}
		if !compare(t, k, typ, steps, memory, nil, data, testContext(g.Rand, typ, len(data))) {
			if bad++; bad > 8 {
				t.Fatal("too many differences")
			}
		}
	}
	t.Logf("%d of %d scripts agree", all-bad, all)
}

// testContext makes a context that a test run accepts, or none.
func testContext(r *rand.Rand, typ linux.ProgType, size int) []byte {
	if r.IntN(2) == 0 {
		return nil
	}
	if typ == linux.ProgTypeXDP {
		b := make([]byte, 24)
		if size >= 60 {
			b[0] = byte(r.IntN(4) * 4)
		}
		binary.NativeEndian.PutUint32(b[4:], uint32(size))
		return b
	}
	b := make([]byte, 192)
	binary.NativeEndian.PutUint32(b[8:], r.Uint32())  // mark
	binary.NativeEndian.PutUint32(b[32:], r.Uint32()) // priority
	for i := 48; i < 68; i++ {
		b[i] = byte(r.Uint32()) // cb
	}
	return b
}

// packet makes an Ethernet packet of a length: IPv4 or IPv6 with TCP or UDP, a VLAN tag at times, or none of these.
func packet(r *rand.Rand, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	proto := []uint16{0x0800, 0x0800, 0x86dd, 0x8100, 0x1234, 0x0100}[r.IntN(6)]
	binary.BigEndian.PutUint16(b[12:], proto)
	net := b[14:]
	if proto == 0x8100 && len(net) >= 4 {
		proto = []uint16{0x0800, 0x86dd, 0x8100}[r.IntN(3)]
		binary.BigEndian.PutUint16(net[2:], proto)
		net = net[4:]
	}
	switch {
	case proto == 0x0800 && len(net) >= 20:
		net[0], net[9] = 0x45, []byte{6, 17}[r.IntN(2)]
		binary.BigEndian.PutUint16(net[2:], uint16(len(net)))
		net[6], net[7] = 0, 0
	case proto == 0x86dd && len(net) >= 40:
		net[0], net[6] = 0x60, []byte{6, 17}[r.IntN(2)]
		binary.BigEndian.PutUint16(net[4:], uint16(len(net)-40))
	}
	return b
}
