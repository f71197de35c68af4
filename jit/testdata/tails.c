//go:build ignore

/* Programs that tail call each other, in functions that were called and outside of them, with stacks of several depths. Each
 * mixes what it finds on its stack into one number, and leaves that number there. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u32);
} table SEC(".maps");

volatile __u64 state;

/* word is what is at an offset of the stack, whoever has written it. */
#define word(at) ({ __u64 v; asm volatile("%0 = *(u64 *)(r10 - " #at ")" : "=r"(v)); v; })
#define leave(at, v) asm volatile("*(u64 *)(r10 - " #at ") = %0" :: "r"((__u64)(v)) : "memory")

#define mix(at, to)                              \
	({                                       \
		state = state * 31 + word(at);   \
		leave(to, state);                \
	})

#define INNER(name, from, to, shift)                                    \
	static __attribute__((noinline)) int name(struct xdp_md *ctx)   \
	{                                                               \
		mix(from, to);                                          \
		bpf_tail_call(ctx, &table, state >> shift & 7);         \
		return state;                                           \
	}

INNER(inner0, 8, 8, 1)
INNER(inner1, 120, 200, 5)

#define PROGRAM(name, from, to, shift, first, second)                   \
	SEC("xdp") int name(struct xdp_md *ctx)                         \
	{                                                               \
		mix(from, to);                                          \
		first;                                                  \
		state += bpf_get_prandom_u32();                         \
		if (state & 8)                                          \
			bpf_tail_call(ctx, &table, state >> shift & 7); \
		second;                                                 \
		bpf_tail_call(ctx, &table, (state >> shift) + 1 & 7);   \
		return state;                                           \
	}

PROGRAM(p0, 8, 8, 3, , )
PROGRAM(p1, 64, 16, 2, , )
PROGRAM(p2, 200, 240, 4, state += bpf_ktime_get_ns(), )
PROGRAM(p3, 16, 128, 3, state += inner0(ctx), )
PROGRAM(p4, 128, 32, 6, , state += inner1(ctx))
PROGRAM(p5, 8, 64, 1, state += inner1(ctx), state += inner0(ctx))

char _license[] SEC("license") = "GPL";
