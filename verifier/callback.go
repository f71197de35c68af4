package verifier

import (
	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
)

// This file implements callbacks: functions of the program that helpers and kernel functions call.

func (w *walk) pushCallback(c *call) error {
	caller := w.cur.top()
	start := w.in.Subprogs[c.sub].Start
	w.subs[c.sub].callback = true
	if c.later() {
		return w.pushAsync(c, start)
	}
	if !w.k.Has(linux.FeatureCallbackFixpoint) {
		return w.callOnce(c, caller)
	}
	s, err := w.push(start, w.pc)
	if err != nil {
		return err
	}
	if len(s.frames) >= linux.MaxFrames {
		return w.refuse(e2big, "call-depth", "the call stack of %d frames is too deep", len(s.frames)+1)
	}
	f := w.pool.frame()
	w.initFrame(f, w.pc, len(s.frames), c.sub)
	if err := w.callbackArgs(c, caller, f); err != nil {
		return err
	}
	s.frames[len(s.frames)-1].cbDepth++
	w.pool.push(s, f)
	s.unroll++
	caller.cbDepth = 0
	return nil
}

// callOnce makes the callback's frame, for kernels that walk callbacks once and nothing but them: it is entered when the
// call has been walked.
func (w *walk) callOnce(c *call, caller *frame) error {
	if len(w.cur.frames) >= linux.MaxFrames {
		return w.refuse(e2big, "call-depth", "the call stack of %d frames is too deep", len(w.cur.frames)+1)
	}
	c.callee = w.pool.frame()
	w.initFrame(c.callee, w.pc, len(w.cur.frames), c.sub)
	return w.callbackArgs(c, caller, c.callee)
}

func (w *walk) pushAsync(c *call, start int) error {
	w.subs[c.sub].async = true
	s := w.pool.state()
	f := w.pool.frame()
	w.initFrame(f, -1, 0, c.sub)
	f.entries = w.cur.top().entries + 1
	if err := w.callbackArgs(c, w.cur.top(), f); err != nil {
		return err
	}
	w.pool.push(s, f)
	s.branches = 1
	s.firstInsn, s.lastInsn = 0, 0
	s.sleepable = c.kf != nil // work queues may sleep
	w.stack = append(w.stack, pending{s, start, w.pc, w.log.pos()})
	return nil
}

func (w *walk) callbackArgs(c *call, caller, f *frame) error {
	f.callback = true
	f.ret = span{0, 1}
	r := &f.regs
	if c.kf != nil && !c.later() {
		w.treeCallback(c, f)
		return nil
	}
	if c.later() {
		f.callback, f.async = false, true
		f.ret = span{0, 0}
		w.elementArgs(c.m, r)
		return nil
	}
	switch c.id {
	case linux.HelperUserRingBufDrain:
		r[isa.R1] = ptrReg(dynptrPtr, 0)
		r[isa.R1].form, r[isa.R1].id = dynptrLocal, w.newID()
		r[isa.R2] = caller.regs[isa.R3]
	case linux.HelperLoop:
		r[isa.R1].setUnknown()
		r[isa.R2] = caller.regs[isa.R3]
	case linux.HelperForEachMapElem:
		if t := w.k.Map(linux.MapType(c.m.Type)); t == nil || !t.Is(linux.MapForEach) {
			return w.refuse(enotsupp, "for-each-map", "callback function not allowed for map")
		}
		w.elementArgs(c.m, r)
		r[isa.R4] = caller.regs[isa.R3]
	case linux.HelperFindVma:
		r[isa.R1] = caller.regs[isa.R1]
		t, err := w.kernelStruct("vm_area_struct")
		if err != nil {
			return err
		}
		r[isa.R2] = ptrReg(btfPtr, 0)
		r[isa.R2].btf = t
		r[isa.R3] = caller.regs[isa.R4]
	}
	return nil
}

func (c *call) later() bool {
	if c.kf != nil {
		return c.kf.row.Is(linux.KfuncAsync)
	}
	return c.proto.Has(helpers.AsyncCallback)
}

func (w *walk) elementArgs(m *mapInfo, r *[isa.NumRegs]reg) {
	r[isa.R1], r[isa.R2], r[isa.R3] = ptrReg(constMap, 0), ptrReg(mapKey, 0), ptrReg(mapValue, 0)
	for n := isa.R1; n <= isa.R3; n++ {
		r[n].m = m
	}
}
