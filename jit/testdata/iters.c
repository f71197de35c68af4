//go:build ignore

/* Iterators over numbers, from and to numbers in the packet. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct bpf_iter_num {
	__u64 opaque[1];
} __attribute__((aligned(8)));

extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __ksym;
extern int *bpf_iter_num_next(struct bpf_iter_num *it) __ksym;
extern void bpf_iter_num_destroy(struct bpf_iter_num *it) __ksym;

/* mix hashes the numbers of a range, and what the iterator is in the end. */
SEC("xdp") int mix(struct xdp_md *ctx)
{
	int *range = (void *)(long)ctx->data, *v;
	__u32 sum, mask;
	struct bpf_iter_num it;

	if (range + 3 > (int *)(long)ctx->data_end)
		return 1;
	mask = range[2];
	sum = bpf_iter_num_new(&it, range[0], range[1]);
	while ((v = bpf_iter_num_next(&it))) {
		sum = sum * 31 + *v;
		if (sum & mask)
			break;
	}
	sum ^= v ? *v : 7;
	bpf_iter_num_destroy(&it);
	return sum;
}

/* count goes round 1000 times. */
SEC("xdp") int count(struct xdp_md *ctx)
{
	struct bpf_iter_num it;
	__u32 sum = 0;
	int *v;

	bpf_iter_num_new(&it, 0, 1000);
	while ((v = bpf_iter_num_next(&it)))
		sum ^= *v;
	bpf_iter_num_destroy(&it);
	return sum;
}

char _license[] SEC("license") = "GPL";
