package object

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/cilium/ebpf"
)

// Options say for what an object is loaded. The zero value is a kernel of which nothing is known but that it
// is new: no types, no configuration.
type Options struct {
	// Types are the types of the kernel: CO-RE relocations, kernel functions and variables, and what tracing
	// programs attach to are looked up there. Nil: an object that needs them is refused for it. See LoadBTF.
	Types *BTF

	// KernelVersion is the kernel's version as KERNEL_VERSION(a, b, c) has it, a<<16 | b<<8 | c. It is the value
	// of LINUX_KERNEL_VERSION, and kernels before 6.0 get type information without what they do not know.
	// 0 is DefaultVersion.
	KernelVersion uint32

	// Config is the kernel's configuration, with values as in its .config file: {"CONFIG_HZ": "250",
	// "CONFIG_NET": "y"}. An object that asks for a value that is not there is refused, unless it may be missing.
	Config map[string]string

	// Symbols are addresses of kernel symbols, as in /proc/kallsyms. Where it is nil, a symbol gets a made-up
	// address in the kernel's half of the address space; one that may be missing (weak) only if Types name it.
	Symbols map[string]uint64

	// CPUs is the number of possible CPUs, for maps sized by it. 0 is 1.
	CPUs int
}

// DefaultVersion is the kernel version that objects see if Options does not say another.
const DefaultVersion = 6<<16 | 18<<8

func (o *Options) version() uint32 {
	if o.KernelVersion == 0 {
		return DefaultVersion
	}
	return o.KernelVersion
}

func (o *Options) cpus() int { return max(o.CPUs, 1) }

// A Collection is what an object holds, by the names it has there.
type Collection struct {
	Programs map[string]*Program
	Maps     map[string]*Map

	// Failed are the programs that could not be made, by name. Others of the object may well be used.
	Failed []*ProgramError
}

// Err is nil if all programs could be made, else it joins the reasons.
func (c *Collection) Err() error {
	errs := make([]error, len(c.Failed))
	for i, e := range c.Failed {
		errs[i] = e
	}
	return errors.Join(errs...)
}

// Load loads an object file.
func Load(path string, o Options) (*Collection, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("object: %w", err)
	}
	defer f.Close()
	spec, err := readSpec(f)
	if err != nil {
		return nil, named(filepath.Base(path), err)
	}
	return FromSpec(spec, o)
}

// LoadReader loads an object from memory, or wherever it is.
func LoadReader(r io.ReaderAt, o Options) (*Collection, error) {
	spec, err := readSpec(r)
	if err != nil {
		return nil, named("", err)
	}
	return FromSpec(spec, o)
}

// named puts the object's name into an error.
func named(name string, err error) error {
	if m := (*MalformedError)(nil); errors.As(err, &m) {
		return fmt.Errorf("object: %w", &MalformedError{Name: name, Err: m.Err})
	}
	if name == "" {
		return fmt.Errorf("object: %w", err)
	}
	return fmt.Errorf("object: %s: %w", name, err)
}

// FromSpec makes programs and maps from a parsed object. It changes nothing in it.
func FromSpec(spec *ebpf.CollectionSpec, o Options) (*Collection, error) {
	c, err := fromSpec(spec, &o)
	if err != nil {
		return nil, named("", err)
	}
	return c, nil
}

func fromSpec(spec *ebpf.CollectionSpec, o *Options) (c *Collection, err error) {
	defer recovered(&err, "linking it")
	if spec == nil {
		return nil, errors.New("no CollectionSpec")
	}
	if spec.ByteOrder == binary.BigEndian {
		return nil, &UnsupportedError{Cause: "a big-endian object"}
	}
	l := &linker{spec: spec, opts: o, coll: &Collection{Programs: map[string]*Program{}, Maps: map[string]*Map{}}}
	for _, name := range slices.Sorted(maps.Keys(spec.Maps)) {
		m, err := l.newMap(name, spec.Maps[name])
		if err != nil {
			return nil, fmt.Errorf("map %s: %w", name, err)
		}
		l.coll.Maps[name] = m
	}
	for _, name := range slices.Sorted(maps.Keys(spec.Programs)) {
		p, err := l.program(name, spec.Programs[name])
		if err != nil {
			l.coll.Failed = append(l.coll.Failed, &ProgramError{Name: name, Section: spec.Programs[name].SectionName, Err: err})
			continue
		}
		l.coll.Programs[name] = p
	}
	for _, name := range slices.Sorted(maps.Keys(spec.Maps)) {
		if err := l.fill(l.coll.Maps[name], spec.Maps[name]); err != nil {
			return nil, fmt.Errorf("map %s: %w", name, err)
		}
	}
	return l.coll, nil
}
