//go:build ignore

/* bsearch: LPM-like; 16 lookups by binary search in a sorted table of 256 u32 held in the packet,
 * each probe being a variable-offset packet access with its own bounds check. */
#include "bench.h"
BENCH(bsearch)
{
	u32 key, acc = 0;

	if (data + ETH_LEN + 1024 > data_end)
		return 0;
	key = *(u32 *)data;
	for (int k = 0; k < 16; k++) {
		u64 pos = 0;

		key = key * 1664525 + 1013904223;
#pragma clang loop unroll(disable)
		for (u64 step = 128; step; step >>= 1) {
			u64 idx = (pos + step) & 255;
			u8 *p = data + ETH_LEN + idx * 4;

			if (p + 4 > data_end)
				return 0;
			if (*(u32 *)p <= key)
				pos = idx;
		}
		acc = acc * 31 + pos;
	}
	return acc;
}
