//go:build ignore

// SPDX-License-Identifier: MIT
// A gateway: XDP counts UDP packets by port, and drops those to ports that are not served; TC sends the others out of the
// interface of their port. Both look at one map.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* A port that is served. */
struct service {
	__u32 ifindex; /* out of which its packets go */
	__u32 pad;
	__u64 seen;    /* packets that XDP let pass */
	__u64 sent;    /* packets that TC sent on */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u16); /* the port, in host order */
	__type(value, struct service);
} services SEC(".maps");

/* find gives the service that a packet is for, NULL if it is for none. *udp tells whether it is UDP at all. */
static __always_inline struct service *find(void *data, void *end, int *udp)
{
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct udphdr *hdr = (void *)(ip + 1);
	__u16 port;

	*udp = 0;
	if ((void *)(hdr + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP) || ip->ihl != 5 || ip->protocol != IPPROTO_UDP)
		return NULL;
	*udp = 1;
	port = bpf_ntohs(hdr->dest);
	return bpf_map_lookup_elem(&services, &port);
}

SEC("xdp")
int gateway_xdp(struct xdp_md *ctx)
{
	int udp;
	struct service *s = find((void *)(long)ctx->data, (void *)(long)ctx->data_end, &udp);

	if (!udp)
		return XDP_PASS;
	if (!s)
		return XDP_DROP;
	__sync_fetch_and_add(&s->seen, 1);
	return XDP_PASS;
}

SEC("tcx/ingress")
int gateway_tc(struct __sk_buff *skb)
{
	int udp;
	struct service *s = find((void *)(long)skb->data, (void *)(long)skb->data_end, &udp);

	if (!s)
		return TC_ACT_UNSPEC; /* the next program */
	__sync_fetch_and_add(&s->sent, 1);
	return bpf_redirect(s->ifindex, 0);
}

char _license[] SEC("license") = "MIT";
