//go:build ignore

/* bpf_loop, as often as the packet says, with callbacks that stop, call helpers, and loop themselves. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct state {
	__u32 sum, mask, inner;
	__u64 flags;
};

static long innermost(__u32 i, __u32 *sum)
{
	*sum = *sum * 33 + i;
	return *sum % 11 == 0;
}

static long step(__u32 i, struct state *s)
{
	s->sum = s->sum * 31 + i + bpf_get_prandom_u32();
	if (s->inner)
		s->sum += bpf_loop(i % s->inner, innermost, &s->sum, 0);
	if (i % 7 == 3)
		s->sum ^= bpf_get_numa_node_id() + 1;
	return (s->sum & s->mask) == s->mask;
}

SEC("xdp") int mix(struct xdp_md *ctx)
{
	__u32 *in = (void *)(long)ctx->data;
	struct state s = {};
	long n;

	if (in + 4 > (__u32 *)(long)ctx->data_end)
		return 1;
	s.mask = in[1];
	s.inner = in[2] & 15;
	n = bpf_loop(in[0], step, &s, in[3]);
	return s.sum ^ n;
}

static long nothing(__u32 i, __u32 *sum)
{
	*sum ^= i;
	return 0;
}

/* count goes round 1000 times. */
SEC("xdp") int count(struct xdp_md *ctx)
{
	__u32 sum = 0;

	bpf_loop(1000, nothing, &sum, 0);
	return sum;
}

char _license[] SEC("license") = "GPL";
