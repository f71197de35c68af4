package helpers

import (
	"encoding/binary"

	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
)

// storageFamily are the helpers on maps whose elements belong to something: a socket, a task, a stack.
var storageFamily = map[int32]Func{
	27:  getStackID,
	33:  func(c *Call) (uint64, error) { return c.underCgroup(1, uint32(c.Args[2])) }, // bpf_skb_under_cgroup
	37:  func(c *Call) (uint64, error) { return c.underCgroup(0, uint32(c.Args[1])) }, // bpf_current_task_under_cgroup
	81:  localStorage,
	107: storageGet,
	108: storageDelete,
	145: storageGet,
	146: storageDelete,
	156: storageGet,
	157: storageDelete,
	209: drain,
	210: storageGet,
	211: storageDelete,
}

// owner is what an address stands for that a storage belongs to: what has the handle, or the address itself.
func (c *Call) owner(addr uint64) any {
	if v := c.Run.Space.Owner(addr); v != nil {
		return v
	}
	if s := c.Run.SockAt(memory.Addr(addr)); addr>>32 == 0 && s != nil && s.Owner != nil {
		return s.Owner
	}
	return addr
}

// storageGet is bpf_sk_storage_get(map, owner, value, flags) and its kin: with the flag 1 it makes what is not there.
func storageGet(c *Call) (uint64, error) {
	m, ok := c.aMap(0).(*maps.Storage)
	if !ok {
		return bad(0, errWrongMap)
	}
	if c.Args[1] == 0 || c.Args[3]&^1 != 0 {
		return 0, nil
	}
	owner := c.owner(c.Args[1])
	if a := m.Find(owner); a != 0 || c.Args[3] == 0 {
		return uint64(a), nil
	}
	var init []byte
	if c.Args[2] != 0 {
		if init = c.value(2, m); init == nil {
			return bad(2, errNoMem)
		}
	}
	return uint64(m.Create(owner, init)), nil
}

// storageDelete is bpf_sk_storage_delete(map, owner) and its kin.
func storageDelete(c *Call) (uint64, error) {
	m, ok := c.aMap(0).(*maps.Storage)
	if !ok {
		return bad(0, errWrongMap)
	}
	if c.Args[1] == 0 {
		return fail(maps.EINVAL)
	}
	return result(m.Drop(c.owner(c.Args[1])))
}

// localStorage is bpf_get_local_storage(map, flags): the value of the task's control group, which attaching has made; a
// run that is attached to nothing makes its own, as a test run does.
func localStorage(c *Call) (uint64, error) {
	m, ok := c.aMap(0).(*maps.CgroupLocal)
	if !ok {
		return bad(0, errWrongMap)
	}
	cgroup, attach := c.Run.Current().CgroupID, uint32(c.Run.AttachType)
	if a := m.Local(c.Run.CPU, cgroup, attach); a != 0 {
		return uint64(a), nil
	}
	if err := m.Attach(cgroup, attach); err != nil {
		return 0, err
	}
	return uint64(m.Local(c.Run.CPU, cgroup, attach)), nil
}

// getStackID is bpf_get_stackid(ctx, map, flags): the number under which the stack of the run is saved.
func getStackID(c *Call) (uint64, error) {
	const skipMask, userStack = 0xff, 1 << 8
	m, ok := c.aMap(1).(*maps.StackMap)
	if !ok {
		return bad(1, errWrongMap)
	}
	flags := c.Args[2]
	if flags&^(skipMask|userStack|maps.FastStackCompare|maps.ReuseStackID) != 0 {
		return fail(maps.EINVAL)
	}
	stack := c.Run.Callers
	if flags&userStack != 0 {
		stack = c.Run.UserCallers
	}
	stack = stack[min(int(flags&skipMask), len(stack)):]
	if len(stack) == 0 {
		return fail(maps.EFAULT)
	}
	stack = stack[:min(len(stack), int(m.Spec().ValueSize/8))]
	b := c.Run.textBuf[:0]
	for _, a := range stack {
		b = binary.NativeEndian.AppendUint64(b, a)
	}
	c.Run.textBuf = b[:0]
	id, err := m.Save(b, flags&(maps.FastStackCompare|maps.ReuseStackID))
	if err != nil {
		return result(err)
	}
	return uint64(id), nil
}

// underCgroup tells whether the task is in a control group of an array, or below it. The elements of the array are the ids
// of control groups, as uint64.
func (c *Call) underCgroup(arg int, index uint32) (uint64, error) {
	m, ok := c.aMap(arg).(maps.ObjectMap)
	if !ok {
		return bad(arg, errWrongMap)
	}
	if index >= m.Spec().MaxEntries {
		return fail(maps.E2BIG)
	}
	binary.NativeEndian.PutUint32(c.Run.key[:], index)
	id, ok := m.Object(c.Run.key[:4]).(uint64)
	if !ok {
		return fail(maps.EAGAIN)
	}
	t := c.Run.Current()
	if t.CgroupID == id {
		return 1, nil
	}
	for _, a := range t.Ancestors {
		if a == id {
			return 1, nil
		}
	}
	return 0, nil
}

// drain is bpf_user_ringbuf_drain(map, callback, ctx, flags): the callback gets a dynptr of each sample, and ctx; it returns
// 0 to go on.
func drain(c *Call) (uint64, error) {
	m, ok := c.aMap(0).(*maps.UserRingBuffer)
	if !ok {
		return bad(0, errWrongMap)
	}
	fn, arg, flags := c.Args[1], c.Args[2], c.Args[3]
	at, err := c.Run.Space.Alloc(16, memory.Mem, memory.Read, "dynptr")
	if err != nil {
		return fail(maps.ENOMEM)
	}
	defer c.Run.Space.Free(at)
	var failed error
	n, err := m.Drain(flags, func(a memory.Addr, size uint32) bool {
		c.Args[0] = uint64(at)
		c.setDynptr(0, dynptr{data: uint64(a), size: size, kind: dynptrLocal, ro: true})
		var stop uint64
		stop, failed = c.Run.invoke(fn, &[5]uint64{uint64(at), arg})
		return failed == nil && stop == 0
	})
	if failed != nil {
		return 0, failed
	}
	if err != nil {
		return result(err)
	}
	return uint64(n), nil
}
