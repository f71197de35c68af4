//go:build ignore

/* firewall: first-match classifier of 32 compiled-in rules (prefix, port range, protocol); branchy code. */
#include "bench.h"
#define RULE(n, field, net, mask, lo, hi, pr)                                  \
	if ((field & mask) == net && dport >= lo && dport <= hi &&             \
	    (pr == 0 || proto == pr))                                          \
		return n
BENCH(firewall)
{
	struct eth *e = (void *)data;
	struct ip4 *ip = (void *)(data + ETH_LEN);
	struct l4 *t = (void *)(data + ETH_LEN + 20);
	u32 saddr, daddr, dport, proto;

	if (data + ETH_LEN + 24 > data_end)
		return 1000;
	if (e->proto != bpf_htons(ETH_P_IP) || ip->vihl != 0x45)
		return 1001;
	saddr = bpf_ntohl(ip->saddr);
	daddr = bpf_ntohl(ip->daddr);
	dport = bpf_ntohs(t->dport);
	proto = ip->proto;
	RULE(1, daddr, 0x0a260000, 0xffff0000, 25876, 26876, 6);
	RULE(2, saddr, 0xd2000000, 0xff000000, 35120, 35120, 17);
	RULE(3, daddr, 0x0ed90400, 0xffffff00, 59619, 60619, 6);
	RULE(4, saddr, 0x0a000000, 0xff000000, 27406, 27406, 6);
	RULE(5, daddr, 0x8d000000, 0xff000000, 27822, 27822, 0);
	RULE(6, saddr, 0xf2000000, 0xff000000, 14631, 15631, 0);
	RULE(7, daddr, 0x0a0fd600, 0xffffff00, 37822, 38822, 17);
	RULE(8, saddr, 0xf9000000, 0xff000000, 14489, 14489, 0);
	RULE(9, daddr, 0x2217bead, 0xffffffff, 18980, 18990, 6);
	RULE(10, saddr, 0x0a922700, 0xffffff00, 20217, 21217, 0);
	RULE(11, daddr, 0x1a600000, 0xfff00000, 38116, 39116, 0);
	RULE(12, saddr, 0x5f500000, 0xfff00000, 6386, 7386, 0);
	RULE(13, daddr, 0x0a000000, 0xff000000, 40568, 40568, 17);
	RULE(14, saddr, 0x881ed160, 0xfffffff0, 28023, 28033, 17);
	RULE(15, daddr, 0xec66a700, 0xffffff00, 29700, 29710, 17);
	RULE(16, saddr, 0x0a200000, 0xfff00000, 45810, 45810, 6);
	RULE(17, daddr, 0x4cdd2000, 0xffffff00, 34420, 34430, 17);
	RULE(18, saddr, 0x72e6cc30, 0xfffffff0, 18871, 19871, 6);
	RULE(19, daddr, 0x0a000000, 0xff000000, 10811, 10821, 6);
	RULE(20, saddr, 0x6bf46000, 0xfffff000, 2570, 3570, 6);
	RULE(21, daddr, 0x8ede0d7a, 0xffffffff, 37554, 37564, 17);
	RULE(22, saddr, 0x0a982890, 0xfffffff0, 32551, 33551, 17);
	RULE(23, daddr, 0xd7000000, 0xff000000, 6134, 6144, 17);
	RULE(24, saddr, 0xaa05e110, 0xfffffff0, 4260, 4260, 0);
	RULE(25, daddr, 0x0aa5aa30, 0xfffffff0, 37877, 38877, 17);
	RULE(26, saddr, 0xb7740000, 0xffff0000, 25284, 26284, 17);
	RULE(27, daddr, 0xf0000000, 0xff000000, 30258, 30268, 6);
	RULE(28, saddr, 0x0a7e6200, 0xffffff00, 3864, 3864, 17);
	RULE(29, daddr, 0xbd000000, 0xfff00000, 16228, 16238, 17);
	RULE(30, saddr, 0x7f1b103c, 0xffffffff, 5281, 5281, 17);
	RULE(31, daddr, 0x0a472000, 0xfffff000, 57894, 57894, 17);
	RULE(32, saddr, 0x8cdb305f, 0xffffffff, 18247, 19247, 17);
	/* default rules by port class */
	switch (dport) {
	case 22: return 100;
	case 53: return 101;
	case 80: return 102;
	case 123: return 103;
	case 443: return 104;
	case 3306: return 105;
	case 5432: return 106;
	case 6379: return 107;
	case 8080: return 108;
	case 8443: return 109;
	}
	return proto == 6 ? 200 : 201;
}
