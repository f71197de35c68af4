//go:build ignore

/* pktcount: the classic per-packet counter; parse IPv4, bump packets and bytes of a per-CPU slot per protocol. */
#include "bench.h"
#include "maps.h"
struct stat { u64 packets, bytes; };
PERCPU_MAP(stats, struct stat, 256)
BENCH(pktcount)
{
	struct eth *e = (void *)data;
	struct ip4 *ip = (void *)(data + ETH_LEN);
	struct stat *s;
	u32 key = 255;

	if (data + ETH_LEN + 20 <= data_end && e->proto == bpf_htons(ETH_P_IP))
		key = ip->proto;
	s = stats_lookup(&key);
	if (!s)
		return 0;
	s->packets++;
	s->bytes += data_end - data;
	return 2;
}
