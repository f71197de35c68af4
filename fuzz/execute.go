package fuzz

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/interp"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/verifier"
)

// A World is where programs run, one after the other.
type World struct {
	space *memory.Space
	run   *helpers.Run
}

// NewWorld makes a World. Close ends it.
func NewWorld() (*World, error) {
	w := &World{}
	var err error
	if w.space, err = memory.New(memory.Options{Size: 64 << 20, Strict: true}); err != nil {
		return nil, err
	}
	if w.run, err = helpers.NewRun(w.space, nil); err != nil {
		return nil, errors.Join(err, w.space.Close())
	}
	return w, nil
}

// Close frees the World.
func (w *World) Close() error { return errors.Join(w.run.Close(), w.space.Close()) }

// A Tally is what came of running programs.
type Tally struct {
	Programs, Runs int
	Insns          int // looked at
	Unknown        int // programs whose states are not known
	Budget         int // runs that were stopped for their length
	Missing        int // runs that called a helper that is not simulated
	Flaws          int // runs that did what Linux should not let them do
}

// excuse counts a run that ended in a trap which says nothing against the verifier; false if it does.
func (t *Tally) excuse(p *object.Program, trap *interp.Trap) bool {
	switch {
	case errors.Is(trap, interp.ErrBudget):
		t.Budget++
	case strings.Contains(trap.Reason, "not simulated"):
		t.Missing++
	case linux.ProgType(p.Type) == linux.ProgTypeTracepoint && trap.Object != nil && trap.Object.Kind == memory.Context && trap.Addr < uint64(trap.Object.Addr):
		// Linux lets programs of tracepoints read what lies before their context: it loads r0 = *(u32 *)(r1 -56), 6.18 for one.
		t.Flaws++
	default:
		return false
	}
	return true
}

// An Escape is a run that did what its Proof does not allow: it trapped, or had a state that is not in the Proof.
type Escape struct {
	Insn int
	Why  string
}

// Error says what it did.
func (e *Escape) Error() string { return fmt.Sprintf("instruction %d: %s", e.Insn, e.Why) }

// Limits of a run.
const (
	runBudget = 200_000
	lookedAt  = 20_000
)

// Execute runs an accepted program on random packets, contexts and contents of maps, and compares it with the states of
// its Proof, which must have been kept. The error is an *Escape unless the program could not be run.
func (w *World) Execute(proof *verifier.Proof, s *Source, runs int, t *Tally) error {
	t.Programs++
	p := proof.Program()
	if proof.StatesErr() != nil {
		t.Unknown++
	}
	x := &execution{w: w, s: s, p: p, proof: proof, t: t, blind: proof.StatesErr() != nil}
	defer x.close()
	for _, m := range p.Maps {
		if err := x.newMap(m); err != nil {
			return fmt.Errorf("map %s: %w", m.Name, err)
		}
	}
	m, err := interp.New(p, interp.Options{Space: w.space, Maps: x.maps, Budget: runBudget, Observe: x.observe})
	if err != nil {
		return err
	}
	w.run.Type, w.run.AttachType = linux.ProgType(p.Type), linux.AttachType(p.AttachType)
	w.run.Kernel = func(addr uint64, b []byte) bool { return false }
	for range runs {
		if err := x.input(); err != nil {
			return err
		}
		t.Runs++
		x.left = lookedAt
		x.frames = x.frames[:0]
		_, err := m.Run(w.run)
		if x.escape != nil {
			return x.escape
		}
		if err == nil {
			continue
		}
		var trap *interp.Trap
		switch {
		case !errors.As(err, &trap):
			return err
		case !t.excuse(p, trap):
			return &Escape{trap.Insn, "trap: " + trap.Reason}
		}
	}
	return nil
}

// An execution is one program's runs.
type execution struct {
	w      *World
	s      *Source
	p      *object.Program
	proof  *verifier.Proof
	maps   []maps.Map
	inner  []maps.Map
	t      *Tally
	blind  bool // there are no states to compare with
	left   int
	frames []verifier.ConcreteFrame
	escape *Escape
}

func (x *execution) close() {
	for _, m := range append(x.maps, x.inner...) {
		m.Close()
	}
}

// newMap makes a map of the program, with some contents.
func (x *execution) newMap(m *object.Map) error {
	mp, err := maps.New(x.w.space, spec(m), 1)
	if err != nil {
		return err
	}
	x.maps = append(x.maps, mp)
	if linux.MapType(m.Type) == linux.MapTypeQueue || m.Frozen {
		return nil
	}
	for n := range min(m.MaxEntries, 8) {
		if x.s.percent(30) {
			continue
		}
		key := make([]byte, m.KeySize)
		copy(key, binary.LittleEndian.AppendUint32(nil, n))
		value := make([]byte, mp.ValueBytes())
		if m.Inner != nil {
			in, err := maps.New(x.w.space, spec(m.Inner), 1)
			if err != nil {
				return err
			}
			x.inner = append(x.inner, in)
			value = binary.LittleEndian.AppendUint32(nil, in.ID())
		} else {
			x.random(value)
		}
		// Some types of maps take no bytes: sockets, programs, descriptors of devices. They stay empty.
		_ = mp.Put(key, value, 0)
	}
	return nil
}

func spec(m *object.Map) *maps.Spec {
	if m == nil {
		return nil
	}
	s := &maps.Spec{Name: m.Name, Type: maps.Type(m.Type), KeySize: m.KeySize, ValueSize: m.ValueSize, MaxEntries: m.MaxEntries,
		Flags: m.Flags, Extra: m.Extra, Inner: spec(m.Inner), Freeze: m.Frozen}
	for _, kv := range m.Contents {
		if kv.Value != nil { // neither a map nor a program
			s.Contents = append(s.Contents, maps.KV{Key: kv.Key, Value: kv.Value})
		}
	}
	return s
}

// random fills b with numbers, many of them small or at edges.
func (x *execution) random(b []byte) {
	for i := 0; i < len(b); i += 8 {
		var w [8]byte
		binary.LittleEndian.PutUint64(w[:], x.s.number())
		copy(b[i:], w[:])
	}
}

// input gives the run a packet, or a context.
func (x *execution) input() error {
	switch linux.ProgType(x.p.Type) {
	case linux.ProgTypeSyscall:
		return x.w.run.SetContext(make([]byte, 8))
	case linux.ProgTypeTracepoint, linux.ProgTypeKprobe:
		b := make([]byte, 168) // struct pt_regs
		if linux.ProgType(x.p.Type) == linux.ProgTypeTracepoint {
			b = make([]byte, 512) // what a tracepoint has is checked when the program is attached
		}
		x.random(b)
		return x.w.run.SetContext(b)
	case linux.ProgTypeTracing, linux.ProgTypeLSM, linux.ProgTypeStructOps, linux.ProgTypeRawTracepoint:
		b := make([]byte, 128) // arguments: numbers, or pointers to what there is nothing at
		x.random(b)
		for i := 0; i < len(b); i += 8 {
			if x.s.percent(70) {
				b[i+7] |= 0x80
			}
		}
		return x.w.run.SetContext(b)
	}
	data := make([]byte, 14+x.s.n(pick(x.s, 8, 64, 200, 1400)))
	x.random(data)
	if linux.ProgType(x.p.Type) == linux.ProgTypeXDP {
		return x.w.run.SetXDP(data, helpers.XDP{})
	}
	md := &helpers.SKB{Mark: uint32(x.s.number()), PktType: uint32(x.s.n(5)), Hash: uint32(x.s.number())}
	for i := range md.CB {
		md.CB[i] = uint32(x.s.number())
	}
	return x.w.run.SetSKB(data, md)
}

// observe compares the run with the Proof before an instruction.
func (x *execution) observe(st *interp.State) {
	if x.blind || x.escape != nil || x.left <= 0 {
		return
	}
	for len(x.frames) <= st.Frame {
		x.frames = append(x.frames, verifier.ConcreteFrame{})
	}
	x.frames = x.frames[:st.Frame+1]
	f := &x.frames[st.Frame]
	f.Insn = st.Insn
	copy(f.Regs[:], st.Regs[:])
	const frame = helpers.FrameSize
	f.Stack = x.w.space.Bytes(memory.Addr(f.Regs[10]-frame), frame)
	x.left--
	x.t.Insns++
	c := verifier.Concrete{Frames: x.frames, Ctx: uint64(x.w.run.Ctx), Value: x.value, Readable: func(a uint64, n uint32) bool {
		return x.w.space.Allows(a, n, memory.Read)
	}}
	c.Packet, c.PacketEnd, c.PacketMeta = x.packet()
	if x.proof.Covers(&c) {
		return
	}
	x.escape = &Escape{st.Insn, x.proof.Misfit(&c)}
}

// packet is where the packet is, by the context.
func (x *execution) packet() (data, end, meta uint64) {
	b := x.w.run.Context()
	field := func(off int) uint64 {
		if off+4 > len(b) {
			return 0
		}
		return uint64(binary.LittleEndian.Uint32(b[off:]))
	}
	switch linux.ProgType(x.p.Type) {
	case linux.ProgTypeXDP:
		return field(0), field(4), field(8)
	case linux.ProgTypeSchedCLS, linux.ProgTypeCGroupSKB:
		return field(76), field(80), field(140)
	}
	return 0, 0, 0
}

// value finds the value of a map.
func (x *execution) value(m *object.Map, addr uint64) (start uint64, ok bool) {
	if addr != uint64(uint32(addr)) {
		return 0, false
	}
	o, ok := x.w.space.Object(memory.Addr(addr))
	if !ok || o.Kind != memory.MapValue && o.Kind != memory.Global {
		return 0, false
	}
	return uint64(o.Addr), o.Size == m.ValueSize && (m.Name == "" || o.Name == m.Name) // templates have no name
}
