package interp

import (
	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
)

// rare executes the operations on registers that programs seldom have.
func (m *Machine) rare(c *code, op uint16, r *[16]uint64) {
	width := uint(64)
	if op&r32 != 0 {
		width = 32
	}
	d := &r[c.dst&15]
	switch o := isa.Op(op >> 2); o {
	case isa.SDiv, isa.SMod:
		s := r[c.src&15]
		if op&k64 != 0 {
			s = c.imm
		}
		*d = isa.ALU(o, width, *d, s)
	case isa.MovSX:
		*d = isa.MoveSX(width, uint(c.off), r[c.src&15])
	case isa.ToLE, isa.ToBE, isa.Bswap:
		*d = isa.Endian(o, uint(c.imm), *d)
	}
}

// atomics are the operations of package memory behind those of isa.
var atomics = [isa.NumOps]memory.AtomicOp{
	isa.AtomicAdd: memory.AtomicAdd, isa.FetchAdd: memory.AtomicAdd,
	isa.AtomicOr: memory.AtomicOr, isa.FetchOr: memory.AtomicOr,
	isa.AtomicAnd: memory.AtomicAnd, isa.FetchAnd: memory.AtomicAnd,
	isa.AtomicXor: memory.AtomicXor, isa.FetchXor: memory.AtomicXor,
	isa.Xchg: memory.AtomicXchg, isa.CmpXchg: memory.AtomicCmpXchg,
}

// slow executes what the loop has no case for. It tells whether the function ends here.
func (t *thread) slow(m *Machine, c *code, op uint16, pc int) (ends bool, err error) {
	r := &t.regs
	o := isa.Op(op >> 2)
	size := uint32(1) << (op & 3)
	switch {
	case op == opTrap:
		s := &m.traps[c.imm]
		return false, m.newTrap(s.insn, t.depth, s.reason, nil)
	case o == isa.LoadAcq:
		v, err := m.space.LoadAcquire(r[c.src&15]+uint64(int64(c.off)), size)
		if err != nil {
			return false, m.newTrap(pc, t.depth, err.Error(), err)
		}
		r[c.dst&15] = v
		return false, nil
	case o == isa.StoreRel:
		if err := m.space.StoreRelease(r[c.dst&15]+uint64(int64(c.off)), size, r[c.src&15]); err != nil {
			return false, m.newTrap(pc, t.depth, err.Error(), err)
		}
		return false, nil
	case o.IsAtomic():
		return false, t.atomic(m, c, o, size, pc)
	case o == isa.LdAbs, o == isa.LdInd:
		off := int32(c.imm)
		if o == isa.LdInd {
			off += int32(r[c.src&15])
		}
		if t.run.Packet == nil {
			return false, m.newTrap(pc, t.depth, "the run has no packet", nil)
		}
		v, ok := t.run.Packet.LoadAbs(off, size)
		// A load outside the packet ends the function, with 0.
		r[0] = v
		return !ok, nil
	}
	return false, m.newTrap(pc, t.depth, "operation "+o.Info().Name+" is not implemented", nil)
}

// atomic executes an atomic read-modify-write.
func (t *thread) atomic(m *Machine, c *code, o isa.Op, size uint32, pc int) error {
	r := &t.regs
	v := r[c.src&15]
	old, err := m.space.Atomic(atomics[o], r[c.dst&15]+uint64(int64(c.off)), size, v, r[0])
	if err != nil {
		return m.newTrap(pc, t.depth, err.Error(), err)
	}
	switch o {
	case isa.CmpXchg:
		r[0] = old
	case isa.FetchAdd, isa.FetchOr, isa.FetchAnd, isa.FetchXor, isa.Xchg:
		r[c.src&15] = old
	}
	return nil
}

// valueAddr is the address of the only value of a map, and its size.
func valueAddr(mp maps.Map) (memory.Addr, uint32, bool) {
	if v, ok := mp.(maps.ValueAddresser); ok {
		return v.ValueAddr()
	}
	return 0, 0, false
}

// calleeName is what an instruction calls, as the kernel's log has it; "" if it is no call of a helper.
func calleeName(i *isa.Insn) string {
	switch i.Op {
	case isa.Call:
		if p := helpers.ByID(i.Imm); p != nil {
			return p.Name
		}
	case isa.CallKfn:
		return "kernel function"
	}
	return ""
}
