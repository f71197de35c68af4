package prepare

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/oracle"
)

// slot is an instruction by its raw fields, as tests of wrong instructions need them.
func slot(op, dst, src uint8, off int16, imm int32) isa.Insn {
	return isa.Decode(isa.Insn{Opcode: op, Dst: isa.Reg(dst), Src: isa.Reg(src), Off: off, Imm: imm}.Encode())
}

// code joins instructions and marks second slots, as the decoder of programs does.
func code(parts ...[]isa.Insn) []isa.Insn {
	var out []isa.Insn
	for _, p := range parts {
		for _, i := range p {
			if n := len(out); n > 0 && out[n-1].Op == isa.LdImm64 && i.Opcode == 0 {
				i.Op = isa.LdImm64Hi
			}
			out = append(out, i)
		}
	}
	return out
}

func one(op, dst, src uint8, off int16, imm int32) []isa.Insn {
	return []isa.Insn{slot(op, dst, src, off, imm)}
}

// address is an LdImm64 of r1.
func address(kind uint8, low, high int32) []isa.Insn {
	return []isa.Insn{slot(opLdImm64, 1, kind, 0, low), slot(0, 0, 0, 0, high)}
}

func callSub(to int32) []isa.Insn    { return one(opCall, 0, isa.PseudoCallSub, 0, to) }
func callHelper(id int32) []isa.Insn { return one(opCall, 0, 0, 0, id) }
func callKfunc(id int32) []isa.Insn  { return one(opCall, 0, isa.PseudoCallKfunc, 0, id) }

var (
	ret0 = code(one(0xb7, 0, 0, 0, 0), one(opExit, 0, 0, 0, 0))
	bare = one(opExit, 0, 0, 0, 0)
	nop  = one(0xbf, 6, 1, 0, 0) // r6 = r1
)

// Functions of world.
const (
	mainFunc = iota
	staticFunc
	globalFunc
	staticVoid
	globalVoid
	staticPointer
	handlerFunc
	numFuncs
)

// Maps of world.
const (
	arrayMap = iota
	pairMap
	hashMap
	progMap
	lockMap
	timerMap
	storageMap
	storageMap2
	percpuStorageMap
	arenaMap
	arenaMap2
)

// A world is the types and maps that the tests' programs refer to.
type world struct {
	btf    *object.BTF
	funcs  [numFuncs]uint32 // ids
	others []uint32         // ids of what is no function
	maps   []*object.Map
	line   uint32 // offset of a source line among the strings
	kernel *object.BTF
	oracle *oracle.Kernel // nil: no kernel to ask
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{line: 1}
	b, err := btf.NewBuilder(nil, nil)
	require.NoError(t, err)
	add := func(typ btf.Type) uint32 {
		id, err := b.Add(typ)
		require.NoError(t, err)
		return uint32(id)
	}
	number := &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	long := &btf.Int{Name: "long", Size: 8}
	takesInt := &btf.FuncProto{Return: number, Params: []btf.FuncParam{{Name: "a", Type: number}}}
	void := &btf.FuncProto{Return: &btf.Void{}}
	pointer := &btf.FuncProto{Return: &btf.Pointer{Target: number}}
	for i, f := range []*btf.Func{
		mainFunc:      {Name: "main", Type: takesInt, Linkage: btf.GlobalFunc},
		staticFunc:    {Name: "static_func", Type: takesInt, Linkage: btf.StaticFunc},
		globalFunc:    {Name: "global_func", Type: takesInt, Linkage: btf.GlobalFunc},
		staticVoid:    {Name: "static_void", Type: void, Linkage: btf.StaticFunc},
		globalVoid:    {Name: "global_void", Type: void, Linkage: btf.GlobalFunc},
		staticPointer: {Name: "static_pointer", Type: pointer, Linkage: btf.StaticFunc},
		handlerFunc:   {Name: "handler", Type: takesInt, Linkage: btf.GlobalFunc, Tags: []string{"exception_callback:global_func"}},
	} {
		w.funcs[i] = add(f)
	}
	w.others = []uint32{0, add(number), add(takesInt), 999}
	lock := &btf.Struct{Name: "bpf_spin_lock", Size: 4, Members: []btf.Member{{Name: "val", Type: number}}}
	timer := &btf.Struct{Name: "bpf_timer", Size: 16, Members: []btf.Member{
		{Name: "opaque", Type: &btf.Array{Index: number, Type: long, Nelems: 2}}}}
	locked := add(&btf.Struct{Name: "locked", Size: 8, Members: []btf.Member{
		{Name: "count", Type: number}, {Name: "lock", Type: lock, Offset: 32}}})
	timed := add(&btf.Struct{Name: "timed", Size: 16, Members: []btf.Member{{Name: "timer", Type: timer}}})
	key := add(number)
	raw, err := b.Marshal(nil, nil)
	require.NoError(t, err)
	spec, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	require.NoError(t, err)
	w.btf = &object.BTF{Raw: raw, Spec: spec}
	w.maps = []*object.Map{
		arrayMap:         {Name: "array", Type: mapArray, KeySize: 4, ValueSize: 8, MaxEntries: 1},
		pairMap:          {Name: "pair", Type: mapArray, KeySize: 4, ValueSize: 8, MaxEntries: 2},
		hashMap:          {Name: "hash", Type: mapHash, KeySize: 4, ValueSize: 8, MaxEntries: 2},
		progMap:          {Name: "progs", Type: 3, KeySize: 4, ValueSize: 4, MaxEntries: 2},
		lockMap:          {Name: "lock", Type: mapArray, KeySize: 4, ValueSize: 8, MaxEntries: 1, BTF: w.btf, KeyID: key, ValueID: locked},
		timerMap:         {Name: "timer", Type: mapArray, KeySize: 4, ValueSize: 16, MaxEntries: 1, BTF: w.btf, KeyID: key, ValueID: timed},
		storageMap:       {Name: "storage", Type: mapCgroupStorage, KeySize: 16, ValueSize: 8},
		storageMap2:      {Name: "storage2", Type: mapCgroupStorage, KeySize: 16, ValueSize: 8},
		percpuStorageMap: {Name: "percpu", Type: mapPercpuCgroupStorage, KeySize: 16, ValueSize: 8},
		arenaMap:         {Name: "arena", Type: mapArena, MaxEntries: 1, Flags: 1 << 10, Extra: 1 << 44},
		arenaMap2:        {Name: "arena2", Type: mapArena, MaxEntries: 1, Flags: 1 << 10, Extra: 1<<44 + 1<<40},
	}
	return w
}

// ask opens the running kernel, if it is one whose answers the tests hold.
func (w *world) ask(t testing.TB) bool {
	t.Helper()
	k, err := oracle.Open()
	if err != nil {
		t.Logf("no kernel to ask: %v", err)
		return false
	}
	t.Cleanup(k.Close)
	if !strings.HasPrefix(k.Release(), "6.18.") {
		t.Logf("Linux %s is not the one whose answers are recorded", k.Release())
		return false
	}
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		t.Logf("no BTF of the kernel: %v", err)
		return false
	}
	w.oracle, w.kernel = k, &object.BTF{Spec: spec}
	return true
}

// program makes a program with the world's maps.
func (w *world) program(insns []isa.Insn) *object.Program {
	return &object.Program{Type: progSocketFilter, License: "GPL", Maps: w.maps, Insns: insns}
}

// typed gives a program func_info: pairs of a slot and a type id.
func (w *world) typed(p *object.Program, pairs ...uint32) *object.Program {
	p.BTF, p.FuncRec = w.btf, funcRecMin
	for _, v := range pairs {
		p.FuncsRaw = binary.LittleEndian.AppendUint32(p.FuncsRaw, v)
	}
	return p
}

// lined gives a program line_info: records of slot, file, line and number.
func (w *world) lined(p *object.Program, words ...uint32) *object.Program {
	p.BTF, p.LineRec = w.btf, lineRecMin
	for _, v := range words {
		p.LinesRaw = binary.LittleEndian.AppendUint32(p.LinesRaw, v)
	}
	return p
}

// An answer is what a verifier says before it walks a program.
type answer struct {
	errno   int // 0: nothing against it
	message string
}

func (a answer) String() string { return fmt.Sprintf("%d %q", a.errno, a.message) }

// kernelAnswer is what the running kernel says, and its log.
func (w *world) kernelAnswer(t testing.TB, p *object.Program, level uint32) (answer, string) {
	t.Helper()
	r, err := w.oracle.Load(p, oracle.Options{LogLevel: level | oracle.LogStats})
	require.NoError(t, err)
	r.Close()
	if r.Verdict == oracle.Accept || r.Processed > 0 {
		return answer{}, r.Log
	}
	a := answer{int(r.Errno), r.Message}
	if r.Verdict == oracle.Refused {
		a.message = ""
	}
	// Some messages lack their newline, so that the first figure stands on their line.
	if text, _, cut := strings.Cut(r.Log, "verification time"); cut {
		lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
		a.message = lines[len(lines)-1]
	}
	return a, r.Log
}

func prepareAnswer(p *object.Program, o Options) (*Info, answer) {
	in, f := Prepare(p, o)
	if f != nil {
		return nil, answer{f.Errno, f.Message}
	}
	return in, answer{}
}
