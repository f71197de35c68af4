// A variable of the kernel with a type.
#include "unsupported.h"
extern const int bpf_prog_active __ksym;

SEC("tc")
int p(void *ctx)
{
	return (long)&bpf_prog_active;
}
