package hook

import (
	"encoding/binary"
	"fmt"
	"maps"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep"
	errno "github.com/skepbpf/skep/maps"
)

// Fields are the named fields of a record or of a kernel object: numbers, strings, bytes, structs of fixed size, Objects, or
// for fields that are several words a []any. What is not named is zero.
type Fields map[string]any

// TracepointOptions are the choices of Tracepoint.
type TracepointOptions = ProbeOptions

// Tracepoint attaches a program to a tracepoint. Options may be nil.
func (h *Host) Tracepoint(group, name string, p *skep.Program, opts *TracepointOptions) (*Link, error) {
	if group == "" || name == "" {
		return nil, fmt.Errorf("hook: attach to tracepoint %q of group %q: %w: both are needed", name, group, errno.EINVAL)
	}
	return h.attach(attachment{point: "tracepoint " + group + ":" + name, prog: p, cookie: opts.cookie(), check: ofType(ebpf.TracePoint)})
}

// DefineTracepoint gives the layout of the records of a tracepoint, in the text of its format file (of Linux's
// /sys/kernel/tracing/events/GROUP/NAME/format). Without it, a layout is that of the struct trace_event_raw_NAME of
// Options.Types. Those of system calls are known.
func (h *Host) DefineTracepoint(group, name, text string) error {
	f, err := parseFormat(text)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.formats[group+":"+name] = f
	return nil
}

// Trace fires a tracepoint for the programs that are attached to it: the record is made of the fields, with the current
// task's pid. What fields of type pointer point to is put into the task's memory.
func (h *Host) Trace(group, name string, fields Fields) ([]Step, error) {
	e := h.newEvent()
	err := e.trace(group, name, fields)
	return e.steps, err
}

// TraceBytes fires a tracepoint with a record as it is, its common fields included.
func (h *Host) TraceBytes(group, name string, record []byte) ([]Step, error) {
	e := h.newEvent()
	err := e.all("tracepoint "+group+":"+name, record)
	return e.steps, err
}

func (e *event) trace(group, name string, fields Fields) error {
	f, err := e.h.format(group, name)
	if err != nil {
		return fmt.Errorf("hook: tracepoint %s:%s: %w", group, name, err)
	}
	b, err := f.record(fields, &e.mem)
	if err != nil {
		return fmt.Errorf("hook: tracepoint %s:%s: %w", group, name, err)
	}
	if _, given := fields["common_pid"]; !given && len(b) >= commonSize {
		binary.NativeEndian.PutUint32(b[4:], e.task.PID)
	}
	return e.all("tracepoint "+group+":"+name, b)
}

// format is the layout of a tracepoint's records.
func (h *Host) format(group, name string) (*format, error) {
	h.mu.RLock()
	f := h.formats[group+":"+name]
	h.mu.RUnlock()
	if f != nil {
		return f, nil
	}
	switch group {
	case "syscalls":
		if call, ok := strings.CutPrefix(name, "sys_enter_"); ok {
			return enterFormat(call), nil
		}
		if strings.HasPrefix(name, "sys_exit_") {
			return exitFormat, nil
		}
	case "raw_syscalls":
		switch name {
		case "sys_enter":
			return rawEnter, nil
		case "sys_exit":
			return exitFormat, nil
		}
	}
	if h.types != nil && h.types.Spec != nil {
		if f, err := btfFormat(h.types.Spec, name); err == nil {
			return f, nil
		}
	}
	return nil, fmt.Errorf("the layout of its records is not known: give it with DefineTracepoint, or the kernel's types with Options.Types")
}

// Records of system calls: the number, and the arguments or what is returned, in words.
var (
	rawEnter   = syscallFormat(map[string]formatField{"id": {off: 8, size: 8}, "args": {off: 16, size: 48}})
	exitFormat = syscallFormat(map[string]formatField{"__syscall_nr": {off: 8, size: 4}, "id": {off: 8, size: 8}, "ret": {off: 16, size: 8}})
)

func syscallFormat(fields map[string]formatField) *format {
	f := &format{fields: maps.Clone(common)}
	for name, x := range fields {
		f.fields[name] = x
		f.size = max(f.size, x.off+x.size)
	}
	return f
}

// enterFormat is the layout of the records of a system call's entry: a word for each argument, which has the name of the
// argument if the call is one of the table. All six can be given as "args".
func enterFormat(call string) *format {
	fields := map[string]formatField{"__syscall_nr": {off: 8, size: 4}, "args": {off: 16, size: 48}}
	for i, name := range syscalls[call].args {
		fields[name] = formatField{off: 16 + 8*i, size: 8, pointer: true}
	}
	return syscallFormat(fields)
}

// A Syscall is a system call that the current task makes.
type Syscall struct {
	Name string // such as "openat"
	// Number is its number on the host's architecture. 0: that of the table, which has the common calls, or else 0.
	Number int32
	// Args are its arguments, as of Call; what pointers point to is in user space.
	Args []any
	// Ret is what it returns: for an error the errno, negative.
	Ret int64
}

// Syscall tells that the current task makes a system call: raw_syscalls:sys_enter and syscalls:sys_enter_NAME, then the
// function that does it with its kprobes, then both tracepoints of its exit. Called.Ret is what the task gets.
func (h *Host) Syscall(c Syscall) (*Called, error) {
	e := h.newEvent()
	args, err := e.mem.words(c.Args, true)
	if err != nil {
		return nil, err
	}
	if len(args) > 6 {
		return nil, fmt.Errorf("hook: system call %s: %d arguments are too many", c.Name, len(args))
	}
	nr := c.Number
	if nr == 0 {
		nr = syscalls[c.Name].number(h.arch)
	}
	all := append(args, make([]uint64, 6-len(args))...)
	regs := h.arch.regs(0, h.arch.sysargs, args)
	binary.NativeEndian.PutUint64(regs[h.arch.sysnr:], uint64(nr))
	inner := e.mem.put(regs, false)

	if err := e.traceRaw("sys_enter", []uint64{inner, uint64(nr)}); err != nil {
		return nil, err
	}
	words := make([]any, 6)
	for i, w := range all {
		words[i] = w
	}
	if err := e.trace("raw_syscalls", "sys_enter", Fields{"id": nr, "args": words}); err != nil {
		return nil, err
	}
	if err := e.traceSyscall("sys_enter_"+c.Name, nr, all...); err != nil {
		return nil, err
	}
	done, err := e.call(h.arch.prefix+"sys_"+c.Name, uint64(c.Ret), []uint64{inner})
	if err != nil {
		return nil, err
	}
	e.setup = nil
	if err := e.traceSyscall("sys_exit_"+c.Name, nr, done.Ret); err != nil {
		return nil, err
	}
	if err := e.trace("raw_syscalls", "sys_exit", Fields{"id": nr, "ret": done.Ret}); err != nil {
		return nil, err
	}
	if err := e.traceRaw("sys_exit", []uint64{inner, done.Ret}); err != nil {
		return nil, err
	}
	return &Called{e.steps, done.Ret}, nil
}

// traceSyscall fires a tracepoint of the group syscalls.
func (e *event) traceSyscall(name string, nr int32, words ...uint64) error {
	b := make([]byte, 16, 64)
	binary.NativeEndian.PutUint32(b[4:], e.task.PID)
	binary.NativeEndian.PutUint32(b[8:], uint32(nr))
	return e.all("tracepoint syscalls:"+name, append(b, wordBytes(words...)...))
}
