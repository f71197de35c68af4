// A static map.
#include "unsupported.h"
static ARRAY(m);

SEC("xdp")
int p(void *ctx)
{
	int key = 0;

	return bpf_map_lookup_elem(&m, &key) ? 1 : 2;
}
