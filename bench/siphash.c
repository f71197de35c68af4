//go:build ignore

/* siphash: SipHash-2-4 of 64 packet bytes; 64-bit add/rotate/xor (rotates are shift pairs in BPF). */
#include "bench.h"
#define ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))
#define ROUND                                                                  \
	do {                                                                   \
		v0 += v1; v1 = ROTL(v1, 13); v1 ^= v0; v0 = ROTL(v0, 32);      \
		v2 += v3; v3 = ROTL(v3, 16); v3 ^= v2;                         \
		v0 += v3; v3 = ROTL(v3, 21); v3 ^= v0;                         \
		v2 += v1; v1 = ROTL(v1, 17); v1 ^= v2; v2 = ROTL(v2, 32);      \
	} while (0)
BENCH(siphash)
{
	u64 k0 = 0x0706050403020100ULL, k1 = 0x0f0e0d0c0b0a0908ULL;
	u64 v0 = k0 ^ 0x736f6d6570736575ULL, v1 = k1 ^ 0x646f72616e646f6dULL;
	u64 v2 = k0 ^ 0x6c7967656e657261ULL, v3 = k1 ^ 0x7465646279746573ULL;

	if (data + 64 > data_end)
		return 0;
#pragma clang loop unroll(disable)
	for (int i = 0; i < 8; i++) {
		u64 m = *(u64 *)(data + 8 * i);

		v3 ^= m;
		ROUND;
		ROUND;
		v0 ^= m;
	}
	v3 ^= 64ULL << 56;
	ROUND;
	ROUND;
	v0 ^= 64ULL << 56;
	v2 ^= 0xff;
	ROUND;
	ROUND;
	ROUND;
	ROUND;
	return v0 ^ v1 ^ v2 ^ v3;
}
