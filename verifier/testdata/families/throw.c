#include "families.h"
#define P(name) SEC("tc") int name(struct __sk_buff *ctx)

static __noinline int tsub(int x)
{
	if (x > 3)
		bpf_throw(x);
	return x & 1;
}

static __noinline int tsub0(int x)
{
	return tsub(x + 1) & 1;
}

__noinline int tglob(int x)
{
	if (x > 3)
		bpf_throw(x);
	return x;
}

static int tcb1(__u32 i, void *c)
{
	return tsub(i) & 1;
}

static int tcb2(__u32 i, void *c)
{
	return tsub0(i) & 1;
}

static int tcb3(__u32 i, void *c)
{
	return tglob(i) & 1;
}

P(a1)
{
	bpf_loop(3, tcb1, NULL, 0);
	return 0;
}

P(a2)
{
	bpf_loop(3, tcb2, NULL, 0);
	return 0;
}

P(a3)
{
	tsub(4);
	bpf_loop(3, tcb1, NULL, 0);
	return 0;
}

P(a4)
{
	tglob(4);
	bpf_loop(3, tcb3, NULL, 0);
	return 0;
}

P(a5)
{
	bpf_loop(3, tcb3, NULL, 0);
	return 0;
}

static __noinline int mid(int x)
{
	bpf_loop(3, tcb1, NULL, 0);
	return 0;
}

P(a6)
{
	mid(3);
	return 0;
}

static int ocb(__u32 i, void *c)
{
	mid(3);
	return 0;
}

P(a7)
{
	bpf_loop(3, ocb, NULL, 0);
	return 0;
}
