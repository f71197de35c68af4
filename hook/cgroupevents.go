package hook

import (
	"encoding/binary"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
)

func memoryAddr(v uint64) memory.Addr { return memory.Addr(v) }

func binaryHalf(b []byte, off int) uint32 { return binary.NativeEndian.Uint32(b[off:]) }

// A Sysctl is the access of a task to a file below /proc/sys.
type Sysctl struct {
	Name    string // such as "net/ipv4/ip_forward"
	Current string // as it is read, with its newline
	Write   bool
	New     string // what is written; programs may change it
	Pos     uint32 // where in the file; programs may change it
}

// Sysctl asks the programs of sysctl whether a task may read or write a sysctl. EPERM: they refuse.
func (c *Cgroup) Sysctl(s *Sysctl) ([]Step, error) {
	ctx := newContext("bpf_sysctl")
	if s.Write {
		ctx.set("write", 1)
	}
	ctx.set("file_pos", uint64(s.Pos))
	state := &helpers.Sysctl{Name: s.Name, Current: s.Current, Write: s.Write, New: s.New}
	e := c.h.newEvent()
	e.setup = func(r *helpers.Run) { r.Sysctl = state }
	err := c.allow(e, ebpf.AttachCGroupSysctl, ctx)
	if err == nil {
		s.New, s.Pos = state.New, uint32(ctx.get("file_pos"))
	}
	return e.steps, err
}

// A DeviceAccess is what a task does to a device.
type DeviceAccess struct {
	Block              bool // a block device; otherwise a character device
	Mknod, Read, Write bool
	Major, Minor       uint32
}

// Device asks the programs of device whether a task may use a device. EPERM: they refuse.
func (c *Cgroup) Device(d DeviceAccess) ([]Step, error) {
	const block, char = 1, 2
	kind, access := uint64(char), uint64(0)
	if d.Block {
		kind = block
	}
	for i, on := range []bool{d.Mknod, d.Read, d.Write} {
		if on {
			access |= 1 << i
		}
	}
	ctx := newContext("bpf_cgroup_dev_ctx")
	ctx.set("access_type", access<<16|kind)
	ctx.set("major", uint64(d.Major))
	ctx.set("minor", uint64(d.Minor))
	e := c.h.newEvent()
	err := c.allow(e, ebpf.AttachCGroupDevice, ctx)
	return e.steps, err
}

// Sock fires an event of sockets: ebpf.AttachCGroupInetSockCreate, AttachCgroupInetSockRelease, AttachCGroupInet4PostBind or
// AttachCGroupInet6PostBind. Programs of cgroup_sock see the socket, and may change its mark, priority and device. EPERM: they
// refuse.
func (c *Cgroup) Sock(at ebpf.AttachType, s *helpers.Sock) ([]Step, error) {
	if cgroupPrograms[at].prog != ebpf.CGroupSock {
		return nil, fmt.Errorf("hook: %v is no event of sockets: %w", linux.AttachType(at), maps.EINVAL)
	}
	ctx := newContext("bpf_sock")
	for name, v := range map[string]uint32{"bound_dev_if": s.BoundDevIf, "family": s.Family, "type": s.Type, "protocol": s.Protocol,
		"mark": s.Mark, "priority": s.Priority, "src_ip4": s.SrcIP4, "src_port": s.SrcPort, "dst_ip4": s.DstIP4,
		"state": s.State, "rx_queue_mapping": uint32(s.RxQueueMapping)} {
		ctx.set(name, uint64(v))
	}
	ctx.set("dst_port", uint64(s.DstPort))
	for i := range 4 {
		binary.NativeEndian.PutUint32(ctx.at("src_ip6")[4*i:], s.SrcIP6[i])
		binary.NativeEndian.PutUint32(ctx.at("dst_ip6")[4*i:], s.DstIP6[i])
	}
	e := c.h.newEvent()
	err := c.allow(e, at, ctx)
	s.BoundDevIf, s.Mark, s.Priority = uint32(ctx.get("bound_dev_if")), uint32(ctx.get("mark")), uint32(ctx.get("priority"))
	return e.steps, err
}

// SockOps fires an event of TCP, BPF_SOCK_OPS_*, for the programs of sock_ops, with the fields of struct bpf_sock_ops that are
// given by name. It returns the field reply as the last program left it: -1 if there is none, or one returned 0.
func (c *Cgroup) SockOps(op uint32, fields Fields) (int32, []Step, error) {
	ctx := newContext("bpf_sock_ops")
	ctx.sock = &helpers.Sock{Family: familyIPv4, Type: Stream, Protocol: TCP, RxQueueMapping: -1}
	ctx.set("family", familyIPv4)
	ctx.set("is_fullsock", 1)
	ctx.set("op", uint64(op))
	e := c.h.newEvent()
	for name, v := range fields {
		f := ctx.s.Field(name)
		if f == nil {
			return 0, nil, fmt.Errorf("hook: struct bpf_sock_ops has no field %q", name)
		}
		to := formatField{off: f.Off, size: f.Size}
		if err := to.set(ctx.bytes, v, &e.mem, false); err != nil {
			return 0, nil, fmt.Errorf("hook: struct bpf_sock_ops: %s: %w", name, err)
		}
	}
	e.setup = c.h.sockOptions(&Socket{h: c.h})
	allowed := false
	for _, l := range c.links(ebpf.AttachCGroupSockOps) {
		r0, ran, err := e.run(l, ctx.setup, func(r *helpers.Run, _ uint64) error { return ctx.result(r) })
		if err != nil {
			return 0, nil, err
		}
		allowed = ran && r0&1 == 1 && (allowed || len(e.steps) == 1)
	}
	if !allowed {
		return -1, e.steps, nil
	}
	return int32(ctx.get("reply")), e.steps, nil
}
