#include "families.h"

struct foo {
	long key;
	long data;
	struct bpf_rb_node node;
};

struct plain {
	long a;
	long b;
};

struct rcu_node_data {
	long a;
	struct bpf_refcount ref;
};
private(A) struct bpf_spin_lock la;
private(A) struct bpf_rb_root ra __contains(foo, node);

static bool less(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	return container_of(a, struct foo, node)->key < container_of(b, struct foo, node)->key;
}

static bool less_bad(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	return 1;
}

struct mv {
	struct plain __attribute__((btf_type_tag("kptr"))) * p;
	struct foo __attribute__((btf_type_tag("kptr"))) * f;
	struct plain __attribute__((btf_type_tag("percpu_kptr"))) * pc;
	struct rcu_node_data __attribute__((btf_type_tag("kptr"))) * r;
	struct bpf_spin_lock l;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, struct mv);
} m SEC(".maps");

#define P(name) SEC("tc") int name(void *ctx)
#define VAL                                                                                                            \
	int k = 0;                                                                                                     \
	struct mv *v = bpf_map_lookup_elem(&m, &k);                                                                    \
	if (!v)                                                                                                        \
		return 0;

P(rm_stack)
{
	struct bpf_rb_node x;
	bpf_spin_lock(&la);
	bpf_rbtree_remove(&ra, &x);
	bpf_spin_unlock(&la);
	return 0;
}

P(rm_ctx)
{
	bpf_spin_lock(&la);
	bpf_rbtree_remove(&ra, ctx);
	bpf_spin_unlock(&la);
	return 0;
}

P(add_stack)
{
	struct bpf_rb_node x;
	bpf_spin_lock(&la);
	bpf_rbtree_add_impl(&ra, &x, less, NULL, 0);
	bpf_spin_unlock(&la);
	return 0;
}

P(root_stack)
{
	struct bpf_rb_root x;
	bpf_spin_lock(&la);
	bpf_rbtree_first(&x);
	bpf_spin_unlock(&la);
	return 0;
}

P(left_owned)
{
	struct foo *f = obj_new(struct foo);
	if (!f)
		return 0;
	bpf_spin_lock(&la);
	bpf_rbtree_left(&ra, &f->node);
	bpf_spin_unlock(&la);
	obj_drop(f);
	return 0;
}

P(xchg_in)
{
	struct plain *f;
	VAL f = obj_new(struct plain);
	if (!f)
		return 0;
	f = bpf_kptr_xchg(&v->p, f);
	if (f)
		obj_drop(f);
	return 0;
}

P(xchg_leak)
{
	struct plain *f;
	VAL f = obj_new(struct plain);
	if (!f)
		return 0;
	f = bpf_kptr_xchg(&v->p, f);
	return 0;
}

P(xchg_wrong)
{
	struct foo *f;
	VAL f = obj_new(struct foo);
	if (!f)
		return 0;
	f = bpf_kptr_xchg(&v->p, f);
	if (f)
		obj_drop(f);
	return 0;
}

P(xchg_null)
{
	struct plain *f;
	VAL f = bpf_kptr_xchg(&v->p, NULL);
	if (f)
		obj_drop(f);
	return 0;
}

P(xchg_maybe)
{
	struct plain *f;
	VAL f = obj_new(struct plain);
	f = bpf_kptr_xchg(&v->p, f);
	if (f)
		obj_drop(f);
	return 0;
}

P(xchg_stack)
{
	struct plain *f;
	long x;
	VAL f = bpf_kptr_xchg(&v->p, &x);
	if (f)
		obj_drop(f);
	return 0;
}

P(load_p)
{
	struct plain *f;
	long r = 0;
	VAL f = v->p;
	if (f)
		r = f->a;
	return r;
}

P(load_p_rcu)
{
	struct plain *f;
	long r = 0;
	VAL bpf_rcu_read_lock();
	f = v->p;
	if (f)
		r = f->a;
	bpf_rcu_read_unlock();
	return r;
}

P(load_p_write)
{
	struct plain *f;
	VAL f = v->p;
	if (f)
		f->a = 1;
	return 0;
}

P(load_drop)
{
	struct plain *f;
	VAL f = v->p;
	if (f)
		obj_drop(f);
	return 0;
}

P(load_xchg)
{
	struct plain *f;
	VAL f = v->p;
	if (!f)
		return 0;
	f = bpf_kptr_xchg(&v->p, f);
	if (f)
		obj_drop(f);
	return 0;
}

P(load_ref)
{
	struct rcu_node_data *f;
	VAL f = v->r;
	if (!f)
		return 0;
	f = bpf_refcount_acquire_impl(f, NULL);
	if (f)
		obj_drop(f);
	return 0;
}

P(load_ref_nonull)
{
	struct rcu_node_data *f;
	VAL f = v->r;
	if (!f)
		return 0;
	f = bpf_refcount_acquire_impl(f, NULL);
	obj_drop(f);
	return 0;
}

P(load_ref_maybe)
{
	struct rcu_node_data *f;
	VAL f = v->r;
	f = bpf_refcount_acquire_impl(f, NULL);
	if (f)
		obj_drop(f);
	return 0;
}

P(use_r)
{
	struct rcu_node_data *f = obj_new(struct rcu_node_data);
	if (!f)
		return 0;
	f->a = 1;
	obj_drop(f);
	return 0;
}

P(percpu_ok)
{
	struct plain *f, *q;
	VAL f = percpu_new(struct plain);
	if (!f)
		return 0;
	q = bpf_this_cpu_ptr(f);
	q->a = 1;
	f = bpf_kptr_xchg(&v->pc, f);
	if (f)
		bpf_percpu_obj_drop_impl(f, NULL);
	return 0;
}

P(percpu_direct)
{
	struct plain *f;
	VAL f = percpu_new(struct plain);
	if (!f)
		return 0;
	f->a = 1;
	bpf_percpu_obj_drop_impl(f, NULL);
	return 0;
}

P(percpu_drop)
{
	struct plain *f;
	VAL f = percpu_new(struct plain);
	if (!f)
		return 0;
	obj_drop(f);
	return 0;
}

P(percpu_drop2)
{
	struct plain *f;
	VAL f = obj_new(struct plain);
	if (!f)
		return 0;
	bpf_percpu_obj_drop_impl(f, NULL);
	return 0;
}

P(percpu_load)
{
	struct plain *f, *q;
	long r = 0;
	VAL f = v->pc;
	if (!f)
		return 0;
	q = bpf_per_cpu_ptr(f, 0);
	if (q)
		r = q->a;
	return r;
}

P(percpu_load_this)
{
	struct plain *f, *q;
	VAL f = v->pc;
	if (!f)
		return 0;
	q = bpf_this_cpu_ptr(f);
	return q->a;
}

P(percpu_load_write)
{
	struct plain *f, *q;
	VAL f = v->pc;
	if (!f)
		return 0;
	q = bpf_this_cpu_ptr(f);
	q->a = 1;
	return 0;
}

P(percpu_fields)
{
	struct foo *f;
	VAL f = percpu_new(struct foo);
	if (!f)
		return 0;
	bpf_percpu_obj_drop_impl(f, NULL);
	return 0;
}

P(percpu_xchg_wrong)
{
	struct plain *f;
	VAL f = obj_new(struct plain);
	if (!f)
		return 0;
	f = bpf_kptr_xchg(&v->pc, f);
	if (f)
		bpf_percpu_obj_drop_impl(f, NULL);
	return 0;
}

P(percpu_xchg_wrong2)
{
	struct plain *f;
	VAL f = percpu_new(struct plain);
	if (!f)
		return 0;
	f = bpf_kptr_xchg(&v->p, f);
	if (f)
		obj_drop(f);
	return 0;
}

P(store_kptr)
{
	struct plain *f;
	VAL f = obj_new(struct plain);
	if (!f)
		return 0;
	v->p = f;
	obj_drop(f);
	return 0;
}

P(spill)
{
	struct plain *f;
	volatile struct plain *s;
	VAL f = obj_new(struct plain);
	if (!f)
		return 0;
	s = f;
	long r = s->b;
	obj_drop(f);
	return r;
}

P(sub32)
{
	struct plain *f;
	VAL f = obj_new(struct plain);
	if (!f)
		return 0;
	int x = *((char *)f + 15);
	obj_drop(f);
	return x;
}

P(beyond1)
{
	struct plain *f;
	VAL f = obj_new(struct plain);
	if (!f)
		return 0;
	int x = *(int *)((char *)f + 14);
	obj_drop(f);
	return x;
}

P(atomic)
{
	struct plain *f;
	VAL f = obj_new(struct plain);
	if (!f)
		return 0;
	__sync_fetch_and_add(&f->a, 1);
	obj_drop(f);
	return 0;
}

P(lockp)
{
	VAL bpf_spin_lock(&v->l);
	bpf_spin_unlock(&v->l);
	return 0;
}

P(xchg_locked)
{
	struct plain *f;
	VAL bpf_spin_lock(&v->l);
	f = bpf_kptr_xchg(&v->p, NULL);
	bpf_spin_unlock(&v->l);
	if (f)
		obj_drop(f);
	return 0;
}

P(cmp)
{
	struct plain *f, *g;
	VAL f = obj_new(struct plain);
	if (!f)
		return 0;
	g = v->p;
	int r = f == g;
	obj_drop(f);
	return r;
}

P(store_ptr_in)
{
	struct plain *f;
	VAL f = obj_new(struct plain);
	if (!f)
		return 0;
	f->a = (long)ctx;
	obj_drop(f);
	return 0;
}
