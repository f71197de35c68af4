package prepare

import (
	"encoding/binary"
	"math/rand"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
)

// A maker makes random programs, most of them with one fault or more that is found before the walk.
type maker struct {
	*rand.Rand
	w   *world
	out []isa.Insn
	bad map[int]bool // slots with a bad descriptor
	// calls are slots that call, or take the address of, a function that is not yet there.
	calls []int
}

// rare is true once in n times.
func (m *maker) rare(n int) bool { return m.Intn(n) == 0 }

func (m *maker) put(op, dst, src uint8, off int16, imm int32) {
	m.out = append(m.out, slot(op, dst, src, off, imm))
}

func (m *maker) putAddress(kind uint8, low, high int32) {
	m.out = code(m.out, address(kind, low, high))
}

// instruction appends a random instruction.
func (m *maker) instruction(functions bool) {
	n := m.Intn
	switch c := n(60); {
	case c < 8:
		m.put(0xb7, uint8(n(10)), 0, 0, 1)
	case c < 14:
		m.put([]uint8{0x15, 0x55, 0x1d, 0x16, opMayGoto}[n(5)], 1, 0, int16(n(5)-1), 0)
	case c < 16:
		m.put(opJa, 0, 0, int16(n(4)-1), 0)
	case c < 17:
		m.put(opJa32, 0, 0, 0, int32(n(4)-1))
	case c < 20:
		m.putAddress(0, 5, 6)
	case c < 24:
		m.putAddress(uint8(1+n(2)), int32(n(len(m.w.maps))), int32(n(3)/2*n(12)))
	case c < 26 && functions:
		m.calls = append(m.calls, len(m.out))
		m.out = append(m.out, callSub(0)...)
	case c < 27 && functions:
		m.calls = append(m.calls, len(m.out))
		m.putAddress(isa.PseudoFunc, 0, 0)
	case c < 30:
		m.out = append(m.out, callHelper([]int32{5, tailCallID, 1, 14, 181, 9999}[n(6)])...)
	case c < 31 && m.rare(2):
		m.put([]uint8{0x20, 0x50}[n(2)], 0, 0, 0, 0)
	case c < 32 && m.rare(3):
		m.put(uint8(n(256)), uint8(n(16)), uint8(n(16)), int16(n(3)), int32(n(3)))
	case c < 33 && m.rare(3):
		m.putAddress(uint8(n(16)), int32(n(4)), int32(n(2)))
	case c < 34 && m.rare(4):
		m.out = append(m.out, callSub(int32(n(40)-20))...)
	case c < 35 && m.rare(4):
		m.put(opCall, 0, isa.PseudoCallKfunc, int16(n(8)/7), []int32{0, 1, 999999999, 70000}[n(4)])
	case c < 36 && m.rare(4):
		m.put(opLdImm64, 1, 0, 0, 0)
		m.put(uint8(n(2)), uint8(n(2)), 0, 0, 0)
	case c < 37 && m.rare(4):
		m.put(opExit, 0, 0, 0, 0)
	case c < 38 && m.rare(4):
		m.bad[len(m.out)] = true
		m.putAddress(isa.PseudoMapFD, int32(n(2)*9990), 0)
	default:
		m.out = append(m.out, nop...)
	}
}

// program makes a program of up to three functions.
func (m *maker) program() *object.Program {
	m.out, m.calls, m.bad = nil, nil, map[int]bool{}
	functions := 1
	if m.rare(2) {
		functions += m.Intn(3)
	}
	var starts []int
	for range functions {
		starts = append(starts, len(m.out))
		for range 1 + m.Intn(6) {
			m.instruction(functions > 1)
		}
		m.put(0xb7, 0, 0, 0, 0)
		if !m.rare(20) {
			m.put(opExit, 0, 0, 0, 0)
		}
	}
	for _, c := range m.calls {
		m.out[c].Imm = int32(starts[1+m.Intn(functions-1)] - c - 1)
	}
	p := m.w.program(m.out)
	p.BadFDs = m.bad
	p.Type = []uint32{1, 1, 1, 2, 3, 6, 8}[m.Intn(7)]
	m.information(p)
	m.attributes(p)
	return p
}

// information adds func_info and line_info, mostly as they should be.
func (m *maker) information(p *object.Program) {
	if m.rare(3) {
		return
	}
	entry := map[int]bool{0: true}
	for pc := range p.Insns {
		if t, ok := callTarget(p.Insns, pc); ok {
			entry[t] = true
		}
	}
	words := func(to []byte, v ...int) []byte {
		for _, x := range v {
			to = binary.LittleEndian.AppendUint32(to, uint32(x))
		}
		return to
	}
	off := func(pc, by int) int {
		if m.rare(40) {
			return pc + m.Intn(by)
		}
		return pc
	}
	p.BTF, p.FuncRec, p.LineRec = m.w.btf, funcRecMin, lineRecMin
	for pc := range p.Insns {
		if !entry[pc] && !m.rare(200) {
			continue
		}
		id := m.w.funcs[m.Intn(numFuncs-1)]
		if m.rare(40) {
			id = m.w.others[m.Intn(len(m.w.others))]
		}
		p.FuncsRaw = words(p.FuncsRaw, off(pc, 3), int(id))
	}
	if !m.rare(3) {
		return
	}
	for pc := range p.Insns {
		if entry[pc] && !m.rare(30) || m.rare(6) && p.Insns[pc].Opcode != 0 || m.rare(100) {
			text := m.Intn(20)
			if m.rare(40) {
				text = 100_000
			}
			p.LinesRaw = words(p.LinesRaw, off(pc, 30), 0, text, 1<<10)
		}
	}
}

func (m *maker) attributes(p *object.Program) {
	if m.rare(40) {
		p.Flags = 1 << m.Intn(10)
	}
	if m.rare(60) {
		p.License = "MIT"
	}
	if m.rare(60) {
		p.AttachType = uint32(m.Intn(60))
	}
	if m.rare(60) {
		p.Type = uint32(m.Intn(36))
		switch p.Type {
		case 20, progExt, progLSM, progTracing: // which kernels refuse by configuration or policy
			p.Type = progSocketFilter
		}
	}
}

// straight makes a program of functions whose every register is known, so that it has one path. Calls go to later functions only.
func (m *maker) straight() *object.Program {
	m.out = nil
	functions := 1 + m.Intn(3)
	starts := make([]int, functions)
	calls := make([][]int, functions)
	for f := range functions {
		starts[f] = len(m.out)
		for r := uint8(6); r <= 9; r++ {
			m.put(0xb7, r, 0, 0, int32(m.Intn(3)))
		}
		var jumps []int
		for range 4 + m.Intn(12) {
			m.known(&jumps, &calls[f], f+1 < functions)
		}
		end := len(m.out)
		m.out = append(m.out, ret0...)
		for _, j := range jumps {
			t := j + 1 + m.Intn(end-j)
			for m.out[t].Opcode == 0 {
				t++
			}
			if m.out[j].Opcode == opJa32 {
				m.out[j].Imm = int32(t - j - 1)
			} else {
				m.out[j].Off = int16(t - j - 1)
			}
		}
	}
	for f, at := range calls {
		for _, c := range at {
			m.out[c].Imm = int32(starts[f+1+m.Intn(functions-f-1)] - c - 1)
		}
	}
	p := m.w.program(m.out)
	p.Flags = 1 << 3 // a state is kept at every prune point
	return p
}

// known appends an instruction on registers with known values. Jumps get their targets later.
func (m *maker) known(jumps, calls *[]int, mayCall bool) {
	r := uint8(6 + m.Intn(4))
	switch m.Intn(8) {
	case 0:
		m.put(0xb7, r, 0, 0, int32(m.Intn(3)))
	case 1, 2:
		*jumps = append(*jumps, len(m.out))
		m.put([]uint8{0x15, 0x55, 0x16}[m.Intn(3)], r, 0, 0, int32(m.Intn(3)))
	case 3: // a goto, and a way to what follows it
		m.put(0x15, r, 0, 1, 1)
		*jumps = append(*jumps, len(m.out))
		m.put([]uint8{opJa, opJa32}[m.Intn(2)], 0, 0, 0, 0)
	case 4:
		m.out = append(m.out, callHelper(5)...)
	case 5:
		if mayCall {
			*calls = append(*calls, len(m.out))
			m.out = append(m.out, callSub(0)...)
		}
	case 6:
		m.out = code(m.out, []isa.Insn{slot(opLdImm64, r, 0, 0, 2), slot(0, 0, 0, 0, 0)})
	case 7:
		m.put(opJa, 0, 0, 0, 0)
	}
}

// saves makes a program of calls that leave registers alone, most of them with saves and restores around them.
func (m *maker) saves() *object.Program {
	m.out = nil
	off := func() int16 { return -8 * int16(1+m.Intn(3)) }
	save := func(r uint8, at int16) { m.put(opSpill, 10, r, at, 0) }
	restore := func(r uint8, at int16) { m.put(opFill, r, 10, at, 0) }
	for range 1 + m.Intn(3) {
		for r := uint8(1); r <= 6; r++ {
			m.put(0xb7, r, 0, 0, 0)
		}
		if m.rare(3) {
			save(6, off())
		}
		regs := m.Perm(6)[:m.Intn(4)]
		at := off()
		first := at
		for i, r := range regs {
			at = first + 8*int16(len(regs)-1-i)
			if at >= 0 || m.rare(15) {
				at = off()
			}
			save(uint8(1+r), at)
		}
		m.out = append(m.out, callHelper(linux.HelperGetSmpProcessorId)...)
		at = first
		for i := range regs {
			r := regs[len(regs)-1-i]
			if m.rare(20) {
				r = m.Intn(6)
			}
			to := at + 8*int16(i)
			if to >= 0 || m.rare(15) {
				to = off()
			}
			restore(uint8(1+r), to)
		}
		if m.rare(4) {
			restore(6, off())
		}
	}
	m.out = append(m.out, ret0...)
	p := m.w.program(m.out)
	p.Type = progXDP
	return p
}
