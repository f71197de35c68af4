package helpers

import (
	"encoding/binary"
	"fmt"

	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/maps"
)

// loopback is the index of the device that test runs come from.
const loopback = 1

// SetTestRun gives the run a packet and a context as BPF_PROG_TEST_RUN of Linux 6.18 makes them from data and ctx, either of which
// may be nil, for programs of the Run's Type and AttachType. Errors are those of the system call (maps.Errno).
func (r *Run) SetTestRun(data, ctx []byte) error {
	r.Packet, r.Redirect, r.Retval = nil, Redirect{}, 0
	if r.Type == linux.ProgTypeXDP {
		return r.testXDP(data, ctx)
	}
	if skb, _ := takesSKB(r.Type); skb {
		return r.testSKB(data, ctx)
	}
	switch r.Type {
	case linux.ProgTypeRawTracepoint, linux.ProgTypeRawTracepointWritable:
		if len(data) > 0 {
			return maps.EINVAL
		}
		// The arguments that are not given are zero.
		return r.SetContext(append(make([]byte, 0, 96), ctx...)[:max(len(ctx), 96)])
	}
	return r.SetContext(ctx)
}

// testXDP is SetTestRun of XDP programs.
func (r *Run) testXDP(data, ctx []byte) error {
	md := XDP{IngressIfindex: loopback}
	if len(ctx) > 0 {
		if len(ctx) < sizeXDP {
			ctx = append(make([]byte, 0, sizeXDP), ctx...)[:sizeXDP]
		}
		word := func(off int) uint32 { return binary.NativeEndian.Uint32(ctx[off:]) }
		meta, end := word(offXDPData), word(offXDPEnd)
		if word(offXDPMeta) != 0 || end != uint32(len(data)) || meta > end || meta%4 != 0 || word(offXDPEgress) != 0 {
			return maps.EINVAL
		}
		if word(offXDPIngress) > loopback || word(offXDPQueue) != 0 {
			return maps.EINVAL
		}
		md.MetaLen = meta
	}
	if len(data) < ethLen {
		return maps.EINVAL
	}
	if err := r.SetXDP(data, md); err != nil {
		return fmt.Errorf("%w: %w", maps.EINVAL, err)
	}
	return nil
}

// testSKB is SetTestRun of programs in the network stack.
func (r *Run) testSKB(data, ctx []byte) error {
	if len(data) < ethLen {
		return maps.EINVAL
	}
	_, link := takesSKB(r.Type)
	md := SKB{Pulled: !link, Ifindex: loopback, IngressIfindex: loopback}
	if len(ctx) > 0 {
		ctx = append(make([]byte, 0, sizeSKB), ctx...)[:max(len(ctx), sizeSKB)]
		if err := md.fromTestRun(ctx); err != nil {
			return err
		}
	}
	if err := r.SetSKB(data, &md); err != nil {
		return fmt.Errorf("%w: %w", maps.EINVAL, err)
	}
	return nil
}

// fromTestRun takes the fields that a test run takes from a struct __sk_buff; the others must be zero.
func (s *SKB) fromTestRun(ctx []byte) error {
	word := func(off int) uint32 { return binary.NativeEndian.Uint32(ctx[off:]) }
	taken := [sizeSKB]bool{}
	take := func(off, n int) {
		for i := off; i < off+n; i++ {
			taken[i] = true
		}
	}
	take(offSKBMark, 4)
	take(offSKBPriority, 4)
	take(offSKBIngress, 8)
	take(offSKBCB, 20)
	take(offSKBTstamp, 8)
	take(offSKBWire, 8)
	take(offSKBGSOSize, 4)
	take(offSKBHwTstamp, 8)
	for i, b := range ctx {
		if b != 0 && (i >= sizeSKB || !taken[i]) {
			return maps.EINVAL
		}
	}
	s.Mark, s.Priority = word(offSKBMark), word(offSKBPriority)
	if i := word(offSKBIngress); i != 0 {
		s.IngressIfindex = i
	}
	if i := word(offSKBIfindex); i > loopback {
		return maps.EINVAL // no such device
	}
	for i := range s.CB {
		s.CB[i] = word(offSKBCB + 4*i)
	}
	s.Tstamp = binary.NativeEndian.Uint64(ctx[offSKBTstamp:])
	s.HwTstamp = binary.NativeEndian.Uint64(ctx[offSKBHwTstamp:])
	s.WireLen, s.GSOSegs, s.GSOSize = word(offSKBWire), word(offSKBGSOSegs), word(offSKBGSOSize)
	return nil
}
