package interp

import (
	"encoding/binary"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
)

// rare executes the operations on registers that programs seldom have; false if it is none of them.
func (t *thread) rare(c *code, op uint16) bool {
	width := uint(64)
	if op&r32 != 0 {
		width = 32
	}
	d := &t.regs[c.dst]
	switch o := isa.Op(op >> 2); o {
	case isa.SDiv, isa.SMod:
		s := t.regs[c.src]
		if op&k64 != 0 {
			s = c.imm
		}
		*d = isa.ALU(o, width, *d, s)
	case isa.ToLE, isa.ToBE, isa.Bswap:
		*d = isa.Endian(o, uint(c.imm), *d)
	default:
		return false
	}
	return true
}

// atomics are the operations of package memory behind those of isa.
var atomics = [isa.NumOps]memory.AtomicOp{
	isa.AtomicAdd: memory.AtomicAdd, isa.FetchAdd: memory.AtomicAdd,
	isa.AtomicOr: memory.AtomicOr, isa.FetchOr: memory.AtomicOr,
	isa.AtomicAnd: memory.AtomicAnd, isa.FetchAnd: memory.AtomicAnd,
	isa.AtomicXor: memory.AtomicXor, isa.FetchXor: memory.AtomicXor,
	isa.Xchg: memory.AtomicXchg, isa.CmpXchg: memory.AtomicCmpXchg,
}

// accesses are the operations that exec stops at only if the Space refuses them.
var accesses = map[isa.Op]memory.Rights{
	isa.Load: memory.Read, isa.LoadSX: memory.Read, isa.Store: memory.Write, isa.StoreImm: memory.Write,
}

// slow executes what the loop has no case for, or says why it cannot be. It tells whether the function ends here.
func (t *thread) slow(m *Machine, c *code, pc int) (ends bool, err error) {
	r, op := &t.regs, c.op
	o := isa.Op(op >> 2)
	size := uint32(1) << (op & 3)
	switch {
	case op == opTrap:
		s := &m.traps[c.imm]
		return false, m.newTrap(s.insn, t.depth, s.reason, nil)
	case o == isa.LoadAcq:
		v, err := m.space.LoadAcquire(r[c.src]+uint64(int64(c.off)), size)
		if err != nil {
			return false, m.newTrap(pc, t.depth, err.Error(), err)
		}
		r[c.dst] = v
		return false, nil
	case o == isa.StoreRel:
		if err := m.space.StoreRelease(r[c.dst]+uint64(int64(c.off)), size, r[c.src]); err != nil {
			return false, m.newTrap(pc, t.depth, err.Error(), err)
		}
		return false, nil
	case o.IsAtomic():
		return false, t.atomic(m, c, o, size, pc)
	case o == isa.LdAbs, o == isa.LdInd:
		off := int32(c.imm)
		if o == isa.LdInd {
			off += int32(r[c.src])
		}
		if t.run.Packet == nil {
			return false, m.newTrap(pc, t.depth, "the run has no packet", nil)
		}
		v, ok := t.run.Packet.LoadAbs(off, size)
		// A load outside the packet ends the function, with 0.
		r[0] = v
		return !ok, nil
	}
	if t.rare(c, op) {
		return false, nil
	}
	if want, ok := accesses[o]; ok {
		base := c.src
		if want == memory.Write {
			base = c.dst
		}
		addr := r[base] + uint64(int64(c.off))
		if want == memory.Read && t.loadKernel(c, o, addr, size) || m.arena && t.noPage(m, c, addr, want) {
			return false, nil
		}
		return false, t.badAccess(m, pc, addr, size, want)
	}
	if isJump(o) {
		return false, NewTrap(m.prog, pc, t.depth, t.ended())
	}
	return false, m.newTrap(pc, t.depth, "operation "+o.Info().Name+" is not implemented", nil)
}

// loadKernel loads from an address of the kernel, as programs do through pointers that BTF describes: what is not there
// reads as zero. It is false if the Run knows no kernel memory, or the address is none.
func (t *thread) loadKernel(c *code, o isa.Op, addr uint64, size uint32) bool {
	if t.run.Kernel == nil || addr < 1<<63 {
		return false
	}
	b := t.kernel[:size]
	if !t.run.Kernel(addr, b) {
		clear(b)
	}
	var v uint64
	switch size {
	case 1:
		v = uint64(b[0])
	case 2:
		v = uint64(binary.NativeEndian.Uint16(b))
	case 4:
		v = uint64(binary.NativeEndian.Uint32(b))
	case 8:
		v = binary.NativeEndian.Uint64(b)
	}
	if o == isa.LoadSX {
		v = uint64(int64(v<<(64-size*8)) >> (64 - size*8))
	}
	t.regs[c.dst] = v
	return true
}

// arenaGuard is how far around an arena Linux has pages that are never there.
const arenaGuard = 64 << 10

// noPage does an access to a page of an arena that is not there, or around it, as Linux does: a load gives zero, a store is
// lost. It is false for other addresses.
func (t *thread) noPage(m *Machine, c *code, addr uint64, want memory.Rights) bool {
	for _, mp := range m.opts.Maps {
		a, ok := mp.(*maps.ArenaMap)
		if !ok {
			continue
		}
		base, size, _ := a.ValueAddr()
		if addr+arenaGuard < uint64(base) || addr >= uint64(base)+uint64(size)+arenaGuard {
			continue
		}
		if want == memory.Read {
			t.regs[c.dst] = 0
		}
		return true
	}
	return false
}

// atomic executes an atomic read-modify-write.
func (t *thread) atomic(m *Machine, c *code, o isa.Op, size uint32, pc int) error {
	r := &t.regs
	v := r[c.src]
	old, err := m.space.Atomic(atomics[o], r[c.dst]+uint64(int64(c.off)), size, v, r[0])
	if err != nil {
		return m.newTrap(pc, t.depth, err.Error(), err)
	}
	switch o {
	case isa.CmpXchg:
		r[0] = old
	case isa.FetchAdd, isa.FetchOr, isa.FetchAnd, isa.FetchXor, isa.Xchg:
		r[c.src] = old
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
