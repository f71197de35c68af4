package maptest

import (
	"bytes"

	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
	"pgregory.net/rapid"
)

// ring is the model of a ring buffer.
type ring struct {
	*fixture
	m          *maps.RingBuffer
	reader     *maps.RingReader
	records    []*record // not read yet
	prod, cons uint64
	dropped    uint64
}

type record struct {
	addr   memory.Addr // while reserved
	data   []byte
	ended  bool
	hidden bool // discarded
}

func (r *record) size() uint64 { return (uint64(len(r.data)) + 8 + 7) &^ 7 }

func newRing(f *fixture, m *maps.RingBuffer) *ring {
	return &ring{fixture: f, m: m, reader: m.NewReader()}
}

func (r *ring) drawData(t *rapid.T) []byte {
	size := int(r.s.MaxEntries)
	room := size - int(r.prod-r.cons) // about as much as there is room for is most interesting
	n := rapid.OneOf(rapid.IntRange(0, 64), rapid.IntRange(0, size+8), rapid.IntRange(max(0, room-24), max(0, room))).Draw(t, "size")
	b := make([]byte, n)
	x := rapid.Byte().Draw(t, "data")
	for i := range b {
		b[i] = x + byte(i)
	}
	return b
}

func (r *ring) fits(rec *record) bool {
	return rec.size() <= uint64(r.s.MaxEntries) && r.prod+rec.size()-r.cons < uint64(r.s.MaxEntries)
}

func (r *ring) add(rec *record) {
	r.records = append(r.records, rec)
	r.prod += rec.size()
}

// reserved draws a record that is reserved, or nil.
func (r *ring) reserved(t *rapid.T) *record {
	var all []*record
	for _, rec := range r.records {
		if !rec.ended {
			all = append(all, rec)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return rapid.SampledFrom(all).Draw(t, "record")
}

func (r *ring) end(t *rapid.T, hidden bool, do func(memory.Addr, uint64) error) {
	rec := r.reserved(t)
	if rec == nil {
		return
	}
	n := uint32(len(rec.data))
	if !r.space.Allows(uint64(rec.addr), n, memory.Read|memory.Write) || r.space.Allows(uint64(rec.addr)+uint64(n), 1, memory.Read) ||
		r.space.Allows(uint64(rec.addr)-1, 1, memory.Read) {
		t.Fatalf("programs may not touch a reserved record, or what is around it")
	}
	if got, ok := r.m.RecordSize(rec.addr); !ok || got != n || maps.RingOf(r.space, uint64(rec.addr)) != r.m {
		t.Fatalf("a record of %d bytes has %d, %v", n, got, ok)
	}
	copy(r.space.Bytes(rec.addr, n), rec.data)
	want(t, "end", do(rec.addr, rapid.Uint64Range(0, 3).Draw(t, "flags")), 0)
	want(t, "end again", do(rec.addr, 0), maps.EINVAL)
	if r.space.Allows(uint64(rec.addr), 1, memory.Read) {
		t.Fatalf("programs may read a record that is not theirs any more")
	}
	rec.ended, rec.hidden = true, hidden
}

func (r *ring) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"Reserve": func(t *rapid.T) {
			rec := &record{data: r.drawData(t)}
			rec.addr = r.m.Reserve(uint64(len(rec.data)))
			if (rec.addr != 0) != r.fits(rec) {
				t.Fatalf("reserve of %d bytes with %d in use: %#x", len(rec.data), r.prod-r.cons, rec.addr)
			}
			if rec.addr == 0 {
				r.dropped++
				return
			}
			r.add(rec)
		},
		"Output": func(t *rapid.T) {
			rec := &record{data: r.drawData(t), ended: true}
			flags := rapid.Uint64Range(0, 4).Draw(t, "flags")
			err := r.m.Output(rec.data, flags)
			switch {
			case flags == 4:
				want(t, "Output", err, maps.EINVAL)
			case !r.fits(rec):
				want(t, "Output", err, maps.EAGAIN)
				r.dropped++
			default:
				want(t, "Output", err, 0)
				r.add(rec)
			}
		},
		"Submit":  func(t *rapid.T) { r.end(t, false, r.m.Submit) },
		"Discard": func(t *rapid.T) { r.end(t, true, r.m.Discard) },
		"bad address": func(t *rapid.T) {
			a := memory.Addr(rapid.Uint32().Draw(t, "address"))
			if n := len(r.records); n > 0 && r.records[n-1].addr != 0 && rapid.Bool().Draw(t, "near") {
				a = r.records[n-1].addr + memory.Addr(rapid.IntRange(1, 64).Draw(t, "offset"))
			}
			for _, rec := range r.records {
				if rec.addr == a && !rec.ended {
					return
				}
			}
			want(t, "Submit", r.m.Submit(a, 0), maps.EINVAL)
			if maps.RingOf(r.space, uint64(a)) != nil {
				t.Fatalf("%#x is a record", a)
			}
		},
		"read": func(t *rapid.T) {
			for len(r.records) > 0 && r.records[0].hidden {
				r.cons += r.records[0].size()
				r.records = r.records[1:]
			}
			var got maps.RingRecord
			ok := r.reader.TryRead(&got)
			if ok != (len(r.records) > 0 && r.records[0].ended) {
				t.Fatalf("read a record: %v", ok)
			}
			if !ok {
				return
			}
			if !bytes.Equal(got.RawSample, r.records[0].data) {
				t.Fatalf("read %x, want %x", got.RawSample, r.records[0].data)
			}
			r.cons += r.records[0].size()
			r.records = r.records[1:]
			if got.Remaining != int(r.prod-r.cons) {
				t.Fatalf("%d bytes remain, want %d", got.Remaining, r.prod-r.cons)
			}
		},
	}
}

func (r *ring) check(t *rapid.T) {
	for what, n := range map[uint64]uint64{maps.RingAvailable: r.prod - r.cons, maps.RingSize: uint64(r.s.MaxEntries),
		maps.RingConsumerPos: r.cons, maps.RingProducerPos: r.prod, 99: 0} {
		if got := r.m.Query(what); got != n {
			t.Fatalf("query %d is %d, want %d", what, got, n)
		}
	}
	if r.m.Dropped() != r.dropped {
		t.Fatalf("%d dropped, want %d", r.m.Dropped(), r.dropped)
	}
}

// userRing is the model of a ring buffer from user space to programs.
type userRing struct {
	*fixture
	m    *maps.UserRingBuffer
	in   [][]byte
	used uint64
}

func (u *userRing) actions() map[string]func(*rapid.T) {
	size := func(b []byte) uint64 { return (uint64(len(b)) + 8 + 7) &^ 7 }
	return map[string]func(*rapid.T){
		"Write": func(t *rapid.T) {
			b := (&ring{fixture: u.fixture, prod: u.used}).drawData(t)
			err := u.m.Write(b)
			switch {
			case size(b) > uint64(u.s.MaxEntries):
				want(t, "Write", err, maps.E2BIG)
			case u.used+size(b) > uint64(u.s.MaxEntries):
				want(t, "Write", err, maps.ENOSPC)
			default:
				want(t, "Write", err, 0)
				u.in, u.used = append(u.in, b), u.used+size(b)
			}
		},
		"Drain": func(t *rapid.T) {
			most := rapid.IntRange(1, 5).Draw(t, "most")
			calls := 0
			n, err := u.m.Drain(0, func(a memory.Addr, n uint32) bool {
				if calls == len(u.in) || !bytes.Equal(u.space.Bytes(a, n), u.in[calls]) {
					t.Fatalf("sample %d is %x", calls, u.space.Bytes(a, n))
				}
				if !u.space.Allows(uint64(a), n, memory.Read) {
					t.Fatalf("the program may not read the sample")
				}
				if _, err := u.m.Drain(0, nil); maps.ErrnoOf(err) != maps.EBUSY {
					t.Fatalf("two drain at once: %v", err)
				}
				calls++
				return calls < most
			})
			want(t, "Drain", err, 0)
			if n != calls || n != min(most, len(u.in)) {
				t.Fatalf("drained %d of %d with %d calls", n, len(u.in), calls)
			}
			for _, b := range u.in[:n] {
				u.used -= size(b)
			}
			u.in = u.in[n:]
		},
		"flags": func(t *rapid.T) {
			_, err := u.m.Drain(4, nil)
			want(t, "Drain", err, maps.EINVAL)
		},
	}
}

func (u *userRing) check(t *rapid.T) {}
