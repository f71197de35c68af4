package maps

import (
	"sync"

	"github.com/skepbpf/skep/memory"
)

// An ObjectMap is a map of things of Go's that stand for what Linux has in the kernel: sockets, AF_XDP sockets, control
// groups. What they are is up to those who put them there; if one has a method Addr() memory.Addr, programs that look it
// up get that.
type ObjectMap interface {
	Map
	// Object is the element of key, or nil.
	Object(key []byte) any
	// SetObject sets an element, with the flags of an update; nil removes it.
	SetObject(key []byte, v any, flags uint64) error
}

// objectErrnos are what user space gets where Linux wants a descriptor or has nothing to show.
type objectErrnos struct{ get, put, absent Errno }

var objectErrors = map[Type]objectErrnos{
	CgroupArray:        {get: ENOTSUPP, put: EBADF, absent: ENOENT},
	SockMap:            {get: ENOSPC, put: ENOTSOCK, absent: EINVAL},
	SockHash:           {get: ENOSPC, put: ENOTSOCK, absent: ENOENT},
	ReuseportSockArray: {get: ENOSPC, put: ENOTSOCK, absent: ENOENT},
	XSKMap:             {get: EOPNOTSUPP, put: ENOTSOCK, absent: 0},
}

// addrOf is what a program gets for an object.
func addrOf(v any) memory.Addr {
	if a, ok := v.(interface{ Addr() memory.Addr }); ok {
		return a.Addr()
	}
	return 0
}

// An ObjectArray is an ObjectMap by index: BPF_MAP_TYPE_CGROUP_ARRAY, _SOCKMAP, _XSKMAP, _REUSEPORT_SOCKARRAY.
type ObjectArray struct {
	*common
	objects refs
	errs    objectErrnos
	mu      sync.Mutex // of writers
}

func newObjectArray(c *common) (impl, error) {
	return &ObjectArray{common: c, objects: newRefs(c.spec.MaxEntries), errs: objectErrors[c.spec.Type]}, nil
}

// Object is the element with the index in key, or nil.
func (m *ObjectArray) Object(key []byte) any {
	if len(key) != 4 {
		return nil
	}
	return m.objects.at(index(key))
}

// SetObject sets an element.
func (m *ObjectArray) SetObject(key []byte, v any, flags uint64) error {
	switch {
	case len(key) != 4 || flags > Exist:
		return ErrInvalid
	case index(key) >= m.objects.count:
		return ErrIndex
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.objects.at(index(key))
	switch {
	case v == nil && old == nil:
		return errnoOrNil(m.errs.absent)
	case v != nil && old != nil && flags == NoExist:
		return ErrKeyExist
	case v != nil && old == nil && flags == Exist:
		return ErrKeyNotExist
	}
	m.objects.swap(index(key), v)
	return nil
}

// Lookup gives the address of the element with the index in key, if it has one.
func (m *ObjectArray) Lookup(cpu int, key []byte) memory.Addr { return addrOf(m.Object(key)) }

// Delete removes an element.
func (m *ObjectArray) Delete(key []byte) error {
	if sock := m.spec.Type == SockMap || m.spec.Type == XSKMap; len(key) != 4 || sock && index(key) >= m.objects.count {
		return ErrInvalid // and not ErrIndex, in Linux
	}
	return m.SetObject(key, nil, Any)
}

func (m *ObjectArray) get(key, value []byte, flags uint64) error { return m.errs.get }
func (m *ObjectArray) put(key, value []byte, flags uint64) error { return m.errs.put }
func (m *ObjectArray) remove(key []byte) error                   { return m.Delete(key) }
func (m *ObjectArray) next(key []byte) ([]byte, error)           { return nextIndex(key, m.objects.count) }
func (m *ObjectArray) drop()                                     { m.objects = newRefs(0) }

// An ObjectHash is an ObjectMap by any key: BPF_MAP_TYPE_SOCKHASH.
type ObjectHash struct {
	*common
	errs objectErrnos

	mu      sync.RWMutex
	objects map[string]any
	keys    []string // in the order in which they came
}

func newObjectHash(c *common) (impl, error) {
	return &ObjectHash{common: c, errs: objectErrors[c.spec.Type], objects: map[string]any{}}, nil
}

// Object is the element of key, or nil.
func (m *ObjectHash) Object(key []byte) any {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.objects[string(key)]
}

// SetObject sets an element.
func (m *ObjectHash) SetObject(key []byte, v any, flags uint64) error {
	if len(key) != int(m.spec.KeySize) || flags > Exist {
		return ErrInvalid
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.objects[string(key)]
	switch {
	case v == nil && old == nil:
		return errnoOrNil(m.errs.absent)
	case v == nil:
		delete(m.objects, string(key))
		m.keys = without(m.keys, string(key))
		return nil
	case old != nil && flags == NoExist:
		return ErrKeyExist
	case old == nil && flags == Exist:
		return ErrKeyNotExist
	case old == nil && len(m.objects) >= int(m.spec.MaxEntries):
		return ErrFull
	case old == nil:
		m.keys = append(m.keys, string(key))
	}
	m.objects[string(key)] = v
	return nil
}

// Lookup gives the address of the element of key, if it has one.
func (m *ObjectHash) Lookup(cpu int, key []byte) memory.Addr { return addrOf(m.Object(key)) }

// Delete removes an element.
func (m *ObjectHash) Delete(key []byte) error { return m.SetObject(key, nil, Any) }

func (m *ObjectHash) get(key, value []byte, flags uint64) error { return m.errs.get }
func (m *ObjectHash) put(key, value []byte, flags uint64) error { return m.errs.put }
func (m *ObjectHash) remove(key []byte) error                   { return m.Delete(key) }

func (m *ObjectHash) next(key []byte) ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return nextOf(m.keys, key)
}

func (m *ObjectHash) drop() { m.objects, m.keys = nil, nil }
