package object

import (
	"encoding"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// Flags of maps (BPF_F_*).
const (
	flagRdonlyProg = 1 << 7
	flagMmapable   = 1 << 10
)

// newMap makes a map from its spec, without contents; see fill.
func (l *linker) newMap(name string, spec *ebpf.MapSpec) (*Map, error) {
	if spec == nil {
		return nil, fmt.Errorf("it has no MapSpec")
	}
	if spec.Extra != nil && spec.Extra.Len() > 0 {
		extra := make([]byte, spec.Extra.Len())
		if _, err := spec.Extra.ReadAt(extra, spec.Extra.Size()-int64(len(extra))); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(extra, func(b byte) bool { return b != 0 }) {
			return nil, &UnsupportedError{Cause: "a map definition with fields of other loaders (iproute2)"}
		}
	}
	if spec.Type == ebpf.UnspecifiedMap {
		return nil, fmt.Errorf("it has no type")
	}
	if spec.Pinning != ebpf.PinNone && spec.Pinning != ebpf.PinByName {
		return nil, &UnsupportedError{Cause: fmt.Sprintf("pin type %d", spec.Pinning)}
	}
	m := &Map{
		Name: kernelName(spec.Name),
		Type: uint32(spec.Type), KeySize: spec.KeySize, ValueSize: spec.ValueSize,
		MaxEntries: spec.MaxEntries, Flags: spec.Flags, Extra: spec.MapExtra,
		Frozen: isConstant(spec.Name),
	}
	if isData(spec.Name) {
		m.Flags |= flagMmapable
	}
	if err := l.fixSizes(m, spec); err != nil {
		return nil, err
	}
	if spec.InnerMap != nil && storesMaps(spec.Type) {
		if storesMaps(spec.InnerMap.Type) {
			return nil, fmt.Errorf("its elements hold maps themselves")
		}
		inner, err := l.newMap(name+"_inner", spec.InnerMap)
		if err != nil {
			return nil, fmt.Errorf("inner map: %w", err)
		}
		m.Inner = inner
	}
	if err := l.mapTypes(m, spec); err != nil {
		return nil, fmt.Errorf("types: %w", err)
	}
	return m, nil
}

// fixSizes fills in what definitions leave out.
func (l *linker) fixSizes(m *Map, spec *ebpf.MapSpec) error {
	switch {
	case storesMaps(spec.Type):
		if spec.InnerMap == nil {
			return fmt.Errorf("%s without an inner map", spec.Type)
		}
		if m.ValueSize != 0 && m.ValueSize != 4 {
			return fmt.Errorf("values of a map of maps have 4 bytes, not %d", m.ValueSize)
		}
		m.ValueSize = 4
	case spec.Type == ebpf.PerfEventArray:
		if m.KeySize != 0 && m.KeySize != 4 || m.ValueSize != 0 && m.ValueSize != 4 {
			return fmt.Errorf("keys and values of a perf event array have 4 bytes, not %d and %d", m.KeySize, m.ValueSize)
		}
		m.KeySize, m.ValueSize = 4, 4
		fallthrough
	case spec.Type == ebpf.CPUMap:
		if n := uint32(l.opts.cpus()); m.MaxEntries == 0 || m.MaxEntries > n {
			m.MaxEntries = n
		}
	}
	return nil
}

// typed are the map types that Linux lets have types of key and value. cilium/ebpf creates others without them.
var typed = map[ebpf.MapType]bool{
	ebpf.Hash: true, ebpf.Array: true, ebpf.ProgramArray: true, ebpf.PerCPUHash: true, ebpf.PerCPUArray: true,
	ebpf.LRUHash: true, ebpf.LRUCPUHash: true, ebpf.LPMTrie: true, ebpf.CGroupStorage: true,
	ebpf.ReusePortSockArray: true, ebpf.PerCPUCGroupStorage: true, ebpf.SkStorage: true, ebpf.StructOpsMap: true,
	ebpf.InodeStorage: true, ebpf.TaskStorage: true, ebpf.BloomFilter: true, ebpf.CgroupStorage: true,
}

// mapTypes gives the map the types of its key and value.
func (l *linker) mapTypes(m *Map, spec *ebpf.MapSpec) (err error) {
	if spec.Key == nil && spec.Value == nil || !typed[spec.Type] {
		return nil
	}
	var b btf.Builder
	var ids [2]btf.TypeID
	for i, t := range []btf.Type{spec.Key, spec.Value} {
		if t == nil {
			continue
		}
		if ids[i], err = b.Add(t); err != nil {
			return err
		}
	}
	if m.BTF, err = l.marshal(&b); err != nil {
		return err
	}
	m.KeyID, m.ValueID = uint32(ids[0]), uint32(ids[1])
	if spec.Type == ebpf.StructOpsMap {
		m.KeyID, m.ValueID = 0, 0
	}
	return nil
}

// fill writes the map's contents, now that all programs and maps exist.
func (l *linker) fill(m *Map, spec *ebpf.MapSpec) error {
	contents, err := l.contents(spec)
	if err != nil {
		return err
	}
	if spec.Type == ebpf.StructOpsMap {
		return nil // its value is a kernel structure: whoever registers it makes it
	}
	for _, kv := range contents {
		e, err := l.element(m, spec, kv)
		if err != nil {
			return err
		}
		if e.Key != nil {
			m.Contents = append(m.Contents, e)
		}
	}
	return nil
}

// element makes an element of m's contents. Its key is nil if it refers to a program that failed.
func (l *linker) element(m *Map, spec *ebpf.MapSpec, kv ebpf.MapKV) (e MapKV, err error) {
	if e.Key, err = bytesOf(kv.Key, int(m.KeySize)); err != nil {
		return e, fmt.Errorf("key %v: %w", kv.Key, err)
	}
	name, isName := kv.Value.(string)
	switch {
	case isName && spec.Type == ebpf.ProgramArray:
		e.Program = l.coll.Programs[name]
		if e.Program == nil {
			if l.spec.Programs[name] == nil {
				return e, fmt.Errorf("key %v: the object has no program %s", kv.Key, name)
			}
			return MapKV{}, nil
		}
		return e, nil
	case isName && storesMaps(spec.Type):
		if e.Map = l.coll.Maps[name]; e.Map == nil {
			return e, fmt.Errorf("key %v: the object has no map %s", kv.Key, name)
		}
		return e, nil
	}
	if perCPU(spec.Type) {
		e.Value, err = perCPUBytes(kv.Value, int(m.ValueSize), l.opts.cpus())
	} else {
		e.Value, err = bytesOf(kv.Value, int(m.ValueSize))
	}
	if err != nil {
		return e, fmt.Errorf("value of key %v: %w", kv.Key, err)
	}
	return e, nil
}

// contents are the map's contents with the values that variables of the object have now.
func (l *linker) contents(spec *ebpf.MapSpec) ([]ebpf.MapKV, error) {
	var vars []*ebpf.VariableSpec
	for _, v := range l.spec.Variables {
		if l.spec.Maps[v.SectionName] == spec {
			vars = append(vars, v)
		}
	}
	if len(vars) == 0 {
		return spec.Contents, nil
	}
	if len(spec.Contents) != 1 {
		return nil, fmt.Errorf("a data section with %d elements", len(spec.Contents))
	}
	data, ok := spec.Contents[0].Value.([]byte)
	if !ok {
		return nil, fmt.Errorf("a data section whose contents are %T", spec.Contents[0].Value)
	}
	data = slices.Clone(data)
	slices.SortFunc(vars, func(a, b *ebpf.VariableSpec) int { return int(int64(a.Offset) - int64(b.Offset)) })
	end := uint64(0)
	for _, v := range vars {
		if uint64(v.Offset) < end {
			return nil, fmt.Errorf("variable %s at %d overlaps with the one before it", v.Name, v.Offset)
		}
		if end = uint64(v.Offset) + uint64(len(v.Value)); end > uint64(len(data)) {
			return nil, fmt.Errorf("variable %s, bytes %d to %d, exceeds the section of %d", v.Name, v.Offset, end, len(data))
		}
		copy(data[v.Offset:], v.Value)
	}
	return []ebpf.MapKV{{Key: spec.Contents[0].Key, Value: data}}, nil
}

// bytesOf encodes a key or value as cilium/ebpf would give it to bpf(2).
func bytesOf(v any, size int) (b []byte, err error) {
	switch v := v.(type) {
	case nil:
		b = []byte{}
	case []byte:
		b = slices.Clone(v)
	case string:
		b = []byte(v)
	case encoding.BinaryMarshaler:
		b, err = v.MarshalBinary()
	default:
		b, err = binary.Append(nil, binary.LittleEndian, v)
	}
	if err != nil {
		return nil, err
	}
	if len(b) != size {
		return nil, fmt.Errorf("%T has %d bytes, not %d", v, len(b), size)
	}
	return b, nil
}

// perCPUBytes encodes one value for each CPU, each in a multiple of 8 bytes.
func perCPUBytes(v any, size, cpus int) ([]byte, error) {
	var out []byte
	each := values(v)
	if each == nil {
		return nil, fmt.Errorf("%T is no slice of values, one a CPU", v)
	}
	if len(each) > cpus {
		return nil, fmt.Errorf("values for %d CPUs of %d", len(each), cpus)
	}
	for i := range cpus {
		b := make([]byte, size)
		if i < len(each) {
			var err error
			if b, err = bytesOf(each[i], size); err != nil {
				return nil, err
			}
		}
		out = append(append(out, b...), make([]byte, -size&7)...)
	}
	return out, nil
}

// kernelName is a name as bpf(2) is given it.
func kernelName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '_' {
			return r
		}
		return -1
	}, name)
	return name[:min(len(name), 15)]
}

// isData tells that the name is of a section that holds variables.
func isData(name string) bool {
	return name == ".bss" || strings.HasPrefix(name, ".data") || strings.HasPrefix(name, ".rodata")
}

// isConstant tells that the name is of a section whose variables are constants.
func isConstant(name string) bool { return strings.HasPrefix(name, ".rodata") || name == ".kconfig" }

func storesMaps(t ebpf.MapType) bool { return t == ebpf.ArrayOfMaps || t == ebpf.HashOfMaps }

func perCPU(t ebpf.MapType) bool {
	return t == ebpf.PerCPUHash || t == ebpf.PerCPUArray || t == ebpf.LRUCPUHash || t == ebpf.PerCPUCGroupStorage
}
