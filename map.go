package skep

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
	"github.com/skepbpf/skep/object"
)

// A Map is a map of a collection, in this process. Its methods are those of cilium/ebpf's Map, with the same errors:
// errors.Is finds ebpf.ErrKeyNotExist, ebpf.ErrKeyExist and ebpf.ErrNotSupported, and the errno of Linux. Per-CPU maps
// take and give slices with a value for each virtual CPU.
//
// A Map may be used by any number of goroutines, also while programs run.
type Map struct {
	w      *world
	k      *kernelMap
	closed atomic.Bool
}

// A kernelMap is a map as programs have it. It lives until neither a Map nor a program needs it.
type kernelMap struct {
	maps.Map
	w    *world
	name string // in the object
	spec *object.Map
	refs atomic.Int32

	pinned atomic.Bool
	owner  atomic.Uint32 // type of the programs in a prog array; 0 as long as there are none

	mu   sync.Mutex              // held while elements that are maps or programs change
	kept map[string][]*kernelMap // by key, what such an element keeps: the map, or the maps of the program
}

func (k *kernelMap) retain() *kernelMap {
	k.refs.Add(1)
	return k
}

func (k *kernelMap) release() error {
	if k.refs.Add(-1) != 0 {
		return nil
	}
	k.w.mu.Lock()
	delete(k.w.maps, k.Map)
	k.w.mu.Unlock()
	errs := []error{k.Map.Close()}
	for _, kept := range k.kept {
		errs = append(errs, releaseAll(kept))
	}
	return errors.Join(errs...)
}

// pin keeps the map until its world ends.
func (k *kernelMap) pin() {
	if !k.pinned.Swap(true) {
		k.retain()
	}
}

// change changes the element of a key, which is to keep some maps from then on. What it kept before is given up when no
// program runs: one that runs may have found it.
func (k *kernelMap) change(key []byte, keeps []*kernelMap, do func() error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := do(); err != nil {
		return err
	}
	old := k.kept[string(key)]
	if len(keeps) == 0 {
		delete(k.kept, string(key))
	} else {
		if k.kept == nil {
			k.kept = map[string][]*kernelMap{}
		}
		for _, m := range keeps {
			m.retain()
		}
		k.kept[string(key)] = slices.Clone(keeps)
	}
	if len(old) > 0 {
		k.w.retire(func() error {
			if outer, ok := k.Map.(maps.MapOfMaps); ok {
				outer.Reclaim()
			}
			return releaseAll(old)
		})
	}
	return nil
}

func releaseAll(ks []*kernelMap) error {
	var errs []error
	for _, k := range ks {
		errs = append(errs, k.release())
	}
	return errors.Join(errs...)
}

// newHandle makes a Map of a map that others may have too.
func (w *world) newHandle(k *kernelMap) *Map {
	w.retain()
	return &Map{w: w, k: k.retain()}
}

// Close gives up the map. Programs that use it keep it.
func (m *Map) Close() error {
	if m == nil || m.closed.Swap(true) {
		return nil
	}
	return errors.Join(m.k.release(), m.w.release())
}

// String tells the map's type and name.
func (m *Map) String() string {
	if m.k.name != "" {
		return fmt.Sprintf("%s(%s)", m.Type(), m.k.name)
	}
	return m.Type().String()
}

// Name is the name that the map has in its object.
func (m *Map) Name() string { return m.k.name }

// Type is the map's type.
func (m *Map) Type() ebpf.MapType { return ebpf.MapType(m.k.Spec().Type) }

// KeySize is the size of keys in bytes.
func (m *Map) KeySize() uint32 { return m.k.Spec().KeySize }

// ValueSize is the size of values in bytes, of each CPU.
func (m *Map) ValueSize() uint32 { return m.k.Spec().ValueSize }

// MaxEntries is the number of elements that the map can hold.
func (m *Map) MaxEntries() uint32 { return m.k.Spec().MaxEntries }

// Flags are the flags that the map was made with, BPF_F_*.
func (m *Map) Flags() uint32 { return m.k.Spec().Flags }

// CPUs is the number of virtual CPUs: the length of slices of per-CPU values.
func (m *Map) CPUs() int { return m.k.CPUs() }

// Lookup copies the value of a key to valueOut. It is ebpf.ErrKeyNotExist if there is none. For a map of maps,
// valueOut is a **Map, whose Map is to be closed.
func (m *Map) Lookup(key, valueOut any) error { return m.LookupWithFlags(key, valueOut, 0) }

// LookupWithFlags is Lookup with flags, such as ebpf.LookupLock.
func (m *Map) LookupWithFlags(key, valueOut any, flags ebpf.MapLookupFlags) error {
	k, err := m.key(key)
	if err != nil {
		return wrapMapError("lookup", err)
	}
	if to, ok := valueOut.(**Map); ok {
		return wrapMapError("lookup", m.lookupMap(k, to))
	}
	b := make([]byte, m.k.ValueBytes())
	if err := m.k.Get(k, b, uint64(flags)); err != nil {
		return wrapMapError("lookup", err)
	}
	return wrapMapError("lookup", m.value(valueOut, b))
}

// LookupAndDelete copies the value of a key to valueOut and removes it.
func (m *Map) LookupAndDelete(key, valueOut any) error {
	return m.LookupAndDeleteWithFlags(key, valueOut, 0)
}

// LookupAndDeleteWithFlags is LookupAndDelete with flags.
func (m *Map) LookupAndDeleteWithFlags(key, valueOut any, flags ebpf.MapLookupFlags) error {
	if flags != 0 {
		return wrapMapError("lookup and delete", maps.ErrInvalid)
	}
	k, err := m.key(key)
	if err != nil {
		return wrapMapError("lookup and delete", err)
	}
	b := make([]byte, m.k.ValueBytes())
	if err := m.k.Take(k, b); err != nil {
		return wrapMapError("lookup and delete", err)
	}
	return wrapMapError("lookup and delete", m.value(valueOut, b))
}

// LookupBytes gives the value of a key as it is, of all CPUs; nil if there is none.
func (m *Map) LookupBytes(key any) ([]byte, error) {
	k, err := m.key(key)
	if err != nil {
		return nil, wrapMapError("lookup", err)
	}
	b := make([]byte, m.k.ValueBytes())
	err = wrapMapError("lookup", m.k.Get(k, b, 0))
	switch {
	case errors.Is(err, ebpf.ErrKeyNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return b, nil
}

// Put sets the value of a key, new or not.
func (m *Map) Put(key, value any) error { return m.Update(key, value, ebpf.UpdateAny) }

// Update sets the value of a key. Values of prog arrays are Programs, of maps of maps Maps, of maps of sockets Sockets of
// package hook.
func (m *Map) Update(key, value any, flags ebpf.MapUpdateFlags) error {
	k, err := m.key(key)
	if err != nil {
		return wrapMapError("update", err)
	}
	switch v := value.(type) {
	case *Map:
		return wrapMapError("update", m.putMap(k, v, uint64(flags)))
	case *Program:
		return wrapMapError("update", m.putProgram(k, v, uint64(flags)))
	case element:
		return wrapMapError("update", m.putElement(k, v, uint64(flags)))
	}
	b, err := m.bytes(value)
	if err != nil {
		return wrapMapError("update", err)
	}
	return wrapMapError("update", m.k.Put(k, b, uint64(flags)))
}

// Delete removes a key. It is ebpf.ErrKeyNotExist if it is not there.
func (m *Map) Delete(key any) error {
	k, err := m.key(key)
	if err != nil {
		return wrapMapError("delete", err)
	}
	return wrapMapError("delete", m.remove(k))
}

func (m *Map) remove(key []byte) error {
	switch m.k.Map.(type) {
	case maps.MapOfMaps, *maps.Programs:
		return m.k.change(key, nil, func() error { return m.k.Remove(key) })
	}
	return m.k.Remove(key)
}

// NextKey copies the key after key to nextKeyOut, the first one if key is nil. It is ebpf.ErrKeyNotExist after the last.
func (m *Map) NextKey(key, nextKeyOut any) error {
	b, err := m.nextKey(key)
	if err != nil {
		return wrapMapError("next key", err)
	}
	return wrapMapError("next key", unmarshal(nextKeyOut, b))
}

// NextKeyBytes is the key after key as it is; nil after the last.
func (m *Map) NextKeyBytes(key any) ([]byte, error) {
	b, err := m.nextKey(key)
	err = wrapMapError("next key", err)
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		return nil, nil
	}
	return b, err
}

func (m *Map) nextKey(key any) ([]byte, error) {
	var k []byte
	if key != nil {
		var err error
		if k, err = m.key(key); err != nil {
			return nil, err
		}
	} else if m.closed.Load() {
		return nil, maps.ErrClosed
	}
	return m.k.NextKey(k)
}

// Unwrap is the map as package maps has it, for what cilium/ebpf has no methods for: maps.UserRingBuffer.Write, which programs
// drain, maps.ArenaMap.Bytes, maps.PerfArray.SetEvent, maps.Storage. It is good as long as the Map is open.
func (m *Map) Unwrap() maps.Map { return m.k.Map }

// Freeze forbids changes from Go for good; programs may go on changing the map.
func (m *Map) Freeze() error {
	if m.closed.Load() {
		return wrapMapError("freeze", maps.ErrClosed)
	}
	return wrapMapError("freeze", m.k.Freeze())
}

// key encodes a key. Maps without keys take nil.
func (m *Map) key(key any) ([]byte, error) {
	if m.closed.Load() {
		return nil, maps.ErrClosed
	}
	size := int(m.KeySize())
	if key == nil {
		if size == 0 {
			return []byte{}, nil
		}
		return nil, errors.New("can't use nil as key of map")
	}
	return marshal(key, size)
}

// bytes encodes a value.
func (m *Map) bytes(value any) ([]byte, error) {
	if m.perCPU() {
		return marshalPerCPU(value, int(m.ValueSize()), m.CPUs())
	}
	return marshal(value, int(m.ValueSize()))
}

// value decodes a value.
func (m *Map) value(out any, b []byte) error {
	if m.perCPU() {
		return unmarshalPerCPU(out, int(m.ValueSize()), m.CPUs(), b)
	}
	return unmarshal(out, b)
}

func (m *Map) perCPU() bool { return m.k.Spec().Type.PerCPU() }

// lookupMap makes a Map of the inner map of a key.
func (m *Map) lookupMap(key []byte, to **Map) error {
	outer, ok := m.k.Map.(maps.MapOfMaps)
	if !ok {
		return errors.New("only a map of maps has Maps for values")
	}
	inner, err := outer.GetMap(key)
	if err != nil {
		return err
	}
	k := m.w.kernelMapOf(inner)
	if k == nil {
		return errors.New("the inner map is none of the collection's")
	}
	*to = m.w.newHandle(k)
	return nil
}

// putMap sets the inner map of a key.
func (m *Map) putMap(key []byte, inner *Map, flags uint64) error {
	switch {
	case inner == nil:
		return errors.New("can't marshal a nil Map")
	case inner.w != m.w:
		return errOtherWorld
	case inner.closed.Load():
		return maps.ErrClosed
	}
	return m.w.putInner(m.k, key, inner.k, flags)
}

// putProgram sets the program of a key.
func (m *Map) putProgram(key []byte, p *Program, flags uint64) error {
	switch {
	case p == nil:
		return errors.New("can't marshal a nil Program")
	case p.w != m.w:
		return errOtherWorld
	case p.closed.Load():
		return maps.ErrClosed
	}
	return m.w.putMachine(m.k, key, p.m, flags)
}

// An element is something that a map of objects holds (maps.ObjectMap): it gives what stands for it in a Space.
type element interface {
	Element(space *memory.Space) (any, error)
}

// putElement sets the object of a key.
func (m *Map) putElement(key []byte, e element, flags uint64) error {
	to, ok := m.k.Map.(maps.ObjectMap)
	if !ok {
		return fmt.Errorf("%v holds no such things", m)
	}
	v, err := e.Element(m.w.space)
	if err != nil {
		return err
	}
	return to.SetObject(key, v, flags)
}

// errOtherWorld is the error of bringing together what belongs to different collections.
var errOtherWorld = errors.New("it belongs to another collection: make this one with the other's maps in Options.MapReplacements")
