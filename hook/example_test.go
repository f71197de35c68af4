package hook_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/hook"
)

// must makes a program of text for the host. Programs come from objects otherwise: see skep.LoadAndAssign.
func must(h *hook.Host, text string) *skep.Program {
	c, err := skep.OpenCollection(strings.NewReader(text), &skep.Options{Env: h.Env()})
	if err != nil {
		panic(err)
	}
	for _, p := range c.Programs {
		return p
	}
	return nil
}

// A packet passes XDP and is sent out of another interface by TC.
func ExampleHost() {
	h := hook.NewHost(nil)
	eth0, eth1 := h.AddInterface("eth0"), h.AddInterface("eth1")
	if _, err := h.AttachXDP(hook.XDPOptions{Program: must(h, "prog xdp\nname pass\nr0 = 2\nexit\n"), Interface: eth0.Index}); err != nil {
		panic(err)
	}
	redirect := must(h, "prog sched_cls\nname forward\nr1 = 3\nr2 = 0\ncall bpf_redirect\nexit\n")
	link, err := h.AttachTCX(hook.TCXOptions{Program: redirect, Interface: eth0.Index, Attach: ebpf.AttachTCXIngress})
	if err != nil {
		panic(err)
	}
	defer link.Close()

	trip, err := eth0.Receive(make([]byte, 64))
	if err != nil {
		panic(err)
	}
	for _, step := range trip.Steps {
		fmt.Println(step)
	}
	fmt.Println(trip.Verdict, "out of", trip.Interface.Name, "-", len(eth1.Sent()), "frame")
	// Output:
	// xdp eth0: pass returned 2
	// tc ingress eth0: forward returned 7
	// sent out of eth1 - 1 frame
}

// A program is replaced while it is attached, and then detached.
func ExampleLink() {
	h := hook.NewHost(nil)
	eth0 := h.AddInterface("eth0")
	link, err := h.AttachXDP(hook.XDPOptions{Program: must(h, "prog xdp\nname pass\nr0 = 2\nexit\n"), Interface: eth0.Index})
	if err != nil {
		panic(err)
	}
	show := func() {
		trip, err := eth0.Receive(make([]byte, 64))
		fmt.Println(trip.Verdict, len(trip.Steps), err)
	}
	show()
	if err := link.Update(must(h, "prog xdp\nname drop\nr0 = 1\nexit\n")); err != nil {
		panic(err)
	}
	show()
	if err := link.Close(); err != nil {
		panic(err)
	}
	show()
	// Output:
	// delivered 1 <nil>
	// dropped 1 <nil>
	// delivered 0 <nil>
}

// The record of a tracepoint is made of named fields.
func ExampleHost_Trace() {
	h := hook.NewHost(nil)
	// What /sys/kernel/tracing/events/sched/sched_process_exit/format says.
	err := h.DefineTracepoint("sched", "sched_process_exit", `
		field:char comm[16];	offset:8;	size:16;	signed:0;
		field:pid_t pid;	offset:24;	size:4;	signed:1;
		field:int prio;	offset:28;	size:4;	signed:1;`)
	if err != nil {
		panic(err)
	}
	p := must(h, "prog tracepoint\nname pid\nr0 = *(u32 *)(r1 +24)\nexit\n")
	if _, err := h.Tracepoint("sched", "sched_process_exit", p, nil); err != nil {
		panic(err)
	}
	steps, err := h.Trace("sched", "sched_process_exit", hook.Fields{"comm": "sh", "pid": 4711})
	fmt.Println(steps, err)
	// Output: [tracepoint sched:sched_process_exit: pid returned 4711] <nil>
}

// A kernel function is called: programs see its arguments where the architecture passes them.
func ExampleHost_Call() {
	h := hook.NewHost(&hook.Options{Arch: "amd64"})
	p := must(h, "prog kprobe\nname count\nr0 = *(u64 *)(r1 +96)\nexit\n") // dx: the third argument
	if _, err := h.Kprobe("vfs_write", p, nil); err != nil {
		panic(err)
	}
	called, err := h.Call("vfs_write", 5, nil, "hello", 5)
	fmt.Println(called.Steps, int64(called.Ret), err)
	// Output: [kprobe vfs_write: count returned 5] 5 <nil>
}

// A system call fires its tracepoints and kprobes.
func ExampleHost_Syscall() {
	h := hook.NewHost(&hook.Options{Arch: "amd64"})
	p := must(h, "prog tracepoint\nname signal\nr0 = *(u64 *)(r1 +24)\nexit\n")
	if _, err := h.Tracepoint("syscalls", "sys_enter_kill", p, nil); err != nil {
		panic(err)
	}
	h.As(h.Cgroup("/user.slice").Task(42, "sh"))
	called, err := h.Syscall(hook.Syscall{Name: "kill", Args: []any{4711, 9}})
	fmt.Println(called.Steps, err)
	// Output: [tracepoint syscalls:sys_enter_kill: signal returned 9] <nil>
}

// A program sends connections of a cgroup's tasks to another port.
func ExampleCgroup_Connect() {
	h := hook.NewHost(nil)
	web := h.Cgroup("/web")
	p := must(h, "prog cgroup_sock_addr\nattach cgroup_inet4_connect\nr2 = 0x901f\n*(u32 *)(r1 +24) = r2\nr0 = 1\nexit\n")
	if _, err := h.AttachCgroup(hook.CgroupOptions{Path: "/web", Attach: ebpf.AttachCGroupInet4Connect, Program: p}); err != nil {
		panic(err)
	}
	to := &hook.SockAddr{Addr: netip.MustParseAddrPort("192.0.2.1:80")}
	_, err := web.Connect(to)
	fmt.Println(to.Addr, err)
	// Output: 192.0.2.1:8080 <nil>
}

// A socket gets what its filter lets through, once the programs of its cgroups agree.
func ExampleSocket() {
	h := hook.NewHost(nil)
	eth0 := h.AddInterface("eth0")
	dns := h.Listen(hook.UDP, netip.MustParseAddrPort("192.0.2.1:53"))
	if _, err := h.AttachSocketFilter(dns, must(h, "prog socket_filter\nr0 = 12\nexit\n")); err != nil {
		panic(err)
	}
	trip, err := eth0.Receive(frame(netip.MustParseAddrPort("198.51.100.7:40000"), netip.MustParseAddrPort("192.0.2.1:53"), "question"))
	fmt.Println(trip.Verdict, trip.Socket == dns, err)
	fmt.Printf("%s\n", dns.Received()[0]) // 12 bytes from the UDP header on
	// Output:
	// delivered true <nil>
	// ques
}

// The packets of a Go table: each is judged by the programs that are attached.
func ExampleInterface_Receive() {
	h := hook.NewHost(nil)
	eth0 := h.AddInterface("eth0")
	// Drops what is shorter than 60 bytes.
	p := must(h, "prog xdp\nr2 = *(u32 *)(r1 +0)\nr3 = *(u32 *)(r1 +4)\nr2 += 60\nr0 = 2\nif r2 <= r3 goto out\nr0 = 1\nout:\nexit\n")
	if _, err := h.AttachXDP(hook.XDPOptions{Program: p, Interface: eth0.Index}); err != nil {
		panic(err)
	}
	for _, n := range []int{14, 59, 60, 1514} {
		b := make([]byte, n)
		binary.BigEndian.PutUint16(b[12:], 0x88cc)
		trip, err := eth0.Receive(b)
		fmt.Println(n, trip.Verdict, trip.Why, err)
	}
	// Output:
	// 14 dropped XDP_DROP <nil>
	// 59 dropped XDP_DROP <nil>
	// 60 delivered  <nil>
	// 1514 delivered  <nil>
}
