package skep

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/interp"
	"github.com/skepbpf/skep/jit"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/object"
)

// A builder makes the maps and programs of one collection in a world. What it has made when it fails, it takes back.
type builder struct {
	w        *world
	opts     *Options
	maps     map[*object.Map]*kernelMap
	order    []*object.Map // made so far
	machines map[*object.Program]*machine
	replaced map[*object.Map]bool
	undo     []func() error
}

func newBuilder(w *world, opts *Options) *builder {
	return &builder{w: w, opts: opts, maps: map[*object.Map]*kernelMap{}, machines: map[*object.Program]*machine{},
		replaced: map[*object.Map]bool{}}
}

// A machine is a program ready to run, as prog arrays and Programs have it.
type machine struct {
	engine                // a *jit.Program if it runs as native code, else an *interp.Machine
	compiled *jit.Program // nil if there was to be no native code
	prog     *object.Program
	why      error // why it runs in package interp
	verdict  *Verdict
	maps     []*kernelMap

	number sync.Once // of what follows; see Program.ID
	id     uint32
	idErr  error
}

// fail takes back what was made.
func (b *builder) fail() {
	for _, f := range slices.Backward(b.undo) {
		// Nothing of it is in use, so this cannot fail; and there is an error to report already.
		_ = f()
	}
}

// newMap makes a map, empty, unless it is made already. Its one reference is the builder's.
func (b *builder) newMap(m *object.Map) (*kernelMap, error) {
	if k := b.maps[m]; k != nil {
		return k, nil
	}
	spec := mapSpec(m)
	made, err := maps.New(b.w.space, spec, b.w.cpus())
	if err != nil {
		return nil, err
	}
	k := &kernelMap{Map: made, w: b.w, name: m.Name, spec: m}
	k.refs.Store(1)
	b.w.mu.Lock()
	b.w.maps[made] = k
	b.w.mu.Unlock()
	b.maps[m] = k
	b.order = append(b.order, m)
	b.undo = append(b.undo, k.release)
	return k, nil
}

// mapSpec is the map in terms of package maps.
func mapSpec(m *object.Map) *maps.Spec {
	s := &maps.Spec{Name: m.Name, Type: maps.Type(m.Type), KeySize: m.KeySize, ValueSize: m.ValueSize,
		MaxEntries: m.MaxEntries, Flags: m.Flags, Extra: m.Extra, Special: specialFields(m)}
	if m.Inner != nil {
		s.Inner = mapSpec(m.Inner)
	}
	return s
}

// special are the structs that are no data in a map's value, by name.
var special = map[string]bool{
	"bpf_spin_lock": true, "bpf_res_spin_lock": true, "bpf_timer": true, "bpf_wq": true, "bpf_task_work": true,
	"bpf_list_head": true, "bpf_rb_root": true, "bpf_refcount": true,
}

// specialFields finds what in a map's value is no data.
func specialFields(m *object.Map) []maps.Field {
	if m.BTF == nil || m.BTF.Spec == nil || m.ValueID == 0 {
		return nil
	}
	t, err := m.BTF.Spec.TypeByID(btf.TypeID(m.ValueID))
	if err != nil {
		return nil
	}
	var out []maps.Field
	var walk func(t btf.Type, at uint32, depth int)
	walk = func(t btf.Type, at uint32, depth int) {
		const deepest = 8 // levels of nesting; the kernel looks at no more
		if depth > deepest {
			return
		}
		switch t := btf.UnderlyingType(t).(type) {
		case *btf.Struct:
			if special[t.Name] {
				out = append(out, maps.Field{Offset: at, Size: t.Size, SpinLock: t.Name == "bpf_spin_lock"})
				return
			}
			for _, f := range t.Members {
				walk(f.Type, at+uint32(f.Offset.Bytes()), depth+1)
			}
		case *btf.Datasec:
			for _, v := range t.Vars {
				if x, ok := v.Type.(*btf.Var); ok {
					walk(x.Type, v.Offset, depth+1)
				}
			}
		case *btf.Array:
			size, err := btf.Sizeof(t.Type)
			if _, ok := btf.UnderlyingType(t.Type).(*btf.Struct); ok && err == nil && t.Nelems <= 64 {
				for i := range t.Nelems {
					walk(t.Type, at+i*uint32(size), depth+1)
				}
			}
		}
	}
	walk(t, 0, 0)
	return out
}

// newMachine makes a program, with the maps that it names, unless it is made already.
func (b *builder) newMachine(name string, p *object.Program) (*machine, error) {
	if m := b.machines[p]; m != nil {
		return m, nil
	}
	v := verifyProgram(p, &b.opts.VerifyOptions)
	v.Name = name
	if !v.Accepted() && !b.opts.AllowUnverified {
		return nil, &ProgramError{v}
	}
	m := &machine{prog: p, verdict: v}
	used := make([]maps.Map, len(p.Maps))
	for i, om := range p.Maps {
		k, err := b.newMap(om)
		if err != nil {
			return nil, fmt.Errorf("map %s: %w", om.Name, err)
		}
		if err := k.takes(m); err != nil {
			return nil, err
		}
		m.maps = append(m.maps, k)
		used[i] = k.Map
	}
	var err error
	o := interp.Options{Space: b.w.space, Maps: used, Budget: b.opts.Budget, Target: target, Kfunc: b.kfunc}
	if b.opts.Cover != nil {
		o.Observe = b.opts.Cover.Observe
	}
	switch {
	case v.Accepted() && b.opts.Engine != EngineInterp && o.Observe == nil:
		err = m.compile(b, used)
	case b.opts.Engine == EngineJIT:
		return nil, fmt.Errorf("skep: program %s: %w", name, errNotProved)
	default:
		m.engine, err = interp.New(p, o)
	}
	if err != nil {
		return nil, err
	}
	b.machines[p] = m
	return m, nil
}

// kfunc is the kernel function with an id in the kernel's types; nil if it is not simulated.
func (b *builder) kfunc(id int32, module int16) *helpers.KernelFunc {
	if b.opts.Types == nil {
		return nil
	}
	return helpers.KfuncByID(b.opts.Types.Spec, id, module)
}

// fill writes a map's contents, now that all that they refer to can be made, and freezes it if it is to be.
func (b *builder) fill(m *object.Map, names map[*object.Program]string) error {
	k := b.maps[m]
	for _, kv := range m.Contents {
		var err error
		switch {
		case kv.Program != nil:
			var p *machine
			if p, err = b.newMachine(names[kv.Program], kv.Program); err == nil {
				err = b.w.putMachine(k, kv.Key, p, 0)
			}
		case kv.Map != nil:
			var inner *kernelMap
			if inner, err = b.newMap(kv.Map); err == nil {
				err = b.w.putInner(k, kv.Key, inner, 0)
			}
		default:
			err = b.put(k, kv)
		}
		if err != nil {
			return fmt.Errorf("key %x: %w", kv.Key, err)
		}
	}
	if m.Frozen {
		return k.Freeze()
	}
	return nil
}

// put writes an element. Values of a per-CPU map may be those of one CPU, which all then have.
func (b *builder) put(k *kernelMap, kv object.MapKV) error {
	return k.Put(kv.Key, kv.Value, maps.Any)
}

// putInner makes a map the element of a map of maps.
func (w *world) putInner(k *kernelMap, key []byte, inner *kernelMap, flags uint64) error {
	outer, ok := k.Map.(maps.MapOfMaps)
	if !ok {
		return errors.New("only a map of maps holds maps")
	}
	return k.change(key, []*kernelMap{inner}, func() error { return outer.PutMap(key, inner.Map, flags) })
}

// putMachine makes a program the element of a prog array.
func (w *world) putMachine(k *kernelMap, key []byte, m *machine, flags uint64) error {
	array, ok := k.Map.(*maps.Programs)
	if !ok {
		return errors.New("only a prog array holds programs")
	}
	if flags != maps.Any {
		return maps.ErrInvalid
	}
	if err := k.takes(m); err != nil {
		return err
	}
	return k.change(key, m.maps, func() error { return array.SetProgram(binary.NativeEndian.Uint32(key), m) })
}

// takes tells why a prog array does not take a program, or go with one that calls its programs: all of them are of one
// type, that of the first.
func (k *kernelMap) takes(m *machine) error {
	if _, ok := k.Map.(*maps.Programs); !ok {
		return nil
	}
	typ := m.prog.Type
	if !k.owner.CompareAndSwap(0, typ) && k.owner.Load() != typ {
		return fmt.Errorf("prog array %s is for %v programs, not for %v: %w", k.name, linux.ProgType(k.owner.Load()), linux.ProgType(typ), maps.EINVAL)
	}
	return nil
}
