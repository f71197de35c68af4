// A variable in a section of the programmer's own.
#include "unsupported.h"
int a SEC("mydata") = 4;

SEC("xdp")
int p(void *ctx)
{
	return *(volatile int *)&a;
}
