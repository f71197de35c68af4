package maps

import (
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/skepbpf/skep/memory"
)

// A Map is a map. Some types have methods beyond these: *RingBuffer, *PerfArray, *Programs, MapOfMaps,
// ValueAddresser.
type Map interface {
	// Spec is what the map was made from; it must not be changed.
	Spec() *Spec
	// Addr is the handle of the map: what a register holds that points to it. See At.
	Addr() memory.Addr
	// ID is the number that user space sees in map-in-map elements, unique in the Space.
	ID() uint32
	// CPUs is the number of CPUs that a per-CPU map has values for.
	CPUs() int

	// Lookup is bpf_map_lookup_elem: the address of the value for this CPU, or 0. For maps in maps
	// it is the handle of the inner map.
	Lookup(cpu int, key []byte) memory.Addr
	// Update is bpf_map_update_elem: it sets the value, for this CPU.
	Update(cpu int, key, value []byte, flags uint64) error
	// Delete is bpf_map_delete_elem.
	Delete(key []byte) error
	// Range calls f for the elements, until it returns false, as bpf_for_each_map_elem does. The key is
	// valid during the call only. f may change the map. It returns the number of calls.
	Range(cpu int, f func(key []byte, value memory.Addr) bool) (int, error)

	// ValueBytes is the length of a value as user space sees it: of all CPUs, each rounded up to 8.
	ValueBytes() int
	// Get copies the value of key to value, which is ValueBytes long. The flag Lock is allowed where
	// values hold a spin lock.
	Get(key, value []byte, flags uint64) error
	// Put sets the value of key.
	Put(key, value []byte, flags uint64) error
	// Remove deletes key.
	Remove(key []byte) error
	// Take is Get and Remove in one step.
	Take(key, value []byte) error
	// NextKey is the key after key, or the first one if key is nil or not in the map; ErrKeyNotExist
	// after the last.
	NextKey(key []byte) ([]byte, error)

	// Freeze forbids changes by user space for good.
	Freeze() error
	// Frozen tells whether Freeze was called.
	Frozen() bool

	// Close gives up the map; a second time it does nothing. Its memory is freed when no map in map holds it; no program
	// may use it then.
	Close() error
}

// A ValueAddresser is a map whose value a program may address directly (BPF_PSEUDO_MAP_VALUE).
type ValueAddresser interface {
	// ValueAddr is the address of the only element, and its size; false if the map does not have one.
	ValueAddr() (memory.Addr, uint32, bool)
}

// A MapOfMaps is a map whose values are maps.
type MapOfMaps interface {
	Map
	// PutMap sets the inner map of key, which must be like the template.
	PutMap(key []byte, inner Map, flags uint64) error
	// GetMap is the inner map of key.
	GetMap(key []byte) (Map, error)
	// Reclaim lets go of inner maps that were replaced or removed. No program may be running that may have found one
	// of them. Until then, or until Close, they stay.
	Reclaim()
}

// At is the map whose handle is at addr, which may be anything, or nil.
func At(space *memory.Space, addr uint64) Map {
	m, _ := space.Owner(addr).(Map)
	return m
}

// GetBytes is Get into a new slice.
func GetBytes(m Map, key []byte) ([]byte, error) {
	b := make([]byte, m.ValueBytes())
	if err := m.Get(key, b, Any); err != nil {
		return nil, err
	}
	return b, nil
}

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

type part struct{ off, size uint32 }

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

// setFields works out which parts of a value are data.
func (c *common) setFields() {
	c.lockAt = -1
	if len(c.spec.Special) == 0 {
		return
	}
	fields := slices.Clone(c.spec.Special)
	slices.SortFunc(fields, func(a, b Field) int { return int(a.Offset) - int(b.Offset) })
	c.parts = []part{}
	at := uint32(0)
	for _, f := range fields {
		if f.SpinLock {
			c.lockAt = int64(f.Offset)
		}
		if f.Offset > at {
			c.parts = append(c.parts, part{at, f.Offset - at})
		}
		at = max(at, f.Offset+f.Size)
	}
	if at < c.spec.ValueSize {
		c.parts = append(c.parts, part{at, c.spec.ValueSize - at})
	}
}

// released tells who wants to know that a value is no more.
func (c *common) released(a memory.Addr) {
	if c.spec.Released != nil && len(c.spec.Special) > 0 {
		c.spec.Released(a)
	}
}

// eachCPU splits a value as user space sees it into those of the CPUs, which have a multiple of 8 bytes; of other maps
// there is one.
func (c *common) eachCPU(value []byte, f func(cpu int, v []byte)) {
	if !c.perCPU {
		f(0, value)
		return
	}
	stride := int(roundUp(c.spec.ValueSize, 8))
	for cpu := range c.cpus {
		f(cpu, value[cpu*stride:(cpu+1)*stride])
	}
}

// lockable reports whether the flag Lock, if given, makes sense.
func (c *common) lockable(flags uint64) bool { return flags&Lock == 0 || c.lockAt >= 0 }

// flagsOK checks the flags of an update.
func (c *common) flagsOK(flags uint64) bool { return flags&^Lock <= Exist && c.lockable(flags) }

// write sets the data of the value at a.
func (c *common) write(a memory.Addr, value []byte, flags uint64) {
	if flags&Lock != 0 {
		c.lock(a)
		defer c.unlock(a)
	}
	if c.parts == nil {
		c.space.CopyIn(a, value)
		return
	}
	for _, p := range c.parts {
		c.space.CopyIn(a+memory.Addr(p.off), value[p.off:p.off+p.size])
	}
}

// writeNew sets the data of a value that no program knows yet, and clears the rest.
func (c *common) writeNew(a memory.Addr, value []byte) {
	if c.parts == nil {
		c.space.CopyIn(a, value)
		return
	}
	clear(c.space.Bytes(a, c.spec.ValueSize))
	c.write(a, value, 0)
}

// read copies the data of the value at a; the rest reads as zero.
func (c *common) read(value []byte, a memory.Addr, flags uint64) {
	if flags&Lock != 0 {
		c.lock(a)
		defer c.unlock(a)
	}
	if c.parts == nil {
		c.space.CopyOut(value, a)
		return
	}
	clear(value)
	for _, p := range c.parts {
		c.space.CopyOut(value[p.off:p.off+p.size], a+memory.Addr(p.off))
	}
}

// lock takes the spin lock in the value at a, as bpf_spin_lock does.
func (c *common) lock(a memory.Addr) {
	w := c.space.Half(a + memory.Addr(c.lockAt))
	for !w.CompareAndSwap(0, 1) {
		runtime.Gosched()
	}
}

func (c *common) unlock(a memory.Addr) { c.space.Half(a + memory.Addr(c.lockAt)).Store(0) }
