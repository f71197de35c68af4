package verifier_test

import (
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep/internal/beside"
	"github.com/skepbpf/skep/internal/corpus"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/oracle"
	"github.com/skepbpf/skep/verifier"
)

// The programs of testdata/families are about objects with types: kernel functions, dynptrs, iterators, objects of the
// program's own, lists and trees, exceptions, sections. What Linux says of each is in a .golden file beside the object:
//
//	name: accept; processed 10, states 1/1, stack 8
//	name: reject 13: message; processed 10, states 1/1
//
// and never comes from skep: -update asks the running kernel, which must be the one recordedKernel describes.

//go:generate go run ../examples/internal/cc testdata/families/arena.c testdata/families/arguments.c testdata/families/dynptrs.c testdata/families/functions.c testdata/families/iterators.c testdata/families/graph.c testdata/families/lists.c testdata/families/local.c testdata/families/objects.c testdata/families/rcu.c testdata/families/sections.c testdata/families/throw.c testdata/families/untrusted.c

var updateFamilies = flag.Bool("update", false, "record in testdata/families what the running kernel says, and its BTF")

const (
	familiesDir = "testdata/families"
	familiesBTF = familiesDir + "/kernel.btf.gz"
	familyCPUs  = 2 // of the machine that was asked
)

// recordedKernel is the kernel that was asked.
func recordedKernel() *linux.Kernel {
	k := linux.For(linux.V(6, 18))
	k.Config.TrustedArgs = true
	return k
}

// familyObjects are the names of the objects.
func familyObjects(t *testing.T) (names []string) {
	files, err := filepath.Glob(familiesDir + "/*.o")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".o"))
	}
	return names
}

// judged is one line of a .golden file.
func judged(name string, j *beside.Judgement) string {
	cost := fmt.Sprintf("processed %d, states %d/%d", j.Processed, j.TotalStates, j.PeakStates)
	switch j.Verdict.Verdict {
	case corpus.Accept:
		return fmt.Sprintf("%s: accept; %s, stack %s\n", name, cost, j.StackDepth)
	case corpus.Reject:
		return fmt.Sprintf("%s: reject %d: %s; %s\n", name, j.Errno, oracle.Normalize(j.Message), cost)
	}
	return fmt.Sprintf("%s: %v: %s\n", name, j.Verdict.Verdict, j.Message)
}

// TestFamilies compares what skep says without a kernel with what Linux said.
func TestFamilies(t *testing.T) {
	if *updateFamilies {
		recordFamilies(t)
	}
	types, err := object.LoadBTF(familiesBTF)
	require.NoError(t, err)
	o := verifier.Options{Kernel: recordedKernel(), KernelBTF: types, CPUs: familyCPUs, LogLevel: verifier.LogErrors}
	for _, name := range familyObjects(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			compareFamily(t, name, name+".golden", o)
		})
	}
}

// TestFamiliesStock compares with Linux 6.18.15, which trusts what kernel functions are passed a little more.
func TestFamiliesStock(t *testing.T) {
	types, err := object.LoadBTF(familiesBTF)
	require.NoError(t, err)
	compareFamily(t, "untrusted", "untrusted.stock", verifier.Options{KernelBTF: types})
}

// compareFamily compares what skep says of an object's programs with what is in a file.
func compareFamily(t *testing.T, name, file string, o verifier.Options) {
	b, err := os.ReadFile(filepath.Join(familiesDir, file))
	require.NoError(t, err)
	want := strings.SplitAfter(string(b), "\n")
	var got []string
	for _, p := range familyPrograms(t, name, o.KernelBTF) {
		got = append(got, judged(p.Name, beside.Judge(p, o)))
	}
	got = append(got, "")
	require.Len(t, got, len(want))
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("\n got  %s want %s", got[i], want[i])
		}
	}
}

// recordFamilies asks the running kernel.
func recordFamilies(t *testing.T) {
	k, err := oracle.Open()
	require.NoError(t, err)
	defer k.Close()
	facts, err := k.Facts()
	require.NoError(t, err)
	require.Equal(t, recordedKernel(), facts, "this is not the kernel that is recorded")
	require.Equal(t, familyCPUs, runtime.NumCPU())
	types, err := k.BTF()
	require.NoError(t, err)
	names := map[string]bool{}
	for _, name := range familyObjects(t) {
		var b strings.Builder
		for _, p := range familyPrograms(t, name, types) {
			j, err := beside.Ask(k, p, oracle.Options{LogLevel: oracle.LogStates | oracle.LogStats})
			require.NoError(t, err)
			require.Empty(t, j.NotJudged(), "%s: %s", name, p.Name)
			b.WriteString(judged(p.Name, j))
		}
		require.NoError(t, os.WriteFile(filepath.Join(familiesDir, name+".golden"), []byte(b.String()), 0o644))
		familyNames(t, name, names)
	}
	raw := reducedBTF(t, types.Spec, slices.Sorted(maps.Keys(names)))
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	require.NoError(t, err)
	_, err = z.Write(raw)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	require.NoError(t, os.WriteFile(familiesBTF, b.Bytes(), 0o644))
}

// TestFamiliesKernel asks the running kernel, and compares the states at each instruction, too.
func TestFamiliesKernel(t *testing.T) {
	k, err := oracle.Open()
	if err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	defer k.Close()
	if !strings.HasPrefix(k.Release(), "6.18.") {
		t.Skipf("SKIPPED: this is Linux %s, not 6.18", k.Release())
	}
	facts, err := k.Facts()
	require.NoError(t, err)
	types, err := k.BTF()
	require.NoError(t, err)
	o := verifier.Options{Kernel: facts, KernelBTF: types, CPUs: runtime.NumCPU(), LogLevel: verifier.LogStates | verifier.LogStats}
	for _, name := range familyObjects(t) {
		for _, p := range familyPrograms(t, name, types) {
			said, err := beside.Ask(k, p, oracle.Options{LogLevel: oracle.LogStates | oracle.LogStats})
			require.NoError(t, err)
			if why := said.NotJudged(); why != "" {
				t.Logf("%s: %s: not compared: %s", name, p.Name, why)
				continue
			}
			if c := beside.Compare(beside.Judge(p, o), said, true); c.Cause != beside.Equal {
				t.Errorf("%s: %s: %v: %s %v", name, p.Name, c.Cause, c.Why, c.At)
			}
		}
	}
}
