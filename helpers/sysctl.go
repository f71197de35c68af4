package helpers

import (
	"strings"

	"github.com/skepbpf/skep/maps"
)

// sysctlFamily are the helpers of programs that judge accesses to sysctls.
var sysctlFamily = map[int32]Func{
	101: sysctlName,
	102: sysctlCurrent,
	103: sysctlNew,
	104: sysctlSet,
}

// A Sysctl is what a program is asked about: the access of a task to a sysctl.
type Sysctl struct {
	Name    string // as below /proc/sys: "net/ipv4/ip_forward"
	Current string // as it is read, with its newline
	Write   bool
	New     string // what is written; a program may change it
	Changed bool   // it did
}

// sysctl copies a string to the buffer of arguments 1 and 2, with a zero, and gives its length.
func (c *Call) sysctl(s string) (uint64, error) {
	n := uint32(c.Args[2])
	if n == 0 {
		return fail(maps.E2BIG)
	}
	buf := c.mem(c.Args[1], n)
	if buf == nil {
		return bad(1, errNoMem)
	}
	clear(buf)
	if len(s) >= len(buf) {
		copy(buf[:len(buf)-1], s)
		return fail(maps.E2BIG)
	}
	return uint64(copy(buf, s)), nil
}

// sysctlName is bpf_sysctl_get_name(ctx, buf, size, flags): with the flag 1, its last part.
func sysctlName(c *Call) (uint64, error) {
	s := c.Run.Sysctl
	if s == nil || c.Args[3]&^1 != 0 {
		return fail(maps.EINVAL)
	}
	if name := s.Name; c.Args[3] == 0 {
		return c.sysctl(name)
	} else {
		return c.sysctl(name[strings.LastIndexByte(name, '/')+1:])
	}
}

// sysctlCurrent is bpf_sysctl_get_current_value(ctx, buf, size).
func sysctlCurrent(c *Call) (uint64, error) {
	s := c.Run.Sysctl
	if s == nil || s.Current == "" {
		clear(c.mem(c.Args[1], uint32(c.Args[2])))
		return fail(maps.EINVAL)
	}
	return c.sysctl(s.Current)
}

// sysctlNew is bpf_sysctl_get_new_value(ctx, buf, size).
func sysctlNew(c *Call) (uint64, error) {
	s := c.Run.Sysctl
	if s == nil || !s.Write {
		clear(c.mem(c.Args[1], uint32(c.Args[2])))
		return fail(maps.EINVAL)
	}
	return c.sysctl(s.New)
}

// sysctlSet is bpf_sysctl_set_new_value(ctx, buf, size).
func sysctlSet(c *Call) (uint64, error) {
	const most = 4096 // less than a page
	s, n := c.Run.Sysctl, uint32(c.Args[2])
	switch {
	case s == nil || !s.Write || n == 0:
		return fail(maps.EINVAL)
	case n >= most:
		return fail(maps.E2BIG)
	}
	buf := c.mem(c.Args[1], n)
	if buf == nil {
		return bad(1, errNoMem)
	}
	s.New, s.Changed = string(buf), true
	return 0, nil
}
