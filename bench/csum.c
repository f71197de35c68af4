//go:build ignore

/* csum: parse Ethernet/IPv4/TCP, fold the IPv4 header checksum, then sum the TCP payload
 * in 16-bit words with a bounds check per word (64 to 1514 byte packets). */
#include "bench.h"
BENCH(csum)
{
	struct eth *e = (void *)data;
	struct ip4 *ip = (void *)(data + ETH_LEN);
	u8 *p = data + ETH_LEN + 20 + 20;
	u64 sum = 0, hs = 0;

	if (p > data_end)
		return 1;
	if (e->proto != bpf_htons(ETH_P_IP) || ip->vihl != 0x45 || ip->proto != 6)
		return 2;
	for (int i = 0; i < 10; i++)
		hs += ((u16 *)ip)[i];
	hs = (hs & 0xffff) + (hs >> 16);
	hs = (hs & 0xffff) + (hs >> 16);
	for (int i = 0; i < 730; i++) {
		if (p + 2 > data_end)
			break;
		sum += *(u16 *)p;
		p += 2;
	}
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return hs << 16 | sum;
}
