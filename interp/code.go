package interp

import (
	"fmt"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/isa"
)

// A code is one slot, translated.
type code struct {
	op  uint16 // isa.Op<<2 | form, or op…
	dst uint8
	src uint8
	off int32  // displacement of a memory access, or distance from the next slot of a jump, in bytes of code
	imm uint64 // sign-extended, or what an LdImm64 loads, or by how much a MovSX shifts
}

// A callSite is what the loop needs to know of a call of a helper or kernel function.
type callSite struct {
	fn    helpers.Func
	proto *helpers.Prototype // to check arguments against; nil: do not
}

// A trapSite is the trap that takes the place of an instruction or of the target of a jump.
type trapSite struct {
	insn   int
	reason string
}

// forms of the sizes of accesses.
var sizeForm = [9]uint16{1: 0, 2: 1, 4: 2, 8: 3}

// translate makes the code of the program.
func (m *Machine) translate() {
	insns := m.prog.Insns
	m.code = make([]code, len(insns), len(insns)+8)
	for pc := range insns {
		if insns[pc].Op == isa.LdImm64Hi {
			m.code[pc] = m.trap(pc, "jump into the middle of an instruction")
			continue
		}
		m.code[pc] = m.one(pc)
	}
	m.code = append(m.code, m.trap(len(insns), "ran past the last instruction"))
	m.exit = len(m.code)
	m.code = append(m.code, code{op: uint16(isa.Exit) << 2})
	// Jumps last: those that leave the program get a slot to go to.
	for pc := range insns {
		if op := m.code[pc].op; op < opTrap && isJump(isa.Op(op>>2)) {
			m.link(pc)
		}
	}
	m.plain = m.code
	if m.opts.Observe == nil {
		m.fuse(len(insns))
		return
	}
	m.observed = true
	m.code = append([]code(nil), m.plain...)
	for pc := range insns {
		m.code[pc] = code{op: opObserve}
	}
}

func isJump(op isa.Op) bool {
	return op == isa.Ja || op == isa.MayGoto || op == isa.CallSub || op.IsCond()
}

// link sets the distance of a jump.
func (m *Machine) link(pc int) {
	to := m.prog.Insns[pc].Target(pc)
	if to < 0 || to >= len(m.prog.Insns) {
		m.code = append(m.code, m.trap(pc, fmt.Sprintf("jump to instruction %d, outside the program", to)))
		to = len(m.code) - 1
	}
	m.code[pc].off = int32(to-(pc+1)) * int32(codeSize)
}

// trap makes a slot that ends the run.
func (m *Machine) trap(insn int, reason string) code {
	m.traps = append(m.traps, trapSite{insn, reason})
	return code{op: opTrap, imm: uint64(len(m.traps) - 1)}
}

// one translates a slot that is not the second of an LdImm64.
func (m *Machine) one(pc int) code {
	insns := m.prog.Insns
	i := &insns[pc]
	if why := wrong(insns, pc); why != "" {
		return m.trap(pc, why)
	}
	c := code{op: uint16(i.Op) << 2, dst: uint8(i.Dst), src: uint8(i.Src), off: int32(i.Off), imm: uint64(int64(i.Imm))}
	switch i.Op.Info().Form {
	case isa.FormBinary, isa.FormBranch, isa.FormUnary:
		if i.Size == 4 {
			c.op |= r32
		}
		if !i.SrcReg {
			c.op |= k64
		}
	case isa.FormExtend, isa.FormEndian:
		if i.Size == 4 {
			c.op |= r32
		}
		if i.Op == isa.MovSX {
			c.imm = uint64(64 - int(i.Off))
		}
	case isa.FormCast:
		if !m.arena {
			return m.trap(pc, "the program has no arena to convert addresses of")
		}
	case isa.FormLoad, isa.FormStore, isa.FormStoreImm, isa.FormAtomic, isa.FormFetch, isa.FormAcquire, isa.FormRelease,
		isa.FormAbs, isa.FormInd:
		c.op |= sizeForm[i.Size]
	case isa.FormImm64:
		return m.constant(pc, c)
	case isa.FormCall:
		return m.call(pc, c)
	}
	return c
}

// wrong says why an instruction cannot be executed whatever the registers hold; "" if it can.
func wrong(insns []isa.Insn, pc int) string {
	i := &insns[pc]
	f := isa.Precheck(insns, pc)
	if f == nil {
		f = isa.Check(insns, pc)
	}
	dst, src := i.Operands()
	if f == nil && src {
		f = isa.CheckReg(i.Src)
	}
	if f == nil && dst {
		f = isa.CheckReg(i.Dst)
	}
	if f == nil && i.Op.IsCond() {
		f = isa.CheckJump(i)
	}
	if f != nil {
		return f.Message
	}
	if writes, ok := written(i); ok && writes == isa.R10 {
		return "frame pointer is read only"
	}
	return ""
}

// written is the register that an instruction writes, if it names it.
func written(i *isa.Insn) (isa.Reg, bool) {
	switch i.Op.Info().Form {
	case isa.FormBinary, isa.FormUnary, isa.FormExtend, isa.FormEndian, isa.FormCast, isa.FormLoad, isa.FormAcquire, isa.FormImm64:
		return i.Dst, true
	case isa.FormFetch:
		return i.Src, i.Op != isa.CmpXchg
	}
	return 0, false
}

// constant resolves what an LdImm64 loads.
func (m *Machine) constant(pc int, c code) code {
	insns := m.prog.Insns
	i, hi := &insns[pc], insns[pc+1]
	c.src = 0
	switch i.Src {
	case isa.PseudoNone:
		c.imm = i.Imm64(hi)
		return c
	case isa.PseudoBTFID:
		if m.opts.Variable != nil {
			c.imm = m.opts.Variable(i.Imm)
			if c.imm != 0 {
				return c
			}
		}
		return m.trap(pc, fmt.Sprintf("no kernel variable with BTF id %d", i.Imm))
	case isa.PseudoFunc:
		to := i.Target(pc)
		if to < 0 || to >= len(insns) {
			return m.trap(pc, fmt.Sprintf("no function at instruction %d", to))
		}
		c.imm = helpers.FuncAddr(to)
		return c
	}
	if uint32(i.Imm) >= uint32(len(m.opts.Maps)) || m.opts.Maps[i.Imm] == nil || m.prog.BadFDs[pc] {
		return m.trap(pc, fmt.Sprintf("no map %d", i.Imm))
	}
	mp := m.opts.Maps[i.Imm]
	if i.Src == isa.PseudoMapFD || i.Src == isa.PseudoMapIdx {
		c.imm = uint64(mp.Addr())
		return c
	}
	a, size, ok := valueAddr(mp)
	if !ok || uint32(hi.Imm) >= size {
		return m.trap(pc, fmt.Sprintf("map %q has no value at offset %d", mp.Spec().Name, uint32(hi.Imm)))
	}
	c.imm = uint64(a) + uint64(uint32(hi.Imm))
	return c
}

// idTailCall is bpf_tail_call, which the engine has a part in.
const idTailCall = 12

// call resolves what a call calls.
func (m *Machine) call(pc int, c code) code {
	i := &m.prog.Insns[pc]
	site := callSite{}
	switch i.Op {
	case isa.CallSub:
		return c
	case isa.CallKfn:
		var k *helpers.KernelFunc
		if m.opts.Kfunc != nil {
			k = m.opts.Kfunc(i.Imm, i.Off)
		}
		if k == nil {
			return m.trap(pc, fmt.Sprintf("no kernel function with BTF id %d", i.Imm))
		}
		site.fn = k.Call
	default:
		if m.opts.Helper != nil {
			site.fn = m.opts.Helper(i.Imm)
		}
		p := m.prog
		h, ok := helpers.ForCall(i.Imm, p.Type, p.AttachType, p.Sleepable())
		if site.fn == nil {
			site.fn = h.Call
		}
		if site.fn == nil {
			return m.trap(pc, noHelper(i.Imm))
		}
		if ok && !m.opts.Unchecked {
			site.proto = h.Prototype
		}
	}
	c.op = opHelper
	if i.Op == isa.Call && i.Imm == idTailCall {
		c.op = opTail
	}
	m.calls = append(m.calls, site)
	c.imm = uint64(len(m.calls) - 1)
	return c
}

func noHelper(id int32) string {
	if p := helpers.ByID(id); p != nil {
		return fmt.Sprintf("helper %s#%d is not simulated", p.Name, id)
	}
	return fmt.Sprintf("no helper %d", id)
}
