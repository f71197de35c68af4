package prepare

import "slices"

// Program types that rules here name.
const (
	progSocketFilter          = 1
	progKprobe                = 2
	progTracepoint            = 5
	progXDP                   = 6
	progPerfEvent             = 7
	progRawTracepoint         = 17
	progRawTracepointWritable = 24
	progTracing               = 26
	progStructOps             = 27
	progExt                   = 28
	progLSM                   = 29
	progSyscall               = 31
)

// Attach types that rules here name.
const (
	attachRawTP     = 23
	attachFentry    = 24
	attachFexit     = 25
	attachModifyRet = 26
	attachIter      = 28
	attachLSMCgroup = 43
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
