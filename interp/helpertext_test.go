package interp_test

// A helperText is a script of a helper whose call needs more than arguments made by their kinds. Want is what it returns; the kernel
// is asked too, unless it cannot be: here says so.
type helperText struct {
	text string
	want uint32
	here bool
}

// helperTexts are such scripts, by the helpers that they are for.
var helperTexts = []struct {
	helpers []string
	helperText
}{
	{[]string{"spin_lock", "spin_unlock"}, helperText{`prog sched_cls
map a array key=4 value=64 entries=1
	r6 = map[a] + 0
	r1 = r6
	call bpf_spin_lock
	*(u64 *)(r6 +8) = 3
	r1 = r6
	call bpf_spin_unlock
	r0 = *(u64 *)(r6 +0)
	exit
`, 0, true}}, // the map needs types there
	{[]string{"ringbuf_reserve", "ringbuf_submit"}, helperText{ringText("submit"), 1, false}},
	{[]string{"ringbuf_discard"}, helperText{ringText("discard"), 1, false}},
	{[]string{"ringbuf_reserve_dynptr", "ringbuf_submit_dynptr"}, helperText{dynptrText("submit"), 0, false}},
	{[]string{"ringbuf_discard_dynptr"}, helperText{dynptrText("discard"), 0, false}},
	{[]string{"dynptr_from_mem", "dynptr_read", "dynptr_write", "dynptr_data"}, helperText{`prog sched_cls
map a array key=4 value=64 entries=1
	r1 = map[a] + 0
	r2 = 64
	r3 = 0
	r4 = r10
	r4 += -16
	call bpf_dynptr_from_mem
	*(u64 *)(r10 -24) = 0x1234
	*(u64 *)(r10 -32) = 0
	r1 = r10
	r1 += -16
	r2 = 3
	r3 = r10
	r3 += -24
	r4 = 8
	r5 = 0
	call bpf_dynptr_write
	r1 = r10
	r1 += -32
	r2 = 8
	r3 = r10
	r3 += -16
	r4 = 2
	r5 = 0
	call bpf_dynptr_read
	r1 = r10
	r1 += -16
	r2 = 4
	r3 = 8
	call bpf_dynptr_data
	if r0 == 0 goto out
	r0 = *(u8 *)(r0 +0)
	r1 = *(u64 *)(r10 -32)
	r0 += r1
out:
	exit
`, 0x12 + 0x123400, false}},
	{[]string{"sk_fullsock"}, helperText{sockText("sk_fullsock"), 1, false}},
	{[]string{"tcp_sock"}, helperText{sockText("tcp_sock"), 0, false}},
	{[]string{"get_listener_sock"}, helperText{sockText("get_listener_sock"), 0, false}},
	{[]string{"sk_cgroup_id"}, helperText{sockText("sk_cgroup_id"), 1, false}},
	{[]string{"sk_ancestor_cgroup_id"}, helperText{sockText("sk_ancestor_cgroup_id"), 1, false}},
	{[]string{"sk_storage_get", "sk_storage_delete"}, helperText{`prog cgroup_skb
map s sk_storage key=4 value=8 flags=1
	r6 = *(u64 *)(r1 +168)
	r0 = 0
	if r6 == 0 goto out
	r1 = r6
	call bpf_sk_fullsock
	if r0 == 0 goto out
	r6 = r0
	r1 = s ll
	r2 = r6
	r3 = 0
	r4 = 1
	call bpf_sk_storage_get
	if r0 == 0 goto out
	*(u64 *)(r0 +0) = 9
	r1 = s ll
	r2 = r6
	r3 = 0
	r4 = 0
	call bpf_sk_storage_get
	if r0 == 0 goto out
	r7 = *(u64 *)(r0 +0)
	r1 = s ll
	r2 = r6
	call bpf_sk_storage_delete
	r7 += r0
	r0 = 1
	if r7 == 9 goto out
	r0 = 0
out:
	exit
`, 1, true}}, // the map needs types there
	{[]string{"sk_lookup_tcp", "sk_release"}, helperText{lookupText("sk_lookup_tcp"), 2, false}},
	{[]string{"sk_lookup_udp"}, helperText{lookupText("sk_lookup_udp"), 2, false}},
	{[]string{"skc_lookup_tcp"}, helperText{lookupText("skc_lookup_tcp"), 2, false}},
	{[]string{"sk_assign"}, helperText{"prog sk_lookup\nattach sk_lookup\nr2 = 0\nr3 = 0\ncall bpf_sk_assign\nr0 += 1\nr0 &= 1\nexit\n", 1, false}},
	{[]string{"tail_call"}, helperText{"prog sched_cls\nmap p prog_array key=4 value=4 entries=2\nr2 = p ll\nr3 = 0\ncall bpf_tail_call\nr0 = 7\nexit\n", 7, false}},
	{[]string{"override_return"}, helperText{"prog kprobe\nr2 = -1\ncall bpf_override_return\nexit\n", 0, true}},
	{[]string{"skb_output"}, helperText{outputText("skb_output"), 0xfffffffe, true}}, // nobody reads
	{[]string{"xdp_output"}, helperText{outputText("xdp_output"), 0xfffffffe, true}},
	{[]string{"seq_printf", "seq_write"}, helperText{`prog tracing
map f array key=4 value=8 entries=1 data=25640a0000000000 flags=128 frozen
	r6 = *(u64 *)(r1 +0)
	*(u64 *)(r10 -8) = 7
	r1 = r6
	r2 = map[f] + 0
	r3 = 4
	r4 = r10
	r4 += -8
	r5 = 8
	call bpf_seq_printf
	r7 = r0
	r1 = r6
	r2 = r10
	r2 += -8
	r3 = 8
	call bpf_seq_write
	r0 |= r7
	exit
`, 0, true}},
	{[]string{"for_each_map_elem", "loop"}, helperText{`prog sched_cls
map a array key=4 value=64 entries=3
	*(u64 *)(r10 -8) = 0
	r1 = a ll
	r2 = func each
	r3 = r10
	r3 += -8
	r4 = 0
	call bpf_for_each_map_elem
	r6 = r0
	r1 = 5
	r2 = func step
	r3 = r10
	r3 += -8
	r4 = 0
	call bpf_loop
	r6 += r0
	r0 = *(u64 *)(r10 -8)
	r0 += r6
	exit
each:
	r1 = *(u64 *)(r4 +0)
	r1 += 100
	*(u64 *)(r4 +0) = r1
	r0 = 0
	exit
step:
	r1 = *(u64 *)(r2 +0)
	r1 += 10
	*(u64 *)(r2 +0) = r1
	r0 = 0
	exit
`, 358, true}}, // functions need types there
	{[]string{"timer_init", "timer_set_callback", "timer_start", "timer_cancel"}, helperText{`prog sched_cls
map a array key=4 value=64 entries=1
	r6 = map[a] + 0
	r1 = r6
	r2 = a ll
	r3 = 1
	call bpf_timer_init
	r7 = r0
	r1 = r6
	r2 = func body
	call bpf_timer_set_callback
	r7 |= r0
	r1 = r6
	r2 = 1000000
	r3 = 0
	call bpf_timer_start
	r7 |= r0
	r1 = r6
	call bpf_timer_cancel
	if r7 != 0 goto bad
	exit
bad:
	r0 = 99
	exit
body:
	r0 = 0
	exit
`, 1, true}},
	{[]string{"user_ringbuf_drain"}, helperText{`prog sched_cls
map u user_ringbuf entries=4096
	r1 = u ll
	r2 = func each
	r3 = 0
	r4 = 0
	call bpf_user_ringbuf_drain
	exit
each:
	r0 = 0
	exit
`, 0, true}},
	{[]string{"kptr_xchg"}, helperText{`prog sched_cls
map a array key=4 value=64 entries=1
	r1 = map[a] + 0
	r2 = 5
	call bpf_kptr_xchg
	r6 = r0
	r1 = map[a] + 0
	r2 = 0
	call bpf_kptr_xchg
	r0 += r6
	exit
`, 5, true}},
	{[]string{"inode_storage_get", "inode_storage_delete"}, helperText{storageText("inode"), 9, true}},
	{[]string{"task_storage_get", "task_storage_delete"}, helperText{storageText("task"), 9, true}},
	{[]string{"cgrp_storage_get", "cgrp_storage_delete"}, helperText{storageText("cgrp"), 9, true}},
	{[]string{"per_cpu_ptr", "this_cpu_ptr"}, helperText{`prog raw_tracepoint
	r1 = 4096
	r2 = 0
	call bpf_per_cpu_ptr
	r6 = r0
	r1 = 4096
	call bpf_this_cpu_ptr
	r0 -= r6
	exit
`, 0, true}},
	{[]string{"get_task_stack"}, helperText{"prog tracing\nr1 = 4096\nr2 = r10\nr2 += -64\nr3 = 64\nr4 = 0\ncall bpf_get_task_stack\nexit\n", 0xfffffff2, true}},
	{[]string{"copy_from_user_task"}, helperText{"prog tracing\nr1 = r10\nr1 += -8\nr2 = 8\nr3 = 0\nr4 = 4096\nr5 = 0\ncall bpf_copy_from_user_task\nexit\n", 0xfffffff2, true}},
	{[]string{"bprm_opts_set"}, helperText{"prog lsm\nr1 = 4096\nr2 = 1\ncall bpf_bprm_opts_set\nexit\n", 0, true}},
	{[]string{"task_pt_regs"}, helperText{"prog tracing\nr1 = 4096\ncall bpf_task_pt_regs\nexit\n", 0, true}},
	{[]string{"sock_from_file"}, helperText{castText("sock_from_file"), 0, true}},
	{[]string{"skc_to_tcp6_sock"}, helperText{castText("skc_to_tcp6_sock"), 0, true}},
	{[]string{"skc_to_tcp_sock"}, helperText{castText("skc_to_tcp_sock"), 0, true}},
	{[]string{"skc_to_tcp_timewait_sock"}, helperText{castText("skc_to_tcp_timewait_sock"), 0, true}},
	{[]string{"skc_to_tcp_request_sock"}, helperText{castText("skc_to_tcp_request_sock"), 0, true}},
	{[]string{"skc_to_udp6_sock"}, helperText{castText("skc_to_udp6_sock"), 0, true}},
	{[]string{"skc_to_unix_sock"}, helperText{castText("skc_to_unix_sock"), 0, true}},
	{[]string{"skc_to_mptcp_sock"}, helperText{castText("skc_to_mptcp_sock"), 0, true}},
	{[]string{"get_func_ip"}, helperText{"prog kprobe\ncall bpf_get_func_ip\nexit\n", 0, true}},
}

func ringText(end string) string {
	return `prog sched_cls
map ring ringbuf entries=4096
	r1 = ring ll
	r2 = 8
	r3 = 0
	call bpf_ringbuf_reserve
	if r0 == 0 goto out
	*(u64 *)(r0 +0) = 5
	r1 = r0
	r2 = 0
	call bpf_ringbuf_` + end + `
	r1 = ring ll
	r2 = 0
	call bpf_ringbuf_query
	r1 = r0
	r0 = 1
	if r1 == 16 goto out
	r0 = 2
out:
	exit
`
}

func dynptrText(end string) string {
	return `prog sched_cls
map ring ringbuf entries=4096
	r1 = ring ll
	r2 = 8
	r3 = 0
	r4 = r10
	r4 += -16
	call bpf_ringbuf_reserve_dynptr
	r6 = r0
	r1 = r10
	r1 += -16
	r2 = 0
	call bpf_ringbuf_` + end + `_dynptr
	r0 = r6
	exit
`
}

// sockText asks about the socket of a packet.
func sockText(name string) string {
	return `prog cgroup_skb
	r6 = *(u64 *)(r1 +168)
	r0 = 0
	if r6 == 0 goto out
	r1 = r6
	call bpf_sk_fullsock
	if r0 == 0 goto out
	r1 = r0
	r2 = 0
	call bpf_` + name + `
	if r0 == 0 goto out
	r0 = 1
out:
	exit
`
}

// lookupText looks for a socket that there is not.
func lookupText(name string) string {
	return `prog sched_cls
	*(u64 *)(r10 -16) = 0
	*(u32 *)(r10 -8) = 0
	r2 = r10
	r2 += -16
	r3 = 12
	r4 = -1
	r5 = 0
	call bpf_` + name + `
	if r0 == 0 goto none
	r1 = r0
	call bpf_sk_release
	r0 = 1
	exit
none:
	r0 = 2
	exit
`
}

// outputText writes to a perf event array that nobody reads.
func outputText(name string) string {
	return `prog tracing
map e perf_event_array key=4 value=4 entries=1
	r2 = e ll
	r3 = 0
	*(u64 *)(r10 -8) = 0
	r4 = r10
	r4 += -8
	r5 = 8
	call bpf_` + name + `
	exit
`
}

// storageText stores 9 for a kernel object, and reads it back.
func storageText(of string) string {
	return `prog lsm
map s ` + of + `_storage key=4 value=8 flags=1
	r1 = s ll
	r2 = 4096
	r3 = 0
	r4 = 1
	call bpf_` + of + `_storage_get
	if r0 == 0 goto out
	*(u64 *)(r0 +0) = 9
	r6 = *(u64 *)(r0 +0)
	r1 = s ll
	r2 = 4096
	call bpf_` + of + `_storage_delete
	r0 += r6
out:
	exit
`
}

// castText casts what is no such socket.
func castText(name string) string {
	return "prog tracing\nr1 = 4096\ncall bpf_" + name + "\nexit\n"
}
