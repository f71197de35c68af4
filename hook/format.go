package hook

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// A format is the layout of a tracepoint's records.
type format struct {
	size   int
	fields map[string]formatField
}

// A formatField is where a field is. Of dynamic ones it is a word that says where in the record the data are: their length
// in the upper half, their offset in the lower.
type formatField struct {
	off, size int
	dynamic   bool
	relative  bool // the offset counts from the end of the word (__rel_loc)
	pointer   bool // to user space, in the records of system calls
}

// commonSize is the size of what records start with.
const commonSize = 8

var common = map[string]formatField{
	"common_type": {off: 0, size: 2}, "common_flags": {off: 2, size: 1}, "common_preempt_count": {off: 3, size: 1},
	"common_pid": {off: 4, size: 4},
}

// parseFormat reads a format file of tracefs.
func parseFormat(text string) (*format, error) {
	f := &format{fields: maps.Clone(common)}
	for line := range strings.Lines(text) {
		decl, rest, ok := strings.Cut(strings.TrimSpace(line), ";")
		decl, ok2 := strings.CutPrefix(decl, "field:")
		if !ok || !ok2 {
			continue
		}
		var x formatField
		for part := range strings.SplitSeq(rest, ";") {
			key, v, _ := strings.Cut(strings.TrimSpace(part), ":")
			n, err := strconv.Atoi(v)
			if key != "offset" && key != "size" {
				continue
			}
			const most = 1 << 16
			if err != nil || n < 0 || n > most {
				return nil, fmt.Errorf("hook: format: %q: %s is %q", decl, key, v)
			}
			if key == "offset" {
				x.off = n
			} else {
				x.size = n
			}
		}
		x.dynamic, x.relative = strings.HasPrefix(decl, "__data_loc "), strings.HasPrefix(decl, "__rel_loc ")
		x.dynamic = x.dynamic || x.relative
		x.pointer = strings.Contains(decl, "*")
		words := strings.FieldsFunc(decl, func(r rune) bool { return r == ' ' || r == '*' })
		if len(words) == 0 {
			return nil, fmt.Errorf("hook: format: a field without a name: %q", line)
		}
		name, _, _ := strings.Cut(words[len(words)-1], "[")
		f.fields[name] = x
		f.size = max(f.size, x.off+x.size)
	}
	if f.size == 0 {
		return nil, errors.New("hook: format: it has no fields")
	}
	return f, nil
}

// btfFormat is the layout by the struct that the kernel has for the records of a tracepoint.
func btfFormat(spec *btf.Spec, name string) (*format, error) {
	var s *btf.Struct
	if err := spec.TypeByName("trace_event_raw_"+name, &s); err != nil {
		return nil, err
	}
	f := &format{fields: maps.Clone(common), size: int(s.Size)}
	for _, m := range s.Members {
		size, err := btf.Sizeof(m.Type)
		if err != nil || m.Name == "ent" || size == 0 {
			continue
		}
		x := formatField{off: int(m.Offset.Bytes()), size: size}
		name, dynamic := strings.CutPrefix(m.Name, "__data_loc_")
		name, relative := strings.CutPrefix(name, "__rel_loc_")
		x.dynamic, x.relative = dynamic || relative, relative
		_, x.pointer = btf.UnderlyingType(m.Type).(*btf.Pointer)
		f.fields[name] = x
	}
	return f, nil
}

// record makes a record of named fields. What pointers point to goes to mem.
func (f *format) record(fields Fields, mem *hostMemory) ([]byte, error) {
	b := make([]byte, f.size)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		x, ok := f.fields[name]
		if !ok {
			return nil, fmt.Errorf("there is no field %q: there is %s", name, strings.Join(slices.Sorted(maps.Keys(f.fields)), ", "))
		}
		var err error
		if x.dynamic {
			b, err = x.append(b, fields[name])
		} else {
			err = x.set(b, fields[name], mem, true)
		}
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", name, err)
		}
	}
	return b, nil
}

// append puts dynamic data behind the record.
func (x *formatField) append(b []byte, v any) ([]byte, error) {
	data, err := flat(v)
	if err != nil {
		return nil, err
	}
	if x.size != 4 || x.off < 0 || x.off+x.size > len(b) {
		return nil, errors.New("the word that says where its data are has not 4 bytes of the record")
	}
	at := len(b)
	if x.relative {
		at -= x.off + x.size
	}
	if len(data) > 1<<16-1 || at > 1<<16-1 {
		return nil, fmt.Errorf("%d bytes are too many", len(data))
	}
	binary.NativeEndian.PutUint32(b[x.off:], uint32(len(data))<<16|uint32(at))
	return append(b, data...), nil
}

// set writes a field of fixed size. What a pointer is to point to is put into mem, in user space or the kernel.
func (x *formatField) set(b []byte, v any, mem *hostMemory, user bool) error {
	if x.off < 0 || x.size < 0 || x.off+x.size > len(b) {
		return fmt.Errorf("it lies outside of the %d bytes", len(b))
	}
	to := b[x.off : x.off+x.size]
	if args, ok := v.([]any); ok {
		// Words of their own: the arguments of a system call.
		words, err := mem.words(args, user)
		if err != nil {
			return err
		}
		if 8*len(words) > len(to) {
			return fmt.Errorf("%d words do not fit into %d bytes", len(words), len(to))
		}
		copy(to, wordBytes(words...))
		return nil
	}
	number := false
	switch reflect.ValueOf(v).Kind() {
	case reflect.String, reflect.Slice, reflect.Array, reflect.Struct:
	default:
		number = true
	}
	if number || x.pointer {
		w, err := mem.word(v, user)
		if err != nil {
			return err
		}
		switch x.size {
		case 1, 2, 4, 8:
		default:
			return fmt.Errorf("a number does not fit into a field of %d bytes", x.size)
		}
		if rest := int64(w) >> (8*x.size - 1); x.size < 8 && rest != 0 && rest != -1 && w>>(8*x.size) != 0 {
			return fmt.Errorf("%v does not fit into %d bytes", v, x.size)
		}
		copy(to, wordBytes(w)) // little-endian, as the kernels that are modelled
		return nil
	}
	data, err := flat(v)
	if err != nil {
		return err
	}
	if _, isText := v.(string); isText && len(data)-1 == len(to) {
		data = data[:len(to)] // text that fills its field has no zero
	}
	if len(data) > len(to) {
		return fmt.Errorf("%d bytes do not fit into %d", len(data), len(to))
	}
	copy(to, data)
	return nil
}
