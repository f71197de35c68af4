#include "families.h"
#include "kfuncs.h"

/* Open-coded iterators. */
struct tv {
	struct task_struct __kptr *t;
	long x;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16);
	__type(key, int);
	__type(value, struct tv);
} tm SEC(".maps");

#define P(name) SEC("tp_btf/task_newtask") int name(__u64 *ctx)
#define R(name) SEC("raw_tp/sys_enter") int name(__u64 *ctx)
#define Y(name) SEC("syscall") int name(__u64 *ctx)
#define I(name) SEC("iter.s/task") int name(struct bpf_iter__task *ctx)
#define TASK	struct task_struct *task = (void *)ctx[0];
int total;
__u64 words[8];
int table[16];

/* all tasks, threads of one, nested */
P(tasks)
{
	TASK struct bpf_iter_task it;
	struct task_struct *t;
	bpf_rcu_read_lock();
	bpf_iter_task_new(&it, NULL, 0);
	while ((t = bpf_iter_task_next(&it)))
		total += t->pid;
	bpf_iter_task_destroy(&it);
	bpf_rcu_read_unlock();
	return 0;
}

P(tasks_no_rcu)
{
	TASK struct bpf_iter_task it;
	struct task_struct *t;
	bpf_iter_task_new(&it, NULL, 0);
	while ((t = bpf_iter_task_next(&it)))
		total += t->pid;
	bpf_iter_task_destroy(&it);
	return 0;
}

P(tasks_threads)
{
	TASK struct bpf_iter_task it;
	struct task_struct *t;
	bpf_rcu_read_lock();
	bpf_iter_task_new(&it, task, 1);
	while ((t = bpf_iter_task_next(&it)))
		total += t->pid;
	bpf_iter_task_destroy(&it);
	bpf_rcu_read_unlock();
	return 0;
}

P(tasks_nested)
{
	TASK struct bpf_iter_task it, jt;
	struct task_struct *t, *u;
	bpf_rcu_read_lock();
	bpf_iter_task_new(&it, NULL, 0);
	while ((t = bpf_iter_task_next(&it))) {
		bpf_iter_task_new(&jt, t, 1);
		while ((u = bpf_iter_task_next(&jt)))
			total += u->pid;
		bpf_iter_task_destroy(&jt);
	}
	bpf_iter_task_destroy(&it);
	bpf_rcu_read_unlock();
	return 0;
}

P(tasks_unlock_inside)
{
	TASK struct bpf_iter_task it;
	struct task_struct *t;
	bpf_rcu_read_lock();
	bpf_iter_task_new(&it, NULL, 0);
	while ((t = bpf_iter_task_next(&it))) {
		bpf_rcu_read_unlock();
		bpf_rcu_read_lock();
		total += t->pid;
	}
	bpf_iter_task_destroy(&it);
	bpf_rcu_read_unlock();
	return 0;
}

P(tasks_unlock_before_destroy)
{
	TASK struct bpf_iter_task it;
	struct task_struct *t;
	bpf_rcu_read_lock();
	bpf_iter_task_new(&it, NULL, 0);
	t = bpf_iter_task_next(&it);
	bpf_rcu_read_unlock();
	bpf_iter_task_destroy(&it);
	return 0;
}

P(tasks_destroy_only)
{
	struct bpf_iter_task it;
	bpf_rcu_read_lock();
	bpf_iter_task_new(&it, NULL, 0);
	bpf_rcu_read_unlock();
	bpf_rcu_read_lock();
	bpf_iter_task_destroy(&it);
	bpf_rcu_read_unlock();
	return 0;
}

P(tasks_acquire)
{
	TASK struct bpf_iter_task it;
	struct task_struct *t, *a;
	bpf_rcu_read_lock();
	bpf_iter_task_new(&it, NULL, 0);
	while ((t = bpf_iter_task_next(&it))) {
		a = bpf_task_acquire(t);
		if (a)
			bpf_task_release(a);
	}
	bpf_iter_task_destroy(&it);
	bpf_rcu_read_unlock();
	return 0;
}

P(tasks_acquire_keep)
{
	TASK struct bpf_iter_task it;
	struct task_struct *t, *a;
	bpf_rcu_read_lock();
	bpf_iter_task_new(&it, NULL, 0);
	while ((t = bpf_iter_task_next(&it))) {
		a = bpf_task_acquire(t);
	}
	bpf_iter_task_destroy(&it);
	bpf_rcu_read_unlock();
	return 0;
}

P(tasks_acquire_break)
{
	TASK struct bpf_iter_task it;
	struct task_struct *t, *a = NULL;
	bpf_rcu_read_lock();
	bpf_iter_task_new(&it, NULL, 0);
	while ((t = bpf_iter_task_next(&it))) {
		if (t->pid == 7) {
			a = bpf_task_acquire(t);
			break;
		}
	}
	bpf_iter_task_destroy(&it);
	bpf_rcu_read_unlock();
	if (a)
		bpf_task_release(a);
	return 0;
}

P(tasks_use_after_next)
{
	TASK struct bpf_iter_task it;
	struct task_struct *t, *u;
	bpf_rcu_read_lock();
	bpf_iter_task_new(&it, NULL, 0);
	t = bpf_iter_task_next(&it);
	u = bpf_iter_task_next(&it);
	if (t)
		total = t->pid;
	bpf_iter_task_destroy(&it);
	bpf_rcu_read_unlock();
	return 0;
}

P(tasks_use_after_destroy)
{
	TASK struct bpf_iter_task it;
	struct task_struct *t;
	bpf_rcu_read_lock();
	bpf_iter_task_new(&it, NULL, 0);
	t = bpf_iter_task_next(&it);
	bpf_iter_task_destroy(&it);
	if (t)
		total = t->pid;
	bpf_rcu_read_unlock();
	return 0;
}

P(tasks_nonull)
{
	struct bpf_iter_task it;
	bpf_rcu_read_lock();
	bpf_iter_task_new(&it, NULL, 0);
	total = bpf_iter_task_next(&it)->pid;
	bpf_iter_task_destroy(&it);
	bpf_rcu_read_unlock();
	return 0;
}

P(tasks_of_parent)
{
	TASK struct bpf_iter_task it;
	struct task_struct *t;
	bpf_rcu_read_lock();
	bpf_iter_task_new(&it, task->real_parent, 1);
	while ((t = bpf_iter_task_next(&it)))
		total += t->pid;
	bpf_iter_task_destroy(&it);
	bpf_rcu_read_unlock();
	return 0;
}

P(tasks_of_untrusted)
{
	TASK struct bpf_iter_task it;
	struct task_struct *t;
	bpf_rcu_read_lock();
	bpf_iter_task_new(&it, task->last_wakee, 1);
	while ((t = bpf_iter_task_next(&it)))
		total += t->pid;
	bpf_iter_task_destroy(&it);
	bpf_rcu_read_unlock();
	return 0;
}

P(tasks_of_kptr)
{
	int k = 0;
	struct bpf_iter_task it;
	struct task_struct *t;
	struct tv *v = bpf_map_lookup_elem(&tm, &k);
	if (!v)
		return 0;
	bpf_rcu_read_lock();
	bpf_iter_task_new(&it, v->t, 1);
	while ((t = bpf_iter_task_next(&it)))
		total += t->pid;
	bpf_iter_task_destroy(&it);
	bpf_rcu_read_unlock();
	return 0;
}

P(tasks_store_kptr)
{
	int k = 0;
	struct bpf_iter_task it;
	struct task_struct *t, *o;
	struct tv *v = bpf_map_lookup_elem(&tm, &k);
	if (!v)
		return 0;
	bpf_rcu_read_lock();
	bpf_iter_task_new(&it, NULL, 0);
	while ((t = bpf_iter_task_next(&it))) {
		t = bpf_task_acquire(t);
		if (!t)
			continue;
		o = bpf_kptr_xchg(&v->t, t);
		if (o)
			bpf_task_release(o);
	}
	bpf_iter_task_destroy(&it);
	bpf_rcu_read_unlock();
	return 0;
}

Y(tasks_sleepable)
{
	struct bpf_iter_task it;
	struct task_struct *t;
	bpf_iter_task_new(&it, NULL, 0);
	while ((t = bpf_iter_task_next(&it)))
		total += t->pid;
	bpf_iter_task_destroy(&it);
	return 0;
}

Y(tasks_sleepable_rcu)
{
	struct bpf_iter_task it;
	struct task_struct *t;
	bpf_rcu_read_lock();
	bpf_iter_task_new(&it, NULL, 0);
	while ((t = bpf_iter_task_next(&it)))
		total += t->pid;
	bpf_iter_task_destroy(&it);
	bpf_rcu_read_unlock();
	return 0;
}

Y(tasks_sleep_inside)
{
	struct bpf_iter_task it;
	struct task_struct *t;
	char b[8];
	bpf_rcu_read_lock();
	bpf_iter_task_new(&it, NULL, 0);
	while ((t = bpf_iter_task_next(&it))) {
		bpf_copy_from_user(b, 8, (void *)ctx);
		total += b[0];
	}
	bpf_iter_task_destroy(&it);
	bpf_rcu_read_unlock();
	return 0;
}

/* maps of memory */
P(vmas)
{
	TASK struct bpf_iter_task_vma it;
	struct vm_area_struct *v;
	bpf_iter_task_vma_new(&it, task, 0);
	while ((v = bpf_iter_task_vma_next(&it)))
		total += v->vm_start;
	bpf_iter_task_vma_destroy(&it);
	return 0;
}

P(vmas_file)
{
	TASK struct bpf_iter_task_vma it;
	struct vm_area_struct *v;
	bpf_iter_task_vma_new(&it, task, 0);
	while ((v = bpf_iter_task_vma_next(&it))) {
		if (v->vm_file)
			total += (long)v->vm_file->f_inode;
		if (v->vm_mm)
			total += v->vm_mm->start_code;
	}
	bpf_iter_task_vma_destroy(&it);
	return 0;
}

P(vmas_after_destroy)
{
	TASK struct bpf_iter_task_vma it;
	struct vm_area_struct *v;
	bpf_iter_task_vma_new(&it, task, 0);
	v = bpf_iter_task_vma_next(&it);
	bpf_iter_task_vma_destroy(&it);
	return v ? v->vm_start : 0;
}

P(vmas_leak)
{
	TASK struct bpf_iter_task_vma it;
	bpf_iter_task_vma_new(&it, task, 0);
	bpf_iter_task_vma_next(&it);
	return 0;
}

P(vmas_null)
{
	struct bpf_iter_task_vma it;
	bpf_iter_task_vma_new(&it, NULL, 0);
	bpf_iter_task_vma_destroy(&it);
	return 0;
}

P(vmas_parent)
{
	TASK struct bpf_iter_task_vma it;
	bpf_iter_task_vma_new(&it, task->real_parent, 0);
	bpf_iter_task_vma_destroy(&it);
	return 0;
}

P(vmas_no_new)
{
	struct bpf_iter_task_vma it;
	bpf_iter_task_vma_next(&it);
	return 0;
}

P(vmas_no_new_destroy)
{
	struct bpf_iter_task_vma it;
	bpf_iter_task_vma_destroy(&it);
	return 0;
}

P(vmas_wrong_iter)
{
	TASK struct bpf_iter_task_vma it;
	bpf_iter_task_vma_new(&it, task, 0);
	bpf_iter_num_destroy((void *)&it);
	return 0;
}

P(vmas_in_tasks)
{
	struct bpf_iter_task it;
	struct bpf_iter_task_vma jt;
	struct task_struct *t;
	struct vm_area_struct *v;
	bpf_rcu_read_lock();
	bpf_iter_task_new(&it, NULL, 0);
	while ((t = bpf_iter_task_next(&it))) {
		t = bpf_task_acquire(t);
		if (!t)
			continue;
		bpf_iter_task_vma_new(&jt, t, 0);
		while ((v = bpf_iter_task_vma_next(&jt)))
			total += v->vm_end;
		bpf_iter_task_vma_destroy(&jt);
		bpf_task_release(t);
	}
	bpf_iter_task_destroy(&it);
	bpf_rcu_read_unlock();
	return 0;
}

/* cgroups */
P(css)
{
	struct bpf_iter_css it;
	struct cgroup_subsys_state *c;
	struct cgroup *g = bpf_cgroup_from_id(1);
	if (!g)
		return 0;
	bpf_rcu_read_lock();
	bpf_iter_css_new(&it, &g->self, 1);
	while ((c = bpf_iter_css_next(&it)))
		total += c->cgroup->level;
	bpf_iter_css_destroy(&it);
	bpf_rcu_read_unlock();
	bpf_cgroup_release(g);
	return 0;
}

P(css_no_rcu)
{
	struct bpf_iter_css it;
	struct cgroup_subsys_state *c;
	struct cgroup *g = bpf_cgroup_from_id(1);
	if (!g)
		return 0;
	bpf_iter_css_new(&it, &g->self, 1);
	while ((c = bpf_iter_css_next(&it)))
		total += c->cgroup->level;
	bpf_iter_css_destroy(&it);
	bpf_cgroup_release(g);
	return 0;
}

P(css_of_task)
{
	TASK struct bpf_iter_css it;
	struct cgroup_subsys_state *c;
	bpf_rcu_read_lock();
	bpf_iter_css_new(&it, &task->cgroups->dfl_cgrp->self, 2);
	while ((c = bpf_iter_css_next(&it)))
		total += c->cgroup->level;
	bpf_iter_css_destroy(&it);
	bpf_rcu_read_unlock();
	return 0;
}

P(css_task)
{
	struct bpf_iter_css_task it;
	struct task_struct *t;
	struct cgroup *g = bpf_cgroup_from_id(1);
	if (!g)
		return 0;
	bpf_iter_css_task_new(&it, &g->self, 1);
	while ((t = bpf_iter_css_task_next(&it)))
		total += t->pid;
	bpf_iter_css_task_destroy(&it);
	bpf_cgroup_release(g);
	return 0;
}

I(css_task_iter)
{
	struct bpf_iter_css_task it;
	struct task_struct *t;
	struct cgroup *g = bpf_cgroup_from_id(1);
	if (!g)
		return 0;
	bpf_iter_css_task_new(&it, &g->self, 1);
	while ((t = bpf_iter_css_task_next(&it)))
		total += t->pid;
	bpf_iter_css_task_destroy(&it);
	bpf_cgroup_release(g);
	return 0;
}

I(css_task_iter_acquire)
{
	struct bpf_iter_css_task it;
	struct task_struct *t;
	struct cgroup *g = bpf_cgroup_from_id(1);
	if (!g)
		return 0;
	bpf_iter_css_task_new(&it, &g->self, 1);
	while ((t = bpf_iter_css_task_next(&it))) {
		t = bpf_task_acquire(t);
		if (t)
			bpf_task_release(t);
	}
	bpf_iter_css_task_destroy(&it);
	bpf_cgroup_release(g);
	return 0;
}

Y(css_task_syscall)
{
	struct bpf_iter_css_task it;
	struct task_struct *t;
	struct cgroup *g = bpf_cgroup_from_id(1);
	if (!g)
		return 0;
	bpf_iter_css_task_new(&it, &g->self, 1);
	while ((t = bpf_iter_css_task_next(&it)))
		total += t->pid;
	bpf_iter_css_task_destroy(&it);
	bpf_cgroup_release(g);
	return 0;
}

SEC("iter/task") int css_task_iter_atomic(struct bpf_iter__task *ctx)
{
	struct bpf_iter_css_task it;
	struct task_struct *t;
	struct cgroup *g = bpf_cgroup_from_id(1);
	if (!g)
		return 0;
	bpf_iter_css_task_new(&it, &g->self, 1);
	while ((t = bpf_iter_css_task_next(&it)))
		total += t->pid;
	bpf_iter_css_task_destroy(&it);
	bpf_cgroup_release(g);
	return 0;
}

P(css_task_tp)
{
	struct bpf_iter_css_task it;
	struct cgroup *g = bpf_cgroup_from_id(1);
	if (!g)
		return 0;
	bpf_iter_css_task_new(&it, &g->self, 1);
	bpf_iter_css_task_destroy(&it);
	bpf_cgroup_release(g);
	return 0;
}

I(css_null)
{
	struct bpf_iter_css_task it;
	bpf_iter_css_task_new(&it, NULL, 1);
	bpf_iter_css_task_destroy(&it);
	return 0;
}

/* bits */
R(bits)
{
	struct bpf_iter_bits it;
	int *b;
	__u64 data = 0xf0f0;
	bpf_iter_bits_new(&it, &data, 1);
	while ((b = bpf_iter_bits_next(&it)))
		total += *b;
	bpf_iter_bits_destroy(&it);
	return 0;
}

R(bits_null)
{
	struct bpf_iter_bits it;
	int *b;
	bpf_iter_bits_new(&it, NULL, 1);
	while ((b = bpf_iter_bits_next(&it)))
		total++;
	bpf_iter_bits_destroy(&it);
	return 0;
}

R(bits_map)
{
	struct bpf_iter_bits it;
	int *b;
	bpf_iter_bits_new(&it, words, 8);
	while ((b = bpf_iter_bits_next(&it))) {
		if ((unsigned)*b < 16)
			table[*b]++;
	}
	bpf_iter_bits_destroy(&it);
	return 0;
}

R(bits_variable)
{
	struct bpf_iter_bits it;
	int *b;
	bpf_iter_bits_new(&it, words, bpf_get_prandom_u32());
	while ((b = bpf_iter_bits_next(&it)))
		total++;
	bpf_iter_bits_destroy(&it);
	return 0;
}

R(bits_write)
{
	struct bpf_iter_bits it;
	int *b;
	bpf_iter_bits_new(&it, words, 1);
	while ((b = bpf_iter_bits_next(&it)))
		*b = 1;
	bpf_iter_bits_destroy(&it);
	return 0;
}

R(bits_no_new)
{
	struct bpf_iter_bits it;
	bpf_iter_bits_next(&it);
	return 0;
}

R(bits_uninit_next)
{
	struct bpf_iter_bits it = {};
	bpf_iter_bits_next(&it);
	return 0;
}

R(bits_no_destroy)
{
	struct bpf_iter_bits it;
	bpf_iter_bits_new(&it, words, 1);
	return 0;
}

R(bits_scalar_mem)
{
	struct bpf_iter_bits it;
	bpf_iter_bits_new(&it, (void *)ctx[1], 1);
	bpf_iter_bits_destroy(&it);
	return 0;
}

R(bits_kept_pointer)
{
	struct bpf_iter_bits it;
	int *b, *last = NULL;
	bpf_iter_bits_new(&it, words, 1);
	while ((b = bpf_iter_bits_next(&it)))
		last = b;
	bpf_iter_bits_destroy(&it);
	return last ? *last : 0;
}

R(bits_kept_in_loop)
{
	struct bpf_iter_bits it;
	int *b, *last = NULL;
	bpf_iter_bits_new(&it, words, 1);
	while ((b = bpf_iter_bits_next(&it)))
		last = b;
	if (last)
		total += *last;
	bpf_iter_bits_destroy(&it);
	return 0;
}

R(bits_offset)
{
	char buf[32];
	bpf_iter_bits_new((void *)buf + 4, words, 1);
	bpf_iter_bits_destroy((void *)buf + 4);
	return 0;
}

R(bits_map_iter)
{
	int k = 0;
	struct tv *v = bpf_map_lookup_elem(&tm, &k);
	if (!v)
		return 0;
	bpf_iter_bits_new((void *)v, words, 1);
	return 0;
}

R(bits_overlap)
{
	__u64 buf[3];
	bpf_iter_bits_new((void *)buf, words, 1);
	bpf_iter_bits_new((void *)(buf + 1), words, 1);
	bpf_iter_bits_destroy((void *)buf);
	return 0;
}

R(bits_half)
{
	__u64 buf[3];
	bpf_iter_bits_new((void *)buf, words, 1);
	bpf_iter_bits_destroy((void *)(buf + 1));
	return 0;
}

R(bits_read_raw)
{
	struct bpf_iter_bits it;
	bpf_iter_bits_new(&it, words, 1);
	total = *(volatile long *)&it;
	bpf_iter_bits_destroy(&it);
	return 0;
}

R(bits_write_raw)
{
	struct bpf_iter_bits it;
	bpf_iter_bits_new(&it, words, 1);
	*(volatile long *)&it = 0;
	bpf_iter_bits_destroy(&it);
	return 0;
}

R(bits_to_helper)
{
	struct bpf_iter_bits it;
	bpf_iter_bits_new(&it, words, 1);
	bpf_probe_read_kernel(&it, 8, NULL);
	bpf_iter_bits_destroy(&it);
	return 0;
}

/* numbers */
R(num_sum)
{
	struct bpf_iter_num it;
	int *p, n = ctx[1];
	bpf_iter_num_new(&it, 0, n);
	while ((p = bpf_iter_num_next(&it)))
		total += *p;
	bpf_iter_num_destroy(&it);
	return 0;
}

R(num_table)
{
	struct bpf_iter_num it;
	int *p, i;
	bpf_iter_num_new(&it, 0, 16);
	while ((p = bpf_iter_num_next(&it))) {
		i = *p;
		if (i < 0 || i >= 16)
			break;
		table[i] = i * i;
	}
	bpf_iter_num_destroy(&it);
	return 0;
}

R(num_table_unchecked)
{
	struct bpf_iter_num it;
	int *p;
	bpf_iter_num_new(&it, 0, 16);
	while ((p = bpf_iter_num_next(&it)))
		table[*p] = 1;
	bpf_iter_num_destroy(&it);
	return 0;
}

R(num_counter)
{
	struct bpf_iter_num it;
	int i = 0;
	bpf_iter_num_new(&it, 0, 16);
	while (bpf_iter_num_next(&it)) {
		if (i >= 16)
			break;
		table[i++] = 1;
	}
	bpf_iter_num_destroy(&it);
	return i;
}

R(num_counter_stuck)
{
	struct bpf_iter_num it;
	int i = 0, a = 0, b = 1, c;
	bpf_iter_num_new(&it, 0, 16);
	while (bpf_iter_num_next(&it)) {
		c = a;
		a = b;
		b += c;
	}
	bpf_iter_num_destroy(&it);
	return a;
}

R(num_two_counters)
{
	struct bpf_iter_num it;
	int i = 0, j = 0;
	bpf_iter_num_new(&it, 0, 16);
	while (bpf_iter_num_next(&it)) {
		if (i == 8) {
			j++;
			i = 0;
		} else
			i++;
	}
	bpf_iter_num_destroy(&it);
	if (i < 16)
		table[i] = j;
	return 0;
}

R(num_pointer_moves)
{
	struct bpf_iter_num it;
	int *q = table;
	bpf_iter_num_new(&it, 0, 8);
	while (bpf_iter_num_next(&it)) {
		*q = 1;
		q++;
	}
	bpf_iter_num_destroy(&it);
	return 0;
}

R(num_pointer_checked)
{
	struct bpf_iter_num it;
	int *q = table;
	bpf_iter_num_new(&it, 0, 8);
	while (bpf_iter_num_next(&it)) {
		if (q >= table + 15)
			break;
		*q = 1;
		q++;
	}
	bpf_iter_num_destroy(&it);
	return 0;
}

R(num_break_leak)
{
	struct bpf_iter_num it;
	int *p;
	bpf_iter_num_new(&it, 0, 16);
	while ((p = bpf_iter_num_next(&it))) {
		if (*p == 5)
			return 0;
	}
	bpf_iter_num_destroy(&it);
	return 0;
}

R(num_nested_same)
{
	struct bpf_iter_num it;
	int *p;
	bpf_iter_num_new(&it, 0, 16);
	while ((p = bpf_iter_num_next(&it))) {
		bpf_iter_num_new(&it, 0, 4);
	}
	bpf_iter_num_destroy(&it);
	return 0;
}

R(num_destroy_twice)
{
	struct bpf_iter_num it;
	bpf_iter_num_new(&it, 0, 16);
	bpf_iter_num_destroy(&it);
	bpf_iter_num_destroy(&it);
	return 0;
}

R(num_reuse)
{
	struct bpf_iter_num it;
	bpf_iter_num_new(&it, 0, 16);
	bpf_iter_num_destroy(&it);
	bpf_iter_num_new(&it, 0, 16);
	while (bpf_iter_num_next(&it))
		total++;
	bpf_iter_num_destroy(&it);
	return 0;
}

R(num_drained_again)
{
	struct bpf_iter_num it;
	bpf_iter_num_new(&it, 0, 16);
	while (bpf_iter_num_next(&it))
		total++;
	if (bpf_iter_num_next(&it))
		total = 7;
	bpf_iter_num_destroy(&it);
	return 0;
}

R(num_in_branch)
{
	struct bpf_iter_num it;
	if (ctx[1])
		bpf_iter_num_new(&it, 0, 16);
	else
		bpf_iter_num_new(&it, 5, 6);
	while (bpf_iter_num_next(&it))
		total++;
	bpf_iter_num_destroy(&it);
	return 0;
}

R(num_one_branch)
{
	struct bpf_iter_num it;
	if (ctx[1])
		bpf_iter_num_new(&it, 0, 16);
	bpf_iter_num_destroy(&it);
	return 0;
}

static __noinline void num_start(struct bpf_iter_num *it, int n)
{
	bpf_iter_num_new(it, 0, n);
}

static __noinline int num_step(struct bpf_iter_num *it)
{
	int *p = bpf_iter_num_next(it);
	return p ? *p + 1 : 0;
}

static __noinline void num_end(struct bpf_iter_num *it)
{
	bpf_iter_num_destroy(it);
}

R(num_functions)
{
	struct bpf_iter_num it;
	int r;
	num_start(&it, 9);
	while ((r = num_step(&it)))
		total += r;
	num_end(&it);
	return 0;
}

static __noinline int *num_raw(struct bpf_iter_num *it)
{
	return bpf_iter_num_next(it);
}

R(num_pointer_from_function)
{
	struct bpf_iter_num it;
	int *p;
	num_start(&it, 9);
	while ((p = num_raw(&it)))
		total += *p;
	num_end(&it);
	return 0;
}

static __noinline int num_inner(int n)
{
	struct bpf_iter_num it;
	int *p, s = 0;
	bpf_iter_num_new(&it, 0, n);
	while ((p = bpf_iter_num_next(&it)))
		s += *p;
	bpf_iter_num_destroy(&it);
	return s;
}

R(num_call_in_loop)
{
	struct bpf_iter_num it;
	int *p;
	bpf_iter_num_new(&it, 0, 9);
	while ((p = bpf_iter_num_next(&it)))
		total += num_inner(*p);
	bpf_iter_num_destroy(&it);
	return 0;
}

static int cb_iter(__u32 i, void *c)
{
	struct bpf_iter_num it;
	int *p, s = 0;
	bpf_iter_num_new(&it, 0, i);
	while ((p = bpf_iter_num_next(&it)))
		s += *p;
	bpf_iter_num_destroy(&it);
	total += s;
	return 0;
}

static int cb_iter_leak(__u32 i, void *c)
{
	struct bpf_iter_num it;
	bpf_iter_num_new(&it, 0, i);
	return 0;
}

static int cb_iter_outer(__u32 i, void *c)
{
	struct bpf_iter_num *it = c;
	return !bpf_iter_num_next(it);
}

static int cb_iter_end(__u32 i, void *c)
{
	bpf_iter_num_destroy(c);
	return 0;
}

R(num_in_callback)
{
	bpf_loop(8, cb_iter, NULL, 0);
	return 0;
}

R(num_in_callback_leak)
{
	bpf_loop(8, cb_iter_leak, NULL, 0);
	return 0;
}

R(num_of_caller)
{
	struct bpf_iter_num it;
	bpf_iter_num_new(&it, 0, 16);
	bpf_loop(8, cb_iter_outer, &it, 0);
	bpf_iter_num_destroy(&it);
	return 0;
}

R(num_of_caller_end)
{
	struct bpf_iter_num it;
	bpf_iter_num_new(&it, 0, 16);
	bpf_loop(8, cb_iter_end, &it, 0);
	return 0;
}

R(loop_in_num)
{
	struct bpf_iter_num it;
	bpf_iter_num_new(&it, 0, 16);
	while (bpf_iter_num_next(&it))
		bpf_loop(4, cb_iter, NULL, 0);
	bpf_iter_num_destroy(&it);
	return 0;
}

R(num_three)
{
	struct bpf_iter_num a, b, c;
	int *p, *q, *r;
	bpf_iter_num_new(&a, 0, 4);
	while ((p = bpf_iter_num_next(&a))) {
		bpf_iter_num_new(&b, 0, 4);
		while ((q = bpf_iter_num_next(&b))) {
			bpf_iter_num_new(&c, 0, 4);
			while ((r = bpf_iter_num_next(&c)))
				total += *p ^ *q ^ *r;
			bpf_iter_num_destroy(&c);
		}
		bpf_iter_num_destroy(&b);
	}
	bpf_iter_num_destroy(&a);
	return 0;
}

R(num_stack_array)
{
	struct bpf_iter_num it;
	int a[16], *p;
	bpf_iter_num_new(&it, 0, 16);
	while ((p = bpf_iter_num_next(&it))) {
		if ((unsigned)*p < 16)
			a[*p] = *p;
	}
	bpf_iter_num_destroy(&it);
	return a[ctx[1] & 15];
}

R(num_stack_uninit)
{
	struct bpf_iter_num it;
	int a[16], *p;
	bpf_iter_num_new(&it, 0, 16);
	while ((p = bpf_iter_num_next(&it))) {
		if ((unsigned)*p < 16)
			total += a[*p];
	}
	bpf_iter_num_destroy(&it);
	return 0;
}

R(num_map_lookup)
{
	struct bpf_iter_num it;
	int *p;
	bpf_iter_num_new(&it, 0, 16);
	while ((p = bpf_iter_num_next(&it))) {
		int k = *p;
		struct tv *v = bpf_map_lookup_elem(&tm, &k);
		if (v)
			v->x++;
	}
	bpf_iter_num_destroy(&it);
	return 0;
}

R(num_key_is_iter)
{
	struct bpf_iter_num it;
	int *p;
	bpf_iter_num_new(&it, 0, 16);
	while ((p = bpf_iter_num_next(&it))) {
		struct tv *v = bpf_map_lookup_elem(&tm, p);
		if (v)
			v->x++;
	}
	bpf_iter_num_destroy(&it);
	return 0;
}

R(num_inf)
{
	struct bpf_iter_num it;
	bpf_iter_num_new(&it, 0, 16);
	while (bpf_iter_num_next(&it)) {
		for (;;)
			total++;
	}
	bpf_iter_num_destroy(&it);
	return 0;
}

/* kernel lists */
Y(caches)
{
	struct bpf_iter_kmem_cache it;
	struct kmem_cache *c;
	bpf_iter_kmem_cache_new(&it);
	while ((c = bpf_iter_kmem_cache_next(&it)))
		total += c->size;
	bpf_iter_kmem_cache_destroy(&it);
	return 0;
}

R(caches_atomic)
{
	struct bpf_iter_kmem_cache it;
	bpf_iter_kmem_cache_new(&it);
	bpf_iter_kmem_cache_destroy(&it);
	return 0;
}

Y(bufs)
{
	struct bpf_iter_dmabuf it;
	struct dma_buf *c;
	bpf_iter_dmabuf_new(&it);
	while ((c = bpf_iter_dmabuf_next(&it)))
		total += c->size;
	bpf_iter_dmabuf_destroy(&it);
	return 0;
}

Y(cache_of)
{
	struct kmem_cache *c = bpf_get_kmem_cache(ctx[0]);
	return c ? c->size : 0;
}

SEC("iter/kmem_cache") int cache_iter(struct bpf_iter__kmem_cache *ctx)
{
	struct kmem_cache *s = ctx->s;
	return s ? s->size & 1 : 0;
}
