package object

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// configMap is the map of the object's configuration values.
func (l *linker) configMap() (*Map, error) {
	if l.kconfig != nil {
		return l.kconfig, nil
	}
	if l.spec.Types == nil {
		return nil, errors.New("the object has no types")
	}
	var ds *btf.Datasec
	if err := l.spec.Types.TypeByName(".kconfig", &ds); err != nil {
		return nil, err
	}
	const most = 1 << 20 // far more than any kernel's whole configuration
	if ds.Size > most {
		return nil, fmt.Errorf("section of %d bytes", ds.Size)
	}
	m, err := l.newMap(".kconfig", &ebpf.MapSpec{
		Name: ".kconfig", Type: ebpf.Array, KeySize: 4, ValueSize: ds.Size, MaxEntries: 1, Flags: flagRdonlyProg,
		Key: &btf.Int{Size: 4}, Value: ds,
	})
	if err != nil {
		return nil, err
	}
	data := make([]byte, ds.Size)
	for _, s := range ds.Vars {
		v, ok := s.Type.(*btf.Var)
		if !ok || uint64(s.Offset)+uint64(s.Size) > uint64(len(data)) {
			return nil, fmt.Errorf("%v is no variable of the section", s.Type)
		}
		if err := l.configValue(v, data[s.Offset:s.Offset+s.Size]); err != nil {
			return nil, fmt.Errorf("%s: %w", v.Name, err)
		}
	}
	m.Contents = []MapKV{{Key: make([]byte, 4), Value: data}}
	l.kconfig = m
	l.coll.Maps[".kconfig"] = m
	return m, nil
}

// configValue writes the value of a variable.
func (l *linker) configValue(v *btf.Var, to []byte) error {
	typ := btf.UnderlyingType(v.Type)
	switch v.Name {
	case "LINUX_KERNEL_VERSION":
		if t, ok := typ.(*btf.Int); !ok || t.Size != 4 {
			return fmt.Errorf("it is %v, not an integer of 32 bits", v.Type)
		}
		return putInt(to, typ, strconv.FormatUint(uint64(l.opts.version()), 10))
	case "LINUX_HAS_SYSCALL_WRAPPER":
		return putInt(to, typ, "1") // since 4.17, on every architecture with a JIT of ours
	case "LINUX_HAS_BPF_COOKIE":
		return putInt(to, typ, "1")
	}
	value, ok := l.opts.Config[v.Name]
	if !ok {
		return fmt.Errorf("its value is not in Options.Config")
	}
	switch {
	case value == "y" || value == "n" || value == "m":
		return putTristate(to, typ, value)
	case strings.HasPrefix(value, `"`):
		return putString(to, typ, value)
	}
	return putInt(to, typ, value)
}

func putTristate(to []byte, typ btf.Type, value string) error {
	switch t := typ.(type) {
	case *btf.Int:
		if t.Encoding != btf.Bool || t.Size != 1 || len(to) < 1 || value == "m" {
			return fmt.Errorf("%v cannot hold %s", t, value)
		}
		to[0] = 0
		if value == "y" {
			to[0] = 1
		}
		return nil
	case *btf.Enum:
		if t.Name != "libbpf_tristate" || len(to) != 4 {
			return fmt.Errorf("%v cannot hold %s", t, value)
		}
		binary.LittleEndian.PutUint32(to, map[string]uint32{"n": 0, "y": 1, "m": 2}[value])
		return nil
	}
	return fmt.Errorf("%v cannot hold %s", typ, value)
}

func putString(to []byte, typ btf.Type, value string) error {
	t, ok := typ.(*btf.Array)
	if ok {
		var c *btf.Int
		c, ok = btf.UnderlyingType(t.Type).(*btf.Int)
		ok = ok && c.Size == 1 && c.Encoding != btf.Bool
	}
	if !ok {
		return fmt.Errorf("%v cannot hold a string", typ)
	}
	if len(value) < 2 || !strings.HasSuffix(value, `"`) {
		return fmt.Errorf("%s has no closing quote", value)
	}
	copy(to, value[1:len(value)-1])
	return nil
}

func putInt(to []byte, typ btf.Type, value string) error {
	t, ok := typ.(*btf.Int)
	if !ok || int(t.Size) > len(to) {
		return fmt.Errorf("%v cannot hold a number", typ)
	}
	bits := int(t.Size) * 8
	var n uint64
	var err error
	if t.Encoding == btf.Signed {
		var s int64
		s, err = strconv.ParseInt(value, 0, bits)
		n = uint64(s)
	} else {
		n, err = strconv.ParseUint(value, 0, bits)
	}
	if err == nil && t.Encoding == btf.Bool && n > 1 {
		err = fmt.Errorf("%d is no truth value", n)
	}
	if err != nil {
		return err
	}
	switch t.Size {
	case 1:
		to[0] = byte(n)
	case 2:
		binary.LittleEndian.PutUint16(to, uint16(n))
	case 4:
		binary.LittleEndian.PutUint32(to, uint32(n))
	case 8:
		binary.LittleEndian.PutUint64(to, n)
	default:
		return fmt.Errorf("an integer of %d bytes", t.Size)
	}
	return nil
}

// ParseConfig reads a kernel's configuration, a .config file as in /boot/config-6.18.0 or, compressed by gzip, in
// /proc/config.gz: what Options.Config wants.
func ParseConfig(file []byte) (map[string]string, error) {
	raw, err := gunzip(file)
	if err != nil {
		return nil, fmt.Errorf("object: configuration: %w", err)
	}
	out := map[string]string{}
	for n, line := range strings.Split(string(raw), "\n") {
		if !strings.HasPrefix(line, "CONFIG_") {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || value == "" {
			return nil, fmt.Errorf("object: configuration: line %d: %q has no value", n+1, line)
		}
		if _, ok := out[name]; !ok {
			out[name] = value
		}
	}
	return out, nil
}
