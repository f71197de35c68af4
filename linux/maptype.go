package linux

import "strconv"

// An Errno is an error number as Linux has them, whatever the host: package syscall's differ between systems.
type Errno uint16

const (
	ENOENT     Errno = 2
	E2BIG      Errno = 7
	EBADF      Errno = 9
	ENOMEM     Errno = 12
	EACCES     Errno = 13
	EFAULT     Errno = 14
	EINVAL     Errno = 22
	EOPNOTSUPP Errno = 95
	ENOTSUPP   Errno = 524 // known inside Linux only, but it gets out
)

var errnoNames = map[Errno]string{
	0: "OK", ENOENT: "ENOENT", E2BIG: "E2BIG", EBADF: "EBADF", ENOMEM: "ENOMEM", EACCES: "EACCES", EFAULT: "EFAULT",
	EINVAL: "EINVAL", EOPNOTSUPP: "EOPNOTSUPP", ENOTSUPP: "ENOTSUPP",
}

// String returns the name, "OK" for zero.
func (e Errno) String() string {
	if s, ok := errnoNames[e]; ok {
		return s
	}
	return "errno " + strconv.Itoa(int(e))
}

// Flags of a map (BPF_F_*).
const (
	MapNoPreallocFlag    = 1 << 0
	MapNoCommonLRUFlag   = 1 << 1
	MapNUMANodeFlag      = 1 << 2
	MapRdOnlyFlag        = 1 << 3
	MapWrOnlyFlag        = 1 << 4
	MapStackBuildIDFlag  = 1 << 5
	MapZeroSeedFlag      = 1 << 6
	MapRdOnlyProgFlag    = 1 << 7
	MapWrOnlyProgFlag    = 1 << 8
	MapCloneFlag         = 1 << 9
	MapMmapableFlag      = 1 << 10
	MapPreserveElemsFlag = 1 << 11
	MapInnerFlag         = 1 << 12
	MapSegvOnFaultFlag   = 1 << 17
	MapNoUserConvFlag    = 1 << 18
)

// A MapInfo is what a kernel knows about a map type. It is part of the tables: not to be changed.
type MapInfo struct {
	Type  MapType
	Since Version

	// What may be asked for when creating a map.
	Key, Value, Entries SizeRule
	MaxElem             uint32 // bytes of key and value together; 0: no such limit
	Flags               uint32 // that may be set
	NeedFlags           uint32 // that must be set
	Fields              MapFields

	Traits MapTraits

	helpers HelperSet
}

// A SizeRule says which sizes a map may have: multiples of Step (powers of two times Step with Pow2) from Min to Max.
// Others are EINVAL; from Big on (0: none) E2BIG.
type SizeRule struct {
	Min, Max, Step, Big uint32
	Pow2                bool
}

// Check returns the error of a size, 0 if there is none.
func (r SizeRule) Check(n uint32) Errno {
	switch {
	case r.Big != 0 && n >= r.Big:
		return E2BIG
	case n < r.Min || n > r.Max || r.Step > 1 && n%r.Step != 0 || r.Pow2 && n&(n-1) != 0:
		return EINVAL
	}
	return 0
}

// MapTraits are the yes/no facts about a map type.
type MapTraits uint16

const (
	MapDirectValue   MapTraits = 1 << iota // BPF_PSEUDO_MAP_VALUE works; of arrays, only if they have one entry
	MapForEach                             // bpf_for_each_map_elem works
	MapInnerTemplate                       // may be the inner map of a map in map
	MapNeedsBTF                            // cannot be created without BTF for key and value
	MapTakesBTF                            // may be created with BTF of an int key and a struct value
	MapSleepable                           // sleepable programs may use it
	MapLookupSock                          // lookup gives a referenced socket (sock_or_null)
	MapLookupXDPSock                       // lookup gives an xdp_sock
	MapLookupMap                           // lookup gives a map
	MapValueRdOnly                         // programs may not write values
)

// Is reports whether all of the traits hold.
func (m *MapInfo) Is(t MapTraits) bool { return m.Traits&t == t }

// MapFields are the special fields that a map's values may have.
type MapFields uint16

const (
	MapFieldSpinLock MapFields = 1 << iota
	MapFieldResSpinLock
	MapFieldTimer
	MapFieldWorkqueue
	MapFieldTaskWork
	MapFieldKptr // of each sort
	MapFieldListHead
	MapFieldRBRoot
	MapFieldRefcount
	MapFieldUptr
)

// Map returns the row of a map type; nil if the kernel has none such.
func (k *Kernel) Map(t MapType) *MapInfo {
	if int(t) >= len(mapTypes) || mapTypes[t].Type != t || t == 0 || mapTypes[t].Since > k.Version {
		return nil
	}
	return &mapTypes[t]
}

// Accepts reports whether a program may pass a map of this type to a helper. If not, the kernel says "cannot pass
// map_type %d into func %s#%d".
func (m *MapInfo) Accepts(id int32, p *Prog) bool {
	if m.helpers.Has(id) {
		return true
	}
	// Some program types may write to maps of sockets.
	if m.Is(MapLookupSock) {
		return id == HelperMapDeleteElem && p.Is(SockMapDelete) || id == HelperMapUpdateElem && p.Is(SockMapUpdate)
	}
	return false
}

// CheckCreate returns the error of creating a map, 0 if these numbers are right. It knows nothing of BTF, inner maps,
// map_extra and memory.
func (m *MapInfo) CheckCreate(key, value, entries, flags uint32) Errno {
	const lru = 1<<MapTypeLRUHash | 1<<MapTypeLRUPerCPUHash
	switch {
	case lru>>m.Type&1 != 0 && flags&MapNoPreallocFlag != 0:
		return ENOTSUPP
	case flags&^m.Flags != 0, flags&m.NeedFlags != m.NeedFlags,
		flags&(MapRdOnlyProgFlag|MapWrOnlyProgFlag) == MapRdOnlyProgFlag|MapWrOnlyProgFlag,
		flags&(MapRdOnlyFlag|MapWrOnlyFlag) == MapRdOnlyFlag|MapWrOnlyFlag:
		return EINVAL
	}
	for _, e := range []Errno{m.Key.Check(key), m.Value.Check(value), m.Entries.Check(entries)} {
		if e != 0 {
			return e
		}
	}
	if m.MaxElem != 0 && uint64(key)+uint64(value) > uint64(m.MaxElem) {
		return E2BIG
	}
	return 0
}
