package main

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
)

type mapFacts struct {
	Needs map[string][]string `json:"helper_needs_map_type_6_12"`
	Rows  []mapRow
}

type mapRow struct {
	Name    string `json:"map_type"`
	ID      int
	Since   string
	Key     sizeFacts `json:"key_size"`
	Value   sizeFacts `json:"value_size"`
	Entries sizeFacts `json:"max_entries"`
	Base    struct {
		Flags   uint32
		Key     uint32 `json:"key_size"`
		Value   uint32 `json:"value_size"`
		Entries uint32 `json:"max_entries"`
	} `json:"base_request"`
	Flags       []string `json:"flags_accepted"`
	DirectValue string   `json:"direct_value_ldimm64"`
	ForEach     string   `json:"for_each_map_elem"`
	Inner       string   `json:"usable_as_inner_map_template"`
	WithBTF     string   `json:"with_btf_key_int_value_struct16"`
	WithoutBTF  string   `json:"without_btf"`
	NoPrealloc  string   `json:"without_BPF_F_NO_PREALLOC"`
	NoMmapable  string   `json:"without_BPF_F_MMAPABLE"`
	Lookup      string   `json:"prog_lookup_returns"`
	Fields      struct {
		Accepted []string
	} `json:"special_fields_in_value"`
	Accepting []string `json:"helpers_accepting_live"`
	Refusing  []string `json:"helpers_refusing_cannot_pass_map_type"`
	Only      []string `json:"only_these_helpers_6_12"`
}

type sizeFacts struct {
	Accepted []uint32
	Rejected map[string][]uint32
}

// mapFlags are the flags by UAPI name, as bit numbers.
var mapFlags = map[string]int{
	"BPF_F_NO_PREALLOC": 0, "BPF_F_NO_COMMON_LRU": 1, "BPF_F_NUMA_NODE": 2, "BPF_F_RDONLY": 3, "BPF_F_WRONLY": 4,
	"BPF_F_STACK_BUILD_ID": 5, "BPF_F_ZERO_SEED": 6, "BPF_F_RDONLY_PROG": 7, "BPF_F_WRONLY_PROG": 8, "BPF_F_CLONE": 9,
	"BPF_F_MMAPABLE": 10, "BPF_F_PRESERVE_ELEMS": 11, "BPF_F_INNER_MAP": 12, "BPF_F_SEGV_ON_FAULT": 17,
	"BPF_F_NO_USER_CONV": 18,
}

// bisected are bounds between two samples of the facts, found by creating maps on the probed kernel (a 4096-byte page,
// at most 256 CPUs): the largest size that is not refused, and whether larger ones are E2BIG. Key and value of a hash
// are bounded by their sum, see MaxElem.
var bisected = map[string]struct {
	max   uint32
	e2big bool
}{
	"HASH value": {math.MaxUint32, false}, "LRU_HASH value": {math.MaxUint32, false},
	"HASH entries": {1 << 31, true}, "LRU_HASH entries": {1 << 31, true}, "PERCPU_HASH entries": {1 << 31, true},
	"LRU_PERCPU_HASH entries": {1 << 31, true}, "HASH_OF_MAPS entries": {1 << 31, true},
	"PERCPU_HASH value": {32768, true}, "LRU_PERCPU_HASH value": {32768, true}, "PERCPU_ARRAY value": {32768, true},
	"LPM_TRIE key": {260, false}, "LPM_TRIE value": {4194024, false}, "STACK_TRACE value": {1016, false},
	"SOCKHASH key": {512, true}, "CGROUP_STORAGE value": {65407, true}, "PERCPU_CGROUP_STORAGE value": {32768, true},
	"SK_STORAGE value": {65407, true}, "TASK_STORAGE value": {65407, true}, "CGRP_STORAGE value": {65407, true},
	"INODE_STORAGE value": {65407, true}, "QUEUE value": {4194304, true}, "STACK value": {4194304, true},
	"BLOOM_FILTER value": {4194304, true}, "CPUMAP entries": {256, true}, "ARRAY value": {math.MaxInt32, true},
}

// rule turns samples into a rule that holds for all of them.
func (r mapRow) rule(what string, s sizeFacts) (string, error) {
	name := strings.TrimPrefix(r.Name, "BPF_MAP_TYPE_")
	if len(s.Accepted) == 0 {
		return "SizeRule{Min: 1}", nil // none
	}
	lo, hi := slices.Min(s.Accepted), slices.Max(s.Accepted)
	var rejected []uint32
	for _, v := range s.Rejected {
		rejected = append(rejected, v...)
	}
	if len(rejected) == 0 || hi > slices.Max(rejected) || what == "entries" && hi == 65536 {
		hi = math.MaxUint32
	}
	big := uint32(0)
	if b, ok := bisected[name+" "+what]; ok {
		if hi = b.max; b.e2big {
			big = hi + 1
		}
	} else if len(s.Rejected["E2BIG"]) > 0 {
		return "", fmt.Errorf("%s %s: E2BIG from where on?", name, what)
	}
	storage := strings.HasSuffix(name, "_STORAGE") && name != "CGROUP_STORAGE" && name != "PERCPU_CGROUP_STORAGE"
	if storage && what == "value" {
		lo = 1 // the probe had BTF of a 16-byte value
	}
	step, pow2 := uint32(1), false
	for _, v := range rejected {
		if v <= lo || v >= slices.Max(s.Accepted) || storage && what == "value" {
			continue
		}
		// A refused size between accepted ones: only multiples, or powers of two.
		step = lo
		if v%lo == 0 {
			pow2 = true
		}
	}
	for _, v := range s.Accepted {
		if v < lo || v > hi || v%step != 0 || pow2 && bits.OnesCount32(v) != 1 {
			return "", fmt.Errorf("%s %s: %d is accepted", name, what, v)
		}
	}
	text := fmt.Sprintf("SizeRule{Min: %d, Max: %d", lo, hi)
	if step > 1 {
		text += fmt.Sprintf(", Step: %d", step)
	}
	if big != 0 {
		text += fmt.Sprintf(", Big: %d", big)
	}
	if pow2 {
		text += ", Pow2: true"
	}
	return text + "}", nil
}

// mapHelpers are the helpers that take a map of the type: all that take a map, but for those that want other types,
// and those that the type does not want.
func mapHelpers(f *facts, r mapRow) (s idSet, err error) {
	name := strings.TrimPrefix(r.Name, "BPF_MAP_TYPE_")
	for _, h := range f.helpers.Rows {
		takes := slices.ContainsFunc(h.Variants, func(v variantFacts) bool {
			return slices.ContainsFunc(v.Args, func(a argFacts) bool { return a.Base == "ARG_CONST_MAP_PTR" })
		})
		needs, ok := f.maps.Needs[h.Name]
		allowed := takes && (!ok || slices.Contains(needs, name)) && (len(r.Only) == 0 || slices.Contains(r.Only, h.Name))
		// What sockmaps take besides depends on the program.
		if !allowed && slices.Contains(r.Accepting, h.Name) && !strings.HasPrefix(name, "SOCK") ||
			allowed && slices.Contains(r.Refusing, h.Name) {
			return s, fmt.Errorf("%s into %s: the rule says %v, the kernel did not", name, h.Name, allowed)
		}
		if allowed {
			s.add(h.ID)
		}
	}
	return s, nil
}

// fieldBits are the special fields. The sorts of kptr are accepted and refused together.
var fieldBits = []struct{ fact, name string }{
	{"spin", "MapFieldSpinLock"}, {"rspin", "MapFieldResSpinLock"}, {"timer", "MapFieldTimer"},
	{"wq", "MapFieldWorkqueue"}, {"taskwork", "MapFieldTaskWork"}, {"kptr_ref", "MapFieldKptr"},
	{"list", "MapFieldListHead"}, {"rbtree", "MapFieldRBRoot"}, {"refcount", "MapFieldRefcount"}, {"uptr", "MapFieldUptr"},
}

func emitMaps(f *facts) (string, error) {
	// Sleepable programs are refused maps by type.
	awake := map[string]bool{}
	for _, r := range f.progs.Rows {
		for m, why := range r.MapRefused {
			if strings.Contains(why, "Sleepable programs") {
				awake[m] = true
			}
		}
	}
	var b strings.Builder
	b.WriteString("// mapTypes are the map types, by number.\nvar mapTypes = [...]MapInfo{\n")
	for _, r := range f.maps.Rows {
		name := strings.TrimPrefix(r.Name, "BPF_MAP_TYPE_")
		if r.ID == 0 || strings.HasPrefix(name, "NEXT_UNKNOWN") {
			continue
		}
		fmt.Fprintf(&b, "MapType%s: {Type: MapType%[1]s, Since: %s,\n", camel(name), version(r.Since))
		for _, s := range []struct {
			field, what string
			facts       sizeFacts
		}{{"Key", "key", r.Key}, {"Value", "value", r.Value}, {"Entries", "entries", r.Entries}} {
			text, err := r.rule(s.what, s.facts)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(&b, "%s: %s,\n", s.field, text)
		}
		if strings.HasSuffix(name, "HASH") && name != "SOCKHASH" && name != "DEVMAP_HASH" || name == "HASH_OF_MAPS" {
			b.WriteString("MaxElem: 4194255,\n")
		}
		var flags, need uint32
		for _, fl := range r.Flags {
			bit, ok := mapFlags[fl]
			if !ok {
				return "", fmt.Errorf("%s: flag %s", name, fl)
			}
			flags |= 1 << bit
		}
		if r.NoPrealloc != "" {
			need |= 1 << mapFlags["BPF_F_NO_PREALLOC"]
		}
		if r.NoMmapable != "" {
			need |= 1 << mapFlags["BPF_F_MMAPABLE"]
		}
		if name == "STACK_TRACE" {
			flags |= 1 << mapFlags["BPF_F_STACK_BUILD_ID"] // needs a value size of its own, see the extra cases
		}
		if flags != 0 {
			fmt.Fprintf(&b, "Flags: %#x,", flags)
		}
		if need != 0 {
			fmt.Fprintf(&b, "NeedFlags: %#x,", need)
		}
		var fields, traits []string
		for _, fb := range fieldBits {
			if slices.Contains(r.Fields.Accepted, fb.fact) {
				fields = append(fields, fb.name)
			}
		}
		if len(fields) > 0 {
			fmt.Fprintf(&b, "\nFields: %s,", or(fields))
		}
		for _, t := range []struct {
			name string
			set  bool
		}{
			{"MapDirectValue", strings.HasPrefix(r.DirectValue, "OK")},
			{"MapForEach", r.ForEach == "OK"},
			{"MapInnerTemplate", r.Inner == "OK"},
			{"MapNeedsBTF", r.WithoutBTF != "OK" && r.WithBTF == "OK"},
			{"MapTakesBTF", r.WithBTF == "OK"},
			{"MapSleepable", !awake[name]},
			{"MapLookupSock", strings.HasPrefix(r.Lookup, "sock_or_null")},
			{"MapLookupXDPSock", name == "XSKMAP"},
			{"MapLookupMap", strings.HasSuffix(name, "_OF_MAPS")},
			{"MapValueRdOnly", strings.HasPrefix(name, "DEVMAP")},
		} {
			if t.set {
				traits = append(traits, t.name)
			}
		}
		if len(traits) > 0 {
			fmt.Fprintf(&b, "\nTraits: %s,", or(traits))
		}
		set, err := mapHelpers(f, r)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "\nhelpers: HelperSet{%#x, %#x, %#x, %#x},\n},\n", set[0], set[1], set[2], set[3])
	}
	return b.String() + "}\n", nil
}
