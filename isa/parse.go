package isa

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A Parser knows what names in assembler text stand for. The zero Parser knows none. Nil functions know none.
type Parser struct {
	// Map gives the index of a map, for "r1 = map[name]" and "r1 = name ll".
	Map func(name string) (index int32, ok bool)
	// Helper gives the number of a helper, for "call bpf_map_lookup_elem".
	Helper func(name string) (id int32, ok bool)
	// Kfunc gives the BTF id and module index of a kernel function, for "call bpf_cpumask_create".
	Kfunc func(name string) (id int32, off int16, ok bool)
}

// A ParseError is what is wrong with a line of assembler text.
type ParseError struct {
	Line int // from 1
	Text string
	Err  error
}

// Error names the line and what is wrong with it.
func (e *ParseError) Error() string { return fmt.Sprintf("line %d: %v: %q", e.Line, e.Err, e.Text) }

// Unwrap gives what is wrong.
func (e *ParseError) Unwrap() error { return e.Err }

// Parse reads assembler text: one instruction a line, in the spelling of the verifier's log (what Format
// prints, with or without "N: (xx) " before it) or of clang and llvm-objdump. Beyond that there are
//
//   - comments, from ";" or "//" to the end of the line, and lines that begin with "#";
//   - labels, "name:" on a line of its own or before an instruction, as targets of goto, gotol, may_goto,
//     if and call, and of "r2 = func name";
//   - "r1 = 0x1234 ll" for a 64-bit immediate, which a number beyond 32 bits always is;
//   - "r1 = map[3]", "r1 = map[3] + 8", "r1 = map[name]" for a map or its value at an offset, "r1 = map_idx[3]",
//     "r1 = btf[123]", "r2 = func pc+9" for the other Pseudo kinds;
//   - "call kfunc#123" and "call kfunc#123:4" for a kernel function by BTF id and module;
//   - ".insn 0xb700000000000000" for a slot by its bytes.
//
// Jumps without a label count slots from the next instruction on: "pc+1", "+1". An LdImm64 takes two slots.
func Parse(text string) ([]Insn, error) { return new(Parser).Parse(text) }

// Parse is Parse with names.
func (p *Parser) Parse(text string) ([]Insn, error) {
	a := assembly{names: p, labels: map[string]int{}}
	n := 0
	for line := range strings.Lines(text) {
		n++
		if err := a.line(n, line); err != nil {
			return nil, &ParseError{Line: n, Text: strings.TrimSpace(line), Err: err}
		}
	}
	for _, r := range a.refs {
		if err := a.resolve(r); err != nil {
			return nil, &ParseError{Line: r.line, Text: r.text, Err: err}
		}
	}
	b := make([]byte, 0, len(a.out)*8)
	for _, i := range a.out {
		e := i.Encode()
		b = append(b, e[:]...)
	}
	return DecodeProgram(b)
}

// An assembly is a text being read.
type assembly struct {
	names  *Parser
	out    []Insn
	labels map[string]int
	refs   []ref
}

// A ref is the use of a name whose meaning is known only at the end of the text.
type ref struct {
	pc   int
	name string
	line int
	text string
}

// line reads one line.
func (a *assembly) line(n int, line string) error {
	text := line
	if i := strings.IndexByte(line, ';'); i >= 0 {
		line = line[:i]
	}
	if i := strings.Index(line, "//"); i >= 0 {
		line = line[:i]
	}
	if strings.HasPrefix(strings.TrimLeft(line, " \t"), "#") {
		return nil
	}
	line, opcode := cutOpcode(line)
	tokens, err := lex(line)
	if err != nil {
		return err
	}
	for len(tokens) >= 2 && tokens[0].kind == tokenWord && tokens[1].text == ":" {
		name := tokens[0].text
		if _, again := a.labels[name]; again {
			return fmt.Errorf("label %s is there already", name)
		}
		a.labels[name] = len(a.out)
		tokens = tokens[2:]
	}
	if len(tokens) == 0 {
		if opcode >= 0 {
			return fmt.Errorf("no instruction")
		}
		return nil
	}
	s := statement{a: a, tokens: tokens, opcode: opcode}
	s.parse()
	if s.err == nil && s.at < len(s.tokens) && s.peek(0).text != "<" { // llvm-objdump adds <the label>
		s.fail("unexpected %q", s.peek(0).text)
	}
	if s.err != nil {
		return s.err
	}
	if opcode >= 0 && int(s.out.Opcode) != opcode {
		return fmt.Errorf("opcode %02x, not the instruction's %02x", opcode, s.out.Opcode)
	}
	if s.ref != "" {
		a.refs = append(a.refs, ref{pc: len(a.out), name: s.ref, line: n, text: strings.TrimSpace(text)})
	}
	a.out = append(a.out, s.out)
	if s.out.Op == LdImm64 && !s.raw {
		a.out = append(a.out, s.hi)
	}
	return nil
}

// cutOpcode cuts "12: (07) " off a line of a log; opcode is -1 if there is none.
func cutOpcode(line string) (rest string, opcode int) {
	rest = strings.TrimLeft(line, " \t0123456789")
	if rest, numbered := strings.CutPrefix(rest, ":"); numbered && rest != line {
		line = rest
	}
	rest = strings.TrimLeft(line, " \t")
	if len(rest) < 4 || rest[0] != '(' || rest[3] != ')' {
		return line, -1
	}
	n, err := strconv.ParseUint(rest[1:3], 16, 8)
	if err != nil {
		return line, -1
	}
	return rest[4:], int(n)
}

// resolve fills in what a name stands for.
func (a *assembly) resolve(r ref) error {
	i := &a.out[r.pc]
	if target, ok := a.labels[r.name]; ok {
		delta := int64(target) - int64(r.pc) - 1
		switch i.Op {
		case Call:
			*i = New(CallSub, 0, false, 0, 0, 0, int32(delta))
		case LdImm64:
			i.Imm = int32(delta)
		case Ja:
			if i.Opcode&7 == ClassJMP32 {
				i.Imm = int32(delta)
				return nil
			}
			fallthrough
		default:
			if delta != int64(int16(delta)) {
				return fmt.Errorf("label %s is %d slots away, too far for a jump of 16 bits", r.name, delta)
			}
			i.Off = int16(delta)
		}
		return nil
	}
	if i.Op != Call {
		return fmt.Errorf("no label %s", r.name)
	}
	if a.names.Helper != nil {
		if id, ok := a.names.Helper(r.name); ok {
			i.Imm = id
			return nil
		}
	}
	if a.names.Kfunc != nil {
		if id, off, ok := a.names.Kfunc(r.name); ok {
			*i = New(CallKfn, 0, false, 0, 0, off, id)
			return nil
		}
	}
	return fmt.Errorf("no label, helper or kernel function %s", r.name)
}

// A statement is one instruction being read. After the first error it reads nothing more.
type statement struct {
	a      *assembly
	tokens []token
	at     int
	opcode int // that the line names, -1 if none
	err    error

	out, hi Insn
	raw     bool   // out is a slot by its bytes
	ref     string // a name for resolve
}

func (s *statement) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
	}
}

func (s *statement) peek(n int) token {
	if s.err != nil || s.at+n >= len(s.tokens) {
		return token{}
	}
	return s.tokens[s.at+n]
}

func (s *statement) next() token {
	t := s.peek(0)
	if t.kind == tokenEnd {
		s.fail("something is missing at the end")
		return t
	}
	s.at++
	return t
}

// accept takes the tokens if they are the next ones.
func (s *statement) accept(texts ...string) bool {
	for n, text := range texts {
		if s.peek(n).text != text {
			return false
		}
	}
	s.at += len(texts)
	return s.err == nil
}

func (s *statement) expect(texts ...string) {
	for _, text := range texts {
		if t := s.next(); t.text != text {
			s.fail("%q where %q is expected", t.text, text)
		}
	}
}

// register reads the word of a register, "r1" (width 8) or "w1" (width 4).
func register(word string) (r Reg, size uint8, ok bool) {
	if len(word) < 2 || len(word) > 3 || word[0] != 'r' && word[0] != 'w' {
		return 0, 0, false
	}
	n, err := strconv.ParseUint(word[1:], 10, 8)
	if err != nil || n > 15 || len(word) == 3 && word[1] == '0' {
		return 0, 0, false
	}
	if word[0] == 'w' {
		return Reg(n), 4, true
	}
	return Reg(n), 8, true
}

// reg reads a register, whatever the letter: where the width is that of the access, clang writes w1 and the
// kernel r1.
func (s *statement) reg() Reg {
	t := s.next()
	r, _, ok := register(t.text)
	if !ok {
		s.fail("%q is no register", t.text)
	}
	return r
}

// regOf reads a register of the width.
func (s *statement) regOf(size uint8) Reg {
	t := s.next()
	r, is, ok := register(t.text)
	if !ok {
		s.fail("%q is no register", t.text)
	} else if is != size {
		s.fail("%s is not as wide as the other operand", t.text)
	}
	return r
}

func (s *statement) isReg() bool {
	_, _, ok := register(s.peek(0).text)
	return ok
}

// number reads a number with an optional sign. It fails unless the value is in range; hexadecimal values may
// be written without sign up to top, for which they wrap around.
func (s *statement) number(lo, hi int64, top uint64) int64 {
	sign := s.peek(0).text
	if sign == "-" || sign == "+" {
		s.next()
	}
	t := s.next()
	if t.kind != tokenNumber {
		s.fail("%q is no number", t.text)
		return 0
	}
	switch {
	case sign == "-":
		if t.num > uint64(-lo) {
			s.fail("-%s is too small", t.text)
		}
		return -int64(t.num)
	case t.num <= uint64(hi):
		return int64(t.num)
	case t.hex && t.num <= top:
		return int64(int32(t.num))
	}
	s.fail("%s is too large", t.text)
	return 0
}

func (s *statement) imm32() int32 {
	return int32(s.number(math.MinInt32, math.MaxInt32, math.MaxInt32))
}

// imm32Wrap reads an immediate for which 0xffffffff is -1.
func (s *statement) imm32Wrap() int32 {
	return int32(s.number(math.MinInt32, math.MaxInt32, math.MaxUint32))
}
