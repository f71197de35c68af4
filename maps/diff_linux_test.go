package maps

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// possibleCPUs is how many CPUs the kernel has values for.
func possibleCPUs(t *testing.T) int {
	b, err := os.ReadFile("/sys/devices/system/cpu/possible")
	if err != nil {
		t.Skipf("number of CPUs: %v", err)
	}
	s := strings.TrimSpace(string(b))
	last := 0
	if _, err := fmt.Sscanf(s[strings.LastIndexAny(s, "-,")+1:], "%d", &last); err != nil {
		t.Skipf("number of CPUs: %q: %v", s, err)
	}
	return last + 1
}

// TestKernelAgrees does the same things to a map of ours and to one of the running kernel: they must answer alike.
func TestKernelAgrees(t *testing.T) {
	needKernel(t)
	cpus := possibleCPUs(t)
	space := newSpace(t)
	for _, s := range []Spec{
		{Type: Array, KeySize: 4, ValueSize: 5, MaxEntries: 5},
		{Type: PerCPUArray, KeySize: 4, ValueSize: 12, MaxEntries: 5},
		{Type: Hash, KeySize: 2, ValueSize: 3, MaxEntries: 5},
		{Type: Hash, KeySize: 4, ValueSize: 8, MaxEntries: 5, Flags: NoPrealloc},
		{Type: PerCPUHash, KeySize: 4, ValueSize: 4, MaxEntries: 5},
		{Type: PerCPUHash, KeySize: 4, ValueSize: 8, MaxEntries: 5, Flags: NoPrealloc},
		{Type: LPMTrie, KeySize: 6, ValueSize: 4, MaxEntries: 6, Flags: NoPrealloc},
		{Type: LPMTrie, KeySize: 5, ValueSize: 4, MaxEntries: 1000, Flags: NoPrealloc},
		{Type: Queue, ValueSize: 3, MaxEntries: 3},
		{Type: Stack, ValueSize: 3, MaxEntries: 3},
		{Type: Hash, KeySize: 4, ValueSize: 4, MaxEntries: 2, Flags: ReadOnlyUser},
		{Type: Array, KeySize: 4, ValueSize: 4, MaxEntries: 2, Flags: WriteOnlyUser},
		{Type: Queue, ValueSize: 4, MaxEntries: 2, Flags: WriteOnlyUser},
		{Type: DevMap, KeySize: 4, ValueSize: 4, MaxEntries: 3},
		{Type: DevMapHash, KeySize: 4, ValueSize: 8, MaxEntries: 2},
		{Type: CPUMap, KeySize: 4, ValueSize: 4, MaxEntries: 3},
		{Type: StackTrace, KeySize: 4, ValueSize: 8, MaxEntries: 3},
		{Type: ProgArray, KeySize: 4, ValueSize: 4, MaxEntries: 3},
		{Type: PerfEventArray, KeySize: 4, ValueSize: 4, MaxEntries: 3},
		{Type: CgroupArray, KeySize: 4, ValueSize: 4, MaxEntries: 3},
		{Type: XSKMap, KeySize: 4, ValueSize: 4, MaxEntries: 3},
		{Type: SockMap, KeySize: 4, ValueSize: 4, MaxEntries: 3},
		{Type: SockHash, KeySize: 4, ValueSize: 4, MaxEntries: 3},
		{Type: CgroupStorage, KeySize: 16, ValueSize: 4},
		{Type: RingBuf, MaxEntries: 4096},
		{Type: UserRingBuf, MaxEntries: 4096},
		{Type: Arena, MaxEntries: 1, Flags: Mmapable},
	} {
		t.Run(fmt.Sprintf("%v-%d-%d-%x", s.Type, s.KeySize, s.ValueSize, s.Flags), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				agree(t, &differ{spec: s}, func() (Map, error) { return New(space, &s, cpus) }, cpus)
			})
		})
	}
}

type differ struct {
	spec   Spec
	ours   Map
	theirs *kernelMap
}

func agree(t *rapid.T, d *differ, create func() (Map, error), cpus int) {
	var err error
	if d.ours, err = create(); err != nil {
		t.Fatal(err)
	}
	defer d.ours.Close()
	var e Errno
	if d.theirs, e = kernelCreate(&d.spec, nil, cpus); e != 0 {
		t.Fatalf("the kernel does not create it: %v", e)
	}
	defer d.theirs.close()
	t.Repeat(map[string]func(*rapid.T){
		"get": func(t *rapid.T) {
			key, flags := d.key(t), rapid.SampledFrom([]uint64{0, 0, 0, 1, 2, 4, 8, 1 << 40}).Draw(t, "flags")
			a, b := make([]byte, d.ours.ValueBytes()), make([]byte, d.theirs.value)
			ea, eb := d.ours.Get(key, a, flags), d.theirs.get(key, b, flags)
			d.same(t, "get", ea, eb, a, b)
		},
		"put": func(t *rapid.T) {
			if _, ok := d.ours.(ObjectMap); ok {
				return // that is about descriptors
			}
			key, value := d.key(t), d.value(t)
			flags := rapid.SampledFrom([]uint64{0, 0, 0, 1, 2, 3, 4, 8, 1 << 40}).Draw(t, "flags")
			d.same(t, "put", d.ours.Put(key, value, flags), d.theirs.put(key, value, flags), nil, nil)
		},
		"remove": func(t *rapid.T) {
			key := d.key(t)
			d.same(t, "remove", d.ours.Remove(key), d.theirs.remove(key), nil, nil)
		},
		"take": func(t *rapid.T) {
			key := d.key(t)
			a, b := make([]byte, d.ours.ValueBytes()), make([]byte, d.theirs.value)
			ea, eb := d.ours.Take(key, a), d.theirs.take(key, b)
			d.same(t, "take", ea, eb, a, b)
		},
		"next": func(t *rapid.T) {
			if d.spec.KeySize == 0 {
				return
			}
			d.keys(t)
			if d.spec.Type == LPMTrie || d.spec.Type.indexed() {
				key := d.key(t)
				a, ea := d.ours.NextKey(key)
				b, eb := d.theirs.next(key, d.spec.KeySize)
				d.same(t, "next", ea, eb, a, b)
			}
		},
		"freeze": func(t *rapid.T) {
			if rapid.IntRange(0, 20).Draw(t, "rarely") == 0 {
				d.same(t, "freeze", d.ours.Freeze(), d.theirs.freeze(), nil, nil)
			}
		},
	})
}

// indexed reports whether keys are indices, so that their order is known.
func (t Type) indexed() bool {
	switch t {
	case Array, PerCPUArray, ProgArray, PerfEventArray, CgroupArray, DevMap, SockMap, CPUMap, XSKMap, StackTrace:
		return true
	}
	return false
}

// key draws a key that others are likely to be like.
func (d *differ) key(t *rapid.T) []byte {
	key := make([]byte, d.spec.KeySize)
	if d.spec.Type == LPMTrie {
		bits := (d.spec.KeySize - 4) * 8
		binary.NativeEndian.PutUint32(key, uint32(rapid.IntRange(0, int(bits)+1).Draw(t, "bits")))
		for i := range key[4:] {
			key[4+i] = rapid.SampledFrom([]byte{0, 1, 0x80, 0xff, 0x7f, 0x10}).Draw(t, "byte")
		}
		return key
	}
	if d.spec.Type == RingBuf {
		return []byte{rapid.Byte().Draw(t, "size")}
	}
	if len(key) > 0 {
		key[0] = byte(rapid.IntRange(0, 7).Draw(t, "key"))
	}
	return key
}

func (d *differ) value(t *rapid.T) []byte {
	value := make([]byte, d.ours.ValueBytes())
	if d.spec.Type == DevMap || d.spec.Type == DevMapHash || d.spec.Type == CPUMap {
		value[0] = byte(rapid.IntRange(0, 1).Draw(t, "interface")) // the loopback interface
		if d.spec.Type == CPUMap {
			value[0] *= 16
		}
		return value
	}
	seed := rapid.Uint32().Draw(t, "value")
	for i := range value {
		seed = seed*1664525 + 1013904223
		value[i] = byte(seed >> 24)
	}
	return value
}

// same compares two answers, and what came with them.
func (d *differ) same(t *rapid.T, what string, ours error, theirs Errno, a, b []byte) {
	t.Helper()
	if ErrnoOf(ours) != theirs {
		t.Fatalf("%s: %v, and Linux says %v", what, ours, theirs)
	}
	if ours == nil && !bytes.Equal(a, b) {
		t.Fatalf("%s: %x, and Linux has %x", what, a, b)
	}
}

// keys compares all keys, in order where there is one.
func (d *differ) keys(t *rapid.T) {
	var all [2][]string
	for i, next := range []func([]byte) ([]byte, error){d.ours.NextKey, func(key []byte) ([]byte, error) {
		b, e := d.theirs.next(key, d.spec.KeySize)
		return b, errnoOrNil(e)
	}} {
		var key []byte
		for {
			k, err := next(key)
			if err != nil {
				all[i] = append(all[i], err.Error()[:0]+fmt.Sprint(uint32(ErrnoOf(err))))
				break
			}
			all[i] = append(all[i], fmt.Sprintf("%x", k))
			if key = k; len(all[i]) > 2000 {
				t.Fatalf("keys without an end: map %d", i)
			}
		}
	}
	if d.spec.Type != LPMTrie && !d.spec.Type.indexed() {
		slices.Sort(all[0])
		slices.Sort(all[1])
	}
	if !slices.Equal(all[0], all[1]) {
		t.Fatalf("keys %v, and Linux has %v", all[0], all[1])
	}
}
