//go:build ignore

/* hashmap: 16 hash-map lookups (12-byte flow key) with a value increment each, then one update
 * of an existing key; the keys come from the packet and all 16 are present after the first run. */
#include "bench.h"
#ifndef BENCH_NATIVE
#include "maps.h"
struct flow { u32 saddr, daddr, ports; };
HASH_MAP(flows, struct flow, u64, 65536)
BENCH(hashmap)
{
	u64 hits = 0, one = 1;
	struct flow k = {};

	if (data + ETH_LEN + 32 > data_end)
		return 0;
	k.daddr = 0x0a000001;
	k.ports = *(u16 *)(data + ETH_LEN + 20);
#pragma clang loop unroll(disable)
	for (int i = 0; i < 16; i++) {
		u64 *v;

		k.saddr = *(u16 *)(data + ETH_LEN + 2 * i);
		v = flows_lookup(&k);
		if (v) {
			*v += 1;
			hits++;
		} else {
			bpf_map_update_elem(&flows, &k, &one, BPF_ANY);
		}
	}
	bpf_map_update_elem(&flows, &k, &one, BPF_EXIST);
	return hits != 0;
}
#endif
