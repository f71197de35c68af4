package prepare

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/cilium/ebpf/btf"
)

const (
	funcRecMin, lineRecMin = 8, 16
	infoRecMax             = 252
	exceptionTag           = "exception_callback:"
)

// A funcRec is a decoded record of func_info.
type funcRec struct {
	insn uint32
	fn   *btf.Func
	typ  *btf.FuncProto
	id   uint32
}

// hasFuncs tells that the program was given func_info that the kernel looks at.
func (in *Info) hasFuncs() bool {
	p := in.Program
	return p.BTF != nil && len(p.FuncsRaw) > 0
}

// readFuncs checks func_info as far as it can be checked without the program.
func (in *Info) readFuncs() *Fault {
	if !in.hasFuncs() {
		return nil
	}
	p := in.Program
	rec := int(p.FuncRec)
	if rec < funcRecMin || rec > infoRecMax || rec%4 != 0 {
		return fault(einval, -1, "func-info-size", "invalid func info rec size %d", rec)
	}
	bad := func(errno int, format string, args ...any) *Fault {
		return fault(errno, -1, "func-info", format, args...)
	}
	for n := 0; (n+1)*rec <= len(p.FuncsRaw); n++ {
		raw := p.FuncsRaw[n*rec : (n+1)*rec]
		if tail(raw[funcRecMin:]) {
			return bad(e2big, "nonzero tailing record in func info")
		}
		r := funcRec{insn: binary.LittleEndian.Uint32(raw), id: binary.LittleEndian.Uint32(raw[4:])}
		if n == 0 && r.insn != 0 {
			return bad(einval, "nonzero insn_off %d for the first func info record", r.insn)
		}
		if n > 0 && r.insn <= in.funcs[n-1].insn {
			return bad(einval, "same or smaller insn offset (%d) than previous func info record (%d)", r.insn, in.funcs[n-1].insn)
		}
		if p.BTF.Spec == nil {
			in.unsupported("the program's BTF does not parse")
			in.funcs = nil
			return nil
		}
		r.fn, r.typ = function(p.BTF.Spec, r.id)
		if r.fn == nil {
			return bad(einval, "invalid type id %d in func info", int32(r.id))
		}
		in.funcs = append(in.funcs, r)
	}
	return nil
}

// function gives the function with that type id, nil if the type is something else.
func function(spec *btf.Spec, id uint32) (*btf.Func, *btf.FuncProto) {
	t, err := spec.TypeByID(btf.TypeID(id))
	if err != nil {
		return nil, nil
	}
	fn, ok := t.(*btf.Func)
	if !ok {
		return nil, nil
	}
	proto, ok := fn.Type.(*btf.FuncProto)
	if !ok {
		return nil, nil
	}
	return fn, proto
}

func tail(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return true
		}
	}
	return false
}

// findException looks for the exception callback that the main program's type names: it is one more function.
func (in *Info) findException() (start int, f *Fault) {
	if len(in.funcs) == 0 {
		return -1, nil
	}
	bad := func(errno int, format string, args ...any) (int, *Fault) {
		return -1, fault(errno, -1, "exception-callback", format, args...)
	}
	name, found := "", false
	for _, tag := range in.funcs[0].fn.Tags {
		if !strings.HasPrefix(tag, exceptionTag) {
			continue
		}
		if found {
			return bad(eexist, "multiple exception callback tags for main subprog")
		}
		name, found = tag[len(exceptionTag):], true
	}
	if !found {
		return -1, nil
	}
	var cb *btf.Func
	if name == "" || in.Program.BTF.Spec.TypeByName(name, &cb) != nil {
		return bad(enoent, "exception callback '%s' could not be found in BTF", name)
	}
	if cb.Linkage != btf.GlobalFunc {
		return bad(einval, "exception callback '%s' must have global linkage", name)
	}
	for _, r := range in.funcs {
		if r.fn != cb {
			continue
		}
		if r.insn == 0 || int(r.insn) >= len(in.Program.Insns) {
			return bad(einval, "invalid exception callback insn_off in func_info: %d", r.insn)
		}
		return int(r.insn), nil
	}
	return bad(einval, "exception callback type id not found in func_info")
}

// matchFuncs gives every subprogram its type, and checks what its return type forbids.
func (in *Info) matchFuncs() *Fault {
	if !in.hasFuncs() {
		return in.checkUntyped()
	}
	if len(in.funcs) == 0 { // its BTF does not parse
		return nil
	}
	if len(in.funcs) != len(in.Subprogs) {
		return fault(einval, -1, "func-info", "number of funcs in func_info doesn't match number of subprogs")
	}
	for n := range in.Subprogs {
		s, r := &in.Subprogs[n], &in.funcs[n]
		if s.Start != int(r.insn) {
			return fault(einval, s.Start, "func-info", "func_info BTF section doesn't match subprog layout in BPF program")
		}
		s.Name, s.Type, s.Proto = r.fn.Name, r.id, r.typ
		s.Global = r.fn.Linkage == btf.GlobalFunc
		if n == 0 || isNumber(r.typ.Return) {
			continue
		}
		if s.HasLdAbs {
			return fault(einval, s.Start, "abnormal-return", "LD_ABS is only allowed in functions that return 'int'.")
		}
		if s.HasTailCall {
			return fault(einval, s.Start, "abnormal-return", "tail_call is only allowed in functions that return 'int'.")
		}
	}
	return nil
}

// checkUntyped checks what needs the types of functions that have none.
func (in *Info) checkUntyped() *Fault {
	for n := 1; n < len(in.Subprogs); n++ {
		s := &in.Subprogs[n]
		if s.HasLdAbs {
			return fault(einval, s.Start, "abnormal-return", "LD_ABS is not allowed in subprogs without BTF")
		}
		if s.HasTailCall {
			return fault(einval, s.Start, "abnormal-return", "tail_call is not allowed in subprogs without BTF")
		}
	}
	return nil
}

// isNumber tells that a value of the type is a number of up to 64 bits.
func isNumber(t btf.Type) bool {
	switch btf.UnderlyingType(t).(type) {
	case *btf.Int, *btf.Enum:
		return true
	}
	return false
}

// checkLines checks line_info.
func (in *Info) checkLines() *Fault {
	p := in.Program
	if p.BTF == nil || len(p.LinesRaw) == 0 {
		return nil
	}
	bad := func(errno int, format string, args ...any) *Fault {
		return fault(errno, -1, "line-info", format, args...)
	}
	rec := int(p.LineRec)
	if rec < lineRecMin || rec > infoRecMax || rec%4 != 0 {
		return bad(einval, "")
	}
	strs := stringsLen(p.BTF.Raw)
	var prev uint32
	sub := 0
	for n := 0; (n+1)*rec <= len(p.LinesRaw); n++ {
		raw := p.LinesRaw[n*rec : (n+1)*rec]
		if tail(raw[lineRecMin:]) {
			return bad(e2big, "nonzero tailing record in line_info")
		}
		off, file, line := binary.LittleEndian.Uint32(raw), binary.LittleEndian.Uint32(raw[4:]), binary.LittleEndian.Uint32(raw[8:])
		if n > 0 && off <= prev || uint64(off) >= uint64(len(p.Insns)) {
			return bad(einval, "Invalid line_info[%d].insn_off:%d (prev_offset:%d prog->len:%d)", n, off, prev, len(p.Insns))
		}
		if p.Insns[off].Opcode == 0 {
			return bad(einval, "Invalid insn code at line_info[%d].insn_off", n)
		}
		if line >= strs || file >= strs {
			return bad(einval, "Invalid line_info[%d].line_off or .file_name_off", n)
		}
		if sub < len(in.Subprogs) {
			switch start := uint32(in.Subprogs[sub].Start); {
			case off == start:
				sub++
			case start < off:
				return bad(einval, "missing bpf_line_info for func#%d", sub)
			}
		}
		prev = off
	}
	if sub != len(in.Subprogs) {
		return bad(einval, "missing bpf_line_info for %d funcs starting from func#%d", len(in.Subprogs)-sub, sub)
	}
	return nil
}

// stringsLen is the size of the string section of a BTF blob.
func stringsLen(raw []byte) uint32 {
	if len(raw) < 24 {
		return 0
	}
	return binary.LittleEndian.Uint32(raw[20:])
}

// HeadLines are what the log at level 2 has before the table of live registers.
func (in *Info) HeadLines() []string {
	var out []string
	for n := range in.Subprogs {
		out = append(out, fmt.Sprintf("func#%d @%d", n, in.Subprogs[n].Start))
	}
	return out
}
