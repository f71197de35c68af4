package object

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/cilium/ebpf/btf"
)

// ParseBTF parses a raw blob of type information. A blob that does not parse is kept, with the reason in Err:
// kernels may take what the parser refuses, and the other way round.
func ParseBTF(raw []byte) *BTF {
	b := &BTF{Raw: raw}
	b.Spec, b.Err = parseSpec(raw)
	return b
}

func parseSpec(raw []byte) (spec *btf.Spec, err error) {
	defer recovered(&err, "BTF")
	if err := checkHeader(raw); err != nil {
		return nil, err
	}
	return btf.LoadSpecFromReader(bytes.NewReader(raw))
}

// checkHeader checks that the blob is raw BTF whose sections lie inside it.
func checkHeader(raw []byte) error {
	const size = 24
	le := binary.LittleEndian
	if len(raw) < size {
		return fmt.Errorf("BTF of %d bytes has no header", len(raw))
	}
	switch le.Uint16(raw) {
	case 0xeb9f:
	case 0x9feb:
		return &UnsupportedError{Cause: "BTF of a big-endian machine"}
	default:
		return fmt.Errorf("BTF magic is %#04x, not 0xeb9f", le.Uint16(raw))
	}
	rest := uint64(len(raw))
	hdr := uint64(le.Uint32(raw[4:]))
	if hdr < size || hdr > rest {
		return fmt.Errorf("BTF header of %d bytes in a blob of %d", hdr, rest)
	}
	for i, name := range []string{"type", "string"} {
		off, n := uint64(le.Uint32(raw[8+8*i:])), uint64(le.Uint32(raw[12+8*i:]))
		if hdr+off+n > rest {
			return fmt.Errorf("BTF %s section, bytes %d to %d, exceeds the blob of %d", name, hdr+off, hdr+off+n, rest)
		}
	}
	return nil
}

// String is the string at an offset of the blob's string section, "" if there is none.
func (b *BTF) String(off uint32) string {
	if b == nil || checkHeader(b.Raw) != nil {
		return ""
	}
	le := binary.LittleEndian
	from := uint64(le.Uint32(b.Raw[4:])) + uint64(le.Uint32(b.Raw[16:]))
	to := from + uint64(le.Uint32(b.Raw[20:]))
	if from+uint64(off) >= to {
		return ""
	}
	s := b.Raw[from+uint64(off) : to]
	if i := bytes.IndexByte(s, 0); i >= 0 {
		s = s[:i]
	}
	return string(s)
}

// Funcs decodes func_info records of a given size, as far as they are well formed.
func (b *BTF) Funcs(raw []byte, size uint32) []FuncInfo {
	if b == nil || size < btf.FuncInfoSize {
		return nil
	}
	le := binary.LittleEndian
	var out []FuncInfo
	for ; len(raw) >= int(size); raw = raw[size:] {
		f := FuncInfo{Insn: int(le.Uint32(raw)), Type: le.Uint32(raw[4:])}
		if t, err := b.typeByID(f.Type); err == nil {
			f.Name = t.TypeName()
		}
		out = append(out, f)
	}
	return out
}

// Lines decodes line_info records of a given size, as far as they are well formed.
func (b *BTF) Lines(raw []byte, size uint32) []LineInfo {
	if b == nil || size < btf.LineInfoSize {
		return nil
	}
	le := binary.LittleEndian
	var out []LineInfo
	for ; len(raw) >= int(size); raw = raw[size:] {
		col := le.Uint32(raw[12:])
		out = append(out, LineInfo{
			Insn: int(le.Uint32(raw)),
			File: b.String(le.Uint32(raw[4:])),
			Text: b.String(le.Uint32(raw[8:])),
			Line: col >> 10, Col: col & 0x3ff,
		})
	}
	return out
}

// typeByID is Spec.TypeByID; decoding a type of a wild blob may panic.
func (b *BTF) typeByID(id uint32) (t btf.Type, err error) {
	defer recovered(&err, "BTF")
	if b.Spec == nil {
		return nil, b.Err
	}
	return b.Spec.TypeByID(btf.TypeID(id))
}

// spec is the parsed form, or why there is none.
func (b *BTF) spec() (*btf.Spec, error) {
	if b.Spec == nil {
		if b.Err != nil {
			return nil, fmt.Errorf("BTF of the kernel: %w", b.Err)
		}
		return nil, ErrNoKernelTypes
	}
	return b.Spec, nil
}
