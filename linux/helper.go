package linux

// NumHelpers is one more than the highest helper id.
const NumHelpers = 212

// HelperName returns the name of a helper ("bpf_map_lookup_elem"), "" if there is none with that id. Id 0 is one that
// no program may call, with the name "bpf_unspec".
func HelperName(id int32) string {
	if id < 0 || int(id) >= len(helperNames) {
		return ""
	}
	return helperNames[id]
}

// HelperID returns the id of a helper by name, with or without "bpf_"; 0 if there is none.
func HelperID(name string) int32 {
	if len(name) < 4 || name[:4] != "bpf_" {
		name = "bpf_" + name
	}
	return helperIDs[name]
}

var helperIDs = func() map[string]int32 {
	m := make(map[string]int32, len(helperNames))
	for id, name := range helperNames {
		if id > 0 {
			m[name] = int32(id)
		}
	}
	return m
}()

// HelperSince returns the release in which a helper appeared.
func HelperSince(id int32) Version {
	if id <= 0 || int(id) >= len(helperSince) {
		return Never
	}
	return helperSince[id]
}

// A HelperSet is a set of helper ids.
type HelperSet [(NumHelpers + 63) / 64]uint64

// Has reports whether id is in the set.
func (s *HelperSet) Has(id int32) bool {
	return id > 0 && id < NumHelpers && s[id>>6]>>(id&63)&1 != 0
}

// Add puts id into the set.
func (s *HelperSet) Add(id int32) {
	if id > 0 && id < NumHelpers {
		s[id>>6] |= 1 << (id & 63)
	}
}

// A HelperUse says whether, and on which conditions, a program may call a helper.
type HelperUse uint8

const (
	// HelperAllowed: programs of the type may call it. Without it the other bits are not set.
	HelperAllowed HelperUse = 1 << iota
	// HelperGPL: only if the license is compatible with the GPL.
	HelperGPL
	// HelperSleeps: only where sleeping is allowed.
	HelperSleeps
	// HelperByTarget: only if the attach target is on the helper's own list ("helper call is not allowed in probe").
	// On the rows that were probed no target was.
	HelperByTarget
)

// A helperTable is the sets of helpers of a program type.
type helperTable struct {
	allowed, gpl, sleeps, byTarget HelperSet
}

// Helper says whether, and on which conditions, the program may call a helper.
func (p *Prog) Helper(k *Kernel, id int32) HelperUse {
	t := p.helpers
	if HelperSince(id) > k.Version || !t.allowed.Has(id) && !k.Config.Extra.Has(id) {
		return 0
	}
	if id == HelperProbeWriteUser && !(tracing|types(ProgTypeSyscall)).has(p.Type) || k.Version != Default.Version && p.without(k.Version, id) {
		return 0
	}
	use := HelperAllowed
	if p.Type == ProgTypeLSM && lsmByHook.Has(id) {
		use |= HelperByTarget
	}
	if t.gpl.Has(id) {
		use |= HelperGPL
	}
	if t.sleeps.Has(id) {
		use |= HelperSleeps
	}
	if t.byTarget.Has(id) {
		use |= HelperByTarget
	}
	return use
}

// HelperAllowed says whether, and on which conditions, a program of these types may call a helper. [Prog.Helper]
// answers the same without looking up the types each time. HelperSleeps is left out for sleepable programs.
func (k *Kernel) HelperAllowed(pt ProgType, at AttachType, sleepable bool, id int32) HelperUse {
	p := k.Prog(pt, at, "")
	if p == nil {
		return 0
	}
	use := p.Helper(k, id)
	if sleepable {
		use &^= HelperSleeps
	}
	return use
}
