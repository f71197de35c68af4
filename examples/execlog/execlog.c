//go:build ignore

// SPDX-License-Identifier: MIT
// A log of the programs that are started: a record for each execve, in a ring buffer that user space reads.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* A record, as user space reads it. */
struct record {
	__u64 time; /* nanoseconds since boot */
	__u32 pid;
	__u32 uid;
	char comm[16];      /* who starts it */
	char filename[128]; /* what is started; cut off if it is longer */
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} records SEC(".maps");

/* Records that found no room, because nobody reads or reads too slowly. */
__u64 lost;

/* Log only what this user starts; -1 is everybody. To be set before the program is loaded. */
const volatile int only_uid = -1;

/* What the tracepoint passes: tracing/events/syscalls/sys_enter_execve/format has it. */
struct execve {
	__u64 common;
	__s32 syscall;
	__u32 padding;
	const char *filename;
	const char *const *argv;
	const char *const *envp;
};

SEC("tracepoint/syscalls/sys_enter_execve")
int execlog(struct execve *ctx)
{
	__u32 uid = bpf_get_current_uid_gid();
	struct record *r;

	if (only_uid != -1 && uid != (__u32)only_uid)
		return 0;
	r = bpf_ringbuf_reserve(&records, sizeof(*r), 0);
	if (!r) {
		__sync_fetch_and_add(&lost, 1);
		return 0;
	}
	r->time = bpf_ktime_get_ns();
	r->pid = bpf_get_current_pid_tgid() >> 32;
	r->uid = uid;
	bpf_get_current_comm(r->comm, sizeof(r->comm));
	if (bpf_probe_read_user_str(r->filename, sizeof(r->filename), ctx->filename) < 0)
		r->filename[0] = 0;
	bpf_ringbuf_submit(r, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL"; /* bpf_probe_read_user_str is for GPL-compatible programs only */
