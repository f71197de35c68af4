package maps

import "math"

// A kind is how maps of one type are made.
type kind struct {
	key, value, entries sizes
	flags               uint32            // that Spec.Flags may have
	need                uint32            // that it must have
	elem                uint32            // most bytes of key and value together; 0: any
	extra               func(uint64) bool // whether map_extra is fine; nil: it must be 0
	check               func(*Spec) error // what else matters; nil: nothing
	notInner            bool              // cannot be in a map of maps, ENOTSUPP
	create              func(*common) (impl, error)
}

// sizes are the numbers that a size may be: multiples of step, if that is not 0, from min to max. Others are EINVAL;
// but above big, if that is not 0, E2BIG.
type sizes struct{ min, max, step, big uint32 }

func (r sizes) check(n uint32) Errno {
	switch {
	case r.big != 0 && n > r.big:
		return E2BIG
	case n < r.min || n > r.max || r.step != 0 && n%r.step != 0:
		return EINVAL
	}
	return 0
}

func exactly(n uint32) sizes        { return sizes{min: n, max: n} }
func upTo(n uint32) sizes           { return sizes{min: 1, max: math.MaxUint32, big: n} }
func between(min, max uint32) sizes { return sizes{min: min, max: max} }

// Sizes that several types have.
var (
	none       = exactly(0)
	word       = exactly(4) // an index, a descriptor
	any1       = between(1, math.MaxUint32)
	wordOrTwo  = sizes{min: 4, max: 8, step: 4}
	perCPUSize = upTo(32 << 10)
	cgroupKey  = sizes{min: 8, max: 16, step: 8}
	ringSize   = sizes{min: 4096, max: 1 << 31, step: 4096}
)

// Flags that several types have.
const (
	userFlags = ReadOnlyUser | WriteOnlyUser
	progFlags = ReadOnlyProg | WriteOnlyProg
	fdFlags   = NUMANode | userFlags
	hashFlags = NoPrealloc | ZeroSeed | userFlags | progFlags
	lruFlags  = NoCommonLRU | ZeroSeed | userFlags | progFlags
)

// maxLocal is the largest value of a local storage in Linux.
const maxLocal = 65407

// checkBigValue tells of a value that is too big before other mistakes, but for those in the key of a storage of cgroups.
func checkBigValue(s *Spec) error {
	most := map[Type]uint32{BloomFilter: 4 << 20, CgroupStorage: maxLocal, PerCPUCgroupStorage: perCPUSize.big}[s.Type]
	if s.ValueSize > most && s.Flags&userFlags != userFlags && (s.Type == BloomFilter || cgroupKey.check(s.KeySize) == 0) {
		return refuse(E2BIG, "map %q: value size %d is not for %v", s.Name, s.ValueSize, s.Type)
	}
	return nil
}

// maxElement is what an element of a hash table of Linux may have in key and value.
const maxElement = 4<<20 - 49

// kinds are the types that there are. A type is one file and a line here. The numbers are those that
// Linux accepts.
var kinds = [numTypes]*kind{
	Hash: {key: any1, value: any1, entries: upTo(1 << 31), elem: maxElement, flags: hashFlags | NUMANode,
		create: newHash},
	Array: {key: word, value: upTo(math.MaxInt32), entries: any1, flags: fdFlags | progFlags | Mmapable | InnerMap,
		create: newArray},
	ProgArray:      {key: word, value: word, entries: any1, flags: fdFlags, notInner: true, create: newPrograms},
	PerfEventArray: {key: word, value: word, entries: any1, flags: fdFlags | PreserveElems, create: newPerfArray},
	PerCPUHash: {key: any1, value: perCPUSize, entries: upTo(1 << 31), elem: maxElement, flags: hashFlags,
		create: newHash},
	PerCPUArray: {key: word, value: perCPUSize, entries: any1, flags: userFlags | progFlags, create: newArray},
	StackTrace: {key: word, value: between(8, 127*32), entries: any1, flags: fdFlags | StackBuildID,
		check: checkStackTrace, create: newStackMap},
	CgroupArray: {key: word, value: word, entries: any1, flags: fdFlags, create: newObjectArray},
	LRUHash: {key: any1, value: any1, entries: upTo(1 << 31), elem: maxElement, flags: lruFlags | NUMANode,
		check: checkLRU, create: newHash},
	LRUPerCPUHash: {key: any1, value: perCPUSize, entries: upTo(1 << 31), elem: maxElement, flags: lruFlags,
		check: checkLRU, create: newHash},
	LPMTrie: {key: between(5, 260), value: between(1, 4194024), entries: any1, need: NoPrealloc,
		flags: NoPrealloc | fdFlags | progFlags, create: newLPM},
	ArrayOfMaps: {key: word, value: word, entries: any1, flags: fdFlags, create: newMapArray},
	HashOfMaps: {key: any1, value: word, entries: upTo(1 << 31), elem: maxElement, flags: hashFlags | NUMANode,
		create: newMapHash},
	DevMap:   {key: word, value: wordOrTwo, entries: any1, flags: fdFlags, create: newDevices},
	SockMap:  {key: word, value: wordOrTwo, entries: any1, flags: fdFlags, create: newObjectArray},
	CPUMap:   {key: word, value: wordOrTwo, entries: upTo(256), flags: NUMANode, create: newDevices},
	XSKMap:   {key: word, value: word, entries: any1, flags: fdFlags, create: newObjectArray},
	SockHash: {key: upTo(512), value: wordOrTwo, entries: any1, flags: fdFlags, create: newObjectHash},
	CgroupStorage: {key: cgroupKey, value: upTo(maxLocal), entries: none, flags: fdFlags | progFlags,
		check: checkBigValue, notInner: true, create: newCgroupLocal},
	ReuseportSockArray: {key: word, value: wordOrTwo, entries: any1, flags: fdFlags | progFlags, create: newObjectArray},
	PerCPUCgroupStorage: {key: cgroupKey, value: perCPUSize, entries: none, flags: fdFlags | progFlags,
		check: checkBigValue, notInner: true, create: newCgroupLocal},
	Queue: {key: none, value: upTo(4 << 20), entries: any1, flags: fdFlags | progFlags, create: newQueue},
	Stack: {key: none, value: upTo(4 << 20), entries: any1, flags: fdFlags | progFlags, create: newQueue},
	SkStorage: {key: word, value: upTo(maxLocal), entries: none, flags: NoPrealloc | Clone, need: NoPrealloc,
		create: newStorage},
	DevMapHash: {key: word, value: wordOrTwo, entries: any1, flags: fdFlags, create: newDeviceHash},
	StructOps:  {key: word, value: any1, entries: exactly(1), notInner: true, create: newStructOps},
	RingBuf:    {key: none, value: none, entries: ringSize, flags: NUMANode, check: checkRing, create: newRingBuffer},
	InodeStorage: {key: word, value: upTo(maxLocal), entries: none, flags: NoPrealloc | Clone, need: NoPrealloc,
		create: newStorage},
	TaskStorage: {key: word, value: upTo(maxLocal), entries: none, flags: NoPrealloc | Clone, need: NoPrealloc,
		create: newStorage},
	BloomFilter: {key: none, value: upTo(4 << 20), entries: any1, flags: fdFlags | ZeroSeed | progFlags, check: checkBigValue,
		extra: func(x uint64) bool { return x <= 15 }, create: newBloom},
	UserRingBuf: {key: none, value: none, entries: ringSize, flags: NUMANode, check: checkRing,
		create: newUserRingBuffer},
	CgrpStorage: {key: word, value: upTo(maxLocal), entries: none, flags: NoPrealloc | Clone, need: NoPrealloc,
		create: newStorage},
	Arena: {key: none, value: none, entries: upTo(1 << 20), flags: Mmapable | SegvOnFault | NoUserConv, need: Mmapable,
		extra: func(x uint64) bool { return x%ArenaPage == 0 }, create: newArena},
}

// Simulated lists the types that New can make.
func Simulated() []Type {
	var types []Type
	for t, k := range kinds {
		if k != nil {
			types = append(types, Type(t))
		}
	}
	return types
}
