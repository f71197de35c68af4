package maps

import (
	"encoding/binary"
	"slices"
	"sync"

	"github.com/skepbpf/skep/memory"
)

// checkTemplate checks that an inner map may be made, and be one.
func checkTemplate(s *Spec, cpus int) error {
	in := s.Inner
	if in == nil {
		return refuse(EBADF, "map %q: %v needs a template of its inner maps", s.Name, s.Type)
	}
	k, err := check(in, cpus)
	if err != nil {
		return err
	}
	switch {
	case in.Type == ArrayOfMaps || in.Type == HashOfMaps:
		return refuse(EINVAL, "map %q: maps of maps of maps are one too many", s.Name)
	case k.notInner:
		return refuse(ENOTSUPP, "map %q: %v cannot be an inner map", s.Name, in.Type)
	}
	return nil
}

// alike reports whether a map may be where the template says t. User space's rights do not matter.
func (s *Spec) alike(t *Spec) bool {
	const user = ReadOnlyUser | WriteOnlyUser
	if s.Type != t.Type || s.KeySize != t.KeySize || s.ValueSize != t.ValueSize || (s.Flags^t.Flags)&^user != 0 {
		return false
	}
	// The verifier has proved that an index lies within the template.
	fixed := s.Type == XSKMap || s.Type == Array && s.Flags&InnerMap == 0
	if fixed && s.MaxEntries != t.MaxEntries {
		return false
	}
	return slices.Equal(s.sortedFields(), t.sortedFields())
}

func (s *Spec) sortedFields() []Field {
	f := slices.Clone(s.Special)
	slices.SortFunc(f, func(a, b Field) int { return int(a.Offset) - int(b.Offset) })
	return f
}

// inners is what both types of maps of maps have. An element is the handle of an inner map, of which the outer one
// keeps a reference.
type inners struct {
	mu       sync.Mutex
	replaced []impl // programs may still hold their handles
}

// hold takes a reference of an inner map.
func (c *common) hold(m Map) (impl, error) {
	in, ok := m.(impl)
	if !ok || in.base().space != c.space || !in.Spec().alike(c.spec.Inner) {
		return nil, ErrIncompatible
	}
	for refs := &in.base().refs; ; {
		n := refs.Load()
		if n <= 0 {
			return nil, ErrClosed
		}
		if refs.CompareAndSwap(n, n+1) {
			return in, nil
		}
	}
}

// byID is the map that user space means by a number.
func (c *common) byID(id uint32) (Map, error) {
	if m, ok := c.space.HandleByID(id).(Map); ok {
		return m, nil
	}
	return nil, EBADF
}

// idAt is the number of the map with a handle.
func (c *common) idAt(value []byte, handle memory.Addr) error {
	if handle == 0 {
		return ErrKeyNotExist
	}
	binary.NativeEndian.PutUint32(value, c.space.HandleID(uint64(handle)))
	return nil
}

// retire keeps a map that is no longer an element until no program can hold it.
func (x *inners) retire(c *common, handle memory.Addr) {
	if handle == 0 {
		return
	}
	if in, ok := c.space.Owner(uint64(handle)).(impl); ok {
		x.mu.Lock()
		x.replaced = append(x.replaced, in)
		x.mu.Unlock()
	}
}

// Reclaim lets go of the maps that were replaced or removed. No program may be running that may have found one of
// them. Until then, or until Close, they stay, as in Linux they stay for those who look at them.
func (x *inners) Reclaim() {
	x.mu.Lock()
	old := x.replaced
	x.replaced = nil
	x.mu.Unlock()
	for _, in := range old {
		in.base().release()
	}
}
