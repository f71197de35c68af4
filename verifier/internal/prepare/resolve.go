package prepare

import (
	"slices"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/object"
)

const (
	maxMaps        = 64
	maxValueOffset = 1 << 29
	pageSize       = 4096 // bytes, of the pages of an arena
)

// Map types that rules here name.
const (
	mapHash                = 1
	mapArray               = 2
	mapPercpuHash          = 5
	mapPercpuArray         = 6
	mapLRUHash             = 9
	mapLRUPercpuHash       = 10
	mapArrayOfMaps         = 12
	mapHashOfMaps          = 13
	mapCgroupStorage       = 19
	mapPercpuCgroupStorage = 21
	mapQueue               = 22
	mapStack               = 23
	mapSkStorage           = 24
	mapStructOps           = 26
	mapRingbuf             = 27
	mapInodeStorage        = 28
	mapTaskStorage         = 29
	mapUserRingbuf         = 31
	mapCgrpStorage         = 32
	mapArena               = 33
	mapInsnArray           = 34
)

// sleepableMaps are the types whose maps a sleepable program may use.
var sleepableMaps = []uint32{mapHash, mapArray, mapPercpuHash, mapPercpuArray, mapLRUHash, mapLRUPercpuHash,
	mapArrayOfMaps, mapHashOfMaps, mapQueue, mapStack, mapSkStorage, mapRingbuf, mapInodeStorage, mapTaskStorage,
	mapUserRingbuf, mapCgrpStorage, mapArena, mapInsnArray}

// knownOpcodes are those that Linux 6.18 has a meaning for: bit n%64 of word n/64. Whether the other fields are as
// the opcode wants them is seen only when the instruction is walked.
var knownOpcodes = opcodeSet()

func opcodeSet() (set [4]uint64) {
	add := func(ops ...int) {
		for _, op := range ops {
			set[op>>6] |= 1 << (op & 63)
		}
	}
	for op := 0x04; op <= 0xc4; op += 0x10 { // arithmetic, 32 and 64 bits, by constant and by register
		add(op, op+3)
		if op != 0x84 { // negation has no register
			add(op+8, op+11)
		}
	}
	add(0xd4, 0xdc, 0xd7) // byte order
	for op := 0x15; op <= 0xd5; op += 0x10 {
		if op == opCall || op == opExit {
			continue
		}
		add(op, op+1, op+8, op+9)
	}
	add(opJa, opJa32, opCall, opExit, opMayGoto)
	add(opLdImm64, 0x20, 0x28, 0x30, 0x40, 0x48, 0x50)
	for size := 0; size < 0x20; size += 8 {
		add(0x61+size, 0x62+size, 0x63+size)
		if size != 0x18 {
			add(0x81 + size)
		}
	}
	add(0xc3, 0xcb, 0xd3, 0xdb) // atomics
	return set
}

func known(opcode uint8) bool { return knownOpcodes[opcode>>6]>>(opcode&63)&1 != 0 }

// resolve checks, instruction after instruction, what the addresses in LdImm64s stand for, and opcodes.
func (in *Info) resolve() *Fault {
	insns := in.Program.Insns
	for pc := 0; pc < len(insns); pc++ {
		i := &insns[pc]
		if in.options.Unknown != nil {
			if text := in.options.Unknown(i); text != "" {
				return fault(einval, pc, "unknown-opcode", "%s", text)
			}
		}
		if class(i) == isa.ClassLDX && (mode(i) != isa.ModeMEM && mode(i) != isa.ModeMEMSX || i.Imm != 0) {
			return fault(einval, pc, "reserved-fields", "BPF_LDX uses reserved fields")
		}
		if i.Opcode != opLdImm64 {
			if !known(i.Opcode) {
				return fault(einval, pc, "unknown-opcode", "unknown opcode %02x", i.Opcode)
			}
			if in.options.AllFields {
				f := isa.Check(insns, pc)
				if f == nil && isJump(i) {
					f = isa.CheckJump(i)
				}
				if f != nil {
					return fault(f.Errno, pc, "reserved-fields", "%s", f.Message)
				}
			}
			continue
		}
		if pc+1 == len(insns) {
			return fault(einval, pc, "ldimm64", "invalid bpf_ld_imm64 insn")
		}
		hi := &insns[pc+1]
		if hi.Opcode != 0 || hi.Dst != 0 || hi.Src != 0 || hi.Off != 0 {
			return fault(einval, pc, "ldimm64", "invalid bpf_ld_imm64 insn")
		}
		if f := in.resolveAddress(pc, i, hi); f != nil {
			return f
		}
		pc++
	}
	return nil
}

func (in *Info) resolveAddress(pc int, i, hi *isa.Insn) *Fault {
	switch i.Src {
	case isa.PseudoFunc:
		if !in.options.NoFuncPtr {
			return nil
		}
	case isa.PseudoNone:
		return nil
	case isa.PseudoBTFID:
		return in.resolveSymbol(pc, i, hi)
	case isa.PseudoMapFD, isa.PseudoMapIdx:
		if hi.Imm == 0 {
			return in.resolveMap(pc, i, hi)
		}
	case isa.PseudoMapValue, isa.PseudoMapIdxValue:
		return in.resolveMap(pc, i, hi)
	}
	return fault(einval, pc, "ldimm64-kind", "unrecognized bpf_ld_imm64 insn")
}

// resolveMap checks the map that an LdImm64 names and the offset into its value.
func (in *Info) resolveMap(pc int, i, hi *isa.Insn) *Fault {
	p := in.Program
	byIndex := i.Src == isa.PseudoMapIdx || i.Src == isa.PseudoMapIdxValue
	if byIndex && len(p.Maps) == 0 {
		return fault(eproto, pc, "no-fd-array", "fd_idx without fd_array is invalid")
	}
	if p.BadFDs[pc] || i.Imm < 0 || int(i.Imm) >= len(p.Maps) {
		errno := ebadf
		if i.Imm >= 0 && i.Imm <= 2 { // open, but no map
			errno = einval
		}
		return fault(errno, pc, "map-fd", "fd %d is not pointing to valid bpf_map", i.Imm)
	}
	m := p.Maps[i.Imm]
	if f := in.useMap(pc, m, int(i.Imm)); f != nil {
		return f
	}
	if i.Src == isa.PseudoMapFD || i.Src == isa.PseudoMapIdx {
		return nil
	}
	off := uint32(hi.Imm)
	if off >= maxValueOffset {
		return fault(einval, pc, "map-value-offset", "direct value offset of %d is not allowed", off)
	}
	switch {
	case m.Type == mapArena:
		if uint64(off) > uint64(m.MaxEntries)*pageSize {
			return fault(erange, pc, "map-value-offset", "invalid access to map value pointer, value_size=%d off=%d", m.ValueSize, off)
		}
	case m.Type != mapArray && m.Type != mapInsnArray:
		return fault(einval, pc, "map-value-type", "no direct value access support for this map type")
	case m.MaxEntries != 1:
		return fault(enotsupp, pc, "map-value-offset", "invalid access to map value pointer, value_size=%d off=%d", m.ValueSize, off)
	case off >= m.ValueSize:
		return fault(einval, pc, "map-value-offset", "invalid access to map value pointer, value_size=%d off=%d", m.ValueSize, off)
	}
	return nil
}

// useMap counts a map that the program names and checks that the program may use it.
func (in *Info) useMap(pc int, m *object.Map, index int) *Fault {
	for _, used := range in.UsedMaps {
		if in.Program.Maps[used] == m {
			return nil
		}
	}
	if len(in.UsedMaps) >= maxMaps {
		return fault(e2big, pc, "too-many-maps", "The total number of maps per program has reached the limit of %d", maxMaps)
	}
	if f := in.suits(pc, m, in.mapFields(index)); f != nil {
		return f
	}
	for _, used := range in.UsedMaps {
		switch other := in.Program.Maps[used].Type; {
		case m.Type == mapArena && other == mapArena:
			return fault(ebusy, pc, "two-arenas", "Only one arena per program")
		case m.Type == other && (m.Type == mapCgroupStorage || m.Type == mapPercpuCgroupStorage):
			return fault(ebusy, pc, "two-cgroup-storages", "only one cgroup storage of each type is allowed")
		}
	}
	in.UsedMaps = append(in.UsedMaps, index)
	return nil
}

// suits checks the map against the program's type.
func (in *Info) suits(pc int, m *object.Map, fields *Fields) *Fault {
	bad := func(code, message string) *Fault { return fault(einval, pc, code, "%s", message) }
	tracing := isTracing(in.Program.Type)
	if tracing && fields.Has(ListHead|RBRoot) {
		return bad("map-tracing", "tracing progs cannot use bpf_{list_head,rb_root} yet")
	}
	if fields.Has(SpinLock | ResSpinLock) {
		if in.Program.Type == progSocketFilter {
			return bad("map-socket-filter", "socket filter progs cannot use bpf_spin_lock yet")
		}
		if tracing {
			return bad("map-tracing", "tracing progs cannot use bpf_spin_lock yet")
		}
	}
	if tracing && fields.Has(Timer) {
		return bad("map-tracing", "tracing progs cannot use bpf_timer yet")
	}
	if tracing && fields.Has(WorkQueue) {
		return bad("map-tracing", "tracing progs cannot use bpf_wq yet")
	}
	if m.Type == mapStructOps {
		return bad("map-struct-ops", "bpf_struct_ops map cannot be used in prog")
	}
	if in.Sleepable && !slices.Contains(sleepableMaps, m.Type) {
		return bad("map-sleepable", "Sleepable programs can only use array, hash, ringbuf and local storage maps")
	}
	return nil
}

// resolveSymbol checks the kernel variable or function whose address an LdImm64 takes.
func (in *Info) resolveSymbol(pc int, i, hi *isa.Insn) *Fault {
	if hi.Imm != 0 {
		return fault(einval, pc, "ksym-module", "invalid module BTF object FD specified.")
	}
	kernel := in.kernel
	if kernel == nil {
		in.unsupported("kernel symbols need the kernel's BTF")
		return nil
	}
	if i.Imm == 0 { // void
		return fault(einval, pc, "ksym", "pseudo btf_id %d in ldimm64 isn't KIND_VAR or KIND_FUNC", i.Imm)
	}
	t, err := kernel.TypeByID(btf.TypeID(i.Imm))
	if err != nil {
		return fault(enoent, pc, "ksym", "ldimm64 insn specifies invalid btf_id %d.", i.Imm)
	}
	switch t := t.(type) {
	case *btf.Func:
		return nil
	case *btf.Var:
		// The kernel looks the address up by name, among functions alone if it was built that way.
		if !in.options.AllSymbols {
			return fault(enoent, pc, "ksym-address", "ldimm64 failed to find the address for kernel symbol '%s'.", t.Name)
		}
		return nil
	}
	return fault(einval, pc, "ksym", "pseudo btf_id %d in ldimm64 isn't KIND_VAR or KIND_FUNC", i.Imm)
}
