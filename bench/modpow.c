//go:build ignore

/* modpow: square-and-multiply a^e mod p with a 64-bit exponent; 64-bit multiply and unsigned modulo. */
#include "bench.h"
BENCH(modpow)
{
	u64 base, e, r = 1;
	u32 p;

	if (data + 24 > data_end)
		return 0;
	base = *(u32 *)data;
	e = *(u64 *)(data + 4) | (1ULL << 63);
	p = *(u32 *)(data + 12) | 0x80000001;
	base %= p;
	for (int i = 0; i < 64; i++) {
		if (e & 1)
			r = r * base % p;
		base = base * base % p;
		e >>= 1;
	}
	return r;
}
