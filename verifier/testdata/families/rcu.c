#include "families.h"
#include "kfuncs.h"
/* RCU: what is read in a section, what outlives it; exceptions; per-CPU objects; sections across calls. */
extern void bpf_local_irq_save(unsigned long *) __ksym;

struct plain {
	long a;
	long b;
};

struct big {
	char c[600];
};

struct ptrs {
	struct plain *p;
};

struct mv {
	struct plain __percpu_kptr *pc;
	struct plain __kptr *p;
	struct task_struct __kptr *t;
	struct cgroup __kptr *g;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, struct mv);
} am SEC(".maps");

struct {
	__uint(type, 32);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct mv);
} gs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, long);
} ts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} rb SEC(".maps");
private(A) struct bpf_spin_lock la;
int total;
#define T(name) SEC("tc") int name(struct __sk_buff *ctx)
#define P(name) SEC("tp_btf/task_newtask") int name(__u64 *ctx)
#define Y(name) SEC("syscall") int name(void *ctx)
#define S(name) SEC("iter.s/task") int name(struct bpf_iter__task *ctx)
#define TASK	struct task_struct *task = (void *)ctx[0];
#define ITASK                                                                                                          \
	struct task_struct *task = ctx->task;                                                                          \
	if (!task)                                                                                                     \
		return 0;
#define VAL                                                                                                            \
	int k = 0;                                                                                                     \
	struct mv *v = bpf_map_lookup_elem(&am, &k);                                                                   \
	if (!v)                                                                                                        \
		return 0;
#define CUR struct task_struct *task = bpf_get_current_task_btf();

Y(rcu_storage)
{
	CUR bpf_rcu_read_lock();
	struct task_struct *p = task->real_parent;
	long *s = bpf_task_storage_get(&ts, p, 0, 1);
	if (s)
		*s = 1;
	bpf_rcu_read_unlock();
	return 0;
}

Y(rcu_storage_outside)
{
	CUR bpf_rcu_read_lock();
	struct task_struct *p = task->real_parent;
	bpf_rcu_read_unlock();
	long *s = bpf_task_storage_get(&ts, p, 0, 1);
	return 0;
}

Y(rcu_storage_no_lock)
{
	CUR long *s = bpf_task_storage_get(&ts, task->real_parent, 0, 1);
	return 0;
}

Y(rcu_two)
{
	CUR bpf_rcu_read_lock();
	total += task->real_parent->pid;
	bpf_rcu_read_unlock();
	bpf_rcu_read_lock();
	total += task->real_parent->tgid;
	bpf_rcu_read_unlock();
	return 0;
}

Y(rcu_nested)
{
	bpf_rcu_read_lock();
	bpf_rcu_read_lock();
	bpf_rcu_read_unlock();
	bpf_rcu_read_unlock();
	return 0;
}

Y(rcu_miss)
{
	bpf_rcu_read_unlock();
	return 0;
}

Y(rcu_leak)
{
	bpf_rcu_read_lock();
	return 0;
}

Y(rcu_one_branch)
{
	if (bpf_get_prandom_u32() & 1)
		bpf_rcu_read_lock();
	bpf_rcu_read_unlock();
	return 0;
}

Y(rcu_loop)
{
	for (int i = 0; i < 5; i++) {
		bpf_rcu_read_lock();
		total++;
		bpf_rcu_read_unlock();
	}
	return 0;
}

Y(rcu_loop_leak)
{
	for (int i = 0; i < 5; i++)
		bpf_rcu_read_lock();
	bpf_rcu_read_unlock();
	return 0;
}

Y(rcu_sleeps)
{
	CUR char b[4];
	bpf_rcu_read_lock();
	bpf_copy_from_user_task(b, 4, ctx, task, 0);
	bpf_rcu_read_unlock();
	return 0;
}

Y(rcu_sleeps_kfunc)
{
	char b[4];
	bpf_rcu_read_lock();
	bpf_copy_from_user_str(b, 4, ctx, 0);
	bpf_rcu_read_unlock();
	return 0;
}

static __noinline int sub_lock(void)
{
	bpf_rcu_read_lock();
	return 0;
}

static __noinline int sub_unlock(void)
{
	bpf_rcu_read_unlock();
	return 0;
}

static __noinline int sub_both(int x)
{
	bpf_rcu_read_lock();
	total += x;
	bpf_rcu_read_unlock();
	return 0;
}

__noinline int global_both(int x)
{
	bpf_rcu_read_lock();
	total += x;
	bpf_rcu_read_unlock();
	return 0;
}

__noinline int global_lock(int x)
{
	bpf_rcu_read_lock();
	return x;
}

__noinline int global_sleeps(int x)
{
	char b[4];
	bpf_copy_from_user(b, 4, (void *)(long)x);
	return b[0];
}

static __noinline int sub_sleeps(int x)
{
	char b[4];
	bpf_copy_from_user(b, 4, (void *)(long)x);
	return b[0];
}

__noinline int global_calls_sleeps(int x)
{
	return global_sleeps(x) + 1;
}

Y(rcu_subs)
{
	sub_lock();
	sub_unlock();
	return 0;
}

Y(rcu_sub_lock_leak)
{
	sub_lock();
	return 0;
}

Y(rcu_sub_nested)
{
	bpf_rcu_read_lock();
	sub_both(1);
	bpf_rcu_read_unlock();
	return 0;
}

Y(rcu_global)
{
	bpf_rcu_read_lock();
	global_both(1);
	bpf_rcu_read_unlock();
	return 0;
}

Y(rcu_global_lock)
{
	global_lock(1);
	bpf_rcu_read_unlock();
	return 0;
}

Y(rcu_global_sleeps)
{
	bpf_rcu_read_lock();
	global_sleeps(1);
	bpf_rcu_read_unlock();
	return 0;
}

Y(rcu_global_sleeps_deep)
{
	bpf_rcu_read_lock();
	global_calls_sleeps(1);
	bpf_rcu_read_unlock();
	return 0;
}

Y(rcu_sub_sleeps)
{
	bpf_rcu_read_lock();
	sub_sleeps(1);
	bpf_rcu_read_unlock();
	return 0;
}

Y(sleeps_outside)
{
	global_sleeps(1);
	return sub_sleeps(2);
}

T(atomic_global_sleeps)
{
	return global_sleeps(1);
}

Y(preempt_global_sleeps)
{
	bpf_preempt_disable();
	global_sleeps(1);
	bpf_preempt_enable();
	return 0;
}

Y(preempt_sub_sleeps)
{
	bpf_preempt_disable();
	sub_sleeps(1);
	bpf_preempt_enable();
	return 0;
}

Y(irq_global_sleeps)
{
	unsigned long f;
	bpf_local_irq_save(&f);
	global_sleeps(1);
	bpf_local_irq_restore(&f);
	return 0;
}

Y(irq_sub_sleeps)
{
	unsigned long f;
	bpf_local_irq_save(&f);
	sub_sleeps(1);
	bpf_local_irq_restore(&f);
	return 0;
}

Y(irq_kfunc_sleeps)
{
	unsigned long f;
	char b[4];
	bpf_local_irq_save(&f);
	bpf_copy_from_user_str(b, 4, ctx, 0);
	bpf_local_irq_restore(&f);
	return 0;
}

Y(preempt_kfunc_sleeps)
{
	char b[4];
	bpf_preempt_disable();
	bpf_copy_from_user_str(b, 4, ctx, 0);
	bpf_preempt_enable();
	return 0;
}

Y(irq_in_rcu)
{
	unsigned long f;
	bpf_rcu_read_lock();
	bpf_local_irq_save(&f);
	bpf_rcu_read_unlock();
	bpf_local_irq_restore(&f);
	return 0;
}

Y(irq_in_lock)
{
	unsigned long f;
	bpf_spin_lock(&la);
	bpf_local_irq_save(&f);
	bpf_local_irq_restore(&f);
	bpf_spin_unlock(&la);
	return 0;
}

Y(lock_in_irq)
{
	unsigned long f;
	bpf_local_irq_save(&f);
	bpf_spin_lock(&la);
	bpf_spin_unlock(&la);
	bpf_local_irq_restore(&f);
	return 0;
}

Y(lock_in_preempt)
{
	bpf_preempt_disable();
	bpf_spin_lock(&la);
	bpf_spin_unlock(&la);
	bpf_preempt_enable();
	return 0;
}

Y(preempt_in_lock)
{
	bpf_spin_lock(&la);
	bpf_preempt_disable();
	bpf_preempt_enable();
	bpf_spin_unlock(&la);
	return 0;
}

Y(rcu_in_lock)
{
	bpf_spin_lock(&la);
	bpf_rcu_read_lock();
	bpf_rcu_read_unlock();
	bpf_spin_unlock(&la);
	return 0;
}

Y(irq_three)
{
	unsigned long a, b, c;
	bpf_local_irq_save(&a);
	bpf_local_irq_save(&b);
	bpf_local_irq_save(&c);
	bpf_local_irq_restore(&c);
	bpf_local_irq_restore(&b);
	bpf_local_irq_restore(&a);
	return 0;
}

Y(irq_overwrite)
{
	unsigned long a;
	bpf_local_irq_save(&a);
	*(volatile long *)&a = 1;
	bpf_local_irq_restore(&a);
	return 0;
}

Y(irq_read)
{
	unsigned long a;
	bpf_local_irq_save(&a);
	total = *(volatile long *)&a;
	bpf_local_irq_restore(&a);
	return 0;
}

Y(irq_map)
{
	VAL bpf_local_irq_save((void *)v);
	return 0;
}

Y(irq_null)
{
	bpf_local_irq_save(NULL);
	return 0;
}

Y(irq_iter)
{
	unsigned long a;
	struct bpf_iter_num it;
	bpf_local_irq_save(&a);
	bpf_iter_num_new(&it, 0, 4);
	while (bpf_iter_num_next(&it))
		total++;
	bpf_iter_num_destroy(&it);
	bpf_local_irq_restore(&a);
	return 0;
}

Y(irq_in_iter)
{
	unsigned long a;
	struct bpf_iter_num it;
	bpf_iter_num_new(&it, 0, 4);
	while (bpf_iter_num_next(&it)) {
		bpf_local_irq_save(&a);
		total++;
		bpf_local_irq_restore(&a);
	}
	bpf_iter_num_destroy(&it);
	return 0;
}

/* trust */
S(iter_parent)
{
	ITASK struct task_struct *a = bpf_task_acquire(task->real_parent);
	if (a)
		bpf_task_release(a);
	return 0;
}

S(iter_parent_rcu)
{
	ITASK bpf_rcu_read_lock();
	struct task_struct *a = bpf_task_acquire(task->real_parent);
	bpf_rcu_read_unlock();
	if (a)
		bpf_task_release(a);
	return 0;
}

S(iter_leader_walk)
{
	ITASK bpf_rcu_read_lock();
	total = task->group_leader->real_parent->pid;
	bpf_rcu_read_unlock();
	return 0;
}

S(iter_untrusted_walk)
{
	ITASK total = task->last_wakee->real_parent->group_leader->pid;
	return 0;
}

S(iter_cgroup)
{
	ITASK bpf_rcu_read_lock();
	struct cgroup *g = bpf_cgroup_acquire(task->cgroups->dfl_cgrp);
	bpf_rcu_read_unlock();
	if (g)
		bpf_cgroup_release(g);
	return 0;
}

S(iter_cgroup_maybe)
{
	ITASK bpf_rcu_read_lock();
	struct css_set *c = task->cgroups;
	total = c ? c->dfl_cgrp->level : 0;
	bpf_rcu_read_unlock();
	return 0;
}

S(iter_mm_file)
{
	ITASK bpf_rcu_read_lock();
	struct mm_struct *m = task->mm;
	struct file *f = m ? m->exe_file : 0;
	total = f ? (long)f->f_inode : 0;
	bpf_rcu_read_unlock();
	return 0;
}

S(iter_mask)
{
	ITASK return bpf_cpumask_test_cpu(0, task->cpus_ptr);
}

S(iter_mask_rcu)
{
	ITASK bpf_rcu_read_lock();
	int r = bpf_cpumask_test_cpu(0, task->cpus_ptr);
	bpf_rcu_read_unlock();
	return r;
}

S(kptr_sleepable)
{
	VAL struct task_struct *t = v->t;
	if (!t)
		return 0;
	total = t->pid;
	return 0;
}

S(kptr_sleepable_rcu)
{
	VAL bpf_rcu_read_lock();
	struct task_struct *t = v->t;
	if (t)
		total = t->pid;
	bpf_rcu_read_unlock();
	return 0;
}

S(kptr_sleepable_acquire)
{
	VAL struct task_struct *t = v->t;
	if (!t)
		return 0;
	t = bpf_task_acquire(t);
	if (t)
		bpf_task_release(t);
	return 0;
}

S(kptr_after)
{
	VAL struct task_struct *t;
	bpf_rcu_read_lock();
	t = v->t;
	bpf_rcu_read_unlock();
	if (t)
		total = t->pid;
	return 0;
}

S(kptr_cgroup)
{
	VAL struct cgroup *g;
	bpf_rcu_read_lock();
	g = v->g;
	if (g) {
		g = bpf_cgroup_ancestor(g, 1);
		if (g)
			bpf_cgroup_release(g);
	}
	bpf_rcu_read_unlock();
	return 0;
}

S(local_kptr_sleepable)
{
	VAL struct plain *p = v->p;
	if (p)
		total = p->a;
	return 0;
}

S(local_kptr_rcu)
{
	VAL bpf_rcu_read_lock();
	struct plain *p = v->p;
	if (p)
		total = p->a;
	bpf_rcu_read_unlock();
	return 0;
}

S(xchg_in_rcu)
{
	VAL bpf_rcu_read_lock();
	struct task_struct *t = bpf_kptr_xchg(&v->t, NULL);
	bpf_rcu_read_unlock();
	if (t)
		bpf_task_release(t);
	return 0;
}

P(tp_storage)
{
	TASK bpf_rcu_read_lock();
	struct mv *v = bpf_cgrp_storage_get(&gs, task->cgroups->dfl_cgrp, 0, 1);
	bpf_rcu_read_unlock();
	return v ? v->p != 0 : 0;
}

P(tp_storage_kptr)
{
	TASK struct cgroup *g;
	struct task_struct *t = NULL;
	bpf_rcu_read_lock();
	struct mv *v = bpf_cgrp_storage_get(&gs, task->cgroups->dfl_cgrp, 0, 1);
	if (v) {
		t = bpf_task_acquire(task);
		if (t)
			t = bpf_kptr_xchg(&v->t, t);
	}
	bpf_rcu_read_unlock();
	if (t)
		bpf_task_release(t);
	return 0;
}

/* per-CPU objects */
#define PCNEW(f)                                                                                                       \
	struct plain *f = percpu_new(struct plain);                                                                    \
	if (!f)                                                                                                        \
		return 0;

T(pc_use)
{
	PCNEW(f) struct plain *q = bpf_per_cpu_ptr(f, 0);
	if (q)
		q->a = 1;
	bpf_percpu_obj_drop_impl(f, NULL);
	return 0;
}

T(pc_this)
{
	PCNEW(f) struct plain *q = bpf_this_cpu_ptr(f);
	q->b = 2;
	bpf_percpu_obj_drop_impl(f, NULL);
	return 0;
}

T(pc_nonull)
{
	PCNEW(f) struct plain *q = bpf_per_cpu_ptr(f, 0);
	q->a = 1;
	bpf_percpu_obj_drop_impl(f, NULL);
	return 0;
}

T(pc_beyond)
{
	PCNEW(f) struct plain *q = bpf_this_cpu_ptr(f);
	((long *)q)[2] = 1;
	bpf_percpu_obj_drop_impl(f, NULL);
	return 0;
}

T(pc_leak)
{
	PCNEW(f) return 0;
}

T(pc_after_drop)
{
	PCNEW(f) struct plain *q = bpf_this_cpu_ptr(f);
	bpf_percpu_obj_drop_impl(f, NULL);
	return q->a;
}

T(pc_big)
{
	struct big *f = percpu_new(struct big);
	if (f)
		bpf_percpu_obj_drop_impl(f, NULL);
	return 0;
}

T(pc_pointers)
{
	struct ptrs *f = percpu_new(struct ptrs);
	if (f)
		bpf_percpu_obj_drop_impl(f, NULL);
	return 0;
}

T(pc_maybe)
{
	struct plain *f = percpu_new(struct plain), *q = bpf_this_cpu_ptr(f);
	if (f)
		bpf_percpu_obj_drop_impl(f, NULL);
	return 0;
}

T(pc_xchg)
{
	VAL PCNEW(f) f = bpf_kptr_xchg(&v->pc, f);
	if (f)
		bpf_percpu_obj_drop_impl(f, NULL);
	return 0;
}

T(pc_xchg_drop_wrong)
{
	VAL struct plain *f = bpf_kptr_xchg(&v->pc, NULL);
	if (f)
		obj_drop(f);
	return 0;
}

T(pc_load)
{
	VAL struct plain *f = v->pc, *q;
	if (!f)
		return 0;
	q = bpf_per_cpu_ptr(f, 0);
	return q ? q->a : 0;
}

T(pc_load_unchecked)
{
	VAL struct plain *f = v->pc, *q;
	q = bpf_per_cpu_ptr(f, 0);
	return q ? q->a : 0;
}

Y(pc_load_sleepable)
{
	VAL struct plain *f = v->pc, *q;
	if (!f)
		return 0;
	q = bpf_per_cpu_ptr(f, 0);
	return q ? q->a : 0;
}

Y(pc_load_sleepable_rcu)
{
	VAL struct plain *f, *q;
	int r = 0;
	bpf_rcu_read_lock();
	f = v->pc;
	if (f) {
		q = bpf_this_cpu_ptr(f);
		r = q->a;
	}
	bpf_rcu_read_unlock();
	return r;
}

T(pc_plain)
{
	struct plain *f = obj_new(struct plain), *q;
	if (!f)
		return 0;
	q = bpf_this_cpu_ptr(f);
	obj_drop(f);
	return 0;
}

/* exceptions */
#define __catch(f) __attribute__((btf_decl_tag("exception_callback:" #f)))

__noinline int caught(__u64 c)
{
	return c + 1;
}

__noinline int caught_two(__u64 c, int d)
{
	return c + 1;
}

__noinline int caught_pointer(long *c)
{
	return 1;
}

__noinline __u64 caught_wide(__u64 c)
{
	return c;
}

__noinline int caught_throws(__u64 c)
{
	bpf_throw(1);
	return c;
}

__noinline int caught_calls(__u64 c)
{
	return caught(c);
}

SEC("tc") __catch(caught) int throw_caught(struct __sk_buff *ctx)
{
	if (ctx->len)
		bpf_throw(7);
	return 1;
}

SEC("tc") __catch(caught_two) int throw_caught_two(struct __sk_buff *ctx)
{
	if (ctx->len)
		bpf_throw(7);
	return 1;
}

SEC("tc") __catch(caught_pointer) int throw_caught_pointer(struct __sk_buff *ctx)
{
	if (ctx->len)
		bpf_throw(7);
	return 1;
}

SEC("tc") __catch(caught_wide) int throw_caught_wide(struct __sk_buff *ctx)
{
	if (ctx->len)
		bpf_throw(7);
	return 1;
}

SEC("tc") __catch(caught_throws) int throw_caught_throws(struct __sk_buff *ctx)
{
	if (ctx->len)
		bpf_throw(7);
	return 1;
}

SEC("tc") __catch(nobody) int throw_caught_nobody(struct __sk_buff *ctx)
{
	if (ctx->len)
		bpf_throw(7);
	return 1;
}

SEC("tc") __catch(caught) __catch(caught_wide) int throw_caught_twice(struct __sk_buff *ctx)
{
	if (ctx->len)
		bpf_throw(7);
	return 1;
}

SEC("tc") __catch(caught) int throw_caught_called(struct __sk_buff *ctx)
{
	if (ctx->len)
		bpf_throw(7);
	return caught(3);
}

SEC("cgroup_skb/egress") __catch(caught) int throw_range(struct __sk_buff *ctx)
{
	if (ctx->len)
		bpf_throw(7);
	return 1;
}

SEC("cgroup_skb/egress") int throw_range_default(struct __sk_buff *ctx)
{
	if (ctx->len)
		bpf_throw(7);
	return 1;
}

SEC("cgroup_skb/egress") int throw_range_ok(struct __sk_buff *ctx)
{
	if (ctx->len)
		bpf_throw(1);
	return 1;
}

SEC("cgroup_skb/egress") int throw_range_unknown(struct __sk_buff *ctx)
{
	if (ctx->len)
		bpf_throw(ctx->len);
	return 1;
}

static __noinline int deep2(int x)
{
	if (x > 7)
		bpf_throw(x);
	return x;
}

static __noinline int deep1(int x)
{
	return deep2(x) + 1;
}

__noinline int deep_global(int x)
{
	return deep1(x) + 1;
}

T(throw_deep)
{
	return deep1(ctx->len);
}

T(throw_deep_global)
{
	return deep_global(ctx->len);
}

T(throw_deep_ref)
{
	void *p = bpf_ringbuf_reserve(&rb, 8, 0);
	if (!p)
		return 0;
	bpf_ringbuf_discard(p, 0);
	return deep1(ctx->len);
}

T(throw_deep_held)
{
	void *p = bpf_ringbuf_reserve(&rb, 8, 0);
	int r;
	if (!p)
		return 0;
	r = deep1(ctx->len);
	bpf_ringbuf_discard(p, 0);
	return r;
}

T(throw_iter_held)
{
	struct bpf_iter_num it;
	bpf_iter_num_new(&it, 0, 4);
	if (ctx->len)
		bpf_throw(1);
	bpf_iter_num_destroy(&it);
	return 0;
}

T(throw_rcu)
{
	bpf_rcu_read_lock();
	if (ctx->len)
		bpf_throw(1);
	bpf_rcu_read_unlock();
	return 0;
}

T(throw_preempt)
{
	bpf_preempt_disable();
	if (ctx->len)
		bpf_throw(1);
	bpf_preempt_enable();
	return 0;
}

T(throw_irq)
{
	unsigned long f;
	bpf_local_irq_save(&f);
	if (ctx->len)
		bpf_throw(1);
	bpf_local_irq_restore(&f);
	return 0;
}

T(throw_unknown)
{
	bpf_throw(ctx->len);
	return 0;
}

T(throw_pointer)
{
	bpf_throw((long)ctx);
	return 0;
}

static int tcb(__u32 i, void *c)
{
	if (i > 2)
		bpf_throw(i);
	return 0;
}

static int tcb_timer(void *m, int *k, void *v)
{
	bpf_throw(1);
	return 0;
}

T(throw_callback)
{
	bpf_loop(4, tcb, NULL, 0);
	return 0;
}

T(throw_callback_held)
{
	void *p = bpf_ringbuf_reserve(&rb, 8, 0);
	if (!p)
		return 0;
	bpf_loop(4, tcb, NULL, 0);
	bpf_ringbuf_discard(p, 0);
	return 0;
}

T(throw_assert)
{
	long x = ctx->len;
	if (x != 5)
		bpf_throw(0);
	return x == 5 ? 0 : *(volatile int *)0;
}

P(throw_tp)
{
	if (ctx[2])
		bpf_throw(2);
	return 0;
}

SEC("kprobe") int throw_kprobe(void *ctx)
{
	bpf_throw(2);
	return 0;
}

/* Do other sections protect what is read? */
S(preempt_parent)
{
	ITASK bpf_preempt_disable();
	struct task_struct *a = bpf_task_acquire(task->real_parent);
	bpf_preempt_enable();
	if (a)
		bpf_task_release(a);
	return 0;
}

S(irq_parent)
{
	ITASK unsigned long f;
	bpf_local_irq_save(&f);
	struct task_struct *a = bpf_task_acquire(task->real_parent);
	bpf_local_irq_restore(&f);
	if (a)
		bpf_task_release(a);
	return 0;
}

S(lock_parent)
{
	ITASK int p;
	bpf_spin_lock(&la);
	p = task->real_parent->pid;
	bpf_spin_unlock(&la);
	return p & 1;
}

S(preempt_iter)
{
	struct bpf_iter_task it;
	bpf_preempt_disable();
	bpf_iter_task_new(&it, NULL, 0);
	while (bpf_iter_task_next(&it))
		total++;
	bpf_iter_task_destroy(&it);
	bpf_preempt_enable();
	return 0;
}

S(irq_iter_tasks)
{
	unsigned long f;
	struct bpf_iter_task it;
	bpf_local_irq_save(&f);
	bpf_iter_task_new(&it, NULL, 0);
	while (bpf_iter_task_next(&it))
		total++;
	bpf_iter_task_destroy(&it);
	bpf_local_irq_restore(&f);
	return 0;
}

S(preempt_kptr)
{
	VAL bpf_preempt_disable();
	struct task_struct *t = v->t;
	if (t)
		total = t->pid;
	bpf_preempt_enable();
	return 0;
}

S(irq_kptr)
{
	VAL unsigned long f;
	bpf_local_irq_save(&f);
	struct task_struct *t = v->t;
	if (t) {
		t = bpf_task_acquire(t);
		if (t)
			bpf_task_release(t);
	}
	bpf_local_irq_restore(&f);
	return 0;
}

S(preempt_kptr_after)
{
	VAL bpf_preempt_disable();
	struct task_struct *t = v->t;
	bpf_preempt_enable();
	if (t)
		total = t->pid;
	return 0;
}

S(rcu_unlock_in_preempt)
{
	VAL bpf_rcu_read_lock();
	bpf_preempt_disable();
	struct task_struct *t = v->t;
	bpf_rcu_read_unlock();
	if (t) {
		t = bpf_task_acquire(t);
		if (t)
			bpf_task_release(t);
	}
	bpf_preempt_enable();
	return 0;
}

S(irq_cb_sleeps)
{
	unsigned long f;
	bpf_local_irq_save(&f);
	char b[4];
	bpf_copy_from_user(b, 4, ctx);
	bpf_local_irq_restore(&f);
	return 0;
}
