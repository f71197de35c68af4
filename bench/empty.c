//go:build ignore

/* empty: returns 0 at once; the harness overhead of every engine. */
#include "bench.h"
BENCH(empty) { return 0; }
