package fuzz

import (
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
)

// Maps that programs use. They are shared by all programs, so that the kernel makes each once; a program's Maps are those
// that it names.
const (
	mapArray = iota
	mapHash
	mapPerCPU
	mapLRU
	mapBig
	mapOuter
	mapRing
	mapProgs
	mapConst
	mapPerf
	mapQueue
	mapHashOuter
	numMaps
)

var allMaps = makeMaps()

// A progKind is a type of programs that can call each other.
type progKind struct {
	typ    linux.ProgType
	attach linux.AttachType
}

// progsFor are the prog arrays of each kind of programs: the first program that names one decides what it may hold.
var progsFor = map[progKind]*object.Map{}

func init() {
	for _, t := range progTypes {
		for a := range linux.AttachType(2) {
			m := *allMaps[mapProgs]
			progsFor[progKind{t, a}] = &m
		}
	}
}

func makeMaps() (m [numMaps]*object.Map) {
	array := func(name string, value, entries uint32) *object.Map {
		return &object.Map{Name: name, Type: uint32(linux.MapTypeArray), KeySize: 4, ValueSize: value, MaxEntries: entries}
	}
	m[mapArray] = array("array", 16, 4)
	m[mapHash] = &object.Map{Name: "hash", Type: uint32(linux.MapTypeHash), KeySize: 8, ValueSize: 24, MaxEntries: 16}
	m[mapPerCPU] = &object.Map{Name: "percpu", Type: uint32(linux.MapTypePerCPUArray), KeySize: 4, ValueSize: 8, MaxEntries: 1}
	m[mapLRU] = &object.Map{Name: "lru", Type: uint32(linux.MapTypeLRUHash), KeySize: 4, ValueSize: 8, MaxEntries: 8}
	m[mapBig] = array("big", 256, 1)
	m[mapOuter] = &object.Map{Name: "outer", Type: uint32(linux.MapTypeArrayOfMaps), KeySize: 4, ValueSize: 4, MaxEntries: 2,
		Inner: array("inner", 32, 3)}
	m[mapRing] = &object.Map{Name: "ring", Type: uint32(linux.MapTypeRingBuf), MaxEntries: 4096}
	m[mapProgs] = &object.Map{Name: "progs", Type: uint32(linux.MapTypeProgArray), KeySize: 4, ValueSize: 4, MaxEntries: 2}
	m[mapConst] = array("const", 64, 1)
	m[mapConst].Flags, m[mapConst].Frozen = linux.MapRdOnlyProgFlag, true
	v := make([]byte, 64)
	for i := range v {
		v[i] = byte(i * 37)
	}
	m[mapConst].Contents = []object.MapKV{{Key: make([]byte, 4), Value: v}}
	m[mapPerf] = &object.Map{Name: "perf", Type: uint32(linux.MapTypePerfEventArray), KeySize: 4, ValueSize: 4, MaxEntries: 2}
	m[mapQueue] = &object.Map{Name: "queue", Type: uint32(linux.MapTypeQueue), ValueSize: 8, MaxEntries: 4}
	m[mapHashOuter] = &object.Map{Name: "hash_outer", Type: uint32(linux.MapTypeHashOfMaps), KeySize: 4, ValueSize: 4, MaxEntries: 2,
		Inner: &object.Map{Name: "inner_hash", Type: uint32(linux.MapTypeHash), KeySize: 4, ValueSize: 16, MaxEntries: 4}}
	return m
}
