package helpers

import (
	"encoding/binary"

	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
)

// traceFamily are helpers of tracing programs: on stacks, signals, iterators.
var traceFamily = map[int32]Func{
	67:  getStack,
	109: sendSignal,
	117: sendSignal,
	119: noBranches,
	126: seqPrintf,
	127: seqWrite,
	141: getStack,
	159: func(*Call) (uint64, error) { return 0, nil }, // bpf_bprm_opts_set: nobody looks at it
	175: func(c *Call) (uint64, error) { return c.Run.Current().Regs, nil },
	176: noBranches,
	194: kptrXchg,
}

// getStack is bpf_get_stack(ctx, buf, size, flags) and bpf_get_task_stack(task, buf, size, flags): the addresses of
// Run.Callers, the innermost first, without as many as the flags say. It returns the number of bytes.
func getStack(c *Call) (uint64, error) {
	const skipMask, userStack, userBuildID = 0xff, 1 << 8, 1 << 11
	n, flags := uint32(c.Args[2]), c.Args[3]
	buf := c.mem(c.Args[1], n)
	if buf == nil && n > 0 {
		return bad(1, errNoMem)
	}
	if flags&^(skipMask|userStack|userBuildID) != 0 || flags&(userStack|userBuildID) == userBuildID || n%8 != 0 {
		clear(buf)
		return fail(maps.EINVAL)
	}
	stack := c.Run.Callers
	if flags&userStack != 0 {
		stack = c.Run.UserCallers
	}
	stack = stack[min(int(flags&skipMask), len(stack)):]
	if len(stack) == 0 || flags&userBuildID != 0 {
		clear(buf)
		return fail(maps.EFAULT)
	}
	done := 0
	for _, a := range stack {
		if done+8 > len(buf) {
			break
		}
		binary.NativeEndian.PutUint64(buf[done:], a)
		done += 8
	}
	clear(buf[done:])
	return uint64(done), nil
}

// sendSignal is bpf_send_signal(sig) and bpf_send_signal_thread(sig): Run.Signal gets it.
func sendSignal(c *Call) (uint64, error) {
	sig := uint32(c.Args[0])
	if sig > 64 {
		return fail(maps.EINVAL)
	}
	if f := c.Run.Signal; f != nil && sig != 0 {
		f(int(sig))
	}
	return 0, nil
}

// noBranches is bpf_read_branch_records and bpf_get_branch_snapshot where the processor records no branches.
func noBranches(*Call) (uint64, error) { return fail(maps.ENOENT) }

// seqPrintf is bpf_seq_printf(seq, fmt, size, data, len).
func seqPrintf(c *Call) (uint64, error) {
	f := c.mem(c.Args[1], uint32(c.Args[2]))
	if f == nil {
		return bad(1, errNoMem)
	}
	values, ok := c.words(c.Args[3], c.Args[4])
	if !ok {
		return fail(maps.EINVAL)
	}
	text, e := c.format(f, values)
	if e != 0 {
		return fail(e)
	}
	return c.seq(text)
}

// seqWrite is bpf_seq_write(seq, data, len).
func seqWrite(c *Call) (uint64, error) {
	n := uint32(c.Args[2])
	b := c.mem(c.Args[1], n)
	if b == nil && n > 0 {
		return bad(1, errNoMem)
	}
	return c.seq(b)
}

// seq adds to what an iterator gives to its reader.
func (c *Call) seq(b []byte) (uint64, error) {
	if f := c.Run.Seq; f != nil {
		f(b)
	}
	return 0, nil
}

// kptrXchg is bpf_kptr_xchg(dst, ptr): the pointer that was there.
func kptrXchg(c *Call) (uint64, error) {
	if !c.Run.Space.Allows(c.Args[0], 8, memory.Read|memory.Write) || c.Args[0]%8 != 0 {
		return bad(0, errNoMem)
	}
	return c.Run.Space.Word(memory.Addr(c.Args[0])).Swap(c.Args[1]), nil
}
