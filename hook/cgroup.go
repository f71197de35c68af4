package hook

import (
	"fmt"
	"path"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/maps"
)

// A Cgroup is a control group of the unified hierarchy. Programs that are attached to it answer events of its tasks and
// sockets, and of those of the groups below it.
type Cgroup struct {
	h      *Host
	path   string
	id     uint64
	parent *Cgroup
}

// Cgroup gives the control group of a path, such as "/web/api", and makes it, and those above it, if need be. "/" is
// always there.
func (h *Host) Cgroup(name string) *Cgroup {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cgroup(path.Clean("/" + name))
}

func (h *Host) cgroup(name string) *Cgroup {
	if c := h.cgroups[name]; c != nil {
		return c
	}
	c := &Cgroup{h: h, path: name}
	if name != "/" {
		c.parent = h.cgroup(path.Dir(name))
	}
	c.id = uint64(len(h.cgroups) + 1)
	h.cgroups[name] = c
	return c
}

// Path is the cgroup's path.
func (c *Cgroup) Path() string { return c.path }

// ID is the cgroup's id, which bpf_get_current_cgroup_id returns to programs that run on behalf of its tasks.
func (c *Cgroup) ID() uint64 { return c.id }

// Task makes a task that is in the cgroup, for Host.As: root's, with the pid as its pid and tgid. Its other fields may be set
// before it is used; Addr, which bpf_get_current_task returns, to that of an Object of type "task_struct".
func (c *Cgroup) Task(pid uint32, comm string) *helpers.Task {
	ids := c.ids()
	return &helpers.Task{PID: pid, TGID: pid, Comm: comm, CgroupID: c.id, Ancestors: ids[:len(ids)-1],
		Addr: helpers.Init.Addr + uint64(pid)<<14}
}

// ids are the ids of the cgroup and those above it, the root first.
func (c *Cgroup) ids() []uint64 {
	if c.parent == nil {
		return []uint64{c.id}
	}
	return append(c.parent.ids(), c.id)
}

// CgroupOptions say what AttachCgroup attaches.
type CgroupOptions struct {
	// Path is the cgroup's, "" being "/".
	Path string
	// Attach is the event: such as ebpf.AttachCGroupInetIngress.
	Attach  ebpf.AttachType
	Program *skep.Program
	Cookie  uint64
	Anchor  Anchor
}

// cgroupPrograms are the types of programs for each event. Strict are those whose programs are loaded for one event.
var cgroupPrograms = map[ebpf.AttachType]struct {
	prog   ebpf.ProgramType
	strict bool
}{
	ebpf.AttachCGroupInetIngress:      {ebpf.CGroupSKB, false},
	ebpf.AttachCGroupInetEgress:       {ebpf.CGroupSKB, false},
	ebpf.AttachCGroupInetSockCreate:   {ebpf.CGroupSock, true},
	ebpf.AttachCgroupInetSockRelease:  {ebpf.CGroupSock, true},
	ebpf.AttachCGroupInet4PostBind:    {ebpf.CGroupSock, true},
	ebpf.AttachCGroupInet6PostBind:    {ebpf.CGroupSock, true},
	ebpf.AttachCGroupSockOps:          {ebpf.SockOps, false},
	ebpf.AttachCGroupDevice:           {ebpf.CGroupDevice, false},
	ebpf.AttachCGroupSysctl:           {ebpf.CGroupSysctl, false},
	ebpf.AttachCGroupGetsockopt:       {ebpf.CGroupSockopt, true},
	ebpf.AttachCGroupSetsockopt:       {ebpf.CGroupSockopt, true},
	ebpf.AttachCGroupInet4Bind:        {ebpf.CGroupSockAddr, true},
	ebpf.AttachCGroupInet6Bind:        {ebpf.CGroupSockAddr, true},
	ebpf.AttachCGroupInet4Connect:     {ebpf.CGroupSockAddr, true},
	ebpf.AttachCGroupInet6Connect:     {ebpf.CGroupSockAddr, true},
	ebpf.AttachCGroupUDP4Sendmsg:      {ebpf.CGroupSockAddr, true},
	ebpf.AttachCGroupUDP6Sendmsg:      {ebpf.CGroupSockAddr, true},
	ebpf.AttachCGroupUDP4Recvmsg:      {ebpf.CGroupSockAddr, true},
	ebpf.AttachCGroupUDP6Recvmsg:      {ebpf.CGroupSockAddr, true},
	ebpf.AttachCgroupInet4GetPeername: {ebpf.CGroupSockAddr, true},
	ebpf.AttachCgroupInet6GetPeername: {ebpf.CGroupSockAddr, true},
	ebpf.AttachCgroupInet4GetSockname: {ebpf.CGroupSockAddr, true},
	ebpf.AttachCgroupInet6GetSockname: {ebpf.CGroupSockAddr, true},
}

// AttachCgroup attaches a program to an event of a cgroup. Several can be, as with BPF_F_ALLOW_MULTI.
func (h *Host) AttachCgroup(opts CgroupOptions) (*Link, error) {
	need, ok := cgroupPrograms[opts.Attach]
	if !ok {
		return nil, fmt.Errorf("hook: attach to a cgroup: %w: %v is no event of cgroups", maps.EINVAL, linux.AttachType(opts.Attach))
	}
	c := h.Cgroup(opts.Path)
	return h.attach(attachment{point: c.point(opts.Attach), prog: opts.Program, cookie: opts.Cookie, anchor: opts.Anchor,
		check: withAttach(need.prog, opts.Attach, need.strict)})
}

func (c *Cgroup) point(at ebpf.AttachType) string {
	return "cgroup " + c.path + " " + linux.AttachType(at).String()
}

// links are the programs that answer an event of the cgroup: its own, then those of the one above it, and so on.
func (c *Cgroup) links(at ebpf.AttachType) []*Link {
	var out []*Link
	for ; c != nil; c = c.parent {
		out = append(out, c.h.at(c.point(at))...)
	}
	return out
}

// allow asks all programs of an event, each of which gets the context that the one before left. It is EPERM if one of them
// returns 0, or the errno that it has set with bpf_set_retval.
func (c *Cgroup) allow(e *event, at ebpf.AttachType, ctx *context) error {
	retval := int64(0)
	for _, l := range c.links(at) {
		r0, ran, err := e.run(l, func(r *helpers.Run) error {
			r.Retval = retval
			return ctx.setup(r)
		}, func(r *helpers.Run, _ uint64) error {
			retval = r.Retval
			return ctx.result(r)
		})
		if err != nil {
			return err
		}
		// The lowest bit is the verdict; others have a meaning to some events.
		if ran && r0&1 == 0 && retval == 0 {
			retval = -int64(maps.EPERM)
		}
	}
	if retval < 0 {
		return maps.Errno(-retval)
	}
	return nil
}
