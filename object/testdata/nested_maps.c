// Maps of maps of maps.
#include "unsupported.h"
struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, int);
};

struct middle {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, int);
	__array(values, struct inner);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, int);
	__array(values, struct middle);
} m SEC(".maps");

SEC("xdp")
int p(void *ctx)
{
	int key = 0;

	return bpf_map_lookup_elem(&m, &key) ? 1 : 2;
}
