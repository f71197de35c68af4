package verifier

import (
	"fmt"
	"strings"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/verifier/domain"
	"github.com/skepbpf/skep/verifier/internal/prepare"
)

// This file implements what older kernels do not know. How they say so depends on when they look: at opcodes before the
// walk, at other fields where the instruction is walked.

// uninitReads is a version in which programs may read the stack below all that they have written. It is the oldest one asked
// that lets them: 6.1.192 does, 5.10.262 does not, but lets them read bytes above that were not written.
var uninitReads = linux.V(6, 1)

// nullPropagation is the first version that learns from a comparison of two pointers that neither is NULL.
var nullPropagation = linux.V(6, 2)

// narrowFills is the oldest version asked that fills part of a spilled scalar as what it is.
var narrowFills = linux.V(6, 12)

// What follows came with the versions named, the oldest asked that have it.
var (
	smallFrames   = linux.V(6, 12) // frames take a multiple of 16 bytes, not 32
	knownCPUs     = linux.V(6, 12) // bpf_get_smp_processor_id returns the number of one
	packetEffects = linux.V(6, 12) // a tail call, or a global function that does, moves the packet
	tailReturns   = linux.V(6, 18) // a function returns where a tail call in it is made
	ldAbsReturns  = linux.V(6, 1)  // a function returns where LD_ABS finds no such byte
	untrustedMem  = linux.V(6, 18) // what a pointer in a kernel object points to may be read, whatever it is
	looseIDs      = linux.V(6, 12) // two ids are not taken for one when states are compared; loops are endless in equal states only
	dynptrReuse   = linux.V(6, 12) // a dynptr may be made where there is one
	kptrNames     = linux.V(6, 12) // "kptr" tags a pointer that is owned, "kptr_untrusted" another: was "kptr_ref" and "kptr"
	linkedSync    = linux.V(6, 18) // scalars with a distance are brought up to date as others are, and may be 32-bit sums
	namedRanges   = linux.V(6, 12) // what is returned is said in numbers, not in known bits
	helperReads   = linux.V(6, 18) // what helpers only read is as it was; before, they might have written it
	memBTF        = linux.V(6, 12) // kernel objects may be read as memory by helpers; keys and values of maps may lie in memory that is in no map
	oneMap        = linux.V(6, 12) // bpf_for_each_map_elem takes different maps at one place
)

// wholeSlots is the oldest version asked that counts the stack in slots of 8 bytes.
var wholeSlots = linux.V(6, 1)

// anyLoop is the oldest version asked that lets other instructions than jumps close a loop.
var anyLoop = linux.V(6, 12)

// A newInsn is an instruction that came with a feature.
type newInsn struct {
	feature linux.Feature
	message string // "": unknown opcode
}

// newOpcodes are instructions that are seen to be unknown before the walk.
var newOpcodes = map[isa.Op]newInsn{
	isa.MayGoto: {linux.FeatureMayGoto, ""},
	isa.Bswap:   {linux.FeatureByteSwap, ""},
	isa.LoadSX:  {linux.FeatureLoadSXInsn, "BPF_LDX uses reserved fields"},

	isa.AtomicOr: atomicFetch, isa.AtomicAnd: atomicFetch, isa.AtomicXor: atomicFetch, isa.FetchAdd: atomicFetch,
	isa.FetchOr: atomicFetch, isa.FetchAnd: atomicFetch, isa.FetchXor: atomicFetch, isa.Xchg: atomicFetch, isa.CmpXchg: atomicFetch,
}

var atomicFetch = newInsn{linux.FeatureAtomicFetch, "BPF_STX uses reserved fields"}

// newFields are instructions that are seen to be unknown where they are walked.
var newFields = map[isa.Op]newInsn{
	isa.MovSX:         {linux.FeatureMoveSX, "BPF_MOV uses reserved fields"},
	isa.AddrSpaceCast: {linux.FeatureAddrSpaceCast, "BPF_MOV uses reserved fields"},
	isa.SDiv:          {linux.FeatureSignedDivision, "BPF_ALU uses reserved fields"},
	isa.SMod:          {linux.FeatureSignedDivision, "BPF_ALU uses reserved fields"},
	isa.CallKfn:       {linux.FeaturePseudoKfuncCall, "BPF_CALL uses reserved fields"},
}

// unknownOpcode is what the kernel says of an opcode that it does not know, "" if it does.
func (w *walk) unknownOpcode(i *isa.Insn) string {
	n, ok := newOpcodes[i.Op]
	switch {
	case i.Op == isa.Ja && i.Opcode&7 == isa.ClassJMP32:
		n, ok = newInsn{linux.FeatureGotoLong, ""}, true
	case i.Opcode&7 == isa.ClassSTX && i.Imm != 0 && !w.k.Has(linux.FeatureAtomicFetch):
		n, ok = atomicFetch, true
	case (i.Op == isa.LoadAcq || i.Op == isa.StoreRel) && i.Size < 4:
		n, ok = newInsn{linux.FeatureLoadAcquire, ""}, true
	}
	switch {
	case !ok || w.k.Has(n.feature):
		return ""
	case n.message == "":
		return fmt.Sprintf("unknown opcode %02x", i.Opcode)
	}
	return n.message
}

// unknownFields refuses an instruction that is walked and that the kernel does not know.
func (w *walk) unknownFields(i *isa.Insn) error {
	if (i.Op == isa.LoadAcq || i.Op == isa.StoreRel) && !w.k.Has(linux.FeatureLoadAcquire) {
		return w.refuse(einval, "reserved-fields", "BPF_ATOMIC uses invalid atomic opcode %02x", i.Imm)
	}
	if n, ok := newFields[i.Op]; ok && !w.k.Has(n.feature) {
		return w.refuse(einval, "reserved-fields", "%s", n.message)
	}
	return nil
}

// old tells that the kernel lacks one of the features that the hot path asks for; then each instruction is looked at.
func old(k *linux.Kernel) bool {
	for _, n := range newFields {
		if !k.Has(n.feature) {
			return true
		}
	}
	return !k.Has(linux.FeatureLoadAcquire)
}

// wordings are texts of messages before they were changed, by the first release with the new one.
var helperWording = linux.V(6, 12)

// noHelper is how the kernel says that programs of the type may not call a helper.
func (w *walk) noHelper() string {
	if w.k.Version < helperWording {
		return "unknown func %s#%d"
	}
	return "program of this type cannot use helper %s#%d"
}

// sleepers is how the kernel says which programs may sleep, "" for the newest words.
func sleepers(k *linux.Kernel) string {
	switch {
	case k.Version < linux.V(6, 1):
		return "Only fentry/fexit/fmod_ret and lsm programs can be sleepable"
	case k.Version < linux.V(6, 12):
		return "Only fentry/fexit/fmod_ret, lsm, and kprobe/uprobe programs can be sleepable"
	}
	return ""
}

// typeWords are names of types in messages, and what older kernels say, who may not know the type.
var typeWords = []struct {
	since     linux.Version
	now, then string
}{
	{linux.V(6, 12), "ringbuf_mem", "alloc_mem"},
	{linux.V(6, 12), ", trusted_ptr_", ""},
	{linux.V(6, 1), "map_key, ", ""},
	{linux.V(6, 1), ", alloc_mem, buf", ", rdonly_buf, rdwr_buf"},
}

// oldTypes spells a list of types as the kernel does.
func (w *walk) oldTypes(list string) string {
	for _, t := range typeWords {
		if w.k.Version < t.since {
			list = strings.Replace(list, t.now, t.then, 1)
		}
	}
	return list
}

// deductions are what the kernel does not conclude before a version, the oldest asked that does.
var deductions = []struct {
	since linux.Version
	less  domain.Less
}{
	{linux.V(6, 18), domain.LessNeg | domain.LessSums | domain.LessMul | domain.LessSync},
	{linux.V(6, 12), domain.LessCompare | domain.LessApart | domain.LessMixed | domain.LessTrim},
}

func lessOf(k *linux.Kernel) (less domain.Less) {
	for _, d := range deductions {
		if k.Version < d.since {
			less |= d.less
		}
	}
	return less
}

// byVersion finds out, once, what the kernel does not know.
func (w *walk) byVersion() {
	k := w.k
	w.prep = prepare.Options{KernelBTF: w.opts.KernelBTF, AllSymbols: w.opts.AllSymbols, Helper: w.mayCall, Unknown: w.unknownOpcode,
		NoSleep: !k.MaySleep(linux.ProgType(w.p.Type)), Sleepers: sleepers(k),
		Straight: k.Version < anyLoop, Halves: k.Version < linux.V(6, 1),
		NoFuncPtr: !k.Has(linux.FeaturePseudoFunc), NoMemArgs: !k.Has(linux.FeatureGlobalFuncMemArgs),
		OldKptrs: k.Version < kptrNames, NoExceptions: !k.Has(linux.FeatureExceptions),
		AllFields: k.Version > linux.Default.Version, CallOnce: !k.Has(linux.FeatureCallbackFixpoint), NoFastcalls: !k.Has(linux.FeatureFastCall),
		NoArgTags: !k.Has(linux.FeatureGlobalFuncArgTags), NoKptrs: !k.Has(linux.FeatureKptrs), NoLocal: !k.Has(linux.FeatureLinkedLists)}
	w.old = old(k)
	w.spillIDs = k.Has(linux.FeatureSpillKeepsID)
	w.ids.loose = k.Version < looseIDs
	w.less = lessOf(k)
	w.oldSpills = k.Version < narrowFills
	w.strictStack = k.Version < uninitReads
}
