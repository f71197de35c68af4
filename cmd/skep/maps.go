package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/internal/value"
)

// printMaps prints what is in the maps: elements that are not zero, formatted by their types.
func printMaps(out io.Writer, c *skep.Collection) {
	for _, name := range slices.Sorted(maps.Keys(c.Maps)) {
		m := c.Maps[name]
		switch m.Type() {
		case ebpf.RingBuf, ebpf.PerfEventArray, ebpf.ProgramArray:
			continue
		}
		if name == ".rodata" || name == ".kconfig" {
			continue // constants
		}
		lines := mapLines(m)
		if len(lines) == 0 {
			continue
		}
		fmt.Fprintf(out, "map %s (%s)\n", name, m.Type())
		for _, l := range lines {
			fmt.Fprintf(out, "    %s\n", l)
		}
	}
}

// mapLines are the elements, a line each.
func mapLines(m *skep.Map) []string {
	const most = 100 // elements to print
	key, val := m.Types()
	var out []string
	for k, err := m.NextKeyBytes(nil); k != nil && err == nil; k, err = m.NextKeyBytes(k) {
		v, err := m.LookupBytes(k)
		if err != nil || v == nil || allZero(v) && isArray(m.Type()) {
			continue
		}
		if len(out) == most {
			return append(out, "…")
		}
		out = append(out, keyText(m, key, k)+": "+valueText(m, val, v))
	}
	return out
}

func isArray(t ebpf.MapType) bool { return t == ebpf.Array || t == ebpf.PerCPUArray }

func keyText(m *skep.Map, t btf.Type, k []byte) string {
	return value.Format(t, k)
}

// valueText is a value: of a per-CPU map those of the CPUs that have one.
func valueText(m *skep.Map, t btf.Type, v []byte) string {
	size := int(m.ValueSize())
	stride := (size + 7) &^ 7
	if len(v) == size {
		return value.Format(t, v)
	}
	var parts []string
	for cpu := 0; cpu < m.CPUs() && (cpu+1)*stride <= len(v); cpu++ {
		if one := v[cpu*stride:][:size]; !allZero(one) {
			parts = append(parts, fmt.Sprintf("CPU %d %s", cpu, value.Format(t, one)))
		}
	}
	if len(parts) == 0 {
		return "0 on all CPUs"
	}
	return strings.Join(parts, "; ")
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
