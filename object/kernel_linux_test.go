package object_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/oracle"
)

func kernel(t testing.TB) (*oracle.Kernel, object.Options) {
	t.Helper()
	k, err := oracle.Open()
	if err != nil {
		t.Skip("there is no kernel to ask: ", err)
	}
	t.Cleanup(k.Close)
	types, err := k.BTF()
	require.NoError(t, err)
	return k, object.Options{Types: types, KernelVersion: hostVersion(t), Config: hostConfig(),
		Symbols: hostSymbols(t), CPUs: ebpf.MustPossibleCPU()}
}

// TestSameAsCilium loads programs into the kernel twice, made by this package and by cilium/ebpf, and compares what the
// kernel then has: tag (a hash of the instructions), types, function and line info; the log, if it refuses them.
func TestSameAsCilium(t *testing.T) {
	k, o := kernel(t)
	examples, err := filepath.Glob("../examples/*/*.o")
	require.NoError(t, err)
	programs := 0
	for _, file := range append(ciliumObjects(t), examples...) {
		spec, err := ebpf.LoadCollectionSpec(file)
		if err != nil {
			continue
		}
		c, err := object.FromSpec(spec, o)
		if err != nil {
			continue
		}
		for name, p := range c.Programs {
			t.Run(filepath.Base(file)+"/"+name, func(t *testing.T) {
				programs++
				sameProgram(t, k, spec, p)
			})
		}
	}
	t.Logf("%d programs compared", programs)
}

func sameProgram(t *testing.T, k *oracle.Kernel, spec *ebpf.CollectionSpec, p *object.Program) {
	got, err := k.Load(p, oracle.Options{LogLevel: 2, FreshMaps: true})
	require.NoError(t, err)
	defer got.Close()
	want, err := loadCilium(spec, p.Name)
	var refused *ebpf.VerifierError
	switch {
	case errors.As(err, &refused):
		log := strings.Join(refused.Log, "\n")
		require.Equal(t, oracle.Reject, got.Verdict, "cilium/ebpf: %v", log)
		if d := oracle.Diff(got.Log, log); d != nil {
			t.Error(d)
		}
		return
	case err != nil:
		t.Skipf("cilium/ebpf: %v; ours: %v", err, got)
	}
	defer want.Close()
	require.Equal(t, oracle.Accept, got.Verdict, got.Log)
	ours, err := ebpf.NewProgramFromFD(dup(t, got.FD))
	require.NoError(t, err)
	defer ours.Close()
	a, b := info(t, ours), info(t, want)
	require.Equal(t, b.Tag, a.Tag)
	require.Equal(t, funcs(b), funcs(a))
	require.Equal(t, lines(b), lines(a))
	require.Equal(t, blob(t, b), blob(t, a))
	if p.BTF != nil {
		require.Equal(t, p.BTF.Raw, blob(t, a))
	}
}

func dup(t *testing.T, fd int) int {
	t.Helper()
	fd, err := unix.Dup(fd)
	require.NoError(t, err)
	return fd
}

// loadCilium loads one program of an object, by cilium/ebpf alone.
func loadCilium(spec *ebpf.CollectionSpec, name string) (*ebpf.Program, error) {
	spec = spec.Copy()
	for n := range spec.Programs {
		if n != name {
			delete(spec.Programs, n)
		}
	}
	for _, m := range spec.Maps {
		if m.Type == ebpf.ProgramArray || m.Type == ebpf.StructOpsMap {
			m.Contents = nil
		}
		m.Pinning = ebpf.PinNone
	}
	needed := map[string]bool{}
	for _, ins := range spec.Programs[name].Instructions {
		needed[ins.Reference()] = true
	}
	for n := range spec.Maps {
		if !needed[n] {
			delete(spec.Maps, n)
		}
	}
	spec.Variables = nil
	c, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{Programs: ebpf.ProgramOptions{LogLevel: ebpf.LogLevelInstruction}})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.Programs[name].Clone()
}

func info(t *testing.T, p *ebpf.Program) *ebpf.ProgramInfo {
	t.Helper()
	i, err := p.Info()
	require.NoError(t, err)
	return i
}

func funcs(i *ebpf.ProgramInfo) (out []string) {
	offsets, err := i.FuncInfos()
	if err != nil {
		return []string{err.Error()}
	}
	for _, f := range offsets {
		out = append(out, f.Func.Name+" "+f.Func.Linkage.String())
	}
	return out
}

func lines(i *ebpf.ProgramInfo) (out []string) {
	offsets, err := i.LineInfos()
	if err != nil {
		return []string{err.Error()}
	}
	for _, l := range offsets {
		out = append(out, l.Line.FileName()+": "+l.Line.String())
	}
	return out
}

// blob is the program's types as the kernel was given them.
func blob(t *testing.T, i *ebpf.ProgramInfo) []byte {
	t.Helper()
	id, ok := i.BTFID()
	if !ok {
		return nil
	}
	return btfByID(t, uint32(id))
}

// hostVersion is the running kernel's version as LINUX_KERNEL_VERSION has it.
func hostVersion(t testing.TB) uint32 {
	t.Helper()
	var u unix.Utsname
	require.NoError(t, unix.Uname(&u))
	var v [3]uint32
	n, part := 0, false
	for _, c := range u.Release {
		switch {
		case c >= '0' && c <= '9':
			v[n] = v[n]*10 + uint32(c-'0')
			part = true
		case c == '.' && part && n < 2:
			n++
		default:
			return v[0]<<16 | v[1]<<8 | min(v[2], 255)
		}
	}
	return 0
}

// hostConfig is the running kernel's configuration, nil if it does not tell.
func hostConfig() map[string]string {
	b, err := os.ReadFile("/proc/config.gz")
	if err != nil {
		return nil
	}
	c, err := object.ParseConfig(b)
	if err != nil {
		return nil
	}
	return c
}

// hostSymbols are the running kernel's symbols.
func hostSymbols(t testing.TB) map[string]uint64 {
	t.Helper()
	b, err := os.ReadFile("/proc/kallsyms")
	require.NoError(t, err)
	out := map[string]uint64{}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		addr, err := strconv.ParseUint(f[0], 16, 64)
		require.NoError(t, err)
		if _, ok := out[f[2]]; !ok {
			out[f[2]] = addr
		}
	}
	return out
}
