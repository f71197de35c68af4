package interp_test

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/interp"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/memory"
	"github.com/skepbpf/skep/object"
)

// TestEveryHelper calls every helper with arguments of all kinds, right and wrong, on packets of both kinds and none: what
// comes back is a number or a trap, and never a panic.
func TestEveryHelper(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 11))
	base := text(t, `
prog sched_cls
map a array key=4 value=64 entries=1
map h hash key=4 value=64 entries=3
map q queue value=64 entries=3
map p prog_array key=4 value=4 entries=3
map e perf_event_array key=4 value=4 entries=2
map b ringbuf entries=4096
	r1 = a ll
	r1 = h ll
	r1 = q ll
	r1 = p ll
	r1 = e ll
	r1 = b ll
	r0 = 0
	exit
callback:
	r0 = 0
	exit
`)
	w, err := newWorld(t, base, interp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.close(t)
	calls := 0
	for id := int32(1); id < int32(helpers.NumHelpers); id++ {
		h := helpers.Lookup(id)
		if h == nil || h.Call == nil {
			continue
		}
		for range 150 {
			data := packet(r, 64)
			switch r.IntN(3) {
			case 0:
				err = w.run.SetXDP(data, helpers.XDP{})
			case 1:
				err = w.run.SetSKB(data, &helpers.SKB{})
			default:
				err = w.run.SetContext(make([]byte, 64))
			}
			if err != nil {
				t.Fatal(err)
			}
			insns := []isa.Insn{isa.BinaryReg(isa.Mov, 8, 6, 1), isa.Binary(isa.Mov, 8, 0, 0)}
			for reg := isa.R1; reg <= isa.R5; reg++ {
				insns = append(insns, argument(r, h.Args[reg-1].Kind, reg, len(insns))...)
			}
			insns = append(insns, isa.CallHelper(id), isa.Return(), isa.Binary(isa.Mov, 8, 0, 1), isa.Return())
			m, err := interp.New(&object.Program{Insns: insns, Type: uint32(linux.ProgTypeSchedCLS)},
				interp.Options{Space: w.space, Maps: w.maps, Budget: 100000})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.Run(w.run); err == nil {
				calls++
			}
		}
	}
	if calls < 1000 {
		t.Errorf("only %d calls did not trap", calls)
	}
}

// argument puts a value into a register that mostly fits the kind of argument.
func argument(r *rand.Rand, kind helpers.ArgKind, reg isa.Reg, pc int) []isa.Insn {
	pair := func(p [2]isa.Insn) []isa.Insn { return p[:] }
	stack := []isa.Insn{isa.BinaryReg(isa.Mov, 8, reg, 10), isa.Binary(isa.Add, 8, reg, -int32(r.IntN(64)*8+8))}
	number := []isa.Insn{isa.Binary(isa.Mov, 8, reg, int32([]uint32{0, 1, 4, 8, 16, 64, 0xffffffff, r.Uint32()}[r.IntN(8)]))}
	if r.IntN(10) > 0 {
		switch kind {
		case helpers.ArgConstMapPtr:
			return pair(isa.Const64(reg, isa.PseudoMapFD, uint64(r.IntN(6))))
		case helpers.ArgCtx:
			return []isa.Insn{isa.BinaryReg(isa.Mov, 8, reg, 6)}
		case helpers.ArgFunc:
			return pair(isa.Const64(reg, isa.PseudoFunc, uint64(r.IntN(8))))
		case helpers.ArgAnything, helpers.ArgScalar, helpers.ArgConstSize, helpers.ArgConstSizeOrZero, helpers.ArgConstAllocSizeOrZero:
			return number
		case helpers.ArgTimer, helpers.ArgSpinLock:
			return pair(isa.Const64(reg, isa.PseudoMapValue, 0))
		}
		return stack
	}
	switch r.IntN(4) {
	case 0:
		return number
	case 1:
		return stack
	case 2:
		return pair(isa.Const64(reg, isa.PseudoMapFD, uint64(r.IntN(6))))
	}
	return pair(isa.Const64(reg, isa.PseudoNone, r.Uint64()>>r.IntN(64)))
}

// TestRandomPrograms runs bytes that are no program.
func TestRandomPrograms(t *testing.T) {
	space, run := newRun(t, memory.Options{})
	r := rand.New(rand.NewPCG(12, 12))
	opcodes := []uint8{0x07, 0x0f, 0x18, 0x61, 0x63, 0x85, 0x95, 0x05, 0x15, 0xbf, 0xb7, 0xdb, 0x20, 0x40, 0x06, 0xe5}
	for range 5000 {
		insns := make([]isa.Insn, 1+r.IntN(12))
		for i := range insns {
			op := opcodes[r.IntN(len(opcodes))]
			if r.IntN(4) == 0 {
				op = uint8(r.Uint32())
			}
			insns[i] = isa.Decode(isa.Insn{Opcode: op, Dst: isa.Reg(r.IntN(16)), Src: isa.Reg(r.IntN(5)), Off: int16(r.IntN(16) - 8),
				Imm: int32(r.Uint32() >> r.IntN(32))}.Encode())
		}
		m, err := interp.New(&object.Program{Insns: insns}, interp.Options{Space: space, Budget: 1000})
		if err != nil {
			t.Fatal(err)
		}
		m.Run(run) // it may trap; it may not panic
	}
}

// TestConcurrent runs one Machine on Runs of several goroutines.
func TestConcurrent(t *testing.T) {
	p, data := loadBench(t, "arraymap")
	w, err := newWorld(t, p, interp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.close(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			run, err := helpers.NewRun(w.space, nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer run.Close()
			for range 100 {
				if err := run.SetXDP(data, helpers.XDP{}); err != nil {
					t.Error(err)
				}
				if r0, err := w.m.Run(run); uint32(r0) != 3481 || err != nil {
					t.Error(r0, err)
				}
			}
		})
	}
	wg.Wait()
}
