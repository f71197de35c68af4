// Package isa is the eBPF instruction set as one table, and what is read from it: decoding,
// encoding, validity, text in both directions, and the one concrete meaning of every ALU and jump
// operation. It knows nothing about Linux, maps or helpers.
//
// Sources: RFC 9669 for v1 to v4, the UAPI header linux/bpf.h for what came after, and the
// verifier log of Linux 6.18 for the spelling.
package isa

// An Op is what an instruction does, whatever its width and whether its operand is a register or an
// immediate. The zero Op is Invalid: no instruction.
type Op uint8

// Operations. The comment is the meaning; d is the destination, s the source operand (register or
// immediate), all arithmetic modulo 2^w where w is Insn.Size*8.
const (
	Invalid Op = iota

	Add           // d += s
	Sub           // d -= s
	Mul           // d *= s
	Div           // d /= s unsigned; 0 if s == 0
	SDiv          // d s/= s signed, truncating; 0 if s == 0, d if d is the minimum and s is -1
	Or            // d |= s
	And           // d &= s
	Lsh           // d <<= s mod w
	Rsh           // d >>= s mod w, zero-filling
	Neg           // d = -d
	Mod           // d %= s unsigned; d if s == 0
	SMod          // d s%= s signed, sign of d; d if s == 0, 0 if s is -1
	Xor           // d ^= s
	Mov           // d = s
	MovSX         // d = the low Insn.Off bits of s, sign-extended to w
	Arsh          // d s>>= s mod w, sign-filling
	ToLE          // d = the low Insn.Imm bits of d as little-endian, zero-extended
	ToBE          // d = the low Insn.Imm bits of d as big-endian, zero-extended
	Bswap         // d = the low Insn.Imm bits of d with bytes reversed, zero-extended
	AddrSpaceCast // d = s converted between address spaces; Imm holds destination<<16 | source
	MovPerCPU     // d = s + this CPU's offset (internal: only JITs and the kernel's fixups emit it)

	Ja      // goto Off (class JMP) or goto Imm (class JMP32, "gotol")
	Jeq     // if d == s
	Jgt     // if d > s unsigned
	Jge     // if d >= s unsigned
	Jset    // if d & s
	Jne     // if d != s
	Jsgt    // if d > s signed
	Jsge    // if d >= s signed
	Jlt     // if d < s unsigned
	Jle     // if d <= s unsigned
	Jslt    // if d < s signed
	Jsle    // if d <= s signed
	MayGoto // goto Off once the loop budget of the run is used up
	Call    // r0 = helper number Imm (r1 … r5)
	CallSub // r0 = subprogram at this instruction + 1 + Imm (r1 … r5)
	CallKfn // r0 = kernel function with BTF id Imm in the module fd_array[Off] (r1 … r5)
	CallX   // r0 = function at address in d: decodes, and no Linux accepts it
	JaX     // goto address in d ("gotox"): decodes, and 6.18 does not accept it
	Exit    // return r0

	Load      // d = zero-extended *(Size)(s + Off)
	LoadSX    // d = sign-extended *(Size)(s + Off)
	Store     // *(Size)(d + Off) = s
	StoreImm  // *(Size)(d + Off) = Imm sign-extended
	AtomicAdd // lock *(Size)(d + Off) += s
	AtomicOr  // lock *(Size)(d + Off) |= s
	AtomicAnd // lock *(Size)(d + Off) &= s
	AtomicXor // lock *(Size)(d + Off) ^= s
	FetchAdd  // s = atomic_fetch_add((Size *)(d + Off), s)
	FetchOr   // s = atomic_fetch_or((Size *)(d + Off), s)
	FetchAnd  // s = atomic_fetch_and((Size *)(d + Off), s)
	FetchXor  // s = atomic_fetch_xor((Size *)(d + Off), s)
	Xchg      // s = atomic_xchg((Size *)(d + Off), s)
	CmpXchg   // r0 = atomic_cmpxchg((Size *)(d + Off), r0, s)
	LoadAcq   // d = load_acquire((Size *)(s + Off))
	StoreRel  // store_release((Size *)(d + Off), s)
	LdImm64   // d = 64-bit immediate, or what Src as Pseudo* says; takes two slots
	LdImm64Hi // the second slot of LdImm64; never executed by itself
	LdAbs     // r0 = ntoh(*(Size *)skb[Imm])
	LdInd     // r0 = ntoh(*(Size *)skb[s + Imm])

	NumOps // number of operations, Invalid included
)

// Reg is a register number. R10 is the read-only frame pointer. 11 to 15 can be encoded and are
// refused as "R11 is invalid".
type Reg uint8

// Registers.
const (
	R0 Reg = iota
	R1
	R2
	R3
	R4
	R5
	R6
	R7
	R8
	R9
	R10
	NumRegs = 11
)

// Values of Src in an LdImm64.
const (
	PseudoNone        = 0 // a plain 64-bit constant
	PseudoMapFD       = 1 // address of the map; Imm is an index into object.Program.Maps
	PseudoMapValue    = 2 // address of the map's value 0 plus the second slot's Imm
	PseudoBTFID       = 3 // address of the kernel variable with BTF id Imm
	PseudoFunc        = 4 // address of the subprogram at this instruction + 1 + Imm
	PseudoMapIdx      = 5 // like PseudoMapFD, Imm is an index into fd_array
	PseudoMapIdxValue = 6 // like PseudoMapValue, Imm is an index into fd_array
)

// Values of Src in a call.
const (
	PseudoCallHelper = 0
	PseudoCallSub    = 1
	PseudoCallKfunc  = 2
)
