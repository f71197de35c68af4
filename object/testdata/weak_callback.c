// A pointer to a weak function.
#include "unsupported.h"
__weak int callback(__u32 i, void *ctx)
{
	return 0;
}

SEC("xdp")
int p(void *ctx)
{
	return bpf_loop(5, callback, 0, 0);
}
