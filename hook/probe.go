package hook

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/maps"
)

// ProbeOptions are the choices of Kprobe, Uprobe and their kin.
type ProbeOptions struct {
	// Cookie is what bpf_get_attach_cookie returns.
	Cookie uint64
}

func (o *ProbeOptions) cookie() uint64 {
	if o == nil {
		return 0
	}
	return o.Cookie
}

// Kprobe attaches a program to the entry of a kernel function: see Call. Of a system call, "sys_NAME" stands for the
// function that does it: see Syscall. Options may be nil.
func (h *Host) Kprobe(symbol string, p *skep.Program, opts *ProbeOptions) (*Link, error) {
	return h.probe("kprobe", h.symbol(symbol), p, opts)
}

// Kretprobe attaches a program to the return of a kernel function.
func (h *Host) Kretprobe(symbol string, p *skep.Program, opts *ProbeOptions) (*Link, error) {
	return h.probe("kretprobe", h.symbol(symbol), p, opts)
}

func (h *Host) symbol(name string) string {
	if strings.HasPrefix(name, "sys_") {
		return h.arch.prefix + name
	}
	return name
}

func (h *Host) probe(kind, symbol string, p *skep.Program, opts *ProbeOptions) (*Link, error) {
	if symbol == "" {
		return nil, fmt.Errorf("hook: attach a %s: %w: no symbol is named", kind, maps.EINVAL)
	}
	return h.attach(attachment{point: kind + " " + symbol, prog: p, cookie: opts.cookie(), check: ofType(ebpf.Kprobe)})
}

// An Executable is a program or library of user space that uprobes are in.
type Executable struct {
	h    *Host
	path string
}

// OpenExecutable gives the executable of a path, which need not be there.
func (h *Host) OpenExecutable(path string) *Executable { return &Executable{h, path} }

// Uprobe attaches a program to the entry of a function.
func (x *Executable) Uprobe(symbol string, p *skep.Program, opts *ProbeOptions) (*Link, error) {
	return x.h.probe("uprobe", x.path+":"+symbol, p, opts)
}

// Uretprobe attaches a program to the return of a function.
func (x *Executable) Uretprobe(symbol string, p *skep.Program, opts *ProbeOptions) (*Link, error) {
	return x.h.probe("uretprobe", x.path+":"+symbol, p, opts)
}

// A Called is what came of a call of a function.
type Called struct {
	Steps []Step
	// Ret is what the function returned: what it was said to, unless a program changed that (bpf_override_return,
	// fmod_ret).
	Ret uint64
}

// Call tells that the current task calls a kernel function, which returns ret: the programs of fentry, kprobe, fmod_ret,
// fexit and kretprobe run, in this order. Arguments are numbers, or what a pointer is to point to: strings (which get a zero
// at the end), bytes, structs of fixed size, Objects. A nil ret is 0.
func (h *Host) Call(symbol string, ret any, args ...any) (*Called, error) {
	e := h.newEvent()
	words, err := e.mem.words(args, false)
	if err != nil {
		return nil, err
	}
	r, err := e.mem.word(ret, false)
	if err != nil {
		return nil, fmt.Errorf("hook: return value: %w", err)
	}
	return e.call(h.symbol(symbol), r, words)
}

// address is where a function is: an address of its own, as of nothing else.
func address(symbol string) uint64 {
	f := fnv.New32a()
	f.Write([]byte(symbol))
	return 0xffff_ffff_8000_0000 | uint64(f.Sum32()>>2)&^15
}

// call runs what is attached to a kernel function.
func (e *event) call(symbol string, ret uint64, args []uint64) (*Called, error) {
	ip := address(symbol)
	e.setup = func(r *helpers.Run) { r.FuncIP, r.FuncArgs = ip, len(args) }
	if err := e.all("fentry "+symbol, wordBytes(args...)); err != nil {
		return nil, err
	}
	over := false
	for _, l := range e.h.at("kprobe " + symbol) {
		_, _, err := e.run(l, func(r *helpers.Run) error { return r.SetContext(e.h.arch.regs(ip, e.h.arch.args, args)) },
			func(r *helpers.Run, _ uint64) error {
				if r.Override {
					over, ret = true, uint64(r.Retval)
				}
				return nil
			})
		if err != nil {
			return nil, err
		}
	}
	if over {
		return &Called{e.steps, ret}, nil // the function is not entered
	}
	// The first program that returns another value than 0 gives the function's.
	modified := uint64(0)
	for _, l := range e.h.at("fmod_ret " + symbol) {
		r0, ran, err := e.run(l, func(r *helpers.Run) error {
			return r.SetContext(wordBytes(append(slices.Clone(args), modified)...))
		}, nil)
		if err != nil {
			return nil, err
		}
		if modified = uint64(int64(int32(r0))); ran && modified != 0 {
			ret = modified
			break
		}
	}
	if err := e.all("fexit "+symbol, wordBytes(append(slices.Clone(args), ret)...)); err != nil {
		return nil, err
	}
	if err := e.all("kretprobe "+symbol, e.h.arch.returns(ip, ret)); err != nil {
		return nil, err
	}
	return &Called{e.steps, ret}, nil
}

// Call tells that the current task calls a function of the executable, which returns ret. Arguments are as those of
// Host.Call; what pointers point to is in user space.
func (x *Executable) Call(symbol string, ret any, args ...any) (*Called, error) {
	e := x.h.newEvent()
	words, err := e.mem.words(args, true)
	if err != nil {
		return nil, err
	}
	r, err := e.mem.word(ret, true)
	if err != nil {
		return nil, fmt.Errorf("hook: return value: %w", err)
	}
	name := x.path + ":" + symbol
	const text = 0x0000_5555_5555_0000 // where programs are loaded
	ip := text | address(name)&0xffff
	e.setup = func(r *helpers.Run) { r.FuncIP, r.FuncArgs = ip, len(args) }
	if err := e.all("uprobe "+name, x.h.arch.regs(ip, x.h.arch.args, words)); err != nil {
		return nil, err
	}
	if err := e.all("uretprobe "+name, x.h.arch.returns(ip, r)); err != nil {
		return nil, err
	}
	return &Called{e.steps, r}, nil
}
