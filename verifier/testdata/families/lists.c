#include "families.h"
#include "kfuncs.h"

/* Lists and trees in globals, maps, objects; reference counts; what is stashed. */
struct item {
	struct bpf_list_node n;
	int data;
	struct bpf_rb_node r;
	struct bpf_list_node second;
	struct bpf_refcount ref;
};

struct leaf {
	struct bpf_list_node n;
	int data;
};

struct nested {
	int x;

	struct {
		struct bpf_list_node n;
		int y;
	} in;
};

struct holder {
	int x;
	struct bpf_spin_lock l;
	struct bpf_list_head h __contains(leaf, n);
	struct bpf_rb_root t __contains(item, r);
};

struct tree {
	long key;
	struct bpf_rb_node r;
};

struct both {
	long key;
	struct bpf_rb_node r;
	struct bpf_list_node n;
	struct bpf_refcount ref;
};

struct stash {
	struct item __kptr *i;
	struct tree __kptr *t;
	struct holder __kptr *h;
	long x;
};

struct mapval {
	int x;
	struct bpf_spin_lock l;
	struct bpf_list_head h __contains(leaf, n);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, int);
	__type(value, struct mapval);
} am SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4);
	__type(key, int);
	__type(value, struct mapval);
} hm SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, int);
	__type(value, struct stash);
} sm SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, int);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(max_entries, 1);
			__type(key, int);
			__type(value, struct mapval);
		});
} om SEC(".maps");
private(A) struct bpf_spin_lock la;
private(A) struct bpf_list_head ha __contains(item, n);
private(A) struct bpf_rb_root ra __contains(item, r);
private(B) struct bpf_spin_lock lb;
private(B) struct bpf_list_head hb __contains(leaf, n);
private(C) struct bpf_spin_lock lc;
private(C) struct bpf_rb_root rc __contains(both, r);
private(C) struct bpf_list_head hc __contains(both, n);
private(D) struct bpf_spin_lock ld;
private(D) struct bpf_rb_root rd __contains(tree, r);
private(E) struct bpf_spin_lock le;
private(E) struct bpf_list_head he __contains(item, second);

static bool less(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	return container_of(a, struct item, r)->data < container_of(b, struct item, r)->data;
}

static bool less_tree(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	return container_of(a, struct tree, r)->key < container_of(b, struct tree, r)->key;
}

static bool less_both(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	return container_of(a, struct both, r)->key < container_of(b, struct both, r)->key;
}

static bool less_write(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	container_of(a, struct tree, r)->key = 1;
	return 0;
}

static bool less_null(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	return a == NULL;
}

static bool less_drop(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	obj_drop(container_of(a, struct tree, r));
	return 0;
}

static bool less_helper(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	return bpf_get_prandom_u32() & 1;
}

static bool less_throw(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	bpf_throw(1);
	return 0;
}

static bool less_new(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	struct tree *t = obj_new(struct tree);
	if (t)
		obj_drop(t);
	return 0;
}

#define P(name)	     SEC("tc") int name(void *ctx)
#define FRONT(h, n)  bpf_list_push_front_impl(h, n, NULL, 0)
#define BACK(h, n)   bpf_list_push_back_impl(h, n, NULL, 0)
#define ADD(r, n, f) bpf_rbtree_add_impl(r, n, f, NULL, 0)
#define REF(p)	     bpf_refcount_acquire_impl(p, NULL)
#define NEW(t, f)                                                                                                      \
	struct t *f = obj_new(struct t);                                                                               \
	if (!f)                                                                                                        \
		return 0;
#define VAL(m, t)                                                                                                      \
	int k = 0;                                                                                                     \
	struct t *v = bpf_map_lookup_elem(&m, &k);                                                                     \
	if (!v)                                                                                                        \
		return 0;

P(list_both)
{
	NEW(item, f) bpf_spin_lock(&la);
	f->data = 42;
	FRONT(&ha, &f->n);
	bpf_spin_unlock(&la);
	return 0;
}

P(list_second_node)
{
	NEW(item, f) bpf_spin_lock(&le);
	FRONT(&he, &f->second);
	bpf_spin_unlock(&le);
	return 0;
}

P(list_second_in_first)
{
	NEW(item, f) bpf_spin_lock(&la);
	FRONT(&ha, &f->second);
	bpf_spin_unlock(&la);
	return 0;
}

P(list_node_plus)
{
	NEW(item, f) bpf_spin_lock(&la);
	FRONT(&ha, (void *)&f->n + 1);
	bpf_spin_unlock(&la);
	return 0;
}

P(list_head_variable)
{
	NEW(item, f) long i = bpf_get_prandom_u32() & 7;
	bpf_spin_lock(&la);
	FRONT((void *)&ha + i, &f->n);
	bpf_spin_unlock(&la);
	return 0;
}

P(list_node_variable)
{
	NEW(item, f) long i = bpf_get_prandom_u32() & 7;
	bpf_spin_lock(&la);
	FRONT(&ha, (void *)&f->n + i);
	bpf_spin_unlock(&la);
	return 0;
}

P(list_head_null)
{
	NEW(item, f) bpf_spin_lock(&la);
	FRONT(NULL, &f->n);
	bpf_spin_unlock(&la);
	return 0;
}

P(list_node_null)
{
	bpf_spin_lock(&la);
	FRONT(&ha, NULL);
	bpf_spin_unlock(&la);
	return 0;
}

P(list_node_maybe)
{
	struct item *f = obj_new(struct item);
	bpf_spin_lock(&la);
	FRONT(&ha, &f->n);
	bpf_spin_unlock(&la);
	return 0;
}

P(list_push_pop)
{
	NEW(leaf, f) struct bpf_list_node *n;
	bpf_spin_lock(&lb);
	FRONT(&hb, &f->n);
	n = bpf_list_pop_back(&hb);
	bpf_spin_unlock(&lb);
	if (n)
		obj_drop(container_of(n, struct leaf, n));
	return 0;
}

P(list_push_two)
{
	NEW(leaf, f) struct leaf *g = obj_new(struct leaf);
	if (!g) {
		obj_drop(f);
		return 0;
	}
	bpf_spin_lock(&lb);
	FRONT(&hb, &f->n);
	BACK(&hb, &g->n);
	bpf_spin_unlock(&lb);
	return 0;
}

P(list_push_popped)
{
	struct bpf_list_node *n;
	bpf_spin_lock(&lb);
	n = bpf_list_pop_front(&hb);
	if (n)
		BACK(&hb, n);
	bpf_spin_unlock(&lb);
	return 0;
}

P(list_pop_unlocked_field)
{
	struct bpf_list_node *n;
	int r;
	bpf_spin_lock(&lb);
	n = bpf_list_pop_front(&hb);
	bpf_spin_unlock(&lb);
	if (!n)
		return 0;
	r = container_of(n, struct leaf, n)->data;
	obj_drop(container_of(n, struct leaf, n));
	return r;
}

P(list_pop_drop_node)
{
	struct bpf_list_node *n;
	bpf_spin_lock(&lb);
	n = bpf_list_pop_front(&hb);
	bpf_spin_unlock(&lb);
	if (n)
		obj_drop(n);
	return 0;
}

P(list_pop_loop)
{
	struct bpf_list_node *n;
	for (int i = 0; i < 8; i++) {
		bpf_spin_lock(&lb);
		n = bpf_list_pop_front(&hb);
		bpf_spin_unlock(&lb);
		if (!n)
			break;
		obj_drop(container_of(n, struct leaf, n));
	}
	return 0;
}

P(list_push_loop)
{
	for (int i = 0; i < 8; i++) {
		struct leaf *f = obj_new(struct leaf);
		if (!f)
			break;
		f->data = i;
		bpf_spin_lock(&lb);
		BACK(&hb, &f->n);
		bpf_spin_unlock(&lb);
	}
	return 0;
}

P(list_array_of)
{
	struct leaf *f[4];
	int i;
	for (i = 0; i < 4; i++) {
		f[i] = obj_new(struct leaf);
		if (!f[i])
			break;
	}
	bpf_spin_lock(&lb);
	while (i-- > 0)
		BACK(&hb, &f[i]->n);
	bpf_spin_unlock(&lb);
	return 0;
}

P(list_front_read)
{
	struct bpf_list_node *n;
	int r = 0;
	bpf_spin_lock(&lb);
	n = bpf_list_front(&hb);
	if (n)
		r = container_of(n, struct leaf, n)->data;
	bpf_spin_unlock(&lb);
	return r;
}

P(list_front_pop)
{
	struct bpf_list_node *n, *m;
	bpf_spin_lock(&lb);
	n = bpf_list_front(&hb);
	m = bpf_list_pop_front(&hb);
	bpf_spin_unlock(&lb);
	if (m)
		obj_drop(container_of(m, struct leaf, n));
	return 0;
}

P(list_front_after)
{
	struct bpf_list_node *n;
	bpf_spin_lock(&lb);
	n = bpf_list_back(&hb);
	bpf_spin_unlock(&lb);
	return n ? container_of(n, struct leaf, n)->data : 0;
}

P(list_front_push)
{
	struct bpf_list_node *n;
	bpf_spin_lock(&lb);
	n = bpf_list_front(&hb);
	if (n)
		FRONT(&hb, n);
	bpf_spin_unlock(&lb);
	return 0;
}

P(list_use_pushed)
{
	NEW(leaf, f) int r;
	bpf_spin_lock(&lb);
	FRONT(&hb, &f->n);
	r = f->data;
	f->data = r + 1;
	bpf_spin_unlock(&lb);
	return r;
}

P(list_relock)
{
	NEW(leaf, f) int r;
	bpf_spin_lock(&lb);
	FRONT(&hb, &f->n);
	bpf_spin_unlock(&lb);
	bpf_spin_lock(&lb);
	r = f->data;
	bpf_spin_unlock(&lb);
	return r;
}

P(map_list)
{
	VAL(am, mapval) NEW(leaf, f) bpf_spin_lock(&v->l);
	BACK(&v->h, &f->n);
	bpf_spin_unlock(&v->l);
	return 0;
}

P(map_list_other_value)
{
	VAL(am, mapval) int k2 = 1;
	struct mapval *w = bpf_map_lookup_elem(&am, &k2);
	struct leaf *f;
	if (!w)
		return 0;
	f = obj_new(struct leaf);
	if (!f)
		return 0;
	bpf_spin_lock(&v->l);
	BACK(&w->h, &f->n);
	bpf_spin_unlock(&v->l);
	return 0;
}

P(map_list_same_lookup)
{
	VAL(hm, mapval) struct mapval *w = bpf_map_lookup_elem(&hm, &k);
	struct leaf *f;
	if (!w)
		return 0;
	f = obj_new(struct leaf);
	if (!f)
		return 0;
	bpf_spin_lock(&v->l);
	BACK(&w->h, &f->n);
	bpf_spin_unlock(&v->l);
	return 0;
}

P(map_list_global_lock)
{
	VAL(am, mapval) NEW(leaf, f) bpf_spin_lock(&lb);
	BACK(&v->h, &f->n);
	bpf_spin_unlock(&lb);
	return 0;
}

P(global_list_map_lock)
{
	VAL(am, mapval) NEW(leaf, f) bpf_spin_lock(&v->l);
	BACK(&hb, &f->n);
	bpf_spin_unlock(&v->l);
	return 0;
}

P(inner_list)
{
	int k = 0;
	struct mapval *v;
	void *m = bpf_map_lookup_elem(&om, &k);
	struct leaf *f;
	if (!m)
		return 0;
	v = bpf_map_lookup_elem(m, &k);
	if (!v)
		return 0;
	f = obj_new(struct leaf);
	if (!f)
		return 0;
	bpf_spin_lock(&v->l);
	BACK(&v->h, &f->n);
	bpf_spin_unlock(&v->l);
	return 0;
}

P(inner_list_two_maps)
{
	int k = 0, j = 0;
	struct mapval *v, *w;
	void *m = bpf_map_lookup_elem(&om, &k), *q;
	struct leaf *f;
	if (!m)
		return 0;
	q = bpf_map_lookup_elem(&om, &j);
	if (!q)
		return 0;
	v = bpf_map_lookup_elem(m, &k);
	if (!v)
		return 0;
	w = bpf_map_lookup_elem(q, &k);
	if (!w)
		return 0;
	f = obj_new(struct leaf);
	if (!f)
		return 0;
	bpf_spin_lock(&v->l);
	BACK(&w->h, &f->n);
	bpf_spin_unlock(&v->l);
	return 0;
}

P(object_list)
{
	NEW(holder, o) struct leaf *f = obj_new(struct leaf);
	if (!f) {
		obj_drop(o);
		return 0;
	}
	bpf_spin_lock(&o->l);
	BACK(&o->h, &f->n);
	bpf_spin_unlock(&o->l);
	obj_drop(o);
	return 0;
}

P(object_tree)
{
	NEW(holder, o) struct item *f = obj_new(struct item);
	if (!f) {
		obj_drop(o);
		return 0;
	}
	bpf_spin_lock(&o->l);
	ADD(&o->t, &f->r, less);
	bpf_spin_unlock(&o->l);
	obj_drop(o);
	return 0;
}

P(object_other_lock)
{
	NEW(holder, o) struct holder *q = obj_new(struct holder);
	struct leaf *f;
	if (!q) {
		obj_drop(o);
		return 0;
	}
	f = obj_new(struct leaf);
	if (!f) {
		obj_drop(o);
		obj_drop(q);
		return 0;
	}
	bpf_spin_lock(&q->l);
	BACK(&o->h, &f->n);
	bpf_spin_unlock(&q->l);
	obj_drop(o);
	obj_drop(q);
	return 0;
}

P(object_dropped_locked)
{
	NEW(holder, o) bpf_spin_lock(&o->l);
	obj_drop(o);
	bpf_spin_unlock(&o->l);
	return 0;
}

P(object_field_locked)
{
	NEW(holder, o) bpf_spin_lock(&o->l);
	o->x = 1;
	bpf_spin_unlock(&o->l);
	obj_drop(o);
	return 0;
}

P(object_head_read)
{
	NEW(holder, o) int r = *(int *)&o->h;
	obj_drop(o);
	return r;
}

P(tree_add)
{
	NEW(tree, f) f->key = 3;
	bpf_spin_lock(&ld);
	ADD(&rd, &f->r, less_tree);
	bpf_spin_unlock(&ld);
	return 0;
}

P(tree_add_two)
{
	NEW(tree, f) struct tree *g = obj_new(struct tree);
	if (!g) {
		obj_drop(f);
		return 0;
	}
	bpf_spin_lock(&ld);
	ADD(&rd, &f->r, less_tree);
	ADD(&rd, &g->r, less_tree);
	bpf_spin_unlock(&ld);
	return 0;
}

P(tree_add_remove)
{
	NEW(tree, f) struct bpf_rb_node *n;
	bpf_spin_lock(&ld);
	ADD(&rd, &f->r, less_tree);
	n = bpf_rbtree_remove(&rd, &f->r);
	bpf_spin_unlock(&ld);
	if (n)
		obj_drop(container_of(n, struct tree, r));
	return 0;
}

P(tree_add_remove_nonull)
{
	NEW(tree, f) struct bpf_rb_node *n;
	bpf_spin_lock(&ld);
	ADD(&rd, &f->r, less_tree);
	n = bpf_rbtree_remove(&rd, &f->r);
	bpf_spin_unlock(&ld);
	obj_drop(container_of(n, struct tree, r));
	return 0;
}

P(tree_remove_read_add)
{
	struct bpf_rb_node *n;
	bpf_spin_lock(&ld);
	n = bpf_rbtree_first(&rd);
	if (n) {
		n = bpf_rbtree_remove(&rd, n);
		if (n)
			ADD(&rd, n, less_tree);
	}
	bpf_spin_unlock(&ld);
	return 0;
}

P(tree_first_alias)
{
	struct bpf_rb_node *n, *m, *r;
	bpf_spin_lock(&ld);
	n = bpf_rbtree_first(&rd);
	m = bpf_rbtree_first(&rd);
	if (!n || !m) {
		bpf_spin_unlock(&ld);
		return 0;
	}
	r = bpf_rbtree_remove(&rd, n);
	container_of(m, struct tree, r)->key = 1;
	bpf_spin_unlock(&ld);
	if (r)
		obj_drop(container_of(r, struct tree, r));
	return 0;
}

P(tree_first_then_use)
{
	struct bpf_rb_node *n;
	struct tree *t;
	bpf_spin_lock(&ld);
	n = bpf_rbtree_first(&rd);
	if (!n) {
		bpf_spin_unlock(&ld);
		return 0;
	}
	t = container_of(n, struct tree, r);
	n = bpf_rbtree_remove(&rd, n);
	t->key = 4;
	bpf_spin_unlock(&ld);
	if (n)
		obj_drop(container_of(n, struct tree, r));
	return 0;
}

P(tree_walk)
{
	struct bpf_rb_node *n;
	long s = 0;
	bpf_spin_lock(&ld);
	n = bpf_rbtree_root(&rd);
	for (int i = 0; i < 6 && n; i++) {
		s += container_of(n, struct tree, r)->key;
		n = i & 1 ? bpf_rbtree_left(&rd, n) : bpf_rbtree_right(&rd, n);
	}
	bpf_spin_unlock(&ld);
	return s;
}

P(tree_walk_remove)
{
	struct bpf_rb_node *n;
	bpf_spin_lock(&ld);
	n = bpf_rbtree_root(&rd);
	if (n)
		n = bpf_rbtree_right(&rd, n);
	if (n)
		n = bpf_rbtree_remove(&rd, n);
	bpf_spin_unlock(&ld);
	if (n)
		obj_drop(container_of(n, struct tree, r));
	return 0;
}

P(tree_node_as_list)
{
	NEW(item, f) bpf_spin_lock(&la);
	ADD(&ra, (void *)&f->n, less);
	bpf_spin_unlock(&la);
	return 0;
}

P(tree_list_root)
{
	NEW(item, f) bpf_spin_lock(&la);
	ADD((void *)&ha, &f->r, less);
	bpf_spin_unlock(&la);
	return 0;
}

#define CB(f)                                                                                                          \
	P(tree_##f)                                                                                                    \
	{                                                                                                              \
		NEW(tree, t) bpf_spin_lock(&ld);                                                                       \
		ADD(&rd, &t->r, f);                                                                                    \
		bpf_spin_unlock(&ld);                                                                                  \
		return 0;                                                                                              \
	}

CB(less_write) CB(less_null) CB(less_drop) CB(less_helper) CB(less_throw) CB(less_new) P(tree_callback_null)
{
	NEW(tree, t) bpf_spin_lock(&ld);
	ADD(&rd, &t->r, NULL);
	bpf_spin_unlock(&ld);
	return 0;
}

P(tree_callback_scalar)
{
	NEW(tree, t) bpf_spin_lock(&ld);
	ADD(&rd, &t->r, (void *)8);
	bpf_spin_unlock(&ld);
	return 0;
}

P(ref_tree_list)
{
	NEW(both, f) struct both *g;
	g = REF(f);
	bpf_spin_lock(&lc);
	ADD(&rc, &f->r, less_both);
	if (g)
		FRONT(&hc, &g->n);
	bpf_spin_unlock(&lc);
	return 0;
}

P(ref_unchecked)
{
	NEW(both, f) struct both *g = REF(f);
	bpf_spin_lock(&lc);
	ADD(&rc, &f->r, less_both);
	FRONT(&hc, &g->n);
	bpf_spin_unlock(&lc);
	return 0;
}

P(ref_leak)
{
	NEW(both, f) struct both *g = REF(f);
	obj_drop(f);
	return 0;
}

P(ref_nonowning_unchecked)
{
	NEW(both, f) struct both *g;
	bpf_spin_lock(&lc);
	ADD(&rc, &f->r, less_both);
	g = REF(f);
	FRONT(&hc, &g->n);
	bpf_spin_unlock(&lc);
	return 0;
}

P(ref_after_unlock)
{
	NEW(both, f) struct both *g;
	bpf_spin_lock(&lc);
	ADD(&rc, &f->r, less_both);
	bpf_spin_unlock(&lc);
	g = REF(f);
	if (g)
		obj_drop(g);
	return 0;
}

P(ref_after_unlock_rcu)
{
	NEW(both, f) struct both *g;
	bpf_rcu_read_lock();
	bpf_spin_lock(&lc);
	ADD(&rc, &f->r, less_both);
	bpf_spin_unlock(&lc);
	g = REF(f);
	bpf_rcu_read_unlock();
	if (g)
		obj_drop(g);
	return 0;
}

P(ref_read_after_unlock)
{
	NEW(both, f) long r;
	bpf_spin_lock(&lc);
	ADD(&rc, &f->r, less_both);
	bpf_spin_unlock(&lc);
	r = f->key;
	return r;
}

P(ref_stack)
{
	long x = 0;
	REF(&x);
	return 0;
}

P(ref_null)
{
	struct both *g = REF(NULL);
	if (g)
		obj_drop(g);
	return 0;
}

P(ref_maybe)
{
	struct both *f = obj_new(struct both), *g = REF(f);
	if (f)
		obj_drop(f);
	if (g)
		obj_drop(g);
	return 0;
}

P(ref_offset)
{
	NEW(both, f) struct both *g = REF(&f->r);
	obj_drop(f);
	if (g)
		obj_drop(g);
	return 0;
}

P(ref_popped)
{
	struct bpf_list_node *n;
	struct both *f, *g;
	bpf_spin_lock(&lc);
	n = bpf_list_pop_front(&hc);
	if (!n) {
		bpf_spin_unlock(&lc);
		return 0;
	}
	f = container_of(n, struct both, n);
	g = REF(f);
	ADD(&rc, &g->r, less_both);
	bpf_spin_unlock(&lc);
	obj_drop(f);
	return 0;
}

P(ref_first_remove)
{
	struct bpf_rb_node *n;
	struct both *f, *g;
	bpf_spin_lock(&lc);
	n = bpf_rbtree_first(&rc);
	if (!n) {
		bpf_spin_unlock(&lc);
		return 0;
	}
	f = container_of(n, struct both, r);
	g = REF(f);
	n = bpf_rbtree_remove(&rc, &f->r);
	bpf_spin_unlock(&lc);
	if (g)
		obj_drop(g);
	if (n)
		obj_drop(container_of(n, struct both, r));
	return 0;
}

P(ref_owned_remove)
{
	NEW(both, f) struct bpf_rb_node *n;
	bpf_spin_lock(&lc);
	n = bpf_rbtree_remove(&rc, &f->r);
	bpf_spin_unlock(&lc);
	obj_drop(f);
	if (n)
		obj_drop(container_of(n, struct both, r));
	return 0;
}

P(stash_in)
{
	VAL(sm, stash) NEW(tree, f) f = bpf_kptr_xchg(&v->t, f);
	if (f)
		obj_drop(f);
	return 0;
}

P(stash_add)
{
	VAL(sm, stash) struct tree *f = bpf_kptr_xchg(&v->t, NULL);
	if (!f)
		return 0;
	bpf_spin_lock(&ld);
	ADD(&rd, &f->r, less_tree);
	bpf_spin_unlock(&ld);
	return 0;
}

P(stash_nonowning)
{
	VAL(sm, stash) NEW(tree, f) bpf_spin_lock(&ld);
	ADD(&rd, &f->r, less_tree);
	f = bpf_kptr_xchg(&v->t, f);
	bpf_spin_unlock(&ld);
	if (f)
		obj_drop(f);
	return 0;
}

P(stash_item_ref)
{
	VAL(sm, stash) struct item *f, *g = NULL;
	bpf_rcu_read_lock();
	f = v->i;
	if (f)
		g = REF(f);
	bpf_rcu_read_unlock();
	if (g)
		obj_drop(g);
	return 0;
}

P(stash_item_read)
{
	VAL(sm, stash) struct item *f;
	int r = 0;
	bpf_rcu_read_lock();
	f = v->i;
	if (f)
		r = f->data;
	bpf_rcu_read_unlock();
	return r;
}

P(stash_item_write)
{
	VAL(sm, stash) struct item *f;
	bpf_rcu_read_lock();
	f = v->i;
	if (f)
		f->data = 4;
	bpf_rcu_read_unlock();
	return 0;
}

P(stash_item_push)
{
	VAL(sm, stash) struct item *f;
	bpf_rcu_read_lock();
	f = v->i;
	if (f) {
		bpf_spin_lock(&la);
		FRONT(&ha, &f->n);
		bpf_spin_unlock(&la);
	}
	bpf_rcu_read_unlock();
	return 0;
}

P(stash_item_ref_push)
{
	VAL(sm, stash) struct item *f, *g;
	bpf_rcu_read_lock();
	f = v->i;
	if (!f) {
		bpf_rcu_read_unlock();
		return 0;
	}
	g = REF(f);
	bpf_rcu_read_unlock();
	if (!g)
		return 0;
	bpf_spin_lock(&la);
	FRONT(&ha, &g->n);
	bpf_spin_unlock(&la);
	return 0;
}

P(stash_holder)
{
	VAL(sm, stash) NEW(holder, h) struct leaf *f = obj_new(struct leaf);
	if (!f) {
		obj_drop(h);
		return 0;
	}
	bpf_spin_lock(&h->l);
	BACK(&h->h, &f->n);
	bpf_spin_unlock(&h->l);
	h = bpf_kptr_xchg(&v->h, h);
	if (h)
		obj_drop(h);
	return 0;
}

P(stash_holder_lock)
{
	VAL(sm, stash) struct holder *h;
	bpf_rcu_read_lock();
	h = v->h;
	if (h) {
		bpf_spin_lock(&h->l);
		h->x++;
		bpf_spin_unlock(&h->l);
	}
	bpf_rcu_read_unlock();
	return 0;
}

P(stash_wrong)
{
	VAL(sm, stash) NEW(leaf, f) f = bpf_kptr_xchg(&v->t, f);
	if (f)
		obj_drop(f);
	return 0;
}

P(stash_offset)
{
	VAL(sm, stash) NEW(tree, f) f = bpf_kptr_xchg(&v->t, (void *)&f->r);
	if (f)
		obj_drop(f);
	return 0;
}

P(stash_locked)
{
	VAL(sm, stash) struct tree *f;
	bpf_spin_lock(&ld);
	f = bpf_kptr_xchg(&v->t, NULL);
	bpf_spin_unlock(&ld);
	if (f)
		obj_drop(f);
	return 0;
}

static __noinline void push(struct leaf *f)
{
	bpf_spin_lock(&lb);
	BACK(&hb, &f->n);
	bpf_spin_unlock(&lb);
}

static __noinline struct leaf *make(int d)
{
	struct leaf *f = obj_new(struct leaf);
	if (f)
		f->data = d;
	return f;
}

P(in_functions)
{
	struct leaf *f = make(4);
	if (f)
		push(f);
	return 0;
}

static __noinline void lock_it(void)
{
	bpf_spin_lock(&lb);
}

static __noinline void unlock_it(void)
{
	bpf_spin_unlock(&lb);
}

P(lock_in_functions)
{
	NEW(leaf, f) lock_it();
	BACK(&hb, &f->n);
	unlock_it();
	return 0;
}

P(lock_in_function_leak)
{
	lock_it();
	return 0;
}

static int cb_push(__u32 i, void *c)
{
	struct leaf *f = obj_new(struct leaf);
	if (!f)
		return 1;
	bpf_spin_lock(&lb);
	BACK(&hb, &f->n);
	bpf_spin_unlock(&lb);
	return 0;
}

static int cb_leak(__u32 i, void *c)
{
	struct leaf *f = obj_new(struct leaf);
	return 0;
}

static int cb_drop(__u32 i, void *c)
{
	obj_drop(c);
	return 0;
}

static int cb_read(__u32 i, void *c)
{
	return ((struct leaf *)c)->data & 1;
}

P(loop_push)
{
	bpf_loop(4, cb_push, NULL, 0);
	return 0;
}

P(loop_leak)
{
	bpf_loop(4, cb_leak, NULL, 0);
	return 0;
}

P(loop_drop)
{
	NEW(leaf, f) bpf_loop(4, cb_drop, f, 0);
	return 0;
}

P(loop_read)
{
	NEW(leaf, f) bpf_loop(4, cb_read, f, 0);
	obj_drop(f);
	return 0;
}

P(loop_locked)
{
	bpf_spin_lock(&lb);
	bpf_loop(4, cb_push, NULL, 0);
	bpf_spin_unlock(&lb);
	return 0;
}

P(iter_push)
{
	struct bpf_iter_num it;
	int *p;
	bpf_iter_num_new(&it, 0, 8);
	while ((p = bpf_iter_num_next(&it))) {
		struct leaf *f = obj_new(struct leaf);
		if (!f)
			break;
		f->data = *p;
		bpf_spin_lock(&lb);
		BACK(&hb, &f->n);
		bpf_spin_unlock(&lb);
	}
	bpf_iter_num_destroy(&it);
	return 0;
}

P(iter_pop)
{
	struct bpf_iter_num it;
	struct bpf_list_node *n;
	bpf_iter_num_new(&it, 0, 8);
	while (bpf_iter_num_next(&it)) {
		bpf_spin_lock(&lb);
		n = bpf_list_pop_front(&hb);
		bpf_spin_unlock(&lb);
		if (!n)
			break;
		obj_drop(container_of(n, struct leaf, n));
	}
	bpf_iter_num_destroy(&it);
	return 0;
}

P(iter_locked_walk)
{
	struct bpf_iter_num it;
	struct bpf_rb_node *n;
	long s = 0;
	bpf_spin_lock(&ld);
	n = bpf_rbtree_root(&rd);
	bpf_iter_num_new(&it, 0, 8);
	while (bpf_iter_num_next(&it) && n) {
		s += container_of(n, struct tree, r)->key;
		n = bpf_rbtree_right(&rd, n);
	}
	bpf_iter_num_destroy(&it);
	bpf_spin_unlock(&ld);
	return s;
}

P(two_locks)
{
	bpf_spin_lock(&la);
	bpf_spin_lock(&lb);
	bpf_spin_unlock(&lb);
	bpf_spin_unlock(&la);
	return 0;
}

P(lock_twice)
{
	bpf_spin_lock(&la);
	bpf_spin_lock(&la);
	bpf_spin_unlock(&la);
	return 0;
}

P(unlock_alone)
{
	bpf_spin_unlock(&la);
	return 0;
}

P(unlock_other)
{
	bpf_spin_lock(&la);
	bpf_spin_unlock(&lb);
	return 0;
}

P(local_field_alone)
{
	NEW(item, f) int r = *(int *)&f->ref;
	obj_drop(f);
	return r;
}

P(local_cmp_null)
{
	struct leaf *f = obj_new(struct leaf);
	if (f == NULL)
		return 1;
	obj_drop(f);
	return 0;
}

P(local_to_map_value)
{
	VAL(sm, stash) NEW(leaf, f) v->x = (long)f;
	obj_drop(f);
	return 0;
}

P(local_to_update)
{
	NEW(leaf, f) int k = 0;
	bpf_map_update_elem(&sm, &k, f, 0);
	obj_drop(f);
	return 0;
}

P(local_key)
{
	NEW(leaf, f) bpf_map_lookup_elem(&sm, &f->data);
	obj_drop(f);
	return 0;
}

P(local_return)
{
	struct leaf *f = obj_new(struct leaf);
	return (long)f;
}

P(local_arith)
{
	NEW(leaf, f) f = (void *)f + bpf_get_prandom_u32();
	obj_drop(f);
	return 0;
}

P(local_neg)
{
	NEW(leaf, f) f = (void *)f - 8;
	f->data = 1;
	obj_drop((void *)f + 8);
	return 0;
}

P(local_memcpy)
{
	NEW(leaf, f) char b[4];
	bpf_probe_read_kernel(b, 4, &f->data);
	obj_drop(f);
	return b[0];
}

P(local_nested)
{
	NEW(nested, f) f->in.y = 1;
	obj_drop(f);
	return 0;
}

P(throw_held)
{
	NEW(leaf, f) bpf_throw(1);
	obj_drop(f);
	return 0;
}

P(throw_locked)
{
	bpf_spin_lock(&la);
	bpf_throw(1);
	bpf_spin_unlock(&la);
	return 0;
}

P(lock_maybe)
{
	struct holder *h = obj_new(struct holder);
	bpf_spin_lock(&h->l);
	bpf_spin_unlock(&h->l);
	if (h)
		obj_drop(h);
	return 0;
}

P(lock_stash_untrusted)
{
	VAL(sm, stash) struct holder *h;
	bpf_rcu_read_lock();
	h = v->h;
	bpf_rcu_read_unlock();
	if (h) {
		bpf_spin_lock(&h->l);
		bpf_spin_unlock(&h->l);
	}
	return 0;
}

P(lock_after_drop)
{
	NEW(holder, h) obj_drop(h);
	bpf_spin_lock(&h->l);
	bpf_spin_unlock(&h->l);
	return 0;
}

P(lock_none_there)
{
	NEW(leaf, f) bpf_spin_lock((void *)f + 24);
	bpf_spin_unlock((void *)f + 24);
	obj_drop(f);
	return 0;
}

P(lock_wrong_offset)
{
	NEW(holder, h) bpf_spin_lock((void *)h);
	bpf_spin_unlock((void *)h);
	obj_drop(h);
	return 0;
}

P(lock_stack)
{
	struct bpf_spin_lock l = {};
	bpf_spin_lock(&l);
	bpf_spin_unlock(&l);
	return 0;
}

P(lock_variable)
{
	NEW(holder, h) long i = bpf_get_prandom_u32() & 4;
	bpf_spin_lock((void *)&h->l + i);
	bpf_spin_unlock((void *)&h->l + i);
	obj_drop(h);
	return 0;
}

struct uses {
	int a;
	struct bpf_spin_lock l;
	struct bpf_list_head h __contains(item, n);
};

P(lock_two_items)
{
	NEW(uses, u) struct item *f = obj_new(struct item);
	if (!f) {
		obj_drop(u);
		return 0;
	}
	bpf_spin_lock(&u->l);
	BACK(&u->h, &f->n);
	f->data = u->a;
	bpf_spin_unlock(&u->l);
	obj_drop(u);
	return 0;
}
