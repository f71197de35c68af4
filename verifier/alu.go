package verifier

import (
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/verifier/domain"
)

// aluOps relates the operations of isa to those of domain.
var aluOps = [isa.NumOps]domain.Op{
	isa.Add: domain.Add, isa.Sub: domain.Sub, isa.Mul: domain.Mul, isa.Div: domain.Div, isa.SDiv: domain.SDiv,
	isa.Mod: domain.Mod, isa.SMod: domain.SMod, isa.And: domain.And, isa.Or: domain.Or, isa.Xor: domain.Xor,
	isa.Lsh: domain.Lsh, isa.Rsh: domain.Rsh, isa.Arsh: domain.Arsh, isa.Neg: domain.Neg,
}

// readReg checks that a register may be read.
func (w *walk) readReg(r isa.Reg) error {
	if f := isa.CheckReg(r); f != nil {
		return w.refuse(f.Errno, "no-register", "%s", f.Message)
	}
	w.log.scratchReg(r)
	if w.cur.reg(r).typ == notInit {
		return w.refuse(eacces, "uninitialised", "R%d !read_ok", r)
	}
	return nil
}

// writeReg checks that a register may be written; fresh: what it was is forgotten.
func (w *walk) writeReg(r isa.Reg, fresh bool) error {
	if f := isa.CheckReg(r); f != nil {
		return w.refuse(f.Errno, "no-register", "%s", f.Message)
	}
	w.log.scratchReg(r)
	if r == isa.R10 {
		return w.refuse(eacces, "frame-pointer", "frame pointer is read only")
	}
	if fresh {
		w.cur.reg(r).setUnknown()
	}
	return nil
}

// alu walks an arithmetic instruction.
func (w *walk) alu(i *isa.Insn) error {
	switch i.Op {
	case isa.Mov, isa.MovSX:
		return w.mov(i)
	case isa.AddrSpaceCast:
		return w.castSpace(i)
	case isa.ToLE, isa.ToBE, isa.Bswap, isa.Neg:
		if err := w.readReg(i.Dst); err != nil {
			return err
		}
		d := w.cur.reg(i.Dst)
		if i.Op == isa.Neg {
			if err := w.writeReg(i.Dst, false); err != nil {
				return err
			}
			if d.typ != scalar {
				d.setUnknown()
				return nil
			}
			zero := constReg(0)
			return w.scalarALU(i, d, &zero)
		}
		if err := w.writeReg(i.Dst, false); err != nil {
			return err
		}
		if d.typ != scalar {
			d.setUnknown()
			return nil
		}
		if w.less&domain.LessNeg != 0 {
			d.setUnknown()
			return nil
		}
		if i.Op == isa.ToLE && i.Imm == 64 {
			return nil // it does nothing, so even ties remain
		}
		num := d.num
		*d = reg{typ: scalar, num: num, precise: false}
		d.num.SwapBytes(orders[i.Op], uint(i.Imm))
		return nil
	}
	if i.SrcReg {
		if err := w.readReg(i.Src); err != nil {
			return err
		}
	}
	if err := w.readReg(i.Dst); err != nil {
		return err
	}
	if f := isa.CheckOperand(i); f != nil {
		return w.refuse(f.Errno, "operand", "%s", f.Message)
	}
	if err := w.writeReg(i.Dst, false); err != nil {
		return err
	}
	return w.arith(i)
}

var orders = [isa.NumOps]domain.Order{isa.ToLE: domain.ToLE, isa.ToBE: domain.ToBE, isa.Bswap: domain.Bswap}

// giveID makes sure that a scalar about to be copied has an id, so that what is learnt of one copy goes to the other.
func (w *walk) giveID(r *reg) {
	if r.typ != scalar {
		return
	}
	if r.delta {
		r.dropID()
	}
	if r.id == 0 && !r.num.IsConst() {
		r.id = w.newID()
	}
}

func (w *walk) mov(i *isa.Insn) error {
	if i.SrcReg {
		if err := w.readReg(i.Src); err != nil {
			return err
		}
	}
	if err := w.writeReg(i.Dst, false); err != nil {
		return err
	}
	d := w.cur.reg(i.Dst)
	wide := i.Size == 8
	if !i.SrcReg {
		v := uint64(int64(i.Imm))
		if !wide {
			v = uint64(uint32(i.Imm))
		}
		// The number is kept as a scalar of its own; that it matters is not known yet.
		d.setConst(v)
		return nil
	}
	s := w.cur.reg(i.Src)
	switch {
	case i.Op == isa.Mov && wide:
		w.giveID(s)
		*d = *s
		return nil
	case s.typ != scalar:
		// Part of a pointer: a number.
		d.setUnknown()
		if !wide {
			d.num.Truncate(4)
		}
		return nil
	case i.Op == isa.Mov:
		fits := s.num.Fits32()
		if fits {
			w.giveID(s)
		}
		*d = *s
		if !fits {
			d.dropID()
		}
		d.num.Truncate(4)
		return nil
	}
	bits := uint(i.Off)
	same := s.num.UMax < 1<<(bits-1)
	if same {
		w.giveID(s)
	}
	*d = *s
	if !same {
		d.dropID()
	}
	d.num.SignExtend(bits/8, !wide)
	if !wide {
		d.num.Truncate(4)
	}
	return nil
}

// dropID cuts a scalar's tie to others.
func (r *reg) dropID() { r.id, r.off, r.delta, r.delta32 = 0, 0, false, false }

// arith walks d op= s for operands that have been checked.
func (w *walk) arith(i *isa.Insn) error {
	d := w.cur.reg(i.Dst)
	if d.typ == arenaPtr || i.SrcReg && w.cur.reg(i.Src).typ == arenaPtr {
		*d = ptrReg(arenaPtr, 0) // any address will do
		return nil
	}
	if !i.SrcReg {
		k := &w.imm
		*k = constReg(uint64(int64(i.Imm)))
		if d.typ != scalar {
			return w.pointerALU(i, d, d, k)
		}
		return w.scalarALU(i, d, k)
	}
	s := w.cur.reg(i.Src)
	switch {
	case s.typ != scalar && d.typ != scalar:
		// The distance of two pointers is a number; nothing else of two pointers makes sense.
		if i.Op == isa.Sub {
			d.setUnknown()
			return nil
		}
		return w.refuse(eacces, "pointer-pointer", "R%d pointer %s pointer prohibited", i.Dst, aluName(i.Op))
	case s.typ != scalar:
		if err := w.mark(i.Dst); err != nil {
			return err
		}
		return w.pointerALU(i, d, s, d)
	case d.typ != scalar:
		if err := w.mark(i.Src); err != nil {
			return err
		}
		return w.pointerALU(i, d, d, s)
	case d.precise:
		if err := w.mark(i.Src); err != nil {
			return err
		}
	}
	return w.scalarALU(i, d, s)
}

// scalarALU is d op= s for scalars.
func (w *walk) scalarALU(i *isa.Insn, d, s *reg) error {
	op, is32 := aluOps[i.Op], i.Size == 4
	k := &w.tmp[0] // s may be d
	*k = *s
	small := d.num.Fits32()
	if zero, ok := d.num.Fork(op, &k.num); ok {
		// Zero or minus one: each is walked on its own, so that the result is a constant.
		b, err := w.push(w.pc, w.pc)
		if err != nil {
			return err
		}
		b.reg(i.Dst).num = zero
	}
	w.less.ALU(&d.num, op, is32, &k.num)
	if bad := d.num.Violation(); bad != "" {
		w.violation("alu", d, bad)
	}
	// Compilers check r2 and use r1 where r1 = r2 + constant: the tie is kept with the distance.
	if (i.Op == isa.Add || i.Op == isa.Sub) && d.id != 0 && k.num.IsConst() && (!is32 || small) &&
		w.k.Has(linux.FeatureLinkedDelta) && (!is32 || w.k.Version >= linkedSync) {
		v := int64(k.num.Bits.Value)
		if is32 {
			v = int64(int32(v))
		}
		if i.Op == isa.Sub {
			v = -v
		}
		if d.delta || v != int64(int32(v)) {
			d.dropID()
		} else {
			d.delta, d.delta32, d.off = true, is32, int32(v)
		}
		return nil
	}
	d.dropID()
	return nil
}

// violation notes ranges that contradict each other, as the kernel does, and forgets them.
func (w *walk) violation(where string, r *reg, what string) {
	w.line("REG INVARIANTS VIOLATION (%s): %s", where, what)
	r.num.SetUnbounded()
}

// saneOffset checks that a pointer or what is added to it is not absurdly far off.
func (w *walk) saneOffset(r *reg, as *reg) error {
	v, known := int64(r.num.Bits.Value), r.num.IsConst()
	const far = linux.MaxVarOff
	switch {
	case known && (v >= far || v <= -far):
		return w.refuse(einval, "offset-range", "math between %s pointer and %d is not allowed", as.typeName(), v)
	case r.off >= far || r.off <= -far:
		return w.refuse(einval, "offset-range", "%s pointer offset %d is not allowed", as.typeName(), r.off)
	case r.num.SMin == -1<<63:
		return w.refuse(einval, "offset-unbounded",
			"math between %s pointer and register with unbounded min value is not allowed", as.typeName())
	case r.num.SMin >= far || r.num.SMin <= -far:
		return w.refuse(einval, "offset-range", "value %d makes %s pointer be out of bounds", r.num.SMin, as.typeName())
	}
	return nil
}

// zeroNum is added to a pointer's variable offset when only its fixed part changes: its 32-bit ranges go.
var zeroNum = domain.Const(0)

// aluName is how messages call an operation: signed or not, divisions are the same to them.
func aluName(op isa.Op) string {
	switch op {
	case isa.SDiv:
		op = isa.Div
	case isa.SMod:
		op = isa.Mod
	}
	return op.Info().Name
}

// pointerALU is d = p op s, where p is a pointer (d itself, or what is added to the scalar d).
func (w *walk) pointerALU(i *isa.Insn, d, p, s *reg) error {
	w.tmp[0], w.tmp[1] = *s, *p // d is about to change
	s, as := &w.tmp[0], &w.tmp[1]
	known := s.num.IsConst()
	if s.num.SMin > s.num.SMax || s.num.UMin > s.num.UMax {
		d.setUnknown()
		return nil
	}
	name := aluName(i.Op)
	if i.Size != 8 {
		if i.Op == isa.Sub {
			d.setUnknown()
			return nil
		}
		return w.refuse(eacces, "pointer-32bit", "R%d 32-bit pointer arithmetic prohibited", i.Dst)
	}
	if p.canBeNull() {
		return w.refuse(eacces, "pointer-null", "R%d pointer arithmetic on %s prohibited, null-check it first", i.Dst, p.typeName())
	}
	if p.typ == mem && p.flags&untrusted != 0 {
		return nil // its loads cannot fault, wherever it points
	}
	switch p.typ {
	case ptrCtx, mapValue, mapKey, ptrStack, pktMeta, pkt, tpBuffer, btfPtr, mem, buf, funcPtr, dynptrPtr:
	default:
		fine := p.typ == flowKeys && known || p.typ == constMap && known && s.num.SMin == 0 && i.Op == isa.Add
		if !fine {
			return w.refuse(eacces, "pointer-type", "R%d pointer arithmetic on %s prohibited", i.Dst, p.typeName())
		}
	}
	scalarFirst := d != p
	if err := w.saneOffset(s, p); err != nil {
		return err
	}
	if err := w.saneOffset(p, p); err != nil {
		return err
	}
	v := s.num.SMin
	switch i.Op {
	case isa.Add:
		if sum := int64(as.off) + v; known && sum == int64(int32(sum)) {
			*d = *as
			d.off = int32(sum)
			d.num.AddOffset(&zeroNum)
			break
		}
		*d = *as
		d.num.AddOffset(&s.num)
		if d.isPkt() {
			d.id, d.rng = w.newID(), 0
		}
	case isa.Sub:
		if scalarFirst {
			return w.refuse(eacces, "scalar-minus-pointer", "R%d tried to subtract pointer from scalar", i.Dst)
		}
		if p.typ == ptrStack {
			return w.refuse(eacces, "stack-minus", "R%d subtraction from stack pointer prohibited", i.Dst)
		}
		if diff := int64(as.off) - v; known && diff == int64(int32(diff)) {
			d.off = int32(diff)
			d.num.AddOffset(&zeroNum)
			break
		}
		d.num.SubOffset(&s.num)
		if d.isPkt() {
			d.id = w.newID()
			if s.num.SMin < 0 {
				d.rng = 0
			}
		}
	case isa.And, isa.Or, isa.Xor:
		return w.refuse(eacces, "pointer-bitwise", "R%d bitwise operator %s on pointer prohibited", i.Dst, name)
	default:
		return w.refuse(eacces, "pointer-operator", "R%d pointer arithmetic with %s operator prohibited", i.Dst, name)
	}
	return w.saneOffset(d, as)
}
