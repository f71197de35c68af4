//go:build ignore

// SPDX-License-Identifier: MIT
// A classifier for traffic control: it marks packets and puts them into classes, with one program for each protocol,
// which the first program calls through an array of programs.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define HANDLE(major, minor) ((major) << 16 | (minor))

/* Classes of the queueing discipline 1: */
#define INTERACTIVE HANDLE(1, 10)
#define BULK        HANDLE(1, 20)
#define OTHER       HANDLE(1, 30)

/* Marks, which rules for routing and netfilter may look at. */
#define MARK_TCP 0x6
#define MARK_UDP 0x11

int classify_tcp(struct __sk_buff *skb);
int classify_udp(struct __sk_buff *skb);

/* The program of each protocol, by its number. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 256);
	__uint(key_size, sizeof(__u32));
	__array(values, int(struct __sk_buff *));
} protocols SEC(".maps") = {
	.values = {
		[IPPROTO_TCP] = (void *)&classify_tcp,
		[IPPROTO_UDP] = (void *)&classify_udp,
	},
};

/* Packets of each protocol that no program was for. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u8);
	__type(value, __u64);
} unknown SEC(".maps");

/* Where the transport header starts: the header of IP may carry options. 0 if it is no packet of IPv4. */
static __always_inline __u32 transport(struct __sk_buff *skb)
{
	__u8 version_ihl;

	if (skb->protocol != bpf_htons(ETH_P_IP))
		return 0;
	if (bpf_skb_load_bytes(skb, ETH_HLEN, &version_ihl, sizeof(version_ihl)))
		return 0;
	return ETH_HLEN + (version_ihl & 0xf) * 4;
}

SEC("tc")
int classify_tcp(struct __sk_buff *skb)
{
	struct tcphdr tcp;

	if (bpf_skb_load_bytes(skb, transport(skb), &tcp, sizeof(tcp)))
		return TC_ACT_SHOT;
	skb->mark = MARK_TCP;
	switch (bpf_ntohs(tcp.dest)) {
	case 22:
	case 53:
		skb->tc_classid = INTERACTIVE;
		break;
	default:
		skb->tc_classid = tcp.syn ? INTERACTIVE : BULK;
	}
	return TC_ACT_OK;
}

SEC("tc")
int classify_udp(struct __sk_buff *skb)
{
	struct udphdr udp;

	if (bpf_skb_load_bytes(skb, transport(skb), &udp, sizeof(udp)))
		return TC_ACT_SHOT;
	skb->mark = MARK_UDP;
	skb->tc_classid = bpf_ntohs(udp.dest) == 53 ? INTERACTIVE : BULK;
	return TC_ACT_OK;
}

SEC("tc")
int classify(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data;
	void *data_end = (void *)(long)skb->data_end;
	struct iphdr *ip = data + ETH_HLEN;
	__u64 *count, one = 1;
	__u8 protocol = 0;

	skb->tc_classid = OTHER;
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if ((void *)(ip + 1) > data_end)
			return TC_ACT_SHOT;
		protocol = ip->protocol;
		bpf_tail_call(skb, &protocols, protocol);
		/* Still here: there is no program for it. */
	}
	count = bpf_map_lookup_elem(&unknown, &protocol);
	if (count)
		__sync_fetch_and_add(count, 1);
	else
		bpf_map_update_elem(&unknown, &protocol, &one, BPF_ANY);
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
