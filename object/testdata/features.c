// A bit of everything that an object may refer to.
#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define __local __attribute__((preserve_access_index))

/* Of the kernel: a field at another offset, one that no kernel has, a type that none has, an enumerator. */
struct task_struct {
	int tgid;
	int no_such_field;
} __local;

struct no_such_type {
	int x;
} __local;

enum bpf_map_type___local { BPF_MAP_TYPE_RINGBUF___local = 1 };

struct value {
	__u64 a;
	struct bpf_spin_lock lock;
};

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
};

struct inner template SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 3);
	__type(key, __u32);
	__array(values, struct inner);
} outer SEC(".maps") = {.values = {[1] = &template}};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4);
	__type(key, __u64);
	__type(value, struct value);
} locked SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 4);
} events SEC(".maps");

int other(void *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 8);
	__uint(key_size, 4);
	__array(values, int(void *));
} jumps SEC(".maps") = {.values = {[5] = (void *)&other}};

const volatile __u32 constant = 7;
__u32 initialized = 8;
__u64 zero;

extern __u32 LINUX_KERNEL_VERSION __kconfig;
extern bool LINUX_HAS_SYSCALL_WRAPPER __kconfig;
extern int CONFIG_HZ __kconfig;
extern bool CONFIG_NET __kconfig;
extern enum libbpf_tristate CONFIG_IPV6 __kconfig;
extern const char CONFIG_DEFAULT_HOSTNAME[8] __kconfig;

extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;
extern void no_such_kfunc(void) __ksym __weak;
extern void no_such_symbol __ksym __weak;
extern void some_symbol __ksym;

static __noinline int leaf(int x)
{
	return x * 3;
}

__noinline int global(int x)
{
	return leaf(x) + 1;
}

static int callback(__u32 i, void *ctx)
{
	return i > 3;
}

SEC("tc")
int other(void *ctx)
{
	return constant;
}

SEC("tc")
int calls(void *ctx)
{
	int r = global(bpf_get_prandom_u32());

	r += bpf_loop(10, callback, 0, 0);
	bpf_tail_call(ctx, &jumps, 5);
	return r + leaf(r);
}

SEC("tc")
int data(void *ctx)
{
	__u32 key = 0;

	zero += initialized + constant;
	if (bpf_map_lookup_elem(&outer, &key))
		return 1;
	return bpf_perf_event_output(ctx, &events, 0, &key, sizeof(key)) + !!bpf_map_lookup_elem(&locked, &zero);
}

SEC("tc")
int config(void *ctx)
{
	if (LINUX_HAS_SYSCALL_WRAPPER && CONFIG_NET && CONFIG_IPV6 == TRI_MODULE)
		return CONFIG_HZ + CONFIG_DEFAULT_HOSTNAME[0];
	return LINUX_KERNEL_VERSION;
}

SEC("tc")
int symbols(void *ctx)
{
	int r = 0;

	bpf_rcu_read_lock();
	if (no_such_kfunc)
		no_such_kfunc();
	if (&no_such_symbol)
		r = 1;
	r += (long)&some_symbol;
	bpf_rcu_read_unlock();
	return r;
}

SEC("tp_btf/sched_process_exit")
int core(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	int r = task->tgid;

	if (bpf_core_field_exists(task->no_such_field))
		r += task->no_such_field;
	if (bpf_core_type_exists(struct no_such_type))
		r += bpf_core_type_size(struct no_such_type);
	return r + bpf_core_enum_value(enum bpf_map_type___local, BPF_MAP_TYPE_RINGBUF___local) +
	       bpf_core_type_id_local(struct value);
}

SEC("tc")
int local(void *ctx)
{
	return bpf_core_type_id_local(struct value);
}

SEC("iter.s/task")
int iter(void *ctx)
{
	return 0;
}

SEC("somewhere")
int typeless(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
