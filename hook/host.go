package hook

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/object"
)

// Options are the choices of NewHost. The zero value is right for most users.
type Options struct {
	// Arch says how struct pt_regs is laid out and functions are called: "amd64" or "arm64", which must be what the
	// objects were compiled for. Empty: the architecture of this process, or amd64 if it is neither.
	Arch string
	// Types are the kernel's types: where the records of tracepoints, and the objects that Host.Object makes, get
	// their layout from. See object.LoadBTF. Nil: only what Linux fixes for good is known.
	Types *object.BTF
	// Boot is what the clock shows at first. 0 is one second.
	Boot time.Duration
	// Unix is the time of boot, for clocks that show the time of day.
	Unix time.Time
}

// A Host is a machine in memory. Its methods may be called from several goroutines.
type Host struct {
	arch  *arch
	types *object.BTF
	env   helpers.Env
	mem   hostMemory

	mu         sync.RWMutex
	now        time.Duration
	task       *helpers.Task
	points     map[string][]*Link // what is attached, in the order in which it runs
	interfaces []*Interface
	sockets    []*Socket
	cgroups    map[string]*Cgroup
	formats    map[string]*format // of tracepoints
	routes     []route
	neighbours map[neighbour]HardwareAddr
}

// NewHost makes a host with the loopback interface, "lo", and the cgroup "/". Options may be nil.
func NewHost(opts *Options) *Host {
	if opts == nil {
		opts = &Options{}
	}
	h := &Host{arch: archOf(cmp.Or(opts.Arch, runtime.GOARCH)), types: opts.Types, now: cmp.Or(opts.Boot, time.Second),
		points: map[string][]*Link{}, cgroups: map[string]*Cgroup{}, formats: map[string]*format{},
		neighbours: map[neighbour]HardwareAddr{}}
	h.mem.init()
	h.env.Now = h.Now
	if !opts.Unix.IsZero() {
		h.env.TAI = time.Duration(opts.Unix.UnixNano())
	}
	root := h.Cgroup("/")
	h.task = root.Task(1, "skep")
	h.AddInterface("lo")
	return h
}

// Env is the time, randomness and identity of the host, for skep.Options.Env.
func (h *Host) Env() *helpers.Env { return &h.env }

// Now is what the clock shows: the time since boot.
func (h *Host) Now() time.Duration {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.now
}

// Advance moves the clock on and fires the timers of attached programs' collections that are due then, in the end. It
// returns how many fired.
func (h *Host) Advance(d time.Duration) (int, error) {
	if d < 0 {
		return 0, errors.New("hook: the clock does not go back")
	}
	h.mu.Lock()
	h.now += d
	now := h.now
	var progs []*skep.Program
	for _, links := range h.points {
		for _, l := range links {
			progs = append(progs, l.prog.Load())
		}
	}
	h.mu.Unlock()
	// In the order of names, not of the map, so that it is the same each time.
	slices.SortStableFunc(progs, func(a, b *skep.Program) int { return cmp.Compare(a.Name(), b.Name()) })
	n := 0
	for _, p := range progs {
		fired, err := p.FireTimers(now)
		n += fired
		if err != nil && !errors.Is(err, skep.ErrClosed) {
			return n, fmt.Errorf("hook: timer: %w", err)
		}
	}
	return n, nil
}

// As makes a task the current one: events from then on happen on its behalf. It returns the one before. The task must not
// be changed any more.
func (h *Host) As(t *helpers.Task) *helpers.Task {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.task
	h.task = t
	return before
}

// current is the current task.
func (h *Host) current() *helpers.Task {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.task
}
