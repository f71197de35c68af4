package jit

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"testing"
	"unsafe"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/verifier"
)

// native skips a test where there is no native code.
func native(t testing.TB) {
	t.Helper()
	if hostBackend() == nil {
		t.Skip("no native code on this host")
	}
}

// lie gives a Proof of a program that is not the one proved: a Program is data, and the test changes it after the fact.
func lie(t testing.TB, harmless, wild []isa.Insn, m *object.Map) *verifier.Proof {
	t.Helper()
	p := &object.Program{Type: uint32(linux.ProgTypeSocketFilter), License: "GPL", Insns: harmless, Maps: []*object.Map{m}}
	proof, err := verifier.Verify(p, verifier.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p.Insns = wild
	return proof
}

// TestWild stores through wild pointers: wherever they point, the store lands in the Space or its guards, at the low half
// of the pointer plus the displacement, and nothing faults. That is the sandbox: base plus 32-bit index plus 16 bits.
func TestWild(t *testing.T) {
	native(t)
	space, err := memory.New(memory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer space.Close()
	run, err := helpers.NewRun(space, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	om := &object.Map{Name: "m", Type: uint32(linux.MapTypeArray), KeySize: 4, ValueSize: 64 << 10, MaxEntries: 1}
	m, err := maps.New(space, &maps.Spec{Name: "m", Type: maps.Array, KeySize: 4, ValueSize: 64 << 10, MaxEntries: 1}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := run.SetContext(make([]byte, 64)); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(5, 6))
	n := 10_000
	if testing.Short() {
		n = 500
	}
	edges := []uint64{0, 1, 0xffff_ffff, 0x1_0000_0000, 1 << 63, ^uint64(0), 0x7fff_ffff_f000, 0xffff_8000_0000_0000}
	for k := range n {
		addr := rng.Uint64() >> (rng.Uint32() % 64)
		if k%4 == 0 {
			addr = edges[rng.IntN(len(edges))] + uint64(rng.IntN(64)) - 32
		}
		off, value := int16(rng.Uint32()), rng.Uint64()|1
		add := rng.Uint64() // pointer arithmetic that the Proof says fits in 32 bits
		put := func(r isa.Reg, kind isa.Reg, v uint64) []isa.Insn {
			c := isa.Const64(r, kind, v)
			return c[:]
		}
		program := func(kind isa.Reg, a uint64, x uint64, off int16) (out []isa.Insn) {
			out = append(out, put(isa.R2, isa.PseudoNone, value)...)
			out = append(out, put(isa.R3, isa.PseudoNone, x)...)
			out = append(out, put(isa.R1, kind, a)...)
			switch k % 3 {
			case 1:
				out = append(out, isa.BinaryReg(isa.Add, 8, isa.R1, isa.R3))
			case 2: // through the stack
				out = append(out, isa.StoreMem(8, isa.R10, -8, isa.R1), isa.LoadMem(8, isa.R1, isa.R10, -8))
			}
			switch k % 5 {
			case 0:
				out = append(out, isa.AtomicMem(isa.Xchg, 8, isa.R1, off, isa.R2))
			default:
				out = append(out, isa.StoreMem(8, isa.R1, off, isa.R2))
			}
			return append(out, isa.LoadMem(8, isa.R0, isa.R1, off), isa.Binary(isa.Mov, 8, isa.R0, 0), isa.Return())
		}
		aligned := int16(0)
		if k%5 == 0 {
			off &^= 7
			addr &^= 7
			add &^= 7
		}
		proof := lie(t, program(isa.PseudoMapValue, 0, 0, aligned), program(isa.PseudoNone, addr, add, off), om)
		p, err := Compile(proof, Options{Space: space, Maps: []maps.Map{m}})
		if err != nil {
			t.Fatal(err)
		}
		if ok, why := p.Native(); !ok {
			t.Fatal(why)
		}
		want := uint32(addr)
		if k%3 == 1 {
			want += uint32(add)
		}
		at := space.Base() + uintptr(want) + uintptr(int64(off))
		if runtime.GOARCH == "arm64" {
			at = space.Base() + uintptr(want+uint32(int32(off))) // it adds the displacement in 32 bits
		}
		if lands(want, off) {
			continue // on the run's own memory, where it would do what it likes to the run
		}
		if _, err := p.Run(run); err != nil {
			t.Fatal(err)
		}
		host := *(*unsafe.Pointer)(unsafe.Pointer(&at))
		if got := binary.LittleEndian.Uint64(unsafe.Slice((*byte)(host), 8)); got != value {
			t.Fatalf("a store to %#x%+d (+%#x) did not land at %#x: %#x is there", addr, off, add, at, got)
		}
		clear(unsafe.Slice((*byte)(host), 8))
	}
}

// lands tells that an access touches what is in use of the Space, such as the stack or the context of the run.
func lands(a uint32, off int16) bool {
	at := int64(a) + int64(off)
	if runtime.GOARCH == "arm64" {
		at = int64(a + uint32(int32(off)))
	}
	return at < 2<<20 && at > 0 && at+8 > int64(memory.NullSize)
}
