//go:build ignore

/* sort: counting sort of 128 packet bytes on the BPF stack (64 buckets, variable-offset stack loads and
 * stores), then 24 branch-free bubble passes over a 24-element u32 stack array. */
#include "bench.h"
#define N 128
#define M 24
BENCH(sort)
{
	u16 cnt[64] = {};
	u8 out[N] = {};
	u32 a[M];
	u64 sum = 0, pos = 0;

	if (data + ETH_LEN + N > data_end)
		return 0;
	data += ETH_LEN;
#pragma clang loop unroll(disable)
	for (int i = 0; i < N; i++)
		cnt[data[i] & 63]++;
#pragma clang loop unroll(disable)
	for (int i = 0; i < 64; i++) {
		u16 c = cnt[i];

		cnt[i] = pos;
		pos += c;
	}
#pragma clang loop unroll(disable)
	for (int i = 0; i < N; i++) {
		u32 k = data[i] & 63;
		u32 at = cnt[k]++;

		out[at & (N - 1)] = data[i];
	}
#pragma clang loop unroll(disable)
	for (int i = 0; i < M; i++)
		a[i] = *(u32 *)(data + 4 * i) ^ out[(i * 5) & (N - 1)];
	for (int i = 0; i < M; i++)
#pragma clang loop unroll(disable)
		for (int j = 1; j < M; j++) {
			u64 x = a[j - 1], y = a[j];
			u64 t = (x ^ y) & (u64)((long long)(y - x) >> 63);

			a[j - 1] = x ^ t;
			a[j] = y ^ t;
		}
#pragma clang loop unroll(disable)
	for (int i = 0; i < M; i++)
		sum = sum * 3 + a[i];
	for (int i = 0; i < N; i += 8)
		sum ^= *(u64 *)(out + i);
	return sum;
}
