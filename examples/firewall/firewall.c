//go:build ignore

// SPDX-License-Identifier: MIT
// A firewall at the network card: it drops packets from blocked networks and to closed ports, and counts what it did.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* What became of a packet, and the index of its counter. */
enum reason {
	PASSED,
	NOT_IP,           /* passed: ARP and the like */
	BLOCKED_NETWORK,  /* dropped */
	CLOSED_PORT,      /* dropped */
	MALFORMED,        /* dropped: shorter than its headers say */
	NUM_REASONS,
};

struct counter {
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NUM_REASONS);
	__type(key, __u32);
	__type(value, struct counter);
} counters SEC(".maps");

/* Networks, with a prefix length in bits before the address. The value is a note for people. */
struct network4 {
	__u32 bits;
	__be32 address;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct network4);
	__type(value, __u32);
} blocked4 SEC(".maps");

struct network6 {
	__u32 bits;
	struct in6_addr address;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct network6);
	__type(value, __u32);
} blocked6 SEC(".maps");

struct service {
	__be16 port;
	__u16 protocol; /* IPPROTO_TCP or IPPROTO_UDP */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, struct service);
	__type(value, __u32);
} closed_ports SEC(".maps");

/* Count only, drop nothing: to be set before the program is loaded. */
const volatile _Bool dry_run = 0;

/* What is left of a packet: from here to its end. */
struct cursor {
	void *pos;
	void *end;
};

/* The next header, behind which the cursor then is; NULL if the packet ends before. */
static __always_inline void *take(struct cursor *c, __u32 size)
{
	void *header = c->pos;

	if (header + size > c->end)
		return NULL;
	c->pos = header + size;
	return header;
}

static __always_inline enum reason check_port(struct cursor *c, __u8 protocol)
{
	struct service service = {.protocol = protocol};

	if (protocol == IPPROTO_TCP) {
		struct tcphdr *tcp = take(c, sizeof(*tcp));

		if (!tcp)
			return MALFORMED;
		service.port = tcp->dest;
	} else if (protocol == IPPROTO_UDP) {
		struct udphdr *udp = take(c, sizeof(*udp));

		if (!udp)
			return MALFORMED;
		service.port = udp->dest;
	} else {
		return PASSED;
	}
	return bpf_map_lookup_elem(&closed_ports, &service) ? CLOSED_PORT : PASSED;
}

static __always_inline enum reason check_ipv4(struct cursor *c)
{
	struct network4 source = {.bits = 32};
	struct iphdr *ip = take(c, sizeof(*ip));
	__u32 options;

	if (!ip)
		return MALFORMED;
	source.address = ip->saddr;
	if (bpf_map_lookup_elem(&blocked4, &source))
		return BLOCKED_NETWORK;
	if (ip->frag_off & bpf_htons(0x1fff))
		return PASSED; /* a later fragment has no ports */
	options = ip->ihl * 4 - sizeof(*ip);
	if (options > 40 || !take(c, options)) /* more than 40: a header shorter than it can be */
		return MALFORMED;
	return check_port(c, ip->protocol);
}

static __always_inline enum reason check_ipv6(struct cursor *c)
{
	struct network6 source = {.bits = 128};
	struct ipv6hdr *ip = take(c, sizeof(*ip));

	if (!ip)
		return MALFORMED;
	source.address = ip->saddr;
	if (bpf_map_lookup_elem(&blocked6, &source))
		return BLOCKED_NETWORK;
	return check_port(c, ip->nexthdr);
}

static __always_inline enum reason check(struct cursor *c)
{
	struct ethhdr *eth = take(c, sizeof(*eth));

	if (!eth)
		return MALFORMED;
	switch (eth->h_proto) {
	case bpf_htons(ETH_P_IP):
		return check_ipv4(c);
	case bpf_htons(ETH_P_IPV6):
		return check_ipv6(c);
	}
	return NOT_IP;
}

SEC("xdp")
int firewall(struct xdp_md *ctx)
{
	struct cursor c = {(void *)(long)ctx->data, (void *)(long)ctx->data_end};
	__u64 size = c.end - c.pos;
	__u32 reason = check(&c);
	struct counter *counter = bpf_map_lookup_elem(&counters, &reason);

	if (counter) {
		counter->packets++;
		counter->bytes += size;
	}
	if (reason == PASSED || reason == NOT_IP || dry_run)
		return XDP_PASS;
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
