//go:build ignore

/* 64 lookups of pseudo-random keys that are there in a hash map, per run; KEYW 32-bit words per key. The state (LCG) lives
 * in the packet, so successive runs visit different keys. It is a template: who loads it sets the map's max_entries, a power
 * of two, and mask to one less, and gives the keys w[j] = i * 0x9E3779B1 + j, for i < max_entries, the value 1. */
#include "../bench.h"
#include "../maps.h"
struct key { u32 w[KEYW]; };
HASH_MAP(table, struct key, u64, 1)
volatile const u32 mask = 0;
BENCH(hlookup)
{
	struct key k;
	u64 x, hits = 0;

	if (data + 32 > data_end)
		return 0;
	x = *(u64 *)(data + 16);
#pragma clang loop unroll(disable)
	for (int i = 0; i < 64; i++) {
		u32 idx;
		u64 *v;

		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		idx = (x >> 33) & mask;
		for (int j = 0; j < KEYW; j++)
			k.w[j] = idx * 0x9E3779B1 + j;
		v = table_lookup(&k);
		if (v)
			hits += *v;
	}
	*(u64 *)(data + 16) = x;
	return hits;
}
