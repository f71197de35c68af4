package main

import (
	"fmt"
	"slices"
	"strings"
)

// A helperSet is the helpers of a row, by id.
type helperSet struct {
	allowed, gpl, sleeps, byTarget idSet
}

// idSet is a set of helper ids.
type idSet [4]uint64

func (s *idSet) add(id int) { s[id>>6] |= 1 << (id & 63) }
func (s idSet) and(o idSet) (r idSet) {
	for i := range r {
		r[i] = s[i] & o[i]
	}
	return r
}
func (s idSet) or(o idSet) (r idSet) {
	for i := range r {
		r[i] = s[i] | o[i]
	}
	return r
}

// helperIDs are the ids by name without "bpf_".
func helperIDs(f *facts) map[string]int {
	m := map[string]int{}
	for _, r := range f.helpers.Rows {
		m[strings.TrimPrefix(r.Name, "bpf_")] = r.ID
	}
	return m
}

// helperSets makes the distinct sets, and for each row of progtypes.json the index of its set. The first is empty.
//
// A type that the probed kernel refused gets what is documented for 6.12, and what every type of the probed
// kernel may call: the base set grew between the two.
func helperSets(f *facts) ([]helperSet, []int) {
	ids := helperIDs(f)
	set := func(names []string) (s idSet) {
		for _, n := range names {
			s.add(ids[n])
		}
		return s
	}
	var base, sleeps idSet
	gplTracing := idSet{}
	first := true
	for _, r := range f.avail.Rows {
		if !r.Loadable {
			continue
		}
		allowed := set(r.Allowed)
		if first {
			base, first = allowed, false
		}
		base = base.and(allowed)
		sleeps = sleeps.or(set(r.Sleeps))
		if r.ProgType == "BPF_PROG_TYPE_TRACING" {
			gplTracing = gplTracing.or(set(r.GPL))
		}
	}
	byTarget := idSet{}
	for _, h := range f.helpers.Rows {
		// A helper that sleeps in sleepable programs only has a prototype of its own for those.
		if !slices.ContainsFunc(h.Variants, func(v variantFacts) bool { return !v.MightSleep }) {
			sleeps.add(h.ID)
		}
		for _, v := range h.Variants {
			if v.GPLOnly {
				gplTracing.add(h.ID)
			}
			// The list of bpf_sk_storage_get concerns tracing programs only.
			if v.AllowedFn != "" {
				byTarget.add(h.ID)
			}
		}
	}
	sets := []helperSet{{}}
	var of []int
	for _, p := range f.progs.Rows {
		var h helperSet
		for _, r := range f.avail.Rows {
			if r.ProgType != p.ProgType || r.Attach != p.Attach || r.AttachBTF != p.AttachBTF || r.Sleepable != p.Sleepable {
				continue
			}
			h.allowed, h.gpl, h.byTarget = set(r.Allowed), set(r.GPL), set(r.Refused)
			h.allowed = h.allowed.or(h.byTarget)
			if !r.Loadable {
				h.allowed = set(r.Src612).or(base)
				h.gpl = gplTracing.and(h.allowed)
				h.byTarget = byTarget.and(h.allowed)
			}
			if p.NeedsGPL != "" { // what else is refused without the license could not be asked
				h.gpl = gplTracing.and(h.allowed)
			}
			h.sleeps = sleeps.and(h.allowed)
		}
		at := slices.Index(sets, h)
		if at < 0 {
			at = len(sets)
			sets = append(sets, h)
		}
		of = append(of, at)
	}
	return sets, of
}

func emitHelpers(f *facts) (string, error) {
	var b strings.Builder
	b.WriteString("// Ids of the helpers.\nconst (\n")
	for _, r := range f.helpers.Rows {
		fmt.Fprintf(&b, "%s = %d\n", helperConst(r.Name), r.ID)
	}
	b.WriteString(")\n\nvar helperNames = [NumHelpers]string{\n0: \"bpf_unspec\",\n")
	for _, r := range f.helpers.Rows {
		fmt.Fprintf(&b, "%d: %q,\n", r.ID, r.Name)
	}
	b.WriteString("}\n\nvar helperSince = [NumHelpers]Version{0: Never,\n")
	for _, r := range f.helpers.Rows {
		fmt.Fprintf(&b, "%d: %s,", r.ID, version(r.Since))
		if r.ID%8 == 0 {
			b.WriteString("\n")
		}
	}
	sets, of := helperSets(f)
	b.WriteString("\n}\n\nvar helperTables = [...]helperTable{\n")
	for i, s := range sets {
		var used []string
		for j, at := range of {
			r := f.progs.Rows[j]
			name := strings.TrimPrefix(r.ProgType, "BPF_PROG_TYPE_") + " " + strings.TrimPrefix(r.Attach, "BPF_")
			if r.AttachBTF != "" {
				name += " " + target(r.AttachBTF)
			}
			if name = strings.ToLower(strings.TrimSpace(name)); at == i && !slices.Contains(used, name) {
				used = append(used, name)
			}
		}
		if len(used) > 4 {
			used = append(used[:4], fmt.Sprintf("and %d more", len(used)-4))
		}
		fmt.Fprintf(&b, "// %s\n%d: {\n", strings.Join(used, ", "), i)
		for _, t := range []struct {
			name string
			set  idSet
		}{{"allowed", s.allowed}, {"gpl", s.gpl}, {"sleeps", s.sleeps}, {"byTarget", s.byTarget}} {
			if t.set != (idSet{}) {
				fmt.Fprintf(&b, "%s: HelperSet{%#x, %#x, %#x, %#x},\n", t.name, t.set[0], t.set[1], t.set[2], t.set[3])
			}
		}
		b.WriteString("},\n")
	}
	b.WriteString("}\n")
	return b.String(), nil
}
