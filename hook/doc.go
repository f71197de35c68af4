// Package hook is a host in memory: what programs are attached to, and the events that make them run.
//
// A Host has network interfaces, sockets, control groups and tasks, and any tracepoint, kernel function, executable or LSM
// hook that somebody names. Programs of a skep.Collection are attached to them with methods that are named like the
// functions of cilium/ebpf's package link, and give a Link. Nothing runs by itself: a program only ever answers an event,
// which a test fires with typed arguments: a packet that arrives, a system call, a call of a function, a connect.
//
//	h := hook.NewHost(nil)
//	eth0 := h.AddInterface("eth0")
//	l, err := h.AttachXDP(hook.XDPOptions{Program: objs.Firewall, Interface: eth0.Index})
//	...
//	trip, err := eth0.Receive(frame)
//	if trip.Verdict == hook.Dropped { ... }
//
// # Order
//
// A packet that arrives passes XDP, packet sockets with their filters, TC ingress, and then goes up the stack: to the
// sk_lookup programs, to the socket that is bound to its destination, whose cgroups' cgroup_skb programs and then its own
// filter judge it. A packet that is sent passes cgroup_skb of the sender's cgroups, TC egress and packet sockets, and is
// captured at the interface, or goes on to the interface's peer. That is the order of Linux, for what is modelled: there is
// no netfilter, no forwarding, no fragmentation and no queueing.
//
// # Time and identity
//
// Host.Env goes into skep.Options.Env of collections, so that programs see the host's clock, which stands still until Advance
// moves it on and fires the timers that are due, and the host's current task, which Host.As changes.
//
// # Errors
//
// Attaching fails where Linux would fail, with its errno (maps.Errno): a program of another type is EINVAL, a second XDP
// program on an interface EBUSY. It then leaves nothing behind. An event fails only if a program does what no verified
// program does (*interp.Trap), or if it cannot be made of what it was given.
package hook
