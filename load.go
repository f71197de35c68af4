package skep

import (
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep/object"
)

// LoadObject is NewCollection on programs and maps of package object: what was read from text, or changed, or made by
// hand. They were made for a kernel already, so that Options.Types and Options.Config only matter to the verifier; and
// for a number of CPUs, which must be that of opts if maps have contents for each CPU.
func LoadObject(c *object.Collection, opts *Options) (*Collection, error) {
	if opts == nil {
		opts = &Options{}
	}
	want, err := allOf(c, opts.Programs)
	if err != nil {
		return nil, err
	}
	return newCollection(c, opts, want)
}

// NewMap makes a map that lives with the collection's: one to put into a map of maps, for instance. It is the caller's to
// close.
func (c *Collection) NewMap(spec *ebpf.MapSpec) (*Map, error) {
	w := c.world()
	if w == nil || !w.hold() {
		return nil, ErrClosed
	}
	defer w.release()
	cs := &ebpf.CollectionSpec{Maps: map[string]*ebpf.MapSpec{spec.Name: spec}}
	oc, err := object.FromSpec(cs, object.Options{CPUs: w.cpus()})
	if err != nil {
		return nil, err
	}
	b := newBuilder(w, &Options{})
	k, err := b.newMap(oc.Maps[spec.Name])
	if err == nil {
		err = b.fill(oc.Maps[spec.Name], nil)
	}
	if err != nil {
		b.fail()
		return nil, fmt.Errorf("skep: map %s: %w", spec.Name, err)
	}
	k.name = spec.Name
	m := w.newHandle(k)
	b.done()
	return m, nil
}

// world is the world of what is in the collection; nil if it is empty.
func (c *Collection) world() *world {
	for _, m := range c.Maps {
		return m.w
	}
	for _, p := range c.Programs {
		return p.w
	}
	return nil
}
