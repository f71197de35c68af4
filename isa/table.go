package isa

// Instruction classes: the three low bits of an opcode.
const (
	ClassLD    = 0 // ld_imm64 and legacy packet loads
	ClassLDX   = 1 // load into a register
	ClassST    = 2 // store an immediate
	ClassSTX   = 3 // store a register, atomics
	ClassALU   = 4 // 32-bit arithmetic
	ClassJMP   = 5 // 64-bit comparisons, calls, exit
	ClassJMP32 = 6 // 32-bit comparisons
	ClassALU64 = 7 // 64-bit arithmetic
)

// Modes: the three high bits of an opcode of the classes LD, LDX, ST and STX.
const (
	ModeIMM    = 0x00
	ModeABS    = 0x20
	ModeIND    = 0x40
	ModeMEM    = 0x60
	ModeMEMSX  = 0x80
	ModeATOMIC = 0xc0
)

// Bits of an opcode's source operand (classes ALU, ALU64, JMP and JMP32).
const (
	SourceK = 0x00 // the immediate
	SourceX = 0x08 // the register Src
)

// Classes is a set of instruction classes.
type Classes uint8

// Sets of classes.
const (
	inLD    Classes = 1 << ClassLD
	inLDX   Classes = 1 << ClassLDX
	inST    Classes = 1 << ClassST
	inSTX   Classes = 1 << ClassSTX
	inALU   Classes = 1 << ClassALU
	inJMP   Classes = 1 << ClassJMP
	inJMP32 Classes = 1 << ClassJMP32
	inALU64 Classes = 1 << ClassALU64
	anyALU          = inALU | inALU64
	anyJMP          = inJMP | inJMP32
)

// Has tells that the class is in the set.
func (c Classes) Has(class uint8) bool { return c>>(class&7)&1 != 0 }

// A Form is the operands of an operation: which fields it reads, and how it is written.
type Form uint8

// Forms. The comment is how the kernel writes it; a is Dst, b is Src, o is Off, i is Imm.
const (
	NoForm       Form = iota
	FormBinary        // a += b, a += i
	FormUnary         // a = -a
	FormExtend        // a = (s8)b
	FormEndian        // a = le16 a
	FormCast          // a = addr_space_cast(b, 0, 1)
	FormPerCPU        // a = &(void __percpu *)(b)
	FormJump          // goto pc+o, gotol pc+i
	FormBranch        // if a == b goto pc+o
	FormMayGoto       // may_goto pc+o
	FormCall          // call name#i, call pc+i
	FormCallX         // callx a
	FormJumpX         // gotox a
	FormExit          // exit
	FormLoad          // a = *(u8 *)(b +o)
	FormStore         // *(u8 *)(a +o) = b
	FormStoreImm      // *(u8 *)(a +o) = i
	FormAtomic        // lock *(u64 *)(a +o) += b
	FormFetch         // b = atomic64_fetch_add((u64 *)(a +o), b)
	FormAcquire       // a = load_acquire((u64 *)(b +o))
	FormRelease       // store_release((u64 *)(a +o), b)
	FormImm64         // a = i
	FormImm64Hi       // second slot
	FormAbs           // r0 = *(u32 *)skb[i]
	FormInd           // r0 = *(u32 *)skb[b + i]
)

// A Field is one of an instruction's fields besides the opcode, and a Fields a set of them.
type Field uint8

// Fields.
const (
	FieldDst Field = 1 << iota
	FieldSrc
	FieldOff
	FieldImm
)

// A Group is a conformance group of RFC 9669, without the width: "base32" and "base64" are one Group.
type Group uint8

// Groups.
const (
	GroupNone   Group = iota // not in RFC 9669
	GroupBase                // base32, base64
	GroupDivMul              // divmul32, divmul64
	GroupAtomic              // atomic32, atomic64
	GroupPacket              // packet
)

// Widths is a set of widths in bytes (1, 2, 4, 8): the sum of them.
type Widths uint8

// Sources is which source operands an operation takes.
type Sources uint8

// Source operands.
const (
	FromK   Sources = 1 << iota // opcodes with the source bit clear
	FromX                       // opcodes with the source bit set
	fromAny = FromK | FromX
)

// An Info is one row of the table: spelling, encoding, operand form and conformance group of an
// operation.
type Info struct {
	Op   Op
	Name string // the operator or the word that the kernel's log has for it
	Code uint8  // the opcode without class, source bit (ALU, jumps) and size (loads, stores)
	In   Classes
	Form Form
	// Src is which settings of the source bit are the operation (ALU and jumps). For some the bit
	// selects the operation, not an operand: then the Form has no second operand.
	Src Sources
	// Sizes are the access widths (loads, stores, atomics). Other widths are no such operation; those of an
	// atomic decode, and are refused ("invalid atomic operand size").
	Sizes Widths
	// By names the field that tells operations of the same opcode apart, and Vals the values of it that
	// select this one. No value at all: this operation is meant unless another row claims the value.
	By   Field
	Vals []int32
	// Zero are the fields that Linux refuses unless they are zero, besides what the form implies: where
	// the source bit chooses between register and immediate, the one not chosen must be zero; and so must
	// be the field By where no row claims its value.
	Zero  Field
	Group Group
	// Unknown marks operations that decode and that Linux 6.18 does not know ("unknown opcode").
	Unknown bool
	// Internal marks what the kernel itself puts into programs and accepts from nobody.
	Internal bool
}

// Table has one row per operation, at the operation's number. Row Invalid is empty.
var Table = [NumOps]Info{
	Add:  {Name: "+=", Code: 0x00, In: anyALU, Form: FormBinary, Src: fromAny, Zero: FieldOff, Group: GroupBase},
	Sub:  {Name: "-=", Code: 0x10, In: anyALU, Form: FormBinary, Src: fromAny, Zero: FieldOff, Group: GroupBase},
	Mul:  {Name: "*=", Code: 0x20, In: anyALU, Form: FormBinary, Src: fromAny, Zero: FieldOff, Group: GroupDivMul},
	Div:  {Name: "/=", Code: 0x30, In: anyALU, Form: FormBinary, Src: fromAny, By: FieldOff, Group: GroupDivMul},
	SDiv: {Name: "s/=", Code: 0x30, In: anyALU, Form: FormBinary, Src: fromAny, By: FieldOff, Vals: []int32{1}, Group: GroupDivMul},
	Or:   {Name: "|=", Code: 0x40, In: anyALU, Form: FormBinary, Src: fromAny, Zero: FieldOff, Group: GroupBase},
	And:  {Name: "&=", Code: 0x50, In: anyALU, Form: FormBinary, Src: fromAny, Zero: FieldOff, Group: GroupBase},
	Lsh:  {Name: "<<=", Code: 0x60, In: anyALU, Form: FormBinary, Src: fromAny, Zero: FieldOff, Group: GroupBase},
	Rsh:  {Name: ">>=", Code: 0x70, In: anyALU, Form: FormBinary, Src: fromAny, Zero: FieldOff, Group: GroupBase},
	Neg:  {Name: "-", Code: 0x80, In: anyALU, Form: FormUnary, Src: FromK, Zero: FieldSrc | FieldOff | FieldImm, Group: GroupBase},
	Mod:  {Name: "%=", Code: 0x90, In: anyALU, Form: FormBinary, Src: fromAny, By: FieldOff, Group: GroupDivMul},
	SMod: {Name: "s%=", Code: 0x90, In: anyALU, Form: FormBinary, Src: fromAny, By: FieldOff, Vals: []int32{1}, Group: GroupDivMul},
	Xor:  {Name: "^=", Code: 0xa0, In: anyALU, Form: FormBinary, Src: fromAny, Zero: FieldOff, Group: GroupBase},
	Mov:  {Name: "=", Code: 0xb0, In: anyALU, Form: FormBinary, Src: fromAny, By: FieldOff, Group: GroupBase},
	MovSX: {Name: "=", Code: 0xb0, In: anyALU, Form: FormExtend, Src: FromX, By: FieldOff, Vals: []int32{8, 16, 32},
		Zero: FieldImm, Group: GroupBase},
	Arsh:  {Name: "s>>=", Code: 0xc0, In: anyALU, Form: FormBinary, Src: fromAny, Zero: FieldOff, Group: GroupBase},
	ToLE:  {Name: "le", Code: 0xd0, In: inALU, Form: FormEndian, Src: FromK, Zero: FieldSrc | FieldOff, Group: GroupBase},
	ToBE:  {Name: "be", Code: 0xd0, In: inALU, Form: FormEndian, Src: FromX, Zero: FieldSrc | FieldOff, Group: GroupBase},
	Bswap: {Name: "bswap", Code: 0xd0, In: inALU64, Form: FormEndian, Src: FromK, Zero: FieldSrc | FieldOff, Group: GroupBase},
	AddrSpaceCast: {Name: "addr_space_cast", Code: 0xb0, In: inALU64, Form: FormCast, Src: FromX,
		By: FieldOff, Vals: []int32{1}},
	MovPerCPU: {Name: "&(void __percpu *)", Code: 0xb0, In: inALU64, Form: FormPerCPU, Src: FromX,
		By: FieldOff, Vals: []int32{-1}, Internal: true},

	Ja:      {Name: "goto", Code: 0x00, In: anyJMP, Form: FormJump, Src: FromK, Zero: FieldDst | FieldSrc, Group: GroupBase},
	Jeq:     {Name: "==", Code: 0x10, In: anyJMP, Form: FormBranch, Src: fromAny, Group: GroupBase},
	Jgt:     {Name: ">", Code: 0x20, In: anyJMP, Form: FormBranch, Src: fromAny, Group: GroupBase},
	Jge:     {Name: ">=", Code: 0x30, In: anyJMP, Form: FormBranch, Src: fromAny, Group: GroupBase},
	Jset:    {Name: "&", Code: 0x40, In: anyJMP, Form: FormBranch, Src: fromAny, Group: GroupBase},
	Jne:     {Name: "!=", Code: 0x50, In: anyJMP, Form: FormBranch, Src: fromAny, Group: GroupBase},
	Jsgt:    {Name: "s>", Code: 0x60, In: anyJMP, Form: FormBranch, Src: fromAny, Group: GroupBase},
	Jsge:    {Name: "s>=", Code: 0x70, In: anyJMP, Form: FormBranch, Src: fromAny, Group: GroupBase},
	Jlt:     {Name: "<", Code: 0xa0, In: anyJMP, Form: FormBranch, Src: fromAny, Group: GroupBase},
	Jle:     {Name: "<=", Code: 0xb0, In: anyJMP, Form: FormBranch, Src: fromAny, Group: GroupBase},
	Jslt:    {Name: "s<", Code: 0xc0, In: anyJMP, Form: FormBranch, Src: fromAny, Group: GroupBase},
	Jsle:    {Name: "s<=", Code: 0xd0, In: anyJMP, Form: FormBranch, Src: fromAny, Group: GroupBase},
	MayGoto: {Name: "may_goto", Code: 0xe0, In: inJMP, Form: FormMayGoto, Src: FromK, Zero: FieldDst | FieldSrc | FieldImm},
	Call: {Name: "call", Code: 0x80, In: inJMP, Form: FormCall, Src: FromK, By: FieldSrc, Vals: []int32{PseudoCallHelper},
		Zero: FieldDst | FieldOff, Group: GroupBase},
	CallSub: {Name: "call", Code: 0x80, In: inJMP, Form: FormCall, Src: FromK, By: FieldSrc, Vals: []int32{PseudoCallSub},
		Zero: FieldDst | FieldOff, Group: GroupBase},
	CallKfn: {Name: "call", Code: 0x80, In: inJMP, Form: FormCall, Src: FromK, By: FieldSrc, Vals: []int32{PseudoCallKfunc},
		Zero: FieldDst, Group: GroupBase},
	CallX: {Name: "callx", Code: 0x80, In: inJMP, Form: FormCallX, Src: FromX, Unknown: true},
	JaX:   {Name: "gotox", Code: 0x00, In: inJMP, Form: FormJumpX, Src: FromX, Unknown: true},
	Exit:  {Name: "exit", Code: 0x90, In: inJMP, Form: FormExit, Src: FromK, Zero: FieldDst | FieldSrc | FieldImm, Group: GroupBase},

	Load:      {Name: "=", Code: ModeMEM, In: inLDX, Form: FormLoad, Sizes: 1 + 2 + 4 + 8, Zero: FieldImm, Group: GroupBase},
	LoadSX:    {Name: "=", Code: ModeMEMSX, In: inLDX, Form: FormLoad, Sizes: 1 + 2 + 4, Zero: FieldImm, Group: GroupBase},
	Store:     {Name: "=", Code: ModeMEM, In: inSTX, Form: FormStore, Sizes: 1 + 2 + 4 + 8, Zero: FieldImm, Group: GroupBase},
	StoreImm:  {Name: "=", Code: ModeMEM, In: inST, Form: FormStoreImm, Sizes: 1 + 2 + 4 + 8, Zero: FieldSrc, Group: GroupBase},
	AtomicAdd: atomic("+=", FormAtomic, 4+8, 0x00),
	AtomicOr:  atomic("|=", FormAtomic, 4+8, 0x40),
	AtomicAnd: atomic("&=", FormAtomic, 4+8, 0x50),
	AtomicXor: atomic("^=", FormAtomic, 4+8, 0xa0),
	FetchAdd:  atomic("fetch_add", FormFetch, 4+8, 0x01),
	FetchOr:   atomic("fetch_or", FormFetch, 4+8, 0x41),
	FetchAnd:  atomic("fetch_and", FormFetch, 4+8, 0x51),
	FetchXor:  atomic("fetch_xor", FormFetch, 4+8, 0xa1),
	Xchg:      atomic("xchg", FormFetch, 4+8, 0xe1),
	CmpXchg:   atomic("cmpxchg", FormFetch, 4+8, 0xf1),
	LoadAcq:   atomic("load_acquire", FormAcquire, 1+2+4+8, 0x100),
	StoreRel:  atomic("store_release", FormRelease, 1+2+4+8, 0x110),
	LdImm64:   {Name: "=", Code: ModeIMM, In: inLD, Form: FormImm64, Sizes: 8, Zero: FieldOff, Group: GroupBase},
	LdImm64Hi: {Form: FormImm64Hi, Zero: FieldDst | FieldSrc | FieldOff, Group: GroupBase},
	LdAbs:     {Name: "skb", Code: ModeABS, In: inLD, Form: FormAbs, Sizes: 1 + 2 + 4, Zero: FieldDst | FieldSrc | FieldOff, Group: GroupPacket},
	LdInd:     {Name: "skb", Code: ModeIND, In: inLD, Form: FormInd, Sizes: 1 + 2 + 4, Zero: FieldDst | FieldOff, Group: GroupPacket},
}

// atomic is the row of an operation of class STX, mode ATOMIC, that the immediate imm selects.
func atomic(name string, f Form, sizes Widths, imm int32) Info {
	g := GroupAtomic
	if f == FormAcquire || f == FormRelease {
		g = GroupNone
	}
	return Info{Name: name, Code: ModeATOMIC, In: inSTX, Form: f, Sizes: sizes, By: FieldImm, Vals: []int32{imm}, Group: g}
}

// Info is the row of the operation; that of Invalid for a number that is none.
func (o Op) Info() *Info {
	if o >= NumOps {
		o = Invalid
	}
	return &Table[o]
}
