//go:build ignore

// SPDX-License-Identifier: MIT
// A limit on what a cgroup may send: a bucket of tokens for each destination, filled at a steady rate. A packet takes
// as many tokens as it has bytes, or is dropped.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define NSEC_PER_SEC 1000000000ull

/* The limit, to be set before the program is loaded. */
const volatile __u64 bytes_per_second = 125000; /* 1 Mbit/s */
const volatile __u64 burst = 16384;             /* bytes that a bucket holds */

struct bucket {
	__u64 tokens;
	__u64 filled; /* when, in nanoseconds */
};

/* The destinations used last. Those that are forgotten start with a full bucket. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __be32);
	__type(value, struct bucket);
} buckets SEC(".maps");

__u64 sent, dropped;

/* The tokens of a bucket after a time. A global function: it is verified once, for all arguments. */
__noinline __u64 refill(__u64 tokens, __u64 elapsed)
{
	__u64 room = burst - tokens;

	if (tokens >= burst)
		return burst;
	if (elapsed > NSEC_PER_SEC)
		elapsed = NSEC_PER_SEC;
	elapsed = elapsed * bytes_per_second / NSEC_PER_SEC;
	return elapsed >= room ? burst : tokens + elapsed;
}

/* A static function: it is verified for each call, with what is known of its arguments there. */
static __noinline int take(struct bucket *b, __u32 bytes)
{
	__u64 now = bpf_ktime_get_ns();
	__u64 tokens = refill(b->tokens, now - b->filled);

	b->filled = now;
	if (tokens < bytes) {
		b->tokens = tokens;
		return 0;
	}
	b->tokens = tokens - bytes;
	return 1;
}

SEC("cgroup_skb/egress")
int ratelimit(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data;
	void *data_end = (void *)(long)skb->data_end;
	struct iphdr *ip = data; /* there is no header of the link layer here */
	struct bucket *b;
	__be32 to;

	if (skb->protocol != bpf_htons(ETH_P_IP) || (void *)(ip + 1) > data_end)
		return 1;
	to = ip->daddr;
	b = bpf_map_lookup_elem(&buckets, &to);
	if (!b) {
		struct bucket full = {.tokens = burst, .filled = bpf_ktime_get_ns()};

		bpf_map_update_elem(&buckets, &to, &full, BPF_NOEXIST);
		b = bpf_map_lookup_elem(&buckets, &to);
		if (!b)
			return 1;
	}
	/* Two CPUs may take the same tokens. A limit that is off by a packet now and then needs no lock. */
	if (take(b, skb->len)) {
		__sync_fetch_and_add(&sent, 1);
		return 1;
	}
	__sync_fetch_and_add(&dropped, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
