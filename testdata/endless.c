//go:build ignore

/* A program that the verifier accepts and that runs for years: callbacks that call callbacks. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

static int inner(__u32 i, void *ctx)
{
	return 0;
}

static int outer(__u32 i, void *ctx)
{
	bpf_loop(1 << 23, inner, 0, 0);
	return 0;
}

SEC("xdp")
int callbacks(struct xdp_md *ctx)
{
	bpf_loop(1 << 23, outer, 0, 0);
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
