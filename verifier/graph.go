package verifier

import (
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/verifier/internal/prepare"
)

// This file implements linked lists and red-black trees: local objects with a node, in a map's value or another
// object with a head or root, and a lock beside it. What is put in is owned by the list or tree; the program keeps
// pointers to it only while it holds the lock.

// A container is where special fields are: in a map's values, or in local objects of a type.
type container struct {
	m *mapInfo
	t *btfRef
}

// space is where the types are that the fields name.
func (c container) space() *object.BTF {
	if c.m != nil {
		return c.m.BTF
	}
	return c.t.space
}

// owner is what a pointer points into, and its special fields.
func (w *walk) owner(r *reg) (container, *prepare.Fields, bool) {
	switch {
	case r.typ == mapValue:
		return container{m: r.m}, r.m.fields, true
	case r.typ == btfPtr && r.flags&alloc != 0:
		return container{t: r.btf}, w.fieldsOf(r.btf), true
	}
	return container{}, nil, false
}

// graphParam checks a root or head, or a node.
func (w *walk) graphParam(n int, num isa.Reg, r *reg, p *kfuncParam, c *call) error {
	if p.kind == kfNode {
		return w.nodeParam(n, num, r, p, c)
	}
	own, fields, ok := w.owner(r)
	if !ok {
		return w.refuse(einval, "graph-root", "arg#%d expected pointer to map value or allocated object", n)
	}
	if own.t != nil && r.ref == 0 {
		return w.refuse(einval, "local-unowned", "allocated object must be referenced")
	}
	if !r.num.IsConst() {
		return w.refuse(einval, "graph-variable", "R%d doesn't have constant offset. %s has to be at the constant offset", num, p.field)
	}
	off := int(r.off) + int(int64(r.num.Bits.Value))
	f := fields.At(uint32(off), p.field)
	if f == nil {
		return w.refuse(einval, "graph-offset", "%s not found at offset=%d", p.field, off)
	}
	if !w.locked(r, own) {
		lock := fields.Find(prepare.SpinLock | prepare.ResSpinLock) // no root is without one
		return w.refuse(einval, "graph-lock", "bpf_spin_lock at off=%d must be held for %s", lock.Offset, p.field)
	}
	c.root, c.rootSpace = f, own.space()
	return nil
}

// locked tells that the lock beside a root is held.
func (w *walk) locked(r *reg, own container) bool {
	s := w.cur
	for i := range s.refs {
		if l := &s.refs[i]; l.kind == refLock && l.id == r.id && l.lock == own {
			return true
		}
	}
	if s.locks > 0 {
		w.line("held lock and object are not in the same allocation")
	}
	return false
}

// nodeParam checks a node that is put into a list or tree, or taken out.
func (w *walk) nodeParam(n int, num isa.Reg, r *reg, p *kfuncParam, c *call) error {
	if c.kf.node { // this one is in the tree
		if r.flags&nonOwnRef == 0 && r.ref == 0 {
			return w.refuse(einval, "graph-owned", "%s can only take non-owning or refcounted bpf_rb_node pointer", c.kf.name)
		}
		if w.inTreeCallback() {
			return w.refuse(einval, "graph-callback", "%s not allowed in rbtree cb", c.kf.name)
		}
	} else {
		if r.typ != btfPtr || r.flags != alloc {
			return w.refuse(einval, "local-argument", "arg#%d expected pointer to allocated object", n)
		}
		if r.ref == 0 {
			return w.refuse(einval, "local-unowned", "allocated object must be referenced")
		}
	}
	if !r.num.IsConst() {
		return w.refuse(einval, "graph-variable", "R%d doesn't have constant offset. %s has to be at the constant offset", num, p.field)
	}
	off := int(r.off) + int(int64(r.num.Bits.Value))
	if w.fieldsOf(r.btf).At(uint32(off), p.field) == nil {
		return w.refuse(einval, "graph-offset", "%s not found at offset=%d", p.field, off)
	}
	root := c.root
	want := w.types.ref(c.rootSpace, uint32(root.TypeID), root.Type)
	if r.btf != want {
		return w.refuse(einval, "graph-type", "operation on %s expects arg#1 %s at offset=%d in struct %s, but arg is at offset=%d in struct %s",
			root.Kind, p.field, root.NodeOffset, want.name, off, r.btf.name)
	}
	if uint32(off) != root.NodeOffset {
		return w.refuse(einval, "graph-node", "arg#1 offset=%d, but expected %s at offset=%d in struct %s", off, p.field, root.NodeOffset, want.name)
	}
	c.node = num
	return nil
}

// inTreeCallback tells that the frame was called by bpf_rbtree_add to compare nodes.
func (w *walk) inTreeCallback() bool {
	f := w.cur.top()
	if !f.callback {
		return false
	}
	i := &w.insns[f.callsite]
	k := w.kfuncs[i.Imm]
	return i.Op == isa.CallKfn && k != nil && k.row.Is(linux.KfuncCallback)
}

// nodeResult makes a register the node that is taken out of a list or tree, or looked at there.
func (w *walk) nodeResult(d *reg, c *call, flags regFlags) {
	*d = ptrReg(btfPtr, flags)
	d.btf = w.types.ref(c.rootSpace, uint32(c.root.TypeID), c.root.Type)
	d.off = int32(c.root.NodeOffset)
}

// nonOwning makes a pointer one that is good while the lock is held.
func (w *walk) nonOwning(r *reg) {
	r.flags |= nonOwnRef
	r.ref = 0
	if w.fieldsOf(r.btf).Has(prepare.Refcount) {
		r.flags |= rcu
	}
}

// giveAway makes all pointers to an object that a list or tree now owns non-owning.
func (w *walk) giveAway(id uint32) {
	w.cur.dropRef(id)
	w.cur.each(func(r *reg) {
		if r.ref == id {
			w.nonOwning(r)
		}
	})
}

// dropNonOwning forgets pointers to what a list or tree owns: the lock is given back.
func (w *walk) dropNonOwning() {
	w.cur.each(func(r *reg) {
		if r.flags&nonOwnRef != 0 {
			r.setUnknown()
		}
	})
}

// treeCallback makes R1 and R2 the nodes that bpf_rbtree_add compares.
func (w *walk) treeCallback(c *call, f *frame) {
	for n := isa.R1; n <= isa.R2; n++ {
		r := &f.regs[n]
		w.nodeResult(r, c, alloc)
		w.nonOwning(r)
	}
}
