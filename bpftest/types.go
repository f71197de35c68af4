package bpftest

import (
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep"
)

// A Map is a map, in this process or in the kernel. Iterate goes through its elements.
type Map interface {
	Lookup(key, valueOut any) error
	LookupWithFlags(key, valueOut any, flags ebpf.MapLookupFlags) error
	LookupBytes(key any) ([]byte, error)
	LookupAndDelete(key, valueOut any) error
	LookupAndDeleteWithFlags(key, valueOut any, flags ebpf.MapLookupFlags) error
	Put(key, value any) error
	Update(key, value any, flags ebpf.MapUpdateFlags) error
	Delete(key any) error
	NextKey(key, nextKeyOut any) error
	NextKeyBytes(key any) ([]byte, error)
	BatchUpdate(keys, values any, opts *ebpf.BatchOptions) (int, error)
	BatchDelete(keys any, opts *ebpf.BatchOptions) (int, error)
	Freeze() error
	Type() ebpf.MapType
	KeySize() uint32
	ValueSize() uint32
	MaxEntries() uint32
	Flags() uint32
	String() string
	Close() error
}

// A Program is a program that can be run on packets and contexts.
type Program interface {
	Test(in []byte) (uint32, []byte, error)
	Run(opts *ebpf.RunOptions) (uint32, error)
	Benchmark(in []byte, repeat int, reset func()) (uint32, time.Duration, error)
	Type() ebpf.ProgramType
	String() string
	Close() error
}

// A Variable is a global variable of an object.
type Variable interface {
	Get(out any) error
	Set(in any) error
	Size() uint32
	Type() *btf.Var
	ReadOnly() bool
	String() string
}

// A MapIterator goes through the elements of a map.
type MapIterator interface {
	Next(keyOut, valueOut any) bool
	Err() error
}

// A RingReader reads a ring buffer. Errors are those of cilium/ebpf: os.ErrClosed, os.ErrDeadlineExceeded.
type RingReader interface {
	// Read waits for the next record and gives its bytes.
	Read() ([]byte, error)
	SetDeadline(t time.Time)
	Flush() error
	AvailableBytes() int
	BufferSize() int
	Close() error
}

// A PerfReader reads a perf event array.
type PerfReader interface {
	// Read waits for the next record: its bytes, or how many were lost.
	Read() (PerfRecord, error)
	SetDeadline(t time.Time)
	Flush() error
	Pause() error
	Resume() error
	BufferSize() int
	Close() error
}

// A PerfRecord is a sample, or the number of those that were lost. Of a sample from the kernel, up to 7 bytes may follow.
type PerfRecord struct {
	CPU         int
	RawSample   []byte
	LostSamples uint64
}

// A Collection is maps, programs and variables by name: nil where there is none of the name.
type Collection interface {
	Map(name string) Map
	Program(name string) Program
	Variable(name string) Variable
	// RingReader and PerfReader make a reader of a map, which is to be closed.
	RingReader(m string) (RingReader, error)
	PerfReader(m string, perCPUBuffer int) (PerfReader, error)
	// CPUs is the number of values that per-CPU maps have for each key.
	CPUs() int
	Close()
}

var (
	_ Map      = (*ebpf.Map)(nil)
	_ Map      = (*skep.Map)(nil)
	_ Program  = (*ebpf.Program)(nil)
	_ Variable = (*ebpf.Variable)(nil)
	_ Variable = (*skep.Variable)(nil)
)

// Iterate goes through the elements of a map, which must be a *ebpf.Map or a *skep.Map.
func Iterate(m Map) MapIterator {
	switch m := m.(type) {
	case *ebpf.Map:
		return m.Iterate()
	case *skep.Map:
		return m.Iterate()
	}
	return none{}
}

// none is an iterator of what cannot be gone through.
type none struct{}

func (none) Next(key, value any) bool { return false }
func (none) Err() error               { return ebpf.ErrNotSupported }
