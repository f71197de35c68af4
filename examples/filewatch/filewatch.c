//go:build ignore

// SPDX-License-Identifier: MIT
// Watches files: a record for each that is opened for writing (by a tracepoint) or removed (by a kprobe).
#define __TARGET_ARCH_x86
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

enum { OPENED = 1, REMOVED = 2 };

/* A record, as user space reads it. */
struct event {
	__u32 what;
	__u32 pid;
	char comm[16];
	char name[64]; /* cut off if it is longer */
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} events SEC(".maps");

static __always_inline int report(__u32 what, const char *name, int user)
{
	struct event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e)
		return 0;
	e->what = what;
	e->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	if ((user ? bpf_probe_read_user_str(e->name, sizeof(e->name), name)
		  : bpf_probe_read_kernel_str(e->name, sizeof(e->name), name)) < 0)
		e->name[0] = 0;
	bpf_ringbuf_submit(e, 0);
	return 0;
}

/* What the tracepoint passes: tracing/events/syscalls/sys_enter_openat/format has it. */
struct openat {
	__u64 common;
	__s64 syscall;
	__s64 dfd;
	const char *filename;
	__s64 flags;
	__s64 mode;
};

SEC("tracepoint/syscalls/sys_enter_openat")
int opened(struct openat *ctx)
{
	if (!(ctx->flags & 3)) /* O_RDONLY */
		return 0;
	return report(OPENED, ctx->filename, 1);
}

/* The second argument of do_unlinkat is a struct filename, which starts with the name. */
SEC("kprobe/do_unlinkat")
int BPF_KPROBE(removed, int dfd, const char **filename)
{
	const char *name = NULL;

	bpf_probe_read_kernel(&name, sizeof(name), filename);
	return report(REMOVED, name, 0);
}

char _license[] SEC("license") = "Dual MIT/GPL";
