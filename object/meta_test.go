package object

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep/isa"
)

// TestExterns would notice another shape of the metadata that externOf reads.
func TestExterns(t *testing.T) {
	spec, err := ebpf.LoadCollectionSpec("testdata/features.o")
	require.NoError(t, err)
	got := map[string]extern{}
	configs := 0
	for _, name := range []string{"symbols", "config"} {
		for _, ins := range spec.Programs[name].Instructions {
			x, err := externOf(&ins)
			require.NoError(t, err)
			switch x.kind {
			case externKconfig:
				configs |= 1 << x.offset
			case externKsym:
				got[x.name] = x
			case externKfunc:
				got[ins.Reference()] = x
			}
		}
	}
	require.Equal(t, map[string]extern{
		"bpf_rcu_read_lock":   {kind: externKfunc},
		"bpf_rcu_read_unlock": {kind: externKfunc},
		"no_such_kfunc":       {kind: externKfunc, weak: true},
		"no_such_symbol":      {kind: externKsym, weak: true, name: "no_such_symbol"},
		"some_symbol":         {kind: externKsym, name: "some_symbol"},
	}, got)
	require.Equal(t, 1<<0|1<<1|1<<4|1<<8|1<<12|1<<20, configs, "the offsets of six variables")
}

// TestFixups compares the fixups of all relocations of an object with cilium/ebpf's own, which works on Linux only.
func TestFixups(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("cilium/ebpf applies fixups on Linux only")
	}
	spec, err := ebpf.LoadCollectionSpec("testdata/features.o")
	require.NoError(t, err)
	target, err := btf.NewBuilder([]btf.Type{&btf.Struct{Name: "task_struct", Size: 64, Members: []btf.Member{
		{Name: "tgid", Type: &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}, Offset: 128}}}}, nil)
	require.NoError(t, err)
	types, err := target.Spec()
	require.NoError(t, err)
	var relos []*btf.CORERelocation
	var insns []*asm.Instruction
	for _, name := range []string{"core", "local"} {
		p := spec.Programs[name]
		for i := range p.Instructions {
			if r := btf.CORERelocationMetadata(&p.Instructions[i]); r != nil {
				relos, insns = append(relos, r), append(insns, &p.Instructions[i])
			}
		}
	}
	var b btf.Builder
	fixups, err := btf.CORERelocate(relos, []*btf.Spec{types}, binary.LittleEndian, b.Add)
	require.NoError(t, err)
	require.Greater(t, len(fixups), 5)
	for i := range fixups {
		// On the instruction it is for, and on others that it may not fit.
		others := []asm.Instruction{*insns[i], asm.Mov.Imm(asm.R1, 3), asm.Mov.Reg(asm.R1, asm.R2), asm.Return(),
			asm.LoadMem(asm.R1, asm.R2, 16, asm.Word), asm.LoadImm(asm.R1, 77, asm.DWord), asm.HostTo(asm.BE, asm.R1, asm.Word)}
		for _, ins := range others {
			want, got := ins, ins
			wantErr, gotErr := fixups[i].Apply(&want), applyFixup(&fixups[i], &got)
			require.Equal(t, wantErr == nil, gotErr == nil, "%v of %v: %v, %v", &fixups[i], ins, wantErr, gotErr)
			if wantErr == nil {
				require.Equal(t, want.OpCode, got.OpCode)
				require.Equal(t, want.Offset, got.Offset)
				require.Equal(t, want.Constant, got.Constant)
				require.Equal(t, want.Dst, got.Dst)
				require.Equal(t, want.Source(), got.Source())
			}
		}
	}
}

// TestEncode compares with cilium/ebpf's own encoding, for slots of which at least the opcode is random.
func TestEncode(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("cilium/ebpf encodes calls of helpers on Linux only")
	}
	r := rand.New(rand.NewPCG(1, 2))
	both := 0
	for range 200000 {
		slot := make([]byte, 16)
		slot[0], slot[1] = byte(r.Uint32()), byte(r.Uint32())
		if r.IntN(2) == 0 {
			binary.LittleEndian.PutUint16(slot[2:], []uint16{0, 1, 8, 16, 32, 0xffff}[r.IntN(6)])
		}
		binary.LittleEndian.PutUint32(slot[4:], []uint32{0, 1, 0x40, 0xdb, 0xe1, 0xf1, 0x101, 0xffffffff, r.Uint32() >> 4}[r.IntN(9)])
		if slot[0] != 0x18 {
			slot = slot[:8]
		}
		insns, err := asm.AppendInstructions(nil, bytes.NewReader(slot), binary.LittleEndian, "linux")
		if err != nil {
			continue
		}
		var want bytes.Buffer
		wantErr := insns.Marshal(&want, binary.LittleEndian)
		got, err := encode(insns)
		if wantErr != nil {
			continue // it checks more, such as whether a helper's number has a tag of a system
		}
		require.NoError(t, err, "%x", slot)
		if insns[0].OpCode.Class().IsALU() && insns[0].Offset != 0 {
			continue // see encodeSlot
		}
		var b []byte
		for _, i := range got {
			e := i.Encode()
			b = append(b, e[:]...)
		}
		require.Equal(t, want.Bytes(), b, "%x", slot)
		both++
	}
	require.Greater(t, both, 100000)
}

func TestReferences(t *testing.T) {
	insns := asm.Instructions{
		asm.Mov.Imm(asm.R0, 0).WithSymbol("main"),
		asm.JEq.Imm(asm.R0, 0, "end"),
		asm.Call.Label("sub"),
		asm.LoadImm(asm.R1, 5, asm.DWord),
		asm.LongJump("end"),
		asm.Return().WithSymbol("end"),
		asm.Return().WithSymbol("sub"),
	}
	got, err := encode(insns)
	require.NoError(t, err)
	var want bytes.Buffer
	require.NoError(t, insns.Marshal(&want, binary.LittleEndian))
	decoded, err := isa.DecodeProgram(want.Bytes())
	require.NoError(t, err)
	require.Equal(t, decoded, got)

	_, err = encode(asm.Instructions{asm.Ja.Label("nowhere")})
	require.ErrorIs(t, err, asm.ErrUnsatisfiedProgramReference)
	require.ErrorContains(t, err, "nowhere")
	_, err = encode(asm.Instructions{asm.Return().WithSymbol("x"), asm.Return().WithSymbol("x")})
	require.ErrorContains(t, err, "duplicate symbol x")
}
