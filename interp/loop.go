package interp

import (
	"unsafe"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/memory"
)

// Operations as the loop has them: isa's number, with the two low bits free for the form.
const (
	add           = uint16(isa.Add) << 2
	sub           = uint16(isa.Sub) << 2
	mul           = uint16(isa.Mul) << 2
	div           = uint16(isa.Div) << 2
	sDiv          = uint16(isa.SDiv) << 2
	or            = uint16(isa.Or) << 2
	and           = uint16(isa.And) << 2
	lsh           = uint16(isa.Lsh) << 2
	rsh           = uint16(isa.Rsh) << 2
	neg           = uint16(isa.Neg) << 2
	mod           = uint16(isa.Mod) << 2
	sMod          = uint16(isa.SMod) << 2
	xor           = uint16(isa.Xor) << 2
	mov           = uint16(isa.Mov) << 2
	movSX         = uint16(isa.MovSX) << 2
	arsh          = uint16(isa.Arsh) << 2
	toLE          = uint16(isa.ToLE) << 2
	toBE          = uint16(isa.ToBE) << 2
	bswap         = uint16(isa.Bswap) << 2
	addrSpaceCast = uint16(isa.AddrSpaceCast) << 2
	jeq           = uint16(isa.Jeq) << 2
	jgt           = uint16(isa.Jgt) << 2
	jge           = uint16(isa.Jge) << 2
	jset          = uint16(isa.Jset) << 2
	jne           = uint16(isa.Jne) << 2
	jsgt          = uint16(isa.Jsgt) << 2
	jsge          = uint16(isa.Jsge) << 2
	jlt           = uint16(isa.Jlt) << 2
	jle           = uint16(isa.Jle) << 2
	jslt          = uint16(isa.Jslt) << 2
	jsle          = uint16(isa.Jsle) << 2
	ja            = uint16(isa.Ja) << 2
	mayGoto       = uint16(isa.MayGoto) << 2
	callSub       = uint16(isa.CallSub) << 2
	exit          = uint16(isa.Exit) << 2
	load          = uint16(isa.Load) << 2
	loadSX        = uint16(isa.LoadSX) << 2
	store         = uint16(isa.Store) << 2
	storeImm      = uint16(isa.StoreImm) << 2
	ldImm64       = uint16(isa.LdImm64) << 2
)

// Forms of accesses: the width in bytes as a power of two.
const (
	b8 = iota
	b16
	b32
	b64
)

// exec executes instructions from ip on, and stops at the first one that it does not know how to do: one that calls,
// returns, traps, or whose memory is not there. It returns that one, not executed. What makes it fast is that it does
// nothing else: it calls nothing, so that all it needs stays in registers of the host.
//
// A case that ends in continue is done; one that leaves the switch takes its jump. The budget of instructions is kept
// as the distance from ip to limit, in bytes of code, so that running straight ahead costs nothing to count. Where
// jumps go has been checked by translate, and registers are indexed by a whole byte of 256, of which programs
// reach the first eleven.
func exec(ip *code, r *[256]uint64, space *memory.Space, limit int64) (*code, int64) {
	_ = r[0] // r is not nil: said once, here
	for {
		c := ip
		ip = next(ip)
		switch c.op {
		case add | r64:
			r[c.dst] += r[c.src]
			continue
		case add | k64:
			r[c.dst] += c.imm
			continue
		case add | r32:
			r[c.dst] = uint64(uint32(r[c.dst]) + uint32(r[c.src]))
			continue
		case add | k32:
			r[c.dst] = uint64(uint32(r[c.dst]) + uint32(c.imm))
			continue
		case sub | r64:
			r[c.dst] -= r[c.src]
			continue
		case sub | k64:
			r[c.dst] -= c.imm
			continue
		case sub | r32:
			r[c.dst] = uint64(uint32(r[c.dst]) - uint32(r[c.src]))
			continue
		case sub | k32:
			r[c.dst] = uint64(uint32(r[c.dst]) - uint32(c.imm))
			continue
		case mul | r64:
			r[c.dst] *= r[c.src]
			continue
		case mul | k64:
			r[c.dst] *= c.imm
			continue
		case mul | r32:
			r[c.dst] = uint64(uint32(r[c.dst]) * uint32(r[c.src]))
			continue
		case mul | k32:
			r[c.dst] = uint64(uint32(r[c.dst]) * uint32(c.imm))
			continue
		case or | r64:
			r[c.dst] |= r[c.src]
			continue
		case or | k64:
			r[c.dst] |= c.imm
			continue
		case or | r32:
			r[c.dst] = uint64(uint32(r[c.dst]) | uint32(r[c.src]))
			continue
		case or | k32:
			r[c.dst] = uint64(uint32(r[c.dst]) | uint32(c.imm))
			continue
		case and | r64:
			r[c.dst] &= r[c.src]
			continue
		case and | k64:
			r[c.dst] &= c.imm
			continue
		case and | r32:
			r[c.dst] = uint64(uint32(r[c.dst]) & uint32(r[c.src]))
			continue
		case and | k32:
			r[c.dst] = uint64(uint32(r[c.dst]) & uint32(c.imm))
			continue
		case xor | r64:
			r[c.dst] ^= r[c.src]
			continue
		case xor | k64:
			r[c.dst] ^= c.imm
			continue
		case xor | r32:
			r[c.dst] = uint64(uint32(r[c.dst]) ^ uint32(r[c.src]))
			continue
		case xor | k32:
			r[c.dst] = uint64(uint32(r[c.dst]) ^ uint32(c.imm))
			continue
		case mov | r64:
			r[c.dst] = r[c.src]
			continue
		case mov | k64:
			r[c.dst] = c.imm
			continue
		case mov | r32:
			r[c.dst] = uint64(uint32(r[c.src]))
			continue
		case mov | k32:
			r[c.dst] = uint64(uint32(c.imm))
			continue
		case neg | k64:
			r[c.dst] = -r[c.dst]
			continue
		case neg | k32:
			r[c.dst] = uint64(-uint32(r[c.dst]))
			continue
		case lsh | r64:
			r[c.dst] = r[c.dst] << (r[c.src] & 63)
			continue
		case lsh | k64:
			r[c.dst] = r[c.dst] << (c.imm & 63)
			continue
		case lsh | r32:
			r[c.dst] = uint64(uint32(r[c.dst]) << (r[c.src] & 31))
			continue
		case lsh | k32:
			r[c.dst] = uint64(uint32(r[c.dst]) << (c.imm & 31))
			continue
		case rsh | r64:
			r[c.dst] = r[c.dst] >> (r[c.src] & 63)
			continue
		case rsh | k64:
			r[c.dst] = r[c.dst] >> (c.imm & 63)
			continue
		case rsh | r32:
			r[c.dst] = uint64(uint32(r[c.dst]) >> (r[c.src] & 31))
			continue
		case rsh | k32:
			r[c.dst] = uint64(uint32(r[c.dst]) >> (c.imm & 31))
			continue
		case arsh | r64:
			r[c.dst] = uint64(int64(r[c.dst]) >> (r[c.src] & 63))
			continue
		case arsh | k64:
			r[c.dst] = uint64(int64(r[c.dst]) >> (c.imm & 63))
			continue
		case arsh | r32:
			r[c.dst] = uint64(uint32(int32(r[c.dst]) >> (r[c.src] & 31)))
			continue
		case arsh | k32:
			r[c.dst] = uint64(uint32(int32(r[c.dst]) >> (c.imm & 31)))
			continue
		case div | r64:
			if s := r[c.src]; s != 0 {
				r[c.dst] = r[c.dst] / s
			} else {
				r[c.dst] = 0
			}
			continue
		case div | k64:
			if s := c.imm; s != 0 {
				r[c.dst] = r[c.dst] / s
			} else {
				r[c.dst] = 0
			}
			continue
		case div | r32:
			if s := uint32(r[c.src]); s != 0 {
				r[c.dst] = uint64(uint32(r[c.dst]) / s)
			} else {
				r[c.dst] = 0
			}
			continue
		case div | k32:
			if s := uint32(c.imm); s != 0 {
				r[c.dst] = uint64(uint32(r[c.dst]) / s)
			} else {
				r[c.dst] = 0
			}
			continue
		case mod | r64:
			if s := r[c.src]; s != 0 {
				r[c.dst] = r[c.dst] % s
			}
			continue
		case mod | k64:
			if s := c.imm; s != 0 {
				r[c.dst] = r[c.dst] % s
			}
			continue
		case mod | r32:
			if s := uint32(r[c.src]); s != 0 {
				r[c.dst] = uint64(uint32(r[c.dst]) % s)
			} else {
				r[c.dst] = uint64(uint32(r[c.dst]))
			}
			continue
		case mod | k32:
			if s := uint32(c.imm); s != 0 {
				r[c.dst] = uint64(uint32(r[c.dst]) % s)
			} else {
				r[c.dst] = uint64(uint32(r[c.dst]))
			}
			continue
		case ldImm64:
			r[c.dst] = c.imm
			ip = next(ip)
			continue
		case movSX | r64:
			// The shift is what is to be cut off: see translate.
			r[c.dst] = uint64(int64(r[c.src]<<(c.imm&63)) >> (c.imm & 63))
			continue
		case movSX | r32:
			r[c.dst] = uint64(uint32(int64(r[c.src]<<(c.imm&63)) >> (c.imm & 63)))
			continue
		case addrSpaceCast | r64:
			// An address in an arena is the same in both spaces: the low half.
			r[c.dst] = uint64(uint32(r[c.src]))
			continue

		case jeq | r64:
			if r[c.dst] != r[c.src] {
				continue
			}
		case jeq | k64:
			if r[c.dst] != c.imm {
				continue
			}
		case jeq | r32:
			if uint32(r[c.dst]) != uint32(r[c.src]) {
				continue
			}
		case jeq | k32:
			if uint32(r[c.dst]) != uint32(c.imm) {
				continue
			}
		case jne | r64:
			if r[c.dst] == r[c.src] {
				continue
			}
		case jne | k64:
			if r[c.dst] == c.imm {
				continue
			}
		case jne | r32:
			if uint32(r[c.dst]) == uint32(r[c.src]) {
				continue
			}
		case jne | k32:
			if uint32(r[c.dst]) == uint32(c.imm) {
				continue
			}
		case jgt | r64:
			if r[c.dst] <= r[c.src] {
				continue
			}
		case jgt | k64:
			if r[c.dst] <= c.imm {
				continue
			}
		case jgt | r32:
			if uint32(r[c.dst]) <= uint32(r[c.src]) {
				continue
			}
		case jgt | k32:
			if uint32(r[c.dst]) <= uint32(c.imm) {
				continue
			}
		case jge | r64:
			if r[c.dst] < r[c.src] {
				continue
			}
		case jge | k64:
			if r[c.dst] < c.imm {
				continue
			}
		case jge | r32:
			if uint32(r[c.dst]) < uint32(r[c.src]) {
				continue
			}
		case jge | k32:
			if uint32(r[c.dst]) < uint32(c.imm) {
				continue
			}
		case jlt | r64:
			if r[c.dst] >= r[c.src] {
				continue
			}
		case jlt | k64:
			if r[c.dst] >= c.imm {
				continue
			}
		case jlt | r32:
			if uint32(r[c.dst]) >= uint32(r[c.src]) {
				continue
			}
		case jlt | k32:
			if uint32(r[c.dst]) >= uint32(c.imm) {
				continue
			}
		case jle | r64:
			if r[c.dst] > r[c.src] {
				continue
			}
		case jle | k64:
			if r[c.dst] > c.imm {
				continue
			}
		case jle | r32:
			if uint32(r[c.dst]) > uint32(r[c.src]) {
				continue
			}
		case jle | k32:
			if uint32(r[c.dst]) > uint32(c.imm) {
				continue
			}
		case jsgt | r64:
			if int64(r[c.dst]) <= int64(r[c.src]) {
				continue
			}
		case jsgt | k64:
			if int64(r[c.dst]) <= int64(c.imm) {
				continue
			}
		case jsgt | r32:
			if int32(r[c.dst]) <= int32(r[c.src]) {
				continue
			}
		case jsgt | k32:
			if int32(r[c.dst]) <= int32(c.imm) {
				continue
			}
		case jsge | r64:
			if int64(r[c.dst]) < int64(r[c.src]) {
				continue
			}
		case jsge | k64:
			if int64(r[c.dst]) < int64(c.imm) {
				continue
			}
		case jsge | r32:
			if int32(r[c.dst]) < int32(r[c.src]) {
				continue
			}
		case jsge | k32:
			if int32(r[c.dst]) < int32(c.imm) {
				continue
			}
		case jslt | r64:
			if int64(r[c.dst]) >= int64(r[c.src]) {
				continue
			}
		case jslt | k64:
			if int64(r[c.dst]) >= int64(c.imm) {
				continue
			}
		case jslt | r32:
			if int32(r[c.dst]) >= int32(r[c.src]) {
				continue
			}
		case jslt | k32:
			if int32(r[c.dst]) >= int32(c.imm) {
				continue
			}
		case jsle | r64:
			if int64(r[c.dst]) > int64(r[c.src]) {
				continue
			}
		case jsle | k64:
			if int64(r[c.dst]) > int64(c.imm) {
				continue
			}
		case jsle | r32:
			if int32(r[c.dst]) > int32(r[c.src]) {
				continue
			}
		case jsle | k32:
			if int32(r[c.dst]) > int32(c.imm) {
				continue
			}
		case jset | r64:
			if r[c.dst]&r[c.src] == 0 {
				continue
			}
		case jset | k64:
			if r[c.dst]&c.imm == 0 {
				continue
			}
		case jset | r32:
			if uint32(r[c.dst])&uint32(r[c.src]) == 0 {
				continue
			}
		case jset | k32:
			if uint32(r[c.dst])&uint32(c.imm) == 0 {
				continue
			}
		case ja:
			// taken
		case load | b8:
			if v, ok := space.Load8(r[c.src] + uint64(int64(c.off))); ok {
				r[c.dst] = v
				continue
			}
			return c, limit
		case load | b16:
			if v, ok := space.Load16(r[c.src] + uint64(int64(c.off))); ok {
				r[c.dst] = v
				continue
			}
			return c, limit
		case load | b32:
			if v, ok := space.Load32(r[c.src] + uint64(int64(c.off))); ok {
				r[c.dst] = v
				continue
			}
			return c, limit
		case load | b64:
			if v, ok := space.Load64(r[c.src] + uint64(int64(c.off))); ok {
				r[c.dst] = v
				continue
			}
			return c, limit
		case loadSX | b8:
			if v, ok := space.Load8(r[c.src] + uint64(int64(c.off))); ok {
				r[c.dst] = uint64(int64(int8(v)))
				continue
			}
			return c, limit
		case loadSX | b16:
			if v, ok := space.Load16(r[c.src] + uint64(int64(c.off))); ok {
				r[c.dst] = uint64(int64(int16(v)))
				continue
			}
			return c, limit
		case loadSX | b32:
			if v, ok := space.Load32(r[c.src] + uint64(int64(c.off))); ok {
				r[c.dst] = uint64(int64(int32(v)))
				continue
			}
			return c, limit
		case store | b8:
			if space.Store8(r[c.dst]+uint64(int64(c.off)), r[c.src]) {
				continue
			}
			return c, limit
		case store | b16:
			if space.Store16(r[c.dst]+uint64(int64(c.off)), r[c.src]) {
				continue
			}
			return c, limit
		case store | b32:
			if space.Store32(r[c.dst]+uint64(int64(c.off)), r[c.src]) {
				continue
			}
			return c, limit
		case store | b64:
			if space.Store64(r[c.dst]+uint64(int64(c.off)), r[c.src]) {
				continue
			}
			return c, limit
		case storeImm | b8:
			if space.Store8(r[c.dst]+uint64(int64(c.off)), c.imm) {
				continue
			}
			return c, limit
		case storeImm | b16:
			if space.Store16(r[c.dst]+uint64(int64(c.off)), c.imm) {
				continue
			}
			return c, limit
		case storeImm | b32:
			if space.Store32(r[c.dst]+uint64(int64(c.off)), c.imm) {
				continue
			}
			return c, limit
		case storeImm | b64:
			if space.Store64(r[c.dst]+uint64(int64(c.off)), c.imm) {
				continue
			}
			return c, limit
		case opMovAdd:
			r[c.dst] = r[c.src] + c.imm
			ip = next(ip)
			continue
		case opMovLsh:
			r[c.dst] = r[c.src] << (c.imm & 63)
			ip = next(ip)
			continue
		case opMovRsh:
			r[c.dst] = r[c.src] >> (c.imm & 63)
			ip = next(ip)
			continue
		case opMovAnd:
			r[c.dst] = r[c.src] & c.imm
			ip = next(ip)
			continue
		case opZeroExt:
			r[c.dst] = uint64(uint32(r[c.dst]))
			ip = next(ip)
			continue
		case opSignExt:
			r[c.dst] = uint64(int64(int32(r[c.dst])))
			ip = next(ip)
			continue
		case opLshXor:
			v := r[c.src]
			d := v << (c.imm & 63)
			r[c.dst] = d
			r[c.src] = v ^ d
			ip = next(next(ip))
			continue
		case opRshXor:
			v := r[c.src]
			d := v >> (c.imm & 63)
			r[c.dst] = d
			r[c.src] = v ^ d
			ip = next(next(ip))
			continue
		case opRotate:
			v := r[c.src]
			d := v << (c.imm & 63)
			v >>= (64 - c.imm) & 63
			r[c.dst] = d
			r[c.src] = v | d
			ip = next(next(next(ip)))
			continue
		default:
			return c, limit
		}
		// A jump that is taken.
		if limit <= at(ip) {
			return c, limit
		}
		limit += int64(c.off)
		ip = (*code)(unsafe.Add(unsafe.Pointer(ip), int(c.off)))
	}
}

// next is the code after ip: there is always one after what does not stop exec.
func next(ip *code) *code { return (*code)(unsafe.Add(unsafe.Pointer(ip), codeSize)) }

// at is the address of a code, for counting.
func at(ip *code) int64 { return int64(uintptr(unsafe.Pointer(ip))) }

// codeSize is the size of a code.
const codeSize = unsafe.Sizeof(code{})
