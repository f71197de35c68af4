package skep

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep/maps"
)

// A MapBatchCursor is where a batch of lookups goes on. Its zero value is the start.
type MapBatchCursor struct {
	m   *Map
	key []byte // the last one seen
}

// BatchUpdate sets the values of many keys: slices of the same length, and for per-CPU maps values of all CPUs, one key after
// the other. It returns how many were set before the first that failed.
func (m *Map) BatchUpdate(keys, values any, opts *ebpf.BatchOptions) (int, error) {
	var flags ebpf.MapUpdateFlags
	if opts != nil {
		flags = ebpf.MapUpdateFlags(opts.ElemFlags)
	}
	k, v, each, err := m.batch(keys, values)
	if err != nil {
		return 0, fmt.Errorf("batch update: %w", err)
	}
	if !m.k.Spec().Type.Batch().Update {
		return 0, wrapMapError("batch update", maps.ENOTSUPP)
	}
	for i := range k.Len() {
		var value any
		if m.perCPU() {
			value = v.Slice(i*each, (i+1)*each).Interface()
		} else {
			value = v.Index(i).Interface()
		}
		if err := m.Update(k.Index(i).Interface(), value, flags); err != nil {
			return i, fmt.Errorf("batch %w", err)
		}
	}
	return k.Len(), nil
}

// BatchDelete removes many keys. It returns how many were removed before the first that failed.
func (m *Map) BatchDelete(keys any, _ *ebpf.BatchOptions) (int, error) {
	k := reflect.ValueOf(keys)
	if k.Kind() != reflect.Slice {
		return 0, errors.New("batch delete: keys must be a slice")
	}
	if !m.k.Spec().Type.Batch().Delete {
		return 0, wrapMapError("batch delete", maps.ENOTSUPP)
	}
	for i := range k.Len() {
		if err := m.Delete(k.Index(i).Interface()); err != nil {
			return i, fmt.Errorf("batch %w", err)
		}
	}
	return k.Len(), nil
}

// BatchLookup copies the elements from the cursor on to two slices, as many as these hold, and returns how many there
// were. The error is ebpf.ErrKeyNotExist where the map has no more: what was copied counts all the same.
func (m *Map) BatchLookup(cursor *MapBatchCursor, keysOut, valuesOut any, _ *ebpf.BatchOptions) (int, error) {
	return m.batchLookup(cursor, keysOut, valuesOut, false)
}

// BatchLookupAndDelete is BatchLookup that removes what it copies.
func (m *Map) BatchLookupAndDelete(cursor *MapBatchCursor, keysOut, valuesOut any, _ *ebpf.BatchOptions) (int, error) {
	return m.batchLookup(cursor, keysOut, valuesOut, true)
}

func (m *Map) batchLookup(cursor *MapBatchCursor, keysOut, valuesOut any, remove bool) (int, error) {
	if cursor.m != nil && cursor.m != m {
		return 0, errors.New("a cursor may not be reused across maps")
	}
	k, v, each, err := m.batch(keysOut, valuesOut)
	if err != nil {
		return 0, fmt.Errorf("batch lookup: %w", err)
	}
	cursor.m = m
	if can := m.k.Spec().Type.Batch(); remove && !can.LookupAndDelete || !can.Lookup {
		return 0, wrapMapError("batch lookup", maps.ENOTSUPP)
	}
	if m.closed.Load() {
		return 0, wrapMapError("batch lookup", maps.ErrClosed)
	}
	n := 0
	for n < k.Len() {
		next, err := m.k.NextKey(cursor.key)
		if err != nil {
			return n, wrapMapError("batch lookup", err)
		}
		value := any(nil)
		if m.perCPU() {
			value = v.Slice(n*each, (n+1)*each).Interface()
		} else {
			value = v.Index(n).Addr().Interface()
		}
		err = m.Lookup(next, value)
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			cursor.key = next
			continue // removed in between
		}
		if err == nil {
			err = unmarshal(k.Index(n).Addr().Interface(), next)
		}
		if err == nil && remove {
			err = m.Delete(next)
		}
		if err != nil {
			return n, err
		}
		if !remove {
			cursor.key = next
		}
		n++
	}
	return n, nil
}

// batch checks the slices of a batch; each is the number of values of a key.
func (m *Map) batch(keys, values any) (k, v reflect.Value, each int, err error) {
	k, v = reflect.ValueOf(keys), reflect.ValueOf(values)
	if k.Kind() != reflect.Slice || v.Kind() != reflect.Slice {
		return k, v, 0, errors.New("keys and values must be slices")
	}
	each = 1
	if m.perCPU() {
		each = m.CPUs()
	}
	if v.Len() != k.Len()*each {
		return k, v, 0, fmt.Errorf("%d keys with %d values, not %d", k.Len(), v.Len(), k.Len()*each)
	}
	return k, v, each, nil
}
