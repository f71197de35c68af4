// Package object turns what users have (an ELF object read by cilium/ebpf, a *ebpf.CollectionSpec,
// assembler text) into Programs. A Program is data: it may be wrong and promises nothing.
package object

import (
	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/isa"
)

// A Program is one entry point as bpf(2) would be given it: instructions with all relocations
// done, the maps they name, and type information. It is immutable once made, and may be shared.
type Program struct {
	Name    string
	Section string // ELF section, "" if unknown

	Type       uint32 // BPF_PROG_TYPE_*
	AttachType uint32 // expected_attach_type, BPF_*
	Flags      uint32 // prog_flags, BPF_F_*
	License    string
	// KernVersion is the version section's value, which kernels before 5.0 compare for kprobes.
	KernVersion uint32

	// Hook is what the section says after its type: "syscalls/sys_enter_execve" of "tracepoint/syscalls/sys_enter_execve".
	Hook string

	// AttachTo names the kernel type that a tracing, LSM or struct_ops program is for ("btf_trace_X",
	// "bpf_iter_X", a function, a struct), AttachID its id in Kernel BTF (0: none).
	AttachTo string
	AttachID uint32

	// Insns are slots: an LdImm64 takes two. The Imm of an LdImm64 with Src PseudoMapFD or
	// PseudoMapValue is an index into Maps; an index outside Maps stands for a bad file descriptor.
	// The Imm of a CallKfn and of an LdImm64 with PseudoBTFID is a type id in Kernel BTF.
	Insns []isa.Insn
	Maps  []*Map

	// BadFDs are the slots of LdImm64s whose Imm is, on purpose, a descriptor that is no map, not an index
	// into Maps ("fd %d is not pointing to valid bpf_map"). Usually nil.
	BadFDs map[int]bool

	BTF   *BTF       // types of the program; nil if it has none
	Funcs []FuncInfo // func_info, by Insn
	Lines []LineInfo // line_info, by Insn

	// FuncsRaw and LinesRaw are the records as bpf(2) would be given them; what is wrong in them is for the
	// verifier to say. FuncRec and LineRec are their record sizes (8 and 16).
	FuncsRaw, LinesRaw []byte
	FuncRec, LineRec   uint32
}

// Sleepable tells that the program asks to be one that may sleep.
func (p *Program) Sleepable() bool {
	const sleepable = 1 << 4 // BPF_F_SLEEPABLE
	return p.Flags&sleepable != 0
}

// A Map is what a program needs to know of a map, and what creates it.
type Map struct {
	Name       string
	Type       uint32 // BPF_MAP_TYPE_*
	KeySize    uint32 // bytes
	ValueSize  uint32 // bytes
	MaxEntries uint32
	Flags      uint32 // BPF_F_*
	Extra      uint64 // map_extra

	BTF     *BTF // types of key and value; nil if none
	KeyID   uint32
	ValueID uint32
	Inner   *Map // template of a map in map

	// Contents are written before the program is loaded, in order. Frozen maps are frozen after that, so that
	// with BPF_F_RDONLY_PROG the verifier may take them for constants.
	Contents []MapKV
	Frozen   bool
}

// A MapKV is one element of a map's initial contents.
type MapKV struct {
	Key, Value []byte
	// Program is the value of a prog array element, Map that of a map in map; nil otherwise.
	Program *Program
	Map     *Map
}

// A BTF is a blob of type information and its parsed form.
type BTF struct {
	Raw  []byte
	Spec *btf.Spec // nil if Raw does not parse; Err then says why
	Err  error
}

// A FuncInfo gives the function type of the subprogram that starts at Insn.
type FuncInfo struct {
	Insn int
	Type uint32 // id of a BTF_KIND_FUNC
	Name string
}

// A LineInfo gives the source line of the instructions from Insn on.
type LineInfo struct {
	Insn int
	File string
	Text string // the source line
	Line uint32
	Col  uint32
}
