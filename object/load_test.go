package object_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/object"
)

var config = map[string]string{"CONFIG_HZ": "250", "CONFIG_NET": "y", "CONFIG_IPV6": "m", "CONFIG_DEFAULT_HOSTNAME": `"(none)"`}

// smallKernel are the types of a kernel that has what testdata/features.o asks for, and little else.
func smallKernel(t testing.TB) *object.BTF {
	t.Helper()
	u32 := &btf.Int{Name: "unsigned int", Size: 4}
	void := &btf.FuncProto{Return: &btf.Void{}}
	task := &btf.Struct{Name: "task_struct", Size: 512, Members: []btf.Member{{Name: "tgid", Type: u32, Offset: 100 * 8}}}
	b, err := btf.NewBuilder([]btf.Type{
		task, // 1
		&btf.Enum{Name: "bpf_map_type", Size: 4, Values: []btf.EnumValue{{Name: "BPF_MAP_TYPE_RINGBUF", Value: 27}}}, // 2
		&btf.Func{Name: "bpf_rcu_read_lock", Type: void, Linkage: btf.StaticFunc},                                    // 3
		&btf.Func{Name: "bpf_rcu_read_unlock", Type: void, Linkage: btf.StaticFunc},                                  // 4
		&btf.Typedef{Name: "btf_trace_sched_process_exit", Type: &btf.Pointer{Target: void}},                         // 5
		&btf.Func{Name: "bpf_iter_task", Type: void, Linkage: btf.StaticFunc},                                        // 6
	}, nil)
	require.NoError(t, err)
	raw, err := b.Marshal(nil, &btf.MarshalOptions{Order: binary.LittleEndian})
	require.NoError(t, err)
	out := object.ParseBTF(raw)
	require.NoError(t, out.Err)
	return out
}

func features(t testing.TB, o object.Options) *object.Collection {
	t.Helper()
	c, err := object.Load("testdata/features.o", o)
	require.NoError(t, err)
	return c
}

// text is the program's instructions, a line each.
func text(p *object.Program) []string {
	return strings.Split(strings.TrimSpace(isa.Source(p.Insns)), "\n")
}

func TestLoad(t *testing.T) {
	c := features(t, object.Options{Types: smallKernel(t), Config: config})
	require.Len(t, c.Failed, 1)
	require.Equal(t, "typeless", c.Failed[0].Name)
	require.ErrorIs(t, c.Err(), object.ErrNoType)
	require.Len(t, c.Programs, 8)
	for name, p := range c.Programs {
		require.Equal(t, name, p.Name)
		require.Equal(t, "GPL", p.License)
		require.NotNil(t, p.BTF)
		require.Equal(t, name, p.Funcs[0].Name)
		require.Equal(t, 0, p.Lines[0].Insn)
		require.Equal(t, "object/testdata/features.c", p.Lines[0].File)
	}
	iter, core := c.Programs["iter"], c.Programs["core"]
	require.Equal(t, []any{uint32(26), uint32(28), uint32(1 << 4), "bpf_iter_task", uint32(6), "task"},
		[]any{iter.Type, iter.AttachType, iter.Flags, iter.AttachTo, iter.AttachID, iter.Hook})
	require.Equal(t, []any{uint32(26), uint32(23), "btf_trace_sched_process_exit", uint32(5)},
		[]any{core.Type, core.AttachType, core.AttachTo, core.AttachID})
}

func TestCalls(t *testing.T) {
	p := features(t, object.Options{}).Programs["calls"]
	var names []string
	start := map[int]string{}
	for _, f := range p.Funcs {
		names = append(names, f.Name)
		start[f.Insn] = f.Name
	}
	require.Equal(t, []string{"calls", "callback", "global", "leaf"}, names, "in the order of cilium/ebpf: by name, then what these call")
	targets := map[string]int{}
	for pc, i := range p.Insns {
		if i.Op == isa.CallSub || i.Op == isa.LdImm64 && i.Src == isa.PseudoFunc {
			targets[start[i.Target(pc)]]++
		}
	}
	require.Equal(t, map[string]int{"global": 1, "leaf": 2, "callback": 1}, targets)
}

func TestMapReferences(t *testing.T) {
	p := features(t, object.Options{}).Programs["data"]
	var names, kinds []string
	seen := map[int32]bool{}
	for pc, i := range p.Insns {
		if i.Op != isa.LdImm64 {
			continue
		}
		if !seen[i.Imm] {
			seen[i.Imm] = true
			names = append(names, p.Maps[i.Imm].Name)
		}
		kinds = append(kinds, map[isa.Reg]string{isa.PseudoMapFD: "fd", isa.PseudoMapValue: "value"}[i.Src])
		require.Equal(t, isa.LdImm64Hi, p.Insns[pc+1].Op)
	}
	var all []string
	for _, m := range p.Maps {
		all = append(all, m.Name)
	}
	require.Equal(t, names, all, "those named, in the order of first use")
	require.ElementsMatch(t, []string{".data", ".rodata", ".bss", "outer", "events", "locked"}, all)
	require.Contains(t, kinds, "fd")
	require.Contains(t, kinds, "value")
}

func TestMaps(t *testing.T) {
	c := features(t, object.Options{CPUs: 3, Types: smallKernel(t), Config: config})
	zero := make([]byte, 4)
	data := c.Maps[".data"]
	require.Equal(t, []object.MapKV{{Key: zero, Value: []byte{8, 0, 0, 0}}}, data.Contents)
	require.EqualValues(t, 1<<10, data.Flags)
	require.False(t, data.Frozen)
	rodata := c.Maps[".rodata"]
	require.Equal(t, []object.MapKV{{Key: zero, Value: []byte{7, 0, 0, 0}}}, rodata.Contents)
	require.EqualValues(t, 1<<10|1<<7, rodata.Flags)
	require.True(t, rodata.Frozen)
	typ, err := rodata.BTF.Spec.TypeByID(btf.TypeID(rodata.ValueID))
	require.NoError(t, err)
	require.Equal(t, ".rodata", typ.(*btf.Datasec).Name)

	require.Equal(t, []object.MapKV{{Key: []byte{5, 0, 0, 0}, Program: c.Programs["other"]}}, c.Maps["jumps"].Contents)
	outer := c.Maps["outer"]
	require.Equal(t, []object.MapKV{{Key: []byte{1, 0, 0, 0}, Map: c.Maps["template"]}}, outer.Contents)
	require.EqualValues(t, 2, outer.Inner.MaxEntries)
	require.EqualValues(t, 3, c.Maps["events"].MaxEntries, "one for each CPU")
	locked := c.Maps["locked"]
	typ, err = locked.BTF.Spec.TypeByID(btf.TypeID(locked.ValueID))
	require.NoError(t, err)
	require.Equal(t, "bpf_spin_lock", typ.(*btf.Struct).Members[1].Type.TypeName())
}

func TestConfig(t *testing.T) {
	c := features(t, object.Options{Config: config, KernelVersion: 5<<16 | 10<<8 | 3})
	require.Len(t, c.Programs["config"].Maps, 1)
	m := c.Programs["config"].Maps[0]
	require.Equal(t, ".kconfig", m.Name)
	require.True(t, m.Frozen)
	got := map[string][]byte{}
	typ, err := m.BTF.Spec.TypeByID(btf.TypeID(m.ValueID))
	require.NoError(t, err)
	for _, v := range typ.(*btf.Datasec).Vars {
		got[v.Type.TypeName()] = m.Contents[0].Value[v.Offset : v.Offset+v.Size]
	}
	require.Equal(t, map[string][]byte{
		"LINUX_KERNEL_VERSION": {3, 10, 5, 0}, "LINUX_HAS_SYSCALL_WRAPPER": {1}, "CONFIG_NET": {1},
		"CONFIG_IPV6": {2, 0, 0, 0}, "CONFIG_HZ": {250, 0, 0, 0}, "CONFIG_DEFAULT_HOSTNAME": []byte("(none)\x00\x00"),
	}, got)
	for name, value := range map[string]string{"CONFIG_NET": "m", "CONFIG_HZ": "y", "CONFIG_IPV6": `"x"`, "CONFIG_DEFAULT_HOSTNAME": "7"} {
		bad := map[string]string{}
		for k, v := range config {
			bad[k] = v
		}
		bad[name] = value
		c := features(t, object.Options{Config: bad})
		require.Nil(t, c.Programs["config"])
		require.ErrorContains(t, c.Err(), name+": ")
		delete(bad, name)
		require.ErrorContains(t, features(t, object.Options{Config: bad}).Err(), name+": its value is not in Options.Config")
	}
}

func TestParseConfig(t *testing.T) {
	got, err := object.ParseConfig([]byte("# comment\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=\"x y\"\nCONFIG_A=n\n\n"))
	require.NoError(t, err)
	require.Equal(t, map[string]string{"CONFIG_A": "y", "CONFIG_C": `"x y"`}, got)
	_, err = object.ParseConfig([]byte("CONFIG_A=y\nCONFIG_B"))
	require.ErrorContains(t, err, "line 2")
}

func TestCORE(t *testing.T) {
	p := features(t, object.Options{Types: smallKernel(t)}).Programs["core"]
	lines := strings.Join(text(p), "\n")
	require.Contains(t, lines, "*(u32 *)(r2 +100)", "the offset of tgid in that kernel")
	require.Contains(t, lines, "r0 = 0x1b ll", "the enumerator's value in that kernel")
	poisoned := 0
	for _, i := range p.Insns {
		if i.Op == isa.Call && i.Imm == btf.COREBadRelocationSentinel || i.Op == isa.LdImm64 && i.Dst == isa.R10 {
			poisoned++
		}
	}
	require.NotZero(t, poisoned, "what that kernel does not have")
	typ, err := p.BTF.Spec.TypeByID(1)
	require.NoError(t, err)
	require.Contains(t, lines, "r1 = 0x1 ll", "the id of struct value in the program's types")
	require.Equal(t, "value", typ.TypeName())
}

func TestCOREWithoutKernel(t *testing.T) {
	c := features(t, object.Options{})
	require.NotNil(t, c.Programs["local"], "it is about the object's own types")
	var r *object.RelocationError
	for _, e := range c.Failed {
		if e.Name == "core" {
			require.ErrorAs(t, e, &r)
		}
	}
	require.NotNil(t, r)
	require.ErrorIs(t, r, object.ErrNoKernelTypes)
	require.Contains(t, r.Relocation, `byte_off, Struct:"task_struct"[0:0]`)
	require.Regexp(t, `^object/testdata/features.c:\d+$`, r.Line)
	require.ErrorContains(t, c.Err(), "bpf_rcu_read_lock: needs the types")
	require.ErrorContains(t, c.Err(), "bpf_iter_task: needs the types")
}

func TestSymbols(t *testing.T) {
	types := smallKernel(t)
	p := features(t, object.Options{Types: types}).Programs["symbols"]
	count := map[string]int{}
	for pc, i := range p.Insns {
		switch {
		case i.Op == isa.CallKfn:
			count["kfunc"]++
			require.Contains(t, []int32{3, 4}, i.Imm)
		case i.Op == isa.Call:
			count["missing"]++
			require.EqualValues(t, 0xdedc0de, i.Imm, "a call that must not be reached")
		case i.Op == isa.LdImm64 && i.Imm64(p.Insns[pc+1]) == 0:
			count["null"]++
		case i.Op == isa.LdImm64:
			count["address"]++
			require.EqualValues(t, -1, p.Insns[pc+1].Imm, "in the kernel's half")
		}
	}
	require.Equal(t, map[string]int{"kfunc": 2, "missing": 1, "null": 2, "address": 1}, count)

	c := features(t, object.Options{Types: types, Symbols: map[string]uint64{"some_symbol": 0x1234}})
	require.Contains(t, strings.Join(text(c.Programs["symbols"]), "\n"), "0x1234")
	c = features(t, object.Options{Types: types, Symbols: map[string]uint64{}})
	require.ErrorContains(t, c.Err(), "no symbol some_symbol")
}

func TestVariablesOfSpec(t *testing.T) {
	spec, err := ebpf.LoadCollectionSpec("testdata/features.o")
	require.NoError(t, err)
	require.NoError(t, spec.Variables["constant"].Set(uint32(99)))
	before := spec.Maps[".rodata"].Contents[0].Value.([]byte)[0]
	c, err := object.FromSpec(spec, object.Options{})
	require.NoError(t, err)
	require.Equal(t, []byte{99, 0, 0, 0}, c.Maps[".rodata"].Contents[0].Value)
	require.EqualValues(t, 7, before, "the spec is not changed")
	require.EqualValues(t, 7, spec.Maps[".rodata"].Contents[0].Value.([]byte)[0])
}

func TestOldKernelTypes(t *testing.T) {
	linkage := func(version uint32) btf.FuncLinkage {
		c := features(t, object.Options{KernelVersion: version})
		var f *btf.Func
		require.NoError(t, c.Programs["calls"].BTF.Spec.TypeByName("global", &f))
		return f.Linkage
	}
	require.Equal(t, btf.GlobalFunc, linkage(0))
	require.Equal(t, btf.StaticFunc, linkage(5<<16|5<<8), "kernels before 5.6 know no linkage")
}

func TestUnsupported(t *testing.T) {
	for name, cause := range map[string]string{
		"arena_global":   `a reference to "global" in a section that is not for data: .addr_space.1`,
		"custom_section": `a reference to "a" in a section that is not for data: mydata`,
		"nested_maps":    "a map of maps of maps",
		"numa_node":      "field numa_node of a map definition",
		"static_map":     "a static map",
		"struct_ops":     "section .struct_ops (use .struct_ops.link)",
		"typed_ksym":     "a kernel variable with a type (bpf_prog_active)",
		"weak_callback":  "a pointer to a weak function (callback)",
		"weak_kconfig":   "a weak .kconfig variable (CONFIG_HZ)",
		"weak_map":       "a map that is not global (m)",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := object.Load("testdata/"+name+".o", object.Options{})
			var u *object.UnsupportedError
			require.ErrorAs(t, err, &u)
			require.Equal(t, cause, u.Cause)
			require.ErrorContains(t, err, name+".o")
		})
	}
}

func TestMalformed(t *testing.T) {
	obj, err := os.ReadFile("testdata/features.o")
	require.NoError(t, err)
	for n := 0; n < len(obj); n += 97 {
		_, err := object.LoadReader(bytes.NewReader(obj[:n]), object.Options{})
		require.Error(t, err, "the first %d bytes", n)
		require.Contains(t, err.Error(), "object: ")
	}
	bss := bytes.Clone(obj)
	patchSection(t, bss, ".bss", 32, 3<<30)
	_, err = object.LoadReader(bytes.NewReader(bss), object.Options{})
	require.ErrorContains(t, err, "section .bss has 3221225472 bytes, too many")
	arm := bytes.Clone(obj)
	arm[18] = 183
	_, err = object.LoadReader(bytes.NewReader(arm), object.Options{})
	require.ErrorContains(t, err, "EM_AARCH64")
	_, err = object.Load("testdata", object.Options{})
	require.Error(t, err)
	require.False(t, errors.As(err, new(*object.MalformedError)), "it could not be read: %v", err)
	_, err = object.Load("testdata/none.o", object.Options{})
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = object.FromSpec(nil, object.Options{})
	require.Error(t, err)
}

// patchSection writes a number into a section's header.
func patchSection(t *testing.T, obj []byte, name string, at int, value uint64) {
	t.Helper()
	le := binary.LittleEndian
	table, n, strs := le.Uint64(obj[40:]), int(le.Uint16(obj[60:])), int(le.Uint16(obj[62:]))
	strtab := obj[le.Uint64(obj[table+uint64(strs)*64+24:]):]
	for i := range n {
		h := obj[table+uint64(i)*64:]
		s := strtab[le.Uint32(h):]
		if string(s[:bytes.IndexByte(s, 0)]) == name {
			le.PutUint64(h[at:], value)
			return
		}
	}
	t.Fatalf("no section %s", name)
}

func TestBigEndian(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(filepath.Dir(ciliumObjects(t)[0]), "*-eb.elf"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		_, err := object.Load(f, object.Options{})
		require.ErrorContains(t, err, "not supported: a big-endian object")
	}
}

// ciliumObjects are the objects that cilium/ebpf is tested with, from the module cache.
func ciliumObjects(t testing.TB) []string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/cilium/ebpf").Output()
	if err != nil || strings.TrimSpace(string(dir)) == "" {
		t.Skip("the sources of cilium/ebpf are not in the module cache: ", err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "testdata", "*-el.elf"))
	require.NoError(t, err)
	if len(files) == 0 {
		t.Skip("cilium/ebpf's module has no testdata")
	}
	return files
}

// TestSectionBeyondFile has a section of instructions claim to be 4 GiB long: the parser would make room for them.
// FuzzObject found it.
func TestSectionBeyondFile(t *testing.T) {
	obj, err := os.ReadFile("testdata/features.o")
	require.NoError(t, err)
	const headerSize, flags, size, execinstr = 64, 8, 32, 4
	le := binary.LittleEndian
	headers := obj[le.Uint64(obj[40:]):] // e_shoff
	n := 0
	for i := range int(le.Uint16(obj[60:])) { // e_shnum
		h := headers[i*headerSize:]
		if le.Uint64(h[flags:])&execinstr != 0 && le.Uint64(h[size:]) > 0 {
			le.PutUint64(h[size:], 1<<32-64)
			n++
		}
	}
	require.NotZero(t, n)
	_, err = object.LoadReader(bytes.NewReader(obj), object.Options{})
	var malformed *object.MalformedError
	require.ErrorAs(t, err, &malformed)
	require.ErrorContains(t, err, "exceeds the file")
}
