package skep

import (
	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/maps"
)

// Types are the types of the map's keys and values, nil where they are not known.
func (m *Map) Types() (key, value btf.Type) {
	s := m.k.spec
	if s == nil || s.BTF == nil || s.BTF.Spec == nil {
		return nil, nil
	}
	find := func(id uint32) btf.Type {
		if id == 0 {
			return nil
		}
		t, err := s.BTF.Spec.TypeByID(btf.TypeID(id))
		if err != nil {
			return nil
		}
		return t
	}
	return find(s.KeyID), find(s.ValueID)
}

// PutBytes sets the value of a key, both as they are. Of a per-CPU map, a value of one CPU's size becomes that of all.
func (m *Map) PutBytes(key, value []byte) error {
	if m.closed.Load() {
		return wrapMapError("update", maps.ErrClosed)
	}
	if size := int(m.ValueSize()); m.perCPU() && len(value) == size {
		all := make([]byte, m.k.ValueBytes())
		for i := range m.CPUs() {
			copy(all[i*align8(size):], value)
		}
		value = all
	}
	return wrapMapError("update", m.k.Put(key, value, maps.Any))
}
