package maps_test

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
)

// space is where the maps of an example live.
func space() *memory.Space {
	s, err := memory.New(memory.Options{})
	if err != nil {
		panic(err)
	}
	return s
}

func u32(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }

// A map has two sides: user space copies values, programs get their address.
func ExampleNew() {
	s := space()
	defer s.Close()
	m, err := maps.New(s, &maps.Spec{Name: "ports", Type: maps.Hash, KeySize: 4, ValueSize: 8, MaxEntries: 2}, 4)
	if err != nil {
		panic(err)
	}
	defer m.Close()
	if err := m.Put(u32(80), []byte("http\x00\x00\x00\x00"), maps.Any); err != nil {
		panic(err)
	}
	fmt.Println(m.Put(u32(80), make([]byte, 8), maps.NoExist))
	fmt.Println(m.Put(u32(443), make([]byte, 8), maps.Any), m.Put(u32(22), make([]byte, 8), maps.Any))

	addr := m.Lookup(0, u32(80)) // a program on CPU 0
	fmt.Printf("%s\n", s.Bytes(addr, 4))
	err = m.Remove(u32(25))
	fmt.Println(errors.Is(err, maps.ErrKeyNotExist), maps.ErrnoOf(err) == maps.ENOENT)
	// Output:
	// key already exists
	// <nil> map is full
	// http
	// true true
}

// User space sees a value of each CPU, one behind the other, each rounded up to 8 bytes.
func ExampleMap_perCPU() {
	s := space()
	defer s.Close()
	m, err := maps.New(s, &maps.Spec{Name: "counts", Type: maps.PerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: 1}, 2)
	if err != nil {
		panic(err)
	}
	defer m.Close()
	for cpu := range 2 {
		addr := m.Lookup(cpu, u32(0))
		s.Word(addr).Add(uint64(10 + cpu))
	}
	b, err := maps.GetBytes(m, u32(0))
	if err != nil {
		panic(err)
	}
	fmt.Println(binary.NativeEndian.Uint64(b), binary.NativeEndian.Uint64(b[8:]))
	// Output: 10 11
}

// A program reserves a record, fills it and submits it; a reader takes it.
func ExampleRingBuffer() {
	s := space()
	defer s.Close()
	m, err := maps.New(s, &maps.Spec{Name: "events", Type: maps.RingBuf, MaxEntries: 4096}, 1)
	if err != nil {
		panic(err)
	}
	defer m.Close()
	ring := m.(*maps.RingBuffer)
	r := ring.NewReader()
	defer r.Close()
	rec := ring.Reserve(5)
	copy(s.Bytes(rec, 5), "hello")
	if err := ring.Submit(rec, 0); err != nil {
		panic(err)
	}
	got, err := r.Read()
	fmt.Printf("%s %v\n", got.RawSample, err)
	// Output: hello <nil>
}

// A reader of a perf event array is told how many records found no room.
func ExamplePerfArray() {
	s := space()
	defer s.Close()
	m, err := maps.New(s, &maps.Spec{Name: "events", Type: maps.PerfEventArray, KeySize: 4, ValueSize: 4, MaxEntries: 1}, 1)
	if err != nil {
		panic(err)
	}
	defer m.Close()
	array := m.(*maps.PerfArray)
	fmt.Println(array.Output(0, maps.CurrentCPU, []byte("nobody reads")))
	r, err := array.NewReader(4096, maps.PerfOptions{})
	if err != nil {
		panic(err)
	}
	defer r.Close()
	read := func() {
		r.Flush()
		for {
			rec, err := r.Read()
			if err != nil {
				fmt.Println(err)
				return
			}
			fmt.Println(len(rec.RawSample), rec.LostSamples)
		}
	}
	for range 5 {
		array.Output(0, maps.CurrentCPU, make([]byte, 1004))
	}
	read()
	// The next record that finds room says what came before it and did not.
	array.Output(0, maps.CurrentCPU, make([]byte, 4))
	read()
	// Output:
	// key does not exist
	// 1004 0
	// 1004 0
	// 1004 0
	// 1004 0
	// maps: reader flushed
	// 0 1
	// 4 0
	// maps: reader flushed
}

// The elements of a map of maps are maps like its template.
func ExampleMapOfMaps() {
	s := space()
	defer s.Close()
	inner := &maps.Spec{Name: "inner", Type: maps.Array, KeySize: 4, ValueSize: 4, MaxEntries: 3}
	m, err := maps.New(s, &maps.Spec{Name: "outer", Type: maps.HashOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 8, Inner: inner}, 1)
	if err != nil {
		panic(err)
	}
	defer m.Close()
	a, err := maps.New(s, inner, 1)
	if err != nil {
		panic(err)
	}
	defer a.Close()
	outer := m.(maps.MapOfMaps)
	fmt.Println(outer.PutMap(u32(7), a, maps.Any))
	got, err := outer.GetMap(u32(7))
	fmt.Println(got == a, err)
	// Programs look the inner map up, and then in it.
	fmt.Println(maps.At(s, uint64(m.Lookup(0, u32(7)))) == a)
	// Output:
	// <nil>
	// true <nil>
	// true
}
