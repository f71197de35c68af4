package hook

import (
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
	// Ret is what the kernel returned, of Getsockopt: 0, or an errno, negative.
	Ret int32
	// Bypass tells that a program of Setsockopt has done it all: the kernel does not see the call (optlen is -1).
	Bypass bool
}

// Setsockopt asks the programs of setsockopt, and changes the call as they do. EPERM: they refuse.
func (c *Cgroup) Setsockopt(o *Sockopt) ([]Step, error) {
	return c.sockopt(ebpf.AttachCGroupSetsockopt, o)
}

// Getsockopt lets the programs of getsockopt change what a task gets: the value and what the call returns.
func (c *Cgroup) Getsockopt(o *Sockopt) ([]Step, error) {
	return c.sockopt(ebpf.AttachCGroupGetsockopt, o)
}

func (c *Cgroup) sockopt(at ebpf.AttachType, o *Sockopt) ([]Step, error) {
	ctx := &sockoptContext{context: newContext("bpf_sockopt"), value: o.Value}
	ctx.sock = &helpers.Sock{Family: familyIPv4, Type: Stream, Protocol: TCP, RxQueueMapping: -1}
	ctx.set("level", uint64(uint32(o.Level)))
	ctx.set("optname", uint64(uint32(o.Name)))
	ctx.set("optlen", uint64(len(o.Value)))
	if at == ebpf.AttachCGroupGetsockopt {
		ctx.set("retval", uint64(uint32(o.Ret)))
	}
	e := c.h.newEvent()
	retval := int64(int32(ctx.get("retval")))
	for _, l := range c.links(at) {
		r0, ran, err := e.run(l, func(r *helpers.Run) error {
			r.Retval = retval
			return ctx.setup(r)
		}, func(r *helpers.Run, _ uint64) error {
			// The field and bpf_set_retval are two ways to the same.
			was := retval
			if retval = r.Retval; retval == was && at == ebpf.AttachCGroupGetsockopt {
				retval = int64(int32(binaryHalf(r.Context(), ctx.s.Field("retval").Off)))
			}
			return ctx.result(r)
		})
		if err != nil {
			return nil, err
		}
		if ran && r0&1 == 0 && retval >= 0 {
			retval = -int64(maps.EPERM)
			if at == ebpf.AttachCGroupGetsockopt {
				return e.steps, maps.EPERM
			}
		}
	}
	n := int32(ctx.get("optlen"))
	switch {
	case at == ebpf.AttachCGroupSetsockopt && retval < 0:
		return e.steps, maps.Errno(-retval)
	case at == ebpf.AttachCGroupSetsockopt && n == -1:
		o.Bypass = true
	case n < 0 || int(n) > len(ctx.value):
		return e.steps, fmt.Errorf("hook: optlen is %d, of a value of %d bytes: %w", n, len(ctx.value), maps.EFAULT)
	default:
		o.Value = ctx.value[:n]
	}
	o.Level, o.Name, o.Ret = int32(ctx.get("level")), int32(ctx.get("optname")), int32(retval)
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
