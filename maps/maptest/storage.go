package maptest

import (
	"bytes"
	"encoding/binary"

	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
	"pgregory.net/rapid"
)

// storage is the model of a local storage map. Owners are numbers.
type storage struct {
	*fixture
	m  *maps.Storage
	in map[int][]byte
}

func (s *storage) actions() map[string]func(*rapid.T) {
	s.m.Resolve = func(key uint32) (any, error) {
		if key == 0 {
			return nil, maps.EBADF
		}
		return int(key), nil
	}
	owner := func(t *rapid.T) int { return rapid.IntRange(1, 5).Draw(t, "owner") }
	value := func(t *rapid.T) []byte {
		return bytes.Repeat([]byte{rapid.Byte().Draw(t, "value")}, int(s.s.ValueSize))
	}
	key := func(o int) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(o)) }
	return map[string]func(*rapid.T){
		"Create": func(t *rapid.T) {
			o, v := owner(t), value(t)
			if rapid.Bool().Draw(t, "zeros") {
				v = nil
			}
			a := s.m.Create(o, v)
			if a == 0 || a != s.m.Find(o) {
				t.Fatalf("created at %#x, found at %#x", a, s.m.Find(o))
			}
			if s.in[o] == nil {
				s.in[o] = make([]byte, s.s.ValueSize)
				copy(s.in[o], v)
			}
		},
		"Drop": func(t *rapid.T) {
			o := owner(t)
			e := maps.Errno(0)
			if s.in[o] == nil {
				e = maps.ENOENT
			}
			want(t, "Drop", s.m.Drop(o), e)
			delete(s.in, o)
		},
		"Put": func(t *rapid.T) {
			o, v, flags := owner(t), value(t), rapid.Uint64Range(0, 3).Draw(t, "flags")
			e := maps.Errno(0)
			switch {
			case flags == 3:
				e = maps.EINVAL
			case flags == maps.NoExist && s.in[o] != nil:
				e = maps.EEXIST
			case flags == maps.Exist && s.in[o] == nil:
				e = maps.ENOENT
			default:
				s.in[o] = v
			}
			want(t, "Put", s.m.Put(key(o), v, flags), e)
		},
		"bad key": func(t *rapid.T) { want(t, "Remove", s.m.Remove(key(0)), maps.EBADF) },
	}
}

func (s *storage) check(t *rapid.T) {
	for o := range 6 {
		a, v := s.m.Find(o), s.in[o]
		if (a != 0) != (v != nil) {
			t.Fatalf("owner %d: %#x", o, a)
		}
		if v == nil {
			continue
		}
		if !bytes.Equal(s.space.Bytes(a, s.s.ValueSize), v) || !s.space.Allows(uint64(a), s.s.ValueSize, memory.Write) {
			t.Fatalf("owner %d has %x, want %x", o, s.space.Bytes(a, s.s.ValueSize), v)
		}
		got, err := maps.GetBytes(s.m, binary.NativeEndian.AppendUint32(nil, uint32(o)))
		if err != nil || !bytes.Equal(got, v) {
			t.Fatalf("owner %d has %x, want %x, %v", o, got, v, err)
		}
	}
}

// cgroups is the model of a control group storage map.
type cgroups struct {
	*fixture
	m  *maps.CgroupLocal
	in map[uint64][][]byte
}

func (c *cgroups) actions() map[string]func(*rapid.T) {
	group := func(t *rapid.T) uint64 { return rapid.Uint64Range(1, 5).Draw(t, "group") }
	return map[string]func(*rapid.T){
		"Attach": func(t *rapid.T) {
			g := group(t)
			want(t, "Attach", c.m.Attach(g, 2), 0)
			if c.in[g] == nil {
				for range cpus {
					c.in[g] = append(c.in[g], make([]byte, c.s.ValueSize))
				}
			}
		},
		"Detach": func(t *rapid.T) {
			g := group(t)
			e := maps.Errno(0)
			if c.in[g] == nil {
				e = maps.ENOENT
			}
			want(t, "Detach", c.m.Detach(g, 2), e)
			delete(c.in, g)
		},
		"write": func(t *rapid.T) {
			g, cpu, x := group(t), rapid.IntRange(0, cpus-1).Draw(t, "CPU"), rapid.Byte().Draw(t, "value")
			a := c.m.Local(cpu, g, 2)
			if a == 0 {
				return
			}
			if !c.s.Type.PerCPU() {
				cpu = 0
			}
			for i, b := range [][]byte{c.space.Bytes(a, c.s.ValueSize), c.in[g][cpu]} {
				_ = i
				for j := range b {
					b[j] = x
				}
			}
		},
		"Put": func(t *rapid.T) {
			key := make([]byte, c.s.KeySize)
			want(t, "Put", c.m.Put(key, make([]byte, c.m.ValueBytes()), maps.NoExist), maps.EINVAL)
			want(t, "Put", c.m.Put(key, make([]byte, c.m.ValueBytes()), 0), maps.ENOENT)
		},
	}
}

func (c *cgroups) check(t *rapid.T) {
	for g := range uint64(6) {
		for cpu := range cpus {
			a := c.m.Local(cpu, g, 2)
			if (a != 0) != (c.in[g] != nil) || c.m.Local(cpu, g, 3) != 0 {
				t.Fatalf("group %d: %#x", g, a)
			}
			n := cpu
			if !c.s.Type.PerCPU() {
				n = 0
			}
			if a != 0 && !bytes.Equal(c.space.Bytes(a, c.s.ValueSize), c.in[g][n]) {
				t.Fatalf("group %d has %x, want %x", g, c.space.Bytes(a, c.s.ValueSize), c.in[g][n])
			}
		}
	}
	keys := 0
	for key, err := c.m.NextKey(nil); err == nil; key, err = c.m.NextKey(key) {
		keys++
		if _, err := maps.GetBytes(c.m, key); err != nil {
			t.Fatalf("%v", err)
		}
	}
	if keys != len(c.in) {
		t.Fatalf("%d keys, want %d", keys, len(c.in))
	}
}

// structOps is the model of a struct_ops map.
type structOps struct {
	*fixture
	in []byte
}

func (s *structOps) actions() map[string]func(*rapid.T) {
	key := make([]byte, 4)
	return map[string]func(*rapid.T){
		"Put": func(t *rapid.T) {
			v := bytes.Repeat([]byte{rapid.Byte().Draw(t, "value")}, int(s.s.ValueSize))
			if s.in != nil {
				want(t, "Put", s.m.Put(key, v, 0), maps.EBUSY)
				return
			}
			want(t, "Put", s.m.Put(key, v, 0), 0)
			s.in = v
		},
		"Remove": func(t *rapid.T) {
			e := maps.Errno(0)
			if s.in == nil {
				e = maps.ENOENT
			}
			want(t, "Remove", s.m.Remove(key), e)
			s.in = nil
		},
	}
}

func (s *structOps) check(t *rapid.T) {
	w := make([]byte, s.s.ValueSize)
	copy(w, s.in)
	if got, err := maps.GetBytes(s.m, make([]byte, 4)); err != nil || !bytes.Equal(got, w) {
		t.Fatalf("%x, %v, want %x", got, err, w)
	}
}

// arena is the model of an arena.
type arena struct {
	*fixture
	m    *maps.ArenaMap
	base memory.Addr
	live []byte // by page: 0 if not live, or else what its first byte is, plus 1
}

func newArena(f *fixture, m *maps.ArenaMap) *arena {
	base, _, _ := m.ValueAddr()
	return &arena{fixture: f, m: m, base: base, live: make([]byte, f.s.MaxEntries)}
}

func (a *arena) actions() map[string]func(*rapid.T) {
	page := func(i int) memory.Addr { return a.base + memory.Addr(i*maps.ArenaPage) }
	return map[string]func(*rapid.T){
		"AllocPages": func(t *rapid.T) {
			n, at := rapid.IntRange(0, 5).Draw(t, "pages"), memory.Addr(0)
			if rapid.Bool().Draw(t, "fixed") {
				at = page(rapid.IntRange(0, len(a.live)).Draw(t, "page"))
			}
			got := a.m.AllocPages(at, uint32(n))
			if got == 0 {
				if at == 0 && n > 0 && bytes.Contains(a.live, make([]byte, n)) {
					t.Fatalf("no room for %d pages in %v", n, a.live)
				}
				return
			}
			if at != 0 && got != at {
				t.Fatalf("%#x instead of %#x", got, at)
			}
			for i := int(got-a.base) / maps.ArenaPage; n > 0; i, n = i+1, n-1 {
				if a.live[i] != 0 {
					t.Fatalf("page %d is live already", i)
				}
				a.live[i] = 1
			}
		},
		"FreePages": func(t *rapid.T) {
			i, n := rapid.IntRange(0, len(a.live)-1).Draw(t, "page"), rapid.IntRange(0, 20).Draw(t, "pages")
			a.m.FreePages(page(i), uint32(n))
			clear(a.live[i:min(i+n, len(a.live))])
		},
		"touch": func(t *rapid.T) {
			i, x := rapid.IntRange(0, len(a.live)-1).Draw(t, "page"), rapid.ByteRange(0, 9).Draw(t, "value")
			b, err := a.m.Bytes(page(i), 1)
			want(t, "Bytes", err, 0)
			b[0], a.live[i] = x, x+1
		},
	}
}

func (a *arena) check(t *rapid.T) {
	for i, x := range a.live {
		at := a.base + memory.Addr(i*maps.ArenaPage)
		if ok := a.space.Allows(uint64(at), maps.ArenaPage, memory.Read|memory.Write); ok != (x != 0) {
			t.Fatalf("page %d is live: %v", i, ok)
		}
		if x != 0 && a.space.Bytes(at, 1)[0] != x-1 {
			t.Fatalf("page %d has %d, want %d", i, a.space.Bytes(at, 1)[0], x-1)
		}
	}
	if _, err := a.m.Bytes(a.base, uint32(len(a.live)*maps.ArenaPage)+1); err == nil {
		t.Fatalf("user space may look past the end")
	}
}
