package fuzz_test

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/skepbpf/skep/fuzz"
	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/interp"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/jit"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/oracle"
	"github.com/skepbpf/skep/verifier"
)

var (
	runPrograms = flag.Int("runs.programs", 300, "`number` of generated programs that TestRuns runs here and on the kernel")
	runPackets  = flag.Int("runs.packets", 64, "`number` of packets that each of them gets")
	runSeed     = flag.Uint64("runs.seed", 0, "`seed` of the first program")
)

// TestRuns runs generated programs on packets, here in each engine and on the kernel: return values, packets, contexts and what
// is in the maps in the end must be the same.
//
// What depends on addresses, or on stack that was never written, differs by right. It is told by a second run here, in another
// Space and with another stack: where our own two differ, nothing is compared. Programs that ask for the time or for a random
// number are left out.
func TestRuns(t *testing.T) {
	for _, native := range []bool{false, true} {
		name := "interp"
		if native {
			name = "jit"
		}
		t.Run(name, func(t *testing.T) { testRuns(t, native) })
	}
}

func testRuns(t *testing.T, native bool) {
	k := kernel(t)
	cpu := stay(t)
	n := *runPrograms
	if testing.Short() {
		n /= 10
	}
	var tally runTally
	failed := 0
	for seed := *runSeed; tally.programs < n; seed++ {
		p := fuzz.Generate(fuzz.Seeded(seed))
		switch linux.ProgType(p.Type) {
		case linux.ProgTypeXDP, linux.ProgTypeSchedCLS, linux.ProgTypeSocketFilter, linux.ProgTypeCGroupSKB:
		default:
			continue
		}
		if byChance(p) {
			continue
		}
		j, proof := fuzz.Verify(p, verifier.Options{AllSymbols: true})
		if j.Verdict != oracle.Accept {
			continue
		}
		if !native {
			proof = nil
		}
		if why := compareRuns(t, k, p, proof, seed, cpu, &tally); why != "" {
			t.Errorf("seed %d: %s\n%s", seed, why, fuzz.Text(p))
			if failed++; failed == 10 {
				break
			}
		}
	}
	t.Logf("%d programs, %d runs: %d return values compared, %d packets, %d elements of maps; %d return values depended on addresses",
		tally.programs, tally.runs, tally.returns, tally.packets, tally.elements, tally.masked)
	require.Greater(t, tally.returns, tally.runs/2, "most runs must be comparable")
}

type runTally struct{ programs, runs, returns, packets, elements, masked int }

// stay keeps the test on one CPU, so that per-CPU values are where they are expected.
func stay(t *testing.T) int {
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	var old, one unix.CPUSet
	require.NoError(t, unix.SchedGetaffinity(0, &old))
	t.Cleanup(func() { unix.SchedSetaffinity(0, &old) })
	cpu := 0
	for !old.IsSet(cpu) {
		cpu++
	}
	one.Set(cpu)
	require.NoError(t, unix.SchedSetaffinity(0, &one))
	return cpu
}

// A side is the program in one of our Spaces.
type side struct {
	space *memory.Space
	run   *helpers.Run
	maps  []maps.Map
	inner []maps.Map
	m     interface {
		Run(*helpers.Run) (uint64, error)
	}
}

func (s *side) close() {
	for _, m := range append(s.maps, s.inner...) {
		m.Close()
	}
	s.run.Close()
	s.space.Close()
}

// byChance tells that a program asks for the time or a random number.
func byChance(p *object.Program) bool {
	return slices.ContainsFunc(p.Insns, func(i isa.Insn) bool {
		switch i.Imm {
		case linux.HelperGetPrandomU32, linux.HelperKtimeGetNs, linux.HelperKtimeGetBootNs, linux.HelperKtimeGetCoarseNs, linux.HelperJiffies64:
			return i.Op == isa.Call
		}
		return false
	})
}

// spoil fills each frame of the stack when it is entered.
func (s *side) spoil() func(*interp.State) {
	last := -1
	return func(st *interp.State) {
		if st.Frame > last || st.Frame == 0 && st.Insn == 0 {
			b := s.space.Bytes(memory.Addr(st.Regs[10]-helpers.FrameSize), helpers.FrameSize)
			for i := range b {
				b[i] = 0xa5
			}
		}
		last = st.Frame
	}
}

// newSide makes the program's maps. Another variant has other addresses and another stack. With a proof it runs as native code.
func newSide(p *object.Program, proof *verifier.Proof, cpu, cpus, variant int) (*side, error) {
	s := &side{}
	var err error
	o := memory.Options{Size: 64 << 20, Strict: variant != 0}
	if proof != nil {
		o.Size = 0 // native code wants all of it
	}
	if s.space, err = memory.New(o); err != nil {
		return nil, err
	}
	if variant != 0 {
		if _, err := s.space.Alloc(1<<20+uint32(variant)*8, memory.Mem, memory.Read, "elsewhere"); err != nil {
			return nil, err
		}
	}
	if s.run, err = helpers.NewRun(s.space, nil); err != nil {
		return nil, err
	}
	s.run.CPU, s.run.CPUs = cpu, cpus
	s.run.Type, s.run.AttachType = linux.ProgType(p.Type), linux.AttachType(p.AttachType)
	for _, om := range p.Maps {
		m, err := maps.New(s.space, runSpec(om), cpus)
		if err != nil {
			s.close()
			return nil, err
		}
		s.maps = append(s.maps, m)
		err = eachElement(om, m.ValueBytes(), func(key, value []byte) error { return m.Put(key, value, 0) })
		if err != nil {
			s.close()
			return nil, err
		}
	}
	if err := s.prepare(p, proof, variant); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// prepare makes the program ready to run.
func (s *side) prepare(p *object.Program, proof *verifier.Proof, variant int) error {
	if proof != nil {
		n, err := jit.Compile(proof, jit.Options{Space: s.space, Maps: s.maps})
		if err != nil {
			return err
		}
		s.m = n
		_, err = n.Native()
		return err
	}
	o := interp.Options{Space: s.space, Maps: s.maps}
	if variant != 0 {
		o.Observe = s.spoil()
	}
	m, err := interp.New(p, o)
	s.m = m
	return err
}

func runSpec(m *object.Map) *maps.Spec {
	if m == nil {
		return nil
	}
	s := &maps.Spec{Name: m.Name, Type: maps.Type(m.Type), KeySize: m.KeySize, ValueSize: m.ValueSize, MaxEntries: m.MaxEntries,
		Flags: m.Flags, Extra: m.Extra, Inner: runSpec(m.Inner), Freeze: m.Frozen}
	for _, kv := range m.Contents {
		s.Contents = append(s.Contents, maps.KV{Key: kv.Key, Value: kv.Value})
	}
	return s
}

// eachElement gives what a map has in it at first.
func eachElement(m *object.Map, valueBytes int, put func(key, value []byte) error) error {
	switch linux.MapType(m.Type) {
	case linux.MapTypeArray, linux.MapTypeHash, linux.MapTypeLRUHash, linux.MapTypePerCPUArray:
	default:
		return nil
	}
	if m.Frozen {
		return nil
	}
	r := rand.New(rand.NewPCG(uint64(m.KeySize), uint64(m.ValueSize)))
	for i := range min(m.MaxEntries, 3) {
		key := make([]byte, m.KeySize)
		binary.LittleEndian.PutUint32(key, i)
		value := make([]byte, valueBytes)
		for j := range value {
			value[j] = byte(r.Uint32() >> 24 & r.Uint32())
		}
		if err := put(key, value); err != nil {
			return err
		}
	}
	return nil
}

// compareRuns says how the kernel and we differ; "" if we do not.
func compareRuns(t *testing.T, k *oracle.Kernel, p *object.Program, proof *verifier.Proof, seed uint64, cpu int, tally *runTally) string {
	cpus := fuzz.CPUs()
	r, err := k.Load(p, oracle.Options{FreshMaps: true})
	require.NoError(t, err)
	defer r.Close()
	if r.Verdict != oracle.Accept {
		return fmt.Sprintf("the kernel says: %v", r)
	}
	for i, om := range p.Maps {
		size := int(om.ValueSize)
		if linux.MapType(om.Type) == linux.MapTypePerCPUArray {
			size = (size + 7) &^ 7 * cpus
		}
		err := eachElement(om, size, func(key, value []byte) error { return oracle.MapUpdate(r.Maps[i], key, value, 0) })
		require.NoError(t, err)
	}
	var sides [2]*side
	for i := range sides {
		if i > 0 {
			proof = nil // the variant is the interpreter's
		}
		if sides[i], err = newSide(p, proof, cpu, cpus, i); err != nil {
			require.NoError(t, err)
		}
		defer sides[i].close()
	}
	tally.programs++
	rnd := rand.New(rand.NewPCG(seed, 1))
	for i := range *runPackets {
		data := randomPacket(rnd)
		tally.runs++
		there, err := oracle.TestRun(r.FD, data, nil, 1)
		var ret [2]uint32
		var out [2][]byte
		var errs [2]error
		for j, s := range sides {
			ret[j], out[j], errs[j] = s.once(data)
		}
		switch {
		case errs[0] != nil && err == nil:
			return fmt.Sprintf("packet %d (%x): %v", i, data, errs[0])
		case errs[0] == nil && err != nil:
			return fmt.Sprintf("packet %d (%x): the kernel says %v", i, data, err)
		case err != nil:
			continue
		case ret[0] != ret[1]:
			tally.masked++
		case ret[0] != there.Retval:
			return fmt.Sprintf("packet %d (%x) returned %#x, on the kernel %#x", i, data, ret[0], there.Retval)
		default:
			tally.returns++
		}
		if d := differ(out[0], out[1], there.Data); d != "" {
			return fmt.Sprintf("packet %d (%x) became other: %s", i, data, d)
		}
		tally.packets++
	}
	for i, om := range p.Maps {
		if d := compareMap(t, om, r.Maps[i], sides, i, tally); d != "" {
			return fmt.Sprintf("map %s: %s", om.Name, d)
		}
	}
	return ""
}

// once runs the program on a packet.
func (s *side) once(data []byte) (uint32, []byte, error) {
	if err := s.run.SetTestRun(data, nil); err != nil {
		return 0, nil, err
	}
	r0, err := s.m.Run(s.run)
	if err != nil {
		return 0, nil, err
	}
	out, _ := s.run.TestResult()
	return uint32(r0), bytes.Clone(out), nil
}

// differ says where the kernel's bytes differ from ours, where both of ours are the same.
func differ(a, b, kernel []byte) string {
	if len(a) != len(b) {
		return ""
	}
	if len(a) != len(kernel) {
		return fmt.Sprintf("%d bytes, on the kernel %d", len(a), len(kernel))
	}
	for i := range a {
		// A number of 8 bytes that differs in one of them may differ in all of them on the kernel.
		word := i &^ 7
		end := min(word+8, len(a))
		if a[i] != kernel[i] && bytes.Equal(a[word:end], b[word:end]) {
			return fmt.Sprintf("byte %d: %x, on the kernel %x", i, a[word:end], kernel[word:end])
		}
	}
	return ""
}

// compareMap compares all elements of a map.
func compareMap(t *testing.T, om *object.Map, fd int, sides [2]*side, index int, tally *runTally) string {
	switch linux.MapType(om.Type) {
	case linux.MapTypeArray, linux.MapTypeHash, linux.MapTypePerCPUArray:
	default:
		return "" // LRU maps may evict others; rings and queues are read otherwise
	}
	contents := func(next func(key, next []byte) error, get func(key, value []byte) error, size int) map[string][]byte {
		out := map[string][]byte{}
		var key []byte
		for {
			to := make([]byte, om.KeySize)
			if next(key, to) != nil {
				return out
			}
			value := make([]byte, size)
			if get(to, value) == nil {
				out[string(to)] = value
			}
			key = to
		}
	}
	var ours [2]map[string][]byte
	for i, s := range sides {
		m := s.maps[index]
		ours[i] = contents(func(key, next []byte) error {
			b, err := m.NextKey(key)
			copy(next, b)
			return err
		}, func(key, value []byte) error { return m.Get(key, value, 0) }, m.ValueBytes())
	}
	theirs := contents(func(key, next []byte) error { return oracle.MapNextKey(fd, key, next) },
		func(key, value []byte) error { return oracle.MapLookup(fd, key, value) }, sides[0].maps[index].ValueBytes())
	keys := func(m map[string][]byte) (out []string) {
		for k := range m {
			out = append(out, fmt.Sprintf("%x", k))
		}
		slices.Sort(out)
		return out
	}
	if !slices.Equal(keys(ours[0]), keys(ours[1])) {
		tally.masked++
		return ""
	}
	if !slices.Equal(keys(ours[0]), keys(theirs)) {
		return fmt.Sprintf("keys %v, on the kernel %v", keys(ours[0]), keys(theirs))
	}
	for key, v := range theirs {
		tally.elements++
		if d := differ(ours[0][key], ours[1][key], v); d != "" {
			return fmt.Sprintf("element %x: %s", key, d)
		}
	}
	return ""
}

// randomPacket is an Ethernet frame: IP with TCP or UDP, or anything.
func randomPacket(r *rand.Rand) []byte {
	b := make([]byte, 14+r.IntN([]int{8, 50, 200, 1400}[r.IntN(4)]))
	for i := range b {
		b[i] = byte(r.Uint32() >> 24)
		if r.IntN(3) == 0 {
			b[i] = byte(r.IntN(4))
		}
	}
	if len(b) >= 54 && r.IntN(2) == 0 {
		copy(b[12:], []byte{8, 0, 0x45})
		binary.BigEndian.PutUint16(b[16:], uint16(len(b)-14))
		b[23] = []byte{6, 17, 1}[r.IntN(3)]
	}
	return b
}
