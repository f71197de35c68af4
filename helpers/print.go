package helpers

import (
	"encoding/binary"

	"github.com/skepbpf/skep/maps"
)

// printFamily are the helpers that format text, and those that read numbers from it.
var printFamily = map[int32]Func{
	6:   tracePrintk,
	105: strtol,
	106: strtoul,
	165: snprintf,
	177: traceVprintk,
	182: strncmp,
}

// maxTrace is the longest line that bpf_trace_printk prints, with its zero.
const maxTrace = 1024

// maxVarargs is how many values a text may have.
const maxVarargs = 12

// tracePrintk is bpf_trace_printk(fmt, size, r3, r4, r5): it returns the number of bytes printed.
func tracePrintk(c *Call) (uint64, error) {
	f := c.mem(c.Args[0], uint32(c.Args[1]))
	if f == nil {
		return bad(0, errNoMem)
	}
	c.Run.args = [5]uint64{c.Args[2], c.Args[3], c.Args[4]}
	return c.trace(f, c.Run.args[:3])
}

// traceVprintk is bpf_trace_vprintk(fmt, size, data, len): the values are 64-bit words.
func traceVprintk(c *Call) (uint64, error) {
	f := c.mem(c.Args[0], uint32(c.Args[1]))
	if f == nil {
		return bad(0, errNoMem)
	}
	values, ok := c.words(c.Args[2], c.Args[3])
	if !ok {
		return fail(maps.EINVAL)
	}
	return c.trace(f, values)
}

// trace prints a line.
func (c *Call) trace(f []byte, values []uint64) (uint64, error) {
	text, e := c.format(f, values)
	if e != 0 {
		return fail(e)
	}
	text = text[:min(len(text), maxTrace-1)]
	if c.Run.Trace != nil {
		c.Run.Trace(text)
	}
	return uint64(len(text)), nil
}

// words are the values of a text: a multiple of 8 bytes at an address.
func (c *Call) words(addr, size uint64) ([]uint64, bool) {
	if size%8 != 0 || size > maxVarargs*8 || size > 0 && addr == 0 {
		return nil, false
	}
	b := c.mem(addr, uint32(size))
	if b == nil && size > 0 {
		return nil, false
	}
	out := c.Run.values[:0]
	for i := 0; i+8 <= len(b); i += 8 {
		out = append(out, binary.NativeEndian.Uint64(b[i:]))
	}
	return out, true
}

// snprintf is bpf_snprintf(str, size, fmt, data, len): it returns the length of the whole text with its zero, also if str
// is shorter.
func snprintf(c *Call) (uint64, error) {
	f, ok := c.text(c.Args[2])
	if !ok {
		return bad(2, errNoString)
	}
	values, ok := c.words(c.Args[3], c.Args[4])
	if !ok {
		return fail(maps.EINVAL)
	}
	n := uint32(c.Args[1])
	dst := c.mem(c.Args[0], n)
	if dst == nil && n > 0 {
		return bad(0, errNoMem)
	}
	// The zero that text has found is part of the format for format.
	text, e := c.format(f[:len(f)+1], values)
	if e != 0 {
		return fail(e)
	}
	if n > 0 {
		dst[copy(dst[:n-1], text)] = 0
	}
	return uint64(len(text)) + 1, nil
}

// strtol is bpf_strtol(buf, len, flags, res): the flags are the base, 0 for one that the digits say. It returns the number of
// bytes that it has read.
func strtol(c *Call) (uint64, error) {
	n, v, negative, e := c.number()
	if e != 0 {
		return fail(e)
	}
	if v > 1<<63 || v == 1<<63 && !negative {
		return fail(erange)
	}
	if negative {
		v = -v
	}
	return c.putNumber(n, v)
}

// strtoul is bpf_strtoul: there is no sign.
func strtoul(c *Call) (uint64, error) {
	n, v, negative, e := c.number()
	if e != 0 {
		return fail(e)
	}
	if negative {
		return fail(maps.EINVAL)
	}
	return c.putNumber(n, v)
}

func (c *Call) putNumber(n int, v uint64) (uint64, error) {
	res := c.mem(c.Args[3], 8)
	if res == nil {
		return bad(3, errNoMem)
	}
	binary.NativeEndian.PutUint64(res, v)
	return uint64(n), nil
}

// number reads a number: how many bytes it took, its absolute value, its sign.
func (c *Call) number() (n int, v uint64, negative bool, e maps.Errno) {
	b := c.mem(c.Args[0], uint32(c.Args[1]))
	base := c.Args[2]
	if len(b) == 0 || base != 0 && base != 8 && base != 10 && base != 16 {
		return 0, 0, false, maps.EINVAL
	}
	i := 0
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	if i < len(b) && b[i] == '-' {
		negative = true
		i++
	}
	// So many digits are looked at, with their prefix.
	b = b[:min(len(b), i+63)]
	prefix := i+1 < len(b) && b[i] == '0' && b[i+1]|0x20 == 'x'
	if prefix && (base == 16 || base == 0 && i+2 < len(b) && digit(b[i+2]) < 16) {
		base = 16
		i += 2
	} else if base == 0 {
		base = 10
		if i < len(b) && b[i] == '0' {
			base = 8
		}
	}
	start := i
	for ; i < len(b) && uint64(digit(b[i])) < base; i++ {
		d := uint64(digit(b[i]))
		if v > (1<<64-1-d)/base {
			return 0, 0, false, erange
		}
		v = v*base + d
	}
	if i == start {
		return 0, 0, false, maps.EINVAL
	}
	return i, v, negative, 0
}

func isSpace(b byte) bool { return b == ' ' || b >= '\t' && b <= '\r' }

// digit is the value of a digit, at least 16 if it is none.
func digit(b byte) byte {
	switch {
	case b >= '0' && b <= '9':
		return b - '0'
	case b|0x20 >= 'a' && b|0x20 <= 'f':
		return b | 0x20 - 'a' + 10
	}
	return 255
}

// strncmp is bpf_strncmp(s1, size, s2): below zero, zero, above zero.
func strncmp(c *Call) (uint64, error) {
	a := c.mem(c.Args[0], uint32(c.Args[1]))
	b, ok := c.text(c.Args[2])
	if a == nil || !ok {
		return bad(2, errNoString)
	}
	for i, x := range a {
		y := byte(0)
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			if x < y {
				return ^uint64(0), nil
			}
			return 1, nil
		}
		if x == 0 {
			break
		}
	}
	return 0, nil
}
