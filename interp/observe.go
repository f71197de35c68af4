package interp

import (
	"unsafe"

	"github.com/skepbpf/skep/isa"
)

// opStop is an operation that exec stops at.
const opStop = numOps

// observe calls Options.Observe before the instruction at pc.
func (t *thread) observe(m *Machine, pc int) {
	t.state = State{Insn: pc, Regs: (*[16]uint64)(t.regs[:]), Frame: t.depth, Run: t.run, Program: m.prog}
	m.opts.Observe(&t.state)
}

// single executes one instruction by itself, and tells to which slot it went. It is false for what exec does not do; then
// nothing has happened.
func (t *thread) single(m *Machine, pc int, left int64) (to int, ok bool) {
	c := m.plain[pc]
	op := isa.Op(c.op >> 2)
	if c.op < opTrap && isJump(op) {
		c.off = int32(codeSize)
	}
	t.step = [3]code{c, {op: opStop}, {op: opStop}}
	ip, _ := exec(&t.step[0], &t.regs, m.space, at(&t.step[1])+left)
	switch ip {
	case &t.step[1]:
		return pc + 1, true
	case &t.step[2]:
		if op == isa.LdImm64 {
			return pc + 2, true
		}
		return pc + 1 + int(m.plain[pc].off)/int(codeSize), true
	}
	return 0, false
}

// index is the position of ip in the code that it is part of: what runs, or what would if nobody observed.
func (m *Machine) index(ip *code) int {
	n := uintptr(unsafe.Pointer(ip)) - uintptr(unsafe.Pointer(&m.code[0]))
	if n < uintptr(len(m.code))*codeSize {
		return int(n / codeSize)
	}
	return int((uintptr(unsafe.Pointer(ip)) - uintptr(unsafe.Pointer(&m.plain[0]))) / codeSize)
}

// observedCode is ip, or what stands for it in the code that runs.
func (m *Machine) observedCode(ip *code) *code { return &m.code[m.index(ip)] }

// slot is the instruction that ip stands for.
func (m *Machine) slot(ip *code) int {
	pc := m.index(ip)
	if pc >= len(m.prog.Insns) && ip.op == opTrap {
		return m.traps[ip.imm].insn
	}
	return pc
}
