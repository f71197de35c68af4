package maps

import "strconv"

// A Type is a BPF_MAP_TYPE_* number.
type Type uint32

// The map types of Linux 6.18.
const (
	Unspecified Type = iota
	Hash
	Array
	ProgArray
	PerfEventArray
	PerCPUHash
	PerCPUArray
	StackTrace
	CgroupArray
	LRUHash
	LRUPerCPUHash
	LPMTrie
	ArrayOfMaps
	HashOfMaps
	DevMap
	SockMap
	CPUMap
	XSKMap
	SockHash
	CgroupStorage
	ReuseportSockArray
	PerCPUCgroupStorage
	Queue
	Stack
	SkStorage
	DevMapHash
	StructOps
	RingBuf
	InodeStorage
	TaskStorage
	BloomFilter
	UserRingBuf
	CgrpStorage
	Arena
	numTypes
)

var typeNames = [numTypes]string{"Unspecified", "Hash", "Array", "ProgArray", "PerfEventArray", "PerCPUHash",
	"PerCPUArray", "StackTrace", "CgroupArray", "LRUHash", "LRUPerCPUHash", "LPMTrie", "ArrayOfMaps", "HashOfMaps",
	"DevMap", "SockMap", "CPUMap", "XSKMap", "SockHash", "CgroupStorage", "ReuseportSockArray", "PerCPUCgroupStorage",
	"Queue", "Stack", "SkStorage", "DevMapHash", "StructOps", "RingBuf", "InodeStorage", "TaskStorage", "BloomFilter",
	"UserRingBuf", "CgrpStorage", "Arena"}

func (t Type) String() string {
	if t < numTypes {
		return typeNames[t]
	}
	return "Type(" + strconv.FormatUint(uint64(t), 10) + ")"
}

// PerCPU reports whether each CPU has values of its own.
func (t Type) PerCPU() bool {
	switch t {
	case PerCPUHash, PerCPUArray, LRUPerCPUHash, PerCPUCgroupStorage:
		return true
	}
	return false
}

// BatchOps are the batch commands of bpf(2) that a type has; others are ENOTSUPP.
type BatchOps struct{ Lookup, Update, Delete, LookupAndDelete bool }

// Batch tells which batch commands there are for a type.
func (t Type) Batch() BatchOps {
	switch t {
	case Hash, PerCPUHash, LRUHash, LRUPerCPUHash, HashOfMaps:
		return BatchOps{true, true, true, true}
	case LPMTrie:
		return BatchOps{true, true, true, false}
	case Array, PerCPUArray, ArrayOfMaps:
		return BatchOps{Lookup: true, Update: true}
	}
	return BatchOps{}
}

// Flags of Spec, BPF_F_*.
const (
	NoPrealloc    = 1 << 0
	NoCommonLRU   = 1 << 1
	NUMANode      = 1 << 2
	ReadOnlyUser  = 1 << 3 // BPF_F_RDONLY
	WriteOnlyUser = 1 << 4 // BPF_F_WRONLY
	StackBuildID  = 1 << 5
	ZeroSeed      = 1 << 6
	ReadOnlyProg  = 1 << 7 // BPF_F_RDONLY_PROG
	WriteOnlyProg = 1 << 8 // BPF_F_WRONLY_PROG
	Clone         = 1 << 9
	Mmapable      = 1 << 10
	PreserveElems = 1 << 11
	InnerMap      = 1 << 12
	SegvOnFault   = 1 << 17
	NoUserConv    = 1 << 18
)

// Flags of updates and lookups, BPF_*.
const (
	Any     = 0
	NoExist = 1 // insert only
	Exist   = 2 // update only
	Lock    = 4 // BPF_F_LOCK: hold the spin lock in the value
)
