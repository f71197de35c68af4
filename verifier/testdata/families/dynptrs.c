#include "families.h"
#include "kfuncs.h"

/* Dynptrs. */
struct sample {
	int pid;
	long value;
	char text[32];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, struct sample);
} am SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} rb SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_USER_RINGBUF);
	__uint(max_entries, 4096);
} urb SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, struct bpf_dynptr);
} dm SEC(".maps");

struct hidden {
	struct bpf_crypto_ctx __kptr *c;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, struct hidden);
} cm SEC(".maps");

int total;
char scratch[64];
const char fmt[] = "%d";
#define T(name) SEC("tc") int name(struct __sk_buff *skb)
#define X(name) SEC("xdp") int name(struct xdp_md *xdp)
#define R(name) SEC("raw_tp/sys_enter") int name(void *ctx)
#define Y(name) SEC("syscall") int name(void *ctx)
#define VAL                                                                                                            \
	int k = 0;                                                                                                     \
	struct sample *v = bpf_map_lookup_elem(&am, &k);                                                               \
	if (!v)                                                                                                        \
		return 0;
#define RB(d, n) bpf_ringbuf_reserve_dynptr(&rb, n, 0, &d)
#define DONE(d)	 bpf_ringbuf_discard_dynptr(&d, 0)

R(mem_clone)
{
	struct bpf_dynptr d, e;
	VAL bpf_dynptr_from_mem(v, sizeof(*v), 0, &d);
	bpf_dynptr_clone(&d, &e);
	return bpf_dynptr_size(&e) == bpf_dynptr_size(&d);
}

R(mem_stack)
{
	struct bpf_dynptr d;
	char b[8];
	bpf_dynptr_from_mem(b, 8, 0, &d);
	return 0;
}

R(mem_ctx)
{
	struct bpf_dynptr d;
	bpf_dynptr_from_mem(ctx, 8, 0, &d);
	return 0;
}

R(mem_global)
{
	struct bpf_dynptr d;
	bpf_dynptr_from_mem(scratch, sizeof(scratch), 0, &d);
	return bpf_dynptr_is_rdonly(&d) + bpf_dynptr_is_null(&d);
}

R(mem_rodata)
{
	struct bpf_dynptr d;
	bpf_dynptr_from_mem((void *)fmt, 2, 0, &d);
	return 0;
}

R(mem_too_large)
{
	struct bpf_dynptr d;
	VAL bpf_dynptr_from_mem(v, sizeof(*v) + 8, 0, &d);
	return 0;
}

R(mem_variable)
{
	struct bpf_dynptr d;
	VAL bpf_dynptr_from_mem(v, bpf_get_prandom_u32() & 15, 0, &d);
	return 0;
}

R(mem_ringbuf)
{
	struct bpf_dynptr d;
	void *p = bpf_ringbuf_reserve(&rb, 16, 0);
	if (!p)
		return 0;
	bpf_dynptr_from_mem(p, 16, 0, &d);
	bpf_ringbuf_discard(p, 0);
	return 0;
}

R(ring_leak)
{
	struct bpf_dynptr d;
	RB(d, 8);
	return 0;
}

R(ring_leak_clone)
{
	struct bpf_dynptr d, e;
	RB(d, 8);
	bpf_dynptr_clone(&d, &e);
	return 0;
}

R(ring_clone_discard)
{
	struct bpf_dynptr d, e;
	RB(d, 8);
	bpf_dynptr_clone(&d, &e);
	bpf_ringbuf_discard_dynptr(&e, 0);
	return 0;
}

R(ring_clone_twice)
{
	struct bpf_dynptr d, e;
	RB(d, 8);
	bpf_dynptr_clone(&d, &e);
	DONE(e);
	DONE(d);
	return 0;
}

R(ring_clone_read)
{
	struct bpf_dynptr d, e;
	RB(d, 8);
	bpf_dynptr_clone(&d, &e);
	DONE(d);
	bpf_dynptr_read(scratch, 8, &e, 0, 0);
	return 0;
}

R(ring_clone_slice)
{
	struct bpf_dynptr d, e;
	char *p, b[8];
	RB(d, 8);
	bpf_dynptr_clone(&d, &e);
	p = bpf_dynptr_data(&e, 0, 8);
	DONE(d);
	if (p)
		*p = 1;
	return 0;
}

R(ring_clone_over)
{
	struct bpf_dynptr d, e;
	RB(d, 8);
	RB(e, 8);
	bpf_dynptr_clone(&d, &e);
	DONE(d);
	DONE(e);
	return 0;
}

R(ring_clone_uninit)
{
	struct bpf_dynptr d, e;
	bpf_dynptr_clone(&d, &e);
	return 0;
}

R(ring_clone_self)
{
	struct bpf_dynptr d;
	RB(d, 8);
	bpf_dynptr_clone(&d, &d);
	DONE(d);
	return 0;
}

R(ring_adjust)
{
	struct bpf_dynptr d;
	RB(d, 64);
	bpf_dynptr_adjust(&d, 8, 16);
	bpf_dynptr_memset(&d, 0, 8, 7);
	DONE(d);
	return 0;
}

R(ring_data_variable)
{
	struct bpf_dynptr d;
	RB(d, 64);
	bpf_dynptr_data(&d, 0, bpf_get_prandom_u32() & 7);
	DONE(d);
	return 0;
}

R(ring_data_beyond)
{
	struct bpf_dynptr d;
	char *p;
	RB(d, 64);
	p = bpf_dynptr_data(&d, 0, 8);
	if (p)
		p[8] = 1;
	DONE(d);
	return 0;
}

R(ring_data_nonull)
{
	struct bpf_dynptr d;
	char *p;
	RB(d, 64);
	p = bpf_dynptr_data(&d, 0, 8);
	*p = 1;
	DONE(d);
	return 0;
}

R(ring_data_release)
{
	struct bpf_dynptr d;
	char *p;
	RB(d, 64);
	p = bpf_dynptr_data(&d, 0, 8);
	if (!p) {
		DONE(d);
		return 0;
	}
	bpf_ringbuf_submit(p, 0);
	return 0;
}

R(ring_write_own)
{
	struct bpf_dynptr d;
	char *p;
	RB(d, 64);
	p = bpf_dynptr_data(&d, 0, 16);
	if (p)
		bpf_dynptr_write(&d, 0, p, 16, 0);
	DONE(d);
	return 0;
}

R(ring_overwrite)
{
	struct bpf_dynptr d;
	RB(d, 8);
	*(volatile long *)&d = 1;
	DONE(d);
	return 0;
}

R(ring_overwrite_half)
{
	struct bpf_dynptr d;
	RB(d, 8);
	*((volatile int *)&d + 3) = 1;
	DONE(d);
	return 0;
}

R(ring_overwrite_helper)
{
	struct bpf_dynptr d;
	RB(d, 8);
	bpf_probe_read_kernel(&d, 8, NULL);
	DONE(d);
	return 0;
}

R(ring_read_raw)
{
	struct bpf_dynptr d;
	RB(d, 8);
	total = *(volatile int *)&d;
	DONE(d);
	return 0;
}

R(ring_as_memory)
{
	struct bpf_dynptr d;
	RB(d, 8);
	bpf_map_update_elem(&am, &d, scratch, 0);
	DONE(d);
	return 0;
}

R(ring_in_map)
{
	struct bpf_dynptr d;
	int k = 0;
	RB(d, 8);
	bpf_map_update_elem(&dm, &k, &d, 0);
	DONE(d);
	return 0;
}

R(ring_as_sample)
{
	struct bpf_dynptr d;
	RB(d, 8);
	bpf_ringbuf_output(&rb, &d, sizeof(d), 0);
	DONE(d);
	return 0;
}

R(ring_offset)
{
	struct bpf_dynptr d[2];
	RB(d[0], 8);
	bpf_ringbuf_discard_dynptr((void *)d + 8, 0);
	return 0;
}

R(ring_global)
{
	int k = 0;
	struct bpf_dynptr *d = bpf_map_lookup_elem(&dm, &k);
	if (!d)
		return 0;
	bpf_ringbuf_reserve_dynptr(&rb, 8, 0, d);
	return 0;
}

R(ring_variable_slot)
{
	struct bpf_dynptr d[2];
	long i = bpf_get_prandom_u32() & 1;
	RB(d[0], 8);
	bpf_ringbuf_discard_dynptr(&d[i], 0);
	return 0;
}

R(ring_exit_early)
{
	struct bpf_dynptr d;
	if (RB(d, 8) < 0)
		return 0;
	DONE(d);
	return 0;
}

R(ring_size_null)
{
	struct bpf_dynptr d;
	RB(d, 8);
	DONE(d);
	return bpf_dynptr_size(&d);
}

R(copy)
{
	struct bpf_dynptr d, e;
	VAL RB(d, 32);
	bpf_dynptr_from_mem(v, 40, 0, &e);
	bpf_dynptr_copy(&d, 0, &e, 4, 16);
	DONE(d);
	return 0;
}

R(copy_uninit)
{
	struct bpf_dynptr d, e;
	RB(d, 32);
	bpf_dynptr_copy(&d, 0, &e, 4, 16);
	DONE(d);
	return 0;
}

R(probe_dynptr)
{
	struct bpf_dynptr d;
	RB(d, 32);
	bpf_probe_read_kernel_dynptr(&d, 0, 8, ctx);
	bpf_probe_read_user_str_dynptr(&d, 0, 8, ctx);
	DONE(d);
	return 0;
}

R(copy_user_atomic)
{
	struct bpf_dynptr d;
	RB(d, 32);
	bpf_copy_from_user_dynptr(&d, 0, 8, ctx);
	DONE(d);
	return 0;
}

Y(copy_user)
{
	struct bpf_dynptr d;
	RB(d, 32);
	bpf_copy_from_user_dynptr(&d, 0, 8, ctx);
	bpf_copy_from_user_str_dynptr(&d, 0, 8, ctx);
	DONE(d);
	return 0;
}

Y(copy_user_task)
{
	struct bpf_dynptr d;
	struct task_struct *t = bpf_task_from_pid(1);
	if (!t)
		return 0;
	RB(d, 32);
	bpf_copy_from_user_task_dynptr(&d, 0, 8, ctx, t);
	bpf_copy_from_user_task_str_dynptr(&d, 0, 8, ctx, t);
	DONE(d);
	bpf_task_release(t);
	return 0;
}

Y(copy_user_str)
{
	char b[16];
	struct task_struct *t = bpf_get_current_task_btf();
	return bpf_copy_from_user_str(b, sizeof(b), ctx, 1) + bpf_copy_from_user_task_str(b, sizeof(b), ctx, t, 0);
}

R(loop)
{
	struct bpf_dynptr d;
	for (int i = 0; i < 10; i++) {
		RB(d, 8);
		if (i == 3) {
			DONE(d);
			break;
		}
		DONE(d);
	}
	return 0;
}

R(loop_leak)
{
	struct bpf_dynptr d;
	for (int i = 0; i < 3; i++)
		RB(d, 8);
	DONE(d);
	return 0;
}

static __noinline int global_like(struct bpf_dynptr *d)
{
	return bpf_dynptr_write(d, 0, scratch, 8, 0);
}

R(in_function)
{
	struct bpf_dynptr d;
	RB(d, 8);
	global_like(&d);
	DONE(d);
	return 0;
}

static __noinline void make(struct bpf_dynptr *d)
{
	bpf_ringbuf_reserve_dynptr(&rb, 8, 0, d);
}

static __noinline void end(struct bpf_dynptr *d)
{
	bpf_ringbuf_submit_dynptr(d, 0);
}

R(in_functions)
{
	struct bpf_dynptr d;
	make(&d);
	end(&d);
	return 0;
}

__noinline int takes(const struct bpf_dynptr *d)
{
	char b[8];
	return bpf_dynptr_read(b, 8, d, 0, 0);
}

__noinline int takes_write(struct bpf_dynptr *d)
{
	return bpf_dynptr_write(d, 0, scratch, 8, 0);
}

__noinline int takes_size(const struct bpf_dynptr *d)
{
	return bpf_dynptr_size(d);
}

__noinline int takes_end(struct bpf_dynptr *d)
{
	bpf_ringbuf_discard_dynptr(d, 0);
	return 0;
}

__noinline int takes_clone(struct bpf_dynptr *d)
{
	struct bpf_dynptr e;
	bpf_dynptr_clone(d, &e);
	return bpf_dynptr_size(&e);
}

__noinline int takes_slice(struct bpf_dynptr *d)
{
	char b[8], *p = bpf_dynptr_slice(d, 0, b, 8);
	return p ? p[7] : 0;
}

R(to_global)
{
	struct bpf_dynptr d;
	RB(d, 8);
	takes(&d);
	takes_size(&d);
	takes_clone(&d);
	takes_slice(&d);
	DONE(d);
	return 0;
}

R(to_global_write)
{
	struct bpf_dynptr d;
	RB(d, 8);
	takes_write(&d);
	DONE(d);
	return 0;
}

R(to_global_end)
{
	struct bpf_dynptr d;
	RB(d, 8);
	takes_end(&d);
	return 0;
}

R(to_global_uninit)
{
	struct bpf_dynptr d;
	return takes(&d);
}

R(to_global_stack)
{
	long x[2] = {};
	return takes((void *)x);
}

R(to_global_null)
{
	return takes(NULL);
}

static int cb_data(__u32 i, void *c)
{
	char *p = bpf_dynptr_data(c, 0, 8);
	if (p)
		*p = i;
	return 0;
}

static int cb_end(__u32 i, void *c)
{
	bpf_ringbuf_discard_dynptr(c, 0);
	return 0;
}

static int cb_own(__u32 i, void *c)
{
	struct bpf_dynptr d;
	RB(d, 8);
	DONE(d);
	return 0;
}

static int cb_own_leak(__u32 i, void *c)
{
	struct bpf_dynptr d;
	RB(d, 8);
	return 0;
}

R(in_callback)
{
	struct bpf_dynptr d;
	RB(d, 8);
	bpf_loop(5, cb_data, &d, 0);
	DONE(d);
	return 0;
}

R(in_callback_end)
{
	struct bpf_dynptr d;
	RB(d, 8);
	bpf_loop(5, cb_end, &d, 0);
	return 0;
}

R(in_callback_own)
{
	bpf_loop(5, cb_own, NULL, 0);
	return 0;
}

R(in_callback_leak)
{
	bpf_loop(5, cb_own_leak, NULL, 0);
	return 0;
}

static long ur_ok(struct bpf_dynptr *d, void *c)
{
	struct sample *s = bpf_dynptr_data(d, 0, sizeof(*s));
	if (!s)
		return 1;
	total += s->pid;
	return 0;
}

static long ur_write(struct bpf_dynptr *d, void *c)
{
	bpf_dynptr_write(d, 0, scratch, 4, 0);
	return 0;
}

static long ur_data_write(struct bpf_dynptr *d, void *c)
{
	int *p = bpf_dynptr_data(d, 0, 8);
	if (p)
		*p = 7;
	return 0;
}

static long ur_clone(struct bpf_dynptr *d, void *c)
{
	struct bpf_dynptr e;
	bpf_dynptr_clone(d, &e);
	return bpf_dynptr_size(&e) & 1;
}

static long ur_discard(struct bpf_dynptr *d, void *c)
{
	bpf_ringbuf_discard_dynptr(d, 0);
	return 0;
}

static long ur_remake(struct bpf_dynptr *d, void *c)
{
	bpf_ringbuf_reserve_dynptr(&rb, 8, 0, d);
	return 0;
}

static long ur_mem(struct bpf_dynptr *d, void *c)
{
	bpf_dynptr_from_mem(scratch, 8, 0, d);
	return 0;
}

static long ur_store(struct bpf_dynptr *d, void *c)
{
	*(long *)d = 0;
	return 0;
}

static long ur_add(struct bpf_dynptr *d, void *c)
{
	struct bpf_dynptr *e = (void *)d + 16;
	char b[4];
	bpf_dynptr_read(b, 4, e, 0, 0);
	return 0;
}

static long ur_ret(struct bpf_dynptr *d, void *c)
{
	return total;
}

static long ur_adjust(struct bpf_dynptr *d, void *c)
{
	bpf_dynptr_adjust(d, 1, 2);
	return 0;
}

static long ur_global(struct bpf_dynptr *d, void *c)
{
	return takes(d) & 1;
}

static long ur_nested(struct bpf_dynptr *d, void *c)
{
	bpf_user_ringbuf_drain(&urb, ur_ok, NULL, 0);
	return 0;
}

#define U(f)                                                                                                           \
	R(user_##f)                                                                                                    \
	{                                                                                                              \
		bpf_user_ringbuf_drain(&urb, f, NULL, 0);                                                              \
		return 0;                                                                                              \
	}

U(ur_ok)
U(ur_write) U(ur_data_write) U(ur_clone) U(ur_discard) U(ur_remake) U(ur_mem) U(ur_store) U(ur_add) U(ur_ret)
	U(ur_adjust) U(ur_global) U(ur_nested) R(user_flags)
{
	return bpf_user_ringbuf_drain(&urb, ur_ok, &total, 1);
}

R(user_wrong_map)
{
	return bpf_user_ringbuf_drain(&rb, ur_ok, NULL, 0);
}

/* packets */
T(skb_slice)
{
	struct bpf_dynptr d;
	char b[14], *p;
	bpf_dynptr_from_skb(skb, 0, &d);
	p = bpf_dynptr_slice(&d, 0, b, 14);
	return p ? p[13] : 0;
}

T(skb_slice_nonull)
{
	struct bpf_dynptr d;
	char b[14], *p;
	bpf_dynptr_from_skb(skb, 0, &d);
	p = bpf_dynptr_slice(&d, 0, b, 14);
	return p[13];
}

T(skb_slice_no_buffer)
{
	struct bpf_dynptr d;
	char *p;
	bpf_dynptr_from_skb(skb, 0, &d);
	p = bpf_dynptr_slice(&d, 0, NULL, 14);
	return p ? p[13] : 0;
}

T(skb_slice_buffer_small)
{
	struct bpf_dynptr d;
	char b[8], *p;
	bpf_dynptr_from_skb(skb, 0, &d);
	p = bpf_dynptr_slice(&d, 0, b, 14);
	return p ? p[13] : 0;
}

T(skb_slice_write)
{
	struct bpf_dynptr d;
	char b[14], *p;
	bpf_dynptr_from_skb(skb, 0, &d);
	p = bpf_dynptr_slice(&d, 0, b, 14);
	if (p)
		p[1] = 1;
	return 0;
}

T(skb_slice_variable)
{
	struct bpf_dynptr d;
	char b[14], *p;
	bpf_dynptr_from_skb(skb, 0, &d);
	p = bpf_dynptr_slice(&d, 0, b, skb->len & 7);
	return 0;
}

T(skb_slice_pulled)
{
	struct bpf_dynptr d;
	char b[14], *p;
	bpf_dynptr_from_skb(skb, 0, &d);
	p = bpf_dynptr_slice(&d, 0, b, 14);
	bpf_skb_pull_data(skb, 14);
	return p ? p[1] : 0;
}

T(skb_slice_written)
{
	struct bpf_dynptr d;
	char b[14], *p;
	bpf_dynptr_from_skb(skb, 0, &d);
	p = bpf_dynptr_slice_rdwr(&d, 0, b, 14);
	bpf_dynptr_write(&d, 0, scratch, 4, 0);
	return p ? p[1] : 0;
}

T(skb_slice_kept)
{
	struct bpf_dynptr d;
	char b[14], *p;
	VAL bpf_dynptr_from_skb(skb, 0, &d);
	p = bpf_dynptr_slice(&d, 0, b, 14);
	bpf_dynptr_write(&d, 0, scratch, 4, 0);
	v->pid = 1;
	return v->pid;
}

T(skb_mem_slice_written)
{
	struct bpf_dynptr d, e;
	char *p;
	VAL bpf_dynptr_from_skb(skb, 0, &d);
	bpf_dynptr_from_mem(v, 8, 0, &e);
	p = bpf_dynptr_data(&e, 0, 8);
	bpf_dynptr_write(&d, 0, scratch, 4, 0);
	return p ? *p : 0;
}

T(skb_data)
{
	struct bpf_dynptr d;
	bpf_dynptr_from_skb(skb, 0, &d);
	return bpf_dynptr_data(&d, 0, 4) != NULL;
}

T(skb_direct_after_write)
{
	struct bpf_dynptr d;
	char *p = (void *)(long)skb->data;
	if (p + 1 > (char *)(long)skb->data_end)
		return 0;
	bpf_dynptr_from_skb(skb, 0, &d);
	bpf_dynptr_write(&d, 0, scratch, 4, 0);
	return *p;
}

T(skb_direct_after_read)
{
	struct bpf_dynptr d;
	char *p = (void *)(long)skb->data;
	if (p + 1 > (char *)(long)skb->data_end)
		return 0;
	bpf_dynptr_from_skb(skb, 0, &d);
	bpf_dynptr_read(scratch, 4, &d, 0, 0);
	return *p;
}

T(skb_wrong_ctx)
{
	struct bpf_dynptr d;
	VAL bpf_dynptr_from_skb((void *)v, 0, &d);
	return 0;
}

T(skb_xdp)
{
	struct bpf_dynptr d;
	bpf_dynptr_from_xdp((void *)skb, 0, &d);
	return 0;
}

T(skb_meta)
{
	struct bpf_dynptr d;
	char b[4], *p;
	bpf_dynptr_from_skb_meta(skb, 0, &d);
	p = bpf_dynptr_slice(&d, 0, b, 4);
	bpf_dynptr_write(&d, 0, b, 4, 0);
	return p ? *p : 0;
}

T(skb_meta_rdwr)
{
	struct bpf_dynptr d;
	char b[4] = {}, *p;
	bpf_dynptr_from_skb_meta(skb, 0, &d);
	p = bpf_dynptr_slice_rdwr(&d, 0, b, 4);
	if (p)
		*p = 1;
	return 0;
}

T(skb_clone)
{
	struct bpf_dynptr d, e;
	char b[4], *p;
	bpf_dynptr_from_skb(skb, 0, &d);
	bpf_dynptr_clone(&d, &e);
	p = bpf_dynptr_slice(&e, 0, b, 4);
	bpf_dynptr_write(&d, 0, scratch, 4, 0);
	return p ? *p : 0;
}

T(skb_clone_overwritten)
{
	struct bpf_dynptr d, e;
	char b[4], *p;
	bpf_dynptr_from_skb(skb, 0, &d);
	bpf_dynptr_clone(&d, &e);
	p = bpf_dynptr_slice(&e, 0, b, 4);
	bpf_dynptr_from_skb(skb, 0, &d);
	return p ? *p : 0;
}

T(skb_overwritten)
{
	struct bpf_dynptr d;
	char b[4], *p;
	bpf_dynptr_from_skb(skb, 0, &d);
	p = bpf_dynptr_slice(&d, 0, b, 4);
	bpf_dynptr_from_skb(skb, 0, &d);
	return p ? *p : 0;
}

T(skb_invalid_flags)
{
	struct bpf_dynptr d;
	return bpf_dynptr_from_skb(skb, 1, &d);
}

SEC("cgroup_skb/egress") int skb_read_only(struct __sk_buff *skb)
{
	struct bpf_dynptr d;
	char b[4], *p;
	bpf_dynptr_from_skb(skb, 0, &d);
	p = bpf_dynptr_slice(&d, 0, b, 4);
	return p ? *p & 1 : 0;
}

SEC("cgroup_skb/egress") int skb_read_only_rdwr(struct __sk_buff *skb)
{
	struct bpf_dynptr d;
	char b[4] = {}, *p;
	bpf_dynptr_from_skb(skb, 0, &d);
	p = bpf_dynptr_slice_rdwr(&d, 0, b, 4);
	if (p)
		*p = 1;
	return 1;
}

SEC("cgroup_skb/egress") int skb_read_only_write(struct __sk_buff *skb)
{
	struct bpf_dynptr d;
	bpf_dynptr_from_skb(skb, 0, &d);
	bpf_dynptr_write(&d, 0, scratch, 4, 0);
	return 1;
}

SEC("socket") int skb_socket(struct __sk_buff *skb)
{
	struct bpf_dynptr d;
	char b[4], *p;
	bpf_dynptr_from_skb(skb, 0, &d);
	p = bpf_dynptr_slice(&d, 0, b, 4);
	return p ? *p : 0;
}

SEC("socket") int skb_socket_rdwr(struct __sk_buff *skb)
{
	struct bpf_dynptr d;
	char b[4] = {}, *p;
	bpf_dynptr_from_skb(skb, 0, &d);
	p = bpf_dynptr_slice_rdwr(&d, 0, b, 4);
	return p ? *p : 0;
}

SEC("lwt_xmit") int skb_lwt(struct __sk_buff *skb)
{
	struct bpf_dynptr d;
	char b[4] = {}, *p;
	bpf_dynptr_from_skb(skb, 0, &d);
	p = bpf_dynptr_slice_rdwr(&d, 0, b, 4);
	if (p)
		*p = 1;
	return 0;
}

X(xdp_slice)
{
	struct bpf_dynptr d;
	char b[14], *p;
	bpf_dynptr_from_xdp(xdp, 0, &d);
	p = bpf_dynptr_slice(&d, 0, b, 14);
	return p ? p[13] & 1 : 0;
}

X(xdp_slice_rdwr)
{
	struct bpf_dynptr d;
	char b[14] = {}, *p;
	bpf_dynptr_from_xdp(xdp, 0, &d);
	p = bpf_dynptr_slice_rdwr(&d, 0, b, 14);
	if (!p)
		return 1;
	p[13] = 1;
	if (p == b)
		bpf_dynptr_write(&d, 0, b, 14, 0);
	return 2;
}

X(xdp_slice_moved)
{
	struct bpf_dynptr d;
	char b[14], *p;
	bpf_dynptr_from_xdp(xdp, 0, &d);
	p = bpf_dynptr_slice(&d, 0, b, 14);
	bpf_xdp_adjust_head(xdp, 4);
	return p ? p[13] & 1 : 0;
}

X(xdp_again)
{
	struct bpf_dynptr d;
	char b[14], *p;
	bpf_dynptr_from_xdp(xdp, 0, &d);
	bpf_xdp_adjust_head(xdp, 4);
	p = bpf_dynptr_slice(&d, 0, b, 14);
	return p ? p[13] & 1 : 0;
}

X(xdp_direct_after_write)
{
	struct bpf_dynptr d;
	char *p = (void *)(long)xdp->data;
	if (p + 1 > (char *)(long)xdp->data_end)
		return 0;
	bpf_dynptr_from_xdp(xdp, 0, &d);
	bpf_dynptr_write(&d, 0, scratch, 4, 0);
	return *p & 1;
}

X(xdp_skb)
{
	struct bpf_dynptr d;
	bpf_dynptr_from_skb((void *)xdp, 0, &d);
	return 0;
}

X(xdp_loop)
{
	struct bpf_dynptr d;
	char b[4], *p;
	int n = 0;
	bpf_dynptr_from_xdp(xdp, 0, &d);
	for (int i = 0; i < 8; i++) {
		p = bpf_dynptr_slice(&d, i * 4, b, 4);
		if (!p)
			break;
		n += *p;
	}
	return n & 1;
}

X(xdp_pull)
{
	char *p = (void *)(long)xdp->data;
	if (p + 1 > (char *)(long)xdp->data_end)
		return 0;
	bpf_xdp_pull_data(xdp, 20);
	return *p & 1;
}

/* ciphers */
Y(crypto_create)
{
	struct bpf_crypto_params q = {.type = "skcipher", .algo = "ecb(aes)", .key_len = 16};
	int err;
	struct bpf_crypto_ctx *c = bpf_crypto_ctx_create(&q, sizeof(q), &err);
	if (!c)
		return 0;
	bpf_crypto_ctx_release(c);
	return 0;
}

Y(crypto_leak)
{
	struct bpf_crypto_params q = {};
	int err;
	bpf_crypto_ctx_create(&q, sizeof(q), &err);
	return 0;
}

Y(crypto_small)
{
	struct bpf_crypto_params q = {};
	int err;
	struct bpf_crypto_ctx *c = bpf_crypto_ctx_create(&q, sizeof(q) + 8, &err);
	if (c)
		bpf_crypto_ctx_release(c);
	return 0;
}

Y(crypto_acquire)
{
	struct bpf_crypto_params q = {};
	int err;
	struct bpf_crypto_ctx *c = bpf_crypto_ctx_create(&q, sizeof(q), &err), *e;
	if (!c)
		return 0;
	e = bpf_crypto_ctx_acquire(c);
	if (e)
		bpf_crypto_ctx_release(e);
	bpf_crypto_ctx_release(c);
	return 0;
}

Y(crypto_store)
{
	struct bpf_crypto_params q = {};
	int err, k = 0;
	struct hidden *h;
	struct bpf_crypto_ctx *c = bpf_crypto_ctx_create(&q, sizeof(q), &err);
	if (!c)
		return 0;
	h = bpf_map_lookup_elem(&cm, &k);
	if (!h) {
		bpf_crypto_ctx_release(c);
		return 0;
	}
	c = bpf_kptr_xchg(&h->c, c);
	if (c)
		bpf_crypto_ctx_release(c);
	return 0;
}

T(crypto_create_tc)
{
	struct bpf_crypto_params q = {};
	int err;
	struct bpf_crypto_ctx *c = bpf_crypto_ctx_create(&q, sizeof(q), &err);
	if (c)
		bpf_crypto_ctx_release(c);
	return 0;
}

#define CTX                                                                                                            \
	int k = 0;                                                                                                     \
	struct hidden *h = bpf_map_lookup_elem(&cm, &k);                                                               \
	struct bpf_crypto_ctx *c;                                                                                      \
	struct bpf_dynptr d, e;                                                                                        \
	if (!h)                                                                                                        \
		return 0;

T(crypto_encrypt)
{
	CTX bpf_rcu_read_lock();
	c = h->c;
	if (c) {
		bpf_dynptr_from_skb(skb, 0, &d);
		bpf_dynptr_from_mem(scratch, 64, 0, &e);
		bpf_crypto_encrypt(c, &d, &e, NULL);
	}
	bpf_rcu_read_unlock();
	return 0;
}

T(crypto_encrypt_implicit)
{
	CTX c = h->c;
	if (!c)
		return 0;
	bpf_dynptr_from_skb(skb, 0, &d);
	bpf_dynptr_from_mem(scratch, 64, 0, &e);
	return bpf_crypto_decrypt(c, &d, &e, NULL);
}

T(crypto_siv)
{
	CTX c = h->c;
	if (!c)
		return 0;
	bpf_dynptr_from_skb(skb, 0, &d);
	bpf_dynptr_from_mem(scratch, 64, 0, &e);
	return bpf_crypto_decrypt(c, &d, &e, &e);
}

T(crypto_siv_uninit)
{
	CTX struct bpf_dynptr f;
	c = h->c;
	if (!c)
		return 0;
	bpf_dynptr_from_skb(skb, 0, &d);
	bpf_dynptr_from_mem(scratch, 64, 0, &e);
	return bpf_crypto_decrypt(c, &d, &e, &f);
}

T(crypto_null_ctx)
{
	CTX c = h->c;
	bpf_dynptr_from_skb(skb, 0, &d);
	bpf_dynptr_from_mem(scratch, 64, 0, &e);
	return bpf_crypto_decrypt(c, &d, &e, NULL);
}

T(crypto_uninit)
{
	CTX c = h->c;
	if (!c)
		return 0;
	bpf_dynptr_from_skb(skb, 0, &d);
	return bpf_crypto_decrypt(c, &d, &e, NULL);
}
