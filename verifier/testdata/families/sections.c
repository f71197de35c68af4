#include "families.h"
struct bpf_dynptr_x;
extern int bpf_dynptr_from_skb(struct __sk_buff *s, __u64 flags, struct bpf_dynptr *ptr__uninit) __ksym;
extern int bpf_dynptr_clone(const struct bpf_dynptr *p, struct bpf_dynptr *c) __ksym;
extern int bpf_dynptr_adjust(const struct bpf_dynptr *p, __u32 s, __u32 e) __ksym;
extern __u32 bpf_dynptr_size(const struct bpf_dynptr *p) __ksym;
extern void *bpf_dynptr_slice(const struct bpf_dynptr *p, __u32 off, void *b, __u32 n) __ksym;
extern void *bpf_dynptr_slice_rdwr(const struct bpf_dynptr *p, __u32 off, void *b, __u32 n) __ksym;
extern void bpf_local_irq_save(unsigned long *) __ksym;
extern void bpf_local_irq_restore(unsigned long *) __ksym;

struct wv {
	long a;
	struct bpf_wq w;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, struct wv);
} wm SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, long);
} am SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} rb SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_USER_RINGBUF);
	__uint(max_entries, 4096);
} urb SEC(".maps");

#define P(name) SEC("tc") int name(struct __sk_buff *ctx)
#define VAL                                                                                                            \
	int k = 0;                                                                                                     \
	struct wv *v = bpf_map_lookup_elem(&wm, &k);                                                                   \
	if (!v)                                                                                                        \
		return 0;

static int wcb(void *map, int *key, void *value)
{
	struct wv *v = value;
	v->a += *key;
	return 0;
}

static int wcb1(void *map, int *key, void *value)
{
	return 1;
}

static int wcbs(void *map, int *key, void *value)
{
	struct wv *v = value;
	char b[8];
	bpf_copy_from_user(b, 8, (void *)v->a);
	return 0;
}

P(wq_cb)
{
	VAL bpf_wq_set_callback_impl(&v->w, wcb, 0, NULL);
	bpf_wq_start(&v->w, 0);
	return 0;
}

P(wq_cb1)
{
	VAL bpf_wq_set_callback_impl(&v->w, wcb1, 0, NULL);
	return 0;
}

P(wq_cbs)
{
	VAL bpf_wq_set_callback_impl(&v->w, wcbs, 0, NULL);
	return 0;
}

P(wq_off)
{
	VAL bpf_wq_start((void *)v, 0);
	return 0;
}

P(wq_direct)
{
	VAL return *(int *)&v->w;
}

P(wq_stack)
{
	struct bpf_wq w;
	bpf_wq_start(&w, 0);
	return 0;
}

P(irq_ok)
{
	unsigned long f;
	bpf_local_irq_save(&f);
	bpf_local_irq_restore(&f);
	return 0;
}

P(irq_twice)
{
	unsigned long f;
	bpf_local_irq_save(&f);
	bpf_local_irq_save(&f);
	bpf_local_irq_restore(&f);
	return 0;
}

P(irq_nest)
{
	unsigned long f, g;
	bpf_local_irq_save(&f);
	bpf_local_irq_save(&g);
	bpf_local_irq_restore(&g);
	bpf_local_irq_restore(&f);
	return 0;
}

P(irq_order)
{
	unsigned long f, g;
	bpf_local_irq_save(&f);
	bpf_local_irq_save(&g);
	bpf_local_irq_restore(&f);
	bpf_local_irq_restore(&g);
	return 0;
}

P(irq_leak)
{
	unsigned long f;
	bpf_local_irq_save(&f);
	return 0;
}

P(irq_cond)
{
	unsigned long f;
	if (ctx->len)
		bpf_local_irq_save(&f);
	if (ctx->len)
		bpf_local_irq_restore(&f);
	return 0;
}

static __noinline void sub_save(unsigned long *f)
{
	bpf_local_irq_save(f);
}

static __noinline void sub_restore(unsigned long *f)
{
	bpf_local_irq_restore(f);
}

P(irq_sub)
{
	unsigned long f;
	sub_save(&f);
	sub_restore(&f);
	return 0;
}

P(irq_sub_leak)
{
	unsigned long f;
	sub_save(&f);
	return 0;
}

__noinline int gsub(int x)
{
	return x + 1;
}

__noinline int gsleep(struct __sk_buff *ctx)
{
	return bpf_skb_pull_data(ctx, 1);
}

P(irq_global)
{
	unsigned long f;
	bpf_local_irq_save(&f);
	int r = gsub(ctx->len);
	bpf_local_irq_restore(&f);
	return r;
}

P(pre_global)
{
	bpf_preempt_disable();
	int r = gsub(ctx->len);
	bpf_preempt_enable();
	return r;
}

P(rcu_global)
{
	bpf_rcu_read_lock();
	int r = gsub(ctx->len);
	bpf_rcu_read_unlock();
	return r;
}

P(pre_nest)
{
	bpf_preempt_disable();
	bpf_preempt_disable();
	bpf_preempt_enable();
	bpf_preempt_enable();
	return 0;
}

P(pre_leak)
{
	bpf_preempt_disable();
	return 0;
}

P(pre_helper)
{
	bpf_preempt_disable();
	bpf_ktime_get_ns();
	bpf_preempt_enable();
	return 0;
}

static __noinline void pre_sub(void)
{
	bpf_preempt_disable();
}

P(pre_subprog)
{
	pre_sub();
	bpf_preempt_enable();
	return 0;
}

static int pcb(__u32 i, void *c)
{
	bpf_preempt_disable();
	return 0;
}

P(pre_cb)
{
	bpf_loop(3, pcb, NULL, 0);
	bpf_preempt_enable();
	return 0;
}

static int icb(__u32 i, void *c)
{
	unsigned long f;
	bpf_local_irq_save(&f);
	return 0;
}

P(irq_cb)
{
	bpf_loop(3, icb, NULL, 0);
	return 0;
}

static int rcb(__u32 i, void *c)
{
	bpf_rcu_read_lock();
	return 0;
}

P(rcu_cb)
{
	bpf_loop(3, rcb, NULL, 0);
	bpf_rcu_read_unlock();
	return 0;
}

P(throw1)
{
	if (ctx->len > 5)
		bpf_throw(1);
	return 0;
}

static __noinline int tsub(int x)
{
	if (x > 3)
		bpf_throw(x);
	return x;
}

P(throw2)
{
	return tsub(ctx->len);
}

__noinline int tglob(int x)
{
	if (x > 3)
		bpf_throw(x);
	return x;
}

P(throw3)
{
	return tglob(ctx->len);
}

P(throw_ref)
{
	void *p = bpf_ringbuf_reserve(&rb, 8, 0);
	if (!p)
		return 0;
	tglob(ctx->len);
	bpf_ringbuf_discard(p, 0);
	return 0;
}

P(throw_refs)
{
	void *p = bpf_ringbuf_reserve(&rb, 8, 0);
	if (!p)
		return 0;
	tsub(ctx->len);
	bpf_ringbuf_discard(p, 0);
	return 0;
}

P(throw_pre)
{
	bpf_preempt_disable();
	tglob(ctx->len);
	bpf_preempt_enable();
	return 0;
}

P(throw_rcu)
{
	bpf_rcu_read_lock();
	tglob(ctx->len);
	bpf_rcu_read_unlock();
	return 0;
}

static int tcb(__u32 i, void *c)
{
	if (i > 2)
		bpf_throw(i);
	return 0;
}

P(throw_cb)
{
	bpf_loop(3, tcb, NULL, 0);
	return 0;
}

static int tcb2(__u32 i, void *c)
{
	return tsub(i);
}

P(throw_cb2)
{
	bpf_loop(3, tcb2, NULL, 0);
	return 0;
}

static int tcb3(__u32 i, void *c)
{
	return tglob(i) & 1;
}

P(throw_cb3)
{
	bpf_loop(3, tcb3, NULL, 0);
	return 0;
}

P(iter1)
{
	struct bpf_iter_num it;
	int *p, s = 0;
	bpf_iter_num_new(&it, 0, 10);
	while ((p = bpf_iter_num_next(&it)))
		s += *p;
	bpf_iter_num_destroy(&it);
	return s;
}

P(iter2)
{
	struct bpf_iter_num it, jt;
	int *p, *q, s = 0;
	bpf_iter_num_new(&it, 0, 10);
	while ((p = bpf_iter_num_next(&it))) {
		bpf_iter_num_new(&jt, 0, 10);
		while ((q = bpf_iter_num_next(&jt)))
			s += *q * *p;
		bpf_iter_num_destroy(&jt);
	}
	bpf_iter_num_destroy(&it);
	return s;
}

P(iter3)
{
	struct bpf_iter_num it;
	int *p, a[8] = {};
	bpf_iter_num_new(&it, 0, 8);
	while ((p = bpf_iter_num_next(&it))) {
		if (*p < 8 && *p >= 0)
			a[*p] = *p;
	}
	bpf_iter_num_destroy(&it);
	return a[ctx->len & 7];
}

P(iter4)
{
	struct bpf_iter_num it;
	int *p, i = 0;
	bpf_iter_num_new(&it, 0, 8);
	while ((p = bpf_iter_num_next(&it))) {
		if (i++ > 100)
			break;
	}
	bpf_iter_num_destroy(&it);
	return i;
}

P(iter5)
{
	struct bpf_iter_num it;
	int *p;
	bpf_iter_num_new(&it, 0, 8);
	p = bpf_iter_num_next(&it);
	bpf_iter_num_destroy(&it);
	return p ? *p : 0;
}

P(iter6)
{
	struct bpf_iter_num it;
	int *p;
	bpf_iter_num_new(&it, 0, 8);
	p = bpf_iter_num_next(&it);
	int r = *p;
	bpf_iter_num_destroy(&it);
	return r;
}

P(iter7)
{
	struct bpf_iter_num it;
	int *p;
	bpf_iter_num_new(&it, 0, 8);
	p = bpf_iter_num_next(&it);
	if (p)
		*p = 4;
	bpf_iter_num_destroy(&it);
	return 0;
}

static __noinline int isub(struct bpf_iter_num *it)
{
	int *p = bpf_iter_num_next(it);
	return p ? *p : -1;
}

P(iter8)
{
	struct bpf_iter_num it;
	int s = 0, r;
	bpf_iter_num_new(&it, 0, 8);
	while ((r = isub(&it)) >= 0)
		s += r;
	bpf_iter_num_destroy(&it);
	return s;
}

P(dyn1)
{
	struct bpf_dynptr d;
	char b[16];
	char *p;
	if (bpf_dynptr_from_skb(ctx, 0, &d))
		return 0;
	p = bpf_dynptr_slice(&d, 0, b, 14);
	return p ? p[13] : 0;
}

P(dyn2)
{
	struct bpf_dynptr d;
	char b[16];
	char *p;
	if (bpf_dynptr_from_skb(ctx, 0, &d))
		return 0;
	p = bpf_dynptr_slice(&d, 0, b, 14);
	return p ? p[14] : 0;
}

P(dyn3)
{
	struct bpf_dynptr d;
	char b[16];
	char *p;
	if (bpf_dynptr_from_skb(ctx, 0, &d))
		return 0;
	p = bpf_dynptr_slice_rdwr(&d, 0, b, 14);
	if (p)
		p[3] = 1;
	return 0;
}

P(dyn4)
{
	struct bpf_dynptr d, e;
	bpf_dynptr_from_skb(ctx, 0, &d);
	bpf_dynptr_clone(&d, &e);
	bpf_dynptr_adjust(&e, 4, 8);
	return bpf_dynptr_size(&e);
}

P(dyn5)
{
	struct bpf_dynptr d;
	char *p;
	bpf_ringbuf_reserve_dynptr(&rb, 16, 0, &d);
	p = bpf_dynptr_data(&d, 0, 8);
	if (p)
		p[7] = 1;
	bpf_ringbuf_submit_dynptr(&d, 0);
	return 0;
}

P(dyn6)
{
	struct bpf_dynptr d;
	char *p;
	bpf_ringbuf_reserve_dynptr(&rb, 16, 0, &d);
	p = bpf_dynptr_data(&d, 0, 8);
	bpf_ringbuf_submit_dynptr(&d, 0);
	if (p)
		p[7] = 1;
	return 0;
}

P(dyn7)
{
	struct bpf_dynptr d;
	char b[8];
	int k = 0;
	long *v = bpf_map_lookup_elem(&am, &k);
	if (!v)
		return 0;
	bpf_dynptr_from_mem(v, 8, 0, &d);
	bpf_dynptr_read(b, 8, &d, 0, 0);
	bpf_dynptr_write(&d, 0, b, 8, 0);
	return b[0];
}

static long ucb(struct bpf_dynptr *d, void *c)
{
	int x = 0;
	bpf_dynptr_read(&x, 4, d, 0, 0);
	return x & 1;
}

static long ucb2(struct bpf_dynptr *d, void *c)
{
	bpf_ringbuf_submit_dynptr(d, 0);
	return 0;
}

static long ucb3(struct bpf_dynptr *d, void *c)
{
	return *(long *)d;
}

static long ucb4(struct bpf_dynptr *d, void *c)
{
	char *p = bpf_dynptr_data(d, 0, 8);
	return p ? p[0] & 1 : 0;
}

static long ucb5(struct bpf_dynptr *d, void *c)
{
	return 2;
}

P(user1)
{
	return bpf_user_ringbuf_drain(&urb, ucb, NULL, 0);
}

P(user2)
{
	return bpf_user_ringbuf_drain(&urb, ucb2, NULL, 0);
}

P(user3)
{
	return bpf_user_ringbuf_drain(&urb, ucb3, NULL, 0);
}

P(user4)
{
	return bpf_user_ringbuf_drain(&urb, ucb4, NULL, 0);
}

P(user5)
{
	return bpf_user_ringbuf_drain(&urb, ucb5, NULL, 0);
}

P(dyn_loop)
{
	struct bpf_dynptr d;
	int i;
	long *v;
	for (i = 0; i < 5; i++) {
		bpf_ringbuf_reserve_dynptr(&rb, 16, 0, &d);
		bpf_ringbuf_discard_dynptr(&d, 0);
	}
	return 0;
}

P(dyn_branch)
{
	struct bpf_dynptr d;
	bpf_ringbuf_reserve_dynptr(&rb, 16, 0, &d);
	if (ctx->len)
		bpf_ringbuf_discard_dynptr(&d, 0);
	return 0;
}
