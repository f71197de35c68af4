package maps

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// sharedFile reads a file of facts about Linux, which live outside of this module.
func sharedFile(t *testing.T, name string) []byte {
	t.Helper()
	dir := os.Getenv("SKEP_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared")
	}
	b, err := os.ReadFile(filepath.Join(dir, "facts", name))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("no facts to compare with: %v; set SKEP_SHARED", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type factSizes struct {
	Accepted []uint32
	Rejected map[string][]uint32
}

type factRow struct {
	ID    Type
	Since *string
	Base  struct {
		Flags      uint32 `json:"flags"`
		KeySize    uint32 `json:"key_size"`
		ValueSize  uint32 `json:"value_size"`
		MaxEntries uint32 `json:"max_entries"`
		Extra      uint64 `json:"map_extra"`
		WithBTF    bool   `json:"with_btf"`
	} `json:"base_request"`
	Result     string            `json:"base_result"`
	Key        factSizes         `json:"key_size"`
	Value      factSizes         `json:"value_size"`
	Entries    factSizes         `json:"max_entries"`
	Flags      []string          `json:"flags_accepted"`
	FlagsNot   map[string]string `json:"flags_rejected"`
	Extra1     string            `json:"map_extra_1"`
	Extra16    string            `json:"map_extra_16"`
	NameOK     string            `json:"name_ok"`
	NameDash   string            `json:"name_with_dash"`
	Inner      string            `json:"usable_as_inner_map_template"`
	Operations map[string]string `json:"syscall_ops_on_fresh_map"`
}

var flagBits = map[string]uint32{"BPF_F_NO_PREALLOC": NoPrealloc, "BPF_F_NO_COMMON_LRU": NoCommonLRU,
	"BPF_F_NUMA_NODE": NUMANode, "BPF_F_RDONLY": ReadOnlyUser, "BPF_F_WRONLY": WriteOnlyUser,
	"BPF_F_STACK_BUILD_ID": StackBuildID, "BPF_F_ZERO_SEED": ZeroSeed, "BPF_F_RDONLY_PROG": ReadOnlyProg,
	"BPF_F_WRONLY_PROG": WriteOnlyProg, "BPF_F_CLONE": Clone, "BPF_F_MMAPABLE": Mmapable,
	"BPF_F_PRESERVE_ELEMS": PreserveElems, "BPF_F_INNER_MAP": InnerMap, "BPF_F_LINK": 1 << 13,
	"BPF_F_PATH_FD": 1 << 14, "BPF_F_VTYPE_BTF_OBJ_FD": 1 << 15, "BPF_F_TOKEN_FD": 1 << 16,
	"BPF_F_SEGV_ON_FAULT": SegvOnFault, "BPF_F_NO_USER_CONV": NoUserConv, "BPF_F_RB_OVERWRITE": 1 << 19}

func flagBit(name string) uint32 {
	if n, ok := strings.CutPrefix(name, "bit"); ok {
		i, _ := strconv.Atoi(n)
		return 1 << i
	}
	return flagBits[name]
}

// errnoName is an Errno as the facts spell it. ENOTSUP is how Python has EOPNOTSUPP.
func errnoName(err error) string {
	e := ErrnoOf(err)
	for _, x := range []struct {
		e    Errno
		name string
	}{{0, "OK"}, {ENOENT, "ENOENT"}, {E2BIG, "E2BIG"}, {EBADF, "EBADF"}, {ENOMEM, "ENOMEM"}, {EINVAL, "EINVAL"},
		{EEXIST, "EEXIST"}, {ENOSPC, "ENOSPC"}, {ENOTSOCK, "ENOTSOCK"}, {EOPNOTSUPP, "ENOTSUP"}, {ENOTSUPP, "ENOTSUPP"}} {
		if x.e == e {
			return x.name
		}
	}
	return e.Error()
}

// TestFacts compares what can be created, and what a new map answers to user space, with what Linux 6.18 did.
func TestFacts(t *testing.T) {
	var facts struct{ Rows []factRow }
	if err := json.Unmarshal(sharedFile(t, "maptypes.json"), &facts); err != nil {
		t.Fatal(err)
	}
	space := newSpace(t)
	compared := 0
	for _, row := range facts.Rows {
		if row.ID == StructOps || row.Since == nil {
			continue // needs BTF; is no type
		}
		base := Spec{Type: row.ID, KeySize: row.Base.KeySize, ValueSize: row.Base.ValueSize, MaxEntries: row.Base.MaxEntries,
			Flags: row.Base.Flags, Extra: row.Base.Extra}
		if row.ID == ArrayOfMaps || row.ID == HashOfMaps {
			base.Inner = &Spec{Type: Array, KeySize: 4, ValueSize: 4, MaxEntries: 1}
		}
		try := func(what, want string, change func(*Spec)) {
			s := base
			change(&s)
			_, err := check(&s, 2)
			if got := errnoName(err); got != want {
				t.Errorf("%v with %s: %s, and Linux says %s", row.ID, what, got, want)
			}
			compared++
		}
		try("nothing else", row.Result, func(*Spec) {})
		for _, x := range []struct {
			what  string
			sizes factSizes
			set   func(*Spec, uint32)
		}{
			{"key size", row.Key, func(s *Spec, n uint32) { s.KeySize = n }},
			{"value size", row.Value, func(s *Spec, n uint32) { s.ValueSize = n }},
			{"max_entries", row.Entries, func(s *Spec, n uint32) { s.MaxEntries = n }},
		} {
			x.sizes.Rejected["OK"] = x.sizes.Accepted
			for want, sizes := range x.sizes.Rejected {
				if want == "ENOMEM" || row.Base.WithBTF && x.what == "value size" && want == "EINVAL" {
					continue // BTF has another size
				}
				for _, n := range sizes {
					try(x.what+" "+strconv.Itoa(int(n)), want, func(s *Spec) { x.set(s, n) })
				}
			}
		}
		for _, name := range row.Flags {
			try(name, "OK", func(s *Spec) { s.Flags |= flagBit(name) })
		}
		for name, want := range row.FlagsNot {
			try(name, want, func(s *Spec) { s.Flags |= flagBit(name) })
		}
		try("map_extra 1", row.Extra1, func(s *Spec) { s.Extra = 1 })
		try("map_extra 16", row.Extra16, func(s *Spec) { s.Extra = 16 })
		try("name with -", row.NameDash, func(s *Spec) { s.Name = "a-b" })
		if row.Result != "OK" {
			continue
		}
		if row.Inner != "" {
			s := Spec{Type: ArrayOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 1, Inner: &base}
			if got := errnoName(checkTemplate(&s, 2)); got != row.Inner {
				t.Errorf("%v as a template: %s, and Linux says %s", row.ID, got, row.Inner)
			}
		}
		b := row.ID.Batch()
		for op, has := range map[string]bool{"lookup_batch": b.Lookup, "update_batch": b.Update, "delete_batch": b.Delete,
			"lookup_and_delete_batch": b.LookupAndDelete} {
			if has != (row.Operations[op] != "ENOTSUPP") {
				t.Errorf("%v: %s: %v, and Linux says %s", row.ID, op, has, row.Operations[op])
			}
			compared++
		}
		m, err := New(space, &base, 2)
		if err != nil {
			t.Errorf("%v: %v", row.ID, err)
			continue
		}
		compared += compareOperations(t, m, row.Operations)
		m.Close()
	}
	t.Logf("%d answers compared", compared)
}

// compareOperations does the operations in the order in which the facts were gathered.
func compareOperations(t *testing.T, m Map, want map[string]string) (compared int) {
	s := m.Spec()
	key, value := make([]byte, s.KeySize), make([]byte, m.ValueBytes())
	for _, op := range []struct {
		name string
		do   func() error
	}{
		{"get_next_key", func() error { _, err := m.NextKey(nil); return err }},
		{"lookup", func() error { return m.Get(key, value, 0) }},
		{"update", func() error {
			v := value
			if s.Type == DevMap || s.Type == CPUMap {
				clear(v)
			}
			return m.Put(key, v, Any)
		}},
		{"delete", func() error { return m.Remove(key) }},
		{"lookup_and_delete", func() error { return m.Take(key, value) }},
		{"freeze", m.Freeze},
	} {
		w, ok := want[op.name]
		if !ok || op.name == "lookup_and_delete" && (s.Type == Queue || s.Type == Stack) {
			continue
		}
		// Descriptors 0 to 2 are files there.
		if s.Type == InodeStorage || (s.Type == ArrayOfMaps || s.Type == HashOfMaps || s.Type == ProgArray) && op.name == "update" {
			continue
		}
		if got := errnoName(op.do()); got != w {
			t.Errorf("%v: %s: %s, and Linux says %s", s.Type, op.name, got, w)
		}
		compared++
	}
	return compared
}
