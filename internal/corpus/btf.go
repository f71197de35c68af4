package corpus

import (
	"bytes"
	"encoding/binary"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/object"
)

// parseBTF parses a blob. A blob that does not parse is kept: kernels may take what the parser refuses.
func parseBTF(raw []byte) *object.BTF {
	spec, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	return &object.BTF{Raw: raw, Spec: spec, Err: err}
}

// btfString is the string at an offset of a blob's string section, "" if there is none.
func btfString(raw []byte, off uint32) string {
	le := binary.LittleEndian
	if len(raw) < 24 || le.Uint16(raw) != 0xeb9f {
		return ""
	}
	from := uint64(le.Uint32(raw[4:])) + uint64(le.Uint32(raw[16:]))
	to := from + uint64(le.Uint32(raw[20:]))
	if to > uint64(len(raw)) || from+uint64(off) >= to {
		return ""
	}
	s := raw[from+uint64(off) : to]
	if i := bytes.IndexByte(s, 0); i >= 0 {
		s = s[:i]
	}
	return string(s)
}

// decodeFuncs decodes func_info records, as far as they are well formed.
func decodeFuncs(b *object.BTF, raw []byte, rec uint32) []object.FuncInfo {
	if b == nil || rec < 8 {
		return nil
	}
	le := binary.LittleEndian
	var out []object.FuncInfo
	for ; len(raw) >= int(rec); raw = raw[rec:] {
		f := object.FuncInfo{Insn: int(le.Uint32(raw)), Type: le.Uint32(raw[4:])}
		if b.Spec != nil {
			if t, err := b.Spec.TypeByID(btf.TypeID(f.Type)); err == nil {
				f.Name = t.TypeName()
			}
		}
		out = append(out, f)
	}
	return out
}

// decodeLines decodes line_info records, as far as they are well formed.
func decodeLines(b *object.BTF, raw []byte, rec uint32) []object.LineInfo {
	if b == nil || rec < 16 {
		return nil
	}
	le := binary.LittleEndian
	var out []object.LineInfo
	for ; len(raw) >= int(rec); raw = raw[rec:] {
		col := le.Uint32(raw[12:])
		out = append(out, object.LineInfo{Insn: int(le.Uint32(raw)), File: btfString(b.Raw, le.Uint32(raw[4:])),
			Text: btfString(b.Raw, le.Uint32(raw[8:])), Line: col >> 10, Col: col & 0x3ff})
	}
	return out
}
