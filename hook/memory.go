package hook

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"sort"
	"sync"
)

// A hostMemory is what lies at addresses that are not the programs' own: kernel objects, strings of user space.
type hostMemory struct {
	below *hostMemory // where to look for what is not here

	mu      sync.RWMutex
	regions []region // by address
	kernel  uint64   // where the next one goes
	user    uint64
}

// A region is bytes at an address.
type region struct {
	addr  uint64
	bytes []byte
}

// Where things are put. Those of an event are apart from those that stay.
const (
	kernelBase = 0xffff_8881_0000_0000
	userBase   = 0x0000_7f00_0000_0000
	eventBase  = 0x10_0000_0000
)

func (m *hostMemory) init() { m.kernel, m.user = kernelBase, userBase }

// pad is how many zeros can be read after what is put somewhere, as if it were at the start of a page.
const pad = 4096

// put puts bytes somewhere and gives the address.
func (m *hostMemory) put(b []byte, user bool) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := &m.kernel
	if user {
		next = &m.user
	}
	a := *next
	if m.below != nil {
		a += eventBase
	}
	*next += (uint64(len(b)) + 2*pad + 15) &^ 15
	i := sort.Search(len(m.regions), func(i int) bool { return m.regions[i].addr > a })
	m.regions = slices.Insert(m.regions, i, region{a, slices.Clone(b)})
	return a
}

// find copies from an address to p what is there.
func (m *hostMemory) find(addr uint64, p []byte) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	i := sort.Search(len(m.regions), func(i int) bool { return m.regions[i].addr > addr }) - 1
	if i < 0 {
		return false
	}
	r := &m.regions[i]
	off, size := addr-r.addr, uint64(len(r.bytes))
	if off+uint64(len(p)) > size+pad {
		return false
	}
	clear(p[copy(p, r.bytes[min(off, size):]):])
	return true
}

// read fills p from an address, or says that it cannot.
func (m *hostMemory) read(addr uint64, p []byte) bool {
	for ; m != nil; m = m.below {
		if m.find(addr, p) {
			return true
		}
	}
	return false
}

// word is an argument of a function as a register has it: numbers as they are, sign-extended; of what does not fit, such as
// strings, slices of bytes and structs, the address of a copy: in user space where user says so. Strings end with a zero.
func (m *hostMemory) word(v any, user bool) (uint64, error) {
	switch v := v.(type) {
	case nil:
		return 0, nil
	case string:
		return m.put(append([]byte(v), 0), user), nil
	case []byte:
		return m.put(v, user), nil
	case interface{ Addr() uint64 }:
		return v.Addr(), nil
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Bool:
		if r.Bool() {
			return 1, nil
		}
		return 0, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return uint64(r.Int()), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return r.Uint(), nil
	case reflect.Pointer:
		if r.IsNil() {
			return 0, nil
		}
	}
	b, err := flat(v)
	if err != nil {
		return 0, err
	}
	return m.put(b, user), nil
}

// flat is the bytes of a value: strings end with a zero, and nil has none.
func flat(v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		return append([]byte(v), 0), nil
	case []byte:
		return v, nil
	}
	if r := reflect.ValueOf(v); r.Kind() == reflect.Pointer && r.IsNil() {
		return nil, nil
	}
	b, err := binary.Append(nil, binary.NativeEndian, v)
	if err != nil {
		return nil, fmt.Errorf("a %T is neither a number nor of a fixed size", v)
	}
	return b, nil
}

// words are arguments as registers have them.
func (m *hostMemory) words(args []any, user bool) ([]uint64, error) {
	out := make([]uint64, len(args))
	for i, a := range args {
		var err error
		if out[i], err = m.word(a, user); err != nil {
			return nil, fmt.Errorf("hook: argument %d: %w", i+1, err)
		}
	}
	return out, nil
}

// wordBytes are words as a context has them.
func wordBytes(words ...uint64) []byte {
	b := make([]byte, 0, 8*len(words))
	for _, w := range words {
		b = binary.NativeEndian.AppendUint64(b, w)
	}
	return b
}
