// Package prepare is what the verifier does before it walks a program: it refuses what Linux refuses
// without executing an instruction, in Linux's order and with its words, and works out everything that
// does not depend on the values in registers: subprograms, control flow, the instructions at which
// states are kept, loops, live registers, the types of global functions, and the special fields of map
// values.
//
// The rules were learnt from a running Linux 6.18: by loading programs with one fault or with two, and by
// reading its log at level 2.
package prepare

import (
	"fmt"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/object"
)

// Options are what, besides the program, decides the answer.
type Options struct {
	// KernelBTF is the kernel's own type information: kernel functions and variables, attach targets.
	// Without it, what needs it is reported in Info.Unsupported.
	KernelBTF *object.BTF
	// AllSymbols says that the kernel knows the addresses of its variables by name (CONFIG_KALLSYMS_ALL), as
	// most do.
	AllSymbols bool
	// Helper and Kfunc say whether programs of the type may call a helper or a kernel function. Linux does not
	// know the arguments of one that may not be called, and takes all five for read. nil: all may.
	Helper func(id int32) bool
	Kfunc  func(name string) bool
	// Unknown gives the message with which a kernel refuses an instruction that it does not know, "" if it does. nil: it
	// knows all.
	Unknown func(i *isa.Insn) string
	// NoArgTags says that the kernel does not know the declaration tags of functions' arguments.
	NoArgTags bool
	// NoKptrs and NoLocal say that the kernel does not know pointers to objects in maps, or objects of programs' own types.
	NoKptrs, NoLocal bool
	// OldKptrs says that it knows the tags of the first such pointers; NoExceptions that it knows no callback of exceptions.
	OldKptrs, NoExceptions bool
	// NoFuncPtr says that the kernel does not know addresses of functions; NoMemArgs that global functions take no pointers
	// but that to the context.
	NoFuncPtr, NoMemArgs bool
	// CallOnce says that callbacks are walked once only.
	CallOnce bool
	// NoFastcalls says that the kernel does not know calls that leave registers alone.
	NoFastcalls bool
	// AllFields says that the fields of instructions are looked at where they are never executed, too.
	AllFields bool
	// Straight says that loops must be closed by jumps: the kernel refuses one that an instruction that just goes on, or a
	// call, closes. Halves says that it takes the two slots of an LdImm64 for two instructions there.
	Straight, Halves bool
	// NoSleep says that programs of the type may not sleep, where the newest kernels let them.
	NoSleep bool
	// Sleepers is how the kernel says which programs may, "" for the newest kernels' words.
	Sleepers string
}

// A Fault is a refusal.
type Fault struct {
	Errno   int      // as in Linux, positive
	Message string   // the kernel's wording; "" if bpf(2) refuses without a word
	Insn    int      // slot that is to blame, -1 if none
	Code    string   // skep's stable name for the refusal: "jump-out-of-range"
	Lines   []string // what the log has before Message, at level 2

	Functions int // of the program, as far as they had been found
}

// Error gives the kernel's message, or where it has none, the code.
func (f *Fault) Error() string {
	if f.Message == "" {
		return fmt.Sprintf("%s (errno %d)", f.Code, f.Errno)
	}
	return f.Message
}

// Numbers of Linux errors, which are the same on every machine that Linux runs on but Alpha, MIPS, PA-RISC and
// SPARC; they are those of the kernel that is modelled, not of the one that runs skep.
const (
	enoent     = 2
	e2big      = 7
	ebadf      = 9
	ebusy      = 16
	eexist     = 17
	einval     = 22
	erange     = 34
	eproto     = 71
	eopnotsupp = 95
	enotsupp   = 524
)

// fault makes a Fault about the slot pc.
func fault(errno, pc int, code, format string, args ...any) *Fault {
	return &Fault{Errno: errno, Message: fmt.Sprintf(format, args...), Insn: pc, Code: code}
}

// Flags say how the walk treats a slot.
type Flags uint8

// Values of Flags.
const (
	// PrunePoint: before this slot a state may be kept, and is compared with those kept here.
	PrunePoint Flags = 1 << iota
	// ForceCheckpoint: a state is kept here at every visit, however few instructions have passed.
	ForceCheckpoint
	// JumpPoint: the slot before this one need not have been executed before it, so a step to it belongs in
	// the path's history.
	JumpPoint
	// CallsCallback: the call may enter a callback, any number of times, before it returns.
	CallsCallback
	// Target: some jump goes here.
	Target
	// FastcallSlot: the slot saves or restores a register around a call that leaves it alone.
	FastcallSlot
)

// Info is what is known of a program before it is walked. It is immutable.
type Info struct {
	Program  *object.Program
	Subprogs []Subprog // by Start; the main program is number 0

	// All of these have an element for every slot.
	Flags  []Flags
	LiveIn []uint16 // registers that may be read before they are written: bit n is Rn; without R10
	SCC    []int    // strongly connected component (loop) that the slot is in, 0: none
	SubOf  []int    // index into Subprogs

	// Postorder lists the slots of each subprogram, subprogram after subprogram, successors first as far as
	// there are no loops.
	Postorder []int

	// Sleepable tells that the program may sleep: it asked to, and its type can.
	Sleepable bool
	// GPL tells that the licence is compatible with it.
	GPL bool
	// AttachName and AttachProto are what the program is attached to: of a tracepoint its name and the type of
	// its probe, whose first argument the program does not see; of a struct_ops member, an iterator or a function,
	// that. "" and nil for other types.
	AttachName  string
	AttachProto *btf.FuncProto
	// UsedMaps are indices into Program.Maps of the maps that instructions name, in the order in which they do.
	UsedMaps []int
	// Fields are the special fields of the values of Program.Maps; nil, or with nil elements, where there are none.
	Fields []*Fields

	// Unsupported says why prepare cannot tell whether Linux would refuse; "" if it can.
	Unsupported string

	options Options
	kernel  *btf.Spec
	funcs   []funcRec
	kfunc   func(pc int) *kfunc
}

// A Subprog is a function of the program.
type Subprog struct {
	Start, End int // slots [Start, End)
	// Name, Type (the id of the function in the program's BTF), Proto and Global come from func_info; without it
	// they are zero. A global function is verified once, for all arguments that its type allows.
	Name   string
	Type   uint32
	Proto  *btf.FuncProto
	Global bool
	// Signature is what Proto says of arguments, nil without func_info.
	Signature *Signature

	HasTailCall bool // calls bpf_tail_call itself
	HasLdAbs    bool // uses LD_ABS or LD_IND itself
	// ChangesPacket and MightSleep hold of the function or of any that it calls.
	ChangesPacket bool
	MightSleep    bool

	IsCallback  bool // its address is taken: it may be called by a helper
	IsException bool // it is called by bpf_throw

	// HasFastcall tells that there are FastcallSlots. If the function's stack is touched below FastcallOff (from
	// the frame pointer) by them alone, it is -FastcallOff bytes deep.
	HasFastcall bool
	FastcallOff int16

	Calls []int // subprograms that it calls, ascending and without repetition
	Takes []int // subprograms whose address it takes
}

// Prepare checks the program as Linux does before it walks it. Either the Info or the Fault is nil.
func Prepare(p *object.Program, o Options) (*Info, *Fault) {
	in := &Info{Program: p, options: o, Sleepable: p.Flags&flagSleepable != 0, GPL: isGPL(p.License)}
	if o.KernelBTF != nil {
		in.kernel = o.KernelBTF.Spec
	}
	in.kfunc = kfuncTable(p, o.KernelBTF)
	for n, stage := range []func() *Fault{
		in.checkAttributes, in.readFuncs, in.findSubprogs, in.checkJumps, in.matchFuncs, in.checkLines, in.resolve,
		in.checkBackEdges, in.checkFlow, in.checkAttach} {
		if f := stage(); f != nil {
			f.Lines, f.Functions = in.HeadLines(), max(f.Functions, len(in.Subprogs))
			if n >= 2 {
				f.Functions = max(f.Functions, 1)
			}
			return nil, f
		}
	}
	in.signatures()
	in.findLoops()
	in.findLive()
	if !o.NoFastcalls {
		in.findFastcalls()
	}
	return in, nil
}

// unsupported notes why the answer may be wrong.
func (in *Info) unsupported(format string, args ...any) {
	if in.Unsupported == "" {
		in.Unsupported = fmt.Sprintf(format, args...)
	}
}

// Subprog gives the index of the subprogram that starts at the slot, -1 if none does.
func (in *Info) Subprog(start int) int {
	for i := range in.Subprogs {
		if in.Subprogs[i].Start == start {
			return i
		}
	}
	return -1
}

// Reads gives the registers that the instruction at the slot may read, as bits, without R10.
func (in *Info) Reads(pc int) uint16 { r, _ := in.uses(pc); return r }

// Writes gives the registers that the instruction at the slot writes or destroys, as bits.
func (in *Info) Writes(pc int) uint16 { _, w := in.uses(pc); return w }

// callTarget is the slot that a call of a subprogram, or the address of one, names. ok tells that it is either.
func callTarget(insns []isa.Insn, pc int) (target int, ok bool) {
	i := &insns[pc]
	switch {
	case i.Opcode == opCall && i.Src == isa.PseudoCallSub, i.Opcode == opLdImm64 && i.Src == isa.PseudoFunc:
		return pc + 1 + int(i.Imm), true
	}
	return 0, false
}
