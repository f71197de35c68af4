package isa

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"
)

// operation finds the operation of a form by the word or operator that the table has for it.
func operation(name string, forms ...Form) (Op, bool) {
	for op := range Table {
		for _, f := range forms {
			if Table[op].Form == f && Table[op].Name == name {
				return Op(op), true
			}
		}
	}
	return Invalid, false
}

// parse reads the instruction.
func (s *statement) parse() {
	if r, size, ok := register(s.peek(0).text); ok {
		s.next()
		s.assignment(r, size)
		return
	}
	t := s.next()
	switch t.text {
	case "exit":
		s.out = Return()
	case "goto":
		s.out = New(Ja, 8, false, 0, 0, s.jumpOff(), 0)
	case "gotol":
		s.out = New(Ja, 4, false, 0, 0, 0, s.jump(math.MinInt32, math.MaxInt32))
	case "may_goto":
		s.out = New(MayGoto, 0, false, 0, 0, s.jumpOff(), 0)
	case "if":
		s.branch()
	case "call":
		s.call()
	case "callx":
		s.out = New(CallX, 0, false, s.reg(), 0, 0, 0)
	case "gotox":
		s.out = New(JaX, 0, false, s.reg(), 0, 0, 0)
	case "*":
		s.store()
	case "lock":
		s.expect("*")
		size, _ := s.accessType()
		base, off := s.place()
		op, ok := operation(s.next().text, FormAtomic)
		if !ok {
			s.fail("no atomic operation of that kind")
		}
		s.out = New(op, size, false, base, s.reg(), off, 0)
	case "store_release":
		s.expect("(")
		size, _ := s.accessType()
		base, off := s.place()
		s.expect(",")
		s.out = New(StoreRel, size, false, base, s.reg(), off, 0)
		s.expect(")")
	case ".insn":
		n := s.next()
		if !n.hex || len(n.text) != len("0x")+16 {
			s.fail("a slot is 0x and 16 digits")
		}
		var b [8]byte
		binary.BigEndian.PutUint64(b[:], n.num)
		s.out, s.raw = Decode(b), true
	default:
		s.fail("%q begins no instruction", t.text)
	}
	if s.err == nil && s.out == (Insn{}) && !s.raw {
		s.fail("no such instruction")
	}
}

// jump reads the target of a jump: pc+1, +1 or a label.
func (s *statement) jump(lo, hi int64) int32 {
	if t := s.peek(0); t.kind == tokenWord && t.text != "pc" {
		s.ref = s.next().text
		return 0
	}
	s.accept("pc")
	if sign := s.peek(0).text; sign != "+" && sign != "-" {
		s.fail("%q is no target of a jump", sign)
	}
	return int32(s.number(lo, hi, 0))
}

func (s *statement) jumpOff() int16 { return int16(s.jump(math.MinInt16, math.MaxInt16)) }

// branch reads what follows "if".
func (s *statement) branch() {
	t := s.next()
	dst, size, ok := register(t.text)
	if !ok {
		s.fail("%q is no register", t.text)
	}
	op, ok := operation(s.next().text, FormBranch)
	if !ok {
		s.fail("no such comparison")
	}
	var src Reg
	var imm int32
	fromReg := s.isReg()
	if fromReg {
		src = s.regOf(size)
	} else {
		imm = s.imm32Wrap() // the kernel prints immediates here without sign
	}
	s.expect("goto")
	s.out = New(op, size, fromReg, dst, src, s.jumpOff(), imm)
}

// call reads what follows "call": pc+1, name#id, name, kfunc#id:module, or a number.
func (s *statement) call() {
	t := s.peek(0)
	switch {
	case t.text == "pc" || t.text == "+":
		s.out = New(CallSub, 0, false, 0, 0, 0, s.jump(math.MinInt32, math.MaxInt32))
	case t.kind == tokenNumber || t.text == "-":
		s.out = CallHelper(s.imm32())
	case t.text == "#": // what the log has for a kernel function without name
		s.next()
		s.out = New(CallKfn, 0, false, 0, 0, 0, s.imm32())
	case s.peek(1).text == "#":
		s.at += 2
		id, off := s.imm32(), int16(0)
		switch {
		case t.text == "kfunc":
			if s.accept(":") {
				off = int16(s.number(math.MinInt16, math.MaxInt16, 0))
			}
			s.out = New(CallKfn, 0, false, 0, 0, off, id)
		case s.isKfunc(t.text, id):
			s.out = New(CallKfn, 0, false, 0, 0, 0, id)
		default:
			s.out = CallHelper(id)
		}
	default:
		s.out = CallHelper(0)
		s.ref = s.next().text
	}
}

// firstBTF is below every BTF id of a kernel function and above every number of a helper: the kernel's
// basic types come first.
const firstBTF = 1000

// isKfunc tells whether "call name#id" of a log is the call of a kernel function: it does not say.
func (s *statement) isKfunc(name string, id int32) bool {
	if f := s.a.names.Kfunc; f != nil {
		if known, _, ok := f(name); ok {
			return known == id
		}
	}
	return id >= firstBTF && name != "unknown"
}

// store reads what follows the "*" of a store.
func (s *statement) store() {
	size, _ := s.accessType()
	base, off := s.place()
	s.expect("=")
	if s.isReg() {
		s.out = StoreMem(size, base, off, s.reg())
		return
	}
	s.out = StoreMemImm(size, base, off, s.imm32Wrap())
}

// accessType reads "(u32 *)".
func (s *statement) accessType() (size uint8, signed bool) {
	s.expect("(")
	t := s.next()
	s.expect("*", ")")
	size, signed, ok := intType(t.text)
	if !ok {
		s.fail("%q is no type: u8, u16, u32, u64 or s8, s16, s32", t.text)
	}
	return size, signed
}

// intType takes apart "u32".
func intType(word string) (size uint8, signed, ok bool) {
	if word == "" || word[0] != 'u' && word[0] != 's' {
		return 0, false, false
	}
	switch word[1:] {
	case "8", "16", "32", "64":
		n, _ := strconv.Atoi(word[1:]) // one of these four
		return uint8(n / 8), word[0] == 's', true
	}
	return 0, false, false
}

// place reads "(r1 +4)".
func (s *statement) place() (base Reg, off int16) {
	s.expect("(")
	base, off = s.placeInside()
	s.expect(")")
	return base, off
}

func (s *statement) placeInside() (base Reg, off int16) {
	base = s.regOf(8)
	if sign := s.peek(0).text; sign == "+" || sign == "-" {
		if sign == "+" && s.peek(1).text == "-" {
			s.next()
		}
		off = int16(s.number(math.MinInt16, math.MaxInt16, 0))
	}
	return base, off
}

// assignment reads what follows the register that a line begins with.
func (s *statement) assignment(dst Reg, size uint8) {
	op := s.next().text
	if op == "=" {
		s.value(dst, size)
	} else if op, ok := operation(op, FormBinary); !ok {
		s.fail("no such operation")
	} else if s.isReg() {
		s.out = BinaryReg(op, size, dst, s.regOf(size))
	} else if size == 4 {
		s.out = Binary(op, size, dst, s.imm32Wrap())
	} else {
		s.out = Binary(op, size, dst, s.imm32())
	}
	if s.err == nil && s.out == (Insn{}) {
		s.fail("no such instruction")
	}
}

// value reads what is assigned to dst.
func (s *statement) value(dst Reg, size uint8) {
	t := s.peek(0)
	switch {
	case s.isReg():
		s.out = BinaryReg(Mov, size, dst, s.regOf(size))
	case t.kind == tokenNumber, t.text == "-" && s.peek(1).kind == tokenNumber:
		s.constant(dst, size)
	case s.accept("-"):
		if s.regOf(size) != dst {
			s.fail("what is negated must be the register that it is assigned to")
		}
		s.out = New(Neg, size, false, dst, 0, 0, 0)
	case s.accept("("):
		bytes, signed, ok := intType(s.next().text)
		if !ok || !signed || bytes == 8 {
			s.fail("the types to extend from are s8, s16 and s32")
		}
		s.expect(")")
		s.out = New(MovSX, size, true, dst, s.regOf(size), int16(bytes)*8, 0)
	case s.accept("*"):
		s.load(dst)
	case s.accept("&", "(", "void", "__percpu", "*", ")", "("):
		s.out = New(MovPerCPU, 8, true, dst, s.regOf(8), 0, 0)
		s.expect(")")
	case s.accept("addr_space_cast", "("):
		src := s.regOf(8)
		s.expect(",")
		to := s.number(0, math.MaxUint16, 0)
		s.expect(",")
		from := s.number(0, math.MaxUint16, 0)
		s.expect(")")
		s.out = New(AddrSpaceCast, 8, true, dst, src, 0, int32(uint32(to)<<16|uint32(from)))
	case s.accept("load_acquire", "("):
		size, _ := s.accessType()
		base, off := s.place()
		s.expect(")")
		s.out = New(LoadAcq, size, false, dst, base, off, 0)
	case s.peek(1).text == "(":
		s.fetch(dst)
	case s.peek(1).kind == tokenWord && s.endian(dst):
	default:
		s.address(dst)
	}
}

// constant reads a number: a move, or an LdImm64 if it is called so or does not fit.
func (s *statement) constant(dst Reg, size uint8) {
	at := s.at
	if s.peek(0).text == "-" {
		s.next()
	}
	t := s.next()
	long := s.accept("ll") || s.opcode == ClassLD|0x18
	v := t.num
	if s.err == nil && s.tokens[at].text == "-" {
		if v > 1<<63 {
			s.fail("-%s is too small", t.text)
		}
		v = -v
	}
	fits := int64(v) == int64(int32(v)) || size == 4 && v <= math.MaxUint32
	switch {
	case size == 8 && (long || !fits):
		pair := Const64(dst, PseudoNone, v)
		s.out, s.hi = pair[0], pair[1]
	case !fits || long:
		s.fail("%s does not fit", t.text)
	default:
		s.out = Binary(Mov, size, dst, int32(v))
	}
}

// load reads what follows the "*" of a load.
func (s *statement) load(dst Reg) {
	size, signed := s.accessType()
	if !s.accept("skb", "[") {
		base, off := s.place()
		op := Load
		if signed {
			op = LoadSX
		}
		s.out = New(op, size, false, dst, base, off, 0)
		return
	}
	if dst != R0 {
		s.fail("packet loads go to r0")
	}
	if s.isReg() {
		src, imm := s.regOf(8), int32(0)
		if s.peek(0).text != "]" {
			if s.accept("+", "-") {
				s.at--
			}
			imm = s.imm32()
		}
		s.out = New(LdInd, size, false, 0, src, 0, imm)
	} else {
		s.out = New(LdAbs, size, false, 0, 0, 0, s.imm32())
	}
	s.expect("]")
}

// endian reads "be16 r1"; it takes nothing if that is not what comes.
func (s *statement) endian(dst Reg) bool {
	word := s.peek(0).text
	digits := strings.IndexAny(word, "0123456789")
	if digits < 0 {
		return false
	}
	op, ok := operation(word[:digits], FormEndian)
	n, err := strconv.ParseInt(word[digits:], 10, 32)
	if !ok || err != nil {
		return false
	}
	s.next()
	if s.regOf(8) != dst {
		s.fail("what is swapped must be the register that it is assigned to")
	}
	size := uint8(4)
	if op == Bswap {
		size = 8
	}
	s.out = New(op, size, false, dst, 0, 0, int32(n))
	return true
}

// fetch reads an atomic operation with a result: "atomic64_fetch_add((u64 *)(r1 +0), r2)" as the kernel
// writes it, "atomic_fetch_add(…)" of any width, "xchg_64(r1 + 0, r2)" and "cmpxchg32_32(…)" as clang does.
func (s *statement) fetch(dst Reg) {
	word := s.next().text
	var size uint8
	name, kernel := strings.CutPrefix(word, "atomic_")
	if !kernel {
		name, kernel = strings.CutPrefix(word, "atomic64_")
	}
	if !kernel {
		for suffix, bytes := range map[string]uint8{"_64": 8, "32_32": 4} {
			if cut, ok := strings.CutSuffix(word, suffix); ok {
				name, size = cut, bytes
			}
		}
	}
	op, ok := operation(name, FormFetch)
	if !ok || !kernel && (size == 0 || op != Xchg && op != CmpXchg) {
		s.fail("%q is no operation", word)
		return
	}
	s.expect("(")
	var base Reg
	var off int16
	if kernel {
		size, _ = s.accessType()
		base, off = s.place()
	} else {
		base, off = s.placeInside()
	}
	s.expect(",")
	result := dst
	if op == CmpXchg {
		if result = s.reg(); result != R0 || dst != R0 {
			s.fail("cmpxchg compares with r0 and returns the old value in r0")
		}
		s.expect(",")
	}
	src := s.reg()
	s.expect(")")
	if op != CmpXchg && src != result {
		s.fail("the old value goes to the register of the operand")
	}
	s.out = New(op, size, false, base, src, off, 0)
}

// address reads what an LdImm64 can load besides numbers.
func (s *statement) address(dst Reg) {
	t := s.next()
	var lo, hi int32
	var kind Reg
	switch {
	case t.text == "<" && s.peek(0).text == "addr":
		s.fail("what the address is of is not said")
	case t.text == "func":
		kind = PseudoFunc
		lo = s.jump(math.MinInt32, math.MaxInt32)
	case t.text == "btf" && s.accept("["):
		kind = PseudoBTFID
		lo = s.imm32()
		if s.accept(",") {
			hi = s.imm32()
		}
		s.expect("]")
	case (t.text == "map" || t.text == "map_idx") && s.accept("["):
		kind = PseudoMapFD
		if t.text == "map_idx" {
			kind = PseudoMapIdx
		}
		lo = s.mapIndex()
		s.expect("]")
		if s.accept("[", "0", "]") || s.peek(0).text == "+" {
			kind++ // PseudoMapValue, PseudoMapIdxValue
			if s.accept("+") {
				hi = int32(uint32(s.number(math.MinInt32, math.MaxUint32, 0)))
			}
		}
		s.accept("ll")
	case t.kind == tokenWord && s.peek(0).text == "ll":
		kind = PseudoMapFD
		s.at--
		lo = s.mapIndex()
		s.next()
	default:
		s.fail("%q is nothing to assign", t.text)
	}
	pair := Const64(dst, kind, uint64(uint32(hi))<<32|uint64(uint32(lo)))
	s.out, s.hi = pair[0], pair[1]
}

// mapIndex reads a map, by number or by name.
func (s *statement) mapIndex() int32 {
	if s.peek(0).kind != tokenWord {
		return s.imm32()
	}
	name := s.next().text
	if s.a.names.Map != nil {
		if i, ok := s.a.names.Map(name); ok {
			return i
		}
	}
	s.fail("no map %s", name)
	return 0
}
