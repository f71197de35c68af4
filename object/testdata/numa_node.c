// A field of map definitions that only libbpf knows.
#include "unsupported.h"
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(numa_node, 0);
	__type(key, int);
	__type(value, int);
} m SEC(".maps");

SEC("xdp")
int p(void *ctx)
{
	int key = 0;

	return bpf_map_lookup_elem(&m, &key) ? 1 : 2;
}
