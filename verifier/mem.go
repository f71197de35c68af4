package verifier

import (
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/verifier/internal/prepare"
)

// This file implements loads and stores, by what the pointer points to.

// An access is what an instruction, or a helper on its behalf, does to memory.
type access struct {
	base   isa.Reg
	off    int // of the instruction
	size   int // bytes
	write  bool
	reg    isa.Reg // loaded or stored, if hasReg
	hasReg bool
	imm    *isa.Insn // a store of an immediate
	strict bool      // aligned, whatever the machine allows
	signed bool      // sign-extending load
}

func (w *walk) load(i *isa.Insn) error {
	if err := w.readReg(i.Src); err != nil {
		return err
	}
	if err := w.writeReg(i.Dst, false); err != nil {
		return err
	}
	p := w.cur.reg(i.Src)
	t, f := p.typ, p.flags
	a := access{base: i.Src, off: int(i.Off), size: int(i.Size), reg: i.Dst, hasReg: true, signed: i.Op == isa.LoadSX}
	if err := w.access(&a); err != nil {
		return err
	}
	return w.sameBase(t, f, true)
}

func (w *walk) store(i *isa.Insn) error {
	if err := w.readReg(i.Src); err != nil {
		return err
	}
	if err := w.readReg(i.Dst); err != nil {
		return err
	}
	p := w.cur.reg(i.Dst)
	t, f := p.typ, p.flags
	a := access{base: i.Dst, off: int(i.Off), size: int(i.Size), write: true, reg: i.Src, hasReg: true}
	if err := w.access(&a); err != nil {
		return err
	}
	return w.sameBase(t, f, false)
}

func (w *walk) storeImm(i *isa.Insn) error {
	if err := w.readReg(i.Dst); err != nil {
		return err
	}
	p := w.cur.reg(i.Dst)
	t, f := p.typ, p.flags
	a := access{base: i.Dst, off: int(i.Off), size: int(i.Size), write: true, imm: i}
	if err := w.access(&a); err != nil {
		return err
	}
	return w.sameBase(t, f, false)
}

// sameBase checks that an instruction that the kernel rewrites by the type of its pointer has the same type there
// on every path.
func (w *walk) sameBase(t regType, f regFlags, load bool) error {
	at := &w.at[w.pc]
	if !at.baseSet {
		at.base, at.baseFlags, at.baseSet = t, f, true
		return nil
	}
	if at.base == t && at.baseFlags == f || !rewritten(t) && !rewritten(at.base) {
		return nil
	}
	if (at.base == btfPtr || at.base == mem) && (t == btfPtr || t == mem) && load {
		// Loads from both can be made to survive a fault, if one of them needs that.
		return nil
	}
	return w.refuse(einval, "mixed-pointers", "same insn cannot be used with different pointers")
}

// rewritten tells that accesses to such objects are not what they seem.
func rewritten(t regType) bool {
	switch t {
	case ptrCtx, sock, sockCommon, tcpSock, xdpSock, btfPtr, arenaPtr:
		return true
	}
	return false
}

func (w *walk) loadImm64(i *isa.Insn) error {
	if err := w.writeReg(i.Dst, true); err != nil {
		return err
	}
	d := w.cur.reg(i.Dst)
	hi := w.insns[w.pc+1]
	switch i.Src {
	case isa.PseudoNone:
		d.setConst(i.Imm64(hi))
	case isa.PseudoBTFID:
		return w.loadSymbol(i, d)
	case isa.PseudoFunc:
		n := w.in.Subprog(i.Target(w.pc))
		if w.in.Subprogs[n].Type == 0 {
			return w.refuse(einval, "callback-untyped", "missing btf func_info")
		}
		if w.in.Subprogs[n].Proto != nil && w.in.Subprogs[n].Global {
			return w.refuse(einval, "callback-global", "callback function not static")
		}
		*d = ptrReg(funcPtr, 0)
		d.subprog = int32(n)
	case isa.PseudoMapFD, isa.PseudoMapIdx:
		*d = ptrReg(constMap, 0)
		d.m = w.maps[i.Imm]
	case isa.PseudoMapValue, isa.PseudoMapIdxValue:
		m := w.maps[i.Imm]
		switch linux.MapType(m.Type) {
		case linux.MapTypeArena:
			d.setUnknown()
			return nil
		case linux.MapTypeArray:
		default:
			return unsupported("addresses in maps of type %v", linux.MapType(m.Type))
		}
		*d = ptrReg(mapValue, 0)
		d.off = hi.Imm
		d.m = m
	}
	return nil
}

// access walks one load or store.
func (w *walk) access(a *access) error {
	r := w.cur.reg(a.base)
	if err := w.aligned(r, a); err != nil {
		return err
	}
	off := a.off + int(r.off)
	var err error
	switch {
	case r.typ == mapKey:
		if a.write {
			return w.refuse(eacces, "map-key-write", "write to change key R%d not allowed", a.base)
		}
		err = w.region(a.base, r, off, a.size, int64(r.m.KeySize), false)
		w.loaded(a)
	case r.typ == mapValue && !r.canBeNull():
		err = w.accessMapValue(r, off, a)
	case r.typ == mem:
		err = w.accessMem(r, off, a)
	case r.typ == ptrCtx:
		err = w.accessCtx(r, off, a)
	case r.typ == ptrStack:
		if err := w.stackAccess(a.base, r, off, int64(a.size), a.write, false); err != nil {
			return err
		}
		if a.write {
			return w.writeStack(a.base, r, off, a.size, a.reg, a.hasReg, a.imm)
		}
		err = w.readStack(a.base, r, off, a.size, a.reg, a.hasReg)
	case r.isPkt():
		if a.write && !w.packetAccess(0, true) {
			return w.refuse(eacces, "packet-write", "cannot write into packet")
		}
		err = w.packetRange(a.base, r, off, a.size, false)
		w.loaded(a)
	case r.typ == flowKeys:
		const size = 56 // struct bpf_flow_keys
		if off < 0 || off+a.size > size {
			return w.refuse(eacces, "flow-keys-range", "invalid access to flow keys off=%d size=%d", off, a.size)
		}
		w.loaded(a)
	case r.typ.isSock() && !r.canBeNull():
		err = w.accessSock(r, off, a)
	case r.typ == tpBuffer:
		err = w.buffer("tracepoint", a.base, r, off, a.size)
		w.loaded(a)
	case r.typ == btfPtr && !r.canBeNull():
		err = w.accessBTF(r, off, a)
	case r.typ == constMap && !r.canBeNull():
		err = w.accessMapPtr(r, off, a)
	case r.typ == buf && !r.canBeNull():
		if r.flags&rdOnly != 0 && a.write {
			return w.refuse(eacces, "read-only", "R%d cannot write into %s", a.base, r.typeName())
		}
		err = w.buffer(bufName(r), a.base, r, off, a.size)
		w.loaded(a)
	case r.typ == arenaPtr:
		w.loaded(a)
	default:
		return w.refuse(eacces, "memory-type", "R%d invalid mem access '%s'", a.base, r.typeName())
	}
	if err != nil {
		return err
	}
	if a.hasReg && !a.write && a.size < 8 {
		if d := w.cur.reg(a.reg); d.typ == scalar {
			if a.signed {
				d.num.SignExtend(uint(a.size), false)
			} else {
				d.num.Truncate(uint(a.size))
			}
		}
	}
	return nil
}

func bufName(r *reg) string {
	if r.flags&rdOnly != 0 {
		return "rdonly"
	}
	return "rdwr"
}

// loaded makes the loaded register any number.
func (w *walk) loaded(a *access) {
	if a.hasReg && !a.write {
		w.cur.reg(a.reg).setUnknown()
	}
}

// pointerNames are how misaligned accesses are called.
var pointerNames = [numRegTypes]string{flowKeys: "flow keys ", mapKey: "key ", mapValue: "value ", ptrCtx: "context ",
	ptrStack: "stack ", sock: "sock ", sockCommon: "sock_common ", tcpSock: "tcp_sock ", xdpSock: "xdp_sock "}

// pointerName has no name for pointers that are qualified, such as those that may be NULL.
func pointerName(r *reg) string {
	if r.flags != 0 {
		return ""
	}
	return pointerNames[r.typ]
}

// aligned checks alignment: of the stack always, of the rest if the program wants it.
func (w *walk) aligned(r *reg, a *access) error {
	strict := w.strict || a.strict || r.typ == ptrStack
	if !strict || a.size == 1 || r.typ == arenaPtr {
		return nil
	}
	at := r.num.Bits
	if r.isPkt() {
		const ip = 2 // what drivers put in front so that the IP header is aligned
		at = at.Add(constBits(int64(ip + int(r.off) + a.off)))
		if !at.Aligned(uint64(a.size)) {
			return w.refuse(eacces, "misaligned", "misaligned packet access off %d+%s+%d+%d size %d", ip, bitsText(r.num.Bits), r.off, a.off, a.size)
		}
		return nil
	}
	if !at.Add(constBits(int64(r.off) + int64(a.off))).Aligned(uint64(a.size)) {
		return w.refuse(eacces, "misaligned", "misaligned %saccess off %s+%d+%d size %d", pointerName(r), bitsText(r.num.Bits), r.off, a.off, a.size)
	}
	return nil
}

const negative = "R%d min value is negative, either use unsigned index or do a if (index >=0) check."

// within tells that size bytes at off lie in an object of n bytes.
func within(off int64, size int, n int64, zeroOK bool) bool {
	return off >= 0 && (size > 0 || size == 0 && zeroOK) && off+int64(size) <= n
}

// outside refuses an access that does not lie within an object of n bytes; then is the line that follows.
func (w *walk) outside(b isa.Reg, r *reg, off int64, size int, n int64, then string) error {
	then = at("\nR%d "+then, b)
	switch r.typ {
	case mapKey:
		return w.refuse(eacces, "key-range", "invalid access to map key, key_size=%d off=%d size=%d"+then, n, off, size)
	case mapValue:
		return w.refuse(eacces, "value-range", "invalid access to map value, value_size=%d off=%d size=%d"+then, n, off, size)
	case pkt, pktMeta, pktEnd:
		return w.refuse(eacces, "packet-range", "invalid access to packet, off=%d size=%d, R%d(id=%d,off=%d,r=%d)"+then,
			off, size, b, r.id, off, n)
	}
	return w.refuse(eacces, "memory-range", "invalid access to memory, mem_size=%d off=%d size=%d"+then, n, off, size)
}

// region checks an access with all offsets that the pointer may have.
func (w *walk) region(b isa.Reg, r *reg, off, size int, n int64, zeroOK bool) error {
	lo := r.num.SMin
	if lo < 0 && (lo == -1<<63 || int64(off)+lo != int64(int32(int64(off)+lo)) || lo+int64(off) < 0) {
		return w.refuse(eacces, "negative-index", negative, b)
	}
	if lo += int64(off); !within(lo, size, n, zeroOK) {
		return w.outside(b, r, lo, size, n, "min value is outside of the allowed memory range")
	}
	if r.num.UMax >= linux.MaxVarOff {
		return w.refuse(eacces, "unbounded-index", "R%d unbounded memory access, make sure to bounds check any such access", b)
	}
	if hi := int64(r.num.UMax) + int64(off); !within(hi, size, n, zeroOK) {
		return w.outside(b, r, hi, size, n, "max value is outside of the allowed memory range")
	}
	return nil
}

// packetRange checks an access to the packet.
func (w *walk) packetRange(b isa.Reg, r *reg, off, size int, zeroOK bool) error {
	if r.num.SMin < 0 {
		return w.refuse(eacces, "negative-index", negative, b)
	}
	if r.rng < 0 {
		return w.refuse(einval, "packet-range", "R%d offset is outside of the packet", b)
	}
	if !within(int64(off), size, int64(r.rng), zeroOK) {
		return w.outside(b, r, int64(off), size, int64(r.rng), "offset is outside of the packet")
	}
	return nil
}

func (w *walk) accessMem(r *reg, off int, a *access) error {
	switch {
	case r.canBeNull():
		return w.refuse(eacces, "memory-null", "R%d invalid mem access '%s'", a.base, r.typeName())
	case a.write && r.flags&rdOnly != 0:
		return w.refuse(eacces, "read-only", "R%d cannot write into %s", a.base, r.typeName())
	}
	if r.flags&(rdOnly|untrusted) != rdOnly|untrusted {
		if err := w.region(a.base, r, off, a.size, int64(r.memSize), false); err != nil {
			return err
		}
	}
	w.loaded(a)
	return nil
}

// buffer checks an access to a buffer whose size is known when the program is attached.
func (w *walk) buffer(name string, b isa.Reg, r *reg, off, size int) error {
	if off < 0 {
		return w.refuse(eacces, "buffer-range", "R%d invalid %s buffer access: off=%d, size=%d", b, name, off, size)
	}
	if !r.num.IsConst() || r.num.Bits.Value != 0 {
		return w.refuse(eacces, "buffer-variable", "R%d invalid variable buffer offset: off=%d, var_off=%s", b, off, bitsText(r.num.Bits))
	}
	return nil
}

func (w *walk) accessMapValue(r *reg, off int, a *access) error {
	if err := w.mapRights(r, off, int64(a.size), a.write); err != nil {
		return err
	}
	if err := w.mapRange(a.base, r, off, a.size, false, true); err != nil {
		return err
	}
	if r.num.IsConst() {
		if f := r.m.fields.At(uint32(off+int(r.num.Bits.Value)), prepare.KptrUntrusted|prepare.KptrRef|prepare.KptrPercpu|prepare.Uptr); f != nil {
			return w.accessKptr(f, r, a)
		}
	}
	if a.write || !a.hasReg {
		return nil
	}
	if r.num.IsConst() && r.m.constant() {
		if v, ok := r.m.read(off+int(r.num.Bits.Value), a.size); ok {
			if a.signed {
				v = isa.MoveSX(64, uint(8*a.size), v)
			}
			w.cur.reg(a.reg).setConst(v)
			return nil
		}
		return unsupported("the contents of map %s", r.m.Name)
	}
	w.loaded(a)
	return nil
}

// mapRights checks that programs may read, or write, a map's values.
func (w *walk) mapRights(r *reg, off int, size int64, write bool) error {
	switch {
	case write && r.m.readOnly:
		return w.refuse(eacces, "map-read-only", "write into map forbidden, value_size=%d off=%d size=%d", r.m.ValueSize, off, size)
	case !write && r.m.Flags&linux.MapWrOnlyProgFlag != 0:
		return w.refuse(eacces, "map-write-only", "read from map forbidden, value_size=%d off=%d size=%d", r.m.ValueSize, off, size)
	}
	return nil
}

// mapRange checks an access to a map's value, and that it does not touch what is no data there.
func (w *walk) mapRange(b isa.Reg, r *reg, off, size int, zeroOK, direct bool) error {
	if err := w.region(b, r, off, size, int64(r.m.ValueSize), zeroOK); err != nil {
		return err
	}
	if r.m.fields == nil {
		return nil
	}
	for i := range r.m.fields.List {
		f := &r.m.fields.List[i]
		p := int64(f.Offset)
		if r.num.SMin+int64(off) >= p+int64(f.Size) || p >= int64(r.num.UMax)+int64(off)+int64(size) {
			continue
		}
		if f.Kind&(prepare.KptrUntrusted|prepare.KptrRef|prepare.KptrPercpu|prepare.Uptr) == 0 {
			return w.refuse(eacces, "field-direct", "%s cannot be accessed directly by load/store", f.Kind)
		}
		switch {
		case !direct:
			return w.refuse(eacces, "kptr-helper", "%s cannot be accessed indirectly by helper", f.Kind)
		case !r.num.IsConst():
			return w.refuse(eacces, "kptr-variable", "%s access cannot have variable offset", f.Kind)
		case p != int64(off)+int64(r.num.Bits.Value):
			return w.refuse(eacces, "kptr-misaligned", "%s access misaligned expected=%d off=%d", f.Kind, p, int64(off)+int64(r.num.Bits.Value))
		case size != 8:
			return w.refuse(eacces, "kptr-size", "%s access size must be BPF_DW", f.Kind)
		}
	}
	return nil
}

// constant tells that nobody can change the map's values any more.
func (m *mapInfo) constant() bool {
	return m.Frozen && m.Flags&linux.MapRdOnlyProgFlag != 0 && m.index >= 0 && linux.MapType(m.Type) == linux.MapTypeArray
}

// read is the number of size bytes at an offset of value 0; false if the contents are not known.
func (m *mapInfo) read(off, size int) (v uint64, ok bool) {
	var value []byte
	for i := range m.Contents {
		c := &m.Contents[i]
		zero := true
		for _, b := range c.Key {
			zero = zero && b == 0
		}
		if zero {
			value = c.Value
		}
	}
	if off < 0 || off+size > int(m.ValueSize) {
		return 0, false
	}
	for b := size - 1; b >= 0; b-- {
		v <<= 8
		if off+b < len(value) {
			v |= uint64(value[off+b])
		}
	}
	return v, true
}

// unmodified checks that a pointer is as the program got it. fixedOK: or a fixed distance behind.
func (w *walk) unmodified(n isa.Reg, r *reg, fixedOK bool) error {
	switch {
	case r.off < 0:
		return w.refuse(eacces, "pointer-negative", "negative offset %s ptr R%d off=%d disallowed", r.typeName(), n, r.off)
	case !fixedOK && r.off != 0:
		return w.refuse(eacces, "pointer-modified", "dereference of modified %s ptr R%d off=%d disallowed", r.typeName(), n, r.off)
	case !r.num.IsConst() || r.num.Bits.Value != 0:
		return w.refuse(eacces, "pointer-variable", "variable %s access var_off=%s disallowed", r.typeName(), bitsText(r.num.Bits))
	}
	return nil
}

func (w *walk) accessSock(r *reg, off int, a *access) error {
	if a.write {
		return w.refuse(eacces, "socket-write", "R%d cannot write into %s", a.base, r.typeName())
	}
	if r.num.SMin < 0 {
		return w.refuse(eacces, "negative-index", negative, a.base)
	}
	k, ok := w.k.PtrAccess(sockObjects[r.typ], off, a.size, a.kind())
	if !ok || !r.num.IsConst() {
		return w.refuse(eacces, "socket-range", "R%d invalid %s access off=%d size=%d", a.base, r.typeName(), off, a.size)
	}
	if k != linux.FieldScalar {
		return unsupported("a field of a socket that is a pointer")
	}
	w.loaded(a)
	return nil
}

var sockObjects = [numRegTypes]linux.Object{sock: linux.ObjectSock, sockCommon: linux.ObjectSockCommon,
	tcpSock: linux.ObjectTCPSock, xdpSock: linux.ObjectXDPSock}

// kind is how package linux calls the access.
func (a *access) kind() linux.AccessKind {
	switch {
	case a.write && a.imm != nil:
		return linux.StoreImm
	case a.write:
		return linux.Store
	case a.signed:
		return linux.LoadSX
	}
	return linux.Load
}
