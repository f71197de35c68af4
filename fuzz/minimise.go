package fuzz

import (
	"slices"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/object"
)

// Minimise takes instructions out of the program as long as it stays bad.
func Minimise(p *object.Program, bad func(*object.Program) bool) *object.Program {
	tries := 3000
	try := func(q *object.Program) bool {
		if tries--; tries < 0 || q == nil || len(q.Insns) == 0 || !bad(q) {
			return false
		}
		p = q
		return true
	}
	for changed := true; changed && tries > 0; {
		changed = false
		for n := max(1, len(p.Insns)/2); n >= 1; n /= 2 {
			for at := 0; at+n <= len(p.Insns); {
				if !try(without(p, at, n)) {
					at += max(1, n/2)
				} else {
					changed = true
				}
			}
		}
		for pc := 0; pc < len(p.Insns); pc++ {
			i := p.Insns[pc]
			if i.Op == isa.LdImm64Hi || i.Op == isa.LdImm64 && i.Src != 0 {
				continue
			}
			for _, simple := range simpler(i) {
				if simple == i || simple.Op == isa.Invalid {
					continue
				}
				q := *p
				q.Insns = slices.Clone(p.Insns)
				if i.Op == isa.LdImm64 {
					q.Insns[pc+1] = isa.Insn{Op: isa.LdImm64Hi}
				}
				q.Insns[pc] = simple
				if try(&q) {
					changed = true
					break
				}
			}
		}
		if len(p.FuncsRaw) > 0 {
			q := *p
			q.BTF, q.Funcs, q.FuncsRaw = nil, nil, nil
			try(&q)
		}
		if p.Flags != 0 {
			q := *p
			q.Flags = 0
			try(&q)
		}
	}
	return dropMaps(p)
}

// simpler are instructions to try in place of one.
func simpler(i isa.Insn) []isa.Insn {
	small := i
	switch {
	case i.Op.IsCond() && i.SrcReg:
		return []isa.Insn{isa.Branch(i.Op, i.Size, i.Dst, 0, i.Off)}
	case i.Op == isa.Mov && i.SrcReg:
		return []isa.Insn{isa.Binary(isa.Mov, i.Size, i.Dst, 0)}
	case i.Op == isa.Mov || i.Op == isa.StoreImm:
		if i.Imm != 0 {
			small.Imm = 0
			return []isa.Insn{small}
		}
	}
	return nil
}

// without is the program less n slots from at on; nil if that cannot be.
func without(p *object.Program, at, n int) *object.Program {
	end := at + n
	if at < len(p.Insns) && p.Insns[at].Op == isa.LdImm64Hi || end < len(p.Insns) && p.Insns[end].Op == isa.LdImm64Hi {
		return nil
	}
	q := *p
	q.Insns = nil
	move := func(pc int) int {
		switch {
		case pc >= end:
			return pc - n
		case pc > at:
			return at
		}
		return pc
	}
	for pc, i := range p.Insns {
		if pc >= at && pc < end {
			continue
		}
		var to int
		switch {
		case i.Op == isa.CallSub, i.Op == isa.LdImm64 && i.Src == isa.PseudoFunc, i.Op == isa.Ja && i.Size == 4:
			to = i.Target(pc)
			if to > at && to < end {
				return nil
			}
			i.Imm += int32(move(to) - move(pc) - (to - pc))
		case i.Op == isa.Ja, i.Op.IsCond():
			to = i.Target(pc)
			i.Off += int16(move(to) - move(pc) - (to - pc))
		}
		q.Insns = append(q.Insns, i)
	}
	if len(p.FuncsRaw) > 0 {
		addFuncs(&q)
	}
	return &q
}

// dropMaps leaves out maps that are not named.
func dropMaps(p *object.Program) *object.Program {
	q := *p
	q.Insns, q.Maps = slices.Clone(p.Insns), nil
	index := map[int32]int32{}
	for pc := range q.Insns {
		i := &q.Insns[pc]
		if i.Op != isa.LdImm64 || i.Src != isa.PseudoMapFD && i.Src != isa.PseudoMapValue {
			continue
		}
		n, ok := index[i.Imm]
		if !ok && int(i.Imm) < len(p.Maps) {
			n = int32(len(q.Maps))
			index[i.Imm] = n
			q.Maps = append(q.Maps, p.Maps[i.Imm])
		}
		i.Imm = n
	}
	return &q
}
