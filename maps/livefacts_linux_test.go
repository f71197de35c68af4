package maps

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cilium/ebpf/btf"
)

// mapTypes are the types of a map's keys and values, loaded into the kernel.
type mapTypes struct {
	handle     *btf.Handle
	key, value btf.TypeID
}

// loadedTypes are those that were loaded, by the size of the value.
var loadedTypes = map[uint32]*mapTypes{}

// typesOf gives types for keys that are ints and values of n bytes; of none, for values of no type.
func typesOf(t *testing.T, n uint32) *mapTypes {
	if m := loadedTypes[n]; m != nil {
		return m
	}
	number := &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	value := btf.Type(number)
	if n > 0 {
		value = &btf.Struct{Name: "value", Size: n, Members: []btf.Member{{Name: "bytes",
			Type: &btf.Array{Index: number, Type: &btf.Int{Name: "char", Size: 1}, Nelems: n}}}}
	}
	b, err := btf.NewBuilder([]btf.Type{number, value}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m := &mapTypes{}
	if m.key, err = b.Add(number); err != nil {
		t.Fatal(err)
	}
	if n > 0 {
		if m.value, err = b.Add(value); err != nil {
			t.Fatal(err)
		}
	}
	if m.handle, err = btf.NewHandle(b); err != nil {
		t.Fatal(err)
	}
	loadedTypes[n] = m
	return m
}

// TestLiveCreation creates maps here and on the running kernel: of every type, with sizes and flags that are sampled, one by one
// and many at once. What the kernel answers we must answer.
func TestLiveCreation(t *testing.T) {
	needKernel(t)
	var facts struct{ Rows []factRow }
	if err := json.Unmarshal(sharedFile(t, "maptypes.json"), &facts); err != nil {
		t.Fatal(err)
	}
	cpus := possibleCPUs(t)
	compared := map[Type]int{}
	for _, row := range facts.Rows {
		if row.ID == StructOps || row.Since == nil {
			continue // its values are the kernel's own, by its BTF
		}
		base := Spec{Type: row.ID, KeySize: row.Base.KeySize, ValueSize: row.Base.ValueSize, MaxEntries: row.Base.MaxEntries,
			Flags: row.Base.Flags, Extra: row.Base.Extra}
		nested := row.ID == ArrayOfMaps || row.ID == HashOfMaps
		var inner *kernelMap
		if nested {
			base.Inner = &Spec{Type: Array, KeySize: 4, ValueSize: 4, MaxEntries: 1}
			var e Errno
			if inner, e = kernelCreate(base.Inner, nil, cpus); e != 0 {
				t.Fatal(e)
			}
			defer inner.close()
		}
		// Descriptors are what the kernel is given instead of these.
		const descriptors = 1<<14 | 1<<15 | 1<<16
		try := func(s Spec) {
			const most = 8 << 20 // bytes: a map that the kernel has no memory for says nothing
			if s.Flags&descriptors != 0 || (uint64(s.KeySize)+uint64(s.ValueSize))*uint64(s.MaxEntries)*uint64(cpus) > most {
				return
			}
			var types *mapTypes
			if row.Base.WithBTF {
				types = typesOf(t, s.ValueSize)
			}
			m, e := kernelCreateTyped(&s, inner, cpus, types)
			if m != nil {
				m.close()
			}
			if e == ENOMEM {
				return
			}
			_, err := check(&s, cpus)
			if got := ErrnoOf(err); got != e {
				t.Errorf("%v key=%d value=%d entries=%d flags=%#x extra=%d: %v, and the kernel says %v", s.Type, s.KeySize, s.ValueSize, s.MaxEntries,
					s.Flags, s.Extra, got, e)
			}
			compared[s.Type]++
		}
		sizes := func(f factSizes) []uint32 {
			out := slices.Clone(f.Accepted)
			for _, r := range f.Rejected {
				out = append(out, r...)
			}
			slices.Sort(out)
			return append(out, base.KeySize)
		}
		keys, values, entries := sizes(row.Key), sizes(row.Value), sizes(row.Entries)
		flags := []uint32{0, 0, 0}
		for i := range 22 {
			flags = append(flags, 1<<i)
		}
		for _, n := range keys {
			s := base
			s.KeySize = n
			try(s)
		}
		for _, n := range values {
			s := base
			s.ValueSize = n
			try(s)
		}
		for _, n := range entries {
			s := base
			s.MaxEntries = n
			try(s)
		}
		for _, f := range flags {
			s := base
			s.Flags |= f
			try(s)
		}
		r := rand.New(rand.NewPCG(uint64(row.ID), 1))
		pick := func(from []uint32, usual uint32) uint32 {
			if r.IntN(2) == 0 {
				return usual
			}
			return from[r.IntN(len(from))]
		}
		for range 400 {
			s := base
			s.KeySize, s.ValueSize, s.MaxEntries = pick(keys, base.KeySize), pick(values, base.ValueSize), pick(entries, base.MaxEntries)
			s.Flags = base.Flags | flags[r.IntN(len(flags))] | flags[r.IntN(len(flags))]
			s.Extra = []uint64{base.Extra, base.Extra, 1, 16, 1 << 32}[r.IntN(5)]
			try(s)
		}
	}
	t.Log("compared: ", fmt.Sprint(compared))
}
