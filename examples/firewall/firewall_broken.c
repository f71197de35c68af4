//go:build ignore

// SPDX-License-Identifier: MIT
// The mistake that everybody makes once: the packet is long enough for the IP header, so it was read, but is it long
// enough for the TCP header behind it? The program has not asked, and no kernel loads it.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

static __always_inline int count(__u32 action)
{
	__u32 key = action == XDP_DROP;
	__u64 *counter = bpf_map_lookup_elem(&counters, &key);

	if (counter)
		__sync_fetch_and_add(counter, 1);
	return action;
}

SEC("xdp")
int firewall_broken(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *data_end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = data + sizeof(*eth);
	struct tcphdr *tcp = data + sizeof(*eth) + sizeof(*ip);

	if ((void *)(ip + 1) > data_end)
		return count(XDP_DROP);
	if (eth->h_proto != bpf_htons(ETH_P_IP) || ip->protocol != IPPROTO_TCP)
		return count(XDP_PASS);

	/* Forgotten: if ((void *)(tcp + 1) > data_end) return count(XDP_DROP); */
	if (tcp->dest == bpf_htons(23))
		return count(XDP_DROP);
	return count(XDP_PASS);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
