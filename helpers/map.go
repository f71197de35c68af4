package helpers

import (
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
)

// mapFamily are the helpers on elements of maps.
var mapFamily = map[int32]Func{
	1:   mapLookup,
	2:   mapUpdate,
	3:   mapDelete,
	87:  mapPush,
	88:  mapPop,
	89:  mapPeek,
	164: forEachElem,
	195: mapLookupPerCPU,
}

// aMap is the map of argument i.
func (c *Call) aMap(i int) maps.Map { return maps.At(c.Run.Space, c.Args[i]) }

// key is the key at argument i.
func (c *Call) key(i int, m maps.Map) []byte { return c.mem(c.Args[i], m.Spec().KeySize) }

// value is the value at argument i.
func (c *Call) value(i int, m maps.Map) []byte { return c.mem(c.Args[i], m.Spec().ValueSize) }

func mapLookup(c *Call) (uint64, error) {
	m := c.aMap(0)
	if m == nil {
		return bad(0, errNoMap)
	}
	key := c.key(1, m)
	if key == nil {
		return bad(1, errNoMem)
	}
	return uint64(m.Lookup(c.Run.CPU, key)), nil
}

func mapLookupPerCPU(c *Call) (uint64, error) {
	m := c.aMap(0)
	if m == nil {
		return bad(0, errNoMap)
	}
	key := c.key(1, m)
	if key == nil {
		return bad(1, errNoMem)
	}
	if cpu := uint32(c.Args[2]); cpu < uint32(m.CPUs()) {
		return uint64(m.Lookup(int(cpu), key)), nil
	}
	return 0, nil
}

func mapUpdate(c *Call) (uint64, error) {
	m := c.aMap(0)
	if m == nil {
		return bad(0, errNoMap)
	}
	key, value := c.key(1, m), c.value(2, m)
	if key == nil || value == nil {
		return bad(1, errNoMem)
	}
	return result(m.Update(c.Run.CPU, key, value, c.Args[3]))
}

func mapDelete(c *Call) (uint64, error) {
	m := c.aMap(0)
	if m == nil {
		return bad(0, errNoMap)
	}
	key := c.key(1, m)
	if key == nil {
		return bad(1, errNoMem)
	}
	return result(m.Delete(key))
}

// A pusher is a queue, a stack or a bloom filter.
type pusher interface {
	Push(value []byte, flags uint64) error
}

// A popper is a queue or a stack.
type popper interface {
	Pop(value []byte) error
}

// A peeker is a queue, a stack or a bloom filter.
type peeker interface {
	Peek(value []byte) error
}

func mapPush(c *Call) (uint64, error) {
	m := c.aMap(0)
	if m == nil {
		return bad(0, errNoMap)
	}
	q, ok := m.(pusher)
	if !ok {
		return bad(0, errWrongMap)
	}
	value := c.value(1, m)
	if value == nil {
		return bad(1, errNoMem)
	}
	return result(q.Push(value, c.Args[2]))
}

func mapPop(c *Call) (uint64, error) {
	m := c.aMap(0)
	if m == nil {
		return bad(0, errNoMap)
	}
	q, ok := m.(popper)
	if !ok {
		return bad(0, errWrongMap)
	}
	value := c.value(1, m)
	if value == nil {
		return bad(1, errNoMem)
	}
	return result(q.Pop(value))
}

func mapPeek(c *Call) (uint64, error) {
	m := c.aMap(0)
	if m == nil {
		return bad(0, errNoMap)
	}
	q, ok := m.(peeker)
	if !ok {
		return bad(0, errWrongMap)
	}
	value := c.value(1, m)
	if value == nil {
		return bad(1, errNoMem)
	}
	return result(q.Peek(value))
}

// forEachElem is bpf_for_each_map_elem(map, callback, ctx, flags): the callback gets map, key, value, ctx. What it
// returns, 0 or 1, goes on or stops.
func forEachElem(c *Call) (uint64, error) {
	m := c.aMap(0)
	if m == nil {
		return bad(0, errNoMap)
	}
	if c.Args[3] != 0 {
		return fail(maps.EINVAL)
	}
	fn, arg, handle := c.Args[1], c.Args[2], c.Args[0]
	// Keys are copied to memory of the run: Range's are valid during the call, and may not be in the Space.
	scratch, err := c.Run.keyMem(m.Spec().KeySize)
	if err != nil {
		return fail(maps.ENOMEM)
	}
	var failed error
	n, err := m.Range(c.Run.CPU, func(key []byte, value memory.Addr) bool {
		copy(c.Run.Space.Bytes(scratch, uint32(len(key))), key)
		var stop uint64
		stop, failed = c.Run.invoke(fn, &[5]uint64{handle, uint64(scratch), uint64(value), arg})
		return failed == nil && stop == 0
	})
	c.Run.Space.Free(scratch)
	if failed != nil {
		return 0, failed
	}
	if err != nil {
		return result(err)
	}
	return uint64(n), nil
}

// keyMem is memory for a key that callbacks may read.
func (r *Run) keyMem(n uint32) (memory.Addr, error) {
	return r.Space.Alloc(n, memory.Mem, memory.Read, "key")
}

// A programs is a prog array.
type programs interface {
	Program(index uint32) any
}

// tailFamily has bpf_tail_call, which the engine does half of.
var tailFamily = map[int32]Func{12: tailCall}

// MaxTailCalls is how many tail calls Linux lets a run do.
const MaxTailCalls = 33

func tailCall(c *Call) (uint64, error) {
	p, ok := c.aMap(1).(programs)
	if !ok {
		return bad(1, errWrongMap)
	}
	// Nothing to go on with leaves an error in r0, which is void to the verifier.
	next := p.Program(uint32(c.Args[2]))
	if next == nil {
		return fail(maps.ENOENT)
	}
	if c.Run.TailCalls >= MaxTailCalls {
		return fail(maps.ENOENT)
	}
	c.Run.TailCalls++
	c.Run.Tail = next
	return 0, nil
}
