package jit

import (
	"encoding/binary"
	"errors"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
)

// slow executes an instruction that native code has none for, as package interp does: one on memory that may be the
// kernel's or an arena's, a load of packet bytes, an atomic operation that the processor does not have.
func (t *thread) slow(s *site) error {
	c, p := t.ctx, t.p
	i := &p.prog.Insns[s.pc]
	c.entry, c.target = s.thunk, s.resumeAt
	switch {
	case i.Op == isa.LdAbs, i.Op == isa.LdInd:
		off := i.Imm
		if i.Op == isa.LdInd {
			off += int32(c.regs[i.Src])
		}
		if t.run.Packet == nil {
			return errors.New("the run has no packet")
		}
		v, ok := t.run.Packet.LoadAbs(off, uint32(i.Size))
		c.regs[0] = v
		if !ok {
			c.target = s.endAt // a load outside the packet ends the function, with 0
		}
		return nil
	case i.Op.IsAtomic() && i.Op != isa.LoadAcq && i.Op != isa.StoreRel:
		return t.atomic(i)
	}
	return t.access(i)
}

// access does a load or a store.
func (t *thread) access(i *isa.Insn) error {
	c, space := t.ctx, t.p.space
	base, _ := baseOf(i)
	addr, size := c.regs[base]+uint64(int64(i.Off)), uint32(i.Size)
	var v uint64
	var err error
	switch i.Op {
	case isa.Load, isa.LoadSX, isa.LoadAcq:
		if v, err = space.Load(addr, size); err != nil && !t.loadKernel(addr, size, &v) && !t.noPage(addr) {
			return err
		}
		if i.Op == isa.LoadSX {
			shift := 64 - size*8
			v = uint64(int64(v<<shift) >> shift)
		}
		c.regs[i.Dst] = v
		return nil
	case isa.StoreImm:
		v = uint64(int64(i.Imm))
	default:
		v = c.regs[i.Src]
	}
	if err = space.Store(addr, size, v); err != nil && t.noPage(addr) {
		return nil
	}
	return err
}

// loadKernel loads from an address of the kernel; what is not there reads as zero.
func (t *thread) loadKernel(addr uint64, size uint32, v *uint64) bool {
	if t.run.Kernel == nil || addr < 1<<63 {
		return false
	}
	var b [8]byte
	if !t.run.Kernel(addr, b[:size]) {
		b = [8]byte{}
	}
	*v = binary.LittleEndian.Uint64(b[:])
	return true
}

// noPage tells that an address is in an arena, or next to it, where no page is: a load gives zero, a store is lost.
func (t *thread) noPage(addr uint64) bool {
	const guard = 64 << 10
	for _, m := range t.p.opts.Maps {
		if a, ok := m.(*maps.ArenaMap); ok {
			base, size, _ := a.ValueAddr()
			if addr+guard >= uint64(base) && addr < uint64(base)+uint64(size)+guard {
				return true
			}
		}
	}
	return false
}

var atomics = [isa.NumOps]memory.AtomicOp{
	isa.AtomicAdd: memory.AtomicAdd, isa.FetchAdd: memory.AtomicAdd, isa.AtomicOr: memory.AtomicOr, isa.FetchOr: memory.AtomicOr,
	isa.AtomicAnd: memory.AtomicAnd, isa.FetchAnd: memory.AtomicAnd, isa.AtomicXor: memory.AtomicXor, isa.FetchXor: memory.AtomicXor,
	isa.Xchg: memory.AtomicXchg, isa.CmpXchg: memory.AtomicCmpXchg,
}

func (t *thread) atomic(i *isa.Insn) error {
	r := &t.ctx.regs
	old, err := t.p.space.Atomic(atomics[i.Op], r[i.Dst]+uint64(int64(i.Off)), uint32(i.Size), r[i.Src], r[0])
	switch {
	case err != nil:
		return err
	case i.Op == isa.CmpXchg:
		r[0] = old
	case i.Op.Info().Form == isa.FormFetch:
		r[i.Src] = old
	}
	return nil
}
