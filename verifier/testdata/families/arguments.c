#include "families.h"
#include "kfuncs.h"
/* Arguments of global functions that are tagged. */
#define __trusted   __attribute__((btf_decl_tag("arg:trusted")))
#define __nullable  __attribute__((btf_decl_tag("arg:nullable")))
#define __nonnull   __attribute__((btf_decl_tag("arg:nonnull")))
#define __untrusted __attribute__((btf_decl_tag("arg:untrusted")))

struct tv {
	struct task_struct __kptr *t;
	long x;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, struct tv);
} tm SEC(".maps");

#define P(name) SEC("tp_btf/task_newtask") int name(__u64 *ctx)
#define TASK	struct task_struct *task = (void *)ctx[0];
#define VAL                                                                                                            \
	int k = 0;                                                                                                     \
	struct tv *v = bpf_map_lookup_elem(&tm, &k);                                                                   \
	if (!v)                                                                                                        \
		return 0;

struct task_struct___other {
	int pid;
};

struct no_such_thing {
	int pid;
};

__noinline int trusted(struct task_struct *t __trusted)
{
	return t->pid;
}

__noinline int nullable(struct task_struct *t __trusted __nullable)
{
	return t ? t->pid : 1;
}

__noinline int nullable_read(struct task_struct *t __trusted __nullable)
{
	return t->pid;
}

__noinline int walks(struct task_struct *t __trusted)
{
	return t->real_parent->pid;
}

__noinline int acquires(struct task_struct *t __trusted)
{
	struct task_struct *q = bpf_task_acquire(t);
	if (q)
		bpf_task_release(q);
	return 0;
}

__noinline int acquires_parent(struct task_struct *t __trusted)
{
	struct task_struct *q;
	bpf_rcu_read_lock();
	q = bpf_task_acquire(t->real_parent);
	if (q)
		bpf_task_release(q);
	bpf_rcu_read_unlock();
	return 0;
}

__noinline int releases(struct task_struct *t __trusted)
{
	bpf_task_release(t);
	return 0;
}

__noinline int leaks(struct task_struct *t __trusted)
{
	bpf_task_acquire(t);
	return 0;
}

__noinline int writes(struct task_struct *t __trusted)
{
	t->pid = 1;
	return 0;
}

__noinline int unsafe(struct task_struct *t __untrusted)
{
	return t->pid;
}

__noinline int unsafe_acquires(struct task_struct *t __untrusted)
{
	struct task_struct *q = bpf_task_acquire(t);
	if (q)
		bpf_task_release(q);
	return 0;
}

__noinline int unsafe_write(struct task_struct *t __untrusted)
{
	t->pid = 4;
	return 0;
}

__noinline int unsafe_int(int *p __untrusted)
{
	return p[5];
}

__noinline int unsafe_int_write(int *p __untrusted)
{
	p[5] = 4;
	return 0;
}

__noinline int unsafe_void(void *p __untrusted)
{
	return *(char *)p;
}

__noinline int nonnull(long *p __nonnull)
{
	return *p;
}

__noinline int maybe(long *p)
{
	return p ? *p : 0;
}

__noinline int maybe_read(long *p)
{
	return *p;
}

__noinline int both(struct task_struct *t __trusted, struct cgroup *g __trusted __nullable, int x)
{
	return g ? g->level : t->pid;
}

__noinline int flavour(struct task_struct___other *t __trusted)
{
	return *(int *)t;
}

__noinline int unknown(struct no_such_thing *t __trusted)
{
	return *(int *)t;
}

__noinline int mask(const struct cpumask *m __trusted)
{
	return bpf_cpumask_weight(m);
}

__noinline int nullable_alone(int *p __nullable)
{
	return p ? *p : 0;
}

__noinline int trusted_nonnull(struct task_struct *t __trusted __nonnull)
{
	return t->pid;
}

__noinline int untrusted_trusted(struct task_struct *t __trusted __untrusted)
{
	return t->pid;
}

__noinline int trusted_number(int t __trusted)
{
	return t;
}

P(pass)
{
	TASK return trusted(task);
}

P(pass_null)
{
	return trusted(NULL);
}

P(pass_nullable)
{
	TASK return nullable(task) + nullable(NULL);
}

P(pass_nullable_read)
{
	TASK return nullable_read(task);
}

P(pass_walks)
{
	TASK return walks(task);
}

P(pass_acquires)
{
	TASK return acquires(task);
}

P(pass_acquires_parent)
{
	TASK return acquires_parent(task);
}

P(pass_releases)
{
	TASK return releases(task);
}

P(pass_leaks)
{
	TASK return leaks(task);
}

P(pass_writes)
{
	TASK return writes(task);
}

P(pass_current)
{
	return trusted(bpf_get_current_task_btf());
}

P(pass_scalar)
{
	return trusted((void *)5);
}

P(pass_stack)
{
	long x = 0;
	return trusted((void *)&x);
}

P(pass_ctx)
{
	return trusted((void *)ctx);
}

P(pass_map)
{
	VAL return trusted((void *)v);
}

P(pass_untrusted)
{
	TASK return trusted(task->last_wakee);
}

P(pass_parent)
{
	TASK return trusted(task->real_parent);
}

P(pass_parent_rcu)
{
	TASK bpf_rcu_read_lock();
	int r = trusted(task->real_parent);
	bpf_rcu_read_unlock();
	return r;
}

P(pass_rcu_null)
{
	VAL bpf_rcu_read_lock();
	int r = nullable(v->t);
	bpf_rcu_read_unlock();
	return r;
}

P(pass_acquired)
{
	TASK struct task_struct *t = bpf_task_acquire(task);
	int r;
	if (!t)
		return 0;
	r = trusted(t);
	bpf_task_release(t);
	return r;
}

P(pass_acquired_maybe)
{
	TASK struct task_struct *t = bpf_task_acquire(task);
	int r = trusted(t);
	if (t)
		bpf_task_release(t);
	return r;
}

P(pass_acquired_nullable)
{
	TASK struct task_struct *t = bpf_task_acquire(task);
	int r = nullable(t);
	if (t)
		bpf_task_release(t);
	return r;
}

P(pass_wrong)
{
	struct cgroup *g = bpf_cgroup_from_id(1);
	int r;
	if (!g)
		return 0;
	r = trusted((void *)g);
	bpf_cgroup_release(g);
	return r;
}

P(pass_offset)
{
	TASK return trusted((void *)task + 8);
}

P(pass_negative)
{
	TASK return trusted((void *)task - 8);
}

P(pass_variable)
{
	TASK return trusted((void *)task + (bpf_get_prandom_u32() & 8));
}

P(pass_member)
{
	TASK return mask(&task->cpus_mask);
}

P(pass_mask)
{
	TASK return mask(task->cpus_ptr);
}

P(pass_bpf_mask)
{
	struct bpf_cpumask *m = bpf_cpumask_create();
	int r;
	if (!m)
		return 0;
	r = mask(&m->cpumask);
	bpf_cpumask_release(m);
	return r;
}

P(pass_both)
{
	TASK struct cgroup *g = bpf_cgroup_from_id(1);
	int r = both(task, g, 1);
	if (g)
		bpf_cgroup_release(g);
	return r;
}

P(pass_both_null)
{
	TASK return both(task, NULL, 1);
}

P(pass_both_mixed)
{
	TASK return both((void *)task, (void *)task, 1);
}

P(pass_flavour)
{
	TASK return flavour((void *)task);
}

P(pass_unknown)
{
	TASK return unknown((void *)task);
}

P(unsafe_any)
{
	TASK return unsafe(task) + unsafe(NULL) + unsafe((void *)77) + unsafe(task->last_wakee);
}

P(unsafe_acquire)
{
	TASK return unsafe_acquires(task);
}

P(unsafe_writes)
{
	TASK return unsafe_write(task);
}

P(unsafe_ints)
{
	long x = 0;
	return unsafe_int((void *)&x);
}

P(unsafe_ints_write)
{
	long x = 0;
	return unsafe_int_write((void *)&x);
}

P(unsafe_voids)
{
	TASK return unsafe_void(task) + unsafe_void((void *)ctx);
}

P(nonnull_stack)
{
	long x = 0;
	return nonnull(&x);
}

P(nonnull_null)
{
	return nonnull(NULL);
}

P(nonnull_value)
{
	VAL return nonnull(&v->x);
}

P(nonnull_maybe)
{
	int k = 0;
	return nonnull(bpf_map_lookup_elem(&tm, &k));
}

P(nonnull_kptr)
{
	VAL return nonnull((void *)&v->t);
}

P(maybe_null)
{
	return maybe(NULL);
}

P(maybe_value)
{
	int k = 0;
	return maybe(bpf_map_lookup_elem(&tm, &k));
}

P(maybe_reads)
{
	long x = 0;
	return maybe_read(&x);
}

P(bad_nullable_alone)
{
	int x = 0;
	return nullable_alone(&x);
}

P(bad_trusted_nonnull)
{
	TASK return trusted_nonnull(task);
}

P(bad_untrusted_trusted)
{
	TASK return untrusted_trusted(task);
}

P(bad_trusted_number)
{
	return trusted_number(4);
}

static int cb_trusted(__u32 i, void *c)
{
	struct task_struct *t = bpf_get_current_task_btf();
	return trusted(t);
}

P(in_callback)
{
	bpf_loop(4, cb_trusted, NULL, 0);
	return 0;
}

SEC("?raw_tp/sys_enter") int from_current(void *ctx)
{
	return trusted(bpf_get_current_task_btf());
}

SEC("?tc") int from_tc(struct __sk_buff *ctx)
{
	return trusted(bpf_get_current_task_btf());
}

SEC("iter/task") int from_iter(struct bpf_iter__task *ctx)
{
	return trusted(ctx->task) & 1;
}

SEC("iter/task") int from_iter_null(struct bpf_iter__task *ctx)
{
	return nullable(ctx->task) & 1;
}
