package main

import (
	"encoding/binary"
	"hash/fnv"
	"math/rand/v2"
	"slices"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/object"
)

// A mutation changes a program in place (its slices are its own); it tells that it found something to change.
type mutation struct {
	name   string
	weight int
	do     func(r *rand.Rand, p *object.Program) bool
}

var mutations = []mutation{
	{"imm", 12, mutateImm},
	{"off", 12, mutateOff},
	{"reg", 12, mutateReg},
	{"size", 8, mutateSize},
	{"op", 10, mutateOp},
	{"cond", 8, mutateCond},
	{"target", 6, mutateTarget},
	{"helper", 6, mutateHelper},
	{"nocheck", 6, dropCheck},
	{"nop", 6, dropInsn},
	{"swap", 5, swapInsns},
	{"copy", 6, copyInsn},
	{"byte", 3, mutateByte},
	{"flags", 4, mutateFlags},
	{"type", 4, mutateType},
	{"license", 1, mutateLicense},
	{"map", 5, mutateMap},
	{"mapref", 3, mutateMapRef},
	{"info", 2, mutateInfo},
}

// mutant changes a program one to three times, by the seed alone. It gives nil where nothing could be changed, or the
// result must not be loaded.
func mutant(p *object.Program, id string, seed uint64) (*object.Program, []string) {
	h := fnv.New64a()
	h.Write([]byte(id)) // never fails
	r := rand.New(rand.NewPCG(seed, h.Sum64()))
	q := *p
	q.Insns = slices.Clone(p.Insns)
	q.Maps = slices.Clone(p.Maps)
	q.FuncsRaw, q.LinesRaw = slices.Clone(p.FuncsRaw), slices.Clone(p.LinesRaw)
	var names []string
	for n := []int{1, 1, 1, 2, 2, 3}[r.IntN(6)]; n > 0; {
		if len(names) == 0 && r.IntN(200) == 0 {
			return nil, nil // there may be nothing to change
		}
		m := pick(r)
		if m.do(r, &q) {
			names = append(names, m.name)
			n--
		}
	}
	redecode(&q)
	if !loadable(p, &q) {
		return nil, nil
	}
	return &q, names
}

func pick(r *rand.Rand) *mutation {
	sum := 0
	for i := range mutations {
		sum += mutations[i].weight
	}
	n := r.IntN(sum)
	for i := range mutations {
		if n -= mutations[i].weight; n < 0 {
			return &mutations[i]
		}
	}
	return nil
}

// redecode makes the instructions what their bytes say.
func redecode(p *object.Program) {
	var b []byte
	for i := range p.Insns {
		e := p.Insns[i].Encode()
		b = append(b, e[:]...)
	}
	insns, err := isa.DecodeProgram(b)
	if err == nil {
		p.Insns = insns
	}
}

const opLdImm64 = 0x18

func isMap(i *isa.Insn) bool {
	return i.Opcode == opLdImm64 && (i.Src == isa.PseudoMapFD || i.Src == isa.PseudoMapValue)
}

// loadable tells that all references to maps are to maps of the program: any other number could be a descriptor of this process.
func loadable(old, p *object.Program) bool {
	for n := range p.Insns {
		i := &p.Insns[n]
		if i.Opcode != opLdImm64 {
			continue
		}
		switch {
		case i.Src == isa.PseudoMapIdx || i.Src == isa.PseudoMapIdxValue:
			return false
		case !isMap(i):
		case p.BadFDs[n]:
			if *i != old.Insns[n] {
				return false
			}
		case i.Imm < 0 || int(i.Imm) >= len(p.Maps):
			return false
		}
	}
	return true
}

// where is the place of an instruction for which ok holds, chosen at random; -1: none.
func where(r *rand.Rand, p *object.Program, ok func(*isa.Insn) bool) int {
	var at []int
	for n := range p.Insns {
		if i := &p.Insns[n]; i.Op != isa.LdImm64Hi && !p.BadFDs[n] && ok(i) {
			at = append(at, n)
		}
	}
	if len(at) == 0 {
		return -1
	}
	return at[r.IntN(len(at))]
}

func every(*isa.Insn) bool { return true }

func class(i *isa.Insn) uint8 { return i.Opcode & 7 }

func isMem(i *isa.Insn) bool {
	return class(i) >= isa.ClassLDX && class(i) <= isa.ClassSTX || class(i) == isa.ClassLD && i.Opcode != opLdImm64
}

func isALU(i *isa.Insn) bool  { return class(i) == isa.ClassALU || class(i) == isa.ClassALU64 }
func isCond(i *isa.Insn) bool { return i.Op.IsCond() }

var interesting = []int32{0, 1, -1, 2, 3, 4, 7, 8, 16, 31, 32, 33, 63, 64, 255, 256, 511, 512, 513, 4096, 65535, 1 << 16, 1 << 28, 1 << 29, 1 << 30,
	1<<31 - 1, -1 << 31, -2, -4, -8, -16, -512, -4096, -65536}

func number(r *rand.Rand, v int32) int32 {
	switch r.IntN(6) {
	case 0:
		return v + 1
	case 1:
		return v - 1
	case 2:
		return v * 2
	case 3:
		return -v
	}
	return interesting[r.IntN(len(interesting))]
}

func mutateImm(r *rand.Rand, p *object.Program) bool {
	n := where(r, p, func(i *isa.Insn) bool {
		return isALU(i) && !i.SrcReg || isCond(i) && !i.SrcReg || i.Op == isa.StoreImm || i.Op == isa.LdImm64 && i.Src <= isa.PseudoMapValue
	})
	if n < 0 {
		return false
	}
	i := &p.Insns[n]
	if i.Op == isa.LdImm64 && i.Src != 0 {
		if i.Src == isa.PseudoMapValue && n+1 < len(p.Insns) {
			p.Insns[n+1].Imm = number(r, p.Insns[n+1].Imm)
			return true
		}
		return false
	}
	i.Imm = number(r, i.Imm)
	return true
}

func mutateOff(r *rand.Rand, p *object.Program) bool {
	n := where(r, p, isMem)
	if n < 0 {
		return false
	}
	d := []int16{1, 2, 4, 8, 16, 64}[r.IntN(6)]
	if r.IntN(2) == 0 {
		d = -d
	}
	i := &p.Insns[n]
	switch r.IntN(5) {
	case 0:
		i.Off = -i.Off
	case 1:
		i.Off = d
	default:
		i.Off += d
	}
	return true
}

func mutateReg(r *rand.Rand, p *object.Program) bool {
	n := where(r, p, func(i *isa.Insn) bool { return i.Op != isa.Exit && class(i) != isa.ClassLD })
	if n < 0 {
		return false
	}
	i := &p.Insns[n]
	v := isa.Reg(r.IntN(11))
	if r.IntN(50) == 0 {
		v = isa.Reg(r.IntN(16))
	}
	if (i.SrcReg || class(i) == isa.ClassLDX || class(i) == isa.ClassSTX) && r.IntN(2) == 0 {
		i.Src = v
	} else {
		i.Dst = v
	}
	return true
}

func mutateSize(r *rand.Rand, p *object.Program) bool {
	n := where(r, p, func(i *isa.Insn) bool { return isMem(i) || isALU(i) || isCond(i) })
	if n < 0 {
		return false
	}
	i := &p.Insns[n]
	switch {
	case isMem(i) && i.Op == isa.Load && r.IntN(4) == 0:
		i.Opcode = i.Opcode&^0xe0 | 0x80 // sign-extending
	case isMem(i):
		i.Opcode = i.Opcode&^0x18 | uint8(r.IntN(4))<<3
	case isALU(i):
		i.Opcode ^= isa.ClassALU ^ isa.ClassALU64
	default:
		i.Opcode ^= isa.ClassJMP ^ isa.ClassJMP32
	}
	return true
}

func mutateOp(r *rand.Rand, p *object.Program) bool {
	n := where(r, p, func(i *isa.Insn) bool {
		return isALU(i) || i.Op.IsAtomic() || i.Op == isa.Store || i.Op == isa.StoreImm
	})
	if n < 0 {
		return false
	}
	i := &p.Insns[n]
	switch {
	case i.Op.IsAtomic():
		i.Imm = []int32{0, 0x40, 0x50, 0xa0, 1, 0x41, 0x51, 0xa1, 0xe1, 0xf1, 0x100, 0x110}[r.IntN(12)]
	case i.Op == isa.Store:
		i.Opcode = i.Opcode&^0xe0 | 0xc0
		i.Imm = []int32{0, 1, 0x40, 0xe1, 0xf1, 0x100, 0x110}[r.IntN(7)]
	case i.Op == isa.StoreImm:
		i.Opcode ^= isa.ClassST ^ isa.ClassSTX
	case r.IntN(6) == 0:
		i.Opcode ^= 8 // register or immediate
	case r.IntN(8) == 0:
		i.Off = []int16{1, 8, 16, 32}[r.IntN(4)] // signed division, sign-extending moves
	default:
		i.Opcode = i.Opcode&0xf | uint8(r.IntN(14))<<4
	}
	return true
}

func mutateCond(r *rand.Rand, p *object.Program) bool {
	n := where(r, p, isCond)
	if n < 0 {
		return false
	}
	i := &p.Insns[n]
	if r.IntN(6) == 0 {
		i.Opcode ^= 8
		return true
	}
	i.Opcode = i.Opcode&0xf | []uint8{1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13}[r.IntN(11)]<<4
	return true
}

func mutateTarget(r *rand.Rand, p *object.Program) bool {
	n := where(r, p, func(i *isa.Insn) bool { return isCond(i) || i.Op == isa.Ja || i.Op == isa.CallSub })
	if n < 0 {
		return false
	}
	i := &p.Insns[n]
	to := r.IntN(len(p.Insns)) - n - 1
	if r.IntN(2) == 0 {
		to = int(i.Off) + r.IntN(5) - 2
		if i.Op == isa.CallSub {
			to = int(i.Imm) + r.IntN(5) - 2
		}
	}
	if i.Op == isa.CallSub {
		i.Imm = int32(to)
	} else {
		i.Off = int16(to)
	}
	return true
}

func mutateHelper(r *rand.Rand, p *object.Program) bool {
	n := where(r, p, func(i *isa.Insn) bool { return i.Op == isa.Call })
	if n < 0 {
		return false
	}
	p.Insns[n].Imm = int32(r.IntN(212))
	if r.IntN(3) == 0 { // those of maps, which fit many programs
		p.Insns[n].Imm = []int32{1, 2, 3, 87, 88, 89, 195, 107, 108, 12, 51, 25, 130, 131, 132, 133, 65, 84, 124, 95, 96, 98}[r.IntN(22)]
	}
	return true
}

func nop() isa.Insn { return isa.Decode([8]byte{0x05}) } // goto pc+0

func dropCheck(r *rand.Rand, p *object.Program) bool {
	n := where(r, p, isCond)
	if n < 0 {
		return false
	}
	i := &p.Insns[n]
	if r.IntN(3) == 0 {
		*i = isa.Decode([8]byte{0x05, 0, uint8(i.Off), uint8(uint16(i.Off) >> 8)})
	} else {
		*i = nop()
	}
	return true
}

func dropInsn(r *rand.Rand, p *object.Program) bool {
	n := where(r, p, every)
	if n < 0 {
		return false
	}
	if p.Insns[n].Op == isa.LdImm64 {
		if n+1 < len(p.Insns) {
			p.Insns[n+1] = nop()
		}
	}
	p.Insns[n] = nop()
	if r.IntN(2) == 0 {
		p.Insns[n] = isa.Decode([8]byte{0xbf, 0}) // r0 = r0
	}
	return true
}

func swapInsns(r *rand.Rand, p *object.Program) bool {
	n := where(r, p, func(i *isa.Insn) bool { return i.Op != isa.LdImm64 })
	if n < 0 || n+1 >= len(p.Insns) {
		return false
	}
	a, b := &p.Insns[n], &p.Insns[n+1]
	if b.Op == isa.LdImm64 || b.Op == isa.LdImm64Hi || p.BadFDs[n+1] {
		return false
	}
	*a, *b = *b, *a
	return true
}

// copyInsn puts an instruction of the program over another.
func copyInsn(r *rand.Rand, p *object.Program) bool {
	from := where(r, p, func(i *isa.Insn) bool { return i.Op != isa.LdImm64 })
	to := where(r, p, func(i *isa.Insn) bool { return i.Op != isa.LdImm64 })
	if from < 0 || from == to {
		return false
	}
	i := p.Insns[from]
	if isCond(&i) || i.Op == isa.Ja {
		i.Off += int16(from - to)
	}
	if i.Op == isa.CallSub {
		i.Imm += int32(from - to)
	}
	p.Insns[to] = i
	return true
}

func mutateByte(r *rand.Rand, p *object.Program) bool {
	n := r.IntN(len(p.Insns))
	if p.BadFDs[n] || isMap(&p.Insns[n]) || p.Insns[n].Opcode == 0x85 {
		return false
	}
	b := p.Insns[n].Encode()
	b[r.IntN(8)] ^= 1 << r.IntN(8)
	p.Insns[n] = isa.Decode(b)
	return true
}

func mutateFlags(r *rand.Rand, p *object.Program) bool {
	bits := []uint32{1, 2, 8, 8, 16, 32, 64, 128, 128, 256}
	p.Flags ^= bits[r.IntN(len(bits))]
	return true
}

func mutateType(r *rand.Rand, p *object.Program) bool {
	if r.IntN(2) == 0 {
		p.AttachType = uint32(r.IntN(58))
		return true
	}
	p.Type = uint32(r.IntN(33))
	return true
}

func mutateLicense(r *rand.Rand, p *object.Program) bool {
	if p.License == "" {
		p.License = "GPL"
	} else {
		p.License = ""
	}
	return true
}

func mutateMap(r *rand.Rand, p *object.Program) bool {
	if len(p.Maps) == 0 {
		return false
	}
	n := r.IntN(len(p.Maps))
	if p.Maps[n].Type == 33 { // an arena is more than a map
		return false
	}
	m := *p.Maps[n]
	switch r.IntN(7) {
	case 0, 1:
		m.Type = uint32(1 + r.IntN(32))
		m.Contents = nil
	case 2:
		m.KeySize = []uint32{0, 1, 4, 8, 16, 64}[r.IntN(6)]
		m.Contents = nil
	case 3:
		m.ValueSize = []uint32{0, 1, 4, 8, 16, 64, m.ValueSize + 1, m.ValueSize - 1, m.ValueSize + 8, m.ValueSize / 2}[r.IntN(10)]
		m.Contents = nil
	case 4:
		m.MaxEntries = []uint32{0, 1, 2, 4096}[r.IntN(4)]
	case 5:
		m.Flags ^= []uint32{1, 1 << 3, 1 << 4, 1 << 7, 1 << 8, 1 << 10, 1 << 11}[r.IntN(7)]
	case 6:
		m.BTF, m.KeyID, m.ValueID = nil, 0, 0
	}
	if m.KeySize > 1<<16 || m.ValueSize > 1<<20 || m.MaxEntries > 1<<16 {
		return false
	}
	for k := range p.Maps {
		if p.Maps[k].Inner == p.Maps[n] {
			return false
		}
	}
	p.Maps[n] = &m
	return true
}

// mutateMapRef makes an instruction name another map, or the map instead of its value.
func mutateMapRef(r *rand.Rand, p *object.Program) bool {
	n := where(r, p, isMap)
	if n < 0 {
		return false
	}
	i := &p.Insns[n]
	if r.IntN(3) == 0 {
		i.Src ^= isa.PseudoMapFD ^ isa.PseudoMapValue
		return true
	}
	i.Imm = int32(r.IntN(len(p.Maps)))
	return true
}

// mutateInfo changes the information about functions and lines.
func mutateInfo(r *rand.Rand, p *object.Program) bool {
	if p.BTF == nil {
		return false
	}
	switch k := r.IntN(5); {
	case k == 0:
		p.FuncsRaw, p.Funcs = nil, nil
	case k == 1:
		p.LinesRaw, p.Lines = nil, nil
	case k == 2 && len(p.FuncsRaw) >= 8 && p.FuncRec == 8:
		at := r.IntN(len(p.FuncsRaw)/8) * 8
		if r.IntN(2) == 0 {
			at += 4
		}
		bump(r, p.FuncsRaw[at:])
	case k > 2 && len(p.LinesRaw) >= 16 && p.LineRec == 16:
		at := r.IntN(len(p.LinesRaw)/16)*16 + 4*r.IntN(3)
		bump(r, p.LinesRaw[at:])
	default:
		return false
	}
	return true
}

func bump(r *rand.Rand, b []byte) {
	v := binary.LittleEndian.Uint32(b)
	binary.LittleEndian.PutUint32(b, v+uint32(r.IntN(7))-3)
}
