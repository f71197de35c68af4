package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime is the time that the calling thread has used; false if the host does not tell.
func cpuTime() (time.Duration, bool) {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts) != nil {
		return 0, false
	}
	return time.Duration(ts.Nano()), true
}
