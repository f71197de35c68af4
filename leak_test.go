package skep_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/examples/firewall"
)

var loads = flag.Int("loads", 1000, "`number` of collections that TestLoadsLeakNothing makes and closes")

// sequence copies the first 8 bytes of its packet to a ring buffer, and returns 1 if there was no room.
const sequence = `
prog xdp
name sequence
map ring ringbuf entries=65536
	r2 = *(u32 *)(r1 +0)
	r3 = *(u32 *)(r1 +4)
	r0 = 0
	r4 = r2
	r4 += 8
	if r4 > r3 goto out
	r6 = *(u64 *)(r2 +0)
	*(u64 *)(r10 -8) = r6
	r1 = ring ll
	r2 = r10
	r2 += -8
	r3 = 8
	r4 = 0
	call bpf_ringbuf_output
	if r0 == 0 goto out
	r0 = 1
out:
	exit
`

// TestMillionEvents: four writers and a reader. What was not reported as dropped arrives, and that of each writer in its order.
func TestMillionEvents(t *testing.T) {
	const writers = 4
	each := 250_000
	if testing.Short() {
		each /= 25
	}
	c := open(t, sequence, nil)
	r, err := skep.NewRingReader(c.Maps["ring"])
	require.NoError(t, err)
	var dropped [writers]int
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			packet := make([]byte, 64)
			for i := range each {
				binary.NativeEndian.PutUint64(packet, uint64(w)<<32|uint64(i))
				ret, err := c.Programs["sequence"].Run(&skep.RunOptions{Data: packet})
				if err != nil {
					t.Error(err)
					return
				}
				dropped[w] += int(ret)
			}
		})
	}
	go func() { wg.Wait(); r.Flush() }()
	var got [writers]int
	next := [writers]int{}
	for b, err := range r.Records() {
		require.NoError(t, err)
		v := binary.NativeEndian.Uint64(b)
		w, i := v>>32, int(uint32(v))
		if i < next[w] {
			t.Fatalf("writer %d: event %d after %d", w, i, next[w]-1)
		}
		next[w] = i + 1
		got[w]++
	}
	sum := 0
	for w := range writers {
		require.Equal(t, each, got[w]+dropped[w], "writer %d: events that arrived and that were dropped", w)
		sum += dropped[w]
	}
	t.Logf("%d events, %d of them dropped", writers*each, sum)
	require.NoError(t, r.Close())
}

// TestLoadsLeakNothing makes collections, runs a program of each, and closes them: neither memory nor goroutines are left. Run it
// with -args -loads 100000.
func TestLoadsLeakNothing(t *testing.T) {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(firewall.Object))
	require.NoError(t, err)
	n := *loads
	if testing.Short() {
		n = min(n, 100)
	}
	once := func() {
		c, err := skep.NewCollection(spec, nil)
		require.NoError(t, err)
		require.NoError(t, c.Maps["closed_ports"].Put([]byte{0, 23, 6, 0}, uint32(0)))
		ret, _, err := c.Programs["firewall"].Test(telnet)
		require.NoError(t, err)
		require.EqualValues(t, 1, ret)
		c.Close()
	}
	for range n/10 + 1 {
		once()
	}
	heap, resident, goroutines := usage()
	for range n {
		once()
	}
	heap2, resident2, goroutines2 := usage()
	t.Logf("%d loads: heap %d -> %d KiB, resident %d -> %d KiB, goroutines %d -> %d", n, heap>>10, heap2>>10, resident>>10, resident2>>10,
		goroutines, goroutines2)
	require.LessOrEqual(t, goroutines2, goroutines)
	const slack = 4 << 20 // bytes, whatever the number of loads
	require.Less(t, heap2, heap+slack)
	if resident > 0 {
		require.Less(t, resident2, resident+16*slack)
	}
}

// usage is what is in use, in bytes; resident is 0 where it cannot be told.
func usage() (heap, resident uint64, goroutines int) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b, err := os.ReadFile("/proc/self/statm")
	if err == nil {
		var size uint64
		_, err = fmt.Sscan(string(b), &size, &resident)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		resident = 0
	}
	return m.HeapAlloc, resident * uint64(os.Getpagesize()), runtime.NumGoroutine()
}

// TestReplacedMaps: inner maps and programs that are put into maps and replaced are given up; a long-lived collection does not
// grow.
func TestReplacedMaps(t *testing.T) {
	c := open(t, "prog xdp\nmap inner array key=4 value=4096 entries=1\nmap outer array_of_maps key=4 value=4 entries=2 inner=inner\nr1 = outer ll\nr0 = 2\nexit\n", nil)
	outer := c.Maps["outer"]
	spec := &ebpf.MapSpec{Name: "inner", Type: ebpf.Array, KeySize: 4, ValueSize: 4096, MaxEntries: 1}
	put := func() {
		m, err := c.NewMap(spec)
		require.NoError(t, err)
		require.NoError(t, m.Put(uint32(0), make([]byte, 4096)))
		require.NoError(t, outer.Put(uint32(0), m))
		require.NoError(t, m.Close())
	}
	for range 100 {
		put()
	}
	_, resident, _ := usage()
	for range 20_000 {
		put()
	}
	var back *skep.Map
	require.NoError(t, outer.Lookup(uint32(0), &back))
	require.NoError(t, back.Close())
	require.NoError(t, outer.Delete(uint32(0)))
	_, resident2, _ := usage()
	if resident > 0 {
		require.Less(t, resident2, resident+(32<<20), "20,000 maps of 4 KiB")
	}
}
