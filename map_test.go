package skep_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/maps"
)

// open makes a collection of a program as text.
func open(t testing.TB, text string, opts *skep.Options) *skep.Collection {
	t.Helper()
	c, err := skep.OpenCollection(strings.NewReader(text), opts)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// mapsText is a program that names maps of several types.
const mapsText = `
prog socket_filter
map hash hash key=4 value=8 entries=4
map array array key=4 value=8 entries=3
map percpu percpu_array key=4 value=4 entries=2
map ring ringbuf entries=4096
map events perf_event_array key=4 value=4 entries=4
	r1 = hash ll
	r1 = array ll
	r1 = percpu ll
	r1 = ring ll
	r1 = events ll
	r0 = 0
	exit
`

func TestMapErrors(t *testing.T) {
	m := open(t, mapsText, nil).Maps["hash"]
	require.Equal(t, ebpf.Hash, m.Type())
	require.Equal(t, "Hash(hash)", m.String())

	var v uint64
	err := m.Lookup(uint32(1), &v)
	require.ErrorIs(t, err, ebpf.ErrKeyNotExist)
	require.ErrorIs(t, err, maps.ENOENT)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.EqualError(t, err, "lookup: key does not exist")
	require.ErrorIs(t, m.Delete(uint32(1)), ebpf.ErrKeyNotExist)
	require.ErrorIs(t, m.Update(uint32(1), uint64(7), ebpf.UpdateExist), ebpf.ErrKeyNotExist)
	require.NoError(t, m.Update(uint32(1), uint64(7), ebpf.UpdateNoExist))
	require.ErrorIs(t, m.Update(uint32(1), uint64(7), ebpf.UpdateNoExist), ebpf.ErrKeyExist)
	require.NoError(t, m.Lookup(uint32(1), &v))
	require.EqualValues(t, 7, v)
	require.ErrorContains(t, m.Put(uint32(1), uint32(7)), "uint32 doesn't marshal to 8 bytes")
	require.ErrorContains(t, m.Put(nil, uint64(7)), "nil")

	for k := range uint32(3) {
		require.NoError(t, m.Put(k+2, uint64(k)))
	}
	require.ErrorIs(t, m.Put(uint32(9), uint64(9)), maps.E2BIG)

	b, err := m.LookupBytes(uint32(1))
	require.NoError(t, err)
	require.Equal(t, []byte{7, 0, 0, 0, 0, 0, 0, 0}, b)
	b, err = m.LookupBytes(uint32(77))
	require.NoError(t, err)
	require.Nil(t, b)
	require.NoError(t, m.LookupAndDelete(uint32(1), &v))
	require.ErrorIs(t, m.Lookup(uint32(1), &v), ebpf.ErrKeyNotExist)

	require.NoError(t, m.Freeze())
	require.ErrorIs(t, m.Put(uint32(1), uint64(1)), maps.EPERM)
	require.NoError(t, m.Close())
	require.NoError(t, m.Close(), "closing twice")
	require.ErrorIs(t, m.Lookup(uint32(1), &v), skep.ErrClosed)
}

func TestMapIterate(t *testing.T) {
	c := open(t, mapsText, nil)
	m := c.Maps["hash"]
	want := map[uint32]uint64{1: 10, 2: 20, 3: 30}
	for k, v := range want {
		require.NoError(t, m.Put(k, v))
	}
	got := map[uint32]uint64{}
	var k uint32
	var v uint64
	it := m.Iterate()
	for it.Next(&k, &v) {
		got[k] = v
	}
	require.NoError(t, it.Err())
	require.Equal(t, want, got)

	// Deleting while iterating.
	it = m.Iterate()
	for it.Next(&k, &v) {
		require.NoError(t, m.Delete(k))
	}
	require.NoError(t, it.Err())
	require.ErrorIs(t, m.NextKey(nil, &k), ebpf.ErrKeyNotExist)
	b, err := m.NextKeyBytes(nil)
	require.NoError(t, err)
	require.Nil(t, b)

	n := 0
	for it = c.Maps["array"].Iterate(); it.Next(&k, &v); n++ {
	}
	require.NoError(t, it.Err())
	require.Equal(t, 3, n)
}

func TestPerCPU(t *testing.T) {
	m := open(t, mapsText, &skep.Options{CPUs: 3}).Maps["percpu"]
	require.Equal(t, 3, m.CPUs())
	require.NoError(t, m.Put(uint32(1), []uint32{1, 2, 3}))
	var got []uint32
	require.NoError(t, m.Lookup(uint32(1), &got))
	require.Equal(t, []uint32{1, 2, 3}, got)
	fixed := make([]uint32, 3)
	require.NoError(t, m.Lookup(uint32(1), fixed))
	require.Equal(t, got, fixed)
	require.ErrorContains(t, m.Lookup(uint32(1), make([]uint32, 2)), "incorrect length, expected 3, got 2")
	require.ErrorContains(t, m.Put(uint32(1), []uint32{1, 2, 3, 4}), "greater than number of CPUs")
	require.ErrorContains(t, m.Put(uint32(1), uint32(1)), "requires slice")
	require.NoError(t, m.Put(uint32(1), []uint32{9}), "CPUs beyond the slice become 0")
	require.NoError(t, m.Lookup(uint32(1), &got))
	require.Equal(t, []uint32{9, 0, 0}, got)
}

// TestMarshal encodes and decodes keys and values of all kinds that cilium/ebpf takes.
func TestMarshal(t *testing.T) {
	m := open(t, mapsText, nil).Maps["hash"]
	type pair struct{ A, B uint32 }
	require.NoError(t, m.Put("abcd", pair{1, 2}))
	var p pair
	require.NoError(t, m.Lookup([]byte("abcd"), &p))
	require.Equal(t, pair{1, 2}, p)
	var s string
	require.NoError(t, m.Lookup([4]byte{'a', 'b', 'c', 'd'}, &s))
	require.Equal(t, "\x01\x00\x00\x00\x02\x00\x00\x00", s)
	var b []byte
	require.NoError(t, m.Lookup("abcd", &b))
	require.Len(t, b, 8)
	require.NoError(t, m.Put(marshaler(4), marshaler(8)))
	require.NoError(t, m.Lookup(marshaler(4), new(marshaler)))
	require.ErrorContains(t, m.Lookup("abcd", (*pair)(nil)), "nil")
	require.Error(t, m.Lookup("abcd", new(uint32)))
}

// marshaler encodes itself, as so many bytes of a text.
type marshaler int

func (m marshaler) MarshalBinary() ([]byte, error) { return []byte("valuevalue")[:m], nil }

func (*marshaler) UnmarshalBinary(b []byte) error {
	if string(b) != "valueval" {
		return errors.New("not what was marshaled: " + string(b))
	}
	return nil
}

func TestBatch(t *testing.T) {
	c := open(t, mapsText, &skep.Options{CPUs: 2})
	m := c.Maps["hash"]
	n, err := m.BatchUpdate([]uint32{1, 2, 3}, []uint64{10, 20, 30}, nil)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	var cursor skep.MapBatchCursor
	got := map[uint32]uint64{}
	for err == nil {
		keys, values := make([]uint32, 2), make([]uint64, 2)
		n, err = m.BatchLookup(&cursor, keys, values, nil)
		for i := range n {
			got[keys[i]] = values[i]
		}
	}
	require.ErrorIs(t, err, ebpf.ErrKeyNotExist)
	require.Equal(t, map[uint32]uint64{1: 10, 2: 20, 3: 30}, got)
	n, err = m.BatchDelete([]uint32{1, 9}, nil)
	require.Equal(t, 1, n)
	require.ErrorIs(t, err, ebpf.ErrKeyNotExist)
	keys, values := make([]uint32, 8), make([]uint64, 8)
	n, err = m.BatchLookupAndDelete(new(skep.MapBatchCursor), keys, values, nil)
	require.Equal(t, 2, n)
	require.ErrorIs(t, err, ebpf.ErrKeyNotExist)
	require.ErrorIs(t, m.NextKey(nil, &keys[0]), ebpf.ErrKeyNotExist)

	n, err = c.Maps["percpu"].BatchUpdate([]uint32{0, 1}, []uint32{1, 2, 3, 4}, nil)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	var each []uint32
	require.NoError(t, c.Maps["percpu"].Lookup(uint32(1), &each))
	require.Equal(t, []uint32{3, 4}, each)
	_, err = m.BatchUpdate([]uint32{1}, []uint64{1, 2}, nil)
	require.Error(t, err)
}

// TestUserRing: programs drain what Go writes.
func TestUserRing(t *testing.T) {
	c := open(t, `prog sched_cls
map u user_ringbuf entries=4096
map sum array key=4 value=8 entries=1
	r1 = u ll
	r2 = func each
	r3 = 0
	r4 = 0
	call bpf_user_ringbuf_drain
	exit
each:
	r6 = r1
	r1 = r10
	r1 += -8
	r2 = 8
	r3 = r6
	r4 = 0
	r5 = 0
	*(u64 *)(r10 -8) = 0
	call bpf_dynptr_read
	r1 = map[sum] + 0
	r2 = *(u64 *)(r10 -8)
	r3 = *(u64 *)(r1 +0)
	r3 += r2
	*(u64 *)(r1 +0) = r3
	r0 = 0
	exit
`, &skep.Options{AllowUnverified: true}) // functions need types for the verifier
	ring := c.Maps["u"].Unwrap().(*maps.UserRingBuffer)
	for i := range byte(3) {
		require.NoError(t, ring.Write([]byte{i + 1, 0, 0, 0, 0, 0, 0, 0}))
	}
	ret, _, err := c.Programs["program"].Test(make([]byte, 64))
	require.NoError(t, err)
	require.EqualValues(t, 3, ret)
	var sum uint64
	require.NoError(t, c.Maps["sum"].Lookup(uint32(0), &sum))
	require.EqualValues(t, 6, sum)
}
