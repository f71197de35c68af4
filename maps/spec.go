package maps

import (
	"cmp"

	"github.com/skepbpf/skep/memory"
)

// A Spec is what creates a map.
type Spec struct {
	Name       string
	Type       Type
	KeySize    uint32 // bytes
	ValueSize  uint32 // bytes
	MaxEntries uint32
	Flags      uint32
	Extra      uint64 // map_extra

	// Special are the fields of the value that are not data, as BTF tells them. User space neither
	// reads nor writes them.
	Special []Field

	// Released, if not nil, is called for a value with Special fields when its element is removed, evicted, or replaced,
	// when an array's element is updated, and when the map is closed: what the fields refer to is to be let go of. It must
	// not use the map. Values of hash tables and arrays only have such fields, for all CPUs if they are per CPU.
	Released func(value memory.Addr)

	Inner *Spec // template of a map in map

	Contents []KV // put into the new map
	Freeze   bool // after that
}

// A KV is an element.
type KV struct{ Key, Value []byte }

// A Field is a field of a value that is no data: a spin lock, a timer, a kptr.
type Field struct {
	Offset, Size uint32
	SpinLock     bool // the lock that Lock takes: 4 bytes, 0 when free, 1 when held
}

// New makes the map that s describes, in space, with values for as many CPUs as cpus says where its type has
// values for each. The rules for what can be made, and the errors, are those of BPF_MAP_CREATE.
func New(space *memory.Space, s *Spec, cpus int) (Map, error) {
	k, err := check(s, cpus)
	if err != nil {
		return nil, err
	}
	if s.Type == ArrayOfMaps || s.Type == HashOfMaps {
		if err := checkTemplate(s, cpus); err != nil {
			return nil, err
		}
	}
	c := &common{spec: *s, space: space, cpus: cpus, perCPU: s.Type.PerCPU()}
	c.refs.Store(1)
	c.setFields()
	m, err := k.create(c)
	if err == nil {
		c.self = m
		c.addr, err = space.AllocHandle(s.Name, m)
	}
	if err != nil {
		c.free()
		return nil, refuse(memoryErrno(err), "%v map %q", s.Type, s.Name)
	}
	c.owned = append(c.owned, c.addr)
	for i, kv := range s.Contents {
		err := error(nil)
		if len(kv.Key) != int(s.KeySize) || len(kv.Value) != m.ValueBytes() {
			err = refuse(EINVAL, "map %q: element %d has a key of %d bytes and a value of %d", s.Name, i, len(kv.Key), len(kv.Value))
		} else {
			err = m.put(kv.Key, kv.Value, Any)
		}
		if err != nil {
			m.Close()
			return nil, err
		}
	}
	if s.Freeze {
		c.frozen.Store(true)
	}
	return m, nil
}

// check is BPF_MAP_CREATE up to the point where memory is needed.
func check(s *Spec, cpus int) (*kind, error) {
	if s.Type == Unspecified || s.Type >= numTypes {
		return nil, refuse(EINVAL, "map %q: no map type %d", s.Name, uint32(s.Type))
	}
	k := kinds[s.Type]
	if k == nil {
		return nil, refuse(EOPNOTSUPP, "map %q: %v maps are not simulated", s.Name, s.Type)
	}
	if cpus < 1 {
		return nil, refuse(EINVAL, "map %q: needs a CPU", s.Name)
	}
	for _, c := range []byte(s.Name) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '.') {
			return nil, refuse(EINVAL, "name of map %q: %q may not be in it", s.Name, c)
		}
	}
	return k, k.checkSpec(s)
}

// checkSpec checks numbers and flags. What has a special error comes first.
func (k *kind) checkSpec(s *Spec) error {
	if s.Extra != 0 && k.extra == nil {
		return refuse(EINVAL, "map %q: map_extra %#x", s.Name, s.Extra)
	}
	if k.check != nil {
		if err := k.check(s); err != nil {
			return err
		}
	}
	const user, prog = ReadOnlyUser | WriteOnlyUser, ReadOnlyProg | WriteOnlyProg
	switch {
	case s.Extra != 0 && !k.extra(s.Extra):
		return refuse(EINVAL, "map %q: map_extra %#x", s.Name, s.Extra)
	case s.Flags&^k.flags != 0:
		return refuse(EINVAL, "map %q: flags %#x are not for %v", s.Name, s.Flags&^k.flags, s.Type)
	case s.Flags&k.need != k.need:
		return refuse(EINVAL, "map %q: %v needs flags %#x", s.Name, s.Type, k.need)
	case s.Flags&user == user || s.Flags&prog == prog:
		return refuse(EINVAL, "map %q: read-only and write-only at once", s.Name)
	}
	var tooBig error // what is no size at all is told first
	for _, n := range []struct {
		what  string
		value uint32
		rule  sizes
	}{{"key size", s.KeySize, k.key}, {"value size", s.ValueSize, k.value}, {"max_entries", s.MaxEntries, k.entries}} {
		switch e := n.rule.check(n.value); e {
		case 0:
		case E2BIG:
			tooBig = cmp.Or(tooBig, refuse(e, "map %q: %s %d is not for %v", s.Name, n.what, n.value, s.Type))
		default:
			return refuse(e, "map %q: %s %d is not for %v", s.Name, n.what, n.value, s.Type)
		}
	}
	if tooBig != nil {
		return tooBig
	}
	if sum := uint64(s.KeySize) + uint64(s.ValueSize); k.elem != 0 && sum > uint64(k.elem) {
		return refuse(E2BIG, "map %q: key and value have %d bytes", s.Name, sum)
	}
	return nil
}

// memoryErrno is ENOMEM, unless err has an Errno of its own.
func memoryErrno(err error) Errno {
	if e := ErrnoOf(err); e != EINVAL {
		return e
	}
	return ENOMEM
}

// rights are those of programs on values.
func (s *Spec) rights() memory.Rights {
	switch {
	case s.Flags&ReadOnlyProg != 0, s.Type == DevMap, s.Type == DevMapHash:
		return memory.Read
	case s.Flags&WriteOnlyProg != 0:
		return memory.Write
	}
	return memory.Read | memory.Write
}

func roundUp(n, to uint32) uint32 { return (n + to - 1) / to * to }
