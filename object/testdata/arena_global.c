// A variable in an arena.
#include "unsupported.h"
struct {
	__uint(type, 33); /* BPF_MAP_TYPE_ARENA */
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 10);
} arena SEC(".maps");

int __attribute__((address_space(1))) global = 5;

SEC("syscall")
int p(void *ctx)
{
	void *use = &arena;

	asm volatile("" ::"r"(use));
	return global;
}
