package hook

import (
	"bytes"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/maps"
)

// A Sockopt is a call of setsockopt or getsockopt. Programs of sockopt see and change it.
type Sockopt struct {
	Level, Name int32
	// Value is what is set; or what the kernel would give back, of Getsockopt.
	Value []byte
	// Room is how many bytes the task has room for, of Getsockopt; as many as Value has if it is less.
	Room int
	// Ret is what the kernel returned and what the task gets, of Getsockopt: 0, or an errno, negative.
	Ret int32
	// Bypass tells that a program of Setsockopt has done it all: the kernel does not see the call (optlen is -1).
	Bypass bool
}

// Setsockopt asks the programs of setsockopt, and changes the call as they do. EPERM: they refuse.
func (c *Cgroup) Setsockopt(o *Sockopt) ([]Step, error) {
	return c.sockopt(ebpf.AttachCGroupSetsockopt, o)
}

// Getsockopt lets the programs of getsockopt change what a task gets: the value and what the call returns, Sockopt.Ret, which
// is -EPERM if one refuses.
func (c *Cgroup) Getsockopt(o *Sockopt) ([]Step, error) {
	return c.sockopt(ebpf.AttachCGroupGetsockopt, o)
}

func (c *Cgroup) sockopt(at ebpf.AttachType, o *Sockopt) ([]Step, error) {
	get := at == ebpf.AttachCGroupGetsockopt
	const least = 16 // bytes that programs of setsockopt have for a value
	room := max(len(o.Value), o.Room)
	if !get {
		room = max(len(o.Value), least)
	}
	ctx := &sockoptContext{context: newContext("bpf_sockopt"), value: append(bytes.Clone(o.Value), make([]byte, room-len(o.Value))...)}
	ctx.sock = &helpers.Sock{Family: familyIPv4, Type: Stream, Protocol: TCP, RxQueueMapping: -1}
	ctx.set("level", uint64(uint32(o.Level)))
	ctx.set("optname", uint64(uint32(o.Name)))
	ctx.set("optlen", uint64(len(o.Value)))
	retval := int64(0)
	if get {
		retval = int64(o.Ret)
	}
	e := c.h.newEvent()
	for _, l := range c.links(at) {
		r0, ran, err := e.run(l, func(r *helpers.Run) error {
			r.Retval = retval
			return ctx.setup(r)
		}, func(r *helpers.Run, _ uint64) error {
			retval = int64(int32(binaryHalf(r.Context(), ctx.s.Field("retval").Off)))
			return ctx.result(r)
		})
		if err != nil {
			return nil, err
		}
		if ran && r0&1 == 0 && retval >= 0 {
			retval = -int64(maps.EPERM)
		}
	}
	o.Ret = int32(retval)
	if retval < 0 {
		if get {
			return e.steps, nil // the task gets Ret
		}
		return e.steps, maps.Errno(-retval)
	}
	switch n := int32(ctx.get("optlen")); {
	case n == -1 && !get:
		o.Bypass = true
	case n < 0 || int(n) > room:
		return e.steps, fmt.Errorf("hook: optlen is %d, of a value of %d bytes: %w", n, room, maps.EFAULT)
	case n > 0: // 0 leaves the value as it was
		o.Value = ctx.value[:n]
	}
	o.Level, o.Name = int32(ctx.get("level")), int32(ctx.get("optname"))
	return e.steps, nil
}

// A sockoptContext is a struct bpf_sockopt with the value that it points to.
type sockoptContext struct {
	*context
	value []byte
}

func (c *sockoptContext) setup(r *helpers.Run) error {
	a, err := r.Mem(c.value)
	if err != nil {
		return err
	}
	c.set("optval", uint64(a))
	c.set("optval_end", uint64(a)+uint64(len(c.value)))
	c.set("retval", uint64(uint32(r.Retval)))
	return c.context.setup(r)
}

func (c *sockoptContext) result(r *helpers.Run) error {
	if err := c.context.result(r); err != nil {
		return err
	}
	a := memoryAddr(c.get("optval"))
	c.value = append([]byte(nil), r.Space.Bytes(a, uint32(len(c.value)))...)
	return nil
}
