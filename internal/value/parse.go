package value

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/skepbpf/skep/linux"
)

// Parse reads what a person writes for a key or value of so many bytes: a number, decimal or after 0x hexadecimal; a
// network, for keys of LPM tries (203.0.113.0/24: a length of 4 bytes and the address); an IP address; or bytes as
// hexadecimal digits after "x:" (blanks among them do not count).
func Parse(text string, size int) ([]byte, error) {
	if digits, ok := strings.CutPrefix(text, "x:"); ok {
		b, err := hex.DecodeString(strings.Join(strings.Fields(digits), ""))
		return fits(b, size, err)
	}
	if p, err := netip.ParsePrefix(text); err == nil {
		b := binary.NativeEndian.AppendUint32(nil, uint32(p.Bits()))
		return fits(append(b, p.Addr().AsSlice()...), size, nil)
	}
	if a, err := netip.ParseAddr(text); err == nil {
		return fits(a.AsSlice(), size, nil)
	}
	b, err := putNumber(text, size)
	if err != nil {
		return nil, fmt.Errorf("%q is no number, address, network or x:BYTES", text)
	}
	return b, nil
}

func fits(b []byte, size int, err error) ([]byte, error) {
	if err == nil && len(b) != size {
		err = fmt.Errorf("%d bytes, not %d", len(b), size)
	}
	return b, err
}

// putNumber encodes a number in so many bytes, of which it fills the low 8 at most.
func putNumber(text string, size int) ([]byte, error) {
	u, err := strconv.ParseUint(text, 0, 64)
	if err != nil {
		i, ierr := strconv.ParseInt(text, 0, 64)
		if ierr != nil {
			return nil, err
		}
		u = uint64(i)
		if limit := 8 * size; limit < 64 && (i < -1<<(limit-1)) {
			return nil, strconv.ErrRange
		}
	} else if size < 8 && u>>(8*size) != 0 {
		return nil, strconv.ErrRange
	}
	b := make([]byte, max(size, 8))
	binary.LittleEndian.PutUint64(b, u)
	b = b[:size]
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
			b[i], b[j] = b[j], b[i]
		}
	}
	return b, nil
}

// Struct encodes a JSON object as a UAPI struct, by the names of its fields; what is not named is zero. Fields are
// numbers, as JSON numbers or as text that Parse reads; of arrays, lists of numbers.
func Struct(s *linux.StructInfo, text []byte) ([]byte, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	b := make([]byte, s.Size)
	for name, raw := range fields {
		f := s.Field(name)
		if f == nil {
			return nil, fmt.Errorf("struct %s has no field %q", s.Name, name)
		}
		if err := putField(b[f.Off:][:f.Size], raw); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return b, nil
}

func putField(to []byte, raw json.RawMessage) error {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) == nil {
		if len(list) == 0 || len(to)%len(list) != 0 {
			return fmt.Errorf("%d elements in %d bytes", len(list), len(to))
		}
		size := len(to) / len(list)
		for i, e := range list {
			if err := putField(to[i*size:][:size], e); err != nil {
				return err
			}
		}
		return nil
	}
	text := string(raw)
	if json.Unmarshal(raw, &text) != nil {
		text = string(raw)
	}
	b, err := Parse(text, len(to))
	if err != nil {
		return err
	}
	copy(to, b)
	return nil
}

// Words encodes a JSON list of numbers as words of 8 bytes: the arguments of a raw tracepoint or a traced function.
func Words(text []byte) ([]byte, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, err
	}
	b := make([]byte, 8*len(list))
	for i, e := range list {
		if err := putField(b[8*i:][:8], e); err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
	}
	return b, nil
}
