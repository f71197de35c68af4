package oracle

import "time"

// A Run is what came out of running a program.
type Run struct {
	Retval   uint32
	Duration time.Duration // of one run, on average
	Data     []byte        // the packet after the run
	Ctx      []byte        // the context after the run
}

func newRun(retval, duration uint32, data, ctx []byte) *Run {
	return &Run{Retval: retval, Duration: time.Duration(duration), Data: data, Ctx: ctx}
}
