package hook

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/maps"
)

// RawTracepointOptions say what AttachRawTracepoint attaches.
type RawTracepointOptions struct {
	Name    string // of the tracepoint, without its group
	Program *skep.Program
	Cookie  uint64
}

// AttachRawTracepoint attaches a program to a raw tracepoint.
func (h *Host) AttachRawTracepoint(opts RawTracepointOptions) (*Link, error) {
	if opts.Name == "" {
		return nil, fmt.Errorf("hook: attach to a raw tracepoint: %w: it has no name", maps.EINVAL)
	}
	return h.attach(attachment{point: "raw_tp " + opts.Name, prog: opts.Program, cookie: opts.Cookie,
		check: ofType(ebpf.RawTracepoint, ebpf.RawTracepointWritable)})
}

// TraceRaw fires a tracepoint for the programs of raw_tp and tp_btf. Arguments are those of the tracepoint, as of Call.
func (h *Host) TraceRaw(name string, args ...any) ([]Step, error) {
	e := h.newEvent()
	words, err := e.mem.words(args, false)
	if err != nil {
		return nil, err
	}
	err = e.traceRaw(name, words)
	return e.steps, err
}

func (e *event) traceRaw(name string, words []uint64) error {
	e.setup = func(r *helpers.Run) { r.FuncArgs = len(words) }
	if err := e.all("raw_tp "+name, wordBytes(words...)); err != nil {
		return err
	}
	return e.all("tp_btf "+name, wordBytes(words...))
}

// TracingOptions say what AttachTracing attaches.
type TracingOptions struct {
	Program *skep.Program
	Cookie  uint64
}

// AttachTracing attaches a program of fentry, fexit, fmod_ret or tp_btf to what it was loaded for.
func (h *Host) AttachTracing(opts TracingOptions) (*Link, error) {
	kinds := map[ebpf.AttachType]string{ebpf.AttachTraceFEntry: "fentry", ebpf.AttachTraceFExit: "fexit",
		ebpf.AttachModifyReturn: "fmod_ret", ebpf.AttachTraceRawTp: "tp_btf"}
	kind, to, err := target(opts.Program, ebpf.Tracing, kinds)
	if err != nil {
		return nil, err
	}
	point := kind + " " + to
	return h.attach(attachment{point: point, prog: opts.Program, cookie: opts.Cookie, check: func(p *skep.Program) error {
		return sameTarget(p, ebpf.Tracing, kinds, point)
	}})
}

// LSMOptions say what AttachLSM attaches.
type LSMOptions struct {
	Program *skep.Program
	Cookie  uint64
}

var lsmKinds = map[ebpf.AttachType]string{ebpf.AttachLSMMac: "lsm"}

// AttachLSM attaches a program to the LSM hook that it was loaded for.
func (h *Host) AttachLSM(opts LSMOptions) (*Link, error) {
	kind, to, err := target(opts.Program, ebpf.LSM, lsmKinds)
	if err != nil {
		return nil, err
	}
	point := kind + " " + to
	return h.attach(attachment{point: point, prog: opts.Program, cookie: opts.Cookie, check: func(p *skep.Program) error {
		return sameTarget(p, ebpf.LSM, lsmKinds, point)
	}})
}

// target is what a program was loaded for.
func target(p *skep.Program, t ebpf.ProgramType, kinds map[ebpf.AttachType]string) (kind, to string, err error) {
	if p == nil {
		return "", "", fmt.Errorf("hook: attach: %w: there is no program", maps.EINVAL)
	}
	kind = kinds[attachType(p)]
	if p.Type() != t || kind == "" {
		return "", "", fmt.Errorf("hook: attach %v: %w: it was not loaded for that", p, maps.EINVAL)
	}
	to = p.Verdict().Program.AttachTo
	if to == "" {
		to = p.Verdict().Program.Hook // it was loaded without the kernel's types
	}
	for _, prefix := range []string{"btf_trace_", "bpf_lsm_"} {
		to = strings.TrimPrefix(to, prefix)
	}
	if to == "" {
		return "", "", fmt.Errorf("hook: attach %v: %w: it does not say what it is for", p, maps.EINVAL)
	}
	return kind, to, nil
}

func sameTarget(p *skep.Program, t ebpf.ProgramType, kinds map[ebpf.AttachType]string, point string) error {
	kind, to, err := target(p, t, kinds)
	if err == nil && kind+" "+to != point {
		err = fmt.Errorf("%w: it was loaded for %s %s", maps.EINVAL, kind, to)
	}
	return err
}

// LSM asks the programs of an LSM hook, such as "file_open": 0, or what the first that refuses returns, an errno, negative.
// Arguments are those of the hook, as of Call.
func (h *Host) LSM(name string, args ...any) (int32, []Step, error) {
	e := h.newEvent()
	words, err := e.mem.words(args, false)
	if err != nil {
		return 0, nil, err
	}
	e.setup = func(r *helpers.Run) { r.FuncArgs = len(words) }
	verdict := int32(0)
	for _, l := range h.at("lsm " + name) {
		// The last word is what the programs before returned.
		ctx := wordBytes(append(slices.Clone(words), uint64(int64(verdict)))...)
		r0, ran, err := e.run(l, func(r *helpers.Run) error { return r.SetContext(ctx) }, nil)
		if err != nil {
			return 0, nil, err
		}
		if ran {
			verdict = int32(r0)
		}
		if verdict != 0 {
			break
		}
	}
	return verdict, e.steps, nil
}
