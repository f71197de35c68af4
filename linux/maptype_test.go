package linux_test

import (
	"strings"
	"testing"

	. "github.com/skepbpf/skep/linux"
)

type mapSamples struct {
	Accepted []uint32
	Rejected map[string][]uint32
}

// errno names an error as the facts do.
func errno(e Errno) string {
	switch e {
	case EOPNOTSUPP:
		return "ENOTSUP"
	}
	return e.String()
}

var mapFlagBits = map[string]uint32{
	"BPF_F_NO_PREALLOC": MapNoPreallocFlag, "BPF_F_NO_COMMON_LRU": MapNoCommonLRUFlag, "BPF_F_NUMA_NODE": MapNUMANodeFlag,
	"BPF_F_RDONLY": MapRdOnlyFlag, "BPF_F_WRONLY": MapWrOnlyFlag, "BPF_F_ZERO_SEED": MapZeroSeedFlag,
	"BPF_F_RDONLY_PROG": MapRdOnlyProgFlag, "BPF_F_WRONLY_PROG": MapWrOnlyProgFlag, "BPF_F_CLONE": MapCloneFlag,
	"BPF_F_MMAPABLE": MapMmapableFlag, "BPF_F_PRESERVE_ELEMS": MapPreserveElemsFlag, "BPF_F_INNER_MAP": MapInnerFlag,
	"BPF_F_SEGV_ON_FAULT": MapSegvOnFaultFlag, "BPF_F_NO_USER_CONV": MapNoUserConvFlag,
}

func TestMapTypesAgreeWithFacts(t *testing.T) {
	var facts struct {
		Rows []struct {
			Name    string `json:"map_type"`
			ID      uint32
			Key     mapSamples `json:"key_size"`
			Value   mapSamples `json:"value_size"`
			Entries mapSamples `json:"max_entries"`
			Base    struct {
				Flags   uint32
				Key     uint32 `json:"key_size"`
				Value   uint32 `json:"value_size"`
				Entries uint32 `json:"max_entries"`
				BTF     bool   `json:"with_btf"`
			} `json:"base_request"`
			Result    string            `json:"base_result"`
			Flags     []string          `json:"flags_accepted"`
			NoFlags   map[string]string `json:"flags_rejected"`
			Accepting []string          `json:"helpers_accepting_live"`
			Refusing  []string          `json:"helpers_refusing_cannot_pass_map_type"`
		}
	}
	readFacts(t, "maptypes.json", &facts)
	any, none := Default.Prog(ProgTypeSchedCLS, 0, ""), Default.Prog(ProgTypeKprobe, 0, "")
	asked := 0
	for _, r := range facts.Rows {
		m := Default.Map(MapType(r.ID))
		if r.Result != "OK" {
			if m != nil && m.CheckCreate(r.Base.Key, r.Base.Value, r.Base.Entries, r.Base.Flags) == 0 {
				t.Errorf("%s can be created", r.Name)
			}
			continue
		}
		if m == nil || "BPF_MAP_TYPE_"+strings.ToUpper(m.Type.String()) != r.Name {
			t.Errorf("%s is %v", r.Name, MapType(r.ID))
			continue
		}
		check := func(what string, key, value, entries, flags uint32, want string) {
			asked++
			if got := errno(m.CheckCreate(key, value, entries, flags)); got != want {
				t.Errorf("%s %s: key %d value %d entries %d flags %#x: %s, want %s", r.Name, what, key, value, entries, flags, got, want)
			}
		}
		b := r.Base
		each := func(s mapSamples, f func(v uint32, want string)) {
			for _, v := range s.Accepted {
				f(v, "OK")
			}
			for e, list := range s.Rejected {
				for _, v := range list {
					f(v, e)
				}
			}
		}
		each(r.Key, func(v uint32, want string) { check("key", v, b.Value, b.Entries, b.Flags, want) })
		each(r.Value, func(v uint32, want string) {
			if b.BTF && v != 16 && want == "EINVAL" && v > 0 {
				return // refused for its BTF, which is of 16 bytes
			}
			check("value", b.Key, v, b.Entries, b.Flags, want)
		})
		each(r.Entries, func(v uint32, want string) { check("entries", b.Key, b.Value, v, b.Flags, want) })
		for _, f := range r.Flags {
			check(f, b.Key, b.Value, b.Entries, b.Flags|mapFlagBits[f], "OK")
		}
		for f, want := range r.NoFlags {
			if bit := mapFlagBits[f]; bit != 0 {
				check(f, b.Key, b.Value, b.Entries, b.Flags|bit, want)
			}
		}
		for _, h := range r.Accepting {
			asked++
			if !m.Accepts(HelperID(h), any) {
				t.Errorf("%s: %s is refused", r.Name, h)
			}
		}
		for _, h := range r.Refusing {
			asked++
			if m.Accepts(HelperID(h), none) {
				t.Errorf("%s: %s is allowed", r.Name, h)
			}
		}
	}
	t.Logf("%d answers", asked)
}

func TestStructs(t *testing.T) {
	for _, tc := range []struct {
		name, field string
		off, size   int
	}{
		{"__sk_buff", "data_end", 80, 4}, {"xdp_md", "egress_ifindex", 20, 4}, {"bpf_sock_addr", "sk", 64, 8},
		{"bpf_sock_ops", "skb_hwtstamp", 216, 8}, {"bpf_flow_keys", "flow_label", 52, 4},
	} {
		s := Struct(tc.name)
		if s == nil || s.Field(tc.field) == nil {
			t.Errorf("no %s.%s", tc.name, tc.field)
			continue
		}
		if f := s.Field(tc.field); f.Off != tc.off || f.Size != tc.size || s.FieldAt(tc.off) == nil {
			t.Errorf("%s.%s: %+v", tc.name, tc.field, *f)
		}
	}
	if Struct("task_struct") != nil || Struct("xdp_md").Field("len") != nil || Struct("xdp_md").FieldAt(24) != nil {
		t.Error("found what is not there")
	}
	// Each context's struct is there, as large as the layout says.
	for pt := ProgTypeSocketFilter; pt <= ProgTypeNetfilter; pt++ {
		p := Default.Prog(pt, 0, "")
		l := p.Ctx()
		if s := Struct(l.Name); l.Name != "" && (s == nil || s.Size != l.Size && s.Size != 0) {
			t.Errorf("%v: context %s of %d bytes has no struct like it", pt, l.Name, l.Size)
		}
	}
}

func TestVersions(t *testing.T) {
	for _, tc := range []struct {
		s    string
		want Version
	}{{"6.18", V(6, 18)}, {"6.18.44-fc-v595", V(6, 18)}, {"5.10", V(5, 10)}, {"7.3-rc1", V(7, 3)}, {"", 0}, {"six", 0}, {"6.", 0}, {"99999.1", 0}} {
		got, err := ParseVersion(tc.s)
		if got != tc.want || (err == nil) != (tc.want != 0) {
			t.Errorf("ParseVersion(%q) = %v, %v", tc.s, got, err)
		}
	}
	if !(V(5, 10) < V(5, 15) && V(5, 15) < V(6, 1) && V(6, 18) < Never) {
		t.Error("versions do not order")
	}
	if V(6, 1).String() != "6.1" || Never.String() != "never" {
		t.Error("versions do not print")
	}
	old := For(V(5, 10))
	if old.Has(FeatureBPFLoop) || !Default.Has(FeatureBPFLoop) || Default.Has(FeatureGotoX) {
		t.Error("features do not follow versions")
	}
	if old.Prog(ProgTypeXDP, 0, "").Helper(old, HelperLoop) != 0 || old.Map(MapTypeArena) != nil || old.Map(MapTypeRingBuf) == nil {
		t.Error("helpers and maps do not follow versions")
	}
	if Default.Limit(LimitProcessed) != 1000000 || Default.Limit(LimitJumps) != 8192 {
		t.Error("limits")
	}
}
