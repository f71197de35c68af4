//go:build ignore

/* arraymap: 32 array-map lookups with data-dependent keys, each followed by an increment of the value. */
#include "bench.h"
#include "maps.h"
ARRAY_MAP(counters, u64, 256)
BENCH(arraymap)
{
	u64 sum = 0;

	if (data + ETH_LEN + 32 > data_end)
		return 0;
#pragma clang loop unroll(disable)
	for (int i = 0; i < 32; i++) {
		u32 key = data[ETH_LEN + i];
		u64 *v = counters_lookup(&key);

		if (v) {
			*v += 1;
			sum += key;
		}
	}
	return sum;
}
