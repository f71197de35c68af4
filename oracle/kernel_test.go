package oracle

import (
	"encoding/binary"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/object"
)

const (
	socketFilter = 1  // BPF_PROG_TYPE_SOCKET_FILTER
	syscallProg  = 31 // BPF_PROG_TYPE_SYSCALL
	sleepable    = 1 << 4
	mapHash      = 1
	mapArray     = 2
	mapProgArray = 3
	mapArrayMaps = 12
	arrayRdonly  = 1 << 7 // BPF_F_RDONLY_PROG
)

// code decodes instructions written as {opcode, registers, offset, immediate}.
func code(t testing.TB, insns ...[4]int32) []isa.Insn {
	t.Helper()
	var b []byte
	for _, i := range insns {
		b = append(b, byte(i[0]), byte(i[1]))
		b = binary.LittleEndian.AppendUint16(b, uint16(i[2]))
		b = binary.LittleEndian.AppendUint32(b, uint32(i[3]))
	}
	out, err := isa.DecodeProgram(b)
	require.NoError(t, err)
	return out
}

// lookup is a program that returns 32 bits of value 0 of the map with that index.
func lookup(t testing.TB, index int32) []isa.Insn {
	return code(t,
		[4]int32{0x18, 0x21, 0, index}, [4]int32{}, // r1 = map_value(index) + 0
		[4]int32{0x61, 0x10, 0, 0}, // r0 = *(u32 *)(r1 +0)
		[4]int32{0x95, 0, 0, 0},
	)
}

func TestVerdicts(t *testing.T) {
	k := kernel(t)
	p := &object.Program{Type: socketFilter, License: "GPL", Insns: code(t, [4]int32{0xb7, 0, 0, 7}, [4]int32{0x95})}
	r, err := k.Load(p, Options{})
	require.NoError(t, err)
	require.Equal(t, Accept, r.Verdict)
	require.Equal(t, "accept, processed 2", r.String())
	run, err := TestRun(r.FD, make([]byte, 14), nil, 1)
	require.NoError(t, err)
	require.EqualValues(t, 7, run.Retval)
	r.Close()
	r.Close() // does nothing
	require.Equal(t, -1, r.FD)

	p.Insns = code(t, [4]int32{0x95})
	r, err = k.Load(p, Options{})
	require.NoError(t, err)
	require.Equal(t, Reject, r.Verdict)
	require.Equal(t, syscall.EACCES, r.Errno)
	require.Equal(t, "R0 !read_ok", r.Message)
	require.Equal(t, 1, r.Processed)

	r, err = k.Load(p, Options{NoLog: true})
	require.NoError(t, err)
	require.Equal(t, Reject, r.Verdict)
	require.Empty(t, r.Log)

	p.Type = 9999
	r, err = k.Load(p, Options{})
	require.NoError(t, err)
	require.Equal(t, Refused, r.Verdict)
	require.Equal(t, syscall.EINVAL, r.Errno)
}

func TestMapsAreMade(t *testing.T) {
	k := kernel(t)
	m := &object.Map{Name: "m", Type: mapArray, KeySize: 4, ValueSize: 4, MaxEntries: 1, Flags: arrayRdonly, Frozen: true,
		Contents: []object.MapKV{{Key: make([]byte, 4), Value: []byte{42, 0, 0, 0}}}}
	p := &object.Program{Type: socketFilter, License: "GPL", Maps: []*object.Map{m}, Insns: lookup(t, 0)}
	r, err := k.Load(p, Options{LogLevel: LogStates | LogStats})
	require.NoError(t, err)
	defer r.Close()
	require.Equal(t, Accept, r.Verdict, r)
	require.Contains(t, r.Log, "R0=42", "a frozen map is a constant")
	run, err := TestRun(r.FD, make([]byte, 14), nil, 1)
	require.NoError(t, err)
	require.EqualValues(t, 42, run.Retval)

	again, err := k.Load(p, Options{})
	require.NoError(t, err)
	defer again.Close()
	require.Equal(t, r.Maps, again.Maps, "the map is shared")
	fresh, err := k.Load(p, Options{FreshMaps: true})
	require.NoError(t, err)
	defer fresh.Close()
	require.NotEqual(t, r.Maps, fresh.Maps)

	bad := *p
	bad.BadFDs = map[int]bool{0: true}
	bad.Insns = lookup(t, 7)
	r, err = k.Load(&bad, Options{})
	require.NoError(t, err)
	require.Equal(t, Reject, r.Verdict)
	require.Equal(t, "fd 7 is not pointing to valid bpf_map", r.Message)

	broken := *m
	broken.KeySize = 8
	r, err = k.Load(&object.Program{Type: socketFilter, Maps: []*object.Map{&broken}}, Options{})
	require.NoError(t, err)
	require.Equal(t, Refused, r.Verdict)
	require.Equal(t, "map m: invalid argument", r.Message)
}

func TestMapsInMaps(t *testing.T) {
	k := kernel(t)
	inner := &object.Map{Name: "inner", Type: mapArray, KeySize: 4, ValueSize: 4, MaxEntries: 1}
	outer := &object.Map{Name: "outer", Type: mapArrayMaps, KeySize: 4, ValueSize: 4, MaxEntries: 2, Inner: inner,
		Contents: []object.MapKV{{Key: []byte{1, 0, 0, 0}, Map: inner}}}
	fd, err := k.CreateMap(outer)
	require.NoError(t, err)
	defer CloseMap(fd)
	value := make([]byte, 4)
	require.NoError(t, MapLookup(fd, []byte{1, 0, 0, 0}, value))
	require.NotZero(t, binary.LittleEndian.Uint32(value), "the inner map's id")
	require.ErrorIs(t, MapLookup(fd, []byte{0, 0, 0, 0}, value), syscall.ENOENT)
}

// TestProgArray puts into a prog array a program that refers to the array.
func TestProgArray(t *testing.T) {
	k := kernel(t)
	array := &object.Map{Name: "jmp", Type: mapProgArray, KeySize: 4, ValueSize: 4, MaxEntries: 2}
	self := &object.Program{Type: socketFilter, License: "GPL", Maps: []*object.Map{array}, Insns: code(t,
		[4]int32{0x18, 0x12, 0, 0}, [4]int32{}, // r2 = map 0
		[4]int32{0xb7, 0x03, 0, 0},  // r3 = 0
		[4]int32{0x85, 0, 0, 12},    // call bpf_tail_call
		[4]int32{0xb7, 0x00, 0, 33}, // r0 = 33
		[4]int32{0x95})}
	array.Contents = []object.MapKV{{Key: []byte{1, 0, 0, 0}, Program: self}}
	main := *self
	main.Insns = append([]isa.Insn(nil), self.Insns...)
	main.Insns[2].Imm = 1
	r, err := k.Load(&main, Options{})
	require.NoError(t, err)
	defer r.Close()
	require.Equal(t, Accept, r.Verdict, r)
	run, err := TestRun(r.FD, make([]byte, 14), nil, 1)
	require.NoError(t, err)
	require.EqualValues(t, 33, run.Retval)
}

func TestMapOperations(t *testing.T) {
	k := kernel(t)
	fd, err := k.CreateMap(&object.Map{Name: "h", Type: mapHash, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	require.NoError(t, err)
	defer CloseMap(fd)
	key, value := []byte{1, 2, 3, 4}, []byte{1, 2, 3, 4, 5, 6, 7, 8}
	require.ErrorIs(t, MapDelete(fd, key), syscall.ENOENT)
	require.NoError(t, MapUpdate(fd, key, value, 0))
	require.ErrorIs(t, MapUpdate(fd, key, value, 1), syscall.EEXIST)
	got := make([]byte, 8)
	require.NoError(t, MapLookup(fd, key, got))
	require.Equal(t, value, got)
	next := make([]byte, 4)
	require.NoError(t, MapNextKey(fd, nil, next))
	require.Equal(t, key, next)
	require.ErrorIs(t, MapNextKey(fd, key, next), syscall.ENOENT)
	require.NoError(t, MapFreeze(fd))
	require.ErrorIs(t, MapUpdate(fd, key, value, 0), syscall.EPERM)
}

func TestRunWithContext(t *testing.T) {
	k := kernel(t)
	r, err := k.Load(&object.Program{Type: syscallProg, Flags: sleepable, License: "GPL", Insns: code(t,
		[4]int32{0x61, 0x10, 0, 0}, // r0 = *(u32 *)(r1 +0)
		[4]int32{0x62, 0x01, 4, 9}, // *(u32 *)(r1 +4) = 9
		[4]int32{0x95})}, Options{})
	require.NoError(t, err)
	defer r.Close()
	require.Equal(t, Accept, r.Verdict, r)
	run, err := TestRun(r.FD, nil, []byte{5, 0, 0, 0, 0, 0, 0, 0}, 0)
	require.NoError(t, err)
	require.EqualValues(t, 5, run.Retval)
	require.Equal(t, []byte{5, 0, 0, 0, 9, 0, 0, 0}, run.Ctx)
}

// TestLongLog asks for more log than fits the first buffer, and for more than it allows.
func TestLongLog(t *testing.T) {
	k := kernel(t)
	insns := make([][4]int32, 0, 40001)
	for range 40000 {
		insns = append(insns, [4]int32{0xb7, 0, 0, 7})
	}
	p := &object.Program{Type: socketFilter, License: "GPL", Insns: code(t, append(insns, [4]int32{0x95})...)}
	r, err := k.Load(p, Options{LogLevel: LogStates | LogStats})
	require.NoError(t, err)
	defer r.Close()
	require.Equal(t, Accept, r.Verdict, r)
	require.False(t, r.Truncated)
	require.Greater(t, len(r.Log), 1<<20)
	require.Contains(t, r.Log, "0: R1=ctx() R10=fp0")

	cut, err := k.Load(p, Options{LogLevel: LogStates | LogStats, LogMax: 1 << 20})
	require.NoError(t, err)
	defer cut.Close()
	require.Equal(t, Accept, cut.Verdict)
	require.True(t, cut.Truncated)
	require.Equal(t, 40001, cut.Processed)
}

func BenchmarkLoad(b *testing.B) {
	k := kernel(b)
	m := &object.Map{Name: "m", Type: mapArray, KeySize: 4, ValueSize: 4, MaxEntries: 1}
	p := &object.Program{Type: socketFilter, License: "GPL", Maps: []*object.Map{m}, Insns: lookup(b, 0)}
	for _, o := range []struct {
		name string
		Options
	}{{"NoLog", Options{NoLog: true}}, {"Stats", Options{}}, {"States", Options{LogLevel: LogStates | LogStats}}, {"FreshMaps", Options{NoLog: true, FreshMaps: true}}} {
		b.Run(o.name, func(b *testing.B) {
			for b.Loop() {
				r, err := k.Load(p, o.Options)
				if err != nil || r.Verdict != Accept {
					b.Fatal(r, err)
				}
				r.Close()
			}
		})
	}
}
