// Package value turns the bytes of keys, values and contexts into text and back, by their types.
package value

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// deepest is how many types within types are looked into: BTF may be wild.
const deepest = 16

// Format gives bytes of a type as C would initialize them: {.packets = 3, .bytes = 162}. Without a type, or where the
// bytes do not fit it, they are a number of 1, 2, 4 or 8 bytes, or hexadecimal digits.
func Format(t btf.Type, b []byte) string {
	if t != nil {
		if size, err := btf.Sizeof(t); err == nil && size <= len(b) {
			var s strings.Builder
			if format(&s, t, b[:size], 0) {
				return s.String()
			}
		}
	}
	return plain(b)
}

// plain gives bytes of no known type.
func plain(b []byte) string {
	if n := len(b); n == 1 || n == 2 || n == 4 || n == 8 {
		return strconv.FormatUint(number(b), 10)
	}
	return hex.EncodeToString(b)
}

// number is a number of up to 8 bytes, in the host's order.
func number(b []byte) uint64 {
	var w [8]byte
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		copy(w[:], b)
	} else {
		copy(w[8-min(8, len(b)):], b)
	}
	return binary.NativeEndian.Uint64(w[:])
}

// format appends the text of b, which has the size of t; false if the type is beyond it.
func format(s *strings.Builder, t btf.Type, b []byte, depth int) bool {
	if depth > deepest {
		return false
	}
	if text := network(t, b); text != "" {
		s.WriteString(text)
		return true
	}
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Int:
		s.WriteString(integer(t, b))
	case *btf.Enum:
		s.WriteString(enum(t, b))
	case *btf.Pointer:
		fmt.Fprintf(s, "%#x", number(b))
	case *btf.Float:
		switch len(b) {
		case 4:
			fmt.Fprint(s, math.Float32frombits(uint32(number(b))))
		case 8:
			fmt.Fprint(s, math.Float64frombits(number(b)))
		default:
			return false
		}
	case *btf.Array:
		return array(s, t, b, depth)
	case *btf.Struct:
		return members(s, t.Members, b, depth)
	case *btf.Union:
		return members(s, t.Members, b, depth)
	case *btf.Datasec:
		return section(s, t, b, depth)
	case *btf.Var:
		return format(s, t.Type, b, depth+1)
	default:
		return false
	}
	return true
}

// network gives addresses and numbers in network order, which types of Linux name as such; "" for other types.
func network(t btf.Type, b []byte) string {
	for range deepest {
		switch name := t.TypeName(); {
		case name == "__be16" && len(b) == 2:
			return strconv.Itoa(int(binary.BigEndian.Uint16(b)))
		case (name == "__be32" || name == "in_addr") && len(b) == 4, name == "in6_addr" && len(b) == 16:
			a, _ := netip.AddrFromSlice(b)
			return a.String()
		}
		d, ok := t.(*btf.Typedef)
		if !ok {
			break
		}
		t = d.Type
	}
	return ""
}

func integer(t *btf.Int, b []byte) string {
	if len(b) > 8 {
		return hex.EncodeToString(b)
	}
	v := number(b)
	switch {
	case t.Encoding == btf.Bool:
		return strconv.FormatBool(v != 0)
	case t.Encoding == btf.Signed, t.Encoding == btf.Char && t.Size > 1:
		shift := 64 - 8*len(b)
		return strconv.FormatInt(int64(v<<shift)>>shift, 10)
	}
	return strconv.FormatUint(v, 10)
}

func enum(t *btf.Enum, b []byte) string {
	v := number(b)
	shift := 64 - 8*min(8, len(b))
	for _, e := range t.Values {
		if e.Value<<shift == v<<shift {
			return e.Name
		}
	}
	if t.Signed {
		return strconv.FormatInt(int64(v<<shift)>>shift, 10)
	}
	return strconv.FormatUint(v, 10)
}

// array shows an array; one of characters as a string if it looks like one.
func array(s *strings.Builder, t *btf.Array, b []byte, depth int) bool {
	if e, ok := btf.UnderlyingType(t.Type).(*btf.Int); ok && e.Size == 1 {
		if text, ok := cString(b); ok && (isChar(t.Type) || len(text) > 3) {
			s.WriteString(strconv.Quote(text))
			return true
		}
		s.WriteString(hex.EncodeToString(b))
		return true
	}
	size, err := btf.Sizeof(t.Type)
	if err != nil || size*int(t.Nelems) > len(b) || size == 0 && t.Nelems > 0 {
		return false
	}
	s.WriteByte('{')
	for i := range int(t.Nelems) {
		if i > 0 {
			s.WriteString(", ")
		}
		if !format(s, t.Type, b[i*size:][:size], depth+1) {
			return false
		}
	}
	s.WriteByte('}')
	return true
}

// isChar tells that C calls the type char.
func isChar(t btf.Type) bool { return t.TypeName() == "char" }

// cString is the text before a first zero, if all of it can be printed and nothing follows.
func cString(b []byte) (string, bool) {
	end := len(b)
	for i, c := range b {
		if c == 0 {
			end = i
			break
		}
		if c < ' ' || c > '~' {
			return "", false
		}
	}
	for _, c := range b[end:] {
		if c != 0 {
			return "", false
		}
	}
	return string(b[:end]), true
}

func members(s *strings.Builder, list []btf.Member, b []byte, depth int) bool {
	s.WriteByte('{')
	for i, m := range list {
		if i > 0 {
			s.WriteString(", ")
		}
		if m.Name != "" {
			s.WriteString("." + m.Name + " = ")
		}
		if m.BitfieldSize > 0 {
			v, ok := bitfield(m, b)
			if !ok {
				return false
			}
			s.WriteString(strconv.FormatUint(v, 10))
			continue
		}
		size, err := btf.Sizeof(m.Type)
		at := int(m.Offset.Bytes())
		if err != nil || at+size > len(b) {
			return false
		}
		if !format(s, m.Type, b[at:][:size], depth+1) {
			return false
		}
	}
	s.WriteByte('}')
	return true
}

// bitfield is the value of a bit field, on a little-endian machine.
func bitfield(m btf.Member, b []byte) (uint64, bool) {
	first, size := int(m.Offset), int(m.BitfieldSize)
	if size > 64 || (first+size+7)/8 > len(b) {
		return 0, false
	}
	var v uint64
	for i := range size {
		bit := first + i
		v |= uint64(b[bit/8]>>(bit%8)&1) << i
	}
	return v, true
}

func section(s *strings.Builder, t *btf.Datasec, b []byte, depth int) bool {
	s.WriteByte('{')
	for i, v := range t.Vars {
		if i > 0 {
			s.WriteString(", ")
		}
		if v.Type == nil || uint64(v.Offset)+uint64(v.Size) > uint64(len(b)) {
			return false
		}
		s.WriteString(v.Type.TypeName() + " = ")
		if !format(s, v.Type, b[v.Offset:][:v.Size], depth+1) {
			s.WriteString(hex.EncodeToString(b[v.Offset:][:v.Size]))
		}
	}
	s.WriteByte('}')
	return true
}
