// Package examples holds BPF programs to start from, one idea in each folder: the C source, the object that clang made
// of it, and what it needs to be run.
//
//	firewall    XDP: blocked networks and closed ports, counters; and a variant with a mistake that is refused
//	classifier  traffic control: marks and classes, by a tail call for each protocol
//	execlog     tracepoint: a record for each program started, in a ring buffer
//	ratelimit   cgroup: a limit on what is sent, with subprograms, global and static
//	gateway     XDP and TC: drops, counts and redirects to another interface, with a map in common
//	filewatch   tracepoint and kprobe: files that are opened for writing or removed, in a ring buffer
package examples
