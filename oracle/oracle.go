// Package oracle asks the running kernel: it loads Programs through bpf(2) and reports the verdict, the
// message, the figures and the log; it runs loaded programs; and it reads verifier logs, the kernel's
// and skep's, so that the two can be compared state by state.
//
// Everything that touches the kernel needs Linux and the rights to load programs (root, or CAP_BPF and
// CAP_PERFMON), and answers ErrUnavailable elsewhere. Reading and comparing logs works everywhere.
package oracle

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrUnavailable is wrapped by what Open answers where there is no kernel to ask: another operating
// system, or no right to use bpf(2).
var ErrUnavailable = errors.New("no kernel to ask")

// Bits of Options.LogLevel, as BPF_PROG_LOAD takes them.
const (
	LogPath   = 1 // the instructions on the way to the error
	LogStates = 2 // every instruction walked, with the state after it
	LogStats  = 4 // the figures at the end
)

// Values of Result.Verdict.
const (
	Accept  = "accept"
	Reject  = "reject" // the verifier ran and refused
	Refused = "error"  // a map, BTF, or the attributes were refused before the verifier began
)

// Options say how to load. The zero Options give the verdict, the message and the figures, as cheaply
// as they can be had.
type Options struct {
	// LogLevel is a sum of LogPath, LogStates and LogStats. 0 loads with the figures alone, and a second
	// time with LogPath when the program is refused, because only that log has every message.
	LogLevel uint32
	// NoLog loads once and without a log: a Result then has only Verdict and Errno.
	NoLog bool
	// LogMax is the largest log that is asked for, in bytes; 0 means 256 MiB. A program with a longer one
	// is reported with its figures, and the log's end.
	LogMax int
	// LongProgram is the number of processed instructions from which on a refused program is not loaded
	// again for its message, because that takes minutes; 0 means 100,000.
	LongProgram int
	// FreshMaps creates the program's maps for this load alone. Otherwise loads that name the same
	// *object.Map share one, whatever programs have written into it.
	FreshMaps bool
}

// A Result is what the kernel said of a program.
type Result struct {
	Verdict string // Accept, Reject or Refused
	Errno   syscall.Errno
	Message string // the last line of the log that is not a figure; "" on accept
	Log     string

	Stats

	// Truncated says that Log has only the end of a log longer than Options.LogMax.
	Truncated bool

	// FD is the descriptor of the accepted program, -1 otherwise, and Maps are those of the maps it names,
	// in the order of Program.Maps. They are good until Close.
	FD   int
	Maps []int

	close func()
}

// Stats are the figures at the end of a log.
type Stats struct {
	Processed        int
	MaxPerInsn       int // max_states_per_insn
	TotalStates      int
	PeakStates       int
	MarkRead         int
	StackDepth       string // "16+0+8", main program first
	VerificationTime time.Duration
}

// Ran tells that a verifier wrote the figures.
func (s *Stats) Ran() bool { return s.Processed > 0 || s.TotalStates > 0 || s.StackDepth != "" }

// Close unloads the program. It may be called more than once, and on a Result without program.
func (r *Result) Close() {
	if r != nil && r.close != nil {
		r.close()
		r.close, r.FD, r.Maps = nil, -1, nil
	}
}

// String gives the verdict in one line.
func (r *Result) String() string {
	switch r.Verdict {
	case Accept:
		return fmt.Sprintf("accept, processed %d", r.Processed)
	case Reject:
		return fmt.Sprintf("reject (errno %d), processed %d: %s", int(r.Errno), r.Processed, r.Message)
	}
	return fmt.Sprintf("%s (errno %d): %s", r.Verdict, int(r.Errno), r.Message)
}

var (
	rxProcessed = regexp.MustCompile(`processed (\d+) insns .*max_states_per_insn (\d+) total_states (\d+) peak_states (\d+) mark_read (\d+)`)
	rxStack     = regexp.MustCompile(`stack depth (\d+(?:\+\d+)*)`)
	rxTime      = regexp.MustCompile(`verification time (\d+) usec`)
)

// Summary takes the message and the figures from a log. The message is the last line that is not a
// figure, whatever the verdict was.
func Summary(log string) (message string, st Stats) {
	log = strings.TrimRight(log, "\n ")
	tail := log[max(0, len(log)-8192):]
	number := func(s string) int {
		n, _ := strconv.Atoi(s) // the expression matched digits
		return n
	}
	if m := rxProcessed.FindStringSubmatch(tail); m != nil {
		st.Processed, st.MaxPerInsn, st.TotalStates = number(m[1]), number(m[2]), number(m[3])
		st.PeakStates, st.MarkRead = number(m[4]), number(m[5])
	}
	if m := rxStack.FindStringSubmatch(tail); m != nil {
		st.StackDepth = m[1]
	}
	if m := rxTime.FindStringSubmatch(tail); m != nil {
		st.VerificationTime = time.Duration(number(m[1])) * time.Microsecond
	}
	for log != "" {
		i := strings.LastIndexByte(log, '\n')
		line := log[i+1:]
		log = log[:max(i, 0)]
		// A message may lack its newline, so that the first figure stands on its line.
		line, _, _ = strings.Cut(line, "verification time ")
		line = strings.TrimSpace(line)
		if line != "" && !isFigure(line) {
			return line, st
		}
	}
	return "", st
}

// isFigure tells that a line belongs to the figures at the end of a log.
func isFigure(line string) bool {
	for _, prefix := range []string{"processed ", "stack depth", "verification time ", "insns processed"} {
		if strings.HasPrefix(line, prefix) {
			return true
		}
	}
	return false
}
