package oracle

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/object"
)

const (
	uninit = isa.Reg(3) // the register that the programs of TestInstructions leave unwritten
	ctxReg = isa.Reg(6)
)

// randomSlot is a slot that is nearly right more often than not: random bytes seldom are.
func randomSlot(rnd *rand.Rand) (slot isa.Insn) {
	pick := func(vals ...int) int { return vals[rnd.IntN(len(vals))] }
	var b [8]byte
	for {
		b[0] = uint8(rnd.Uint32())
		if d := isa.Decode(b); d.Op != isa.Invalid || rnd.IntN(8) == 0 {
			break
		}
	}
	switch b[0] & 7 {
	case isa.ClassJMP, isa.ClassJMP32: // so that they go to one of the next slots
		b[2] = uint8(pick(0, 0, 1, 2))
		b[4] = uint8(pick(0, 0, 1, 2))
		if b[0] == 0x85 {
			b[4] = uint8(pick(0, 5, 7, 200))
		}
	case isa.ClassALU, isa.ClassALU64:
		b[2] = uint8(pick(0, 0, 0, 1, 2, 8, 16, 32, 64, 255))
		if b[2] == 255 {
			b[3] = 255
		}
		b[4] = uint8(pick(0, 0, 1, 2, 8, 16, 31, 32, 63, 64, 255))
		b[6] = uint8(pick(0, 0, 0, 1))
		b[7] = uint8(pick(0, 0, 0, 255))
	default:
		b[2] = uint8(pick(0, 0, 248, 16, 1))
		if b[2] == 248 {
			b[3] = 255
		}
		b[4] = uint8(pick(0, 0, 0, 1, 0x40, 0x41, 0x50, 0x51, 0xa0, 0xa1, 0xe1, 0xf1, 0x10, 0x5))
		b[5] = uint8(pick(0, 0, 0, 1))
		if b[4] == 5 {
			b[7] = 255
		}
	}
	b[1] = uint8(pick(0, 2, 2, 10, 11, int(uninit), 13)) | uint8(pick(0, 0, 0, 4, int(uninit), 10, 14))<<4
	return isa.Decode(b)
}

// expectFault says what is wrong with the slot at pc by the order of isa.Precheck; nil is nothing that package
// isa knows about.
func expectFault(insns []isa.Insn, pc int) *isa.Fault {
	if f := isa.Check(insns, pc); f != nil {
		return f
	}
	var f *isa.Fault
	read := func(r isa.Reg) {
		if f == nil {
			f = isa.CheckReg(r)
		}
		if f == nil && r == uninit {
			f = &isa.Fault{Message: fmt.Sprintf("R%d !read_ok", r), Errno: 13}
		}
	}
	write := func(r isa.Reg) {
		if f == nil {
			f = isa.CheckReg(r)
		}
	}
	check := func(g *isa.Fault) {
		if f == nil {
			f = g
		}
	}
	i := &insns[pc]
	switch form := i.Op.Info().Form; form {
	case isa.FormBinary:
		if i.SrcReg {
			read(i.Src)
		}
		if i.Op != isa.Mov {
			read(i.Dst)
		}
		check(isa.CheckOperand(i))
		write(i.Dst)
	case isa.FormUnary, isa.FormEndian, isa.FormStoreImm:
		read(i.Dst)
	case isa.FormExtend, isa.FormLoad, isa.FormAcquire:
		read(i.Src)
		write(i.Dst)
	case isa.FormBranch:
		read(i.Dst)
		check(isa.CheckJump(i))
		if i.SrcReg {
			read(i.Src)
		}
	case isa.FormStore, isa.FormAtomic, isa.FormFetch, isa.FormRelease:
		read(i.Src)
		read(i.Dst)
	case isa.FormImm64:
		write(i.Dst)
	case isa.FormInd:
		if i.Src != isa.R0 { // which the call of a helper that this is has made unreadable by then
			read(i.Src)
		}
	}
	return f
}

// isaFaults are the texts of all faults that package isa can give.
func isIsaFault(m string) bool {
	for _, s := range []string{"reserved fields", " is invalid", "unknown opcode", "div by zero", "invalid shift", "invalid may_goto imm",
		"BPF_ATOMIC uses", "invalid atomic operand size", "address space 1 and 0", "invalid bpf_ld_imm64", "unrecognized bpf_ld_imm64"} {
		if strings.Contains(m, s) {
			return true
		}
	}
	return false
}

// TestInstructions loads programs around one random slot: the kernel must print it as isa.Format does, and
// refuse it as isa's checks do, in their order.
func TestInstructions(t *testing.T) {
	k := kernel(t)
	n := 60000
	if testing.Short() {
		n = 2000
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	faults, texts := 0, 0
	for range n {
		slot := randomSlot(rnd)
		insns := []isa.Insn{decode(0xbf, ctxReg, isa.R1, 0, 0)}
		for r := range isa.R10 {
			if r != uninit && r != ctxReg && r != isa.R1 {
				insns = append(insns, decode(0xb7, r, 0, 0, 0))
			}
		}
		pc := len(insns)
		insns = append(insns, slot)
		if slot.Op == isa.LdImm64 {
			insns = append(insns, isa.Insn{Op: isa.LdImm64Hi, Imm: int32(rnd.IntN(2)), Off: int16(rnd.IntN(8) / 7)})
		}
		for range 3 {
			insns = append(insns, decode(0xb7, isa.R0, 0, 0, 0))
		}
		insns = append(insns, decode(0x95, 0, 0, 0, 0))
		res, err := k.Load(&object.Program{Type: 1, License: "GPL", Insns: insns}, Options{LogLevel: LogStates})
		require.NoError(t, err)
		res.Close()
		what := fmt.Sprintf("%x (%s): %v\n%s", slot.Encode(), isa.Format(insns, pc), res, res.Log)
		if f := isa.Precheck(insns, pc); f != nil {
			if f.Message == "unrecognized bpf_ld_imm64 insn" || isIsaFault(res.Message) {
				require.Equal(t, f.Message, res.Message, what)
				require.Equal(t, f.Errno, int(res.Errno), what)
				faults++
			}
			continue
		}
		walked := false
		for _, line := range ParseLog(res.Log).Lines {
			if line.Kind != Insn || line.Insn != pc {
				continue
			}
			walked = true
			texts++
			require.Equal(t, string(names.AppendLog(nil, insns, pc)), line.Text, what)
			break
		}
		walked = walked || strings.Contains(res.Log, fmt.Sprintf("\n%d: BUG", pc))
		if !walked {
			require.False(t, isIsaFault(res.Message), what)
			continue
		}
		f := expectFault(insns, pc)
		if f == nil {
			require.False(t, isIsaFault(res.Message) && !strings.Contains(res.Message, "R0 "), what)
			continue
		}
		require.Equal(t, f.Message, res.Message, what)
		require.Equal(t, f.Errno, int(res.Errno), what)
		faults++
	}
	t.Logf("%d programs: %d texts, %d faults", n, texts, faults)
}

// names are the helpers that TestInstructions calls.
var names = &isa.Names{Helper: func(id int32) string {
	return map[int32]string{0: "bpf_unspec", 1: "bpf_map_lookup_elem", 2: "bpf_map_update_elem", 5: "bpf_ktime_get_ns",
		7: "bpf_get_prandom_u32", 200: "bpf_ringbuf_discard_dynptr"}[id]
}}

func decode(opcode uint8, dst, src isa.Reg, off int16, imm int32) isa.Insn {
	return isa.Decode(isa.Insn{Opcode: opcode, Dst: dst, Src: src, Off: off, Imm: imm}.Encode())
}
