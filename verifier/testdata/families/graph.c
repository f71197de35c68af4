#include "families.h"

struct foo {
	long key;
	long data;
	struct bpf_rb_node node;
};

struct bar {
	struct bpf_list_node n;
	long v;
	struct bpf_refcount ref;
	struct bpf_rb_node rb;
};

struct baz {
	struct bpf_list_node n;
	long v;
};

struct obj {
	long a;
	int b;
	struct bpf_spin_lock l;
	struct bpf_list_head h __contains(baz, n);
};
private(A) struct bpf_spin_lock la;
private(A) struct bpf_rb_root ra __contains(foo, node);
private(A) struct bpf_list_head ha __contains(baz, n);
private(B) struct bpf_spin_lock lb;
private(B) struct bpf_rb_root rb __contains(bar, rb);
private(C) struct bpf_spin_lock lc;
private(C) struct bpf_list_head hc __contains(bar, n);

static bool less(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	return container_of(a, struct foo, node)->key < container_of(b, struct foo, node)->key;
}

static bool lessb(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	return container_of(a, struct bar, rb)->v < container_of(b, struct bar, rb)->v;
}

static bool less_lock(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	bpf_spin_unlock(&la);
	return 0;
}

static bool less_first(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	bpf_rbtree_first(&ra);
	return 0;
}

static bool less_rm(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	bpf_rbtree_remove(&ra, a);
	return 0;
}

static bool less_add(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	bpf_rbtree_add_impl(&ra, a, less, NULL, 0);
	return 0;
}

#define P(name)	     SEC("tc") int name(void *ctx)
#define ADD(r, n, f) bpf_rbtree_add_impl(&r, n, f, NULL, 0)

P(ok_add)
{
	struct foo *f = obj_new(struct foo);
	if (!f)
		return 0;
	bpf_spin_lock(&la);
	ADD(ra, &f->node, less);
	bpf_spin_unlock(&la);
	return 0;
}

P(no_null)
{
	struct foo *f = obj_new(struct foo);
	f->key = 1;
	obj_drop(f);
	return 0;
}

P(leak)
{
	struct foo *f = obj_new(struct foo);
	if (!f)
		return 0;
	f->key = 1;
	return 0;
}

P(no_lock)
{
	struct foo *f = obj_new(struct foo);
	if (!f)
		return 0;
	ADD(ra, &f->node, less);
	return 0;
}

P(wrong_lock)
{
	struct foo *f = obj_new(struct foo);
	if (!f)
		return 0;
	bpf_spin_lock(&lb);
	ADD(ra, &f->node, less);
	bpf_spin_unlock(&lb);
	return 0;
}

P(twice)
{
	struct foo *f = obj_new(struct foo);
	if (!f)
		return 0;
	bpf_spin_lock(&la);
	ADD(ra, &f->node, less);
	ADD(ra, &f->node, less);
	bpf_spin_unlock(&la);
	return 0;
}

P(drop_after_add)
{
	struct foo *f = obj_new(struct foo);
	if (!f)
		return 0;
	bpf_spin_lock(&la);
	ADD(ra, &f->node, less);
	bpf_spin_unlock(&la);
	obj_drop(f);
	return 0;
}

P(use_after_unlock)
{
	struct foo *f = obj_new(struct foo);
	if (!f)
		return 0;
	bpf_spin_lock(&la);
	ADD(ra, &f->node, less);
	bpf_spin_unlock(&la);
	return f->key;
}

P(read_after_add)
{
	struct foo *f = obj_new(struct foo);
	long k;
	if (!f)
		return 0;
	bpf_spin_lock(&la);
	ADD(ra, &f->node, less);
	k = f->key;
	f->key = 3;
	bpf_spin_unlock(&la);
	return k;
}

P(cb_lock)
{
	struct foo *f = obj_new(struct foo);
	if (!f)
		return 0;
	bpf_spin_lock(&la);
	ADD(ra, &f->node, less_lock);
	bpf_spin_unlock(&la);
	return 0;
}

P(cb_first)
{
	struct foo *f = obj_new(struct foo);
	if (!f)
		return 0;
	bpf_spin_lock(&la);
	ADD(ra, &f->node, less_first);
	bpf_spin_unlock(&la);
	return 0;
}

P(cb_rm)
{
	struct foo *f = obj_new(struct foo);
	if (!f)
		return 0;
	bpf_spin_lock(&la);
	ADD(ra, &f->node, less_rm);
	bpf_spin_unlock(&la);
	return 0;
}

P(cb_add)
{
	struct foo *f = obj_new(struct foo);
	if (!f)
		return 0;
	bpf_spin_lock(&la);
	ADD(ra, &f->node, less_add);
	bpf_spin_unlock(&la);
	return 0;
}

P(first)
{
	struct bpf_rb_node *n;
	struct foo *f;
	bpf_spin_lock(&la);
	n = bpf_rbtree_first(&ra);
	if (!n) {
		bpf_spin_unlock(&la);
		return 0;
	}
	n = bpf_rbtree_remove(&ra, n);
	bpf_spin_unlock(&la);
	if (!n)
		return 0;
	f = container_of(n, struct foo, node);
	obj_drop(f);
	return 0;
}

P(first_leak)
{
	struct bpf_rb_node *n;
	bpf_spin_lock(&la);
	n = bpf_rbtree_first(&ra);
	if (!n) {
		bpf_spin_unlock(&la);
		return 0;
	}
	n = bpf_rbtree_remove(&ra, n);
	bpf_spin_unlock(&la);
	return 0;
}

P(first_no_lock)
{
	bpf_rbtree_first(&ra);
	return 0;
}

P(first_nonull)
{
	struct bpf_rb_node *n;
	bpf_spin_lock(&la);
	n = bpf_rbtree_first(&ra);
	bpf_rbtree_remove(&ra, n);
	bpf_spin_unlock(&la);
	return 0;
}

P(rm_twice)
{
	struct bpf_rb_node *n, *m;
	struct foo *f;
	bpf_spin_lock(&la);
	n = bpf_rbtree_first(&ra);
	if (!n) {
		bpf_spin_unlock(&la);
		return 0;
	}
	m = bpf_rbtree_remove(&ra, n);
	m = bpf_rbtree_remove(&ra, n);
	bpf_spin_unlock(&la);
	return 0;
}

P(rm_owned)
{
	struct foo *f = obj_new(struct foo);
	if (!f)
		return 0;
	bpf_spin_lock(&la);
	bpf_rbtree_remove(&ra, &f->node);
	bpf_spin_unlock(&la);
	obj_drop(f);
	return 0;
}

P(list_ok)
{
	struct baz *f = obj_new(struct baz);
	if (!f)
		return 0;
	bpf_spin_lock(&la);
	bpf_list_push_front_impl(&ha, &f->n, NULL, 0);
	bpf_spin_unlock(&la);
	return 0;
}

P(list_wrong_off)
{
	struct baz *f = obj_new(struct baz);
	if (!f)
		return 0;
	bpf_spin_lock(&la);
	bpf_list_push_front_impl(&ha, (void *)&f->v, NULL, 0);
	bpf_spin_unlock(&la);
	return 0;
}

P(list_wrong_type)
{
	struct bar *f = obj_new(struct bar);
	if (!f)
		return 0;
	bpf_spin_lock(&la);
	bpf_list_push_front_impl(&ha, &f->n, NULL, 0);
	bpf_spin_unlock(&la);
	return 0;
}

P(list_root_off)
{
	struct baz *f = obj_new(struct baz);
	if (!f)
		return 0;
	bpf_spin_lock(&la);
	bpf_list_push_front_impl((void *)&ha + 4, &f->n, NULL, 0);
	bpf_spin_unlock(&la);
	return 0;
}

P(list_as_tree)
{
	struct foo *f = obj_new(struct foo);
	if (!f)
		return 0;
	bpf_spin_lock(&la);
	bpf_rbtree_add_impl((void *)&ha, &f->node, less, NULL, 0);
	bpf_spin_unlock(&la);
	return 0;
}

P(list_pop)
{
	struct bpf_list_node *n;
	bpf_spin_lock(&la);
	n = bpf_list_pop_front(&ha);
	bpf_spin_unlock(&la);
	if (n)
		obj_drop(container_of(n, struct baz, n));
	return 0;
}

P(list_pop_leak)
{
	struct bpf_list_node *n;
	bpf_spin_lock(&la);
	n = bpf_list_pop_back(&ha);
	bpf_spin_unlock(&la);
	return 0;
}

P(list_pop_read)
{
	struct bpf_list_node *n;
	long v = 0;
	bpf_spin_lock(&la);
	n = bpf_list_pop_front(&ha);
	bpf_spin_unlock(&la);
	if (n) {
		v = container_of(n, struct baz, n)->v;
		obj_drop(container_of(n, struct baz, n));
	}
	return v;
}

P(list_node_direct)
{
	struct baz *f = obj_new(struct baz);
	long *p;
	if (!f)
		return 0;
	p = (void *)&f->n;
	long v = *p;
	obj_drop(f);
	return v;
}

P(list_node_write)
{
	struct baz *f = obj_new(struct baz);
	long *p;
	if (!f)
		return 0;
	p = (void *)&f->n;
	*(p + 1) = 1;
	obj_drop(f);
	return 0;
}

P(list_beyond)
{
	struct baz *f = obj_new(struct baz);
	long *p;
	if (!f)
		return 0;
	p = (void *)f;
	long v = *(p + 5);
	obj_drop(f);
	return v;
}

P(list_neg)
{
	struct baz *f = obj_new(struct baz);
	long *p;
	if (!f)
		return 0;
	p = (void *)f;
	long v = *(p - 1);
	obj_drop(f);
	return v;
}

P(head_direct)
{
	return *(int *)&ha;
}

P(lock_direct)
{
	return *(int *)&la;
}

P(ref_ok)
{
	struct bar *f = obj_new(struct bar), *g;
	if (!f)
		return 0;
	g = bpf_refcount_acquire_impl(f, NULL);
	obj_drop(f);
	g->v = 1;
	obj_drop(g);
	return 0;
}

P(ref_none)
{
	struct baz *f = obj_new(struct baz), *g;
	if (!f)
		return 0;
	g = bpf_refcount_acquire_impl(f, NULL);
	obj_drop(f);
	if (g)
		obj_drop(g);
	return 0;
}

P(ref_nonown)
{
	struct bar *f = obj_new(struct bar), *g;
	if (!f)
		return 0;
	bpf_spin_lock(&lb);
	ADD(rb, &f->rb, lessb);
	g = bpf_refcount_acquire_impl(f, NULL);
	bpf_spin_unlock(&lb);
	if (g)
		obj_drop(g);
	return 0;
}

P(ref_nonown_nonull)
{
	struct bar *f = obj_new(struct bar), *g;
	if (!f)
		return 0;
	bpf_spin_lock(&lb);
	ADD(rb, &f->rb, lessb);
	g = bpf_refcount_acquire_impl(f, NULL);
	bpf_spin_unlock(&lb);
	obj_drop(g);
	return 0;
}

P(ref_after)
{
	struct bar *f = obj_new(struct bar), *g;
	if (!f)
		return 0;
	bpf_spin_lock(&lb);
	ADD(rb, &f->rb, lessb);
	bpf_spin_unlock(&lb);
	g = bpf_refcount_acquire_impl(f, NULL);
	if (g)
		obj_drop(g);
	return 0;
}

P(obj_list)
{
	struct obj *o = obj_new(struct obj);
	struct baz *f;
	if (!o)
		return 0;
	f = obj_new(struct baz);
	if (!f) {
		obj_drop(o);
		return 0;
	}
	bpf_spin_lock(&o->l);
	bpf_list_push_back_impl(&o->h, &f->n, NULL, 0);
	bpf_spin_unlock(&o->l);
	obj_drop(o);
	return 0;
}

P(obj_list_glock)
{
	struct obj *o = obj_new(struct obj);
	struct baz *f;
	if (!o)
		return 0;
	f = obj_new(struct baz);
	if (!f) {
		obj_drop(o);
		return 0;
	}
	bpf_spin_lock(&la);
	bpf_list_push_back_impl(&o->h, &f->n, NULL, 0);
	bpf_spin_unlock(&la);
	obj_drop(o);
	return 0;
}

P(obj_two)
{
	struct obj *o = obj_new(struct obj), *q;
	struct baz *f;
	if (!o)
		return 0;
	q = obj_new(struct obj);
	if (!q) {
		obj_drop(o);
		return 0;
	}
	bpf_spin_lock(&o->l);
	bpf_list_pop_back(&q->h);
	bpf_spin_unlock(&o->l);
	obj_drop(o);
	obj_drop(q);
	return 0;
}

P(obj_lock_leak)
{
	struct obj *o = obj_new(struct obj);
	if (!o)
		return 0;
	bpf_spin_lock(&o->l);
	obj_drop(o);
	return 0;
}

P(obj_unlock_other)
{
	struct obj *o = obj_new(struct obj), *q;
	if (!o)
		return 0;
	q = obj_new(struct obj);
	if (!q) {
		obj_drop(o);
		return 0;
	}
	bpf_spin_lock(&o->l);
	bpf_spin_unlock(&q->l);
	obj_drop(o);
	obj_drop(q);
	return 0;
}

P(helper_locked)
{
	struct foo *f = obj_new(struct foo);
	if (!f)
		return 0;
	bpf_spin_lock(&la);
	bpf_ktime_get_ns();
	bpf_spin_unlock(&la);
	obj_drop(f);
	return 0;
}

P(new_locked)
{
	struct foo *f;
	bpf_spin_lock(&la);
	f = obj_new(struct foo);
	bpf_spin_unlock(&la);
	if (f)
		obj_drop(f);
	return 0;
}

P(drop_locked)
{
	struct foo *f = obj_new(struct foo);
	if (!f)
		return 0;
	bpf_spin_lock(&la);
	obj_drop(f);
	bpf_spin_unlock(&la);
	return 0;
}

P(iter_locked)
{
	struct bpf_iter_num it;
	int *p, s = 0;
	bpf_spin_lock(&la);
	bpf_iter_num_new(&it, 0, 5);
	while ((p = bpf_iter_num_next(&it)))
		s += *p;
	bpf_iter_num_destroy(&it);
	bpf_spin_unlock(&la);
	return s;
}

P(rbroot)
{
	struct bpf_rb_node *n;
	long v = 0;
	bpf_spin_lock(&la);
	n = bpf_rbtree_root(&ra);
	if (n) {
		v = container_of(n, struct foo, node)->key;
		n = bpf_rbtree_left(&ra, n);
		if (n)
			v += container_of(n, struct foo, node)->key;
	}
	bpf_spin_unlock(&la);
	return v;
}

P(listfront)
{
	struct bpf_list_node *n;
	long v = 0;
	bpf_spin_lock(&la);
	n = bpf_list_front(&ha);
	if (n)
		v = container_of(n, struct baz, n)->v;
	bpf_spin_unlock(&la);
	return v;
}

P(new_scalar)
{
	void *p = bpf_obj_new_impl(bpf_ktime_get_ns(), NULL);
	if (p)
		obj_drop(p);
	return 0;
}

P(new_int)
{
	void *p = bpf_obj_new_impl(bpf_core_type_id_local(int), NULL);
	if (p)
		obj_drop(p);
	return 0;
}

P(new_big)
{
	void *p = bpf_obj_new_impl(9999999, NULL);
	if (p)
		obj_drop(p);
	return 0;
}

P(drop_stack)
{
	long x = 0;
	obj_drop(&x);
	return 0;
}

P(drop_off)
{
	struct foo *f = obj_new(struct foo);
	if (!f)
		return 0;
	obj_drop(&f->data);
	return 0;
}

P(drop_twice)
{
	struct foo *f = obj_new(struct foo);
	if (!f)
		return 0;
	obj_drop(f);
	obj_drop(f);
	return 0;
}

P(use_after_drop)
{
	struct foo *f = obj_new(struct foo);
	if (!f)
		return 0;
	obj_drop(f);
	return f->key;
}

P(to_helper)
{
	struct foo *f = obj_new(struct foo);
	if (!f)
		return 0;
	bpf_probe_read_kernel(&f->key, 8, 0);
	obj_drop(f);
	return 0;
}

P(var_off)
{
	struct foo *f = obj_new(struct foo);
	if (!f)
		return 0;
	long i = bpf_get_prandom_u32() & 1;
	long v = (&f->key)[i];
	obj_drop(f);
	return v;
}
