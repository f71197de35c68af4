package object

import (
	"debug/elf"
	"errors"
	"reflect"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// cilium/ebpf leaves what an instruction refers to outside the object (a kernel function, a kernel symbol, a
// configuration value) in metadata under keys of its own, which no exported function reads. They are read
// here by reflection, without touching anything. meta_test.go notices when their shape changes.

// An extern is what an instruction refers to outside the object.
type extern struct {
	kind   externKind
	weak   bool   // it may be missing
	name   string // kernel symbols
	offset uint32 // of the value in .kconfig
}

type externKind uint8

const (
	noExtern externKind = iota
	externKfunc
	externKsym
	externKconfig
)

var errMetadata = errors.New("metadata of an instruction has an unknown shape (version of cilium/ebpf?)")

// externOf says what an instruction refers to outside the object.
func externOf(ins *asm.Instruction) (x extern, err error) {
	defer func() {
		if recover() != nil {
			err = errMetadata
		}
	}()
	for e := reflect.ValueOf(&ins.Metadata).Elem().FieldByName("head"); !e.IsNil(); e = e.Elem().FieldByName("next") {
		v := e.Elem().FieldByName("value").Elem()
		if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
			continue
		}
		switch v = v.Elem(); v.Type().String() {
		case "ebpf.kfuncMeta":
			return extern{kind: externKfunc, weak: isWeak(v)}, nil
		case "ebpf.ksymMeta":
			return extern{kind: externKsym, weak: isWeak(v), name: v.FieldByName("Name").String()}, nil
		case "ebpf.kconfigMeta":
			return extern{kind: externKconfig, offset: uint32(v.FieldByName("Offset").Uint())}, nil
		}
	}
	return extern{}, nil
}

func isWeak(v reflect.Value) bool { return elf.SymBind(v.FieldByName("Binding").Int()) == elf.STB_WEAK }

// readFixup reads the result of a CO-RE relocation.
func readFixup(f *btf.COREFixup) (out fixup, err error) {
	defer func() {
		if recover() != nil {
			err = errMetadata
		}
	}()
	v := reflect.ValueOf(f).Elem()
	return fixup{
		poison:   v.FieldByName("poison").Bool(),
		bitfield: v.FieldByName("skipLocalValidation").Bool(),
		local:    v.FieldByName("local").Uint(),
		target:   v.FieldByName("target").Uint(),
	}, nil
}
