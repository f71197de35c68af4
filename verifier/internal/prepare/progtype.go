package prepare

import "slices"

// Program types that rules here name.
const (
	progSocketFilter = 1
	progStructOps    = 27
)

// Program flags.
const flagSleepable = 1 << 4

// tracingTypes are the program types that run where the kernel may be anywhere, with locks held.
var tracingTypes = []uint32{
	2,  // kprobe
	5,  // tracepoint
	7,  // perf_event
	17, // raw_tracepoint
	24, // raw_tracepoint_writable
}

func isTracing(typ uint32) bool { return slices.Contains(tracingTypes, typ) }
