package fuzz

import (
	"fmt"
	"strings"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
)

// text writes the program as object.Parse reads it.
func text(p *object.Program) string {
	var b strings.Builder
	fmt.Fprintf(&b, "prog %s\n", linux.ProgType(p.Type))
	if linux.ProgType(p.Type) == linux.ProgTypeCGroupSKB {
		fmt.Fprintf(&b, "attach %d\n", p.AttachType)
	}
	if len(p.FuncsRaw) > 0 {
		b.WriteString(funcsMark + "\n")
	}
	if p.Flags != 0 {
		fmt.Fprintf(&b, "flags %d\n", p.Flags)
	}
	done := map[*object.Map]bool{}
	for _, m := range p.Maps {
		mapText(&b, m, done)
	}
	src := isa.Source(p.Insns)
	for i, m := range p.Maps {
		src = strings.ReplaceAll(src, fmt.Sprintf("map[%d]", i), fmt.Sprintf("map[%s]", m.Name))
	}
	b.WriteString(src)
	return b.String()
}

// mapText writes a map's definition, after that of its template.
func mapText(b *strings.Builder, m *object.Map, done map[*object.Map]bool) {
	if done[m] {
		return
	}
	done[m] = true
	if m.Inner != nil {
		mapText(b, m.Inner, done)
	}
	fmt.Fprintf(b, "map %s %s", m.Name, linux.MapType(m.Type))
	for _, x := range []struct {
		name string
		n    uint32
	}{{"key", m.KeySize}, {"value", m.ValueSize}, {"entries", m.MaxEntries}, {"flags", m.Flags}} {
		if x.n != 0 {
			fmt.Fprintf(b, " %s=%d", x.name, x.n)
		}
	}
	if m.Inner != nil {
		fmt.Fprintf(b, " inner=%s", m.Inner.Name)
	}
	if len(m.Contents) > 0 {
		fmt.Fprintf(b, " data=%x", m.Contents[0].Value)
	}
	if m.Frozen {
		b.WriteString(" frozen")
	}
	b.WriteByte('\n')
}
