package fuzz

import (
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/object"
)

// mutate changes a few instructions.
func (g *generator) mutate(p *object.Program) {
	for range 1 + g.n(3) {
		pc := g.n(len(p.Insns))
		i := p.Insns[pc]
		if i.Op == isa.LdImm64Hi || i.Op == isa.LdImm64 && i.Src != 0 {
			continue
		}
		switch g.n(7) {
		case 0:
			i.Dst = isa.Reg(g.n(11))
		case 1:
			i.Src = isa.Reg(g.n(11))
		case 2:
			i.Off += int16(g.n(17) - 8)
		case 3:
			i.Imm = g.imm()
		case 4:
			i.Imm += int32(g.n(5) - 2)
		case 5:
			j := p.Insns[g.n(len(p.Insns))]
			if j.Op != isa.LdImm64Hi && j.Op != isa.LdImm64 && i.Op != isa.LdImm64 {
				i = j
			}
		default:
			if i.Op.IsALU() || i.Op.IsCond() {
				i.Opcode ^= 0x10 << g.n(4)
			}
		}
		if i.Op == isa.LdImm64 && i.Src != 0 {
			continue
		}
		n := isa.Decode(i.Encode())
		if n.Op == isa.CallKfn {
			continue
		}
		p.Insns[pc] = n
	}
}
