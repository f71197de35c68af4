package helpers

import (
	"encoding/binary"
	"runtime"

	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
)

// controlFamily are loops, locks, and what a program asks about the place that it is attached to.
var controlFamily = map[int32]Func{
	93:  spinLock,
	94:  spinUnlock,
	153: perCPUPtr,
	154: thisCPUPtr,
	173: func(c *Call) (uint64, error) { return c.Run.FuncIP, nil },
	174: func(c *Call) (uint64, error) { return c.Run.Cookie, nil },
	181: loop,
	183: funcArg,
	184: funcRet,
	185: func(c *Call) (uint64, error) { return uint64(c.Run.FuncArgs), nil },
	186: getRetval,
	187: setRetval,
	58:  overrideReturn,
}

// MaxLoops is how often bpf_loop may go round.
const MaxLoops = 8 << 20

// loop is bpf_loop(count, callback, ctx, flags): the callback gets an index and ctx; it returns 0 to go on.
func loop(c *Call) (uint64, error) {
	n, fn, arg := uint32(c.Args[0]), c.Args[1], c.Args[2]
	if c.Args[3] != 0 {
		return fail(maps.EINVAL)
	}
	if n > MaxLoops {
		return fail(maps.E2BIG)
	}
	args := &c.Run.args
	for i := range n {
		*args = [5]uint64{uint64(i), arg}
		stop, err := c.Run.invoke(fn, args)
		if err != nil {
			return 0, err
		}
		if stop != 0 {
			return uint64(i) + 1, nil
		}
	}
	return uint64(n), nil
}

// spinLock takes a lock of 4 bytes: 0 free, 1 held. Linux lets a program hold one at a time.
func spinLock(c *Call) (uint64, error) {
	a := memory.Addr(c.Args[0])
	w := c.Run.Space.Half(a)
	if w == nil || c.Args[0]>>32 != 0 {
		return bad(0, errNoMem)
	}
	if c.Run.lock != 0 {
		return bad(0, errDeadlock)
	}
	for !w.CompareAndSwap(0, 1) {
		runtime.Gosched()
	}
	c.Run.lock = a
	return 0, nil
}

func spinUnlock(c *Call) (uint64, error) {
	a := memory.Addr(c.Args[0])
	if c.Args[0]>>32 != 0 || c.Run.lock != a || a == 0 {
		return bad(0, errLock)
	}
	c.Run.lock = 0
	c.Run.Space.Half(a).Store(0)
	return 0, nil
}

// perCPUPtr is bpf_per_cpu_ptr(variable, cpu): NULL for a CPU that is none.
func perCPUPtr(c *Call) (uint64, error) {
	cpu := uint32(c.Args[1])
	if cpu >= uint32(max(c.Run.CPUs, 1)) {
		return 0, nil
	}
	return c.Run.perCPU(c.Args[0], int(cpu)), nil
}

func thisCPUPtr(c *Call) (uint64, error) { return c.Run.perCPU(c.Args[0], c.Run.CPU), nil }

// perCPU is where a variable of a CPU is.
func (r *Run) perCPU(variable uint64, cpu int) uint64 {
	if r.PerCPU != nil {
		return r.PerCPU(variable, cpu)
	}
	return variable
}

// funcArg is bpf_get_func_arg(ctx, n, value): of programs whose context is the arguments of a function.
func funcArg(c *Call) (uint64, error) {
	n := uint32(c.Args[1])
	if int64(n) >= int64(c.Run.FuncArgs) {
		return fail(maps.EINVAL)
	}
	return c.copyArg(n, c.Args[2])
}

// funcRet is bpf_get_func_ret(ctx, value): the return value is behind the arguments, where there is one already.
func funcRet(c *Call) (uint64, error) {
	if c.Run.AttachType != linux.AttachTraceFexit && c.Run.AttachType != linux.AttachModifyReturn {
		return fail(maps.EOPNOTSUPP)
	}
	return c.copyArg(uint32(c.Run.FuncArgs), c.Args[1])
}

// copyArg copies word n of the context to an address.
func (c *Call) copyArg(n uint32, to uint64) (uint64, error) {
	src, dst := c.mem(c.Args[0]+uint64(n)*8, 8), c.mem(to, 8)
	if src == nil || dst == nil {
		return bad(0, errNoMem)
	}
	binary.NativeEndian.PutUint64(dst, binary.NativeEndian.Uint64(src))
	return 0, nil
}

// retval is the field of that name in the context of programs on socket options, which is the same thing; nil in others.
func (c *Call) retval() []byte {
	const field = 36 // of struct bpf_sockopt
	if c.Run.Type != linux.ProgTypeCGroupSockopt {
		return nil
	}
	return c.Run.Space.Bytes(c.Run.Ctx+field, 4)
}

// getRetval is bpf_get_retval().
func getRetval(c *Call) (uint64, error) {
	if b := c.retval(); b != nil {
		return uint64(int64(int32(binary.NativeEndian.Uint32(b)))), nil
	}
	return uint64(c.Run.Retval), nil
}

func setRetval(c *Call) (uint64, error) {
	c.Run.Retval = int64(int32(c.Args[0]))
	if b := c.retval(); b != nil {
		binary.NativeEndian.PutUint32(b, uint32(c.Args[0]))
	}
	return 0, nil
}

// overrideReturn is bpf_override_return(ctx, rc): the probed function is to return rc and not to run.
func overrideReturn(c *Call) (uint64, error) {
	c.Run.Retval, c.Run.Override = int64(c.Args[1]), true
	return 0, nil
}
