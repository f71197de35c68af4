//go:build ignore

/* calls: 256 rounds of nested bpf2bpf calls (two levels, the inner one called twice); call/return cost. */
#include "bench.h"
NOINLINE u64 mix(u64 a, u64 b)
{
	a ^= b;
	a *= 0x9E3779B97F4A7C15ULL;
	return a ^ a >> 32;
}
NOINLINE u64 mix2(u64 a, u64 b, u64 c)
{
	u64 x = mix(a, b);

	return mix(x + a, c) + b;
}
BENCH(calls)
{
	u64 h;

	if (data + 16 > data_end)
		return 0;
	h = *(u64 *)data;
	for (u64 i = 0; i < 256; i++)
		h = mix2(h, i, h >> 7);
	return h;
}
