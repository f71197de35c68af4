package skep

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/interp"
	"github.com/skepbpf/skep/object"
)

// defaultCPUs is the number of virtual CPUs of a collection if Options does not say another.
const defaultCPUs = 4

// Options are the choices of NewCollection. The zero value is right for most users.
type Options struct {
	// VerifyOptions say for which kernel the programs are judged. Programs, if not empty, names those that are
	// wanted: others, and the maps that only they use, are not made.
	VerifyOptions

	// AllowUnverified makes programs that the verifier refuses, or cannot judge, all the same. A run of one
	// ends with an error where it does what is not allowed.
	AllowUnverified bool

	// CPUs is the number of virtual CPUs: so many programs can run at the same time, and so many values do per-CPU
	// maps have. 0 is 4, whatever the host has, so that runs are repeatable.
	CPUs int
	// Env is where time, randomness and the current task come from. Nil: the same values in each run; see helpers.Env.
	Env *helpers.Env
	// Trace gets what programs print with bpf_printk. Nil: it is lost.
	Trace io.Writer
	// Engine is what runs the programs. EngineJIT makes programs an error that there is no native code for.
	Engine Engine
	// Budget is the number of instructions that a run may execute, more or less: native code counts the rounds of those loops
	// only that the verifier has not bounded, or to a large number. 0 is a few seconds' worth.
	Budget int64
	// Cover, if not nil, counts the instructions that runs execute; they are slower then.
	Cover *interp.Coverage
	// MapReplacements are open maps, of another collection, that take the place of the maps of these names. The new
	// collection then shares that one's CPUs, Env and Trace. They stay the caller's to close.
	MapReplacements map[string]*Map
}

// A Collection is the maps and programs of an object, ready to run.
type Collection struct {
	Programs  map[string]*Program
	Maps      map[string]*Map
	Variables map[string]*Variable
}

// NewCollection verifies the programs of a spec and makes them and the maps. If anything fails, nothing is left. The spec is
// not changed. Options may be nil.
//
// The error is a *ProgramError if a program is refused or cannot be judged, unless Options.AllowUnverified is set.
func NewCollection(spec *ebpf.CollectionSpec, opts *Options) (*Collection, error) {
	if opts == nil {
		opts = &Options{}
	}
	oo := opts.object()
	oo.CPUs = opts.cpus()
	c, err := object.FromSpec(spec, oo)
	if err != nil {
		return nil, err
	}
	return LoadObject(c, opts)
}

// OpenCollection is NewCollection on a file: an ELF object, or a program as text, in the form that object.Parse reads.
func OpenCollection(r io.ReaderAt, opts *Options) (*Collection, error) {
	if opts == nil {
		opts = &Options{}
	}
	oo := opts.object()
	oo.CPUs = opts.cpus()
	c, err := readObject(r, oo)
	if err != nil {
		return nil, err
	}
	return LoadObject(c, opts)
}

func (o *Options) cpus() int {
	for _, m := range o.MapReplacements {
		return m.w.cpus()
	}
	if o.CPUs <= 0 {
		return defaultCPUs
	}
	return o.CPUs
}

// newCollection makes what is wanted of c.
func newCollection(c *object.Collection, opts *Options, want selection) (coll *Collection, err error) {
	w, err := worldFor(opts)
	if err != nil {
		return nil, err
	}
	b := newBuilder(w, opts)
	defer func() {
		if err != nil {
			b.fail()
			err = errors.Join(err, w.release())
			coll = nil
		}
	}()
	if err := b.replace(c); err != nil {
		return nil, err
	}
	if err := b.build(c, want); err != nil {
		return nil, err
	}
	coll = b.collection(c, want)
	b.done()
	return coll, w.release()
}

// A selection is the names of what is wanted of an object.
type selection struct{ programs, maps []string }

// allOf is all that an object holds, or if programs are named, these and the maps that they use.
func allOf(c *object.Collection, programs []string) (selection, error) {
	if len(programs) > 0 {
		return pick(c, programs, nil)
	}
	if len(c.Failed) > 0 {
		return selection{}, &ProgramError{&Verdict{Name: c.Failed[0].Name, Section: c.Failed[0].Section, Err: c.Failed[0]}}
	}
	return selection{slices.Sorted(maps.Keys(c.Programs)), slices.Sorted(maps.Keys(c.Maps))}, nil
}

// pick is the named programs and maps, and the maps that these use.
func pick(c *object.Collection, programs, named []string) (selection, error) {
	used := map[*object.Map]bool{}
	for _, name := range programs {
		p := c.Programs[name]
		if p == nil {
			return selection{}, missing(c, name)
		}
		reach(p, used)
	}
	for _, name := range named {
		reachMap(c.Maps[name], used)
	}
	s := selection{programs: programs}
	for _, name := range slices.Sorted(maps.Keys(c.Maps)) {
		if used[c.Maps[name]] {
			s.maps = append(s.maps, name)
		}
	}
	return s, nil
}

// missing is why there is no program of that name.
func missing(c *object.Collection, name string) error {
	for _, e := range c.Failed {
		if e.Name == name {
			return &ProgramError{&Verdict{Name: name, Section: e.Section, Err: e}}
		}
	}
	return fmt.Errorf("skep: there is no program %q", name)
}

// reach adds the maps that a program uses, and those that their contents lead to.
func reach(p *object.Program, used map[*object.Map]bool) {
	for _, m := range p.Maps {
		reachMap(m, used)
	}
}

func reachMap(m *object.Map, used map[*object.Map]bool) {
	if m == nil || used[m] {
		return
	}
	used[m] = true
	for _, kv := range m.Contents {
		reachMap(kv.Map, used)
		if kv.Program != nil {
			reach(kv.Program, used)
		}
	}
}

// worldFor gives the world that the collection is to live in, with a reference to it.
func worldFor(opts *Options) (*world, error) {
	var w *world
	for _, m := range opts.MapReplacements {
		if w != nil && w != m.w {
			return nil, fmt.Errorf("skep: replacement of a map: %w", errOtherWorld)
		}
		w = m.w
	}
	if w != nil {
		w.retain()
		return w, nil
	}
	return newWorld(opts)
}

// replace makes the builder use the maps that opts gives.
func (b *builder) replace(c *object.Collection) error {
	for name, m := range b.opts.MapReplacements {
		om := c.Maps[name]
		switch {
		case om == nil:
			return fmt.Errorf("skep: there is no map %q to replace", name)
		case m.closed.Load():
			return fmt.Errorf("skep: replacement of map %q: it is closed", name)
		}
		s := m.k.Spec()
		if uint32(s.Type) != om.Type || s.KeySize != om.KeySize || s.ValueSize != om.ValueSize || s.MaxEntries != om.MaxEntries || s.Flags != om.Flags {
			return fmt.Errorf("skep: replacement of map %q: %w", name, ebpf.ErrMapIncompatible)
		}
		b.maps[om] = m.k.retain()
		b.replaced[om] = true
		b.undo = append(b.undo, m.k.release)
	}
	return nil
}

// build makes the maps and programs, then what the maps hold.
func (b *builder) build(c *object.Collection, want selection) error {
	names := map[*object.Program]string{}
	for name, p := range c.Programs {
		names[p] = name
	}
	for _, name := range want.maps {
		if _, err := b.newMap(c.Maps[name]); err != nil {
			return fmt.Errorf("skep: map %s: %w", name, err)
		}
		if k := b.maps[c.Maps[name]]; !b.replaced[c.Maps[name]] {
			k.name = name
		}
	}
	for _, name := range want.programs {
		if _, err := b.newMachine(name, c.Programs[name]); err != nil {
			return fmt.Errorf("skep: %w", err)
		}
	}
	// What maps hold may be maps and programs that use more maps: the list grows.
	for i := 0; i < len(b.order); i++ {
		m := b.order[i]
		if err := b.fill(m, names); err != nil {
			return fmt.Errorf("skep: contents of map %s: %w", b.maps[m].name, err)
		}
	}
	return nil
}

// collection makes handles of what was made.
func (b *builder) collection(c *object.Collection, want selection) *Collection {
	coll := &Collection{Programs: map[string]*Program{}, Maps: map[string]*Map{}, Variables: map[string]*Variable{}}
	for _, name := range want.maps {
		coll.Maps[name] = b.w.newHandle(b.maps[c.Maps[name]])
	}
	for _, name := range want.programs {
		coll.Programs[name] = b.w.newProgram(name, b.machines[c.Programs[name]])
	}
	for name, m := range coll.Maps {
		addVariables(coll.Variables, m, c.Maps[name])
	}
	return coll
}

// done gives up the builder's own references to what it made: the handles have theirs, and programs.
func (b *builder) done() {
	for _, f := range b.undo {
		// There are other references, or nobody ever gets at it: neither can fail.
		_ = f()
	}
}

// Close closes all programs and maps. Those that were taken out of the collection (DetachMap, DetachProgram, Assign)
// are the caller's.
func (c *Collection) Close() {
	for _, p := range c.Programs {
		p.Close()
	}
	for _, m := range c.Maps {
		m.Close()
	}
}

// DetachMap takes a map out of the collection, to be closed by the caller; nil if there is none of that name.
func (c *Collection) DetachMap(name string) *Map {
	m := c.Maps[name]
	delete(c.Maps, name)
	return m
}

// DetachProgram takes a program out of the collection, to be closed by the caller; nil if there is none of that name.
func (c *Collection) DetachProgram(name string) *Program {
	p := c.Programs[name]
	delete(c.Programs, name)
	return p
}

// FireTimers runs the callbacks of the timers (bpf_timer) of the collection's maps that are due at a time on the clock of
// Options.Env, and tells how many. Nothing fires by itself.
func (c *Collection) FireTimers(now time.Duration) (int, error) {
	w := c.world()
	if w == nil || !w.hold() {
		return 0, ErrClosed
	}
	n, err := w.fireTimers(now)
	return n, errors.Join(err, w.release())
}

// CPUs is the number of virtual CPUs: as many values do per-CPU maps have for a key. 0 if the collection is empty.
func (c *Collection) CPUs() int {
	if w := c.world(); w != nil {
		return w.cpus()
	}
	return 0
}
