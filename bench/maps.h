//go:build ignore

/* Map access for the map benchmarks: BTF maps and helpers for BPF builds, plain memory natively. */
#pragma once
#ifdef BENCH_NATIVE
#include <stddef.h>
#define ARRAY_MAP(name, valtype, n)                                            \
	static valtype name##_mem[n];                                          \
	INLINE valtype *name##_lookup(u32 *k)                                  \
	{                                                                      \
		return *k < n ? &name##_mem[*k] : NULL;                        \
	}
#define PERCPU_MAP ARRAY_MAP
#else
#ifndef NULL
#define NULL ((void *)0)
#endif
#define MAP_(name, kind, keytype, valtype, n)                                  \
	struct {                                                               \
		__uint(type, kind);                                            \
		__uint(max_entries, n);                                        \
		__type(key, keytype);                                          \
		__type(value, valtype);                                        \
	} name SEC(".maps");                                                   \
	INLINE valtype *name##_lookup(keytype *k)                              \
	{                                                                      \
		return bpf_map_lookup_elem(&name, k);                          \
	}
#define ARRAY_MAP(name, valtype, n) MAP_(name, BPF_MAP_TYPE_ARRAY, u32, valtype, n)
#define PERCPU_MAP(name, valtype, n) MAP_(name, BPF_MAP_TYPE_PERCPU_ARRAY, u32, valtype, n)
#define HASH_MAP(name, keytype, valtype, n) MAP_(name, BPF_MAP_TYPE_HASH, keytype, valtype, n)
#endif
