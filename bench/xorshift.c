//go:build ignore

/* xorshift: 1024 rounds of xorshift64* seeded from the packet; a pure 64-bit ALU dependency chain. */
#include "bench.h"
BENCH(xorshift)
{
	u64 x, acc = 0;

	if (data + 16 > data_end)
		return 0;
	x = *(u64 *)data | 1;
	for (int i = 0; i < 1024; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		acc += x * 0x2545F4914F6CDD1DULL;
	}
	return acc;
}
