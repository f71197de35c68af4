// Package verifier proves programs safe as a chosen Linux does: it walks every path, with the verdict, the
// message and the cost that Linux would give.
package verifier

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/verifier/internal/prepare"
)

// Options are the choices of Verify. The zero value is Linux 6.18 without its types, and no log.
type Options struct {
	// Kernel is the kernel whose verdict is asked for. Nil: linux.Default.
	Kernel *linux.Kernel
	// KernelBTF is that kernel's type information. Programs that need it (tracing by BTF, kernel functions) get the
	// verdict "unsupported" without it.
	KernelBTF *object.BTF
	// LogLevel is a sum of LogErrors, LogStates and LogStats, as log_level of bpf(2).
	LogLevel LogLevel
	// Budget is how many instructions may be processed; 0: as many as the kernel allows.
	Budget int
	// CPUs is how many CPUs the kernel may have: what bpf_get_smp_processor_id returns is less. 0: as many as Linux can
	// be built for.
	CPUs int
	// AllSymbols says that the kernel knows the addresses of its variables by name (CONFIG_KALLSYMS_ALL), as most do.
	AllSymbols bool

	// KeepStates makes the Proof hold the states in which each instruction was walked.
	KeepStates bool

	panics bool // let panics through, for tests
}

func (o *Options) cpus() int {
	const most = 8192
	if o.CPUs <= 0 {
		return most
	}
	return o.CPUs
}

// A LogLevel says what goes into the log.
type LogLevel uint8

// Parts of the log, as in bpf(2).
const (
	LogErrors LogLevel = 1 // the path that leads to a refusal
	LogStates LogLevel = 2 // the state at every instruction walked
	LogStats  LogLevel = 4 // the figures
)

// A Cost is what verifying took, in the kernel's figures.
type Cost struct {
	Processed        int // instructions walked
	MaxStatesPerInsn int
	TotalStates      int // states kept, altogether
	PeakStates       int // states kept, at most at a time
	LongestMark      int
	StackDepth       []int // bytes of stack of each subprogram, the main program first
}

// A Proof is evidence that a Program is safe on a kernel. Only Verify makes one; the zero value proves nothing.
type Proof struct {
	program *object.Program
	kernel  *linux.Kernel
	Cost    Cost
	Log     string // as Options.LogLevel asked for

	kept *kept // nil unless Options.KeepStates

	noted   []noted // see Facts
	symbols bool
}

// Program is what the Proof is about; nil of a Proof that Verify did not make.
func (p *Proof) Program() *object.Program { return p.program }

// Kernel is for which kernel it is proved.
func (p *Proof) Kernel() *linux.Kernel { return p.kernel }

// An Error is a refusal.
type Error struct {
	Code    string // skep's stable name of the refusal, "jump-out-of-range"; see Codes
	Errno   int    // as in Linux, positive
	Message string // the kernel's wording: the last line of its log before the figures; "" if it says nothing
	Insn    int    // slot that is to blame, -1 if none
	Path    []int  // slots walked from the last kept state to Insn, oldest first; may be nil
	Log     string
	Cost    Cost
	program *object.Program
}

// Error gives the kernel's message with the instruction.
func (e *Error) Error() string {
	msg := e.Message
	if msg == "" {
		msg = e.Code
	}
	if e.Insn < 0 {
		return msg
	}
	return fmt.Sprintf("insn %d: %s", e.Insn, msg)
}

// Program is what was refused.
func (e *Error) Program() *object.Program { return e.program }

// An UnsupportedError is the verdict on a program that uses something that is not modelled: neither accepted nor
// refused.
type UnsupportedError struct {
	Feature string
	Insn    int // slot, -1 if none
	Cost    Cost
	Log     string
}

// Error names the feature.
func (e *UnsupportedError) Error() string {
	if e.Insn < 0 {
		return "unsupported: " + e.Feature
	}
	return fmt.Sprintf("insn %d: unsupported: %s", e.Insn, e.Feature)
}

// Verify proves the program, or gives an *Error (Linux refuses it) or an *UnsupportedError (skep cannot tell).
func Verify(p *object.Program, o Options) (proof *Proof, err error) {
	if p == nil || len(p.Insns) == 0 {
		return nil, &Error{Code: "empty", Errno: einval, Insn: -1, program: p}
	}
	if o.Kernel == nil {
		o.Kernel = linux.Default
	}
	w := &walk{p: p, insns: p.Insns, opts: &o, k: o.Kernel}
	defer func() {
		// A bug of ours is no verdict.
		if r := recover(); r != nil && !o.panics {
			proof, err = nil, &UnsupportedError{Feature: fmt.Sprintf("internal error: %v", r), Insn: w.pc, Cost: w.cost(), Log: string(w.log.b)}
		}
	}()
	fault := w.prepare()
	if fault != nil {
		return nil, w.refusedEarly(fault)
	}
	if u := w.in.Unsupported; u != "" {
		return nil, &UnsupportedError{Feature: u, Insn: -1}
	}
	return w.judge(w.verify())
}

// prepare makes the walk ready.
func (w *walk) prepare() *prepare.Fault {
	p, o := w.p, w.opts
	w.log.level = o.LogLevel
	w.prog = w.k.Prog(linux.ProgType(p.Type), linux.AttachType(p.AttachType), p.AttachTo)
	w.byVersion()
	if w.prog != nil && !w.k.Known(linux.ProgType(p.Type), linux.AttachType(p.AttachType)) {
		return &prepare.Fault{Errno: einval, Insn: -1, Code: "attach"}
	}
	in, fault := prepare.Prepare(p, w.prep)
	if fault != nil {
		return fault
	}
	w.in = in
	w.strict = p.Flags&(flagStrictAlignment|flagAnyAlignment) == flagStrictAlignment
	w.freq = p.Flags&flagTestStateFreq != 0
	w.types = &kernelTypes{kernel: o.KernelBTF, refs: map[refKey]*btfRef{}, byName: map[string]*btfRef{}}
	w.at = make([]insnInfo, len(w.insns))
	w.noted = make([]noted, len(w.insns))
	w.subs = make([]subInfo, len(in.Subprogs))
	w.loops = map[loopKey]*loop{}
	w.findFlow()
	for n := range w.subs {
		w.subs[n].fastcall = in.Subprogs[n].HasFastcall
	}
	for i, m := range p.Maps {
		w.maps = append(w.maps, w.mapOf(m, i))
	}
	w.log.names.Helper = linux.HelperName
	w.log.names.Kfunc = w.kfuncName
	if w.log.states() {
		for _, l := range in.HeadLines() {
			w.log.line(l)
		}
		text := func(pc int) string { return string(w.log.names.AppendLog(nil, w.insns, pc)) }
		for _, l := range in.LiveTable(text) {
			w.log.line(l)
		}
	}
	return nil
}

// mayCall tells that programs of the type may call a helper.
func (w *walk) mayCall(id int32) bool {
	return w.prog != nil && w.prog.Helper(w.k, id)&linux.HelperAllowed != 0
}

// mapOf is what the walk knows of a map, and of the template of its inner maps.
func (w *walk) mapOf(m *object.Map, index int) *mapInfo {
	out := &mapInfo{Map: m, index: index, readOnly: m.Flags&linux.MapRdOnlyProgFlag != 0}
	if k := w.k.Map(linux.MapType(m.Type)); k != nil && k.Is(linux.MapValueRdOnly) {
		out.readOnly = true
	}
	if index >= 0 && w.in.Fields != nil {
		out.fields = w.in.Fields[index]
	} else {
		var kernel *btf.Spec
		if w.types.kernel != nil {
			kernel = w.types.kernel.Spec
		}
		out.fields = prepare.MapFields(m, kernel, &w.prep)
	}
	if t := linux.MapType(m.Type); m.Inner != nil && (t == linux.MapTypeArrayOfMaps || t == linux.MapTypeHashOfMaps) {
		inner := *m.Inner
		inner.Name = "" // the kernel keeps but the measures of a template
		out.inner = w.mapOf(&inner, -1)
	}
	return out
}

// Program flags.
const (
	flagStrictAlignment = 1 << 0
	flagAnyAlignment    = 1 << 1
	flagTestStateFreq   = 1 << 3
)

func (w *walk) cost() Cost {
	c := Cost{Processed: w.processed, MaxStatesPerInsn: w.most, TotalStates: w.total, PeakStates: w.peak}
	for n := range w.subs {
		if !w.proven || w.reached(n) {
			c.StackDepth = append(c.StackDepth, w.subs[n].depth+w.subs[n].extra)
		}
	}
	if w.proven && w.defaultCallback() {
		c.StackDepth = append(c.StackDepth, 0)
	}
	return c
}

// reached tells that something of a function was walked. The kernel takes code that was not out of the program.
func (w *walk) reached(n int) bool {
	for pc := w.in.Subprogs[n].Start; pc < w.in.Subprogs[n].End; pc++ {
		if w.at[pc].walked {
			return true
		}
	}
	return false
}

// refusedEarly is the refusal of a program that is not walked.
func (w *walk) refusedEarly(f *prepare.Fault) error {
	if w.log.states() {
		for _, l := range f.Lines {
			w.log.line(l)
		}
	}
	if w.log.on() && f.Message != "" {
		w.log.line(f.Message)
	}
	w.subs = make([]subInfo, f.Functions)
	w.log.stats(w)
	return &Error{Code: f.Code, Errno: f.Errno, Message: lastLine(f.Message), Insn: f.Insn, Log: string(w.log.b), Cost: w.cost(), program: w.p}
}

// judge turns the outcome of the walk into a verdict.
func (w *walk) judge(err error) (*Proof, error) {
	var r *refusal
	var u *unmodelled
	switch {
	case errors.As(err, &u):
		return nil, &UnsupportedError{Feature: u.feature, Insn: w.pc, Cost: w.cost(), Log: string(w.log.b)}
	case errors.As(err, &r):
		w.log.stats(w)
		return nil, &Error{Code: r.code, Errno: r.errno, Message: lastLine(r.text), Insn: w.pc, Path: w.path(), Log: string(w.log.b),
			Cost: w.cost(), program: w.p}
	case err != nil:
		return nil, err
	}
	w.proven = true
	w.log.stats(w)
	proof := &Proof{program: w.p, kernel: w.k, Cost: w.cost(), Log: string(w.log.b), noted: w.noted, symbols: w.hasSymbols()}
	if w.opts.KeepStates {
		proof.kept = keepStates(w)
	}
	return proof, nil
}

// path is the instructions walked since the last checkpoint.
func (w *walk) path() []int {
	s := w.cur
	if s == nil {
		return nil
	}
	var out []int
	history := len(s.history)
	for i := w.pc; i >= 0 && i < len(w.insns) && len(out) < 4096; {
		out = append(out, i)
		if i == s.firstInsn && history == 0 {
			break
		}
		if history > 0 && int(s.history[history-1].insn) == i {
			i = int(s.history[history-1].prev)
			history--
		} else {
			i--
		}
	}
	slices.Reverse(out)
	return out
}
