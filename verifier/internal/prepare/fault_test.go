package prepare

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/object"
)

type faultCase struct {
	name string
	p    *object.Program
	want answer
}

func repeat(n int, part []isa.Insn) []isa.Insn {
	var out []isa.Insn
	for range n {
		out = append(out, part...)
	}
	return out
}

// faultCases are programs with one fault, and with two, and what Linux 6.18 says of each.
func (w *world) faultCases() []faultCase {
	c := func(name string, p *object.Program, errno int, message string) faultCase {
		return faultCase{name, p, answer{errno, message}}
	}
	plain := func(parts ...[]isa.Insn) *object.Program { return w.program(code(append(parts, ret0)...)) }
	of := func(p *object.Program, change func(*object.Program)) *object.Program { change(p); return p }
	typ := func(n uint32, p *object.Program) *object.Program { p.Type = n; return p }
	id := func(f int) uint32 { return w.funcs[f] }
	jumpOut, unreachable := one(0x55, 1, 0, 1000, 0), code(one(opJa, 0, 0, 1, 0), ret0[:1])
	badFD := func(p *object.Program) *object.Program { p.BadFDs = map[int]bool{0: true}; return p }
	two := func() *object.Program { return w.program(code(callSub(1), bare, ret0)) } // main calls slot 2
	tail := func() *object.Program { return w.program(code(callSub(1), bare, callHelper(tailCallID), ret0)) }
	abs := func() *object.Program {
		return w.program(code(nop, callSub(1), bare, nop, one(0x20, 0, 0, 0, 0), ret0))
	}
	line := func(slots ...uint32) []uint32 {
		var out []uint32
		for _, s := range slots {
			out = append(out, s, 0, w.line, 1<<10)
		}
		return out
	}
	var threeSubs = code(callSub(2), ret0, ret0, ret0)
	return []faultCase{
		c("nothing wrong", plain(nop), 0, ""),

		c("no instructions", w.program(nil), e2big, ""),
		c("too many instructions", w.program(repeat(maxInsns+1, ret0[:1])), e2big, ""),
		c("unknown program type", typ(33, plain()), einval, ""),
		c("unknown flag", of(plain(), func(p *object.Program) { p.Flags = 1 << 8 }), einval, ""),
		c("attach type", typ(30, plain()), einval, ""),
		c("attach id where none belongs", of(plain(), func(p *object.Program) { p.AttachID = 5 }), einval, ""),
		c("no instructions and an unknown type", typ(99, w.program(nil)), e2big, ""),
		c("no instructions and an unknown flag", of(w.program(nil), func(p *object.Program) { p.Flags = 1 << 20 }), einval, ""),

		c("call outside", plain(callSub(1000)), einval, "call to invalid destination"),
		c("address of a function outside", plain(address(isa.PseudoFunc, -50, 0)), einval, "call to invalid destination"),
		c("call outside, bad descriptor", badFD(plain(address(isa.PseudoMapFD, 999, 0), callSub(1000))), einval, "call to invalid destination"),
		c("jump outside", plain(jumpOut), einval, "jump out of range from insn 0 to 1001"),
		c("jump into another function", w.program(code(callSub(3), one(0x15, 1, 0, 3, 0), ret0, ret0, ret0)), einval, "jump out of range from insn 1 to 5"),
		c("falls through", w.program(nop), einval, "last insn is not an exit or jmp"),
		c("function falls through", w.program(code(callSub(0), ret0)), einval, "last insn is not an exit or jmp"),
		c("jump outside, falls through", w.program(code(jumpOut, nop)), einval, "jump out of range from insn 0 to 1001"),
		c("unreachable", plain(unreachable), einval, "unreachable insn 1"),
		c("function never called", w.program(code(ret0, callSub(1), bare, ret0)), einval, "unreachable insn 2"),
		c("jump into an address", plain(one(0x15, 1, 0, 1, 0), address(0, 1, 1)), einval, "jump into the middle of ldimm64 insn 1"),
		c("jump over the first half of an address", plain(one(opJa, 0, 0, 1, 0), address(0, 1, 1)), einval, "unreachable insn 1"),

		c("unknown opcode", plain(one(0xff, 0, 0, 0, 0)), einval, "unknown opcode ff"),
		c("unknown opcode out of reach", plain(one(opJa, 0, 0, 1, 0), one(0xff, 0, 0, 0, 0)), einval, "unknown opcode ff"),
		c("sign-extending load of 8 bytes", plain(one(0x99, 0, 1, 0, 0)), einval, "unknown opcode 99"),
		c("load with an immediate", plain(one(0x61, 0, 1, 0, 5)), einval, "BPF_LDX uses reserved fields"),
		c("load with a strange mode", plain(one(0xa1, 0, 1, 0, 0)), einval, "BPF_LDX uses reserved fields"),
		c("store with an immediate is for the walk", plain(one(0x63, 10, 1, -8, 5)), 0, ""),
		c("second half with an opcode", plain(one(opLdImm64, 1, 0, 0, 0), ret0[:1]), einval, "invalid bpf_ld_imm64 insn"),
		c("second half with a register", plain(one(opLdImm64, 1, 0, 0, 0), one(0, 1, 0, 0, 0)), einval, "invalid bpf_ld_imm64 insn"),
		c("unknown kind of address", plain(address(9, 0, 0)), einval, "unrecognized bpf_ld_imm64 insn"),
		c("map with an offset", plain(address(isa.PseudoMapFD, arrayMap, 5)), einval, "unrecognized bpf_ld_imm64 insn"),
		c("no map", badFD(plain(address(isa.PseudoMapFD, 999, 0))), ebadf, "fd 999 is not pointing to valid bpf_map"),
		c("descriptor of something else", badFD(plain(address(isa.PseudoMapFD, 1, 0))), einval, "fd 1 is not pointing to valid bpf_map"),
		c("no map, but an offset", badFD(plain(address(isa.PseudoMapFD, 999, 3))), einval, "unrecognized bpf_ld_imm64 insn"),
		c("end of a value", plain(address(isa.PseudoMapValue, arrayMap, 8)), einval, "invalid access to map value pointer, value_size=8 off=8"),
		c("last byte of a value", plain(address(isa.PseudoMapValue, arrayMap, 7)), 0, ""),
		c("far beyond a value", plain(address(isa.PseudoMapValue, arrayMap, 1<<29)), einval, "direct value offset of 536870912 is not allowed"),
		c("value of one of two", plain(address(isa.PseudoMapValue, pairMap, 0)), enotsupp, "invalid access to map value pointer, value_size=8 off=0"),
		c("value of a hash", plain(address(isa.PseudoMapValue, hashMap, 0)), einval, "no direct value access support for this map type"),
		c("kernel symbol that is a type", plain(address(isa.PseudoBTFID, 1, 0)), einval, "pseudo btf_id 1 in ldimm64 isn't KIND_VAR or KIND_FUNC"),
		c("kernel symbol that is not", plain(address(isa.PseudoBTFID, -1, 0)), enoent, "ldimm64 insn specifies invalid btf_id -1."),
		c("kernel symbol of a module", plain(address(isa.PseudoBTFID, 1, 5)), einval, "invalid module BTF object FD specified."),
		c("unknown opcode, then no map", plain(one(0xff, 0, 0, 0, 0), address(isa.PseudoMapValue, hashMap, 0)), einval, "unknown opcode ff"),
		c("no map, then unknown opcode", plain(address(isa.PseudoMapValue, hashMap, 0), one(0xff, 0, 0, 0, 0)), einval, "no direct value access support for this map type"),
		c("no map, unreachable", plain(unreachable, address(isa.PseudoMapValue, hashMap, 0)), einval, "no direct value access support for this map type"),

		c("lock in a socket filter", plain(address(isa.PseudoMapFD, lockMap, 0)), einval, "socket filter progs cannot use bpf_spin_lock yet"),
		c("lock in a kprobe", typ(progKprobe, plain(address(isa.PseudoMapFD, lockMap, 0))), einval, "tracing progs cannot use bpf_spin_lock yet"),
		c("timer in a kprobe", typ(progKprobe, plain(address(isa.PseudoMapFD, timerMap, 0))), einval, "tracing progs cannot use bpf_timer yet"),
		c("timer in a socket filter", plain(address(isa.PseudoMapFD, timerMap, 0)), 0, ""),
		c("lock before offset", plain(address(isa.PseudoMapValue, lockMap, 1<<30)), einval, "socket filter progs cannot use bpf_spin_lock yet"),
		c("two cgroup storages", plain(address(isa.PseudoMapFD, storageMap, 0), address(isa.PseudoMapFD, storageMap2, 0)), ebusy, "only one cgroup storage of each type is allowed"),
		c("cgroup storages of two types", plain(address(isa.PseudoMapFD, storageMap, 0), address(isa.PseudoMapFD, percpuStorageMap, 0)), 0, ""),
		c("two arenas", plain(address(isa.PseudoMapFD, arenaMap, 0), address(isa.PseudoMapFD, arenaMap2, 0)), ebusy, "Only one arena per program"),
		c("prog array and sleep", of(plain(address(isa.PseudoMapFD, progMap, 0)), func(p *object.Program) { p.Type, p.Flags = progKprobe, flagSleepable }),
			einval, "Sleepable programs can only use array, hash, ringbuf and local storage maps"),

		c("sleep in a socket filter", of(plain(), func(p *object.Program) { p.Flags = flagSleepable }), einval,
			"Only fentry/fexit/fmod_ret, lsm, iter, uprobe, and struct_ops programs can be sleepable"),
		c("sleep in a socket filter, unreachable", of(plain(unreachable), func(p *object.Program) { p.Flags = flagSleepable }), einval, "unreachable insn 1"),
		c("syscall program that does not sleep", typ(progSyscall, plain()), einval, "Syscall programs can only be sleepable"),
		c("tracing without a target", of(plain(), func(p *object.Program) { p.Type, p.AttachType = progTracing, attachRawTP }), einval, "Tracing programs must provide btf_id"),
		c("tracepoint that is a number", of(plain(), func(p *object.Program) { p.Type, p.AttachType, p.AttachID = progTracing, attachRawTP, 1 }), einval, "attach_btf_id 1 is not a typedef"),
		c("iterator that is a number", of(plain(), func(p *object.Program) { p.Type, p.AttachType, p.AttachID = progTracing, attachIter, 1 }), einval, "attach_btf_id 1 is not a function"),
		c("struct_ops without a struct", typ(progStructOps, plain()), enotsupp, ""),
		c("struct_ops of a number", of(plain(), func(p *object.Program) { p.Type, p.AttachID = progStructOps, 1 }), enotsupp, "attach_btf_id 1 is not a supported struct"),
		c("struct_ops without the GPL", of(plain(), func(p *object.Program) { p.Type, p.License = progStructOps, "MIT" }), einval, "struct ops programs must have a GPL compatible license"),

		c("kfunc without the GPL", of(plain(callKfunc(1)), func(p *object.Program) { p.License = "MIT" }), einval, "cannot call kernel function from non-GPL compatible program"),
		c("kfunc that is a number", plain(callKfunc(1)), einval, "kernel btf_id 1 is not a function"),
		c("kfunc that is a number, call outside", plain(callKfunc(1), callSub(1000)), einval, "kernel btf_id 1 is not a function"),
		c("kfunc that is a number, jump outside", plain(jumpOut, callKfunc(1)), einval, "kernel btf_id 1 is not a function"),
		c("kfunc of a module", plain(one(opCall, 0, isa.PseudoCallKfunc, -1, 5)), einval, "failed to find BTF for kernel function"),

		c("func_info", w.typed(two(), 0, id(mainFunc), 2, id(staticFunc)), 0, ""),
		c("func_info for one of two", w.typed(two(), 0, id(mainFunc)), einval, "number of funcs in func_info doesn't match number of subprogs"),
		c("func_info in the wrong place", w.typed(two(), 0, id(mainFunc), 3, id(staticFunc)), einval, "func_info BTF section doesn't match subprog layout in BPF program"),
		c("func_info not from 0", w.typed(two(), 1, id(mainFunc)), einval, "nonzero insn_off 1 for the first func info record"),
		c("func_info backwards", w.typed(two(), 0, id(mainFunc), 0, id(staticFunc)), einval, "same or smaller insn offset (0) than previous func info record (0)"),
		c("func_info of a number", w.typed(two(), 0, w.others[1]), einval, "invalid type id "+itoa(w.others[1])+" in func info"),
		c("func_info records too short", of(w.typed(two(), 0, id(mainFunc)), func(p *object.Program) { p.FuncRec = 4 }), einval, "invalid func info rec size 4"),
		c("func_info records with something behind", of(w.typed(two(), 0, id(mainFunc), 1), func(p *object.Program) { p.FuncRec = 12 }), e2big, "nonzero tailing record in func info"),
		c("func_info of a number, call outside", w.typed(plain(callSub(1000)), 0, w.others[1]), einval, "invalid type id "+itoa(w.others[1])+" in func info"),
		c("func_info for one of two, jump outside", w.typed(w.program(code(jumpOut, callSub(1), bare, ret0)), 0, id(mainFunc)), einval, "jump out of range from insn 0 to 1001"),

		c("exception callback", w.typed(w.program(threeSubs), 0, id(handlerFunc), 3, id(staticFunc), 5, id(globalFunc)), 0, ""),
		c("exception callback without a function", w.typed(w.program(code(callSub(2), ret0, ret0)), 0, id(handlerFunc), 3, id(staticFunc)), einval, "exception callback type id not found in func_info"),

		c("line_info", w.lined(two(), line(0, 2)...), 0, ""),
		c("line_info without main", w.lined(two(), line(2)...), einval, "missing bpf_line_info for func#0"),
		c("line_info without the other", w.lined(two(), line(0)...), einval, "missing bpf_line_info for 1 funcs starting from func#1"),
		c("line_info backwards", w.lined(two(), line(0, 2, 1)...), einval, "Invalid line_info[2].insn_off:1 (prev_offset:2 prog->len:4)"),
		c("line_info outside", w.lined(two(), line(0, 2, 9)...), einval, "Invalid line_info[2].insn_off:9 (prev_offset:2 prog->len:4)"),
		c("line_info of a second half", w.lined(plain(address(0, 1, 1)), line(0, 1)...), einval, "Invalid insn code at line_info[1].insn_off"),
		c("line_info without its text", w.lined(plain(), 0, 0, 9999, 0), einval, "Invalid line_info[0].line_off or .file_name_off"),
		c("line_info, bad descriptor", badFD(w.lined(plain(address(isa.PseudoMapFD, 999, 0)), line(1)...)), einval, "Invalid insn code at line_info[0].insn_off"),

		c("tail call in an untyped function", tail(), einval, "tail_call is not allowed in subprogs without BTF"),
		c("tail call in a function of an int", w.typed(tail(), 0, id(mainFunc), 2, id(staticFunc)), 0, ""),
		c("tail call in a function of nothing", w.typed(tail(), 0, id(mainFunc), 2, id(staticVoid)), einval, "tail_call is only allowed in functions that return 'int'."),
		c("tail call in a function of a pointer", w.typed(tail(), 0, id(mainFunc), 2, id(staticPointer)), einval, "tail_call is only allowed in functions that return 'int'."),
		c("LD_ABS in an untyped function", abs(), einval, "LD_ABS is not allowed in subprogs without BTF"),
		c("LD_ABS in a function of nothing", w.typed(abs(), 0, id(mainFunc), 3, id(staticVoid)), einval, "LD_ABS is only allowed in functions that return 'int'."),
		c("LD_ABS in main", w.program(code(nop, one(0x20, 0, 0, 0, 0), callSub(1), bare, ret0)), 0, ""),
	}
}

// itoa spells a small number.
func itoa(n uint32) string {
	if n < 10 {
		return string('0' + rune(n))
	}
	return itoa(n/10) + string('0'+rune(n%10))
}

func TestFaultsAreLinux(t *testing.T) {
	w := newWorld(t)
	live := w.ask(t)
	if !live {
		w.kernel = w.btf // its first types are no functions either
	}
	for _, c := range w.faultCases() {
		t.Run(c.name, func(t *testing.T) {
			if live {
				got, _ := w.kernelAnswer(t, c.p, 1)
				assert.Equal(t, c.want, got, "the running kernel")
			}
			if !live && strings.Contains(c.name, " number") {
				t.Skip("needs the kernel's BTF")
			}
			_, got := prepareAnswer(c.p, Options{KernelBTF: w.kernel})
			assert.Equal(t, c.want, got)
		})
	}
}

func TestMapsPerProgram(t *testing.T) {
	w := newWorld(t)
	var insns []isa.Insn
	var maps []*object.Map
	for i := range int32(maxMaps + 1) {
		maps = append(maps, &object.Map{Name: "m", Type: mapArray, KeySize: 4, ValueSize: 4, MaxEntries: 1})
		insns = append(insns, address(isa.PseudoMapFD, i, 0)...)
	}
	for n, want := range map[int]answer{
		maxMaps:     {},
		maxMaps + 1: {e2big, "The total number of maps per program has reached the limit of 64"},
	} {
		p := w.program(code(insns[:2*n], address(isa.PseudoMapFD, 0, 0), ret0))
		p.Maps = maps
		in, got := prepareAnswer(p, Options{})
		assert.Equal(t, want, got)
		if in != nil {
			assert.Len(t, in.UsedMaps, n, "a map named twice counts once")
		}
	}
}

func TestSubprogramLimit(t *testing.T) {
	w := newWorld(t)
	build := func(subs int) *object.Program {
		var insns []isa.Insn
		for i := range subs {
			insns = append(insns, callSub(int32(subs+1-i+2*i))...)
		}
		insns = append(insns, ret0...)
		for range subs {
			insns = append(insns, ret0...)
		}
		return w.program(code(insns))
	}
	in, got := prepareAnswer(build(maxSubprogs-1), Options{})
	assert.Equal(t, answer{}, got)
	assert.Len(t, in.Subprogs, maxSubprogs)
	_, got = prepareAnswer(build(maxSubprogs), Options{})
	assert.Equal(t, answer{e2big, "too many subprograms"}, got)
}
