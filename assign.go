package skep

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep/object"
)

// LoadAndAssign makes what the fields of a struct ask for and puts it there. Fields have the type *Map, *Program or
// *Variable and a tag `ebpf:"name"`, as with cilium/ebpf; fields that are structs are looked into. Programs that no
// field asks for are not made. What is assigned is the caller's to close. If anything fails, the struct is left as it is.
//
//	var objs struct {
//		Firewall *skep.Program `ebpf:"firewall"`
//		Counters *skep.Map     `ebpf:"counters"`
//	}
//	err := skep.LoadAndAssign(spec, &objs, nil)
func LoadAndAssign(spec *ebpf.CollectionSpec, to any, opts *Options) error {
	if opts == nil {
		opts = &Options{}
	}
	fields, err := taggedFields(to)
	if err != nil {
		return err
	}
	oo := opts.object()
	oo.CPUs = opts.cpus()
	c, err := object.FromSpec(spec, oo)
	if err != nil {
		return err
	}
	want, err := pick(c, programsFor(fields), mapsFor(fields, c))
	if err != nil {
		return err
	}
	coll, err := newCollection(c, opts, want)
	if err != nil {
		return err
	}
	defer coll.Close()
	return coll.assign(fields)
}

// programsFor names the programs that fields ask for.
func programsFor(fields []field) []string {
	var out []string
	for _, f := range fields {
		if f.value.Type() == programType {
			out = append(out, f.name)
		}
	}
	return out
}

// mapsFor names the maps that fields ask for.
func mapsFor(fields []field, c *object.Collection) []string {
	var out []string
	for _, f := range fields {
		name := f.name
		if f.value.Type() == variableType {
			name = sectionOf(name, c)
		} else if f.value.Type() != mapType {
			continue
		}
		if c.Maps[name] != nil {
			out = append(out, name)
		}
	}
	return out
}

// sectionOf is the map that has a variable; "" if none has.
func sectionOf(variable string, c *object.Collection) string {
	for name, m := range c.Maps {
		for _, v := range variables(m) {
			if v.name == variable {
				return name
			}
		}
	}
	return ""
}

// Assign puts maps, programs and variables of the collection into the fields of a struct, as LoadAndAssign does. What is
// assigned leaves the collection.
func (c *Collection) Assign(to any) error {
	fields, err := taggedFields(to)
	if err != nil {
		return err
	}
	return c.assign(fields)
}

var (
	mapType      = reflect.TypeFor[*Map]()
	programType  = reflect.TypeFor[*Program]()
	variableType = reflect.TypeFor[*Variable]()
)

func (c *Collection) assign(fields []field) error {
	for _, f := range fields {
		if !c.has(f) {
			return fmt.Errorf("skep: field %s: there is no %s %q", f.field, f.kind(), f.name)
		}
	}
	for _, f := range fields {
		switch f.value.Type() {
		case mapType:
			f.value.Set(reflect.ValueOf(c.Maps[f.name]))
			delete(c.Maps, f.name)
		case programType:
			f.value.Set(reflect.ValueOf(c.Programs[f.name]))
			delete(c.Programs, f.name)
		case variableType:
			v := c.Variables[f.name]
			v.k.pin() // its map may not be assigned
			f.value.Set(reflect.ValueOf(v))
			delete(c.Variables, f.name)
		}
	}
	return nil
}

func (c *Collection) has(f field) bool {
	switch f.value.Type() {
	case mapType:
		return c.Maps[f.name] != nil
	case programType:
		return c.Programs[f.name] != nil
	}
	return c.Variables[f.name] != nil
}

// A field is a field of a struct with a tag.
type field struct {
	field string // its name
	name  string // the tag
	value reflect.Value
}

func (f *field) kind() string {
	switch f.value.Type() {
	case mapType:
		return "map"
	case programType:
		return "program"
	}
	return "variable"
}

// taggedFields are the fields of the struct that a pointer points to.
func taggedFields(to any) ([]field, error) {
	v := reflect.ValueOf(to)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("skep: %T is not a pointer to a struct", to)
	}
	var out []field
	if err := addFields(v.Elem(), &out, nil); err != nil {
		return nil, fmt.Errorf("skep: %w", err)
	}
	seen := map[string]string{}
	for _, f := range out {
		key := f.kind() + " " + f.name
		if other := seen[key]; other != "" {
			return nil, fmt.Errorf("skep: field %s: %q was already assigned to %s", f.field, f.name, other)
		}
		seen[key] = f.field
	}
	return out, nil
}

func addFields(v reflect.Value, out *[]field, in []reflect.Type) error {
	t := v.Type()
	if slices.Contains(in, t) {
		return errors.New("recursive struct types can't be assigned to")
	}
	in = append(in, t)
	for i := range t.NumField() {
		sf, fv := t.Field(i), v.Field(i)
		tag := sf.Tag.Get("ebpf")
		switch {
		case tag != "":
			if strings.Contains(tag, ",") {
				return fmt.Errorf("field %s: ebpf tag contains a comma", sf.Name)
			}
			if ft := sf.Type; ft != mapType && ft != programType && ft != variableType {
				return fmt.Errorf("field %s: its type is %s, not *skep.Map, *skep.Program or *skep.Variable", sf.Name, ft)
			}
			if !fv.CanSet() {
				return fmt.Errorf("field %s: can't set value", sf.Name)
			}
			*out = append(*out, field{sf.Name, tag, fv})
		case sf.Type.Kind() == reflect.Struct:
			if err := addFields(fv, out, in); err != nil {
				return err
			}
		case sf.Type.Kind() == reflect.Pointer && sf.Type.Elem().Kind() == reflect.Struct && sf.Anonymous:
			if fv.IsNil() {
				return fmt.Errorf("nil pointer to %s", sf.Type)
			}
			if err := addFields(fv.Elem(), out, in); err != nil {
				return err
			}
		}
	}
	return nil
}
