package hook

import (
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/maps"
)

// AttachPerfEvent attaches a program to a perf event, such as a sampling of CPU cycles, which has any name.
func (h *Host) AttachPerfEvent(name string, p *skep.Program, opts *ProbeOptions) (*Link, error) {
	if name == "" {
		return nil, fmt.Errorf("hook: attach to a perf event: %w: it has no name", maps.EINVAL)
	}
	return h.attach(attachment{point: "perf_event " + name, prog: p, cookie: opts.cookie(), check: ofType(ebpf.PerfEvent)})
}

// A Sample is what a perf event tells.
type Sample struct {
	IP, SP uint64 // where the task was
	Period uint64 // events since the last sample
	Addr   uint64 // that an access was to
	// Callers and UserCallers are the return addresses of its stacks, the innermost first.
	Callers, UserCallers []uint64
}

// Perf fires a perf event in the current task.
func (h *Host) Perf(name string, s Sample) ([]Step, error) {
	e := h.newEvent()
	e.setup = func(r *helpers.Run) { r.Callers, r.UserCallers = s.Callers, s.UserCallers }
	regs := make([]byte, h.arch.size)
	copy(regs[h.arch.ip:], wordBytes(s.IP))
	copy(regs[h.arch.sp:], wordBytes(s.SP))
	if h.arch == arches["arm64"] {
		regs = regs[:272] // struct user_pt_regs
	}
	err := e.all("perf_event "+name, append(regs, wordBytes(s.Period, s.Addr)...))
	return e.steps, err
}
