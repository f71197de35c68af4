package oracle

import (
	"regexp"
	"strings"
)

var (
	rxImm64   = regexp.MustCompile(`\(18\) (r\d+) = 0x([0-9a-f]+)`)
	rxPointer = regexp.MustCompile(` R\d+(?:_\w+)?=[a-z_]+\(`)
	// rxKernel matches x86-64 kernel addresses: the direct map, vmalloc, the text and modules. It leaves
	// out 0xffffffff80000000, which as a constant is common.
	rxKernel  = regexp.MustCompile(`^(?:ffff8[0-9a-f]{11}|ffffc9[0-9a-f]{10}|ffffffff[89a-c][0-9a-f]{7})$`)
	rxElapsed = regexp.MustCompile(`verification time \d+ usec`)
)

// Normalize replaces in a log what varies from run to run of the same kernel: the addresses of maps and
// kernel variables that the 64-bit load instruction shows, and the time taken. BTF ids stay: they are
// part of the program, and equal for equal BTF.
func Normalize(log string) string {
	if !strings.Contains(log, "(18)") && !strings.Contains(log, "verification time") {
		return log
	}
	lines := strings.SplitAfter(log, "\n")
	for i, l := range lines {
		lines[i] = normalizeLine(l)
	}
	return strings.Join(lines, "")
}

func normalizeLine(line string) string {
	if strings.Contains(line, "verification time") {
		return rxElapsed.ReplaceAllString(line, "verification time <t> usec")
	}
	m := rxImm64.FindStringSubmatchIndex(line)
	if m == nil {
		return line
	}
	value := line[m[4]:m[5]]
	state := line[m[1]:]
	constant := value == "ffffffff80000000" || !rxKernel.MatchString(value)
	if constant && !rxPointer.MatchString(state) {
		return line
	}
	head := line[:m[4]-len("0x")] + "<addr>"
	text, ok := strings.CutPrefix(strings.TrimLeft(state, " "), ";")
	if !ok {
		return head + state
	}
	// The column of the state follows the length of the address.
	return head + " ;" + text
}
