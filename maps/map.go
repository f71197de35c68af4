package maps

import "github.com/skepbpf/skep/memory"

// A Map is a map. New gives, by type, one of
//
//	*ArrayMap      Array, PerCPUArray
//	*HashMap       Hash, PerCPUHash, LRUHash, LRUPerCPUHash
//	*LPM           LPMTrie
//	*Programs      ProgArray
//	*PerfArray     PerfEventArray
//	*RingBuffer    RingBuf
//	*UserRingBuffer UserRingBuf
//	*MapArray, *MapHash       ArrayOfMaps, HashOfMaps: both are a MapOfMaps
//	*QueueMap      Queue, Stack
//	*Bloom         BloomFilter
//	*StackMap      StackTrace
//	*Devices, *DeviceHash     DevMap, CPUMap, DevMapHash: both are a Redirecter
//	*ObjectArray, *ObjectHash CgroupArray, SockMap, XSKMap, ReuseportSockArray, SockHash: both are an ObjectMap
//	*Storage       SkStorage, TaskStorage, InodeStorage, CgrpStorage
//	*CgroupLocal   CgroupStorage, PerCPUCgroupStorage
//	*StructOpsMap  StructOps
//	*ArenaMap      Arena
//
// which have methods beyond those of Map.
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
