package helpers

import "github.com/skepbpf/skep/maps"

// routeFamily are the helpers that ask for routes.
var routeFamily = map[int32]Func{69: fibLookup}

const (
	fibParams     = 64   // bytes of a struct bpf_fib_lookup
	fibFlags      = 0x3f // that there are
	fibNotForward = 4    // BPF_FIB_LKUP_RET_NOT_FWDED
)

// fibLookup is bpf_fib_lookup(ctx, params, size, flags): Run.FIB answers; without it there are no routes.
func fibLookup(c *Call) (uint64, error) {
	n, flags := uint32(c.Args[2]), uint32(c.Args[3])
	params := c.mem(c.Args[1], n)
	if params == nil {
		return bad(1, errNoMem)
	}
	if n < fibParams || flags&^fibFlags != 0 {
		return fail(maps.EINVAL)
	}
	if family := params[0]; family != 2 && family != 10 {
		return fail(eafnosupport)
	}
	if c.Run.FIB != nil {
		return uint64(int64(c.Run.FIB(params, flags))), nil
	}
	return fibNotForward, nil
}
