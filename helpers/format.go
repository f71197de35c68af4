package helpers

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/skepbpf/skep/maps"
)

// A verb is one conversion of a format.
type verb struct {
	left, plus, space, zero bool
	width                   int
	long                    bool // 64 bits: l, ll; otherwise the value is cut to 32
	kind                    byte // d u x X p s c
	sub                     string
}

// CheckFormat reports whether f, up to its first zero, is a format of the kernel's with at most n conversions.
func CheckFormat(f []byte, n int) bool {
	if end := bytes.IndexByte(f, 0); end >= 0 {
		f = f[:end]
	}
	for i := 0; i < len(f); i++ {
		switch x := f[i]; {
		case x == 0x7f || x < ' ' && !isSpace(x):
			return false
		case x != '%':
		case i+1 < len(f) && f[i+1] == '%':
			i++
		default:
			_, size, ok := parseVerb(f[i+1:])
			if !ok || n == 0 {
				return false
			}
			n--
			i += size
		}
	}
	return true
}

// format is the text of a format of the kernel's, which a zero ends, with values for its conversions:
//
//	%d %i %u %x %X, with l or ll in front for 64 bits; %c; %s, %pks, %pus for strings in memory;
//	%p %px %pK %pB %ps %pS for addresses; %pi4 %pI4 %pi6 %pI6 for IP addresses in memory; %%
//
// with flags "-+ 0" and a width. It is valid until the next call. What is none of that is EINVAL.
func (c *Call) format(f []byte, values []uint64) ([]byte, maps.Errno) {
	out := c.Run.textBuf[:0]
	defer func() { c.Run.textBuf = out[:0] }()
	end := -1
	for i, x := range f {
		if x == 0 {
			end = i
			break
		}
		if x == 0x7f || x < ' ' && !isSpace(x) {
			return nil, maps.EINVAL
		}
	}
	if end < 0 {
		return nil, maps.EINVAL
	}
	f = f[:end]
	for i := 0; i < len(f); i++ {
		if f[i] != '%' {
			out = append(out, f[i])
			continue
		}
		if i+1 < len(f) && f[i+1] == '%' {
			out = append(out, '%')
			i++
			continue
		}
		v, n, ok := parseVerb(f[i+1:])
		if !ok || len(values) == 0 {
			return nil, maps.EINVAL
		}
		out = c.appendVerb(out, &v, values[0])
		values = values[1:]
		i += n
	}
	return out, 0
}

// maxWidth is more than any text that a helper makes has room for.
const maxWidth = 1 << 14

// parseVerb reads a conversion after its percent sign, and tells its length.
func parseVerb(f []byte) (v verb, n int, ok bool) {
	at := func() byte {
		if n < len(f) {
			return f[n]
		}
		return 0
	}
flags:
	for ; ; n++ {
		switch at() {
		case '-':
			v.left = true
		case '+':
			v.plus = true
		case ' ':
			v.space = true
		case '0':
			v.zero = true
		default:
			break flags
		}
	}
	for ; at() >= '0' && at() <= '9'; n++ {
		v.width = min(v.width*10+int(at()-'0'), maxWidth)
	}
	for range 2 {
		if at() == 'l' {
			v.long = true
			n++
		}
	}
	v.kind = at()
	n++
	switch v.kind {
	case 'i':
		v.kind = 'd'
	case 'd', 'u', 'x', 'X':
	case 's', 'c':
		if v.long {
			return v, n, false
		}
	case 'p':
		if v.long {
			return v, n, false
		}
		switch rest := string(f[n:min(n+2, len(f))]); {
		case rest == "ks", rest == "us":
			v.kind, v.sub = 's', rest
			n += 2
		case rest == "i4", rest == "I4", rest == "i6", rest == "I6":
			v.sub = rest
			n += 2
		case rest != "" && (rest[0] == 'x' || rest[0] == 'K' || rest[0] == 'B' || rest[0] == 's' || rest[0] == 'S'):
			v.sub = rest[:1]
			n++
		case rest != "" && !isSpace(rest[0]) && !isPunct(rest[0]):
			return v, n, false
		}
	default:
		return v, n, false
	}
	return v, n, true
}

func isPunct(b byte) bool {
	return b > ' ' && b < 0x7f && !(b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'z')
}

// appendVerb converts one value.
func (c *Call) appendVerb(out []byte, v *verb, x uint64) []byte {
	var digits [64]byte
	d := digits[:0]
	sign := ""
	switch v.kind {
	case 'c':
		return pad(out, v, "", []byte{byte(x)}, false)
	case 's':
		other := c.Run.Kernel
		if v.sub == "us" {
			other = c.Run.user()
		}
		var buf [512]byte
		n, ok := c.Run.fetchText(x, buf[:], other)
		if !ok {
			n = 1
		}
		return pad(out, v, "", buf[:n-1], false)
	case 'p':
		return c.appendPointer(out, v, x)
	case 'd':
		s := int64(x)
		if !v.long {
			s = int64(int32(x))
		}
		if s < 0 {
			sign, s = "-", -s
		} else if v.plus {
			sign = "+"
		} else if v.space {
			sign = " "
		}
		d = strconv.AppendUint(d, uint64(s), 10)
	default:
		if !v.long {
			x = uint64(uint32(x))
		}
		base := 16
		if v.kind == 'u' {
			base = 10
		}
		d = strconv.AppendUint(d, x, base)
		if v.kind == 'X' {
			for i := range d {
				if d[i] >= 'a' {
					d[i] -= 'a' - 'A'
				}
			}
		}
	}
	return pad(out, v, sign, d, v.zero)
}

// appendPointer converts an address. Where Linux prints hashes or names of functions, these are the address itself.
func (c *Call) appendPointer(out []byte, v *verb, x uint64) []byte {
	if len(v.sub) < 2 {
		if v.sub == "x" {
			return pad(out, v, "", fmt.Appendf(nil, "%016x", x), v.zero)
		}
		if v.sub != "" && v.sub != "K" {
			return pad(out, v, "", fmt.Appendf(nil, "0x%x", x), false)
		}
		return pad(out, v, "", fmt.Appendf(nil, "%016x", x), false)
	}
	n := 4
	if v.sub[1] == '6' {
		n = 16
	}
	var b [16]byte
	if !c.Run.fetch(x, b[:n], c.Run.Kernel) {
		clear(b[:])
	}
	var text []byte
	switch v.sub {
	case "I4":
		text = netip.AddrFrom4([4]byte(b[:4])).AppendTo(nil)
	case "i4":
		text = fmt.Appendf(nil, "%03d.%03d.%03d.%03d", b[0], b[1], b[2], b[3])
	default:
		for i := 0; i < 16; i += 2 {
			if i > 0 && v.sub == "I6" {
				text = append(text, ':')
			}
			text = fmt.Appendf(text, "%04x", binary.BigEndian.Uint16(b[i:]))
		}
	}
	return pad(out, v, "", text, false)
}

// pad adds text in the width of the conversion.
func pad(out []byte, v *verb, sign string, text []byte, zero bool) []byte {
	n := v.width - len(sign) - len(text)
	fill := byte(' ')
	if zero && !v.left {
		out = append(out, sign...)
		fill, sign = '0', ""
	}
	if !v.left {
		for range n {
			out = append(out, fill)
		}
	}
	out = append(append(out, sign...), text...)
	if v.left {
		for range n {
			out = append(out, ' ')
		}
	}
	return out
}
