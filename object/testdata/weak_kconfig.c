// A weak value of the kernel's configuration: libbpf gives 0 for what is not there.
#include "unsupported.h"
extern int CONFIG_HZ __kconfig __weak;

SEC("xdp")
int p(void *ctx)
{
	return CONFIG_HZ;
}
