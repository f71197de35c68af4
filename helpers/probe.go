package helpers

import (
	"bytes"

	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
)

// probeFamily are the helpers that read memory which may not be there.
var probeFamily = map[int32]Func{
	4:   func(c *Call) (uint64, error) { return c.probe(c.Run.Kernel) },
	45:  func(c *Call) (uint64, error) { return c.probeText(c.Run.Kernel) },
	112: func(c *Call) (uint64, error) { return c.probe(c.Run.user()) },
	113: kernelOnly(func(c *Call) (uint64, error) { return c.probe(c.Run.Kernel) }),
	114: func(c *Call) (uint64, error) { return c.probeText(c.Run.user()) },
	115: kernelOnly(func(c *Call) (uint64, error) { return c.probeText(c.Run.Kernel) }),
	148: func(c *Call) (uint64, error) { return c.probe(c.Run.user()) },
	191: copyFromTask,
	36:  probeWriteUser,
}

// user is what reads the memory of the current task.
func (r *Run) user() func(addr uint64, p []byte) bool {
	if r.UserMem != nil {
		return r.UserMem
	}
	return r.Kernel
}

// userTop is where the addresses of tasks end and those of the kernel begin; addresses in the Space count as the
// kernel's.
const userTop = 1 << 47

// kernelOnly is a helper that reads the kernel's memory alone: another address is ERANGE.
func kernelOnly(f Func) Func {
	return func(c *Call) (uint64, error) {
		r0, err := f(c)
		if src := c.Args[2]; err == nil && src < userTop && r0 == negative(maps.EFAULT) {
			r0 = negative(erange)
		}
		return r0, err
	}
}

// fetch fills p from an address in the Space, or else with other, which may be nil.
func (r *Run) fetch(addr uint64, p []byte, other func(uint64, []byte) bool) bool {
	if r.Space.Allows(addr, uint32(len(p)), memory.Read) {
		return r.Space.CopyOut(p, memory.Addr(addr))
	}
	return other != nil && other(addr, p)
}

// probe is bpf_probe_read(dst, size, src) and its kin: of what cannot be read, dst is zeroed.
func (c *Call) probe(other func(uint64, []byte) bool) (uint64, error) {
	n := uint32(c.Args[1])
	if n == 0 {
		return 0, nil
	}
	dst := c.mem(c.Args[0], n)
	if dst == nil {
		return bad(0, errNoMem)
	}
	if !c.Run.fetch(c.Args[2], dst, other) {
		clear(dst)
		return fail(maps.EFAULT)
	}
	return 0, nil
}

// probeText is bpf_probe_read_str(dst, size, src) and its kin: it returns the length of the string with its zero, which
// dst always ends in.
func (c *Call) probeText(other func(uint64, []byte) bool) (uint64, error) {
	n := uint32(c.Args[1])
	if n == 0 {
		return 0, nil
	}
	dst := c.mem(c.Args[0], n)
	if dst == nil {
		return bad(0, errNoMem)
	}
	m, ok := c.Run.fetchText(c.Args[2], dst, other)
	if !ok {
		clear(dst)
		return fail(maps.EFAULT)
	}
	return uint64(m), nil
}

// fetchText copies the string at an address to p, cut to fit, and gives its length with the zero.
func (r *Run) fetchText(addr uint64, p []byte, other func(uint64, []byte) bool) (int, bool) {
	if n := r.Space.Extent(addr, uint32(len(p)), memory.Read); n > 0 {
		src := r.Space.Bytes(memory.Addr(addr), n)
		if i := bytes.IndexByte(src, 0); i >= 0 {
			return copy(p, src[:i+1]), true
		}
		if int(n) == len(p) {
			copy(p, src)
			p[n-1] = 0
			return int(n), true
		}
		return 0, false
	}
	if other == nil {
		return 0, false
	}
	for i := range p {
		if !other(addr+uint64(i), p[i:i+1]) {
			return 0, false
		}
		if p[i] == 0 {
			return i + 1, true
		}
	}
	p[len(p)-1] = 0
	return len(p), true
}

// copyFromTask is bpf_copy_from_user_task(dst, size, user_ptr, task, flags).
func copyFromTask(c *Call) (uint64, error) {
	if c.Args[4] != 0 {
		return fail(maps.EINVAL)
	}
	return c.probe(c.Run.user())
}

// probeWriteUser is bpf_probe_write_user(dst, src, len): the memory of the task is what a test has put into the Space.
func probeWriteUser(c *Call) (uint64, error) {
	n := uint32(c.Args[2])
	src := c.mem(c.Args[1], n)
	if src == nil {
		return bad(1, errNoMem)
	}
	if !c.Run.Space.Allows(c.Args[0], n, memory.Write) {
		return fail(maps.EFAULT)
	}
	c.Run.Space.CopyIn(memory.Addr(c.Args[0]), src)
	return 0, nil
}
