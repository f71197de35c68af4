package interp_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/skepbpf/skep/linux"
)

// TestKernelText compares the helpers that format and parse text with the running kernel.
func TestKernelText(t *testing.T) {
	k := kernel(t)
	r := rand.New(rand.NewPCG(5, 5))
	formats := []string{"hello", "", "%d", "%i|%u|%x|%X", "%ld %lu %lx", "%lld %llu %llx", "%5d|%-5d|%05d|%+d|% d", "%10llx|%-10llx|%010llx",
		"%c%c", "%s", "%10s|%-10s|", "%pks", "100%%", "%", "%q", "%5%", "%l", "%lls", "%lc", "%d %d %d %d %d", "\x01", "caf\xc3\xa9", "a\tb\n",
		"%px", "%pI4 %pi4", "%pI6", "%pi6", "%p4", "%pI5", "%08lX", "%-08d|", "%.3d", "%*d", "%hd", "%o", "%+u", "%1000d", "% 5d|", "%+5d|", "%-+5d|", "%0-5d|", "%#x"}
	for _, f := range formats {
		memory := make([]byte, bufSize)
		for i := range 40 { // values
			if memory[i] = byte(r.Uint32()); r.IntN(2) == 0 {
				memory[i] = 0
			}
		}
		run := func(steps ...step) {
			p := script(linux.ProgTypeSchedCLS, steps, memory, []byte(f+"\x00"), 1)
			there := runThere(t, k, p, make([]byte, 64), nil)
			if there.refused {
				return // some formats are looked at before they run
			}
			if d := runHere(t, p, make([]byte, 64), nil).difference(there, linux.ProgTypeSchedCLS); d != "" {
				t.Errorf("%q, %v: %s", f, steps, d)
			}
		}
		run(step{"trace_printk", []any{str(0), len(f) + 1, 1, -2, 3}})
		run(step{"snprintf", []any{buf(64), 100, str(0), buf(0), 40}})
		run(step{"snprintf", []any{buf(64), 100, str(0), 0, 0}})
		if !strings.Contains(strings.ToLower(f), "%pi") {
			// Of addresses that are cut, Linux does not give the whole length.
			run(step{"snprintf", []any{buf(64), 5, str(0), buf(0), 40}})
			run(step{"snprintf", []any{0, 0, str(0), buf(0), 40}})
		}
	}
}

// TestKernelNumbers compares bpf_strtol, bpf_strtoul and bpf_strncmp.
func TestKernelNumbers(t *testing.T) {
	k := kernel(t)
	for _, s := range []string{"", "0", "1", "-1", "+1", " 12", "\t\n 12x", "12 ", "0x", "0x1f", "-0X1F", "0xg", "017", "08", "1f", "abc", "--1", "- 1",
		"9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "18446744073709551615",
		"18446744073709551616", "0xffffffffffffffff", "99999999999999999999999999", "0x8000000000000000", "-0x8000000000000000", "-0", "-",
		"0000000000000000000000000000000000000000000000000000000000000000001"} {
		var steps []step
		for _, flags := range []int{0, 8, 10, 16, 2, 32} {
			steps = append(steps, step{"strtol", []any{buf(0), max(len(s), 1), flags, buf(256 + 8*len(steps))}},
				step{"strtoul", []any{buf(0), max(len(s), 1), flags, buf(264 + 8*len(steps))}})
		}
		for _, n := range []int{1, 3, 60} {
			steps = append(steps, step{"strncmp", []any{buf(0), n, str(0)}})
		}
		memory := make([]byte, bufSize)
		copy(memory, s)
		compare(t, k, linux.ProgTypeSchedCLS, steps, memory, []byte("12x\x00"), make([]byte, 64), nil)
	}
}

// TestKernelProbe compares the helpers that read memory.
func TestKernelProbe(t *testing.T) {
	k := kernel(t)
	for _, name := range []string{"probe_read_kernel", "probe_read_kernel_str"} {
		for _, n := range []int{1, 4, 6} {
			for _, src := range []any{str(0), str(strSize - 6), 0, 8, int64(-4096)} {
				steps := []step{{name, []any{buf(0), n, src}}}
				compare(t, k, linux.ProgTypeSchedCLS, steps, []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), []byte("abc\x00def"), make([]byte, 64), nil)
			}
		}
	}
}
