// struct_ops in the section of before links.
#include "unsupported.h"
struct tcp_congestion_ops {
	void (*init)(void *);
	char name[16];
};

SEC("struct_ops/init")
void init(void *ctx)
{
}

SEC(".struct_ops")
struct tcp_congestion_ops ops = {.init = (void *)init, .name = "x"};
