package maps

import (
	"sync/atomic"

	"github.com/skepbpf/skep/memory"
)

// impl is what each type implements: the program's side of Map, and user space's without the checks that
// are the same for all. common has answers for what a type does not support.
type impl interface {
	Map
	get(key, value []byte, flags uint64) error
	put(key, value []byte, flags uint64) error
	remove(key []byte) error
	take(key, value []byte) error
	next(key []byte) ([]byte, error)
	drop() // gives up what the map refers to
	base() *common
}

// common is what all maps have.
type common struct {
	spec   Spec
	space  *memory.Space
	addr   memory.Addr
	cpus   int
	perCPU bool
	self   impl
	owned  []memory.Addr // to be freed
	frozen atomic.Bool
	closed atomic.Bool
	refs   atomic.Int32 // Close, and each map in map that holds it

	parts  []part // of the value that are data; nil if all of it is
	lockAt int64  // offset of the spin lock, -1 if none
}

func (c *common) Spec() *Spec       { return &c.spec }
func (c *common) Addr() memory.Addr { return c.addr }
func (c *common) ID() uint32        { return c.space.HandleID(uint64(c.addr)) }
func (c *common) CPUs() int         { return c.cpus }
func (c *common) Frozen() bool      { return c.frozen.Load() }
func (c *common) base() *common     { return c }

func (c *common) ValueBytes() int {
	if c.perCPU {
		return int(roundUp(c.spec.ValueSize, 8)) * c.cpus
	}
	return int(c.spec.ValueSize)
}

func (c *common) Freeze() error {
	if c.spec.Flags&ReadOnlyUser != 0 {
		return ErrReadOnly
	}
	if c.frozen.Swap(true) {
		return ErrFrozen
	}
	return nil
}

// mayRead and mayWrite are the checks of user space's rights.
func (c *common) mayRead() error {
	if c.spec.Flags&WriteOnlyUser != 0 {
		return ErrWriteOnly
	}
	return nil
}

func (c *common) mayWrite() error {
	if c.spec.Flags&ReadOnlyUser != 0 {
		return ErrReadOnly
	}
	if c.frozen.Load() {
		return ErrFrozen
	}
	return nil
}

func (c *common) Get(key, value []byte, flags uint64) error {
	if flags&^Lock != 0 {
		return ErrInvalid // before the rights are looked at, as in Linux
	}
	if err := c.mayRead(); err != nil {
		return err
	}
	if len(key) != int(c.spec.KeySize) || len(value) != c.ValueBytes() || !c.lockable(flags) {
		return ErrInvalid
	}
	return c.self.get(key, value, flags)
}

func (c *common) Put(key, value []byte, flags uint64) error {
	if err := c.mayWrite(); err != nil {
		return err
	}
	if len(key) != int(c.spec.KeySize) || len(value) != c.ValueBytes() || !c.lockable(flags) {
		return ErrInvalid
	}
	return c.self.put(key, value, flags)
}

func (c *common) Remove(key []byte) error {
	if err := c.mayWrite(); err != nil {
		return err
	}
	if len(key) != int(c.spec.KeySize) {
		return ErrInvalid
	}
	return c.self.remove(key)
}

func (c *common) Take(key, value []byte) error {
	if err := c.mayRead(); err != nil {
		return err
	}
	if err := c.mayWrite(); err != nil {
		return err
	}
	if len(key) != int(c.spec.KeySize) || len(value) != c.ValueBytes() {
		return ErrInvalid
	}
	return c.self.take(key, value)
}

func (c *common) NextKey(key []byte) ([]byte, error) {
	if err := c.mayRead(); err != nil {
		return nil, err
	}
	if key != nil && len(key) != int(c.spec.KeySize) {
		return nil, ErrInvalid
	}
	return c.self.next(key)
}

func (c *common) Close() error {
	if !c.closed.Swap(true) {
		c.release()
	}
	return nil
}

// release gives up a reference, and the map if it was the last one.
func (c *common) release() {
	if c.refs.Add(-1) == 0 {
		c.self.drop()
		c.free()
	}
}

// free returns the memory of the map.
func (c *common) free() {
	for _, a := range c.owned {
		c.space.Free(a)
	}
	c.owned = nil
}

// alloc is AllocElems of memory that the map owns.
func (c *common) alloc(size uint64, e memory.Elems) (memory.Addr, error) {
	return c.allocKind(size, e, memory.MapValue)
}

// allocKind is alloc of something else than values.
func (c *common) allocKind(size uint64, e memory.Elems, kind memory.Kind) (memory.Addr, error) {
	if size > 1<<32-1 {
		return 0, ErrNoMemory
	}
	a, err := c.space.AllocElems(uint32(size), e, kind, c.spec.rights(), c.spec.Name)
	if err == nil {
		c.owned = append(c.owned, a)
	}
	return a, err
}

// allocRaw is memory that the map owns and programs may not touch.
func (c *common) allocRaw(size uint64, name string) (memory.Addr, error) {
	if size > 1<<32-1 {
		return 0, ErrNoMemory
	}
	a, err := c.space.Alloc(uint32(size), memory.Kernel, 0, name)
	if err == nil {
		c.owned = append(c.owned, a)
	}
	return a, err
}

// What a type does not support.

func (c *common) Lookup(cpu int, key []byte) memory.Addr                { return 0 }
func (c *common) Update(cpu int, key, value []byte, flags uint64) error { return ErrNotSupported }
func (c *common) Delete(key []byte) error                               { return ErrNotSupported }
func (c *common) Range(cpu int, f func(key []byte, value memory.Addr) bool) (int, error) {
	return 0, ErrNotSupported
}
func (c *common) get(key, value []byte, flags uint64) error { return ErrNotSupported }
func (c *common) put(key, value []byte, flags uint64) error { return ErrNotSupported }
func (c *common) remove(key []byte) error                   { return ErrNotSupported }
func (c *common) take(key, value []byte) error              { return ErrNotSupported }
func (c *common) next(key []byte) ([]byte, error)           { return nil, ErrNotSupported }
func (c *common) drop()                                     {}
