package isa

import "fmt"

// Error numbers of Linux that faults carry.
const (
	einval = 22
)

// A Fault is why Linux 6.18 refuses an instruction as such, whatever the program around it: its wording
// and its error number.
type Fault struct {
	Message string
	Errno   int
}

// Error is the message.
func (f *Fault) Error() string { return f.Message }

func faultf(format string, args ...any) *Fault {
	return &Fault{Message: fmt.Sprintf(format, args...), Errno: einval}
}

var (
	faultLDX     = faultf("BPF_LDX uses reserved fields")
	faultLdImm64 = faultf("invalid bpf_ld_imm64 insn")
	faultKind    = faultf("unrecognized bpf_ld_imm64 insn")
	faultSize    = faultf("invalid atomic operand size")
	faultCast    = faultf("addr_space_cast insn can only convert between address space 1 and 0")
	faultZero    = faultf("div by zero")
	faultJump    = faultf("BPF_JMP/JMP32 uses reserved fields")
)

// Linux finds what is wrong with instructions in two passes and, in the second, at several moments.
// The functions here are these moments, so that a caller who keeps to the order gives the same answer:
//
//   - Precheck, for every slot from 0 on, before any instruction is walked; dead code is not spared.
//     Where it meets an LdImm64 with a Pseudo kind, Linux resolves that before it looks at the next slot.
//   - Check, when an instruction is walked, before its registers are looked at.
//     (One thing comes earlier: whether the type of program may use LdAbs and LdInd.)
//   - CheckReg, for each register when it is read or written, before whether it may be read.
//     Of two operands the source is read first; a conditional jump reads its destination first.
//   - CheckJump, for a conditional jump, after its destination has been read and before its source is.
//   - CheckOperand, for arithmetic, after its operands have been read and before they are computed with.
//
// So an instruction that is never walked, because a branch before it has a known outcome, is accepted
// with a stray offset and refused with an unknown opcode.

// Precheck says what is wrong with a slot before any instruction is walked: an opcode that is none, a load
// with a stray field, an LdImm64 that is not whole. The second slot of an LdImm64 is not to be asked about.
func Precheck(insns []Insn, pc int) *Fault {
	i := &insns[pc]
	switch prechecks[i.Opcode] {
	case fine:
		return nil
	case loads:
		if i.Imm == 0 {
			return nil
		}
		return faultLDX
	case notLoads:
		if i.Imm == 0 && (i.Opcode&0xe0 == ModeMEM || i.Opcode&0xe0 == ModeMEMSX) {
			break
		}
		return faultLDX
	case imm64:
		return precheckImm64(insns, pc)
	}
	return faultf("unknown opcode %02x", i.Opcode)
}

func precheckImm64(insns []Insn, pc int) *Fault {
	if pc+1 >= len(insns) {
		return faultLdImm64
	}
	hi := &insns[pc+1]
	if hi.Opcode != 0 || hi.Dst != 0 || hi.Src != 0 || hi.Off != 0 {
		return faultLdImm64
	}
	switch insns[pc].Src {
	case PseudoNone, PseudoMapValue, PseudoBTFID, PseudoFunc, PseudoMapIdxValue:
		return nil
	case PseudoMapFD, PseudoMapIdx:
		if hi.Imm == 0 {
			return nil
		}
	}
	return faultKind
}

// A precheck is what Precheck has to look at besides the opcode.
type precheck uint8

const (
	unknown  precheck = iota
	fine              // nothing
	loads             // class LDX, an opcode that exists
	notLoads          // class LDX, none
	imm64             // LdImm64
)

var prechecks = makePrechecks()

func makePrechecks() (out [256]precheck) {
	for b := range out {
		d := &decodings[b]
		known := d.op != Invalid && !d.op.Info().Unknown || len(d.picks) > 0
		switch {
		case uint8(b)&7 == ClassLDX && known:
			out[b] = loads
		case uint8(b)&7 == ClassLDX:
			out[b] = notLoads
		case d.op == LdImm64:
			out[b] = imm64
		case known:
			out[b] = fine
		}
	}
	return out
}

// Check says what is wrong with the fields of an instruction when it is walked; see Precheck for the order.
// It does not look at registers that are read or written, nor at conditional jumps.
func Check(insns []Insn, pc int) *Fault { return insns[pc].check() }

func (i *Insn) check() *Fault {
	if i.Op >= NumOps {
		return faultf("unknown opcode %02x", i.Opcode)
	}
	r := &rules[i.Op]
	z := r.zero[b2i(i.SrcReg)]
	if z&FieldDst != 0 && i.Dst != 0 || z&FieldSrc != 0 && i.Src != 0 ||
		z&FieldOff != 0 && i.Off != 0 || z&FieldImm != 0 && i.Imm != 0 {
		if i.Op == MayGoto {
			return faultf("invalid may_goto imm %d", i.Imm)
		}
		return r.fault
	}
	if r.more {
		return i.checkMore()
	}
	return nil
}

// checkMore checks what is not said by fields that must be zero.
func (i *Insn) checkMore() *Fault {
	switch i.Op {
	case Invalid:
		switch {
		case i.Opcode == opCall:
			return rules[Call].fault
		case i.Opcode&7 == ClassSTX && i.Opcode&0xe0 == ModeATOMIC:
			return faultf("BPF_ATOMIC uses invalid atomic opcode %02x", uint32(i.Imm))
		}
		return faultf("unknown opcode %02x", i.Opcode)
	case CallX, JaX, LdImm64Hi:
		return faultf("unknown opcode %02x", i.Opcode)
	case Ja:
		if i.Opcode&7 == ClassJMP && i.Imm != 0 || i.Opcode&7 == ClassJMP32 && i.Off != 0 {
			return rules[Ja].fault
		}
	case MovSX:
		if i.Size == 4 && i.Off == 32 {
			return rules[Mov].fault
		}
	case MovPerCPU:
		return rules[Mov].fault
	case AddrSpaceCast:
		if i.Imm != 1 && i.Imm != 1<<16 {
			return faultCast
		}
	case ToLE, ToBE, Bswap:
		if i.Imm != 16 && i.Imm != 32 && i.Imm != 64 {
			return rules[ToLE].fault
		}
	default: // atomics
		if i.Size&uint8(Table[i.Op].Sizes) == 0 {
			return faultSize
		}
	}
	return nil
}

// CheckReg says that there is no such register. See Precheck for when to ask.
func CheckReg(r Reg) *Fault {
	if r < NumRegs {
		return nil
	}
	return faultf("R%d is invalid", r)
}

// CheckJump says what is wrong with the operand of a conditional jump; see Precheck for when to ask. The
// jump's destination has been read by then, its source register has not.
func CheckJump(i *Insn) *Fault {
	if i.SrcReg && i.Imm != 0 || !i.SrcReg && i.Src != 0 {
		return faultJump
	}
	return nil
}

// CheckOperand says that a division by the immediate 0, or a shift by an immediate as wide as the operand
// or wider, is none. See Precheck for when to ask.
func CheckOperand(i *Insn) *Fault {
	if i.SrcReg {
		return nil
	}
	switch i.Op {
	case Div, SDiv, Mod, SMod:
		if i.Imm == 0 {
			return faultZero
		}
	case Lsh, Rsh, Arsh:
		if uint32(i.Imm) >= uint32(i.Size)*8 {
			return faultf("invalid shift %d", i.Imm)
		}
	}
	return nil
}

// CheckAll says what is wrong with any instruction of a program, walked or not, and where: all of the above
// at once, for those who want a program without a flaw in its instructions. It is stricter than Linux.
func CheckAll(insns []Insn) (pc int, f *Fault) {
	for pc = 0; pc < len(insns); pc++ {
		if f = Precheck(insns, pc); f != nil {
			return pc, f
		}
		i := &insns[pc]
		if f = i.check(); f == nil {
			f = i.checkRegs()
		}
		if f == nil && i.Op.IsCond() {
			f = CheckJump(i)
		}
		if f == nil {
			f = CheckOperand(i)
		}
		if f != nil {
			return pc, f
		}
		pc += i.Slots() - 1
	}
	return 0, nil
}

// checkRegs says which register of the operands does not exist.
func (i *Insn) checkRegs() *Fault {
	dst, src := i.Operands()
	if src {
		if f := CheckReg(i.Src); f != nil {
			return f
		}
	}
	if dst {
		return CheckReg(i.Dst)
	}
	return nil
}

// Operands tells whether Dst and Src are registers that the instruction reads or writes. Registers that
// it uses unnamed, such as those of a call, are not meant.
func (i *Insn) Operands() (dst, src bool) {
	switch i.Op.Info().Form {
	case FormBinary, FormBranch:
		return true, i.SrcReg
	case FormUnary, FormEndian, FormStoreImm, FormImm64, FormCallX, FormJumpX:
		return true, false
	case FormExtend, FormCast, FormPerCPU, FormLoad, FormStore, FormAtomic, FormFetch, FormAcquire, FormRelease:
		return true, true
	case FormInd:
		return false, true
	}
	return false, false
}

// opCall is the opcode of the calls that exist, and of those that Src makes none.
const opCall = ClassJMP | 0x80

// A rule is what Check looks at for an operation.
type rule struct {
	zero  [2]Field // fields that must be zero, by Insn.SrcReg
	more  bool     // checkMore has something to say
	fault *Fault   // for a field that is not zero
}

var rules = makeRules()

func makeRules() (out [NumOps]rule) {
	names := map[Form]string{FormBinary: "ALU", FormUnary: "NEG", FormExtend: "MOV", FormEndian: "END", FormCast: "MOV",
		FormPerCPU: "MOV", FormJump: "JA", FormCall: "CALL", FormExit: "EXIT", FormStore: "STX", FormStoreImm: "ST",
		FormImm64: "LD_IMM64", FormAbs: "LD_[ABS|IND]", FormInd: "LD_[ABS|IND]"}
	for op := range Table {
		info := &Table[op]
		r := &out[op]
		r.zero = [2]Field{info.Zero, info.Zero}
		if info.By != 0 && len(info.Vals) == 0 {
			r.zero[0] |= info.By
			r.zero[1] |= info.By
		}
		switch info.Form {
		case FormBinary:
			r.zero[0] |= FieldSrc
			r.zero[1] |= FieldImm
		case FormLoad: // Precheck's
			r.zero = [2]Field{}
		}
		name := names[info.Form]
		if Op(op) == Mov {
			name = "MOV"
		}
		r.fault = faultf("BPF_%s uses reserved fields", name)
		switch Op(op) {
		case Invalid, CallX, JaX, LdImm64Hi, Ja, MovSX, MovPerCPU, AddrSpaceCast, ToLE, ToBE, Bswap:
			r.more = true
		}
		r.more = r.more || Op(op).IsAtomic()
	}
	return out
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
