package verifier

import (
	"strings"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/verifier/internal/prepare"
)

// arg checks argument n (from 0) of a call.
func (w *walk) arg(n int, c *call) error {
	reg := isa.R1 + isa.Reg(n)
	if err := w.readReg(reg); err != nil {
		return err
	}
	a := &c.proto.Args[n]
	r := w.cur.reg(reg)
	if a.Kind == helpers.ArgAnything || a.Kind == helpers.ArgScalar {
		return nil
	}
	if r.isPkt() {
		if !w.helperPacket(c) {
			return w.refuse(eacces, "helper-packet", "helper access to the packet is not allowed")
		}
	}
	kind := a.Kind
	if kind == helpers.ArgMapValue {
		var err error
		if kind, err = w.mapValueArg(a, c); err != nil {
			return err
		}
	}
	if !(r.isNull() && a.Flags&helpers.MaybeNull != 0) {
		if err := w.argType(reg, r, kind, a, c); err != nil {
			return err
		}
		if kind == helpers.ArgDynptr && a.Flags&helpers.Release != 0 {
			if r.typ == dynptrPtr {
				return w.refuse(einval, "dynptr-const", "cannot release unowned const bpf_dynptr")
			}
			if !w.dynptrHeld(r) {
				return w.refuse(einval, "dynptr-unacquired", "arg %d is an unacquired reference", reg)
			}
			c.release = reg
		} else if err := w.argOffset(reg, r, a.Flags&helpers.Release != 0); err != nil {
			return err
		}
	}
	if a.Flags&helpers.Release != 0 && kind != helpers.ArgDynptr {
		if r.ref == 0 && !r.isNull() {
			return w.refuse(einval, "release-reference", "R%d must be referenced when passed to release function", reg)
		}
		c.release = reg
	}
	if r.ref != 0 && kind != helpers.ArgKptrXchgDest {
		if c.ref != 0 {
			return w.refuse(efault, "internal", "verifier bug: more than one arg with ref_obj_id R%d %d %d", reg, r.ref, c.ref)
		}
		c.ref = r.ref
	}
	return w.argValue(n, reg, r, kind, c)
}

// helperPacket tells that the helper may be passed pointers into the packet.
func (w *walk) helperPacket(c *call) bool {
	if w.prog.Type == linux.ProgTypeCGroupSockopt {
		return true // its "packet" is a buffer of the kernel
	}
	return c.proto.PktAccess && w.prog.Is(linux.PacketRead)
}

// mapValueArg is what a map's value is, where that depends on the map.
func (w *walk) mapValueArg(a *helpers.Arg, c *call) (helpers.ArgKind, error) {
	if c.m == nil {
		return 0, w.refuse(eacces, "map-missing", "invalid map_ptr to access map->type")
	}
	switch t := linux.MapType(c.m.Type); t {
	case linux.MapTypeSockMap, linux.MapTypeSockHash:
		if a.Flags != 0 {
			return 0, w.refuse(einval, "sockmap-value", "invalid arg_type for sockmap/sockhash")
		}
		return helpers.ArgBTFIDSockCommon, nil
	case linux.MapTypeBloomFilter:
		if c.id == linux.HelperMapPeekElem {
			return helpers.ArgMapValue, nil
		}
	}
	return helpers.ArgMapValue, nil
}

// argType checks that a register is of a type that the argument may have.
func (w *walk) argType(n isa.Reg, r *reg, kind helpers.ArgKind, a *helpers.Arg, c *call) error {
	want := kind.Expected()
	if want == nil {
		return nil
	}
	flags := r.flags
	if a.Flags&helpers.RdOnly != 0 {
		flags &^= rdOnly
	}
	if a.Flags&helpers.MaybeNull != 0 {
		flags &^= maybeNull
	}
	if r.typ == btfPtr && r.flags&alloc != 0 {
		return w.localHelperArg(n, r, kind, a, c)
	}
	isMem := kind == helpers.ArgMem || kind == helpers.ArgMapKey || kind == helpers.ArgMapValue
	old := isMem && w.k.Version < memBTF
	inMap := old && kind != helpers.ArgMem
	if !typeIn(want, r.typ, flags) || old && r.typ == btfPtr || inMap && (r.typ == mem || r.typ == buf) {
		list := w.oldTypes(strings.Join(want, ", "))
		if inMap {
			list, _, _ = strings.Cut(list, ", mem")
		}
		return w.refuse(eacces, "argument-type", "R%d type=%s expected=%s", n, r.typeName(), list)
	}
	if r.typ != btfPtr {
		return nil
	}
	if isMem {
		if a.Flags&helpers.RdOnly == 0 {
			return w.refuse(eacces, "argument-write", "%s() may write into memory pointed by R%d type=%s", linux.HelperName(c.id), n, r.typeName())
		}
		return nil
	}
	if r.flags&(perCPU|alloc) != 0 {
		if r.flags&alloc != 0 {
			return unsupported("local kptr")
		}
		return nil
	}
	if r.canBeNull() && (a.Flags&helpers.MaybeNull == 0 || a.Flags&helpers.Release != 0) {
		return w.refuse(eacces, "argument-null", "Possibly NULL pointer passed to helper arg%d", n)
	}
	if kind == helpers.ArgKptrXchgDest {
		return unsupported("local kptr")
	}
	if c.id == linux.HelperKptrXchg {
		return w.kptrMatches(c.kptr, c.kptrIn, r, n)
	}
	name := a.BTFType
	if name == "" {
		name = "sock_common"
	}
	t, err := w.kernelStruct(name)
	if err != nil {
		return err
	}
	strict := a.Flags&helpers.Release != 0 && c.id != linux.HelperSkRelease
	if !w.types.matches(r.btf, int(r.off), t, strict) {
		return w.refuse(eacces, "argument-btf", "R%d is of type %s but %s is expected", n, r.btf.name, t.name)
	}
	return nil
}

// typeIn tells that the list has the type.
func typeIn(list []string, t regType, f regFlags) bool {
	for _, s := range list {
		if x, ok := typesByName[s]; ok && x.typ == t && x.flags == f {
			return true
		}
	}
	return false
}

// typesByName are the types that arguments may have, by name.
var typesByName = func() map[string]struct {
	typ   regType
	flags regFlags
} {
	m := map[string]struct {
		typ   regType
		flags regFlags
	}{}
	for t := scalar; t < numRegTypes; t++ {
		for _, f := range []regFlags{0, rdOnly, ringbufMem, trusted, rcu, perCPU, perCPU | rcu, perCPU | trusted} {
			x := m[typeName(t, f)]
			x.typ, x.flags = t, f
			m[typeName(t, f)] = x
		}
	}
	return m
}()

// argOffset checks that a pointer that must be as the program got it is.
func (w *walk) argOffset(n isa.Reg, r *reg, release bool) error {
	if release && r.off != 0 {
		return w.refuse(einval, "release-offset", "R%d must have zero offset when passed to release func or trusted arg to kfunc", n)
	}
	switch r.typ {
	case notInit:
		return w.refuse(eacces, "pointer-variable", "variable ? access var_off=(0x0; 0xffffffffffffffff) disallowed")
	case ptrStack, pkt, pktMeta, mapKey, mapValue, mem, buf, arenaPtr, scalar:
		if r.flags&^(rdOnly|ringbufMem) == 0 && !(release && r.flags&ringbufMem != 0) {
			return nil
		}
	case btfPtr:
		if r.flags&(maybeNull|untrusted|userMem|perCPU) == 0 {
			return w.unmodified(n, r, true)
		}
	}
	return w.unmodified(n, r, false)
}

// argValue checks an argument whose type is right.
func (w *walk) argValue(n int, reg isa.Reg, r *reg, kind helpers.ArgKind, c *call) error {
	a := &c.proto.Args[n]
	switch kind {
	case helpers.ArgConstMapPtr:
		return w.mapArg(r, c)
	case helpers.ArgMapKey:
		if c.m == nil {
			return w.refuse(eacces, "map-missing", "invalid map_ptr to access map->key")
		}
		if err := w.helperMem(reg, int64(c.m.KeySize), false, false, nil); err != nil {
			return err
		}
		return w.constantKey(r, c)
	case helpers.ArgMapValue:
		if a.Flags&helpers.MaybeNull != 0 && r.isNull() {
			return nil
		}
		c.raw.raw = a.Flags&helpers.Uninit != 0
		return w.helperMem(reg, int64(c.m.ValueSize), a.Flags&helpers.Write != 0, false, &c.raw)
	case helpers.ArgPerCPUBTFID:
		c.typ = r.btf
	case helpers.ArgSpinLock:
		return w.spinLock(reg, r, c)
	case helpers.ArgTimer:
		return w.fieldParam(reg, r, prepare.Timer, c)
	case helpers.ArgFunc:
		c.sub = int(r.subprog)
	case helpers.ArgMem:
		c.raw.raw = a.Flags&helpers.Uninit != 0
		if a.Flags&helpers.FixedSize == 0 {
			return nil
		}
		if err := w.helperMem(reg, int64(a.Size), a.Flags&helpers.Write != 0, false, &c.raw); err != nil {
			return err
		}
		if a.Flags&helpers.Aligned != 0 {
			return w.aligned(r, &access{base: reg, size: int(a.Size), strict: true})
		}
	case helpers.ArgConstSize, helpers.ArgConstSizeOrZero:
		write := c.proto.Args[n-1].Flags&helpers.Write != 0
		return w.sizeArg(reg, r, write, kind == helpers.ArgConstSizeOrZero, c)
	case helpers.ArgConstAllocSizeOrZero:
		if !r.num.IsConst() {
			return w.refuse(eacces, "size-constant", "R%d is not a known constant'", reg)
		}
		c.size = r.val()
		return w.mark(reg)
	case helpers.ArgDynptr:
		return w.dynptrArg(n, reg, r, a, c)
	case helpers.ArgConstStr:
		return w.constString(reg, r)
	case helpers.ArgKptrXchgDest:
		return w.kptrDest(reg, r, c)
	}
	return nil
}

// sizeArg checks the size of the memory that the argument before points to.
func (w *walk) sizeArg(n isa.Reg, r *reg, write, zeroOK bool, c *call) error {
	c.maxSize = r.num.UMax
	raw := &c.raw
	if !r.num.IsConst() {
		raw = nil
	}
	switch {
	case r.num.SMin < 0:
		return w.refuse(eacces, "size-negative", "R%d min value is negative, either use unsigned or 'var &= const'", n)
	case r.num.UMin == 0 && !zeroOK:
		return w.refuse(eacces, "size-zero", "R%d invalid zero-sized read: u64=[%d,%d]", n, int64(r.num.UMin), int64(r.num.UMax))
	case r.num.UMax >= linux.MaxVarSize:
		return w.refuse(eacces, "size-unbounded", "R%d unbounded memory access, use 'var &= const' or 'if (var < const)'", n)
	}
	if err := w.helperMem(n-1, int64(r.num.UMax), write, zeroOK, raw); err != nil {
		return err
	}
	return w.mark(n)
}

// helperMem checks memory that a helper reads or writes.
func (w *walk) helperMem(n isa.Reg, size int64, write, zeroOK bool, raw *rawMem) error {
	r := w.cur.reg(n)
	off := int(r.off)
	readOnly := func() error {
		return w.refuse(eacces, "read-only", "R%d cannot write into %s", n, r.typeName())
	}
	switch r.typ {
	case pkt, pktMeta:
		return w.packetRange(n, r, off, int(size), zeroOK)
	case mapKey:
		if write {
			return readOnly()
		}
		return w.region(n, r, off, int(size), int64(r.m.KeySize), false)
	case mapValue:
		if err := w.mapRights(r, off, size, write); err != nil {
			return err
		}
		return w.mapRange(n, r, off, int(size), zeroOK, false)
	case mem:
		if write && r.flags&rdOnly != 0 {
			return readOnly()
		}
		return w.region(n, r, off, int(size), int64(r.memSize), zeroOK)
	case buf:
		if write && r.flags&rdOnly != 0 {
			return readOnly()
		}
		return w.buffer(bufName(r), n, r, off, int(size))
	case ptrStack:
		return w.stackInitialised(n, r, off, size, zeroOK, write, raw)
	case btfPtr:
		return w.accessBTF(r, off, &access{base: n, size: int(size)})
	case ptrCtx:
		if w.prog.Type == linux.ProgTypeSyscall {
			if size == 0 {
				if zeroOK {
					return nil
				}
				return &refusal{eacces, "size-zero", ""}
			}
			return w.access(&access{base: n, off: int(size - 1), size: 1, write: write})
		}
	}
	if zeroOK && size == 0 && r.isNull() {
		return nil
	}
	return w.refuse(eacces, "argument-type", "R%d type=%s expected=fp", n, r.typeName())
}

// constantKey finds out which element of an array is looked up, if the key on the stack is a constant.
func (w *walk) constantKey(r *reg, c *call) error {
	t := linux.MapType(c.m.Type)
	if !w.k.Has(linux.FeatureArrayLookupNonNull) || t != linux.MapTypeArray && t != linux.MapTypePerCPUArray || r.typ != ptrStack || !r.num.IsConst() {
		return nil
	}
	top := -int(r.off) - int(int64(r.num.Bits.Value)) - 1
	spi, at, size := top/slotSize, top%slotSize, int(c.m.KeySize)
	s := &w.cur.frames[r.frame].stack[spi]
	run := func(k byteKind) (n int) {
		for i := at; i >= 0 && s.kind[i] == k; i-- {
			n++
		}
		return n
	}
	if run(kindZero) >= size {
		c.key = 0
		return nil
	}
	if !s.isScalarSpill() || run(kindSpill) != size || !s.spill.num.IsConst() {
		return nil
	}
	c.key = int64(s.spill.val())
	w.bt.reset(len(w.cur.frames) - 1)
	w.bt.slots[r.frame] |= 1 << spi
	_, err := w.walkBack(w.cur)
	return err
}

// spinLock takes or gives back a lock in a map's value, or in a local object.
func (w *walk) spinLock(n isa.Reg, r *reg, c *call) error {
	if !r.num.IsConst() {
		return w.refuse(einval, "lock-variable", "R%d doesn't have constant offset. bpf_spin_lock has to be at the constant offset", n)
	}
	own, fields, ok := w.owner(r)
	what, name := "local", "kptr"
	switch {
	case !ok:
		return unsupported("locks in %s", r.typeName())
	case own.m != nil:
		what, name = "map", mapName(own.m.Name)
		if own.m.BTF == nil {
			return w.refuse(einval, "lock-btf", "map '%s' has to have BTF in order to use bpf_spin_lock", name)
		}
	}
	f := fields.Find(prepare.SpinLock)
	if f == nil {
		return w.refuse(einval, "lock-none", "%s '%s' has no valid bpf_spin_lock", what, name)
	}
	at := int64(r.num.Bits.Value) + int64(r.off)
	if at != int64(f.Offset) {
		return w.refuse(einval, "lock-offset", "off %d doesn't point to 'struct bpf_spin_lock' that is at %d", at, f.Offset)
	}
	s := w.cur
	if c.id == linux.HelperSpinLock {
		if s.locks > 0 {
			return w.refuse(einval, "lock-two", "Locking two bpf_spin_locks are not allowed")
		}
		s.refs = append(s.refs, ref{kind: refLock, id: r.id, insn: w.pc, lock: own})
		s.locks++
		s.lockID, s.lock = r.id, own
		return nil
	}
	if s.locks == 0 {
		return w.refuse(einval, "unlock-none", "bpf_spin_unlock without taking a lock")
	}
	if w.inTreeCallback() {
		return w.refuse(eacces, "unlock-callback", "can't spin_{lock,unlock} in rbtree cb")
	}
	for i := range s.refs {
		if l := &s.refs[i]; l.kind == refLock && l.id == r.id && l.lock == own {
			s.refs = append(s.refs[:i], s.refs[i+1:]...)
			s.locks--
			s.lockID, s.lock = 0, container{}
			w.dropNonOwning()
			return nil
		}
	}
	return w.refuse(einval, "unlock-other", "bpf_spin_unlock of different lock")
}

// mapArg notes the map that is passed. Behind a timer or work queue it must be the map that this is in.
func (w *walk) mapArg(r *reg, c *call) error {
	if c.m != nil && (c.m != r.m || c.mapUID != r.mapUID) {
		what := "timer"
		if c.kf != nil {
			what = "workqueue"
		}
		return w.refuse(einval, "field-map", "%s pointer in R1 map_uid=%d doesn't match map pointer in R2 map_uid=%d", what, c.mapUID, r.mapUID)
	}
	c.m, c.mapUID = r.m, r.mapUID
	return nil
}

// fieldParam checks a timer or the like in a map's value.
func (w *walk) fieldParam(n isa.Reg, r *reg, kind prepare.FieldKind, c *call) error {
	if !r.num.IsConst() {
		return w.refuse(einval, "field-variable", "R%d doesn't have constant offset. %s has to be at the constant offset", n, kind)
	}
	if r.m.BTF == nil {
		return w.refuse(einval, "field-btf", "map '%s' has to have BTF in order to use %s", mapName(r.m.Name), kind)
	}
	f := r.m.fields.Find(kind)
	if f == nil {
		return w.refuse(einval, "field-none", "map '%s' has no valid %s", mapName(r.m.Name), kind)
	}
	if at := int64(r.num.Bits.Value) + int64(r.off); at != int64(f.Offset) {
		return w.refuse(einval, "field-offset", "off %d doesn't point to 'struct %s' that is at %d", at, kind, f.Offset)
	}
	c.m, c.mapUID = r.m, r.mapUID
	return nil
}

// constString checks a string that must lie in a map that nobody can change.
func (w *walk) constString(n isa.Reg, r *reg) error {
	if !r.m.constant() {
		return w.refuse(eacces, "string-map", "R%d does not point to a readonly map'", n)
	}
	if !r.num.IsConst() {
		return w.refuse(eacces, "string-variable", "R%d is not a constant address'", n)
	}
	at := int(r.off) + int(r.num.Bits.Value)
	if err := w.mapRange(n, r, int(r.off), int(r.m.ValueSize)-at, false, false); err != nil {
		return err
	}
	for ; at < int(r.m.ValueSize); at++ {
		if v, _ := r.m.read(at, 1); v == 0 {
			return nil
		}
	}
	return w.refuse(einval, "string-end", "string is not zero-terminated")
}
