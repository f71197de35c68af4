#include "families.h"
#include "kfuncs.h"
/* Arenas; and what stores to objects of the program's own may touch. */
#define __arena __attribute__((address_space(1)))
#define cast_kern(p)                                                                                                   \
	asm volatile(                                                                                                  \
		".byte 0xBF; .ifc %[r], r0; .byte 0x00; .endif; .ifc %[r], r1; .byte 0x11; .endif; .ifc %[r], r2; "    \
		".byte 0x22; .endif; .ifc %[r], r3; .byte 0x33; .endif; .ifc %[r], r4; .byte 0x44; .endif; .ifc "      \
		"%[r], r5; .byte 0x55; .endif; .ifc %[r], r6; .byte 0x66; .endif; .ifc %[r], r7; .byte 0x77; .endif; " \
		".ifc %[r], r8; .byte 0x88; .endif; .ifc %[r], r9; .byte 0x99; .endif; .short 1; .long 1"              \
		: [r] "+r"(p))

struct {
	__uint(type, 33);
	__uint(map_flags, 1 << 10);
	__uint(max_entries, 100);
} arena SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, long);
} am SEC(".maps");

#define Y(name) SEC("syscall") int name(void *ctx)
#define R(name) SEC("raw_tp/sys_enter") int name(void *ctx)
#define PAGE                                                                                                           \
	long *p = bpf_arena_alloc_pages(&arena, NULL, 1, -1, 0);                                                       \
	if (!p)                                                                                                        \
		return 1;                                                                                              \
	cast_kern(p);

Y(alloc)
{
	PAGE p[0] = 1;
	p[1] = 2;
	bpf_arena_free_pages(&arena, p, 1);
	return p[0];
}

Y(alloc_uncast)
{
	long *p = bpf_arena_alloc_pages(&arena, NULL, 1, -1, 0);
	if (!p)
		return 1;
	return *p;
}

R(alloc_atomic)
{
	PAGE return 0;
}

Y(alloc_wrong_map)
{
	return bpf_arena_alloc_pages(&am, NULL, 1, -1, 0) != NULL + 0 * bpf_arena_reserve_pages(&arena, NULL, 1);
}

Y(reserve)
{
	return bpf_arena_reserve_pages(&arena, NULL, 2);
}

Y(fetch_add)
{
	PAGE return __sync_fetch_and_add(p, 1);
}

Y(fetch_and)
{
	PAGE return __sync_fetch_and_and(p, 1);
}

Y(fetch_or)
{
	PAGE return __sync_fetch_and_or(p, 1);
}

Y(fetch_xor)
{
	PAGE return __sync_fetch_and_xor(p, 1);
}

Y(plain_and)
{
	PAGE __sync_fetch_and_and(p, 1);
	return 0;
}

Y(plain_xor32)
{
	PAGE __sync_fetch_and_xor((int *)p, 1);
	return 0;
}

Y(fetch_or32)
{
	PAGE return __sync_fetch_and_or((int *)p, 1);
}

Y(xchg)
{
	PAGE return __sync_lock_test_and_set(p, 1);
}

Y(cmpxchg)
{
	PAGE return __sync_val_compare_and_swap(p, 1, 2);
}

Y(byte_load)
{
	PAGE return *(signed char *)p + *(unsigned char *)p;
}

Y(signed_load32)
{
	PAGE return *(int *)p < 0;
}

Y(far)
{
	PAGE return p[1 << 20];
}

Y(variable)
{
	PAGE return p[bpf_get_prandom_u32()];
}

Y(store_pointer)
{
	PAGE p[0] = (long)ctx;
	return 0;
}

Y(to_helper)
{
	PAGE bpf_probe_read_kernel(p, 8, NULL);
	return 0;
}

Y(as_key)
{
	PAGE return bpf_map_lookup_elem(&am, p) != NULL;
}

Y(compare)
{
	PAGE long *q = bpf_arena_alloc_pages(&arena, NULL, 1, -1, 0);
	if (!q)
		return 0;
	cast_kern(q);
	return p == q;
}

Y(subtract)
{
	PAGE long *q = bpf_arena_alloc_pages(&arena, NULL, 1, -1, 0);
	if (!q)
		return 0;
	cast_kern(q);
	return p - q;
}

Y(may_goto)
{
	PAGE for (int i = 0; i < 1000; i++)
	{
		p[i] = i;
		asm volatile(".byte 0xe5; .byte 0; .short 1; .long 0" :::);
	}
	return 0;
}

Y(in_loop)
{
	PAGE struct bpf_iter_num it;
	int *q;
	bpf_iter_num_new(&it, 0, 64);
	while ((q = bpf_iter_num_next(&it)))
		p[*q] += *q;
	bpf_iter_num_destroy(&it);
	return 0;
}

static int cb(__u32 i, void *c)
{
	long *p = c;
	p[i] = i;
	return 0;
}

Y(in_callback)
{
	PAGE bpf_loop(10, cb, p, 0);
	return 0;
}

__noinline int touch(long *p __attribute__((btf_decl_tag("arg:arena"))))
{
	cast_kern(p);
	p[3] = 1;
	return p[2];
}

__noinline int touch_raw(long *p __attribute__((btf_decl_tag("arg:arena"))))
{
	return p[2];
}

Y(to_global)
{
	PAGE return touch(p);
}

Y(to_global_number)
{
	return touch((long *)8);
}

Y(to_global_raw)
{
	PAGE return touch_raw(p);
}

Y(to_global_stack)
{
	long x = 0;
	return touch(&x);
}

SEC("syscall") int no_arena(void *ctx)
{
	long *p = (long *)4096;
	cast_kern(p);
	return p != 0;
}

Y(store_release)
{
	PAGE asm volatile("r2 = %0; r1 = 1; .byte 0xdb, 0x12; .short 0; .long 0x110" ::"r"(p) : "r1", "r2", "memory");
	return 0;
}

Y(load_acquire)
{
	PAGE asm volatile("r2 = %0; r1 = 1; .byte 0xdb, 0x21; .short 0; .long 0x100" ::"r"(p) : "r1", "r2", "memory");
	return 0;
}

/* local objects */
struct inner {
	short s;
	char c[5];
};

struct rec {
	long a;
	int b;
	char text[6];
	struct inner in;
	struct rec *next;
	int bits : 5;
	int more : 11;

	union {
		long l;
		int i[2];
	} u;
};

#define NEW(f)                                                                                                         \
	struct rec *f = obj_new(struct rec);                                                                           \
	if (!f)                                                                                                        \
		return 0;
#define W(name, T, off)                                                                                                \
	Y(w_##name)                                                                                                    \
	{                                                                                                              \
		NEW(f) * (volatile T *)((char *)f + off) = 1;                                                          \
		obj_drop(f);                                                                                           \
		return 0;                                                                                              \
	}                                                                                                              \
	Y(r_##name)                                                                                                    \
	{                                                                                                              \
		NEW(f) int r = *(volatile T *)((char *)f + off);                                                       \
		obj_drop(f);                                                                                           \
		return r;                                                                                              \
	}

W(a, long, 0)
W(a_low, int, 0) W(a_high, int, 4) W(a_b, long, 4) W(b_text, int, 10) W(text, char, 12) W(text_two, short, 13)
	W(text_end, int, 16) W(in_s, short, 18) W(in_c, char, 24) W(in_c_two, short, 23) W(pad, char, 27)
		W(next, long, 32) W(next_half, int, 32) W(bits, int, 40) W(bits_byte, char, 41) W(bits_end, char, 43)
			W(u, long, 48) W(u_i, int, 52) W(u_mid, int, 50) W(end, char, 55) W(beyond, char, 56)
				W(across, long, 52) W(negative, char, -1) Y(w_atomic)
{
	NEW(f) __sync_fetch_and_add(&f->b, 1);
	obj_drop(f);
	return 0;
}

Y(w_atomic_across)
{
	NEW(f) __sync_fetch_and_add((long *)((char *)f + 8), 1);
	obj_drop(f);
	return 0;
}

Y(w_zero)
{
	NEW(f) f->next = NULL;
	obj_drop(f);
	return 0;
}

Y(follow_next)
{
	NEW(f) struct rec *n = f->next;
	long r = 0;
	if (n)
		r = n->a;
	obj_drop(f);
	return r;
}

Y(w_next_self)
{
	NEW(f) f->next = f;
	obj_drop(f);
	return 0;
}

#define UNINIT(f)                                                                                                      \
	SEC("syscall") int uninit_##f(void *ctx)                                                                       \
	{                                                                                                              \
		int r;                                                                                                 \
		asm volatile("call 7; call %1; %0 = r0" : "=r"(r) : "i"(f) : "r0", "r1", "r2", "r3", "r4", "r5");      \
		return r;                                                                                              \
	}
#define AT_END(f)                                                                                                      \
	SEC("syscall") int at_end_##f(void *ctx)                                                                       \
	{                                                                                                              \
		int r;                                                                                                 \
		asm volatile("r1 = r10; r2 = 0; r3 = 4; call %1; %0 = r0"                                              \
			     : "=r"(r)                                                                                 \
			     : "i"(f)                                                                                  \
			     : "r0", "r1", "r2", "r3", "r4", "r5");                                                    \
		return r;                                                                                              \
	}

UNINIT(bpf_arena_alloc_pages)
UNINIT(bpf_iter_num_new) UNINIT(bpf_iter_num_next) UNINIT(bpf_dynptr_size) UNINIT(bpf_obj_drop_impl)
	UNINIT(bpf_refcount_acquire_impl) UNINIT(bpf_list_pop_front) UNINIT(bpf_rbtree_first) UNINIT(bpf_wq_start)
		UNINIT(bpf_task_acquire) UNINIT(bpf_cgroup_release) UNINIT(bpf_local_irq_save)
			UNINIT(bpf_local_irq_restore) UNINIT(bpf_cpumask_empty) UNINIT(bpf_rbtree_remove)
				UNINIT(bpf_map_sum_elem_count) UNINIT(bpf_cast_to_kern_ctx) UNINIT(bpf_obj_new_impl)
					UNINIT(bpf_throw) UNINIT(bpf_rdonly_cast) UNINIT(bpf_copy_from_user_str)
						AT_END(bpf_iter_num_new) AT_END(bpf_local_irq_save)
							AT_END(bpf_iter_num_next) AT_END(bpf_local_irq_restore)
								AT_END(bpf_dynptr_size) AT_END(bpf_iter_bits_new)
	/* All of them in C, too: assembler alone does not declare them. */
	SEC("syscall") int mention(void *ctx)
{
	bpf_dynptr_size(NULL);
	bpf_iter_bits_new(NULL, NULL, 0);
	bpf_local_irq_save(NULL);
	bpf_local_irq_restore(NULL);
	bpf_cast_to_kern_ctx(NULL);
	bpf_cgroup_release(NULL);
	bpf_copy_from_user_str(NULL, 0, NULL, 0);
	bpf_cpumask_empty(NULL);
	bpf_obj_drop_impl(NULL, NULL);
	bpf_refcount_acquire_impl(NULL, NULL);
	bpf_list_pop_front(NULL);
	bpf_rbtree_first(NULL);
	bpf_wq_start(NULL, 0);
	bpf_task_acquire(NULL);
	bpf_rbtree_remove(NULL, NULL);
	bpf_map_sum_elem_count(NULL);
	bpf_obj_new_impl(0, NULL);
	bpf_rdonly_cast(NULL, 0);
	bpf_throw(0);
	return 0;
}
