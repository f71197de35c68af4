// Package raw fuzzes skep with bytes at random, or nearly so: what reads objects and text, the verifier and the
// interpreter must take anything without a panic. The targets are in its tests:
//
//	go test ./fuzz/raw -fuzz FuzzObject      objects: no panic, no runaway memory
//	go test ./fuzz/raw -fuzz FuzzBTF         type information
//	go test ./fuzz/raw -fuzz FuzzDecode      slots to text and back
//	go test ./fuzz/raw -fuzz FuzzText        text to slots
//	go test ./fuzz/raw -fuzz FuzzVerifier    slots through the verifier
//	go test ./fuzz/raw -fuzz FuzzInterp      slots through the interpreter; what is accepted does not trap
//
// What they find is kept in testdata/fuzz, and is tried by every go test. Package fuzz has programs that make sense.
package raw

import (
	"errors"
	"fmt"
	"strings"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/interp"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/verifier"
)

// allMaps are the maps that programs may name, by index.
func allMaps() []*object.Map {
	return []*object.Map{
		{Name: "array", Type: uint32(maps.Array), KeySize: 4, ValueSize: 16, MaxEntries: 4},
		{Name: "hash", Type: uint32(maps.Hash), KeySize: 8, ValueSize: 24, MaxEntries: 8},
		{Name: "percpu", Type: uint32(maps.PerCPUArray), KeySize: 4, ValueSize: 8, MaxEntries: 2},
		{Name: "ring", Type: uint32(maps.RingBuf), MaxEntries: 4096},
	}
}

// types are the types of made programs.
var types = []linux.ProgType{linux.ProgTypeXDP, linux.ProgTypeSchedCLS, linux.ProgTypeSocketFilter, linux.ProgTypeCGroupSKB,
	linux.ProgTypeKprobe, linux.ProgTypeTracepoint, linux.ProgTypeRawTracepoint, linux.ProgTypeSyscall}

// Program makes a program of bytes: the first chooses its type, the rest are slots. References to maps are brought into
// range, most of the time.
func Program(data []byte) *object.Program {
	if len(data) == 0 {
		data = []byte{0}
	}
	p := &object.Program{Name: "fuzz", Type: uint32(types[int(data[0])%len(types)]), License: "GPL", Maps: allMaps()}
	for b := data[1:]; len(b) >= 8; b = b[8:] {
		i := isa.Decode([8]byte(b))
		if n := len(p.Insns); n > 0 && p.Insns[n-1].Op == isa.LdImm64 {
			i.Op = isa.LdImm64Hi
		}
		if i.Op == isa.LdImm64 && (i.Src == isa.PseudoMapFD || i.Src == isa.PseudoMapValue) && i.Imm&0x40 == 0 {
			i.Imm = int32(uint32(i.Imm) % uint32(len(p.Maps)))
		}
		p.Insns = append(p.Insns, i)
	}
	return p
}

// budget is how many instructions the verifier walks of a program, so that each takes a moment.
const budget = 20000

// Judge verifies a program. An error is a fault of the verifier's, not of the program's.
func Judge(p *object.Program, o verifier.Options) (*verifier.Proof, error) {
	if o.Budget == 0 {
		o.Budget = budget
	}
	proof, err := verifier.Verify(p, o)
	var refused *verifier.Error
	var unsupported *verifier.UnsupportedError
	switch {
	case err == nil && proof == nil:
		return nil, errors.New("neither a proof nor an error")
	case err == nil:
		return proof, nil
	case errors.As(err, &unsupported):
		if strings.Contains(unsupported.Feature, "internal error") {
			return nil, fmt.Errorf("%w\n%s", err, isa.Source(p.Insns))
		}
	case errors.As(err, &refused):
		if refused.Errno <= 0 {
			return nil, fmt.Errorf("a refusal without an errno: %w", err)
		}
	default:
		return nil, fmt.Errorf("an error that is no verdict: %w", err)
	}
	return nil, nil
}

// A Runner runs programs in the checking interpreter, each on fresh maps.
type Runner struct {
	space *memory.Space
	run   *helpers.Run
}

// NewRunner makes a Runner. Close gives back what it holds.
func NewRunner() (*Runner, error) {
	space, err := memory.New(memory.Options{Strict: true})
	if err != nil {
		return nil, err
	}
	run, err := helpers.NewRun(space, nil)
	if err != nil {
		return nil, errors.Join(err, space.Close())
	}
	return &Runner{space, run}, nil
}

// Close gives back the memory.
func (r *Runner) Close() error { return errors.Join(r.run.Close(), r.space.Close()) }

// Run runs a program on a packet, or a context for types without, and gives r0. The error is a trap.
func (r *Runner) Run(p *object.Program, data []byte, limit int64, observe func(*interp.State)) (r0 uint64, err error) {
	used := make([]maps.Map, len(p.Maps))
	defer func() {
		for _, m := range used {
			if m != nil {
				err = errors.Join(err, m.Close())
			}
		}
	}()
	for i, m := range p.Maps {
		used[i], err = maps.New(r.space, &maps.Spec{Name: m.Name, Type: maps.Type(m.Type), KeySize: m.KeySize,
			ValueSize: m.ValueSize, MaxEntries: m.MaxEntries}, 1)
		if err != nil {
			return 0, err
		}
	}
	m, err := interp.New(p, interp.Options{Space: r.space, Maps: used, Budget: limit, Observe: observe})
	if err != nil {
		return 0, err
	}
	r.run.Type, r.run.AttachType = linux.ProgType(p.Type), linux.AttachType(p.AttachType)
	if err := r.feed(data); err != nil {
		return 0, err
	}
	return m.Run(r.run)
}

// contextSize is the size of the contexts of programs without packets: as large as any that such types have.
const contextSize = 256

// feed gives the Run a packet or a context of these bytes.
func (r *Runner) feed(data []byte) error {
	switch r.run.Type {
	case linux.ProgTypeXDP, linux.ProgTypeSchedCLS, linux.ProgTypeSocketFilter, linux.ProgTypeCGroupSKB:
		packet := append(make([]byte, 0, 64), data...)
		for len(packet) < 14 {
			packet = append(packet, 0)
		}
		return r.run.SetTestRun(packet[:min(len(packet), 1500)], nil)
	}
	ctx := make([]byte, contextSize)
	copy(ctx, data)
	r.run.Packet = nil
	return r.run.SetContext(ctx)
}
