package jit

import (
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/jit/layout"
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
)

// A backend writes native code of one architecture. Registers are those of BPF: the backend has a home for each. Widths
// are 4 and 8 bytes; what has width 4 clears the upper half of the register that it writes.
type backend interface {
	builder() *layout.Builder
	encoding() layout.Encoding

	// thunks writes the ways in and out that all programs have, and binds the labels.
	thunks(t *thunks)
	// enter writes the head of a function: it saves what the function must, and makes room for its counter of may_gotos.
	enter(f *function)
	// leave writes its end: a return, or for the main function a jump to done.
	leave(f *function, done layout.Label)
	// clear writes zeros to the n bytes below the frame pointer.
	clear(n int)

	alu(op isa.Op, width int, dst isa.Reg, src operand)
	// lea is dst = x + y.
	lea(width int, dst, x isa.Reg, y operand)
	// rotate is dst = src rotated left by n bits; 0 < n < 8*width.
	rotate(width int, dst, src isa.Reg, n uint8)
	mov(width int, dst, src isa.Reg)
	constant(dst isa.Reg, v uint64)
	extend(from, width int, dst, src isa.Reg)
	endian(op isa.Op, bits int, dst isa.Reg)
	// divide is alu for Div, Mod, SDiv and SMod; nonzero says that src is not 0, and cold has what is rare written somewhere else.
	divide(op isa.Op, width int, dst isa.Reg, src operand, nonzero bool, cold func(write func()) layout.Label)

	// The upper halves of base registers are zero.

	load(size int, signed bool, dst, base isa.Reg, disp int32)
	store(size int, base isa.Reg, disp int32, src isa.Reg)
	storeImm(size int, base isa.Reg, disp int32, v int32)
	// canMemory tells that there is aluMemory, which is alu with memory as its second operand.
	canMemory() bool
	aluMemory(op isa.Op, width int, dst, base isa.Reg, disp int32)
	// loadSwapped is a load with its bytes reversed; false if there is no instruction for it.
	loadSwapped(size int, dst, base isa.Reg, disp int32) bool
	// atomic is an atomic operation; false if it cannot be written with these registers. What slow gives is where those go
	// that the processor may not be able to do, such as at addresses that are not aligned.
	atomic(i *isa.Insn, slow func() layout.Label) bool

	jump(to layout.Label)
	// branch is a conditional jump. If zeroKnown, it compares with 0 what alu has just computed.
	branch(op isa.Op, width int, dst isa.Reg, src operand, zeroKnown bool, to layout.Label)
	call(to layout.Label, frame bool)
	mayGoto(to layout.Label)
	// poll counts n, and goes to cold when the count is up.
	poll(n int32, cold layout.Label)
	// exit goes to the thunk with the number of a site.
	exit(site int, thunk layout.Label)
	align()

	// lookup writes the lookup of the key that r2 points to in an array; r0 is the address of the value. Where there is none
	// it goes to miss.
	lookup(l *maps.ArrayLayout, miss layout.Label)
	// hash writes a stub that looks up a key in a hash table; false if there is none.
	hash(l *maps.TableLayout) bool
	// callStub calls it, and goes to miss where there is no such key.
	callStub(stub, miss layout.Label)
	// field is r0 = a field of the context, of 8 bytes.
	field(off int32)
	// count increments the counter whose address a field of the context has, and gives r0 the new value; if the address is 0
	// it goes to what ask gives. It is false if there are no instructions for it.
	count(off int32, ask func() layout.Label) bool
	// loop calls a function, whose calls want the frame pointer moved or not, with r1 = 0, 1, … below the low half of r1 and r2 =
	// r3, until it returns something else than 0; poll is to be called in each round, and keeps all registers. r0 is how
	// often it was called.
	loop(body layout.Label, frame bool, poll func())
	// tailCall writes a tail call, of the program with the index in r3 and the context in r1, through the context's tails (see
	// there); version is that of the prog array. It goes to slow, with r1 to r3 as they were, if it cannot be done so.
	tailCall(version memory.Addr, slow layout.Label)
	// loadAbs is r0 = size bytes of the packet of the context in r6, in network order, at off, or if src is a register at
	// off plus its low half; it goes to cold, with no register changed, if they are not all there.
	loadAbs(size int, src operand, off int32, cold layout.Label)
}

// An operand is a register or a constant.
type operand struct {
	reg   isa.Reg
	isReg bool
	imm   int32 // sign-extended to the width
}

// thunks are the ways in and out.
type thunks struct {
	start     layout.Label    // start a main function: jump to the target
	invoke    layout.Label    // start another function: call the target
	resume    layout.Label    // go on at the target with r0 and r6 to r10
	resumeAll layout.Label    // go on with all registers
	call      [6]layout.Label // leave with r6 to r10 saved, and so many arguments
	all       layout.Label    // leave with all registers saved
	done      layout.Label    // leave with r0
}

// A function is a function of the program.
type function struct {
	start, end int
	main       bool
	frame      bool // it needs its frame pointer
	saves      []isa.Reg
	kfuncs     bool   // it calls kernel functions, iterators perhaps
	callback   bool   // helpers call it
	mayGoto    uint32 // 0: there are none
	depth      int    // functions that it calls on top of each other, at most
	loops      bool   // it, or what it calls, has jumps backwards
	calls      []int  // functions called, or given to helpers
	body       layout.Label
	epilogue   layout.Label
}
