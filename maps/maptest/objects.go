package maptest

import (
	"bytes"
	"encoding/binary"

	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
	"pgregory.net/rapid"
)

// objects is the model of a map of sockets and the like.
type objects struct {
	*fixture
	m  maps.ObjectMap
	in map[string]any
}

// An object has an address, as a socket may.
type object uint32

// Addr is what programs get.
func (o object) Addr() memory.Addr { return memory.Addr(o) }

func (o *objects) actions() map[string]func(*rapid.T) {
	key := func(t *rapid.T) []byte {
		b := make([]byte, o.s.KeySize)
		b[0] = byte(rapid.IntRange(0, int(o.s.MaxEntries)+1).Draw(t, "key"))
		return b
	}
	return map[string]func(*rapid.T){
		"SetObject": func(t *rapid.T) {
			k, v := key(t), object(rapid.Uint32Range(1, 99).Draw(t, "object"))
			flags := rapid.Uint64Range(0, 3).Draw(t, "flags")
			e, old := maps.Errno(0), o.in[string(k)]
			full := len(o.in) == int(o.s.MaxEntries)
			if o.s.Type != maps.SockHash {
				full = uint32(k[0]) >= o.s.MaxEntries
			}
			switch {
			case flags == 3:
				e = maps.EINVAL
			case o.s.Type != maps.SockHash && full:
				e = maps.E2BIG
			case old != nil && flags == maps.NoExist:
				e = maps.EEXIST
			case old == nil && flags == maps.Exist:
				e = maps.ENOENT
			case old == nil && full:
				e = maps.E2BIG
			}
			want(t, "SetObject", o.m.SetObject(k, v, flags), e)
			if e == 0 {
				o.in[string(k)] = v
			}
		},
		"Remove": func(t *rapid.T) {
			k := key(t)
			if err := o.m.Remove(k); (err == nil) != (o.in[string(k)] != nil) && o.s.Type != maps.XSKMap {
				t.Fatalf("Remove: %v", err)
			}
			delete(o.in, string(k))
		},
	}
}

func (o *objects) check(t *rapid.T) {
	keys := 0
	for key, err := o.m.NextKey(nil); err == nil; key, err = o.m.NextKey(key) {
		v := o.in[string(key)]
		if o.m.Object(key) != v {
			t.Fatalf("%x has %v, want %v", key, o.m.Object(key), v)
		}
		if v == nil {
			continue
		}
		keys++
		if o.m.Lookup(0, key) != v.(object).Addr() {
			t.Fatalf("%x has another address", key)
		}
	}
	if keys != len(o.in) {
		t.Fatalf("%d keys, want %d", keys, len(o.in))
	}
}

// programs is the model of a prog array.
type programs struct {
	*fixture
	m  *maps.Programs
	in map[uint32]any
}

func (p *programs) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"SetProgram": func(t *rapid.T) {
			i, v := rapid.Uint32Range(0, p.s.MaxEntries).Draw(t, "index"), rapid.IntRange(0, 9).Draw(t, "program")
			e := maps.Errno(0)
			if i >= p.s.MaxEntries {
				e = maps.E2BIG
			} else {
				p.in[i] = v
			}
			want(t, "SetProgram", p.m.SetProgram(i, v), e)
		},
		"Remove": func(t *rapid.T) {
			i := rapid.Uint32Range(0, p.s.MaxEntries).Draw(t, "index")
			e := maps.Errno(0)
			switch {
			case i >= p.s.MaxEntries:
				e = maps.E2BIG
			case p.in[i] == nil:
				e = maps.ENOENT
			}
			want(t, "Remove", p.m.Remove(binary.NativeEndian.AppendUint32(nil, i)), e)
			delete(p.in, i)
		},
	}
}

func (p *programs) check(t *rapid.T) {
	for i := range p.s.MaxEntries + 2 {
		if got := p.m.Program(i); got != p.in[i] {
			t.Fatalf("program %d is %v, want %v", i, got, p.in[i])
		}
	}
}

// stacks is the model of a stack trace map.
type stacks struct {
	*fixture
	m  *maps.StackMap
	in map[uint32][]byte
}

func (s *stacks) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"Save": func(t *rapid.T) {
			b := bytes.Repeat([]byte{rapid.ByteRange(1, 50).Draw(t, "stack")}, int(s.s.ValueSize))
			flags := rapid.SampledFrom([]uint64{0, maps.ReuseStackID, maps.FastStackCompare}).Draw(t, "flags")
			id, err := s.m.Save(b, flags)
			if err != nil {
				want(t, "Save", err, maps.EEXIST)
				if flags&maps.ReuseStackID != 0 || len(s.in) == 0 {
					t.Fatalf("%v", err)
				}
				return
			}
			if old := s.in[id]; old != nil && !bytes.Equal(old, b) && flags&maps.ReuseStackID == 0 {
				t.Fatalf("%x has taken the place of %x", b, old)
			}
			s.in[id] = b
			if again, err := s.m.Save(b, 0); again != id || err != nil {
				t.Fatalf("the same stack is %d and %d, %v", id, again, err)
			}
		},
		"Remove": func(t *rapid.T) {
			id := rapid.Uint32Range(0, 7).Draw(t, "id")
			e := maps.Errno(0)
			if s.in[id] == nil {
				e = maps.ENOENT
			}
			want(t, "Remove", s.m.Remove(binary.NativeEndian.AppendUint32(nil, id)), e)
			delete(s.in, id)
		},
	}
}

func (s *stacks) check(t *rapid.T) {
	keys := 0
	for key, err := s.m.NextKey(nil); err == nil; key, err = s.m.NextKey(key) {
		keys++
		got, err := maps.GetBytes(s.m, key)
		if w := s.in[binary.NativeEndian.Uint32(key)]; err != nil || !bytes.Equal(got, w) {
			t.Fatalf("stack %x is %x, want %x, %v", key, got, w, err)
		}
	}
	if keys != len(s.in) {
		t.Fatalf("%d keys, want %d", keys, len(s.in))
	}
}
