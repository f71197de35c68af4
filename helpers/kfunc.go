package helpers

import (
	"encoding/binary"
	"fmt"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
)

// A KernelFunc is a kernel function that programs call by BTF, and that is simulated.
type KernelFunc struct {
	Name string
	Call Func
}

// kfuncs are the kernel functions that are simulated, by name.
var kfuncs = joinKfuncs(generalKfuncs, dynptrKfuncs, objectKfuncs)

func joinKfuncs(families ...map[string]Func) map[string]*KernelFunc {
	out := map[string]*KernelFunc{}
	for _, f := range families {
		for name, call := range f {
			out[name] = &KernelFunc{name, named(name, call)}
		}
	}
	return out
}

// named is a function whose errors have its name: engines know the id of a kernel function only.
func named(name string, call Func) Func {
	return func(c *Call) (uint64, error) {
		r0, err := call(c)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		return r0, nil
	}
}

// Kfunc returns the kernel function with that name; nil if it is not simulated.
func Kfunc(name string) *KernelFunc { return kfuncs[name] }

// KfuncByID returns the kernel function with an id in a kernel's types, which may be nil; nil if it is not simulated, as those of
// modules are not.
func KfuncByID(types *btf.Spec, id int32, module int16) *KernelFunc {
	if types == nil || module != 0 {
		return nil
	}
	t, err := types.TypeByID(btf.TypeID(id))
	if err != nil {
		return nil
	}
	return kfuncs[t.TypeName()]
}

// generalKfuncs are those that belong to no family.
var generalKfuncs = map[string]Func{
	"bpf_iter_num_new":     iterNumNew,
	"bpf_iter_num_next":    iterNumNext,
	"bpf_iter_num_destroy": iterNumDestroy,

	"bpf_rcu_read_lock":     nothing,
	"bpf_rcu_read_unlock":   nothing,
	"bpf_preempt_disable":   nothing,
	"bpf_preempt_enable":    nothing,
	"bpf_local_irq_save":    nothing,
	"bpf_local_irq_restore": nothing,

	"bpf_rdonly_cast":       func(c *Call) (uint64, error) { return c.Args[0], nil },
	"bpf_cast_to_kern_ctx":  func(c *Call) (uint64, error) { return c.Args[0], nil },
	"bpf_arena_alloc_pages": arenaAlloc,
	"bpf_arena_free_pages":  arenaFree,
	"bpf_throw":             func(c *Call) (uint64, error) { return 0, &Throw{c.Args[0]} },
}

func nothing(*Call) (uint64, error) { return 0, nil }

// A Throw is the error of bpf_throw: the engine ends the program with the cookie as its return value.
type Throw struct{ Cookie uint64 }

// Error says that the program threw.
func (t *Throw) Error() string { return "bpf_throw in a function that was not called by a program" }

// numIter is a struct bpf_iter_num: the number that was given last, and the one after the last.
func (c *Call) numIter() []byte { return c.mem(c.Args[0], 8) }

// iterNumNew is bpf_iter_num_new(it, start, end).
func iterNumNew(c *Call) (uint64, error) {
	it := c.numIter()
	if it == nil {
		return bad(0, errNoMem)
	}
	start, end := int32(c.Args[1]), int32(c.Args[2])
	clear(it)
	switch n := int64(end) - int64(start); {
	case n < 0:
		return fail(maps.EINVAL)
	case n > MaxLoops:
		return fail(maps.E2BIG)
	}
	binary.NativeEndian.PutUint32(it, uint32(start-1))
	binary.NativeEndian.PutUint32(it[4:], uint32(end))
	return 0, nil
}

// iterNumNext is bpf_iter_num_next(it): the address of the next number, or NULL.
func iterNumNext(c *Call) (uint64, error) {
	it := c.numIter()
	if it == nil {
		return bad(0, errNoMem)
	}
	cur, end := int32(binary.NativeEndian.Uint32(it)), int32(binary.NativeEndian.Uint32(it[4:]))
	if int64(cur)+1 >= int64(end) {
		clear(it)
		return 0, nil
	}
	binary.NativeEndian.PutUint32(it, uint32(cur+1))
	return c.Args[0], nil
}

func iterNumDestroy(c *Call) (uint64, error) {
	clear(c.numIter())
	return 0, nil
}

// arenaAlloc is bpf_arena_alloc_pages(map, addr, pages, node, flags).
func arenaAlloc(c *Call) (uint64, error) {
	m, ok := c.aMap(0).(*maps.ArenaMap)
	if !ok {
		return bad(0, errWrongMap)
	}
	n := uint32(c.Args[2])
	if c.Args[4] != 0 || n == 0 {
		return 0, nil
	}
	return uint64(m.AllocPages(memory.Addr(c.Args[1]), n)), nil
}

// arenaFree is bpf_arena_free_pages(map, addr, pages).
func arenaFree(c *Call) (uint64, error) {
	m, ok := c.aMap(0).(*maps.ArenaMap)
	if !ok {
		return bad(0, errWrongMap)
	}
	m.FreePages(memory.Addr(c.Args[1]), uint32(c.Args[2]))
	return 0, nil
}
