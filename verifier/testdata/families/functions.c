#include "families.h"
#include "kfuncs.h"

/* Single kernel functions of networking, maps, strings; casts; sockets. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, int);
	__type(value, long);
} hm SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 8);
	__type(key, int);
	__type(value, long);
} pm SEC(".maps");

int total;
char scratch[64];
const char fmt[] = "%d %s";
const char bad_end[4] = {'a', 'b', 'c', 'd'};
char soft[8] = "abc";
#define T(name) SEC("tc") int name(struct __sk_buff *skb)
#define X(name) SEC("xdp") int name(struct xdp_md *xdp)
#define R(name) SEC("raw_tp/sys_enter") int name(__u64 *ctx)
#define Y(name) SEC("syscall") int name(void *ctx)
#define P(name) SEC("tp_btf/task_newtask") int name(__u64 *ctx)
#define TUP                                                                                                            \
	struct bpf_sock_tuple t = {};                                                                                  \
	struct bpf_ct_opts o = {.netns_id = -1, .l4proto = 6};

/* connection tracking */
T(ct_lookup)
{
	TUP struct nf_conn *c = bpf_skb_ct_lookup(skb, &t, sizeof(t.ipv4), &o, sizeof(o));
	if (!c)
		return o.error;
	int r = c->mark;
	bpf_ct_release(c);
	return r;
}

T(ct_lookup_leak)
{
	TUP bpf_skb_ct_lookup(skb, &t, sizeof(t.ipv4), &o, sizeof(o));
	return 0;
}

T(ct_lookup_nonull)
{
	TUP bpf_ct_release(bpf_skb_ct_lookup(skb, &t, sizeof(t.ipv4), &o, sizeof(o)));
	return 0;
}

T(ct_write_mark)
{
	TUP struct nf_conn *c = bpf_skb_ct_lookup(skb, &t, sizeof(t.ipv4), &o, sizeof(o));
	if (!c)
		return 0;
	c->mark = 5;
	bpf_ct_release(c);
	return 0;
}

T(ct_write_status)
{
	TUP struct nf_conn *c = bpf_skb_ct_lookup(skb, &t, sizeof(t.ipv4), &o, sizeof(o));
	if (!c)
		return 0;
	c->status = 0x1000;
	bpf_ct_release(c);
	return 0;
}

T(ct_alloc)
{
	TUP struct nf_conn___init *n = bpf_skb_ct_alloc(skb, &t, sizeof(t.ipv4), &o, sizeof(o));
	struct nf_conn *c;
	if (!n)
		return 0;
	bpf_ct_set_timeout(n, 1000);
	bpf_ct_set_status(n, 8);
	n->mark = 7;
	c = bpf_ct_insert_entry(n);
	if (c)
		bpf_ct_release(c);
	return 0;
}

T(ct_alloc_nat)
{
	TUP union nf_inet_addr a = {};
	struct nf_conn___init *n = bpf_skb_ct_alloc(skb, &t, sizeof(t.ipv4), &o, sizeof(o));
	struct nf_conn *c;
	if (!n)
		return 0;
	bpf_ct_set_nat_info(n, &a, 80, 0);
	c = bpf_ct_insert_entry(n);
	if (!c)
		return 0;
	bpf_ct_change_timeout(c, 9);
	bpf_ct_change_status(c, 8);
	bpf_ct_release(c);
	return 0;
}

T(ct_alloc_release)
{
	TUP struct nf_conn___init *n = bpf_skb_ct_alloc(skb, &t, sizeof(t.ipv4), &o, sizeof(o));
	if (n)
		bpf_ct_release((void *)n);
	return 0;
}

T(ct_alloc_leak)
{
	TUP bpf_skb_ct_alloc(skb, &t, sizeof(t.ipv4), &o, sizeof(o));
	return 0;
}

T(ct_lookup_insert)
{
	TUP struct nf_conn *c = bpf_skb_ct_lookup(skb, &t, sizeof(t.ipv4), &o, sizeof(o));
	if (c)
		bpf_ct_insert_entry((void *)c);
	return 0;
}

T(ct_lookup_set_timeout)
{
	TUP struct nf_conn *c = bpf_skb_ct_lookup(skb, &t, sizeof(t.ipv4), &o, sizeof(o));
	if (!c)
		return 0;
	bpf_ct_set_timeout((void *)c, 1);
	bpf_ct_release(c);
	return 0;
}

T(ct_alloc_change)
{
	TUP struct nf_conn___init *n = bpf_skb_ct_alloc(skb, &t, sizeof(t.ipv4), &o, sizeof(o));
	struct nf_conn *c;
	if (!n)
		return 0;
	bpf_ct_change_status((void *)n, 1);
	c = bpf_ct_insert_entry(n);
	if (c)
		bpf_ct_release(c);
	return 0;
}

T(ct_insert_twice)
{
	TUP struct nf_conn___init *n = bpf_skb_ct_alloc(skb, &t, sizeof(t.ipv4), &o, sizeof(o));
	struct nf_conn *c;
	if (!n)
		return 0;
	c = bpf_ct_insert_entry(n);
	if (c)
		bpf_ct_release(c);
	c = bpf_ct_insert_entry(n);
	if (c)
		bpf_ct_release(c);
	return 0;
}

T(ct_uninit_opts)
{
	struct bpf_sock_tuple t = {};
	struct bpf_ct_opts o;
	struct nf_conn *c = bpf_skb_ct_lookup(skb, &t, sizeof(t.ipv4), &o, sizeof(o));
	if (c)
		bpf_ct_release(c);
	return 0;
}

T(ct_null_tuple)
{
	TUP struct nf_conn *c = bpf_skb_ct_lookup(skb, NULL, sizeof(t.ipv4), &o, sizeof(o));
	if (c)
		bpf_ct_release(c);
	return 0;
}

T(ct_size_variable)
{
	TUP struct nf_conn *c = bpf_skb_ct_lookup(skb, &t, skb->len & 15, &o, sizeof(o));
	if (c)
		bpf_ct_release(c);
	return 0;
}

T(ct_size_unbounded)
{
	TUP struct nf_conn *c = bpf_skb_ct_lookup(skb, &t, skb->len, &o, sizeof(o));
	if (c)
		bpf_ct_release(c);
	return 0;
}

X(ct_xdp)
{
	TUP struct nf_conn *c = bpf_xdp_ct_lookup(xdp, &t, sizeof(t.ipv4), &o, sizeof(o));
	if (!c)
		return 2;
	c->mark = 1;
	bpf_ct_release(c);
	return 2;
}

X(ct_xdp_alloc)
{
	TUP struct nf_conn___init *n = bpf_xdp_ct_alloc(xdp, &t, sizeof(t.ipv4), &o, sizeof(o));
	struct nf_conn *c;
	if (!n)
		return 2;
	c = bpf_ct_insert_entry(n);
	if (c)
		bpf_ct_release(c);
	return 2;
}

X(ct_skb_in_xdp)
{
	TUP struct nf_conn *c = bpf_skb_ct_lookup((void *)xdp, &t, sizeof(t.ipv4), &o, sizeof(o));
	if (c)
		bpf_ct_release(c);
	return 2;
}

X(ct_local_throw)
{
	TUP struct nf_conn *c = bpf_xdp_ct_lookup(xdp, &t, sizeof(t.ipv4), &o, sizeof(o));
	if (!c)
		bpf_throw(0);
	bpf_ct_release(c);
	return 2;
}

X(xfrm)
{
	struct bpf_xfrm_state_opts o = {};
	struct xfrm_state *x = bpf_xdp_get_xfrm_state(xdp, &o, sizeof(o));
	if (!x)
		return 2;
	bpf_xdp_xfrm_state_release(x);
	return 1;
}

X(xfrm_leak)
{
	struct bpf_xfrm_state_opts o = {};
	bpf_xdp_get_xfrm_state(xdp, &o, sizeof(o));
	return 2;
}

X(meta_hash)
{
	__u32 h;
	int t;
	return bpf_xdp_metadata_rx_hash(xdp, &h, (void *)&t) ? 2 : 1;
}

X(meta_time)
{
	__u64 t;
	return bpf_xdp_metadata_rx_timestamp(xdp, &t) ? 2 : 1;
}

X(meta_vlan)
{
	__u16 p, t;
	return bpf_xdp_metadata_rx_vlan_tag(xdp, &p, &t) ? 2 : 1;
}

X(meta_null)
{
	return bpf_xdp_metadata_rx_timestamp(xdp, NULL) ? 2 : 1;
}

X(meta_scalar)
{
	return bpf_xdp_metadata_rx_timestamp(xdp, (void *)(long)xdp->rx_queue_index) ? 2 : 1;
}

T(tcp_reqsk)
{
	struct bpf_tcp_req_attrs a = {};
	struct bpf_sock_tuple t = {};
	struct bpf_sock *s = bpf_skc_lookup_tcp(skb, &t, sizeof(t.ipv4), -1, 0);
	return 0;
}

/* casts */
T(kern_ctx)
{
	struct sk_buff *k = bpf_cast_to_kern_ctx(skb);
	return k->len;
}

T(kern_ctx_write)
{
	struct sk_buff *k = bpf_cast_to_kern_ctx(skb);
	k->len = 1;
	return 0;
}

T(kern_ctx_sk)
{
	struct sk_buff *k = bpf_cast_to_kern_ctx(skb);
	return k->sk ? k->sk->sk_rcvbuf : 0;
}

T(kern_ctx_stack)
{
	long x = 0;
	bpf_cast_to_kern_ctx(&x);
	return 0;
}

T(kern_ctx_null)
{
	bpf_cast_to_kern_ctx(NULL);
	return 0;
}

T(rdonly_cast)
{
	struct sk_buff *k = bpf_cast_to_kern_ctx(skb), *q = bpf_rdonly_cast(k, bpf_core_type_id_kernel(struct sk_buff));
	return q->len;
}

T(rdonly_cast_write)
{
	struct sk_buff *q = bpf_rdonly_cast(skb, bpf_core_type_id_kernel(struct sk_buff));
	q->len = 1;
	return 0;
}

T(rdonly_cast_int)
{
	int *q = bpf_rdonly_cast(skb, bpf_core_type_id_kernel(int));
	return *q;
}

T(rdonly_cast_void)
{
	char *q = bpf_rdonly_cast(skb, 0);
	return q[100];
}

T(rdonly_cast_void_write)
{
	char *q = bpf_rdonly_cast(skb, 0);
	q[100] = 1;
	return 0;
}

T(rdonly_cast_void_variable)
{
	char *q = bpf_rdonly_cast(skb, 0);
	return q[skb->len];
}

T(rdonly_cast_void_helper)
{
	char *q = bpf_rdonly_cast(skb, 0), b[4];
	bpf_probe_read_kernel(b, 4, q);
	return b[0];
}

T(rdonly_cast_void_as_mem)
{
	char *q = bpf_rdonly_cast(skb, 0);
	int k = 0;
	bpf_map_update_elem(&hm, &k, q, 0);
	return 0;
}

T(rdonly_cast_variable)
{
	struct sk_buff *q = bpf_rdonly_cast(skb, skb->len);
	return q->len;
}

T(rdonly_cast_huge)
{
	struct sk_buff *q = bpf_rdonly_cast(skb, 99999999);
	return q->len;
}

P(rdonly_cast_task)
{
	struct task_struct *t = bpf_rdonly_cast((void *)ctx[2], bpf_core_type_id_kernel(struct task_struct));
	return t->real_parent->pid;
}

P(rdonly_cast_acquire)
{
	struct task_struct *t = bpf_rdonly_cast((void *)ctx[0], bpf_core_type_id_kernel(struct task_struct)),
			   *q = bpf_task_acquire(t);
	if (q)
		bpf_task_release(q);
	return 0;
}

/* maps */
R(sum)
{
	return bpf_map_sum_elem_count((void *)&hm);
}

SEC("iter/bpf_map") int sum_iter(struct bpf_iter__bpf_map *ctx)
{
	struct bpf_map *m = ctx->map;
	return m ? bpf_map_sum_elem_count(m) & 1 : 0;
}

SEC("iter/bpf_map") int sum_iter_null(struct bpf_iter__bpf_map *ctx)
{
	return bpf_map_sum_elem_count(ctx->map) & 1;
}

SEC("iter/bpf_map") int map_field(struct bpf_iter__bpf_map *ctx)
{
	struct bpf_map *m = ctx->map;
	return m ? m->max_entries & 1 : 0;
}

R(sum_null)
{
	return bpf_map_sum_elem_count(NULL);
}

R(sum_value)
{
	int k = 0;
	long *v = bpf_map_lookup_elem(&hm, &k);
	return v ? bpf_map_sum_elem_count((void *)v) : 0;
}

P(sum_task)
{
	return bpf_map_sum_elem_count((void *)ctx[0]);
}

/* sockets */
SEC("iter/tcp") int destroy(struct bpf_iter__tcp *ctx)
{
	struct sock_common *s = ctx->sk_common;
	if (s)
		bpf_sock_destroy(s);
	return 0;
}

SEC("iter/tcp") int destroy_null(struct bpf_iter__tcp *ctx)
{
	bpf_sock_destroy(ctx->sk_common);
	return 0;
}

P(destroy_tp)
{
	bpf_sock_destroy((void *)ctx[0]);
	return 0;
}

SEC("iter/task") int destroy_task(struct bpf_iter__task *ctx)
{
	if (ctx->task)
		bpf_sock_destroy((void *)ctx->task);
	return 0;
}

SEC("cgroup/connect_unix") int sun_path(struct bpf_sock_addr *ctx)
{
	struct bpf_sock_addr_kern *k = bpf_cast_to_kern_ctx(ctx);
	return bpf_sock_addr_set_sun_path(k, (const __u8 *)"abc", 3) == 0;
}

SEC("cgroup/connect_unix") int sun_path_ctx(struct bpf_sock_addr *ctx)
{
	return bpf_sock_addr_set_sun_path((void *)ctx, (const __u8 *)"abc", 3) == 0;
}

SEC("cgroup/connect_unix") int sun_path_large(struct bpf_sock_addr *ctx)
{
	char p[8] = {};
	struct bpf_sock_addr_kern *k = bpf_cast_to_kern_ctx(ctx);
	return bpf_sock_addr_set_sun_path(k, (void *)p, 9) == 0;
}

SEC("sockops") int tx_tstamp(struct bpf_sock_ops *ctx)
{
	struct bpf_sock_ops_kern *k = bpf_cast_to_kern_ctx(ctx);
	return bpf_sock_ops_enable_tx_tstamp(k, 0);
}

SEC("sockops") int tx_tstamp_ctx(struct bpf_sock_ops *ctx)
{
	return bpf_sock_ops_enable_tx_tstamp((void *)ctx, 0);
}

/* strings */
R(strings)
{
	return bpf_strlen(fmt) + bpf_strcmp(fmt, scratch) + bpf_strchr(scratch, 'a') + bpf_strnlen(scratch, 4) +
	       bpf_strstr(fmt, soft) + bpf_strspn(fmt, soft) + bpf_strnstr(fmt, soft, 2) + bpf_strcasecmp(fmt, soft);
}

R(strings_any)
{
	return bpf_strlen((void *)ctx[1]) + bpf_strlen(NULL);
}

R(stream)
{
	int a = 1;
	return bpf_stream_vprintk_impl(1, fmt, &a, 4, NULL);
}

R(stream_soft)
{
	long a[2] = {};
	return bpf_stream_vprintk_impl(1, soft, a, 16, NULL);
}

R(stream_endless)
{
	long a[2] = {};
	return bpf_stream_vprintk_impl(1, bad_end, a, 16, NULL);
}

R(stream_null)
{
	return bpf_stream_vprintk_impl(1, fmt, NULL, 0, NULL);
}

/* others */
Y(keys)
{
	struct bpf_key *k = bpf_lookup_user_key(1, 0);
	if (k)
		bpf_key_put(k);
	k = bpf_lookup_system_key(1);
	if (k)
		bpf_key_put(k);
	return 0;
}

R(keys_atomic)
{
	struct bpf_key *k = bpf_lookup_user_key(1, 0);
	if (k)
		bpf_key_put(k);
	return 0;
}

R(key_leak)
{
	bpf_lookup_system_key(1);
	return 0;
}

P(rstat)
{
	bpf_rcu_read_lock();
	struct task_struct *t = (void *)ctx[0];
	css_rstat_updated(&t->cgroups->dfl_cgrp->self, 0);
	bpf_rcu_read_unlock();
	return 0;
}

SEC("iter.s/cgroup") int rstat_flush(struct bpf_iter__cgroup *ctx)
{
	struct cgroup *g = ctx->cgroup;
	if (!g)
		return 1;
	css_rstat_flush(&g->self);
	return 0;
}

SEC("iter/cgroup") int rstat_flush_atomic(struct bpf_iter__cgroup *ctx)
{
	struct cgroup *g = ctx->cgroup;
	if (!g)
		return 1;
	css_rstat_flush(&g->self);
	return 0;
}

SEC("iter.s/cgroup") int rstat_flush_rcu(struct bpf_iter__cgroup *ctx)
{
	struct cgroup *g = ctx->cgroup;
	if (!g)
		return 1;
	bpf_rcu_read_lock();
	css_rstat_flush(&g->self);
	bpf_rcu_read_unlock();
	return 0;
}

SEC("iter.s/cgroup") int cgroup_iter_acquire(struct bpf_iter__cgroup *ctx)
{
	struct cgroup *g = ctx->cgroup;
	if (!g)
		return 1;
	g = bpf_cgroup_acquire(g);
	if (g)
		bpf_cgroup_release(g);
	return 0;
}

SEC("kprobe.session") int session(void *ctx)
{
	return bpf_session_is_return() ? 0 : 1;
}

SEC("kprobe") int no_session(void *ctx)
{
	return bpf_session_is_return();
}

/* congestion control */

struct tcp_congestion_ops {
	void (*init)(struct sock *sk);
	unsigned (*ssthresh)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, unsigned ack, unsigned acked);
	unsigned (*undo_cwnd)(struct sock *sk);
	char name[16];
};

#define O(name) SEC("struct_ops") int name(unsigned long long *ctx)

O(ca_avoid)
{
	struct sock *sk = (void *)ctx[0];
	tcp_reno_cong_avoid(sk, ctx[1], ctx[2]);
	return 0;
}

O(ca_ssthresh)
{
	struct sock *sk = (void *)ctx[0];
	return tcp_reno_ssthresh(sk);
}

O(ca_undo)
{
	struct tcp_sock *tp = (void *)ctx[0];
	return tp->snd_cwnd + tcp_reno_undo_cwnd((void *)tp);
}

O(ca_slow_start)
{
	struct tcp_sock *tp = (void *)ctx[0];
	if (tp->snd_cwnd < tp->snd_ssthresh)
		tcp_slow_start(tp, ctx[2]);
	else
		tcp_cong_avoid_ai(tp, tp->snd_cwnd, 1);
	return 0;
}

O(ca_write)
{
	struct tcp_sock *tp = (void *)ctx[0];
	tp->snd_cwnd = 10;
	tp->snd_ssthresh = 4;
	return 0;
}

O(ca_write_other)
{
	struct sock *sk = (void *)ctx[0];
	sk->sk_rcvbuf = 10;
	return 0;
}

O(ca_task)
{
	struct task_struct *t = bpf_task_from_pid(1);
	if (t)
		bpf_task_release(t);
	return 0;
}

O(ca_null)
{
	tcp_reno_undo_cwnd(NULL);
	return 0;
}

O(ca_rcu)
{
	bpf_rcu_read_lock();
	bpf_rcu_read_unlock();
	return 0;
}

O(ca_leak)
{
	bpf_rcu_read_lock();
	return 0;
}

O(ca_void_return)
{
	return ctx[0];
}

O(ca_untrusted)
{
	struct tcp_sock *tp = (void *)ctx[0];
	struct sk_buff *k = bpf_rdonly_cast(tp, bpf_core_type_id_kernel(struct sk_buff));
	tcp_reno_ssthresh(k->sk);
	return 0;
}

#define OPS(n, a, b, c, d)                                                                                             \
	SEC(".struct_ops.link")                                                                                        \
	struct tcp_congestion_ops n = {                                                                                \
		.init = (void *)a, .ssthresh = (void *)b, .cong_avoid = (void *)c, .undo_cwnd = (void *)d, .name = #n}
OPS(ops1, ca_write, ca_ssthresh, ca_avoid, ca_undo);
OPS(ops2, ca_write_other, ca_null, ca_slow_start, ca_void_return);
OPS(ops3, ca_task, NULL, ca_untrusted, NULL);
OPS(ops4, ca_rcu, NULL, NULL, NULL);
OPS(ops5, ca_leak, NULL, NULL, NULL);

X(meta_uninit)
{
	__u64 t;
	int r;
	asm volatile("r1 = %1; call %2; %0 = r0"
		     : "=r"(r)
		     : "r"(xdp), "i"(bpf_xdp_metadata_rx_timestamp)
		     : "r0", "r1", "r2", "r3", "r4", "r5");
	return 2;
}

T(slice_size_uninit)
{
	struct bpf_dynptr d;
	int r;
	char b[4];
	bpf_dynptr_from_skb(skb, 0, &d);
	if (skb->len)
		return bpf_dynptr_slice(&d, 0, b, 4) != NULL;
	asm volatile("r1 = %1; r2 = 0; r3 = 0; call %2; %0 = r0"
		     : "=r"(r)
		     : "r"(&d), "i"(bpf_dynptr_slice)
		     : "r0", "r1", "r2", "r3", "r4", "r5");
	return 2;
}

P(release_uninit)
{
	int r;
	asm volatile("call %1; %0 = r0" : "=r"(r) : "i"(bpf_task_release) : "r0", "r1", "r2", "r3", "r4", "r5");
	return 2;
}

P(number_uninit)
{
	int r;
	asm volatile("call 7; call %1; %0 = r0"
		     : "=r"(r)
		     : "i"(bpf_task_from_pid)
		     : "r0", "r1", "r2", "r3", "r4", "r5");
	return 2;
}
