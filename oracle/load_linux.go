package oracle

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/object"
)

// A Kernel is the running kernel, and the maps and BTF made for the programs loaded into it. It may be
// used by several goroutines.
type Kernel struct {
	release string

	mu   sync.Mutex
	maps map[*object.Map]*held
	btfs map[*object.BTF]*held
	logs sync.Pool // *[]byte: a fresh buffer for every load costs more than most verifications

	btf    func() (*object.BTF, error)
	wqInit func() uint32 // BTF id of bpf_wq_init, 0 if the kernel has none
}

// Open asks whether programs can be loaded here: it loads one.
func Open() (*Kernel, error) {
	k := &Kernel{maps: map[*object.Map]*held{}, btfs: map[*object.BTF]*held{}}
	k.logs.New = func() any { b := make([]byte, 1<<20); return &b }
	k.btf = sync.OnceValues(func() (*object.BTF, error) {
		raw, err := os.ReadFile("/sys/kernel/btf/vmlinux")
		if err != nil {
			return nil, fmt.Errorf("oracle: the kernel's BTF: %w", err)
		}
		spec, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
		return &object.BTF{Raw: raw, Spec: spec, Err: err}, nil
	})
	k.wqInit = sync.OnceValue(func() uint32 {
		var f *btf.Func
		b, err := k.btf()
		if err != nil || b.Err != nil || b.Spec.TypeByName("bpf_wq_init", &f) != nil {
			return 0
		}
		id, err := b.Spec.TypeID(f)
		if err != nil {
			return 0
		}
		return uint32(id)
	})
	var u unix.Utsname
	if err := unix.Uname(&u); err == nil {
		k.release = unix.ByteSliceToString(u.Release[:])
	}
	// Before Linux 5.11 maps and programs count against this limit. Where it may not be raised, loads tell.
	_ = unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY})
	insns, err := isa.DecodeProgram([]byte{0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0}) // r0 = 0; exit
	if err != nil {
		return nil, err
	}
	r, err := k.Load(&object.Program{Type: 2, License: "GPL", Insns: insns}, Options{NoLog: true}) // a kprobe: not for everyone
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if r.Verdict != Accept {
		return nil, fmt.Errorf("oracle: %w: %w", ErrUnavailable, r.Errno)
	}
	return k, nil
}

// Close closes the maps and BTF that are kept for later loads. Results keep their program, but not their maps.
func (k *Kernel) Close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for m, h := range k.maps {
		h.close()
		delete(k.maps, m)
	}
	for b, h := range k.btfs {
		h.close()
		delete(k.btfs, b)
	}
}

// Release is the version of the kernel as uname gives it: "6.18.44-generic".
func (k *Kernel) Release() string { return k.release }

// BTF gives the kernel's types: the ids in Program.AttachID and in calls of kernel functions must be
// those. It is read and parsed once.
func (k *Kernel) BTF() (*object.BTF, error) { return k.btf() }

// Load loads the program. What the kernel answers is in the Result; an error means that it could not be
// asked. An accepted program stays loaded until Result.Close.
//
// Programs that call bpf_wq_init are not loaded: kernels up to 6.18 crash on it when the map has no BTF.
func (k *Kernel) Load(p *object.Program, o Options) (*Result, error) {
	if k.crashes(p) {
		return &Result{Verdict: Refused, Message: "not loaded: it calls bpf_wq_init", FD: -1}, nil
	}
	l := &lease{k: k, fresh: o.FreshMaps, maps: map[*object.Map]*held{}}
	k.mu.Lock()
	in, refusal := l.prepare(p)
	k.mu.Unlock()
	if refusal != nil {
		l.release()
		return refusal, nil
	}
	r := in.load(k, o)
	if r.Verdict != Accept {
		l.release()
		return r, nil
	}
	fd := r.FD
	r.Maps = in.maps
	r.close = func() { unix.Close(fd); l.release() }
	return r, nil
}

// crashes tells that the program calls bpf_wq_init.
func (k *Kernel) crashes(p *object.Program) bool {
	for i := range p.Insns {
		// By its bytes, whatever else is wrong with it: this must not miss one.
		n := &p.Insns[i]
		if n.Opcode == opCall && n.Src == isa.PseudoCallKfunc && n.Imm != 0 && uint32(n.Imm) == k.wqInit() {
			return true
		}
	}
	return false
}

// load is Load for a program that a map holds. The Kernel is locked.
func (l *lease) load(p *object.Program, o Options) *Result {
	in, refusal := l.prepare(p)
	if refusal != nil {
		return refusal
	}
	return in.load(l.k, o)
}

// First bytes of instructions that need care before they are loaded.
const (
	opLdImm64 = 0x18
	opCall    = 0x85
)

// An input is a program in the form that bpf(2) takes.
type input struct {
	attr        progLoadAttr
	insns       []byte
	license     []byte
	funcs, line []byte
	fdArray     []byte
	maps        []int
}

// refused is the answer to what does not reach the verifier.
func refused(what string, err error) *Result {
	r := &Result{Verdict: Refused, Message: what + ": " + err.Error(), FD: -1}
	errors.As(err, &r.Errno)
	return r
}

// prepare makes the program's maps and BTF. The Kernel is locked.
func (l *lease) prepare(p *object.Program) (*input, *Result) {
	in := &input{license: append([]byte(p.License), 0), funcs: p.FuncsRaw, line: p.LinesRaw}
	for _, m := range p.Maps {
		fd, err := l.createMap(m)
		if err != nil {
			return nil, refused("map "+m.Name, err)
		}
		in.maps = append(in.maps, fd)
		in.fdArray = binary.LittleEndian.AppendUint32(in.fdArray, uint32(fd))
	}
	for i, insn := range p.Insns {
		isMap := insn.Opcode == opLdImm64 && (insn.Src == isa.PseudoMapFD || insn.Src == isa.PseudoMapValue)
		if isMap && !p.BadFDs[i] && insn.Imm >= 0 && int(insn.Imm) < len(in.maps) {
			insn.Imm = int32(in.maps[insn.Imm])
		}
		b := insn.Encode()
		in.insns = append(in.insns, b[:]...)
	}
	a := &in.attr
	a.progType, a.expectedAttachType, a.attachBTFID, a.flags = p.Type, p.AttachType, p.AttachID, p.Flags
	a.insnCnt, a.insns, a.license = uint32(len(p.Insns)), addr(in.insns), addr(in.license)
	a.fdArray = addr(in.fdArray)
	if p.BTF == nil {
		return in, nil
	}
	fd, err := l.btf(p.BTF)
	if err != nil {
		return nil, refused("BTF", err)
	}
	a.btfFD = uint32(fd)
	if len(in.funcs) > 0 && p.FuncRec > 0 {
		a.funcInfo, a.funcInfoRec, a.funcInfoCnt = addr(in.funcs), p.FuncRec, uint32(len(in.funcs))/p.FuncRec
	}
	if len(in.line) > 0 && p.LineRec > 0 {
		a.lineInfo, a.lineInfoRec, a.lineInfoCnt = addr(in.line), p.LineRec, uint32(len(in.line))/p.LineRec
	}
	return in, nil
}

// load asks for the verdict, and where the options say so a second time for the message.
func (in *input) load(k *Kernel, o Options) *Result {
	level := o.LogLevel
	switch {
	case o.NoLog:
		fd, _, err := in.try(0, nil)
		return in.result(fd, err, "", false)
	case level == 0:
		level = LogStats
	}
	fd, log, whole, err := in.logged(k, level, o.LogMax)
	if !whole { // the answer was ENOSPC instead of the verdict
		var stats string
		if fd, stats, _, err = in.logged(k, LogStats, o.LogMax); err != nil {
			message, _ := Summary(log)
			r := in.result(fd, err, stats, true)
			r.Log, r.Message = log, message
			return r
		}
		r := in.result(fd, err, stats, true)
		r.Log = log
		return r
	}
	if err != nil && o.LogLevel == 0 {
		long := o.LongProgram
		if long == 0 {
			long = 100_000
		}
		if _, st := Summary(log); st.Processed < long {
			fd, log, _, err = in.logged(k, LogPath|LogStats, o.LogMax)
		}
	}
	return in.result(fd, err, log, false)
}

func (in *input) result(fd int, err error, log string, truncated bool) *Result {
	r := &Result{Verdict: Accept, FD: fd, Log: log, Truncated: truncated}
	r.Message, r.Stats = Summary(log)
	if err == nil {
		r.Message = ""
		return r
	}
	r.Verdict = Reject
	errors.As(err, &r.Errno)
	// Without a log EACCES is the verifier's, and the most likely of the others too, so say reject.
	if log == "" && in.attr.logLevel != 0 {
		return refused("BPF_PROG_LOAD", err)
	}
	return r
}

// logged loads with a log that grows until it holds everything. whole is false if it may not grow that far.
func (in *input) logged(k *Kernel, level uint32, limit int) (fd int, log string, whole bool, err error) {
	if limit == 0 {
		limit = 256 << 20
	}
	pooled := k.logs.Get().(*[]byte)
	defer k.logs.Put(pooled)
	buf := *pooled
	for {
		fd, want, err := in.try(level, buf)
		if !errors.Is(err, syscall.ENOSPC) {
			return fd, text(buf), true, err
		}
		if len(buf) >= limit {
			return fd, text(buf), false, err
		}
		// The kernel says how much it had to say (6.4 and later); a little more, as times vary in length.
		buf = make([]byte, min(limit, max(2*len(buf), int(want)+4096)))
	}
}

// text copies the log out of its buffer.
func text(b []byte) string { return strings.Clone(unix.ByteSliceToString(b)) }

// try is one BPF_PROG_LOAD; want is the size of the whole log.
func (in *input) try(level uint32, log []byte) (fd int, want uint32, err error) {
	a := in.attr
	in.attr.logLevel = level
	if level != 0 {
		log[0] = 0
		a.logLevel, a.logSize, a.logBuf = level, uint32(len(log)), addr(log)
	}
	fd, err = bpf(unix.BPF_PROG_LOAD, &a)
	runtime.KeepAlive(in)
	runtime.KeepAlive(log)
	if err != nil {
		return -1, a.logTrueSize, err
	}
	return moveUp(fd), a.logTrueSize, nil
}
