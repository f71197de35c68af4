package main

import (
	"bytes"
	"strings"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/internal/value"
	"github.com/skepbpf/skep/linux"
)

// contextOf encodes the context that --ctx describes.
func contextOf(p *skep.Program, text string) (any, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return nil, nil
	case strings.HasPrefix(text, "x:"):
		b, err := hexBytes(text[2:])
		if err != nil {
			return nil, usage("--ctx: %v", err)
		}
		return b, nil
	case strings.HasPrefix(text, "["):
		b, err := value.Words([]byte(text))
		if err != nil {
			return nil, usage("--ctx: %v", err)
		}
		return b, nil
	}
	s := contextStruct(p)
	if s == nil {
		return nil, usage("--ctx: the context of %v programs has no fixed struct: give words, [1, 2], or bytes, x:0102", p.Type())
	}
	b, err := value.Struct(s, []byte(text))
	if err != nil {
		return nil, usage("--ctx: %v", err)
	}
	return b, nil
}

// contextStruct is the struct that programs know the context as; nil if there is no fixed one.
func contextStruct(p *skep.Program) *linux.StructInfo {
	if l := contextLayout(p); l != nil {
		return linux.Struct(l.Name)
	}
	return nil
}

func contextLayout(p *skep.Program) *linux.Layout {
	prog := p.Verdict().Program
	row := linux.Default.Prog(linux.ProgType(prog.Type), linux.AttachType(prog.AttachType), "")
	if row == nil {
		return nil
	}
	return row.Ctx()
}

// contextChanges names the fields of the context that a run left other than they were, as far as programs may write them.
func contextChanges(p *skep.Program, before any, after []byte) string {
	s := contextStruct(p)
	if s == nil || len(after) < s.Size {
		return ""
	}
	layout := contextLayout(p)
	was, _ := before.([]byte) // none is all zero
	was = append(bytes.Clone(was), make([]byte, s.Size)...)[:s.Size]
	var out []string
	for _, f := range s.Fields {
		width := f.Size
		if width != 8 && width > 4 {
			width = 4 // an array
		}
		if _, ok := layout.Access(f.Off, width, linux.Store); !ok {
			continue // no program's doing
		}
		if b := after[f.Off:][:f.Size]; !bytes.Equal(b, was[f.Off:][:f.Size]) {
			out = append(out, f.Name+" = "+value.Format(nil, b))
		}
	}
	return strings.Join(out, ", ")
}
