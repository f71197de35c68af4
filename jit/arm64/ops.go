package arm64

// An Op is an operation on two registers.
type Op uint32

// The operations. Those with S set flags; with Zero as destination they compare.
const (
	Add  Op = 0x0b000000
	Adds Op = 0x2b000000
	Sub  Op = 0x4b000000
	Subs Op = 0x6b000000
	And  Op = 0x0a000000
	Orr  Op = 0x2a000000
	Orn  Op = 0x2a200000 // d = n | ^m
	Eor  Op = 0x4a000000
	Ands Op = 0x6a000000
	UDiv Op = 0x1ac00800
	SDiv Op = 0x1ac00c00
	Lsl  Op = 0x1ac02000
	Lsr  Op = 0x1ac02400
	Asr  Op = 0x1ac02800
	Mul  Op = 0x1b007c00
)

// RRR is d = n op m. Shifts take m modulo the width; a division by zero gives zero.
func (a *Asm) RRR(op Op, width int, d, n, m Reg) { a.word(uint32(op) | sf(width) | three(d, n, m)) }

// AddI is d = n + v, or with Sub or Subs n - v; v is below 4096, or below 1<<24 and a multiple of 4096: see FitsAddI.
func (a *Asm) AddI(op Op, width int, d, n Reg, v uint32) {
	w := uint32(op)&0x60000000 | 0x11000000 | sf(width)
	if v >= 4096 {
		w |= 1 << 22
		v >>= 12
	}
	a.word(w | v<<10 | uint32(n)<<5 | uint32(d))
}

// FitsAddI tells that AddI can take v.
func FitsAddI(v uint32) bool { return v < 4096 || v < 1<<24 && v%4096 == 0 }

// MAdd is d = x + n*m, MSub d = x - n*m.
func (a *Asm) MAdd(width int, d, n, m, x Reg) {
	a.word(0x1b000000 | sf(width) | uint32(x)<<10 | three(d, n, m))
}

// MSub is d = x - n*m.
func (a *Asm) MSub(width int, d, n, m, x Reg) {
	a.word(0x1b008000 | sf(width) | uint32(x)<<10 | three(d, n, m))
}

// UMulH is the upper half of n*m, without sign.
func (a *Asm) UMulH(d, n, m Reg) { a.word(0x9bc07c00 | three(d, n, m)) }

// AddX is d = n + the low half of m, zero-extended.
func (a *Asm) AddX(d, n, m Reg) { a.word(0x8b204000 | three(d, n, m)) }

// Mov is d = m.
func (a *Asm) Mov(width int, d, m Reg) { a.RRR(Orr, width, d, Zero, m) }

// MovSP is d = n where one of them is the stack pointer.
func (a *Asm) MovSP(d, n Reg) { a.AddI(Add, 8, d, n, 0) }

// MovI is d = v, in as few instructions as there can be without logical immediates.
func (a *Asm) MovI(d Reg, v uint64) {
	if v>>32 == 0 && uint32(v) > 0xffff && ^uint32(v)&0xffff0000 == 0 {
		a.word(0x12800000 | ^uint32(v)&0xffff<<5 | uint32(d)) // movn of 32 bits
		return
	}
	if v == 0 {
		a.word(0xd2800000 | uint32(d)) // movz
		return
	}
	zeros, ones := 0, 0
	for i := range 4 {
		switch uint16(v >> (16 * i)) {
		case 0:
			zeros++
		case 0xffff:
			ones++
		}
	}
	first, skip := uint32(0xd2800000), uint16(0) // movz
	if ones > zeros {
		first, skip = 0x92800000, 0xffff // movn
	}
	started := false
	for i := range uint32(4) {
		h := uint16(v >> (16 * i))
		if h == skip && (started || i < 3) {
			continue
		}
		switch {
		case started:
			a.word(0xf2800000 | i<<21 | uint32(h)<<5 | uint32(d))
		default:
			a.word(first | i<<21 | uint32(h^skip)<<5 | uint32(d))
			started = true
		}
	}
}

// bitfield is UBFM or SBFM.
func (a *Asm) bitfield(op uint32, width int, d, n Reg, r, s uint32) {
	w := op | sf(width) | r<<16 | s<<10 | uint32(n)<<5 | uint32(d)
	if width == 8 {
		w |= 1 << 22
	}
	a.word(w)
}

const (
	ubfm = 0x53000000
	sbfm = 0x13000000
)

// LslI is d = n << v, 0 <= v < width*8.
func (a *Asm) LslI(width int, d, n Reg, v uint32) {
	bits := uint32(width * 8)
	a.bitfield(ubfm, width, d, n, -v&(bits-1), bits-1-v)
}

// LsrI is d = n >> v.
func (a *Asm) LsrI(width int, d, n Reg, v uint32) {
	a.bitfield(ubfm, width, d, n, v, uint32(width*8-1))
}

// AsrI is d = n >> v with sign.
func (a *Asm) AsrI(width int, d, n Reg, v uint32) {
	a.bitfield(sbfm, width, d, n, v, uint32(width*8-1))
}

// RorI is d = n rotated right by v, 0 <= v < width*8.
func (a *Asm) RorI(width int, d, n Reg, v uint32) {
	w := 0x13800000 | sf(width) | v<<10 | three(d, n, n)
	if width == 8 {
		w |= 1 << 22
	}
	a.word(w)
}

// SExt is d = the low size bytes of n, 1, 2 or 4, sign-extended to width.
func (a *Asm) SExt(size, width int, d, n Reg) { a.bitfield(sbfm, width, d, n, 0, uint32(size*8-1)) }

// UExt is d = the low size bytes of n, 1 or 2, zero-extended.
func (a *Asm) UExt(size int, d, n Reg) { a.bitfield(ubfm, 4, d, n, 0, uint32(size*8-1)) }

// Rev reverses the bytes of 4 or 8; Rev16 those of each half-word of 4.
func (a *Asm) Rev(width int, d, n Reg) {
	if width == 8 {
		a.word(0xdac00c00 | uint32(n)<<5 | uint32(d))
		return
	}
	a.word(0x5ac00800 | uint32(n)<<5 | uint32(d))
}

// Rev16 reverses the bytes in each half-word of 4 bytes.
func (a *Asm) Rev16(d, n Reg) { a.word(0x5ac00400 | uint32(n)<<5 | uint32(d)) }

// LoadX is t = size bytes at n + the low half of m, zero-extended; signed extends their sign to 64 bits.
func (a *Asm) LoadX(size int, signed bool, t, n, m Reg) {
	opc := uint32(1)
	if signed {
		opc = 2
	}
	a.word(0x38204800 | power(size) | opc<<22 | three(t, n, m))
}

// StoreX stores the low size bytes of t at n + the low half of m.
func (a *Asm) StoreX(size int, t, n, m Reg) { a.word(0x38204800 | power(size) | three(t, n, m)) }

// Load is t = size bytes at n + off, a multiple of the size below 4096 of them.
func (a *Asm) Load(size int, t, n Reg, off int32) {
	a.word(0x39400000 | power(size) | uint32(int(off)/size)<<10 | uint32(n)<<5 | uint32(t))
}

// Store stores the low size bytes of t at n + off.
func (a *Asm) Store(size int, t, n Reg, off int32) {
	a.word(0x39000000 | power(size) | uint32(int(off)/size)<<10 | uint32(n)<<5 | uint32(t))
}

// LoadAcq and StoreRel are loads and stores with order.
func (a *Asm) LoadAcq(size int, t, n Reg) {
	a.word(0x08dffc00 | power(size) | uint32(n)<<5 | uint32(t))
}

// StoreRel stores after all that came before.
func (a *Asm) StoreRel(size int, t, n Reg) {
	a.word(0x089ffc00 | power(size) | uint32(n)<<5 | uint32(t))
}

// An Atomic is an operation on memory of the large system extensions.
type Atomic uint32

// The operations: what each does to memory with s.
const (
	LdAdd Atomic = 0x38e00000
	LdClr Atomic = 0x38e01000 // and not
	LdEor Atomic = 0x38e02000
	LdSet Atomic = 0x38e03000 // or
	Swp   Atomic = 0x38e08000
)

// Atomic does op with s on 4 or 8 bytes at n, and gives t what was there before.
func (a *Asm) Atomic(op Atomic, size int, s, t, n Reg) {
	a.word(uint32(op) | power(size) | three(t, n, s))
}

// Cas sets 4 or 8 bytes at n to t if they equal s; s gets what was there before.
func (a *Asm) Cas(size int, s, t, n Reg) { a.word(0x08e0fc00 | power(size) | three(t, n, s)) }

// Br jumps to where n points, Blr calls it, Ret returns.
func (a *Asm) Br(n Reg) { a.word(0xd61f0000 | uint32(n)<<5) }

// Blr calls what n points to.
func (a *Asm) Blr(n Reg) { a.word(0xd63f0000 | uint32(n)<<5) }

// Ret returns to the link register.
func (a *Asm) Ret() { a.word(0xd65f03c0) }
