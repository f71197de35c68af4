package corpus

import (
	"encoding/binary"
	"fmt"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/object"
)

// Program gives the case as it was loaded into the recorded kernel. Each call makes a new Program;
// the BTF is shared.
func (c *Case) Program() (*object.Program, error) {
	p, err := c.program()
	if err != nil {
		return nil, fmt.Errorf("corpus: %s: %w", c.ID, err)
	}
	return p, nil
}

func (c *Case) program() (*object.Program, error) {
	insns, err := isa.DecodeProgram(c.Insns)
	if err != nil {
		return nil, err
	}
	b, err := c.set.btf(c.BTF)
	if err != nil {
		return nil, err
	}
	p := &object.Program{
		Name: c.Prog, Section: c.Section,
		Type: c.ProgType, AttachType: c.AttachType, Flags: c.Flags, License: c.License,
		AttachTo: c.Attach, AttachID: c.AttachBTFID,
		Insns:    insns,
		BTF:      b,
		FuncsRaw: c.FuncInfo, FuncRec: c.FuncInfoRec, Funcs: decodeFuncs(b, c.FuncInfo, c.FuncInfoRec),
		LinesRaw: c.LineInfo, LineRec: c.LineInfoRec, Lines: decodeLines(b, c.LineInfo, c.LineInfoRec),
	}
	for i := range c.Maps {
		m, err := c.newMap(i, p)
		if err != nil {
			return nil, fmt.Errorf("map %s: %w", c.Maps[i].Name, err)
		}
		p.Maps = append(p.Maps, m)
	}
	for _, r := range c.Relos {
		if r.Insn < 0 || r.Insn >= len(insns) {
			return nil, fmt.Errorf("relocation of instruction %d of %d", r.Insn, len(insns))
		}
		switch r.Kind {
		case "map_fd", "map_value":
			if r.Map < 0 || r.Map >= len(p.Maps) {
				return nil, fmt.Errorf("instruction %d refers to map %d of %d", r.Insn, r.Map, len(p.Maps))
			}
			insns[r.Insn].Imm = int32(r.Map)
		case "raw_fd":
			if p.BadFDs == nil {
				p.BadFDs = map[int]bool{}
			}
			p.BadFDs[r.Insn] = true
		}
	}
	return p, nil
}

// newMap makes map i of the case; p holds those before it.
func (c *Case) newMap(i int, p *object.Program) (*object.Map, error) {
	d := &c.Maps[i]
	b, err := c.set.btf(d.BTF)
	if err != nil {
		return nil, err
	}
	m := &object.Map{Name: d.Name, Type: d.Type, KeySize: d.KeySize, ValueSize: d.ValueSize, MaxEntries: d.MaxEntries,
		Flags: d.Flags, Extra: d.Extra, BTF: b, KeyID: d.BTFKey, ValueID: d.BTFValue, Frozen: d.Frozen}
	if d.Inner != nil {
		if *d.Inner < 0 || *d.Inner >= i {
			return nil, fmt.Errorf("its template is map %d", *d.Inner)
		}
		m.Inner = p.Maps[*d.Inner]
	}
	if len(d.Data) > 0 {
		m.Contents = append(m.Contents, object.MapKV{Key: make([]byte, d.KeySize), Value: d.Data})
	}
	for _, e := range d.Progs {
		insns, err := isa.DecodeProgram(e.Insns)
		if err != nil {
			return nil, err
		}
		for j := range insns {
			if insns[j].Opcode == 0x18 { // ld_imm64
				insns[j].Imm = 0
			}
		}
		q := &object.Program{Type: c.ProgType, License: "GPL", Insns: insns, Maps: []*object.Map{m}}
		m.Contents = append(m.Contents, object.MapKV{Key: binary.LittleEndian.AppendUint32(nil, e.Key), Program: q})
	}
	return m, nil
}
