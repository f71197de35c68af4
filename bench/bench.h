//go:build ignore

/* Shared scaffolding of the benchmark set: one program body, three builds.
 *
 *   (default)      kernel / any XDP-capable VM: SEC("xdp") int NAME(struct xdp_md *)
 *   -DBENCH_RAW    raw user-space VM: u64 NAME(u8 *data, u64 len), r1 = packet, r2 = length
 *   -DBENCH_NATIVE host C: same signature as BENCH_RAW, maps become plain memory
 *
 * Every body gets [data, data_end) and returns a value; all builds return its low 32 bits,
 * so results can be compared across engines.
 */
#pragma once
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define INLINE static inline __attribute__((always_inline))
#define NOINLINE static __attribute__((noinline))

#ifdef BENCH_NATIVE
#define bpf_htons(x) __builtin_bswap16(x)
#define bpf_ntohs(x) __builtin_bswap16(x)
#define bpf_ntohl(x) __builtin_bswap32(x)
#define SEC(x)
#else
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
char _license[] SEC("license") = "GPL";
#endif

#if defined(BENCH_NATIVE) || defined(BENCH_RAW)
#define BENCH(name)                                              \
	INLINE u64 name##_body(u8 *data, u8 *data_end);          \
	SEC("xdp") u64 name(u8 *data, u64 len)                   \
	{                                                        \
		return (u32)name##_body(data, data + len);       \
	}                                                        \
	INLINE u64 name##_body(u8 *data, u8 *data_end)
#else
#define BENCH(name)                                              \
	INLINE u64 name##_body(u8 *data, u8 *data_end);          \
	SEC("xdp") int name(struct xdp_md *ctx)                  \
	{                                                        \
		return (u32)name##_body((u8 *)(long)ctx->data,   \
					(u8 *)(long)ctx->data_end); \
	}                                                        \
	INLINE u64 name##_body(u8 *data, u8 *data_end)
#endif

#define ETH_LEN 14
#define ETH_P_IP 0x0800

struct eth { u8 dst[6], src[6]; u16 proto; } __attribute__((packed));
struct ip4 { u8 vihl, tos; u16 len, id, frag; u8 ttl, proto; u16 csum; u32 saddr, daddr; };
struct l4  { u16 sport, dport; };
