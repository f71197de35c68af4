//go:build ignore

/* steer: load-balancer hot path; parse IPv4+L4, Jenkins (lookup3) hash of the 5-tuple,
 * pick one of 61 backends by modulo, rewrite the destination MAC and fix the TTL and checksum. */
#include "bench.h"
#define ROL(x, b) (((x) << (b)) | ((x) >> (32 - (b))))
BENCH(steer)
{
	struct eth *e = (void *)data;
	struct ip4 *ip = (void *)(data + ETH_LEN);
	struct l4 *t = (void *)(data + ETH_LEN + 20);
	u32 a, b, c, n;

	if (data + ETH_LEN + 24 > data_end)
		return 1;
	if (e->proto != bpf_htons(ETH_P_IP) || (ip->vihl & 0xf) != 5)
		return 2;
	if (ip->proto != 6 && ip->proto != 17)
		return 3;
	if (ip->frag & bpf_htons(0x3fff))
		return 4;
	a = b = c = 0xdeadbeef + (12 << 2) + 7;
	a += ip->saddr;
	b += ip->daddr;
	c += (u32)t->sport << 16 | t->dport;
	a -= c; a ^= ROL(c, 4);  c += b;
	b -= a; b ^= ROL(a, 6);  a += c;
	c -= b; c ^= ROL(b, 8);  b += a;
	a -= c; a ^= ROL(c, 16); c += b;
	b -= a; b ^= ROL(a, 19); a += c;
	c -= b; c ^= ROL(b, 4);  b += a;
	a += ip->proto;
	c ^= b; c -= ROL(b, 14);
	a ^= c; a -= ROL(c, 11);
	b ^= a; b -= ROL(a, 25);
	c ^= b; c -= ROL(b, 16);
	a ^= c; a -= ROL(c, 4);
	b ^= a; b -= ROL(a, 14);
	c ^= b; c -= ROL(b, 24);
	n = c % 61;
	e->dst[0] = 2;
	e->dst[4] = n >> 8;
	e->dst[5] = n;
	ip->tos = n & 0xfc;
	u32 s = (u16)~ip->csum + 0xfffe + (n & 0xfc);
	s = (s & 0xffff) + (s >> 16);
	return c ^ (s << 8) ^ n;
}
