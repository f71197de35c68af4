package helpers

import (
	"encoding/binary"

	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
)

// outputFamily are the helpers that hand records to user space.
var outputFamily = map[int32]Func{
	22:  perfRead,
	25:  perfOutput,
	55:  perfReadValue,
	111: perfOutput, // bpf_skb_output
	121: perfOutput, // bpf_xdp_output
	130: ringOutput,
	131: ringReserve,
	132: ringSubmit,
	133: ringDiscard,
	134: ringQuery,
	198: ringReserveDynptr,
	199: ringSubmitDynptr,
	200: ringDiscardDynptr,
}

// ring is the ring buffer of argument i.
func (c *Call) ring(i int) (*maps.RingBuffer, error) {
	if r, ok := c.aMap(i).(*maps.RingBuffer); ok {
		return r, nil
	}
	return nil, &BadArg{i + 1, errWrongMap}
}

// ringOutput is bpf_ringbuf_output(ring, data, size, flags).
func ringOutput(c *Call) (uint64, error) {
	r, err := c.ring(0)
	if err != nil {
		return 0, err
	}
	n := uint32(c.Args[2])
	data := c.mem(c.Args[1], n)
	if data == nil && n > 0 {
		return bad(1, errNoMem)
	}
	if c.Args[3]&^(maps.NoWakeup|maps.ForceWakeup) != 0 {
		return fail(maps.EINVAL)
	}
	return result(r.Output(data, c.Args[3]))
}

// ringReserve is bpf_ringbuf_reserve(ring, size, flags): NULL if there is no room.
func ringReserve(c *Call) (uint64, error) {
	r, err := c.ring(0)
	if err != nil {
		return 0, err
	}
	if c.Args[2] != 0 {
		return 0, nil
	}
	return uint64(r.Reserve(c.Args[1])), nil
}

func ringSubmit(c *Call) (uint64, error) { return c.ringEnd(c.Args[0], c.Args[1], false) }

func ringDiscard(c *Call) (uint64, error) { return c.ringEnd(c.Args[0], c.Args[1], true) }

// ringEnd submits or discards a record.
func (c *Call) ringEnd(record, flags uint64, discard bool) (uint64, error) {
	r := maps.RingOf(c.Run.Space, record)
	if r == nil {
		return bad(0, errRecord)
	}
	end := r.Submit
	if discard {
		end = r.Discard
	}
	if err := end(memory.Addr(record), flags); err != nil {
		return bad(0, errRecord)
	}
	return 0, nil
}

func ringQuery(c *Call) (uint64, error) {
	r, err := c.ring(0)
	if err != nil {
		return 0, err
	}
	return r.Query(c.Args[1]), nil
}

// ringReserveDynptr is bpf_ringbuf_reserve_dynptr(ring, size, flags, ptr): if there is no room, the dynptr is null, and must
// be given back all the same.
func ringReserveDynptr(c *Call) (uint64, error) {
	r, err := c.ring(0)
	if err != nil {
		return 0, err
	}
	c.setDynptr(3, dynptr{})
	n := uint32(c.Args[1])
	switch {
	case c.Args[2] != 0:
		return fail(maps.EINVAL)
	case n > maxDynptr:
		return fail(maps.E2BIG)
	}
	a := r.Reserve(uint64(n))
	if a == 0 {
		return fail(maps.EINVAL)
	}
	c.setDynptr(3, dynptr{data: uint64(a), size: n, kind: dynptrRingbuf})
	return 0, nil
}

func ringSubmitDynptr(c *Call) (uint64, error) { return c.ringEndDynptr(false) }

func ringDiscardDynptr(c *Call) (uint64, error) { return c.ringEndDynptr(true) }

func (c *Call) ringEndDynptr(discard bool) (uint64, error) {
	d, ok := c.dynptr(0)
	if !ok {
		return 0, nil
	}
	if d.kind != dynptrRingbuf {
		return bad(0, errRecord)
	}
	c.setDynptr(0, dynptr{})
	return c.ringEnd(d.data, c.Args[1], discard)
}

// perfArray is the perf event array of argument i.
func (c *Call) perfArray(i int) (*maps.PerfArray, error) {
	if p, ok := c.aMap(i).(*maps.PerfArray); ok {
		return p, nil
	}
	return nil, &BadArg{i + 1, errWrongMap}
}

// Parts of the flags of bpf_perf_event_output: the index, and how much of the packet is to follow the data.
const (
	perfIndexMask  = 1<<32 - 1
	perfPacketMask = (1<<20 - 1) << 32
)

// perfOutput is bpf_perf_event_output(ctx, map, flags, data, size) and its kin.
func perfOutput(c *Call) (uint64, error) {
	m, err := c.perfArray(1)
	if err != nil {
		return 0, err
	}
	flags, n := c.Args[2], uint32(c.Args[4])
	data := c.mem(c.Args[3], n)
	if data == nil && n > 0 {
		return bad(3, errNoMem)
	}
	allowed, p := uint64(perfIndexMask), c.Run.Packet
	if p != nil {
		allowed |= perfPacketMask
	}
	if flags&^allowed != 0 {
		return fail(maps.EINVAL)
	}
	if p == nil {
		return result(m.Output(c.Run.CPU, flags, data))
	}
	packet := p.span(0, uint32(flags&perfPacketMask>>32))
	if packet == nil {
		return fail(maps.EFAULT)
	}
	return result(m.Output(c.Run.CPU, flags&perfIndexMask, data, packet))
}

// counter reads the counter with the index in flags.
func (c *Call) counter(m *maps.PerfArray, flags uint64) (count, enabled, running uint64, e maps.Errno) {
	index := flags
	if index == maps.CurrentCPU {
		index = uint64(c.Run.CPU)
	}
	switch {
	case flags&^perfIndexMask != 0:
		return 0, 0, 0, maps.EINVAL
	case index >= uint64(m.Spec().MaxEntries):
		return 0, 0, 0, maps.E2BIG
	}
	ev, ok := m.Event(uint32(index)).(maps.PerfCounter)
	if !ok {
		return 0, 0, 0, maps.ENOENT
	}
	count, enabled, running, err := ev.ReadCounter()
	return count, enabled, running, maps.ErrnoOf(err)
}

// perfRead is bpf_perf_event_read(map, flags): a count, or a small negative number.
func perfRead(c *Call) (uint64, error) {
	m, err := c.perfArray(0)
	if err != nil {
		return 0, err
	}
	count, _, _, e := c.counter(m, c.Args[1])
	if e != 0 {
		return fail(e)
	}
	return count, nil
}

// perfReadValue is bpf_perf_event_read_value(map, flags, buf, size): a struct bpf_perf_event_value of 24 bytes.
func perfReadValue(c *Call) (uint64, error) {
	m, err := c.perfArray(0)
	if err != nil {
		return 0, err
	}
	buf := c.mem(c.Args[2], uint32(c.Args[3]))
	if len(buf) != 24 {
		clear(buf)
		return fail(maps.EINVAL)
	}
	count, enabled, running, e := c.counter(m, c.Args[1])
	if e != 0 {
		clear(buf)
		return fail(e)
	}
	for i, v := range [3]uint64{count, enabled, running} {
		binary.NativeEndian.PutUint64(buf[8*i:], v)
	}
	return 0, nil
}
