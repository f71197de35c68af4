package jit

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/verifier"
)

// mixed calls helpers again and again, and returns a hash of what they gave.
func mixed(n int, ids ...int32) (out []isa.Insn) {
	out = append(out, isa.Binary(isa.Mov, 8, isa.R6, 0))
	for k := range n {
		out = append(out, isa.CallHelper(ids[k%len(ids)]), isa.Binary(isa.Mul, 8, isa.R6, 31), isa.BinaryReg(isa.Add, 8, isa.R6, isa.R0))
	}
	return append(out, isa.BinaryReg(isa.Mov, 8, isa.R0, isa.R6), isa.Return())
}

// TestEnvInPlace: the clock, random numbers and the task are the same in both engines, whether native code asks for them or
// not, and runs go on where those before have left off.
func TestEnvInPlace(t *testing.T) {
	b := newBed(t)
	for name, env := range map[string]func() *helpers.Env{
		"deterministic": func() *helpers.Env { return &helpers.Env{} },
		"clock":         func() *helpers.Env { return &helpers.Env{Now: func() time.Duration { return 5 }} },
		"random":        func() *helpers.Env { return &helpers.Env{Random: func() uint32 { return 0xdeadbeef }} },
		"task": func() *helpers.Env {
			return &helpers.Env{Task: &helpers.Task{PID: 7, TGID: 1 << 31, UID: 1000, GID: 1<<32 - 2, Addr: 0xffff_8880_1234_0000}}
		},
	} {
		e := b.engines(t, linux.ProgTypeKprobe, mixed(50, linux.HelperKtimeGetNs, linux.HelperGetPrandomU32,
			linux.HelperGetCurrentPidTgid, linux.HelperKtimeGetBootNs, linux.HelperGetSmpProcessorId, linux.HelperGetCurrentUidGid,
			linux.HelperGetCurrentTask))
		var got [2][3]uint64
		for i, run := range e {
			b.run.Env = env()
			for k := range got[i] {
				var err error
				if got[i][k], err = run(b.run); err != nil {
					t.Fatal(name, err)
				}
			}
		}
		if got[0] != got[1] {
			t.Errorf("%s: %x in the interpreter, %x in native code", name, got[0], got[1])
		}
	}
}

// TestLoadAbs loads packet bytes, in the packet and around its end, also from its headers, by constants and registers.
func TestLoadAbs(t *testing.T) {
	b := newBed(t)
	rng := rand.New(rand.NewPCG(11, 12))
	n := 3000
	if testing.Short() {
		n = 300
	}
	inside, outside := 0, 0
	for range n {
		packet := make([]byte, 14+rng.IntN(60))
		for i := range packet {
			packet[i] = byte(rng.Uint32())
		}
		off := int32(rng.IntN(len(packet) + 8))
		switch rng.IntN(8) {
		case 0:
			off = -int32(rng.IntN(0x200010))
		case 1:
			off = -0x100000 + int32(rng.IntN(20))
		case 2:
			off = int32(anyWord(rng))
		}
		size := uint8(1) << rng.IntN(3)
		load := isa.New(isa.LdAbs, size, false, 0, 0, 0, off)
		setup := []isa.Insn{isa.BinaryReg(isa.Mov, 8, isa.R6, isa.R1)}
		if rng.IntN(2) == 0 {
			r := isa.Reg(rng.IntN(6))
			by := int32(anyWord(rng))
			setup = append(setup, isa.Binary(isa.Mov, 8, r, by))
			load = isa.New(isa.LdInd, size, false, 0, r, 0, off-by)
		}
		insns := append(setup, load, isa.Binary(isa.Add, 8, isa.R0, 1), isa.Return())
		var got [2]uint64
		for i, run := range b.engines(t, linux.ProgTypeSocketFilter, insns) {
			if err := b.run.SetSKB(packet, &helpers.SKB{}); err != nil {
				t.Fatal(err)
			}
			var err error
			if got[i], err = run(b.run); err != nil {
				t.Fatal(err)
			}
		}
		if got[0] != got[1] {
			t.Fatalf("%d bytes: %#x in the interpreter, %#x in native code\n%s", len(packet), got[0], got[1], listing(insns))
		}
		if got[0] == 0 {
			outside++
		} else {
			inside++
		}
	}
	if inside < n/4 || outside < n/8 {
		t.Errorf("%d inside, %d outside", inside, outside)
	}
}

// BenchmarkInPlace16 has 16 calls each of helpers that native code does not leave for; see BenchmarkHelper16.
func BenchmarkInPlace16(b *testing.B) {
	for name, id := range map[string]int32{"ktime": linux.HelperKtimeGetNs, "prandom": linux.HelperGetPrandomU32, "pid": linux.HelperGetCurrentPidTgid} {
		b.Run(name, func(b *testing.B) {
			bed := newBed(b)
			run := bed.engines(b, linux.ProgTypeKprobe, mixed(16, id))[1]
			for b.Loop() {
				if _, err := run(bed.run); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestMapOfMaps looks up maps in an array of maps: some that are there, some that are not, and one beyond its end.
func TestMapOfMaps(t *testing.T) {
	b := newBed(t)
	inner := &maps.Spec{Name: "inner", Type: maps.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1}
	outer, err := maps.New(b.space, &maps.Spec{Name: "outer", Type: maps.ArrayOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 3, Inner: inner}, 1)
	if err != nil {
		t.Fatal(err)
	}
	in, err := maps.New(b.space, inner, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := outer.(maps.MapOfMaps).PutMap([]byte{1, 0, 0, 0}, in, maps.Any); err != nil {
		t.Fatal(err)
	}
	spec := &object.Map{Name: "inner", Type: uint32(linux.MapTypeArray), KeySize: 4, ValueSize: 4, MaxEntries: 1}
	for index, want := range []uint64{2, 1, 2, 2} {
		table := isa.Const64(isa.R1, isa.PseudoMapFD, 0)
		insns := append([]isa.Insn{isa.New(isa.StoreImm, 4, false, isa.R10, 0, -4, int32(index)), isa.BinaryReg(isa.Mov, 8, isa.R2, isa.R10),
			isa.Binary(isa.Add, 8, isa.R2, -4)}, table[:]...)
		insns = append(insns, isa.CallHelper(linux.HelperMapLookupElem), isa.New(isa.Jne, 8, false, isa.R0, 0, 2, 0),
			isa.Binary(isa.Mov, 8, isa.R0, 2), isa.Return(), isa.Binary(isa.Mov, 8, isa.R0, 1), isa.Return())
		proof, err := verifier.Verify(&object.Program{Type: uint32(linux.ProgTypeSocketFilter), License: "GPL", Insns: insns, Maps: []*object.Map{
			{Name: "outer", Type: uint32(linux.MapTypeArrayOfMaps), KeySize: 4, ValueSize: 4, MaxEntries: 3, Inner: spec}}}, verifier.Options{})
		if err != nil {
			t.Fatal(err)
		}
		p, err := Compile(proof, Options{Space: b.space, Maps: []maps.Map{outer}})
		if err != nil {
			t.Fatal(err)
		}
		if len(p.code.sites) != 0 {
			t.Error("the lookup leaves native code")
		}
		if got, err := p.Run(b.run); err != nil || got != want {
			t.Errorf("map %d: %d, %v; want %d", index, got, err, want)
		}
	}
}

// TestAfterLookup has something else after a lookup than the comparison of its result with NULL, which is not needed where the
// key is a constant.
func TestAfterLookup(t *testing.T) {
	b := newBed(t)
	m, err := maps.New(b.space, &maps.Spec{Name: "m", Type: maps.Array, KeySize: 4, ValueSize: 64, MaxEntries: 2}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, after := range []isa.Insn{
		isa.New(isa.StoreImm, 8, false, isa.R0, 0, 40, 0), isa.StoreMem(8, isa.R0, 40, isa.R10), isa.Binary(isa.Mov, 8, isa.R0, 0),
		isa.New(isa.Jeq, 8, false, isa.R0, 0, 0, 0), isa.New(isa.Jne, 8, false, isa.R0, 0, 0, 0),
	} {
		table := isa.Const64(isa.R1, isa.PseudoMapFD, 0)
		insns := append([]isa.Insn{isa.New(isa.StoreImm, 4, false, isa.R10, 0, -8, 1), isa.BinaryReg(isa.Mov, 8, isa.R2, isa.R10),
			isa.Binary(isa.Add, 8, isa.R2, -8)}, table[:]...)
		insns = append(insns, isa.CallHelper(linux.HelperMapLookupElem), after, isa.Binary(isa.Mov, 8, isa.R0, 1), isa.Return())
		proof, err := verifier.Verify(&object.Program{Type: uint32(linux.ProgTypeSocketFilter), License: "GPL", Insns: insns, Maps: []*object.Map{
			{Name: "m", Type: uint32(linux.MapTypeArray), KeySize: 4, ValueSize: 64, MaxEntries: 2}}}, verifier.Options{})
		if err != nil {
			t.Fatal(err)
		}
		p, err := Compile(proof, Options{Space: b.space, Maps: []maps.Map{m}})
		if err != nil {
			t.Fatal(err)
		}
		if ok, why := p.Native(); !ok {
			t.Errorf("%s: %v", listing(insns), why)
		}
		if r0, err := p.Run(b.run); err != nil || r0 != 1 {
			t.Errorf("%s: %d, %v", listing(insns), r0, err)
		}
	}
}

// TestInPlace: helpers that are in place have no exit, or one that is seldom taken and stands out of line.
func TestInPlace(t *testing.T) {
	b := newBed(t)
	for _, c := range []struct {
		id   int32
		cold bool
	}{{linux.HelperGetSmpProcessorId, false}, {linux.HelperGetCurrentPidTgid, false}, {linux.HelperGetCurrentUidGid, false},
		{linux.HelperGetCurrentCGroupId, false}, {linux.HelperGetCurrentTask, false}, {linux.HelperKtimeGetNs, true}, {linux.HelperGetPrandomU32, true}} {
		proof, err := verifier.Verify(&object.Program{Type: uint32(linux.ProgTypeKprobe), License: "GPL", Insns: mixed(1, c.id)}, verifier.Options{})
		if err != nil {
			t.Fatal(err)
		}
		p, err := Compile(proof, Options{Space: b.space})
		if err != nil {
			t.Fatal(err)
		}
		for _, arch := range Archs() {
			l, err := p.List(arch)
			if err != nil {
				t.Fatal(err)
			}
			cold := slices.ContainsFunc(l.Parts, func(p Part) bool { return p.What == "out of line" })
			if cold != c.cold {
				t.Errorf("helper %d on %s: out of line is %v", c.id, arch, cold)
			}
		}
		if !c.cold && len(p.code.sites) > 0 {
			t.Errorf("helper %d leaves native code", c.id)
		}
	}
}
