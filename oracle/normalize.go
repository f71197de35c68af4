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
	rxTypeID  = regexp.MustCompile(`(\bbtf_id |\bcall \w+#)\d{4,}`)
	rxElapsed = regexp.MustCompile(`verification time \d+ usec`)
)

// Normalize replaces in a log what varies from run to run and from build to build of one kernel: the
// addresses of maps and kernel variables that the 64-bit load instruction shows, the BTF ids of kernel
// types and functions, and the time taken. Every comparison of logs goes through here.
func Normalize(log string) string {
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
	if strings.Contains(line, "btf_id ") || strings.Contains(line, "#") {
		line = rxTypeID.ReplaceAllString(line, "${1}<id>") // helpers have numbers below 1000
	}
	if !strings.Contains(line, "(18)") {
		return line
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
