package hook

import (
	"fmt"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/maps"
)

// Attach attaches a program to what the section of its object says: "kprobe/do_unlinkat", "kretprobe/…", "uprobe/PATH:SYMBOL",
// "uretprobe/…", "tracepoint/GROUP/NAME", "raw_tracepoint/NAME", "fentry/…", "fexit/…", "fmod_ret/…", "tp_btf/…", "lsm/…".
// Programs that are for an interface, a socket or a cgroup need to be told which: EINVAL.
func (h *Host) Attach(p *skep.Program) (*Link, error) {
	if p == nil {
		return nil, fmt.Errorf("hook: attach: %w: there is no program", maps.EINVAL)
	}
	section := p.Verdict().Program.Section
	kind, to, _ := strings.Cut(section, "/")
	switch p.Type() {
	case ebpf.TracePoint:
		if group, name, ok := strings.Cut(to, "/"); ok {
			return h.Tracepoint(group, name, p, nil)
		}
	case ebpf.RawTracepoint, ebpf.RawTracepointWritable:
		if to != "" {
			return h.AttachRawTracepoint(RawTracepointOptions{Name: to, Program: p})
		}
	case ebpf.Kprobe:
		kind = strings.TrimSuffix(kind, ".s") // sleepable
		path, symbol, user := strings.Cut(to, ":")
		switch {
		case kind == "kprobe" && to != "":
			return h.Kprobe(to, p, nil)
		case kind == "kretprobe" && to != "":
			return h.Kretprobe(to, p, nil)
		case kind == "uprobe" && user:
			return h.OpenExecutable(path).Uprobe(symbol, p, nil)
		case kind == "uretprobe" && user:
			return h.OpenExecutable(path).Uretprobe(symbol, p, nil)
		}
	case ebpf.Tracing:
		return h.AttachTracing(TracingOptions{Program: p})
	case ebpf.LSM:
		return h.AttachLSM(LSMOptions{Program: p})
	}
	return nil, fmt.Errorf("hook: attach %v: %w: its section %q does not say to what", p, maps.EINVAL, section)
}
