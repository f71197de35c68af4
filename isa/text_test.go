package isa_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/skepbpf/skep/isa"
)

// TestSource is print∘parse = identity, for every sequence of slots.
func TestSource(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var raw []byte
		for range rapid.IntRange(1, 6).Draw(t, "slots") {
			i := slot(t)
			b := i.Encode()
			raw = append(raw, b[:]...)
			if i.Op == isa.LdImm64 {
				hi := isa.Insn{Imm: rapid.Int32().Draw(t, "hi"), Off: int16(rapid.IntRange(0, 20).Draw(t, "bad") / 20)}
				b := hi.Encode()
				raw = append(raw, b[:]...)
			}
		}
		insns, err := isa.DecodeProgram(raw)
		require.NoError(t, err)
		text := isa.Source(insns)
		back, err := isa.Parse(text)
		require.NoError(t, err, text)
		require.Equal(t, insns, back, text)
	})
}

// TestLogText: what the log prints of a flawless instruction says everything about it, but for what
// addresses are of and that a kernel function is called.
func TestLogText(t *testing.T) {
	spelled := 0
	rapid.Check(t, func(t *rapid.T) {
		// Most random slots are no instruction: with -short, rapid tries few times.
		for range 64 {
			if logText(t) {
				spelled++
			}
		}
	})
	require.NotZero(t, spelled)
}

// logText checks one slot; false if it is no instruction that the log can have.
func logText(t *rapid.T) bool {
	insns := []isa.Insn{slot(t)}
	switch insns[0].Op {
	case isa.LdImm64:
		insns[0].Src = isa.PseudoNone
		insns = append(insns, isa.Insn{Op: isa.LdImm64Hi, Imm: rapid.Int32().Draw(t, "hi")})
	case isa.CallKfn:
		return false
	}
	if _, f := isa.CheckAll(insns); f != nil {
		return false
	}
	if insns[0].Op == isa.Exit {
		insns[0].Off = 0 // Linux looks at no offset there, and its text shows none
	}
	text := string((*isa.Names)(nil).AppendLog(nil, insns, 0))
	back, err := isa.Parse("7: " + text + "   ; R1=scalar()")
	require.NoError(t, err, text)
	require.Equal(t, insns, back, text)
	if insns[0].Op == isa.LdImm64 {
		return true
	}
	back, err = isa.Parse(isa.Format(insns, 0))
	require.NoError(t, err, text)
	require.Equal(t, insns, back, text)
	return true
}

func TestParseFriendly(t *testing.T) {
	p := &isa.Parser{
		Map: func(name string) (int32, bool) { return 4, name == "counts" },
		Helper: func(name string) (int32, bool) {
			return map[string]int32{"bpf_map_lookup_elem": 1}[name], name == "bpf_map_lookup_elem"
		},
		Kfunc: func(name string) (int32, int16, bool) { return 7000, 2, name == "bpf_cpumask_create" },
	}
	insns, err := p.Parse(`
# clang's spellings, labels and comments
start:	r1 = counts ll
	r2 = map[counts] + 8      // a value
	r3 = *(u32*)(r1+4)        ; and a load
	w4 = *(u8 *)(r1 + 0)
	*(u64 *)(r10 - 8) = w4
	*(u32 *)(r10 - 8) = 0xffffffff
	lock *(u32 *)(r1 + 8) += w3
	w3 = atomic_fetch_or((u32 *)(r1 + 8), w3)
	r3 = xchg_64(r1 + 8, r3)
	w0 = cmpxchg32_32(r1 - 8, w0, w3)
	w5 = load_acquire((u8 *)(r1 + 0))
	store_release((u8 *)(r1 + 0), w5)
	call bpf_map_lookup_elem
	call bpf_cpumask_create
	call sub
	r5 = func sub
	if r0 != 0 goto start
	if w0 s< -1 goto +1 <start+0x8>
loop:
	goto loop
	gotol loop
	may_goto end
	r6 = 0xdeadbeef
	r6 = 0x10
	r6 = 16 ll
	w6 = 0xdeadbeef
	r6 = be16 r6
sub: end: exit
`)
	require.NoError(t, err)
	require.Equal(t, strings.TrimLeft(`
r1 = map[4]
r2 = map[4] + 8
r3 = *(u32 *)(r1 +4)
r4 = *(u8 *)(r1 +0)
*(u64 *)(r10 -8) = r4
*(u32 *)(r10 -8) = -1
lock *(u32 *)(r1 +8) += r3
r3 = atomic_fetch_or((u32 *)(r1 +8), r3)
r3 = atomic64_xchg((u64 *)(r1 +8), r3)
r0 = atomic_cmpxchg((u32 *)(r1 -8), r0, r3)
r5 = load_acquire((u8 *)(r1 +0))
store_release((u8 *)(r1 +0), r5)
call unknown#1
call kfunc#7000:2
call pc+14
r5 = func pc+13
if r0 != 0x0 goto pc-20
if w0 s< 0xffffffff goto pc+1
goto pc-1
gotol pc-2
may_goto pc+7
r6 = 0xdeadbeef ll
r6 = 16
r6 = 0x10 ll
w6 = -559038737
r6 = be16 r6
exit
`, "\n"), isa.Source(insns))
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"r1 = r2\nr1 = w2":                  `line 2: w2 is not as wide as the other operand: "r1 = w2"`,
		"x: exit\nx: exit":                  `line 2: label x is there already: "x: exit"`,
		"goto nowhere":                      `line 1: no label nowhere: "goto nowhere"`,
		"call nothing":                      `line 1: no label, helper or kernel function nothing: "call nothing"`,
		"r1 &= 0xffffffff":                  `line 1: 0xffffffff is too large: "r1 &= 0xffffffff"`,
		"r1 +=":                             `line 1: something is missing at the end: "r1 +="`,
		"r16 = 1":                           `line 1: "r16" begins no instruction: "r16 = 1"`,
		"r1 = map[x]":                       `line 1: no map x: "r1 = map[x]"`,
		"(07) r1 -= 1":                      `line 1: opcode 07, not the instruction's 17: "(07) r1 -= 1"`,
		"r1 = *(u32 *)(r2 +40000)":          `line 1: 40000 is too large: "r1 = *(u32 *)(r2 +40000)"`,
		"r1 = *(u33 *)(r2 +4)":              `line 1: "u33" is no type: u8, u16, u32, u64 or s8, s16, s32: "r1 = *(u33 *)(r2 +4)"`,
		"r1 = *(s64 *)(r2 +4)":              `line 1: no such instruction: "r1 = *(s64 *)(r2 +4)"`,
		"r1 = -r2":                          `line 1: what is negated must be the register that it is assigned to: "r1 = -r2"`,
		"r1 = <addr>":                       `line 1: what the address is of is not said: "r1 = <addr>"`,
		"exit exit":                         `line 1: unexpected "exit": "exit exit"`,
		"r1 = 99999999999999999999":         `line 1: "99999999999999999999" is not a number: "r1 = 99999999999999999999"`,
		"r1 = ?":                            `line 1: unexpected "?": "r1 = ?"`,
		"w1 = 0x100000000":                  `line 1: 0x100000000 does not fit: "w1 = 0x100000000"`,
		"if r1 == r2 jump pc+1":             `line 1: "jump" where "goto" is expected: "if r1 == r2 jump pc+1"`,
		"BUG_c3":                            `line 1: "BUG_c3" begins no instruction: "BUG_c3"`,
		"lock *(u64 *)(r1 +0) -= r2":        `line 1: no atomic operation of that kind: "lock *(u64 *)(r1 +0) -= r2"`,
		"r3 = atomic_xchg((u32 *)(r1), r2)": `line 1: the old value goes to the register of the operand: "r3 = atomic_xchg((u32 *)(r1), r2)"`,
		".insn 0x95":                        `line 1: a slot is 0x and 16 digits: ".insn 0x95"`,
	} {
		_, err := isa.Parse(text)
		require.EqualError(t, err, want)
		var at *isa.ParseError
		require.ErrorAs(t, err, &at)
	}
	far := "goto end\n" + strings.Repeat("r0 = 0\n", 40000) + "end: exit\n"
	_, err := isa.Parse(far)
	require.ErrorContains(t, err, "too far")
	_, err = isa.Parse(strings.Replace(far, "goto", "gotol", 1))
	require.NoError(t, err)
}

func FuzzParse(f *testing.F) {
	f.Add("r1 = *(u32 *)(r2 +4)\nif r1 s>= 5 goto x\nx: exit")
	f.Add("r1 = map[3] + 4\ncall kfunc#5:1\nr0 = atomic64_cmpxchg((u64 *)(r1 +0), r0, r2)")
	f.Add("3: (bf) r2 = &(void __percpu *)(r0) ; R1=ctx()")
	f.Fuzz(func(t *testing.T, text string) {
		insns, err := isa.Parse(text)
		if err != nil {
			return
		}
		source := isa.Source(insns)
		back, err := isa.Parse(source)
		if err != nil {
			t.Fatalf("%v\n%s", err, source)
		}
		require.Equal(t, insns, back, source)
	})
}
