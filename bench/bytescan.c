//go:build ignore

/* bytescan: search the payload byte by byte for "Host: " (at most 600 positions); byte loads, short branches. */
#include "bench.h"
BENCH(bytescan)
{
	u8 *p = data + ETH_LEN + 40;

	for (int i = 0; i < 600; i++, p++) {
		if (p + 6 > data_end)
			return 0xffff;
		if (p[0] == 'H' && p[1] == 'o' && p[2] == 's' && p[3] == 't' &&
		    p[4] == ':' && p[5] == ' ')
			return i;
	}
	return 0xfffe;
}
