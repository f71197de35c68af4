package maptest

import (
	"bytes"
	"slices"

	"github.com/skepbpf/skep/maps"
	"pgregory.net/rapid"
)

// queue is the model of a queue or a stack.
type queue struct {
	*fixture
	m  *maps.QueueMap
	in [][]byte // oldest first
}

func (q *queue) draw(t *rapid.T) []byte {
	n := int(q.s.ValueSize)
	return rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "value")
}

// first is the index of the element that comes next.
func (q *queue) first() int {
	if q.s.Type == maps.Stack {
		return len(q.in) - 1
	}
	return 0
}

func (q *queue) actions() map[string]func(*rapid.T) {
	push := func(do func([]byte, uint64) error) func(*rapid.T) {
		return func(t *rapid.T) {
			v, flags := q.draw(t), rapid.SampledFrom(someFlags).Draw(t, "flags")
			err := do(v, flags)
			switch {
			case flags != maps.Any && flags != maps.Exist:
				want(t, "push", err, maps.EINVAL)
				return
			case len(q.in) == int(q.s.MaxEntries) && flags == maps.Any:
				want(t, "push", err, maps.E2BIG)
				return
			case len(q.in) == int(q.s.MaxEntries):
				q.in = q.in[1:]
			}
			want(t, "push", err, 0)
			q.in = append(q.in, v)
		}
	}
	pop := func(remove bool, do func([]byte) error) func(*rapid.T) {
		return func(t *rapid.T) {
			v := make([]byte, q.s.ValueSize)
			err := do(v)
			if len(q.in) == 0 {
				want(t, "pop", err, maps.ENOENT)
				return
			}
			want(t, "pop", err, 0)
			if !bytes.Equal(v, q.in[q.first()]) {
				t.Fatalf("got %x, want %x", v, q.in[q.first()])
			}
			if remove {
				q.in = slices.Delete(q.in, q.first(), q.first()+1)
			}
		}
	}
	return map[string]func(*rapid.T){
		"Push": push(q.m.Push),
		"Put":  push(func(v []byte, flags uint64) error { return q.m.Put(nil, v, flags) }),
		"Pop":  pop(true, q.m.Pop),
		"Take": pop(true, func(v []byte) error { return q.m.Take(nil, v) }),
		"Peek": pop(false, q.m.Peek),
		"Get":  pop(false, func(v []byte) error { return q.m.Get(nil, v, 0) }),
	}
}

func (q *queue) check(t *rapid.T) {
	if q.m.Len() != len(q.in) {
		t.Fatalf("Len is %d, want %d", q.m.Len(), len(q.in))
	}
}

// bloom is the model of a bloom filter: it knows what must be found.
type bloom struct {
	*fixture
	m  *maps.Bloom
	in map[string]bool
}

func (b *bloom) actions() map[string]func(*rapid.T) {
	add := func(do func([]byte, uint64) error) func(*rapid.T) {
		return func(t *rapid.T) {
			n := int(b.s.ValueSize)
			v := rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "value")
			flags := rapid.SampledFrom(someFlags).Draw(t, "flags")
			err := do(v, flags)
			if flags != maps.Any {
				want(t, "push", err, maps.EINVAL)
				return
			}
			want(t, "push", err, 0)
			b.in[string(v)] = true
		}
	}
	return map[string]func(*rapid.T){
		"Push": add(b.m.Push),
		"Put":  add(func(v []byte, flags uint64) error { return b.m.Put(nil, v, flags) }),
		"Pop":  func(t *rapid.T) { want(t, "pop", b.m.Pop(make([]byte, b.s.ValueSize)), maps.EOPNOTSUPP) },
	}
}

func (b *bloom) check(t *rapid.T) {
	for v := range b.in {
		want(t, "Peek", b.m.Peek([]byte(v)), 0)
		want(t, "Get", b.m.Get(nil, []byte(v), 0), 0)
	}
	if len(b.in) > int(b.s.MaxEntries)/2 {
		return
	}
	// Hardly any of many others seem to be in.
	wrong := 0
	v := make([]byte, b.s.ValueSize)
	for i := range 256 {
		v[0], v[len(v)-1] = byte(i), 0xa5
		if !b.in[string(v)] && b.m.Peek(v) == nil {
			wrong++
		}
	}
	if wrong > 128 {
		t.Fatalf("%d of 256 values seem to be in a set of %d", wrong, len(b.in))
	}
}
