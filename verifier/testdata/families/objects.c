#include "families.h"
#include "kfuncs.h"

/* Tasks, cgroups and cpumasks: references, RCU, kptrs in maps. */
struct tv {
	struct task_struct __kptr *t;
	struct cgroup __kptr *g;
	struct bpf_cpumask __kptr *m;
	struct task_struct __kptr_untrusted *u;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, struct tv);
} tm SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, int);
	__type(value, struct tv);
} hm SEC(".maps");

#define P(name) SEC("tp_btf/task_newtask") int name(__u64 *ctx)
#define TASK	struct task_struct *task = (void *)ctx[0];
#define VAL                                                                                                            \
	int k = 0;                                                                                                     \
	struct tv *v = bpf_map_lookup_elem(&tm, &k);                                                                   \
	if (!v)                                                                                                        \
		return 0;

P(task_acquire)
{
	TASK struct task_struct *t = bpf_task_acquire(task);
	if (!t)
		return 0;
	int r = t->pid;
	bpf_task_release(t);
	return r;
}

P(task_acquire_nonull)
{
	TASK struct task_struct *t = bpf_task_acquire(task);
	bpf_task_release(t);
	return 0;
}

P(task_acquire_leak)
{
	TASK bpf_task_acquire(task);
	return 0;
}

P(task_acquire_ctx)
{
	bpf_task_acquire((void *)ctx);
	return 0;
}

P(task_acquire_stack)
{
	long x = 0;
	bpf_task_acquire((void *)&x);
	return 0;
}

P(task_acquire_null)
{
	bpf_task_acquire(NULL);
	return 0;
}

P(task_acquire_parent)
{
	TASK struct task_struct *t = bpf_task_acquire(task->real_parent);
	if (t)
		bpf_task_release(t);
	return 0;
}

P(task_acquire_leader_rcu)
{
	TASK bpf_rcu_read_lock();
	struct task_struct *t = bpf_task_acquire(task->group_leader);
	if (t)
		bpf_task_release(t);
	bpf_rcu_read_unlock();
	return 0;
}

P(task_acquire_wakee)
{
	TASK bpf_rcu_read_lock();
	struct task_struct *w = task->last_wakee;
	if (!w) {
		bpf_rcu_read_unlock();
		return 0;
	}
	struct task_struct *t = bpf_task_acquire(w);
	if (t)
		bpf_task_release(t);
	bpf_rcu_read_unlock();
	return 0;
}

P(task_acquire_two_walks)
{
	TASK struct task_struct *t = bpf_task_acquire(task->group_leader->real_parent);
	if (t)
		bpf_task_release(t);
	return 0;
}

P(task_release_unacquired)
{
	TASK bpf_task_release(task);
	return 0;
}

P(task_release_twice)
{
	TASK struct task_struct *t = bpf_task_acquire(task);
	if (!t)
		return 0;
	bpf_task_release(t);
	bpf_task_release(t);
	return 0;
}

P(task_use_released)
{
	TASK struct task_struct *t = bpf_task_acquire(task);
	if (!t)
		return 0;
	bpf_task_release(t);
	return t->pid;
}

P(task_release_offset)
{
	TASK struct task_struct *t = bpf_task_acquire(task);
	if (!t)
		return 0;
	bpf_task_release((void *)t + 8);
	return 0;
}

P(task_release_null)
{
	bpf_task_release(NULL);
	return 0;
}

P(task_release_fp)
{
	long x = 1;
	bpf_task_release((void *)&x);
	return 0;
}

P(task_from_pid)
{
	struct task_struct *t = bpf_task_from_pid(1);
	if (!t)
		return 0;
	bpf_task_release(t);
	return 0;
}

P(task_from_pid_nonull)
{
	struct task_struct *t = bpf_task_from_pid(1);
	int r = t->pid;
	bpf_task_release(t);
	return r;
}

P(task_from_pid_ptr)
{
	struct task_struct *t = bpf_task_from_pid((long)ctx);
	if (t)
		bpf_task_release(t);
	return 0;
}

P(task_from_vpid)
{
	struct task_struct *t = bpf_task_from_vpid(1), *q;
	if (!t)
		return 0;
	q = bpf_task_acquire(t->real_parent);
	if (q)
		bpf_task_release(q);
	bpf_task_release(t);
	return 0;
}

P(task_current)
{
	struct task_struct *t = bpf_get_current_task_btf(), *q = bpf_task_acquire(t);
	if (q)
		bpf_task_release(q);
	return 0;
}

P(task_wrong_type)
{
	TASK bpf_task_release((void *)bpf_cpumask_create());
	return 0;
}

P(xchg_in)
{
	TASK VAL struct task_struct *t = bpf_task_acquire(task);
	if (!t)
		return 0;
	t = bpf_kptr_xchg(&v->t, t);
	if (t)
		bpf_task_release(t);
	return 0;
}

P(xchg_in_leak)
{
	TASK VAL struct task_struct *t = bpf_task_acquire(task);
	if (!t)
		return 0;
	bpf_kptr_xchg(&v->t, t);
	return 0;
}

P(xchg_unacquired)
{
	TASK VAL struct task_struct *t = bpf_kptr_xchg(&v->t, task);
	if (t)
		bpf_task_release(t);
	return 0;
}

P(xchg_null)
{
	VAL struct task_struct *t = bpf_kptr_xchg(&v->t, NULL);
	if (t)
		bpf_task_release(t);
	return 0;
}

P(xchg_maybe)
{
	TASK VAL struct task_struct *t = bpf_task_acquire(task);
	t = bpf_kptr_xchg(&v->t, t);
	if (t)
		bpf_task_release(t);
	return 0;
}

P(xchg_other_field)
{
	TASK VAL struct task_struct *t = bpf_task_acquire(task);
	if (!t)
		return 0;
	t = bpf_kptr_xchg(&v->g, t);
	if (t)
		bpf_task_release(t);
	return 0;
}

P(xchg_untrusted_field)
{
	TASK VAL struct task_struct *t = bpf_task_acquire(task);
	if (!t)
		return 0;
	t = bpf_kptr_xchg(&v->u, t);
	if (t)
		bpf_task_release(t);
	return 0;
}

P(store_untrusted_field)
{
	TASK VAL v->u = task;
	return 0;
}

P(store_ref_field)
{
	TASK VAL v->t = task;
	return 0;
}

P(store_zero_ref)
{
	VAL v->t = 0;
	return 0;
}

P(store_zero_untrusted)
{
	VAL v->u = 0;
	return 0;
}

P(load_acquire)
{
	VAL struct task_struct *t = v->t;
	if (!t)
		return 0;
	t = bpf_task_acquire(t);
	if (t)
		bpf_task_release(t);
	return 0;
}

P(load_acquire_rcu)
{
	VAL bpf_rcu_read_lock();
	struct task_struct *t = v->t;
	if (!t) {
		bpf_rcu_read_unlock();
		return 0;
	}
	t = bpf_task_acquire(t);
	bpf_rcu_read_unlock();
	if (t)
		bpf_task_release(t);
	return 0;
}

P(load_acquire_maybe)
{
	VAL bpf_rcu_read_lock();
	struct task_struct *t = bpf_task_acquire(v->t);
	bpf_rcu_read_unlock();
	if (t)
		bpf_task_release(t);
	return 0;
}

P(load_after_rcu)
{
	VAL bpf_rcu_read_lock();
	struct task_struct *t = v->t;
	bpf_rcu_read_unlock();
	if (!t)
		return 0;
	t = bpf_task_acquire(t);
	if (t)
		bpf_task_release(t);
	return 0;
}

P(load_untrusted)
{
	VAL struct task_struct *t = v->u;
	if (!t)
		return 0;
	return t->pid;
}

P(load_untrusted_acquire)
{
	VAL struct task_struct *t = v->u;
	if (!t)
		return 0;
	t = bpf_task_acquire(t);
	if (t)
		bpf_task_release(t);
	return 0;
}

P(load_release)
{
	VAL struct task_struct *t = v->t;
	if (!t)
		return 0;
	bpf_task_release(t);
	return 0;
}

P(load_wide)
{
	VAL return *(int *)&v->t;
}

P(load_shifted)
{
	VAL return *(long *)((char *)&v->t + 4);
}

P(xchg_variable)
{
	VAL long i = bpf_get_prandom_u32() & 8;
	struct task_struct *t = bpf_kptr_xchg((void *)&v->t + i, NULL);
	if (t)
		bpf_task_release(t);
	return 0;
}

P(xchg_offset)
{
	VAL struct task_struct *t = bpf_kptr_xchg((void *)&v->t + 4, NULL);
	if (t)
		bpf_task_release(t);
	return 0;
}

P(hash_delete)
{
	int k = 0;
	struct tv *v = bpf_map_lookup_elem(&hm, &k);
	if (!v)
		return 0;
	bpf_map_delete_elem(&hm, &k);
	struct task_struct *t = bpf_kptr_xchg(&v->t, NULL);
	if (t)
		bpf_task_release(t);
	return 0;
}

P(cgroup_from_id)
{
	struct cgroup *g = bpf_cgroup_from_id(1), *a;
	if (!g)
		return 0;
	a = bpf_cgroup_ancestor(g, 0);
	if (a)
		bpf_cgroup_release(a);
	bpf_cgroup_release(g);
	return 0;
}

P(cgroup_from_id_leak)
{
	bpf_cgroup_from_id(1);
	return 0;
}

P(cgroup_ancestor_nonull)
{
	struct cgroup *g = bpf_cgroup_from_id(1), *a;
	if (!g)
		return 0;
	a = bpf_cgroup_ancestor(g, 0);
	bpf_cgroup_release(a);
	bpf_cgroup_release(g);
	return 0;
}

P(cgroup_xchg)
{
	VAL struct cgroup *g = bpf_cgroup_from_id(1);
	if (!g)
		return 0;
	g = bpf_kptr_xchg(&v->g, g);
	if (g)
		bpf_cgroup_release(g);
	return 0;
}

P(cgroup_load)
{
	VAL bpf_rcu_read_lock();
	struct cgroup *g = v->g;
	if (g) {
		g = bpf_cgroup_ancestor(g, 1);
		if (g)
			bpf_cgroup_release(g);
	}
	bpf_rcu_read_unlock();
	return 0;
}

P(cgroup_of_task)
{
	TASK bpf_rcu_read_lock();
	struct cgroup *g = bpf_cgroup_acquire(task->cgroups->dfl_cgrp);
	bpf_rcu_read_unlock();
	if (g)
		bpf_cgroup_release(g);
	return 0;
}

P(cgroup_of_task_no_rcu)
{
	TASK struct cgroup *g = bpf_cgroup_acquire(task->cgroups->dfl_cgrp);
	if (g)
		bpf_cgroup_release(g);
	return 0;
}

P(cgroup_parent_css)
{
	TASK bpf_rcu_read_lock();
	struct cgroup *g = bpf_cgroup_acquire(task->cgroups->dfl_cgrp->self.parent->cgroup);
	bpf_rcu_read_unlock();
	if (g)
		bpf_cgroup_release(g);
	return 0;
}

P(cgroup_kn)
{
	struct cgroup *g = bpf_cgroup_from_id(1);
	__u64 r;
	if (!g)
		return 0;
	r = g->kn->id;
	bpf_cgroup_release(g);
	return r;
}

P(cgroup_of_acquired)
{
	TASK struct task_struct *t = bpf_task_acquire(task);
	struct cgroup *g;
	if (!t)
		return 0;
	g = bpf_task_get_cgroup1(t, 0);
	if (g)
		bpf_cgroup_release(g);
	bpf_task_release(t);
	return 0;
}

P(under_cgroup)
{
	TASK struct cgroup *g = bpf_cgroup_from_id(1);
	long r;
	if (!g)
		return 0;
	r = bpf_task_under_cgroup(task, g);
	bpf_cgroup_release(g);
	return r & 1;
}

P(under_cgroup_rcu)
{
	TASK bpf_rcu_read_lock();
	long r = bpf_task_under_cgroup(task->real_parent, task->cgroups->dfl_cgrp);
	bpf_rcu_read_unlock();
	return r & 1;
}

P(mask_create)
{
	struct bpf_cpumask *m = bpf_cpumask_create();
	if (!m)
		return 0;
	bpf_cpumask_set_cpu(1, m);
	int r = bpf_cpumask_test_cpu(1, &m->cpumask);
	bpf_cpumask_release(m);
	return r;
}

P(mask_leak)
{
	struct bpf_cpumask *m = bpf_cpumask_create();
	return 0;
}

P(mask_release_twice)
{
	struct bpf_cpumask *m = bpf_cpumask_create();
	if (!m)
		return 0;
	bpf_cpumask_release(m);
	bpf_cpumask_release(m);
	return 0;
}

P(mask_task_write)
{
	TASK bpf_cpumask_set_cpu(1, (void *)task->cpus_ptr);
	return 0;
}

P(mask_task_read)
{
	TASK return bpf_cpumask_test_cpu(1, task->cpus_ptr);
}

P(mask_task_member)
{
	TASK return bpf_cpumask_weight(&task->cpus_mask);
}

P(mask_member_write)
{
	TASK bpf_cpumask_clear((void *)&task->cpus_mask);
	return 0;
}

P(mask_task_parent)
{
	TASK return bpf_cpumask_test_cpu(1, task->real_parent->cpus_ptr);
}

P(mask_task_parent_rcu)
{
	TASK bpf_rcu_read_lock();
	int r = bpf_cpumask_test_cpu(1, task->real_parent->cpus_ptr);
	bpf_rcu_read_unlock();
	return r;
}

P(mask_null)
{
	return bpf_cpumask_empty(NULL);
}

P(mask_and)
{
	TASK struct bpf_cpumask *m = bpf_cpumask_create();
	if (!m)
		return 0;
	bool r = bpf_cpumask_and(m, &m->cpumask, task->cpus_ptr);
	bpf_cpumask_release(m);
	return r;
}

P(mask_and_maybe)
{
	TASK struct bpf_cpumask *m = bpf_cpumask_create();
	bool r = bpf_cpumask_and(m, task->cpus_ptr, task->cpus_ptr);
	if (m)
		bpf_cpumask_release(m);
	return r;
}

P(mask_acquire)
{
	struct bpf_cpumask *m = bpf_cpumask_create(), *n;
	if (!m)
		return 0;
	n = bpf_cpumask_acquire(m);
	bpf_cpumask_release(m);
	bpf_cpumask_setall(n);
	bpf_cpumask_release(n);
	return 0;
}

P(mask_map_rcu)
{
	VAL bpf_rcu_read_lock();
	struct bpf_cpumask *m = v->m;
	int r = 0;
	if (m)
		r = bpf_cpumask_first(&m->cpumask);
	bpf_rcu_read_unlock();
	return r & 1;
}

P(mask_map_rcu_null)
{
	VAL bpf_rcu_read_lock();
	int r = bpf_cpumask_first((void *)v->m);
	bpf_rcu_read_unlock();
	return r & 1;
}

P(mask_map_no_rcu)
{
	VAL struct bpf_cpumask *m = v->m;
	return m ? bpf_cpumask_first(&m->cpumask) & 1 : 0;
}

P(mask_map_after_rcu)
{
	VAL bpf_rcu_read_lock();
	struct bpf_cpumask *m = v->m;
	bpf_rcu_read_unlock();
	return m ? bpf_cpumask_first(&m->cpumask) & 1 : 0;
}

P(mask_map_acquire)
{
	VAL bpf_rcu_read_lock();
	struct bpf_cpumask *m = v->m;
	if (m) {
		m = bpf_cpumask_acquire(m);
		bpf_cpumask_release(m);
	}
	bpf_rcu_read_unlock();
	return 0;
}

P(mask_map_xchg)
{
	VAL struct bpf_cpumask *m = bpf_cpumask_create();
	if (!m)
		return 0;
	m = bpf_kptr_xchg(&v->m, m);
	if (m)
		bpf_cpumask_release(m);
	return 0;
}

P(mask_out_of_range)
{
	struct bpf_cpumask *m = bpf_cpumask_create();
	if (!m)
		return 0;
	long r = *(long *)((char *)m + 64);
	bpf_cpumask_release(m);
	return r;
}

P(mask_direct_write)
{
	struct bpf_cpumask *m = bpf_cpumask_create();
	if (!m)
		return 0;
	*(long *)m = 1;
	bpf_cpumask_release(m);
	return 0;
}

P(mask_populate)
{
	long b[4] = {};
	struct bpf_cpumask *m = bpf_cpumask_create();
	if (!m)
		return 0;
	bpf_cpumask_populate((void *)m, b, sizeof(b));
	bpf_cpumask_release(m);
	return 0;
}

P(mask_populate_var)
{
	long b[4] = {};
	struct bpf_cpumask *m = bpf_cpumask_create();
	if (!m)
		return 0;
	bpf_cpumask_populate((void *)m, b, bpf_get_prandom_u32() & 63);
	bpf_cpumask_release(m);
	return 0;
}

P(exe_file)
{
	TASK struct file *f = bpf_get_task_exe_file(task);
	if (f)
		bpf_put_file(f);
	return 0;
}

P(send_signal)
{
	TASK return bpf_send_signal_task(task, 9, 0, 0);
}

P(read_untrusted)
{
	TASK return task->last_wakee->pid;
}

P(comm_untrusted)
{
	TASK return task->parent->comm[3];
}

P(exe_walk)
{
	TASK bpf_rcu_read_lock();
	struct file *f = task->mm->exe_file;
	long r = f ? (long)f->f_inode : 0;
	bpf_rcu_read_unlock();
	return r;
}

static long each(struct bpf_map *map, int *key, struct tv *v, void *c)
{
	struct task_struct *t = bpf_kptr_xchg(&v->t, NULL);
	if (t)
		bpf_task_release(t);
	return 0;
}

static long each_leak(struct bpf_map *map, int *key, struct tv *v, void *c)
{
	bpf_kptr_xchg(&v->t, NULL);
	return 0;
}

P(for_each)
{
	bpf_for_each_map_elem(&hm, each, NULL, 0);
	return 0;
}

P(for_each_leak)
{
	bpf_for_each_map_elem(&hm, each_leak, NULL, 0);
	return 0;
}

static __noinline struct task_struct *take(struct task_struct *t)
{
	return bpf_task_acquire(t);
}

static __noinline void give(struct task_struct *t)
{
	bpf_task_release(t);
}

P(in_functions)
{
	TASK struct task_struct *t = take(task);
	if (t)
		give(t);
	return 0;
}

__noinline int glob_task(struct task_struct *t __attribute__((btf_decl_tag("arg:trusted"))))
{
	return t->pid;
}

__noinline int glob_task_null(struct task_struct *t __attribute__((btf_decl_tag("arg:trusted")))
			      __attribute__((btf_decl_tag("arg:nullable"))))
{
	return t ? t->pid : 0;
}

P(global_trusted)
{
	TASK return glob_task(task);
}

P(global_trusted_null)
{
	TASK return glob_task_null(task) + glob_task_null(NULL);
}

P(global_trusted_not)
{
	TASK return glob_task(task->last_wakee);
}

P(global_acquired)
{
	TASK struct task_struct *t = bpf_task_acquire(task);
	int r;
	if (!t)
		return 0;
	r = glob_task(t);
	bpf_task_release(t);
	return r;
}

P(global_maybe)
{
	TASK struct task_struct *t = bpf_task_acquire(task);
	int r = glob_task_null(t);
	if (t)
		bpf_task_release(t);
	return r;
}
