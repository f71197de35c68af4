package interp

import "github.com/skepbpf/skep/isa"

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

// loop executes from slot pc on until the function that the thread was in when it was called returns.
//
// A case that ends in continue is done; one that leaves the switch takes its jump. limit-pc is the number of
// instructions left of the budget, so that running straight ahead costs nothing to count.
func (t *thread) loop(m *Machine, pc int) (uint64, error) {
	var (
		code  = m.code
		space = m.space
		r     = &t.regs
		base  = t.depth
		limit = pc + t.left
	)
	for {
		c := &code[pc]
		op := c.op
	again:
		pc++
		switch op {
		case add | r64:
			r[c.dst&15] += r[c.src&15]
			continue
		case add | k64:
			r[c.dst&15] += c.imm
			continue
		case add | r32:
			r[c.dst&15] = uint64(uint32(r[c.dst&15]) + uint32(r[c.src&15]))
			continue
		case add | k32:
			r[c.dst&15] = uint64(uint32(r[c.dst&15]) + uint32(c.imm))
			continue
		case sub | r64:
			r[c.dst&15] -= r[c.src&15]
			continue
		case sub | k64:
			r[c.dst&15] -= c.imm
			continue
		case sub | r32:
			r[c.dst&15] = uint64(uint32(r[c.dst&15]) - uint32(r[c.src&15]))
			continue
		case sub | k32:
			r[c.dst&15] = uint64(uint32(r[c.dst&15]) - uint32(c.imm))
			continue
		case mul | r64:
			r[c.dst&15] *= r[c.src&15]
			continue
		case mul | k64:
			r[c.dst&15] *= c.imm
			continue
		case mul | r32:
			r[c.dst&15] = uint64(uint32(r[c.dst&15]) * uint32(r[c.src&15]))
			continue
		case mul | k32:
			r[c.dst&15] = uint64(uint32(r[c.dst&15]) * uint32(c.imm))
			continue
		case or | r64:
			r[c.dst&15] |= r[c.src&15]
			continue
		case or | k64:
			r[c.dst&15] |= c.imm
			continue
		case or | r32:
			r[c.dst&15] = uint64(uint32(r[c.dst&15]) | uint32(r[c.src&15]))
			continue
		case or | k32:
			r[c.dst&15] = uint64(uint32(r[c.dst&15]) | uint32(c.imm))
			continue
		case and | r64:
			r[c.dst&15] &= r[c.src&15]
			continue
		case and | k64:
			r[c.dst&15] &= c.imm
			continue
		case and | r32:
			r[c.dst&15] = uint64(uint32(r[c.dst&15]) & uint32(r[c.src&15]))
			continue
		case and | k32:
			r[c.dst&15] = uint64(uint32(r[c.dst&15]) & uint32(c.imm))
			continue
		case xor | r64:
			r[c.dst&15] ^= r[c.src&15]
			continue
		case xor | k64:
			r[c.dst&15] ^= c.imm
			continue
		case xor | r32:
			r[c.dst&15] = uint64(uint32(r[c.dst&15]) ^ uint32(r[c.src&15]))
			continue
		case xor | k32:
			r[c.dst&15] = uint64(uint32(r[c.dst&15]) ^ uint32(c.imm))
			continue
		case mov | r64:
			r[c.dst&15] = r[c.src&15]
			continue
		case mov | k64:
			r[c.dst&15] = c.imm
			continue
		case mov | r32:
			r[c.dst&15] = uint64(uint32(r[c.src&15]))
			continue
		case mov | k32:
			r[c.dst&15] = uint64(uint32(c.imm))
			continue
		case neg | k64:
			r[c.dst&15] = -r[c.dst&15]
			continue
		case neg | k32:
			r[c.dst&15] = uint64(-uint32(r[c.dst&15]))
			continue
		case lsh | r64:
			r[c.dst&15] = r[c.dst&15] << (r[c.src&15] & 63)
			continue
		case lsh | k64:
			r[c.dst&15] = r[c.dst&15] << (c.imm & 63)
			continue
		case lsh | r32:
			r[c.dst&15] = uint64(uint32(r[c.dst&15]) << (r[c.src&15] & 31))
			continue
		case lsh | k32:
			r[c.dst&15] = uint64(uint32(r[c.dst&15]) << (c.imm & 31))
			continue
		case rsh | r64:
			r[c.dst&15] = r[c.dst&15] >> (r[c.src&15] & 63)
			continue
		case rsh | k64:
			r[c.dst&15] = r[c.dst&15] >> (c.imm & 63)
			continue
		case rsh | r32:
			r[c.dst&15] = uint64(uint32(r[c.dst&15]) >> (r[c.src&15] & 31))
			continue
		case rsh | k32:
			r[c.dst&15] = uint64(uint32(r[c.dst&15]) >> (c.imm & 31))
			continue
		case arsh | r64:
			r[c.dst&15] = uint64(int64(r[c.dst&15]) >> (r[c.src&15] & 63))
			continue
		case arsh | k64:
			r[c.dst&15] = uint64(int64(r[c.dst&15]) >> (c.imm & 63))
			continue
		case arsh | r32:
			r[c.dst&15] = uint64(uint32(int32(r[c.dst&15]) >> (r[c.src&15] & 31)))
			continue
		case arsh | k32:
			r[c.dst&15] = uint64(uint32(int32(r[c.dst&15]) >> (c.imm & 31)))
			continue
		case div | r64:
			if s := r[c.src&15]; s != 0 {
				r[c.dst&15] = r[c.dst&15] / s
			} else {
				r[c.dst&15] = 0
			}
			continue
		case div | k64:
			if s := c.imm; s != 0 {
				r[c.dst&15] = r[c.dst&15] / s
			} else {
				r[c.dst&15] = 0
			}
			continue
		case div | r32:
			if s := uint32(r[c.src&15]); s != 0 {
				r[c.dst&15] = uint64(uint32(r[c.dst&15]) / s)
			} else {
				r[c.dst&15] = 0
			}
			continue
		case div | k32:
			if s := uint32(c.imm); s != 0 {
				r[c.dst&15] = uint64(uint32(r[c.dst&15]) / s)
			} else {
				r[c.dst&15] = 0
			}
			continue
		case mod | r64:
			if s := r[c.src&15]; s != 0 {
				r[c.dst&15] = r[c.dst&15] % s
			}
			continue
		case mod | k64:
			if s := c.imm; s != 0 {
				r[c.dst&15] = r[c.dst&15] % s
			}
			continue
		case mod | r32:
			if s := uint32(r[c.src&15]); s != 0 {
				r[c.dst&15] = uint64(uint32(r[c.dst&15]) % s)
			} else {
				r[c.dst&15] = uint64(uint32(r[c.dst&15]))
			}
			continue
		case mod | k32:
			if s := uint32(c.imm); s != 0 {
				r[c.dst&15] = uint64(uint32(r[c.dst&15]) % s)
			} else {
				r[c.dst&15] = uint64(uint32(r[c.dst&15]))
			}
			continue
		case ldImm64:
			r[c.dst&15] = c.imm
			pc++
			continue
		case sDiv | r64, sDiv | k64, sDiv | r32, sDiv | k32, sMod | r64, sMod | k64, sMod | r32, sMod | k32,
			movSX | r64, movSX | r32, toLE | r64, toLE | r32, toBE | r64, toBE | r32, bswap | r64, bswap | r32:
			m.rare(c, op, r)
			continue
		case addrSpaceCast | r64:
			if !m.arena {
				return t.trap(m, pc-1, "the program has no arena to convert addresses of", nil)
			}
			// An address in an arena is the same in both spaces: the low half.
			r[c.dst&15] = uint64(uint32(r[c.src&15]))
			continue

		case jeq | r64:
			if r[c.dst&15] != r[c.src&15] {
				continue
			}
		case jeq | k64:
			if r[c.dst&15] != c.imm {
				continue
			}
		case jeq | r32:
			if uint32(r[c.dst&15]) != uint32(r[c.src&15]) {
				continue
			}
		case jeq | k32:
			if uint32(r[c.dst&15]) != uint32(c.imm) {
				continue
			}
		case jne | r64:
			if r[c.dst&15] == r[c.src&15] {
				continue
			}
		case jne | k64:
			if r[c.dst&15] == c.imm {
				continue
			}
		case jne | r32:
			if uint32(r[c.dst&15]) == uint32(r[c.src&15]) {
				continue
			}
		case jne | k32:
			if uint32(r[c.dst&15]) == uint32(c.imm) {
				continue
			}
		case jgt | r64:
			if r[c.dst&15] <= r[c.src&15] {
				continue
			}
		case jgt | k64:
			if r[c.dst&15] <= c.imm {
				continue
			}
		case jgt | r32:
			if uint32(r[c.dst&15]) <= uint32(r[c.src&15]) {
				continue
			}
		case jgt | k32:
			if uint32(r[c.dst&15]) <= uint32(c.imm) {
				continue
			}
		case jge | r64:
			if r[c.dst&15] < r[c.src&15] {
				continue
			}
		case jge | k64:
			if r[c.dst&15] < c.imm {
				continue
			}
		case jge | r32:
			if uint32(r[c.dst&15]) < uint32(r[c.src&15]) {
				continue
			}
		case jge | k32:
			if uint32(r[c.dst&15]) < uint32(c.imm) {
				continue
			}
		case jlt | r64:
			if r[c.dst&15] >= r[c.src&15] {
				continue
			}
		case jlt | k64:
			if r[c.dst&15] >= c.imm {
				continue
			}
		case jlt | r32:
			if uint32(r[c.dst&15]) >= uint32(r[c.src&15]) {
				continue
			}
		case jlt | k32:
			if uint32(r[c.dst&15]) >= uint32(c.imm) {
				continue
			}
		case jle | r64:
			if r[c.dst&15] > r[c.src&15] {
				continue
			}
		case jle | k64:
			if r[c.dst&15] > c.imm {
				continue
			}
		case jle | r32:
			if uint32(r[c.dst&15]) > uint32(r[c.src&15]) {
				continue
			}
		case jle | k32:
			if uint32(r[c.dst&15]) > uint32(c.imm) {
				continue
			}
		case jsgt | r64:
			if int64(r[c.dst&15]) <= int64(r[c.src&15]) {
				continue
			}
		case jsgt | k64:
			if int64(r[c.dst&15]) <= int64(c.imm) {
				continue
			}
		case jsgt | r32:
			if int32(r[c.dst&15]) <= int32(r[c.src&15]) {
				continue
			}
		case jsgt | k32:
			if int32(r[c.dst&15]) <= int32(c.imm) {
				continue
			}
		case jsge | r64:
			if int64(r[c.dst&15]) < int64(r[c.src&15]) {
				continue
			}
		case jsge | k64:
			if int64(r[c.dst&15]) < int64(c.imm) {
				continue
			}
		case jsge | r32:
			if int32(r[c.dst&15]) < int32(r[c.src&15]) {
				continue
			}
		case jsge | k32:
			if int32(r[c.dst&15]) < int32(c.imm) {
				continue
			}
		case jslt | r64:
			if int64(r[c.dst&15]) >= int64(r[c.src&15]) {
				continue
			}
		case jslt | k64:
			if int64(r[c.dst&15]) >= int64(c.imm) {
				continue
			}
		case jslt | r32:
			if int32(r[c.dst&15]) >= int32(r[c.src&15]) {
				continue
			}
		case jslt | k32:
			if int32(r[c.dst&15]) >= int32(c.imm) {
				continue
			}
		case jsle | r64:
			if int64(r[c.dst&15]) > int64(r[c.src&15]) {
				continue
			}
		case jsle | k64:
			if int64(r[c.dst&15]) > int64(c.imm) {
				continue
			}
		case jsle | r32:
			if int32(r[c.dst&15]) > int32(r[c.src&15]) {
				continue
			}
		case jsle | k32:
			if int32(r[c.dst&15]) > int32(c.imm) {
				continue
			}
		case jset | r64:
			if r[c.dst&15]&r[c.src&15] == 0 {
				continue
			}
		case jset | k64:
			if r[c.dst&15]&c.imm == 0 {
				continue
			}
		case jset | r32:
			if uint32(r[c.dst&15])&uint32(r[c.src&15]) == 0 {
				continue
			}
		case jset | k32:
			if uint32(r[c.dst&15])&uint32(c.imm) == 0 {
				continue
			}
		case ja:
			// taken
		case load | b8:
			if v, ok := space.Load8(r[c.src&15] + uint64(int64(c.off))); ok {
				r[c.dst&15] = v
				continue
			}
			return t.badLoad(m, pc-1, c)
		case load | b16:
			if v, ok := space.Load16(r[c.src&15] + uint64(int64(c.off))); ok {
				r[c.dst&15] = v
				continue
			}
			return t.badLoad(m, pc-1, c)
		case load | b32:
			if v, ok := space.Load32(r[c.src&15] + uint64(int64(c.off))); ok {
				r[c.dst&15] = v
				continue
			}
			return t.badLoad(m, pc-1, c)
		case load | b64:
			if v, ok := space.Load64(r[c.src&15] + uint64(int64(c.off))); ok {
				r[c.dst&15] = v
				continue
			}
			return t.badLoad(m, pc-1, c)
		case loadSX | b8:
			if v, ok := space.Load8(r[c.src&15] + uint64(int64(c.off))); ok {
				r[c.dst&15] = uint64(int64(int8(v)))
				continue
			}
			return t.badLoad(m, pc-1, c)
		case loadSX | b16:
			if v, ok := space.Load16(r[c.src&15] + uint64(int64(c.off))); ok {
				r[c.dst&15] = uint64(int64(int16(v)))
				continue
			}
			return t.badLoad(m, pc-1, c)
		case loadSX | b32:
			if v, ok := space.Load32(r[c.src&15] + uint64(int64(c.off))); ok {
				r[c.dst&15] = uint64(int64(int32(v)))
				continue
			}
			return t.badLoad(m, pc-1, c)
		case store | b8:
			if space.Store8(r[c.dst&15]+uint64(int64(c.off)), r[c.src&15]) {
				continue
			}
			return t.badStore(m, pc-1, c)
		case store | b16:
			if space.Store16(r[c.dst&15]+uint64(int64(c.off)), r[c.src&15]) {
				continue
			}
			return t.badStore(m, pc-1, c)
		case store | b32:
			if space.Store32(r[c.dst&15]+uint64(int64(c.off)), r[c.src&15]) {
				continue
			}
			return t.badStore(m, pc-1, c)
		case store | b64:
			if space.Store64(r[c.dst&15]+uint64(int64(c.off)), r[c.src&15]) {
				continue
			}
			return t.badStore(m, pc-1, c)
		case storeImm | b8:
			if space.Store8(r[c.dst&15]+uint64(int64(c.off)), c.imm) {
				continue
			}
			return t.badStore(m, pc-1, c)
		case storeImm | b16:
			if space.Store16(r[c.dst&15]+uint64(int64(c.off)), c.imm) {
				continue
			}
			return t.badStore(m, pc-1, c)
		case storeImm | b32:
			if space.Store32(r[c.dst&15]+uint64(int64(c.off)), c.imm) {
				continue
			}
			return t.badStore(m, pc-1, c)
		case storeImm | b64:
			if space.Store64(r[c.dst&15]+uint64(int64(c.off)), c.imm) {
				continue
			}
			return t.badStore(m, pc-1, c)
		case mayGoto:
			if f := &t.frames[t.depth]; f.mayGoto > 0 {
				f.mayGoto--
				continue
			}
		case callSub:
			if t.depth == maxDepth {
				return t.trap(m, pc-1, tooDeep, nil)
			}
			t.enter(m, pc)
			// The call itself is a jump.
		case exit:
			if t.depth == base {
				t.left = limit - pc
				return r[0], nil
			}
			back, to := t.leave()
			limit += to - pc
			pc = to
			if back != m {
				m, code = back, back.code
			}
			continue
		case opHelper:
			if err := t.helper(m, c, limit-pc); err != nil {
				return t.trapErr(m, pc-1, err)
			}
			limit = pc + t.left
			continue
		case opTail:
			next, err := t.tail(m, c, limit-pc)
			if err != nil {
				return t.trapErr(m, pc-1, err)
			}
			limit = pc + t.left
			if next == nil {
				continue
			}
			if limit <= pc {
				return t.trap(m, pc-1, outOfBudget, nil)
			}
			limit -= pc
			m, code, pc = next, next.code, 0
			continue
		case opObserve:
			t.observe(m, pc-1)
			c = &m.plain[pc-1]
			op = c.op
			pc--
			goto again
		default:
			ends, err := t.slow(m, c, op, pc-1)
			if err != nil {
				return 0, err
			}
			if ends {
				limit += m.exit - pc
				pc = m.exit
			}
			continue
		}
		// A jump that is taken.
		if limit <= pc {
			return t.trap(m, pc-1, outOfBudget, nil)
		}
		limit += int(c.off)
		pc += int(c.off)
	}
}
