package skep

import (
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// Keys and values are encoded as cilium/ebpf does: what has a method for it does it itself; strings and bytes are
// taken as they are; the rest is what encoding/binary makes of it, in the host's byte order. Structs have no padding
// but what their fields say.

// marshal encodes a key or value that has size bytes.
func marshal(data any, size int) ([]byte, error) {
	b, err := encode(data)
	if err != nil {
		return nil, err
	}
	if len(b) != size {
		return nil, fmt.Errorf("%T doesn't marshal to %d bytes", data, size)
	}
	return b, nil
}

// encode encodes what may have any size.
func encode(data any) ([]byte, error) {
	switch v := data.(type) {
	case nil:
		return nil, errors.New("can't marshal a nil value")
	case encoding.BinaryMarshaler:
		return v.MarshalBinary()
	case string:
		return []byte(v), nil
	case []byte:
		return v, nil
	}
	return binary.Append(nil, binary.NativeEndian, data)
}

// unmarshal decodes a key or value.
func unmarshal(data any, b []byte) error {
	switch v := data.(type) {
	case nil:
		return errors.New("can't unmarshal into nil")
	case encoding.BinaryUnmarshaler:
		return v.UnmarshalBinary(slices.Clone(b))
	case *string:
		*v = string(b)
		return nil
	case *[]byte:
		*v = slices.Clone(b)
		return nil
	case []byte:
		if len(v) != len(b) {
			return fmt.Errorf("can't unmarshal %d bytes into a slice of %d", len(b), len(v))
		}
		copy(v, b)
		return nil
	}
	if v := reflect.ValueOf(data); v.Kind() == reflect.Pointer && v.IsNil() {
		return fmt.Errorf("can't unmarshal into a nil %T", data)
	}
	n, err := binary.Decode(b, binary.NativeEndian, data)
	if err == nil && n != len(b) {
		err = fmt.Errorf("unmarshaling %T doesn't consume all data", data)
	}
	return err
}

// align8 is the room of a value of one CPU among those of all.
func align8(n int) int { return (n + 7) &^ 7 }

// marshalPerCPU encodes a slice with a value for each CPU. CPUs beyond its end get zeros.
func marshalPerCPU(slice any, size, cpus int) ([]byte, error) {
	v := reflect.ValueOf(slice)
	if v.Kind() != reflect.Slice {
		return nil, errors.New("per-CPU value requires slice")
	}
	if v.Len() > cpus {
		return nil, errors.New("per-CPU value greater than number of CPUs")
	}
	out := make([]byte, align8(size)*cpus)
	for i := range v.Len() {
		b, err := marshal(v.Index(i).Interface(), size)
		if err != nil {
			return nil, fmt.Errorf("cpu %d: %w", i, err)
		}
		copy(out[i*align8(size):], b)
	}
	return out, nil
}

// unmarshalPerCPU decodes the values of all CPUs into a slice with an element for each, or a pointer to a slice, which
// is made as long as that.
func unmarshalPerCPU(slice any, size, cpus int, b []byte) error {
	v := reflect.ValueOf(slice)
	if v.Kind() == reflect.Pointer && !v.IsNil() && v.Elem().Kind() == reflect.Slice {
		if v = v.Elem(); v.Len() != cpus {
			v.Set(reflect.MakeSlice(v.Type(), cpus, cpus))
		}
	}
	if v.Kind() != reflect.Slice {
		return errors.New("per-CPU value requires a slice")
	}
	if v.Len() != cpus {
		return fmt.Errorf("per-CPU slice has incorrect length, expected %d, got %d", cpus, v.Len())
	}
	pointers := v.Type().Elem().Kind() == reflect.Pointer
	for i := range cpus {
		e := v.Index(i)
		if pointers {
			if e.IsNil() {
				e.Set(reflect.New(e.Type().Elem()))
			}
		} else {
			e = e.Addr()
		}
		if err := unmarshal(e.Interface(), b[i*align8(size):][:size]); err != nil {
			return fmt.Errorf("cpu %d: %w", i, err)
		}
	}
	return nil
}
