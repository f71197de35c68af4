package helpers

import (
	"slices"
	"sync"

	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
)

// objectKfuncs are the kernel functions on objects that programs make, and on the lists and trees that they are in.
var objectKfuncs = map[string]Func{
	"bpf_obj_new_impl":          objNew,
	"bpf_obj_drop_impl":         objDrop,
	"bpf_refcount_acquire_impl": objAcquire,
	"bpf_rbtree_add_impl":       treeAdd,
	"bpf_rbtree_remove":         treeRemove,
	"bpf_rbtree_first":          collectionFront,
	"bpf_list_push_front_impl":  func(c *Call) (uint64, error) { return c.push(0) },
	"bpf_list_push_back_impl":   func(c *Call) (uint64, error) { return c.push(-1) },
	"bpf_list_pop_front":        func(c *Call) (uint64, error) { return c.pop(0) },
	"bpf_list_pop_back":         func(c *Call) (uint64, error) { return c.pop(-1) },
	"bpf_list_front":            collectionFront,
	"bpf_list_back":             collectionBack,
}

// Objects are the objects that programs have made, and the lists and trees in map values that they are in. The zero
// Objects are ready to use; Runs that share maps share them.
type Objects struct {
	mu   sync.Mutex
	refs map[memory.Addr]int           // by address of the object
	in   map[memory.Addr]memory.Addr   // the list or tree that a node is in
	of   map[memory.Addr][]memory.Addr // the nodes of a list or tree, in order
}

// objectsOf are the objects of a run, with the lock held.
func (r *Run) objectsOf() *Objects {
	if r.Objects == nil {
		r.Objects = new(Objects)
	}
	o := r.Objects
	o.mu.Lock()
	if o.refs == nil {
		o.refs, o.in, o.of = map[memory.Addr]int{}, map[memory.Addr]memory.Addr{}, map[memory.Addr][]memory.Addr{}
	}
	return o
}

// objNew is bpf_obj_new_impl(type, meta): an object of a type of the program's BTF, of zeros.
func objNew(c *Call) (uint64, error) {
	n := uint32(0)
	if c.Run.TypeSize != nil {
		n = c.Run.TypeSize(uint32(c.Args[0]))
	}
	if n == 0 {
		return bad(0, errNoType)
	}
	a, err := c.Run.Space.Alloc(n, memory.Mem, memory.Read|memory.Write, "object")
	if err != nil {
		return 0, nil
	}
	o := c.Run.objectsOf()
	o.refs[a] = 1
	o.mu.Unlock()
	return uint64(a), nil
}

// objDrop is bpf_obj_drop_impl(object, meta).
func objDrop(c *Call) (uint64, error) {
	if !c.Run.drop(c.Args[0]) {
		return bad(0, errNoObject)
	}
	return 0, nil
}

// drop gives up a reference, and frees the object with the last one.
func (r *Run) drop(addr uint64) bool {
	o := r.objectsOf()
	defer o.mu.Unlock()
	a := memory.Addr(addr)
	n := o.refs[a]
	switch {
	case addr>>32 != 0 || n == 0:
		return false
	case n > 1:
		o.refs[a] = n - 1
		return true
	}
	delete(o.refs, a)
	return r.Space.Free(a) == nil
}

// objAcquire is bpf_refcount_acquire_impl(object, meta).
func objAcquire(c *Call) (uint64, error) {
	o := c.Run.objectsOf()
	defer o.mu.Unlock()
	a := memory.Addr(c.Args[0])
	if c.Args[0]>>32 != 0 || o.refs[a] == 0 {
		return bad(0, errNoObject)
	}
	o.refs[a]++
	return c.Args[0], nil
}

// link puts a node into a list or tree; i is its place, counted from the end if it is negative. The collection owns the
// reference that the program had. A node that is in one already is EINVAL, and the reference is given up.
func (c *Call) link(root, node memory.Addr, off uint64, i int) (uint64, error) {
	o := c.Run.objectsOf()
	if _, ok := o.in[node]; ok {
		o.mu.Unlock()
		c.Run.drop(uint64(node) - off)
		return fail(maps.EINVAL)
	}
	defer o.mu.Unlock()
	nodes := o.of[root]
	if i < 0 {
		i = len(nodes)
	}
	o.of[root] = slices.Insert(nodes, min(i, len(nodes)), node)
	o.in[node] = root
	return 0, nil
}

// push is bpf_list_push_*_impl(head, node, meta, offset).
func (c *Call) push(i int) (uint64, error) {
	return c.link(memory.Addr(c.Args[0]), memory.Addr(c.Args[1]), c.Args[3], i)
}

// pop is bpf_list_pop_*(head).
func (c *Call) pop(i int) (uint64, error) {
	o := c.Run.objectsOf()
	defer o.mu.Unlock()
	root := memory.Addr(c.Args[0])
	nodes := o.of[root]
	if len(nodes) == 0 {
		return 0, nil
	}
	if i < 0 {
		i = len(nodes) - 1
	}
	node := nodes[i]
	o.of[root] = slices.Delete(nodes, i, i+1)
	delete(o.in, node)
	return uint64(node), nil
}

// collectionFront is bpf_rbtree_first(root) and bpf_list_front(head): the first node, or NULL.
func collectionFront(c *Call) (uint64, error) {
	o := c.Run.objectsOf()
	defer o.mu.Unlock()
	if nodes := o.of[memory.Addr(c.Args[0])]; len(nodes) > 0 {
		return uint64(nodes[0]), nil
	}
	return 0, nil
}

func collectionBack(c *Call) (uint64, error) {
	o := c.Run.objectsOf()
	defer o.mu.Unlock()
	if nodes := o.of[memory.Addr(c.Args[0])]; len(nodes) > 0 {
		return uint64(nodes[len(nodes)-1]), nil
	}
	return 0, nil
}

// treeAdd is bpf_rbtree_add_impl(root, node, less, meta, offset): the program compares.
func treeAdd(c *Call) (uint64, error) {
	root, node, less, off := memory.Addr(c.Args[0]), memory.Addr(c.Args[1]), c.Args[2], c.Args[4]
	o := c.Run.objectsOf()
	nodes := slices.Clone(o.of[root])
	_, linked := o.in[node]
	o.mu.Unlock()
	i := 0
	for from, to := 0, len(nodes); !linked && from < to; {
		// Behind its equals, as a tree would have it.
		mid := (from + to) / 2
		before, err := c.Run.invoke(less, &[5]uint64{uint64(node), uint64(nodes[mid])})
		if err != nil {
			return 0, err
		}
		if before&0xff != 0 { // a C bool
			to = mid
		} else {
			from = mid + 1
		}
		i = from
	}
	return c.link(root, node, off, i)
}

// treeRemove is bpf_rbtree_remove(root, node): the node, which the program owns now, or NULL if it is not in the tree.
func treeRemove(c *Call) (uint64, error) {
	o := c.Run.objectsOf()
	defer o.mu.Unlock()
	root, node := memory.Addr(c.Args[0]), memory.Addr(c.Args[1])
	if o.in[node] != root {
		return 0, nil
	}
	o.of[root] = slices.DeleteFunc(o.of[root], func(a memory.Addr) bool { return a == node })
	delete(o.in, node)
	return c.Args[1], nil
}
