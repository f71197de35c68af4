package fuzz_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep/fuzz"
	"github.com/skepbpf/skep/oracle"
	"github.com/skepbpf/skep/verifier"
)

// options are those of the verifier.
func options(t testing.TB, k *oracle.Kernel) verifier.Options {
	o := verifier.Options{AllSymbols: true}
	if k != nil {
		b, err := k.BTF()
		require.NoError(t, err)
		o.KernelBTF, o.CPUs = b, fuzz.CPUs()
	}
	return o
}

// kernel is the running kernel, if it is one that the wants are of.
func kernel(t testing.TB) *oracle.Kernel {
	k, err := oracle.Open()
	if errors.Is(err, oracle.ErrUnavailable) {
		t.Skipf("SKIPPED: %v", err)
	}
	require.NoError(t, err)
	t.Cleanup(k.Close)
	if r := k.Release(); len(r) < 5 || r[:5] != "6.18." {
		t.Skipf("SKIPPED: this is Linux %s, not 6.18", r)
	}
	return k
}

// TestScripts has the programs judged on which the verifier and the kernel once differed.
func TestScripts(t *testing.T) {
	scripts, err := fuzz.Scripts("testdata")
	require.NoError(t, err)
	require.NotEmpty(t, scripts)
	for _, s := range scripts {
		j, _ := fuzz.Verify(s.Program, options(t, nil))
		require.Equal(t, s.Want, j.Want(), s.Name)
	}
}

// TestScriptsKernel asks the kernel whether it wants what the scripts say.
func TestScriptsKernel(t *testing.T) {
	k := kernel(t)
	scripts, err := fuzz.Scripts("testdata")
	require.NoError(t, err)
	for _, s := range scripts {
		j, err := fuzz.Ask(k, s.Program, 0)
		require.NoError(t, err)
		require.Equal(t, s.Want, j.Want(), s.Name)
	}
}

// TestKernel compares generated programs with the running kernel. The campaign does so with more.
func TestKernel(t *testing.T) {
	k := kernel(t)
	n := uint64(500)
	if testing.Short() {
		n = 100
	}
	for seed := range n {
		p := fuzz.Generate(fuzz.Seeded(seed))
		d, ours, theirs, err := fuzz.Differ(k, p, options(t, k), false)
		require.NoError(t, err)
		if d == fuzz.FalseAccept || d == fuzz.FalseReject || d == fuzz.Errno || d == fuzz.Unsupported {
			t.Errorf("seed %d: %s\n%s\nskep:   %s\nkernel: %s", seed, d, fuzz.Text(p), ours, theirs)
		}
	}
}

// TestGenerate: the same choices make the same program, text keeps it, and most programs are accepted.
func TestGenerate(t *testing.T) {
	accepted := 0
	for seed := range uint64(300) {
		p := fuzz.Generate(fuzz.Seeded(seed))
		text := fuzz.Text(p)
		require.Equal(t, text, fuzz.Text(fuzz.Generate(fuzz.Seeded(seed))))
		j, _ := fuzz.Verify(p, options(t, nil))
		if j.Verdict == oracle.Accept {
			accepted++
			q, err := fuzz.Parse(text)
			require.NoError(t, err, text)
			require.Equal(t, len(p.Insns), len(q.Insns), text)
			again, _ := fuzz.Verify(q, options(t, nil))
			require.Equal(t, j.Want(), again.Want(), text)
		}
	}
	require.Greater(t, accepted, 100)
}

// TestWithin runs accepted programs and looks whether they stay in the states of their proofs.
func TestWithin(t *testing.T) {
	n := uint64(400)
	if testing.Short() {
		n = 100
	}
	w, err := fuzz.NewWorld()
	require.NoError(t, err)
	defer w.Close()
	var tally fuzz.Tally
	for seed := range n {
		within(t, w, fuzz.Seeded(seed), fuzz.Seeded(^seed), &tally)
	}
	t.Logf("%+v", tally)
	require.Greater(t, tally.Programs, int(n)/3)
	require.Less(t, tally.Unknown, 5)
}

func within(t testing.TB, w *fuzz.World, program, inputs *fuzz.Source, tally *fuzz.Tally) {
	p := fuzz.Generate(program)
	o := options(t, nil)
	o.KeepStates = true
	j, proof := fuzz.Verify(p, o)
	if j.Verdict != oracle.Accept {
		return
	}
	if err := w.Execute(proof, inputs, 2, tally); err != nil {
		t.Fatalf("%v\n%s", err, fuzz.Text(p))
	}
}

// FuzzWithin is TestWithin for programs made from any bytes.
func FuzzWithin(f *testing.F) {
	f.Add([]byte{}, uint64(1))
	f.Add([]byte("\x02\x00\x07\x03 any bytes make a program"), uint64(2))
	w, err := fuzz.NewWorld()
	require.NoError(f, err)
	f.Cleanup(func() { w.Close() })
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		within(t, w, fuzz.Bytes(b), fuzz.Seeded(seed), &fuzz.Tally{})
	})
}

// FuzzKernel compares programs made from any bytes with the running kernel.
func FuzzKernel(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x01\x02\x03\x04\x05\x06\x07"))
	k := kernel(f)
	o := options(f, k)
	f.Fuzz(func(t *testing.T, b []byte) {
		p := fuzz.Generate(fuzz.Bytes(b))
		d, ours, theirs, err := fuzz.Differ(k, p, o, false)
		require.NoError(t, err)
		if d == fuzz.FalseAccept || d == fuzz.FalseReject {
			t.Fatalf("%s\n%s\nskep:   %s\nkernel: %s", d, fuzz.Text(p), ours, theirs)
		}
	})
}

// TestEscape: the comparison notices what does not lie in the states.
func TestEscape(t *testing.T) {
	p, err := fuzz.Parse("prog socket_filter\nr0 = *(u32 *)(r1 +0)\nr0 &= 7\nr2 = r10\nr2 += -8\n*(u64 *)(r10 -8) = 5\nr0 += r0\nr3 = *(u64 *)(r2 +0)\nr0 += r3\nexit\n")
	require.NoError(t, err)
	o := options(t, nil)
	o.KeepStates = true
	_, proof := fuzz.Verify(p, o)
	require.NotNil(t, proof)
	require.NoError(t, proof.StatesErr())
	stack := make([]byte, 512)
	stack[504] = 5
	run := func(change func(c *verifier.Concrete)) string {
		c := &verifier.Concrete{Frames: []verifier.ConcreteFrame{{Insn: 6, Stack: stack}}}
		f := &c.Frames[0]
		f.Regs[0], f.Regs[10], f.Regs[2] = 14, 0x2000, 0x1ff8
		if change != nil {
			change(c)
		}
		require.Equal(t, proof.Misfit(c) == "", proof.Covers(c))
		return proof.Misfit(c)
	}
	require.Empty(t, run(nil))
	require.Len(t, proof.States(6), 1)
	require.Contains(t, proof.States(6)[0], "fp-8=5")
	require.Contains(t, run(func(c *verifier.Concrete) { c.Frames[0].Regs[0] = 15 }), "R0 is 0xf")
	require.Contains(t, run(func(c *verifier.Concrete) { c.Frames[0].Regs[2]++ }), "R2 is")
	require.Empty(t, run(func(c *verifier.Concrete) { c.Frames[0].Regs[7] = 99 })) // nobody reads it
	require.Contains(t, run(func(c *verifier.Concrete) { stack[504] = 6 }), "fp-8 is")
	stack[504] = 5
	require.Contains(t, run(func(c *verifier.Concrete) { c.Frames = append(c.Frames, c.Frames[0]) }), "not walked")
	_, proof = fuzz.Verify(p, options(t, nil))
	require.Error(t, proof.StatesErr())
	require.Nil(t, proof.States(0))
}

// TestDiffers has the programs judged on which we differ from Linux 6.18, and mean to: it goes wrong there.
func TestDiffers(t *testing.T) {
	scripts, err := fuzz.Scripts("testdata/differs")
	require.NoError(t, err)
	for _, s := range scripts {
		j, _ := fuzz.Verify(s.Program, options(t, nil))
		require.Equal(t, oracle.Reject, j.Verdict, s.Name)
		require.Contains(t, s.Want, oracle.Accept, s.Name)
	}
}
