package fuzz

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/object"
)

// maxFuncs is how many functions the types have names for.
const maxFuncs = 16

// funcTypes are the types of functions f0 to f15: the first is global, the others are static.
var funcTypes = sync.OnceValues(func() (*object.BTF, []btf.TypeID) {
	number := &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	b, err := btf.NewBuilder(nil, nil)
	if err != nil {
		panic(err)
	}
	var ids []btf.TypeID
	for i := range maxFuncs {
		f := &btf.Func{Name: fmt.Sprintf("f%d", i), Type: &btf.FuncProto{Return: number}, Linkage: btf.StaticFunc}
		if i == 0 {
			f.Linkage = btf.GlobalFunc
		}
		id, err := b.Add(f)
		if err != nil {
			panic(err)
		}
		ids = append(ids, id)
	}
	raw, err := b.Marshal(nil, &btf.MarshalOptions{Order: binary.LittleEndian})
	if err != nil {
		panic(err)
	}
	spec, err := btf.LoadSpecFromReader(strings.NewReader(string(raw)))
	return &object.BTF{Raw: raw, Spec: spec, Err: err}, ids
})

// addFuncs gives the program types for its functions: callbacks need them.
func addFuncs(p *object.Program) {
	starts := []int{0}
	for pc, i := range p.Insns {
		if i.Op == isa.CallSub || i.Op == isa.LdImm64 && i.Src == isa.PseudoFunc {
			starts = append(starts, i.Target(pc))
		}
	}
	slices.Sort(starts)
	starts = slices.Compact(starts)
	p.Funcs, p.FuncsRaw, p.FuncRec = nil, nil, 8
	b, ids := funcTypes()
	p.BTF = b
	for i, pc := range starts {
		if i >= maxFuncs || pc < 0 {
			break
		}
		p.Funcs = append(p.Funcs, object.FuncInfo{Insn: pc, Type: uint32(ids[i]), Name: fmt.Sprintf("f%d", i)})
		p.FuncsRaw = binary.LittleEndian.AppendUint32(p.FuncsRaw, uint32(pc))
		p.FuncsRaw = binary.LittleEndian.AppendUint32(p.FuncsRaw, uint32(ids[i]))
	}
}

// funcsMark is the line of a text that says that its functions have types.
const funcsMark = "# func_info"

// Parse reads what Text wrote.
func Parse(s string) (*object.Program, error) {
	p, err := object.Parse(s, object.Options{})
	if err == nil && strings.Contains(s, funcsMark) {
		addFuncs(p)
	}
	return p, err
}
