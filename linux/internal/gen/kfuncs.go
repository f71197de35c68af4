package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

type kfuncFacts struct {
	Rows []kfuncRow
}

type kfuncRow struct {
	Name  string
	Since string
	Live  *struct {
		Types     []string `json:"allowed_prog_types"`
		Sleepable bool     `json:"needs_sleepable"`
	} `json:"live_6_18"`
	Src612 *struct {
		Flags []string
	} `json:"src_6_12"`
	Docs *struct {
		Flags []string
		Types []struct{ Type string } `json:"prog_types"`
	}
	Role []string
}

// emitKfuncs emits the kernel functions. Who may call them was asked of the kernel, where it has them; their flags are
// documented, those of 6.12 before those of other releases. What is known beside that is in kfuncNotes.
func emitKfuncs(f *facts) (string, error) {
	var b strings.Builder
	b.WriteString("// kfuncs are the kernel functions, by name.\nvar kfuncs = [...]Kfunc{\n")
	rows := f.kfuncs.Rows
	slices.SortFunc(rows, func(a, b kfuncRow) int { return strings.Compare(a.Name, b.Name) })
	for name := range kfuncNotes {
		if !slices.ContainsFunc(rows, func(r kfuncRow) bool { return r.Name == name }) {
			return "", fmt.Errorf("%s is noted, but no kernel function", name)
		}
	}
	for _, r := range rows {
		var names, types []string
		switch {
		case r.Src612 != nil:
			names = r.Src612.Flags
		case r.Docs != nil:
			names = r.Docs.Flags
		}
		var flags []string
		for _, n := range names {
			name := kfuncFlags[n]
			if name == "" {
				return "", fmt.Errorf("%s: flag %s", r.Name, n)
			}
			flags = append(flags, name)
		}
		for _, role := range r.Role {
			if name := kfuncFlags["KF_"+strings.ToUpper(role)]; name != "" && !slices.Contains(flags, name) {
				flags = append(flags, name)
			}
		}
		if r.Live != nil {
			types = r.Live.Types
			if r.Live.Sleepable && !slices.Contains(flags, "KfuncSleepable") {
				flags = append(flags, "KfuncSleepable")
			}
		} else if r.Docs != nil {
			for _, t := range r.Docs.Types {
				types = append(types, t.Type)
			}
		}
		note := kfuncNotes[r.Name]
		for _, name := range strings.Fields(note.flags) {
			if slices.Contains(flags, name) {
				return "", fmt.Errorf("%s: the facts have %s by now, it need not be noted", r.Name, name)
			}
			flags = append(flags, name)
		}
		if r.Live != nil {
			flags = append(flags, "KfuncProbed")
		}
		var set uint64
		for _, t := range types {
			if t == "UNSPEC" { // documented for all
				set = 1<<64 - 1
				continue
			}
			id, ok := f.progIDs["BPF_PROG_TYPE_"+strings.TrimPrefix(t, "BPF_PROG_TYPE_")]
			if !ok {
				return "", fmt.Errorf("%s: program type %s", r.Name, t)
			}
			set |= 1 << id
		}
		fmt.Fprintf(&b, "{%q, %s, %s, %#x, %s},\n", r.Name, version(r.Since), or(flags), set, cmp.Or(note.attach, "0"))
	}
	return b.String() + "}\n", nil
}

var kfuncFlags = map[string]string{
	"KF_ACQUIRE": "KfuncAcquire", "KF_RELEASE": "KfuncRelease", "KF_RET_NULL": "KfuncRetNull",
	"KF_TRUSTED_ARGS": "KfuncTrustedArgs", "KF_SLEEPABLE": "KfuncSleepable", "KF_DESTRUCTIVE": "KfuncDestructive",
	"KF_RCU": "KfuncRCU", "KF_RCU_PROTECTED": "KfuncRCUProtected", "KF_FASTCALL": "KfuncFastCall",
	"KF_ITER_NEW": "KfuncIterNew", "KF_ITER_NEXT": "KfuncIterNext", "KF_ITER_DESTROY": "KfuncIterDestroy",
	"KF_ARENA_RET": "KfuncArenaRet", "KF_ARENA_ARG2": "KfuncArenaArg2", "KF_IMPLICIT_ARGS": "KfuncImplicitArgs",
}
