#include "families.h"
#include "kfuncs.h"

/* Arguments of kernel functions whose flags ask for no trust. Kernels differ: untrusted.stock is what 6.18.15 says. */
struct tcp_congestion_ops {
	void (*init)(struct sock *sk);
	char name[16];
};

struct foo {
	long a;
};

#define O(name) SEC("struct_ops") int name(unsigned long long *ctx)
#define OPS(f)	SEC(".struct_ops.link") struct tcp_congestion_ops ops_##f = {.init = (void *)f, .name = #f}

O(null_maybe)
{
	struct task_struct *t = bpf_task_from_pid(1);
	tcp_reno_ssthresh((void *)t);
	if (t)
		bpf_task_release(t);
	return 0;
}

O(cast)
{
	struct sk_buff *k = bpf_rdonly_cast((void *)ctx[0], bpf_core_type_id_kernel(struct sk_buff));
	tcp_reno_ssthresh((void *)k);
	return 0;
}

O(cast_sock)
{
	struct sock *k = bpf_rdonly_cast((void *)ctx[0], bpf_core_type_id_kernel(struct sock));
	tcp_reno_ssthresh(k);
	return 0;
}

O(wrong)
{
	struct task_struct *t = bpf_get_current_task_btf();
	tcp_reno_ssthresh((void *)t);
	return 0;
}

O(local)
{
	struct foo *f = obj_new(struct foo);
	if (!f)
		return 0;
	tcp_reno_ssthresh((void *)f);
	obj_drop(f);
	return 0;
}

O(local_maybe)
{
	struct foo *f = obj_new(struct foo);
	tcp_reno_ssthresh((void *)f);
	if (f)
		obj_drop(f);
	return 0;
}

O(stack)
{
	long x[25] = {};
	tcp_reno_ssthresh((void *)x);
	return 0;
}

O(offset)
{
	tcp_reno_ssthresh((void *)ctx[0] + 8);
	return 0;
}

OPS(null_maybe);
OPS(cast);
OPS(cast_sock);
OPS(wrong);
OPS(local);
OPS(local_maybe);
OPS(stack);
OPS(offset);
