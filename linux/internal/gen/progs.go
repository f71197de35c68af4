package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// A progEntry is one row of the table of program types: measured or, where the kernel refused the type, documented.
type progEntry struct {
	id, attach int
	typ, name  string // BPF_PROG_TYPE_X, BPF_X or ""
	target     string
	ret        string
	traits     []string
	helpers    int // index in the helper tables
	layout     int // index in the context layouts
}

// privateStack are the types whose frames were measured to have a stack each. Tracing programs on functions run
// through the same trampolines as tp_btf, so they are taken to be like it.
var privateStack = []string{
	"KPROBE/", "TRACEPOINT/", "PERF_EVENT/", "RAW_TRACEPOINT/", "TRACING/BPF_TRACE_RAW_TP",
	"TRACING/BPF_TRACE_FENTRY", "TRACING/BPF_TRACE_FEXIT", "TRACING/BPF_MODIFY_RETURN", "LSM/",
}

// sockMapTypes were found to take bpf_map_delete_elem on maps of sockets (TestLiveSockMaps asks again); all but
// sock_ops take bpf_map_update_elem too.
var sockMapTypes = []string{
	"SOCKET_FILTER/", "SCHED_CLS/", "SCHED_CLS/BPF_TCX_INGRESS", "SCHED_CLS/BPF_TCX_EGRESS",
	"SCHED_CLS/BPF_NETKIT_PRIMARY", "SCHED_CLS/BPF_NETKIT_PEER", "SCHED_ACT/", "XDP/", "XDP/BPF_XDP",
	"XDP/BPF_XDP_DEVMAP", "XDP/BPF_XDP_CPUMAP", "SOCK_OPS/BPF_CGROUP_SOCK_OPS", "SK_REUSEPORT/",
	"SK_REUSEPORT/BPF_SK_REUSEPORT_SELECT", "SK_REUSEPORT/BPF_SK_REUSEPORT_SELECT_OR_MIGRATE",
	"FLOW_DISSECTOR/BPF_FLOW_DISSECTOR", "SK_LOOKUP/BPF_SK_LOOKUP", "TRACING/BPF_TRACE_ITER",
}

// entries makes the rows: one per program type and attach type, and one per BTF target that has helpers of its own.
func entries(f *facts) ([]progEntry, error) {
	sets, ofRow := helperSets(f)
	_ = sets
	layouts, err := ctxLayouts(f)
	if err != nil {
		return nil, err
	}
	var out []progEntry
	for i, r := range f.progs.Rows {
		attach := r.AttachID
		if r.ProgType == "BPF_PROG_TYPE_STRUCT_OPS" {
			attach = 0 // a member's index, not an attach type
		}
		e := progEntry{id: r.ProgID, attach: attach, typ: r.ProgType, name: r.Attach, helpers: ofRow[i]}
		base := slices.IndexFunc(out, func(o progEntry) bool { return o.id == e.id && o.attach == e.attach && o.target == "" })
		if base >= 0 {
			if r.Sleepable || out[base].helpers == e.helpers || r.ProgType == "BPF_PROG_TYPE_STRUCT_OPS" {
				continue
			}
			e.target = target(r.AttachBTF)
		}
		if e.ret, err = returns(f, r); err != nil {
			return nil, err
		}
		e.traits = traits(r)
		e.layout = layouts.of(r)
		out = append(out, e)
	}
	ext := progEntry{id: f.progIDs["BPF_PROG_TYPE_EXT"], typ: "BPF_PROG_TYPE_EXT", ret: "Return{Kind: ReturnAny}",
		traits: []string{"NeedsTarget"}, layout: layouts.args}
	out = append(out, ext)
	slices.SortStableFunc(out, func(a, b progEntry) int {
		if a.id != b.id {
			return a.id - b.id
		}
		return a.attach - b.attach
	})
	return out, nil
}

// returns is the Go expression of what r0 must be. Where the type could not be loaded, the documented range holds.
func returns(f *facts, r progRow) (string, error) {
	typ := strings.TrimPrefix(r.ProgType, "BPF_PROG_TYPE_")
	switch typ {
	case "LSM", "STRUCT_OPS":
		return "Return{Kind: ReturnTarget}", nil
	}
	var v any
	if len(r.Range) > 0 {
		if err := json.Unmarshal(r.Range, &v); err != nil {
			return "", err
		}
	} else if v = f.progs.Returns612[typ+"/"+r.Attach]; v == nil {
		v = "any"
	}
	switch v := v.(type) {
	case string:
		if v == "any" {
			return "Return{Kind: ReturnAny}", nil
		}
	case []any:
		if len(v) == 2 {
			return fmt.Sprintf("Return{ReturnRange, %v, %v}", v[0], v[1]), nil
		}
	}
	return "", fmt.Errorf("%s/%s: return range %v", typ, r.Attach, v)
}

// traits are the names of the yes/no facts that hold.
func traits(r progRow) []string {
	key := strings.TrimPrefix(r.ProgType, "BPF_PROG_TYPE_") + "/" + r.Attach
	refused := func(m, why string) bool { return strings.Contains(r.MapRefused[m], why) }
	private := slices.ContainsFunc(privateStack, func(p string) bool {
		return p == key || strings.HasSuffix(p, "/") && strings.HasPrefix(key, p)
	})
	sockMap := slices.Contains(sockMapTypes, key)
	var out []string
	for _, t := range []struct {
		name string
		set  bool
	}{
		{"PacketRead", r.PacketRead},
		{"PacketWrite", r.PacketWrite},
		{"LdAbs", r.LdAbs},
		{"MaySleep", r.MaySleep || !r.Loadable && (r.ProgType == "BPF_PROG_TYPE_LSM" || strings.HasPrefix(key, "TRACING/"))},
		{"MustSleep", r.Loadable && !r.NonSleep},
		{"NeedsGPL", r.NeedsGPL != ""},
		{"NeedsTarget", r.NeedsBTF || r.AttachBTF != ""},
		{"TestRun", r.TestRun != "" && !strings.HasPrefix(r.TestRun, "unsupported")},
		{"PrivateStack", private},
		{"Tracing", refused("array_timer", "tracing progs")},
		{"NoLocks", refused("array_spin", "cannot use bpf_spin_lock")},
		{"SockMapUpdate", sockMap && r.ProgType != "BPF_PROG_TYPE_SOCK_OPS"},
		{"SockMapDelete", sockMap},
		{"Probed", r.Loadable},
	} {
		if t.set {
			out = append(out, t.name)
		}
	}
	return out
}

func emitProgs(f *facts) (string, error) {
	rows, err := entries(f)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("// progs are the rows, by program type and attach type; those of a target follow that which holds for all.\n")
	b.WriteString("var progs = [...]Prog{\n")
	for _, e := range rows {
		fmt.Fprintf(&b, "{%s, %s, %q, %s, %s, &layouts[%d], &helperTables[%d]},\n",
			progConst(e.typ), attachConst(e.name), e.target, e.ret, or(e.traits), e.layout, e.helpers)
	}
	b.WriteString("}\n\n// progIndex finds the rows of a program type.\nvar progIndex = [...]progRows{\n")
	for id, from := 0, 0; from < len(rows); id++ {
		to := from
		for to < len(rows) && rows[to].id == id {
			to++
		}
		if to == from {
			continue
		}
		typ := rows[from].typ
		fmt.Fprintf(&b, "%s: {%d, %d, %s, %s},\n", progConst(typ), from, to, attachSet(f, typ), progSince(f, typ))
		from = to
	}
	b.WriteString("}\n\n// attachSince are the releases in which attach types appeared; those of the types before 4.10 are zero.\n")
	b.WriteString("var attachSince = [...]Version{\n")
	names := keys(f.progs.AttachSince)
	slices.SortFunc(names, func(a, b string) int { return f.attachIDs[a] - f.attachIDs[b] })
	for _, name := range names {
		if _, ok := f.attachIDs[name]; ok {
			fmt.Fprintf(&b, "%s: %s,\n", attachConst(name), version(f.progs.AttachSince[name]))
		}
	}
	b.WriteString("}\n\n// lsmReturns are the LSM hooks that return something else than an int error: nothing, or a bool.\n")
	b.WriteString("var lsmReturns = map[string]lsmReturn{\n")
	for _, h := range f.progs.Sets612.Hook.Hooks {
		switch {
		case slices.Contains(f.progs.Sets612.Bool.IDs, h.Hook):
			fmt.Fprintf(&b, "%q: lsmBool,\n", h.Hook)
		case h.Ret == "void":
			fmt.Fprintf(&b, "%q: lsmVoid,\n", h.Hook)
		}
	}
	b.WriteString("}\n\n// lsmHooks are the LSM hooks as BTF names them, and what is particular about them.\nvar lsmHooks = map[string]LSMTraits{\n")
	s := f.progs.Sets612
	for _, h := range s.Hook.Hooks {
		var t []string
		if slices.Contains(s.Sleepable.IDs, h.Hook) {
			t = append(t, "LSMMaySleep")
		}
		if slices.Contains(s.Disabled.IDs, h.Hook) {
			t = append(t, "LSMDisabled")
		}
		if slices.Contains(s.Untrusted.IDs, h.Hook) {
			t = append(t, "LSMUntrusted")
		}
		if len(t) > 0 {
			fmt.Fprintf(&b, "%q: %s,\n", h.Hook, or(t))
		}
	}
	b.WriteString("}\n\n// dPathTargets are the functions, besides LSM hooks, whose programs may call bpf_d_path.\nvar dPathTargets = map[string]bool{\n")
	for _, id := range s.DPath.IDs {
		fmt.Fprintf(&b, "%q: true,\n", id)
	}
	b.WriteString("}\n")
	return b.String(), nil
}

// attachSet is the set of attach types allowed at load, one bit each.
func attachSet(f *facts, typ string) string {
	var set uint64
	all := false
	for _, r := range f.progs.Rows {
		if r.ProgType != typ {
			continue
		}
		switch {
		case len(r.Attachable) > 58: // every number up to past the last known one was accepted
			all = true
		case len(r.Attachable) > 0:
			for _, id := range r.Attachable {
				set |= 1 << id
			}
		default:
			set |= 1 << r.AttachID
		}
	}
	// Not looked at, or a member's index, or not known.
	if all || typ == "BPF_PROG_TYPE_STRUCT_OPS" || typ == "BPF_PROG_TYPE_LIRC_MODE2" || typ == "BPF_PROG_TYPE_EXT" {
		return "anyAttach"
	}
	return fmt.Sprintf("%#x", set)
}

func progSince(f *facts, typ string) string {
	for _, t := range f.progs.Types {
		if t.ProgType == typ {
			return version(t.Since)
		}
	}
	return "Never"
}

// or joins flags; none are 0.
func or(flags []string) string {
	if len(flags) == 0 {
		return "0"
	}
	return strings.Join(flags, " | ")
}

// keys returns the keys of m in order.
func keys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
