// A weak map, as objects have that are meant to be linked.
#include "unsupported.h"
__weak ARRAY(m);

SEC("xdp")
int p(void *ctx)
{
	int key = 0;

	return bpf_map_lookup_elem(&m, &key) ? 1 : 2;
}
