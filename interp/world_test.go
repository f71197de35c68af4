package interp_test

import (
	"testing"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/interp"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
	"github.com/skepbpf/skep/object"
)

// A world has what one program needs to run: its maps, a Run, the Machine.
type world struct {
	space *memory.Space
	run   *helpers.Run
	maps  []maps.Map
	m     *interp.Machine
}

// cpus is the number of CPUs of tests.
const cpus = 2

// newWorld makes the maps of a program and a Machine for it. An error says that a map cannot be had.
func newWorld(t testing.TB, p *object.Program, o interp.Options) (*world, error) {
	w := &world{}
	var err error
	if w.space, err = memory.New(memory.Options{}); err != nil {
		t.Fatal(err)
	}
	if w.run, err = helpers.NewRun(w.space, nil); err != nil {
		t.Fatal(err)
	}
	w.run.Type, w.run.AttachType = linux.ProgType(p.Type), linux.AttachType(p.AttachType)
	for _, om := range p.Maps {
		mp, err := maps.New(w.space, mapSpec(om), cpus)
		if err != nil {
			w.close(t)
			return nil, err
		}
		w.maps = append(w.maps, mp)
	}
	o.Space, o.Maps = w.space, w.maps
	if w.m, err = interp.New(p, o); err != nil {
		t.Fatal(err)
	}
	return w, nil
}

func (w *world) close(t testing.TB) {
	t.Helper()
	for _, m := range w.maps {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := w.run.Close(); err != nil {
		t.Error(err)
	}
	if err := w.space.Close(); err != nil {
		t.Error(err)
	}
}

// mapSpec is what makes the map that the program names.
func mapSpec(m *object.Map) *maps.Spec {
	if m == nil {
		return nil
	}
	s := &maps.Spec{Name: m.Name, Type: maps.Type(m.Type), KeySize: m.KeySize, ValueSize: m.ValueSize,
		MaxEntries: m.MaxEntries, Flags: m.Flags, Extra: m.Extra, Inner: mapSpec(m.Inner), Freeze: m.Frozen}
	for _, kv := range m.Contents {
		if kv.Program == nil && kv.Map == nil {
			s.Contents = append(s.Contents, maps.KV{Key: kv.Key, Value: kv.Value})
		}
	}
	return s
}

// text is a program written as text.
func text(t testing.TB, s string) *object.Program {
	t.Helper()
	p, err := object.Parse(s, object.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}
