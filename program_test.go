package skep_test

import (
	"bytes"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/interp"
	"github.com/skepbpf/skep/maps"
)

// counter counts packets, all and by CPU, and passes those of 20 bytes and more.
const counter = `
prog xdp
name counter
map counts array key=4 value=8 entries=1
	r6 = *(u32 *)(r1 +4)
	r7 = *(u32 *)(r1 +0)
	*(u32 *)(r10 -4) = 0
	r1 = counts ll
	r2 = r10
	r2 += -4
	call bpf_map_lookup_elem
	if r0 == 0 goto drop
	r1 = 1
	lock *(u64 *)(r0 +0) += r1
	r7 += 20
	if r7 > r6 goto drop
	r0 = 2
	exit
drop:
	r0 = 1
	exit
`

func TestRun(t *testing.T) {
	c := open(t, counter, nil)
	p, counts := c.Programs["counter"], c.Maps["counts"]
	require.Equal(t, "XDP(counter)", p.String())
	in := make([]byte, 20)
	ret, out, err := p.Test(in)
	require.NoError(t, err)
	require.EqualValues(t, 2, ret)
	require.Equal(t, in, out)
	ret, _, err = p.Test(in[:19])
	require.NoError(t, err)
	require.EqualValues(t, 1, ret)
	var n uint64
	require.NoError(t, counts.Lookup(uint32(0), &n))
	require.EqualValues(t, 2, n)

	_, err = p.Run(&skep.RunOptions{Data: in, Repeat: 10})
	require.NoError(t, err)
	require.NoError(t, counts.Lookup(uint32(0), &n))
	require.EqualValues(t, 12, n)

	// What Linux does not take.
	_, _, err = p.Test(make([]byte, 13))
	require.ErrorIs(t, err, maps.EINVAL)
	_, err = p.Run(&skep.RunOptions{Data: in, CPU: 99})
	require.ErrorContains(t, err, "CPU")

	require.NoError(t, counts.Close())
	_, _, err = p.Test(in)
	require.NoError(t, err, "the program keeps its maps")
	require.NoError(t, p.Close())
	_, _, err = p.Test(in)
	require.ErrorIs(t, err, skep.ErrClosed)
}

func TestRunsAtOnce(t *testing.T) {
	c := open(t, counter, &skep.Options{CPUs: 2})
	const goroutines, runs = 8, 50
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range runs {
				if _, _, err := c.Programs["counter"].Test(make([]byte, 64)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var n uint64
	require.NoError(t, c.Maps["counts"].Lookup(uint32(0), &n))
	require.EqualValues(t, goroutines*runs, n)
}

func TestTrap(t *testing.T) {
	c := open(t, "prog xdp\nr0 = *(u64 *)(r1 +4096)\nexit\n", &skep.Options{AllowUnverified: true})
	_, _, err := c.Programs["program"].Test(make([]byte, 14))
	var trap *interp.Trap
	require.ErrorAs(t, err, &trap)
	require.Equal(t, 0, trap.Insn)
}

func TestContext(t *testing.T) {
	c := open(t, "prog sched_cls\nr0 = *(u32 *)(r1 +8)\nr2 = *(u32 *)(r1 +48)\nr2 += 1\n*(u32 *)(r1 +48) = r2\nexit\n", nil)
	ctx := make([]byte, 192)
	ctx[8], ctx[48] = 42, 7
	out := make([]byte, 192)
	ret, err := c.Programs["program"].Run(&skep.RunOptions{Data: make([]byte, 60), Context: ctx, ContextOut: out})
	require.NoError(t, err)
	require.EqualValues(t, 42, ret)
	require.EqualValues(t, 8, out[48])
}

// writer puts the first 8 bytes of the packet into a ring buffer and into a perf event array.
const writer = `
prog xdp
name writer
map ring ringbuf entries=4096
map events perf_event_array key=4 value=4 entries=4
	r6 = r1
	*(u64 *)(r10 -8) = 0x01020304
	r1 = ring ll
	r2 = r10
	r2 += -8
	r3 = 8
	r4 = 0
	call bpf_ringbuf_output
	if r0 != 0 goto out
	r1 = r6
	r2 = events ll
	w3 = -1
	r4 = r10
	r4 += -8
	r5 = 8
	call bpf_perf_event_output
out:
	r0 = 2
	exit
`

func TestReaders(t *testing.T) {
	c := open(t, writer, nil)
	ring, err := skep.NewRingReader(c.Maps["ring"])
	require.NoError(t, err)
	perf, err := skep.NewPerfReader(c.Maps["events"], 4096)
	require.NoError(t, err)
	_, err = skep.NewRingReader(c.Maps["events"])
	require.ErrorContains(t, err, "not a ring buffer")
	_, _, err = c.Programs["writer"].Test(make([]byte, 14))
	require.NoError(t, err)

	rec, err := ring.Read()
	require.NoError(t, err)
	require.Equal(t, []byte{4, 3, 2, 1, 0, 0, 0, 0}, rec.RawSample)
	ring.SetDeadline(time.Now())
	_, err = ring.Read()
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	sample, err := perf.Read()
	require.NoError(t, err)
	require.Equal(t, rec.RawSample, sample.RawSample[:8])

	c.Close()
	require.NoError(t, ring.Close())
	_, err = ring.Read()
	require.ErrorIs(t, err, os.ErrClosed)
	require.NoError(t, perf.Close())
}

func TestTrace(t *testing.T) {
	var out bytes.Buffer
	const text = `
prog xdp
license GPL
	*(u32 *)(r10 -4) = 0x6425 
	r1 = r10
	r1 += -4
	r2 = 3
	r3 = 42
	call bpf_trace_printk
	r0 = 2
	exit
`
	c := open(t, text, &skep.Options{Trace: &out})
	_, _, err := c.Programs["program"].Test(make([]byte, 14))
	require.NoError(t, err)
	require.Contains(t, out.String(), "42")
}

func TestCollectionErrors(t *testing.T) {
	// A program that Linux refuses: r0 has no value.
	_, err := skep.OpenCollection(strings.NewReader("prog xdp\nname bad\nexit\n"), nil)
	var pe *skep.ProgramError
	require.ErrorAs(t, err, &pe)
	require.Equal(t, "bad", pe.Verdict.Name)
	_, err = skep.OpenCollection(strings.NewReader(counter), &skep.Options{VerifyOptions: skep.VerifyOptions{Programs: []string{"none"}}})
	require.ErrorContains(t, err, `no program "none"`)
	_, err = skep.NewCollection(nil, nil)
	require.Error(t, err)
}

func TestMapReplacements(t *testing.T) {
	a := open(t, counter, &skep.Options{CPUs: 2})
	b := open(t, counter, &skep.Options{MapReplacements: map[string]*skep.Map{"counts": a.Maps["counts"]}})
	_, _, err := b.Programs["counter"].Test(make([]byte, 14))
	require.NoError(t, err)
	var n uint64
	require.NoError(t, a.Maps["counts"].Lookup(uint32(0), &n))
	require.EqualValues(t, 1, n)
	require.Equal(t, 2, b.Maps["counts"].CPUs())
	a.Close()
	_, _, err = b.Programs["counter"].Test(make([]byte, 14))
	require.NoError(t, err)

	other := open(t, strings.ReplaceAll(counter, "value=8", "value=16"), nil)
	_, err = skep.OpenCollection(strings.NewReader(counter), &skep.Options{MapReplacements: other.Maps})
	require.ErrorIs(t, err, ebpf.ErrMapIncompatible)
}
