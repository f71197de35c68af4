package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/internal/value"
	"github.com/skepbpf/skep/object"
)

// A source is an object file or a program as text, before it is loaded.
type source struct {
	spec *ebpf.CollectionSpec // nil of text
	raw  []byte
	name string // of the program, of text
}

func readSource(path string) (*source, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(raw, []byte("\x7fELF")) {
		spec, err := object.ReadSpec(bytes.NewReader(raw))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return &source{spec: spec, raw: raw}, nil
	}
	p, err := object.Parse(string(raw), object.Options{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	name := p.Name
	if name == "" {
		name = "program"
	}
	return &source{raw: raw, name: name}, nil
}

// programs are the names of the programs.
func (s *source) programs() []string {
	if s.spec == nil {
		return []string{s.name}
	}
	return slices.Sorted(maps.Keys(s.spec.Programs))
}

// set sets a variable: NAME=VALUE.
func (s *source) set(text string) error {
	name, val, ok := strings.Cut(text, "=")
	if !ok {
		return usage("--set is VARIABLE=VALUE, not %q", text)
	}
	if s.spec == nil || s.spec.Variables[name] == nil {
		return usage("--set: there is no variable %q", name)
	}
	v := s.spec.Variables[name]
	b, err := value.Parse(val, int(v.Size()))
	if err != nil {
		return usage("--set %s: %v", text, err)
	}
	return v.Set(b)
}

func (s *source) collection(o *skep.Options) (*skep.Collection, error) {
	if s.spec == nil {
		return skep.OpenCollection(bytes.NewReader(s.raw), o)
	}
	return skep.NewCollection(s.spec, o)
}
