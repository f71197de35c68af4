package verifier

import (
	"slices"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/verifier/domain"
	"github.com/skepbpf/skep/verifier/internal/prepare"
)

// A call is what is found out about a call of a helper while its arguments are checked.
type call struct {
	id      int32
	proto   *helpers.Prototype
	kf      *kfunc   // of a kernel function
	m       *mapInfo // map passed, or that of the value passed
	mapUID  uint32
	raw     rawMem
	release isa.Reg // register whose reference is released, 0: none
	ref     uint32  // of an argument
	sub     int     // callback
	callee  *frame  // to be entered after the call
	size    uint64  // of the memory that is returned
	maxSize uint64  // of the memory that is written
	key     int64   // constant key of an array, -1 if not known
	typ     *btfRef // per-CPU variable; object that a kernel function is about
	kptr    *prepare.Field
	kptrIn  container

	dynptr  isa.Reg // points to where a dynptr is to be made, 0: none
	dyn     uint32  // dynptr passed
	dynRef  uint32  // the reference that it holds
	dynForm form

	iterFrame, iterSlot int // iterator passed

	root      *prepare.Field // list head or tree root passed
	rootSpace *object.BTF    // of the types of its nodes
	node      isa.Reg
	owned     bool // the reference count is that of an owner
}

func (w *walk) sleepable() bool { return w.cur.sleepable }

// noRetval are the attach types that have no return value to get or set: sockets' packets and events, names of peers.
var noRetval = []linux.AttachType{
	linux.AttachCGroupInetIngress, linux.AttachCGroupInetEgress, linux.AttachCGroupSockOps,
	linux.AttachCGroupUDP4Recvmsg, linux.AttachCGroupUDP6Recvmsg, linux.AttachCGroupUnixRecvmsg,
	linux.AttachCGroupInet4Getpeername, linux.AttachCGroupInet6Getpeername, linux.AttachCGroupUnixGetpeername,
	linux.AttachCGroupInet4Getsockname, linux.AttachCGroupInet6Getsockname, linux.AttachCGroupUnixGetsockname,
}

// callHelper walks a call of a helper.
func (w *walk) callHelper(i *isa.Insn) error {
	id := i.Imm
	if w.cur.locks > 0 && id != linux.HelperSpinUnlock {
		return w.refuse(einval, "call-locked", "function calls are not allowed while holding a lock")
	}
	name := linux.HelperName(id)
	if id < 0 || id != 0 && linux.HelperSince(id) > w.k.Version {
		return w.refuse(einval, "helper-unknown", "invalid func unknown#%d", id)
	}
	if id == 0 {
		return w.refuse(einval, "helper-type", w.noHelper(), "bpf_unspec", 0)
	}
	use := w.prog.Helper(w.k, id)
	if (id == linux.HelperSetsockopt || id == linux.HelperGetsockopt) && w.prog.Type == linux.ProgTypeStructOps && w.in.AttachName == "release" {
		use = 0 // options of a socket that is going away
	}
	if id == linux.HelperGetRetval || id == linux.HelperSetRetval {
		switch w.prog.Type {
		case linux.ProgTypeSockOps, linux.ProgTypeCGroupDevice, linux.ProgTypeCGroupSysctl:
			// They take any attach type, and these helpers go by that.
			use &^= linux.HelperAllowed
			if !slices.Contains(noRetval, linux.AttachType(w.p.AttachType)) {
				use |= linux.HelperAllowed
			}
		}
	}
	p := helpers.ForProg(id, w.p.Type, w.p.AttachType, w.in.Sleepable)
	switch {
	case use&linux.HelperAllowed == 0 || p == nil:
		return w.refuse(einval, "helper-type", w.noHelper(), name, id)
	case use&linux.HelperGPL != 0 && !w.in.GPL:
		return w.refuse(einval, "helper-gpl", "cannot call GPL-restricted function from non-GPL compatible program")
	case use&linux.HelperByTarget != 0:
		return unsupported("helpers that depend on what the program is attached to")
	case (use&linux.HelperSleeps != 0 || p.MightSleep) && !w.sleepable():
		return w.refuse(einval, "helper-sleeps", "helper call might sleep in a non-sleepable prog")
	case p.MightSleep && w.cur.rcu > 0:
		return w.refuse(einval, "helper-rcu", "sleepable helper %s#%d in rcu_read_lock region", name, id)
	case p.MightSleep && w.cur.preemptOff > 0:
		return w.refuse(einval, "helper-preempt", "sleepable helper %s#%d in non-preemptible region", name, id)
	case p.MightSleep && w.cur.irq() != 0:
		return w.refuse(einval, "helper-irq", "sleepable helper %s#%d in IRQ-disabled region", name, id)
	}
	c := call{id: id, proto: p, key: -1}
	c.raw.size = -1
	for n := range p.Args {
		if p.Args[n].Kind == helpers.ArgNone {
			break
		}
		if err := w.arg(n, &c); err != nil {
			return err
		}
	}
	if err := w.recordMap(&c); err != nil {
		return err
	}
	if id == linux.HelperForEachMapElem && w.k.Version < oneMap {
		at := &w.at[w.pc]
		if at.forEach != nil && at.forEach != c.m {
			return w.refuse(einval, "for-each-maps", "tail_call abusing map_ptr")
		}
		at.forEach = c.m
	}
	for b := int64(0); b < c.raw.size; b++ {
		a := access{base: c.raw.reg, off: int(b), size: 1, write: true}
		if err := w.access(&a); err != nil {
			return err
		}
	}
	if c.release != 0 {
		if err := w.releaseArg(&c); err != nil {
			return err
		}
	}
	if err := w.special(i, &c); err != nil {
		return err
	}
	w.clobber()
	if err := w.result(&c); err != nil {
		return err
	}
	if c.m != nil && p.Args[0].Kind != helpers.ArgTimer && id != linux.HelperKptrXchg {
		t := linux.MapType(c.m.Type)
		if m := w.k.Map(t); m == nil || !m.Accepts(id, w.prog) {
			return w.refuse(einval, "helper-map", "cannot pass map_type %d into func %s#%d", c.m.Type, name, id)
		}
	}
	if id == linux.HelperTailCall && w.k.Version < tailReturns {
		if w.k.Version >= packetEffects {
			w.dropPackets()
		}
		w.pc++
		return nil
	}
	if id == linux.HelperTailCall {
		// The packet is as it was where the tail call fails, in the program itself: elsewhere nobody comes back.
		if len(w.cur.frames) > 1 {
			return w.endEarly(unknownReg(), true)
		}
		w.pc++
		return nil
	}
	if p.Has(helpers.ChangesPacket) || id == linux.HelperDynptrWrite && (c.dynForm == dynptrSkb || c.dynForm == dynptrSkbMeta) {
		w.dropPackets()
	}
	if c.callee != nil {
		w.pool.push(w.cur, c.callee)
		w.pc = w.in.Subprogs[c.sub].Start
		w.inst = nil
		return nil
	}
	w.pc++
	return nil
}

// checkRetval checks the value that bpf_set_retval is given, after Linux 6.18: an error, or zero.
func (w *walk) checkRetval() error {
	r := w.cur.reg(isa.R1)
	if r.typ != scalar {
		return w.refuse(einval, "set-retval", "R1 is not a scalar")
	}
	s := span{-maxErrno, 0}
	if !s.contains(r, true) {
		return w.badReturn(r, s, "At bpf_set_retval", "R1", "set-retval")
	}
	return w.mark(isa.R1)
}

// endEarly puts off what follows, for a function that may end at this instruction: it returns r0 to its caller.
func (w *walk) endEarly(r0 reg, dropPackets bool) error {
	if _, err := w.push(w.pc+1, w.pc); err != nil {
		return err
	}
	if dropPackets {
		w.dropPackets()
	}
	*w.cur.reg(isa.R0) = r0
	fresh := w.log.fresh
	err := w.leave()
	w.log.fresh = fresh
	return err
}

// dropPackets makes packet pointers numbers: the packet may have moved.
func (w *walk) dropPackets() {
	w.cur.each(func(r *reg) {
		if r.isAnyPkt() || r.typ == mem && r.form.ofPacket() {
			r.setUnknown()
		}
	})
}

// recordMap checks what a map's flags forbid.
func (w *walk) recordMap(c *call) error {
	switch c.id {
	case linux.HelperMapDeleteElem, linux.HelperMapUpdateElem, linux.HelperMapPushElem, linux.HelperMapPopElem:
		if c.m != nil && c.m.readOnly {
			return w.refuse(eacces, "map-read-only", "write into map forbidden")
		}
	case linux.HelperTailCall:
		if c.m == nil || linux.MapType(c.m.Type) != linux.MapTypeProgArray {
			return w.refuse(einval, "tail-call-map", "expected prog array map for tail call")
		}
		r := w.cur.reg(isa.R3)
		if r.isConst() && r.val() < uint64(c.m.MaxEntries) {
			return w.mark(isa.R3)
		}
	}
	return nil
}

// releaseArg gives back the reference that a helper releases.
func (w *walk) releaseArg(c *call) error {
	if c.dyn != 0 {
		return w.releaseDynptr(c)
	}
	if c.ref != 0 && w.cur.dropRef(c.ref) {
		w.forget(c.ref)
		return nil
	}
	if w.cur.reg(c.release).isNull() {
		return nil
	}
	return w.refuse(einval, "release-unacquired", "func %s#%d reference has not been acquired before", linux.HelperName(c.id), c.id)
}

// forget makes numbers of the pointers to what was released.
func (w *walk) forget(id uint32) {
	w.cur.each(func(r *reg) {
		if r.ref == id {
			r.setUnknown()
		}
	})
}

// special is what single helpers need beyond their prototypes.
func (w *walk) special(i *isa.Insn, c *call) error {
	switch c.id {
	case linux.HelperTailCall:
		return w.leaksAnywhere("tail_call")
	case linux.HelperGetLocalStorage:
		if !w.cur.reg(isa.R2).isNull() {
			return w.refuse(einval, "local-storage-flags", "get_local_storage() doesn't support non-zero flags")
		}
	case linux.HelperForEachMapElem, linux.HelperFindVma, linux.HelperUserRingBufDrain, linux.HelperTimerSetCallback:
		return w.pushCallback(c)
	case linux.HelperLoop:
		// The kernel may write the loop out, if R4 is zero whenever it comes here.
		if err := w.inlineLoop(c); err != nil {
			return err
		}
		if !w.k.Has(linux.FeatureCallbackFixpoint) {
			return w.pushCallback(c) // once, even if it would never run
		}
		// How often the callback runs is told by R1.
		if w.cur.reg(isa.R1).typ != scalar {
			return w.refuse(efault, "backtracking", "verifier bug: backtracking misuse")
		}
		if err := w.mark(isa.R1); err != nil {
			return err
		}
		f := w.cur.top()
		if uint64(f.cbDepth) < w.cur.reg(isa.R1).num.UMax {
			return w.pushCallback(c)
		}
		f.cbDepth = 0
		if w.log.states() {
			w.line("frame%d bpf_loop iteration limit reached", len(w.cur.frames)-1)
		}
	case linux.HelperGetFuncIp:
		switch w.prog.Type {
		case linux.ProgTypeKprobe:
		case linux.ProgTypeTracing:
			return unsupported("bpf_get_func_ip in tracing programs")
		default:
			return w.refuse(enotsupp, "func-ip-type", "func %s#%d not supported for program type %d", linux.HelperName(c.id), c.id, w.prog.Type)
		}
	case linux.HelperSnprintf:
		return w.snprintf()
	case linux.HelperDynptrFromMem, linux.HelperRingBufReserveDynptr:
		return w.dynptrHelper(c)
	case linux.HelperSetRetval:
		if w.k.Version > linux.Default.Version {
			if err := w.checkRetval(); err != nil {
				return err
			}
		}
		if w.prog.Type == linux.ProgTypeLSM {
			return unsupported("bpf_set_retval in LSM programs")
		}
	}
	return nil
}

// inlineLoop notes whether the flags of a bpf_loop are zero and its callback the same at every visit.
func (w *walk) inlineLoop(c *call) error {
	at := &w.at[w.pc]
	if at.loopSeen && !at.loopInline {
		return nil
	}
	zero := w.cur.reg(isa.R4).isNull()
	if zero {
		if err := w.mark(isa.R4); err != nil {
			return err
		}
	}
	at.loopInline = zero && (!at.loopSeen || at.loopSub == c.sub)
	if !at.loopSeen {
		at.loopSub = c.sub
	}
	at.loopSeen = true
	return nil
}

// leaksAnywhere is leaks for what leaves the program from any frame.
func (w *walk) leaksAnywhere(what string) error { return w.leaks(true, what) }

// pushCallback puts off a walk of the callback, and goes on behind the call as if it had not been called (again).
// pushAsync puts off a walk of a callback that will run later, by itself.
// callbackArgs makes R1 to R5 what the helper passes to the callback.
// later tells that the callback runs by itself, after the call.
// elementArgs makes R1 to R3 a map, one of its keys and the value.
const maxErrno = 4095

// result makes R0 what the helper returns.
func (w *walk) result(c *call) error {
	d := w.cur.reg(isa.R0)
	ret := &c.proto.Ret
	flags := retFlags(ret.Flags)
	switch ret.Kind {
	case helpers.RetInteger:
		d.setUnknown()
		w.refineResult(d, c)
	case helpers.RetVoid:
		*d = reg{}
	case helpers.RetMapValue:
		if c.m == nil {
			return unsupported("a helper that returns a map value without a map")
		}
		if c.id == linux.HelperMapLookupElem && c.key >= 0 && c.key < int64(c.m.MaxEntries) {
			flags &^= maybeNull // arrays have all their elements
		}
		*d = ptrReg(mapValue, flags)
		d.m, d.mapUID = c.m, c.mapUID
		if flags&maybeNull == 0 && c.m.fields.Has(prepare.SpinLock|prepare.ResSpinLock) {
			d.id = w.newID()
		}
	case helpers.RetSocket:
		*d = ptrReg(sock, flags)
	case helpers.RetSockCommon:
		*d = ptrReg(sockCommon, flags)
	case helpers.RetTCPSock:
		*d = ptrReg(tcpSock, flags)
	case helpers.RetMem:
		*d = ptrReg(mem, flags)
		d.memSize = uint32(c.size)
		d.dyn = c.dyn
	case helpers.RetMemOrBTFID:
		if err := w.perCPUResult(d, c, flags); err != nil {
			return err
		}
	case helpers.RetBTFID:
		if ret.BTFType == helpers.AtCall {
			if c.kptr == nil {
				return unsupported("a helper that returns an object of unknown type")
			}
			*d = ptrReg(btfPtr, flags)
			d.btf = w.kptrType(c.kptrIn, c.kptr)
			if c.kptr.Local {
				d.flags |= alloc
				if c.kptr.Kind == prepare.KptrPercpu {
					d.flags |= perCPU
				}
			}
			break
		}
		t, err := w.kernelStruct(ret.BTFType)
		if err != nil {
			return err
		}
		*d = ptrReg(btfPtr, flags)
		d.btf = t
	}
	if d.canBeNull() {
		d.id = w.newID()
	}
	switch p := c.proto; {
	case p.Has(helpers.PtrCast):
		d.ref = c.ref
	case p.Has(helpers.DynptrSlice):
		d.ref = c.dynRef
	case p.Has(helpers.Acquires), p.Has(helpers.AcquiresFromSockMap) && c.m != nil &&
		(linux.MapType(c.m.Type) == linux.MapTypeSockMap || linux.MapType(c.m.Type) == linux.MapTypeSockHash):
		id := w.newID()
		w.cur.refs = append(w.cur.refs, ref{kind: refPtr, id: id, insn: w.pc})
		d.id, d.ref = id, id
	}
	return nil
}

// retFlags are the flags of what a helper returns.
func retFlags(f helpers.ArgFlags) (out regFlags) {
	for _, p := range []struct {
		h helpers.ArgFlags
		r regFlags
	}{{helpers.MaybeNull, maybeNull}, {helpers.RdOnly, rdOnly}, {helpers.RingbufMem, ringbufMem}, {helpers.Trusted, trusted}} {
		if f&p.h != 0 {
			out |= p.r
		}
	}
	return out
}

// refineResult narrows what some helpers return.
func (w *walk) refineResult(d *reg, c *call) {
	switch c.id {
	case linux.HelperGetSmpProcessorId:
		if w.k.Version < knownCPUs {
			return
		}
	case linux.HelperGetTaskStack:
		if w.k.Version < linux.V(6, 1) {
			return
		}
	}
	switch c.id {
	case linux.HelperGetStack, linux.HelperGetTaskStack, linux.HelperProbeReadStr, linux.HelperProbeReadKernelStr,
		linux.HelperProbeReadUserStr:
		d.num.SMin, d.num.S32Min = -maxErrno, -maxErrno
		d.num.SMax, d.num.S32Max = int64(c.maxSize), int32(c.maxSize)
		d.num.Sync()
	case linux.HelperGetSmpProcessorId:
		n := w.opts.cpus() - 1
		d.num = domain.Unknown()
		d.num.SMin, d.num.SMax, d.num.UMax = 0, int64(n), uint64(n)
		d.num.S32Min, d.num.S32Max, d.num.U32Max = 0, int32(n), uint32(n)
		d.num.Sync()
	}
}

// dropRef gives a reference back; false if there is none with that id.
func (s *state) dropRef(id uint32) bool {
	for i := range s.refs {
		if s.refs[i].kind == refPtr && s.refs[i].id == id {
			s.refs = append(s.refs[:i], s.refs[i+1:]...)
			return true
		}
	}
	return false
}
