package main

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep/internal/corpus"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/oracle"
)

// A candidateLoader finds the programs to compare.
type candidateLoader struct {
	kernel *oracle.Kernel
	types  *object.BTF
	flags  *diffFlags
}

// load gives the cases of a corpus, or the programs of an object or of all objects below a folder.
func (l *candidateLoader) load(path string) ([]candidate, error) {
	if strings.HasSuffix(path, ".jsonl") || strings.HasSuffix(path, ".jsonl.gz") {
		return l.cases(path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return l.object(path, filepath.Base(path))
	}
	var out []candidate
	err = filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".o" {
			return err
		}
		rel, err := filepath.Rel(path, name)
		if err != nil {
			return err
		}
		group, _, _ := strings.Cut(filepath.ToSlash(rel), "/")
		some, err := l.object(name, group)
		if err != nil {
			// One bad object does not hide the others, but it is not forgotten either.
			some = []candidate{{group, name, name, func() (*object.Program, error) { return nil, err }}}
		}
		out = append(out, some...)
		return nil
	})
	return out, err
}

// object gives the programs of an object, as the Go API loads it: by itself, pinning nothing.
func (l *candidateLoader) object(path, group string) ([]candidate, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	spec, err := object.ReadSpec(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, m := range spec.Maps {
		m.Pinning = ebpf.PinNone // loaders have pin types of their own, which cilium/ebpf does not know
	}
	for _, text := range l.flags.inner {
		if err := setInner(spec, text); err != nil {
			return nil, err
		}
	}
	c, err := object.FromSpec(spec, object.Options{Types: l.types, KernelVersion: versionCode(l.kernel.Release()), Config: hostConfig(), CPUs: runtime.NumCPU()})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var out []candidate
	for _, name := range slices.Sorted(maps.Keys(c.Programs)) {
		if p := c.Programs[name]; strings.Contains(name, l.flags.id) {
			out = append(out, candidate{group, path, path + ":" + name, func() (*object.Program, error) { return p, nil }})
		}
	}
	for _, e := range c.Failed {
		if strings.Contains(e.Name, l.flags.id) {
			out = append(out, candidate{group, path, path + ":" + e.Name, func() (*object.Program, error) { return nil, e.Err }})
		}
	}
	return out, nil
}

// setInner sets the inner map of a map of maps: MAP=TYPE:KEY:VALUE:ENTRIES. An object without that map is left alone.
func setInner(spec *ebpf.CollectionSpec, text string) error {
	name, rest, ok := strings.Cut(text, "=")
	parts := strings.Split(rest, ":")
	if !ok || len(parts) != 4 {
		return usage("--inner is MAP=TYPE:KEY:VALUE:ENTRIES, not %q", text)
	}
	inner := &ebpf.MapSpec{Name: name + "_inner"}
	for t := ebpf.Hash; t <= ebpf.Arena; t++ {
		if strings.EqualFold(t.String(), parts[0]) {
			inner.Type = t
		}
	}
	if inner.Type == ebpf.UnspecifiedMap {
		return usage("--inner %s: there is no map type %q", text, parts[0])
	}
	for i, n := range []*uint32{&inner.KeySize, &inner.ValueSize, &inner.MaxEntries} {
		v, err := strconv.ParseUint(parts[i+1], 0, 32)
		if err != nil {
			return usage("--inner %s: %q is not a number", text, parts[i+1])
		}
		*n = uint32(v)
	}
	if m := spec.Maps[name]; m != nil && m.InnerMap == nil {
		m.InnerMap = inner
	}
	return nil
}

// crashes is a kernel function that some kernels crash on when the map argument carries no BTF.
const crashes = "bpf_wq_init"

func (l *candidateLoader) cases(path string) ([]candidate, error) {
	set, err := corpus.Open(path)
	if err != nil {
		return nil, err
	}
	here, err := set.KernelOf(l.kernel.Release(), l.types)
	if err != nil {
		return nil, err
	}
	var out []candidate
	for _, c := range set.Find(l.flags.id) {
		if !strings.Contains(c.Area, l.flags.area) {
			continue
		}
		out = append(out, candidate{c.Area, path, c.ID, func() (*object.Program, error) {
			if c.Calls(crashes) {
				return nil, fmt.Errorf("not loaded: it calls %s", crashes)
			}
			return c.ProgramFor(here)
		}})
	}
	return out, nil
}

// versionCode is a release as KERNEL_VERSION(a, b, c) has it.
func versionCode(release string) uint32 {
	var a, b, c uint32
	// A release without a third number, as of a first candidate, counts as its .0.
	_, _ = fmt.Sscanf(release, "%d.%d.%d", &a, &b, &c)
	return a<<16 | b<<8 | min(c, 255)
}

// hostConfig is the configuration of the running kernel; nil if it does not tell.
func hostConfig() map[string]string {
	raw, err := os.ReadFile("/proc/config.gz")
	if err != nil {
		return nil
	}
	config, err := object.ParseConfig(raw)
	if err != nil {
		return nil
	}
	return config
}
