package main

import (
	"fmt"
	"strings"
)

// words are the parts of UAPI names whose Go spelling is not just a capital.
var words = map[string]string{
	"XDP": "XDP", "LSM": "LSM", "LWT": "LWT", "SKB": "SKB", "CLS": "CLS", "ACT": "ACT", "CGROUP": "CGroup",
	"TCX": "TCX", "LPM": "LPM", "LRU": "LRU", "CPUMAP": "CPUMap", "DEVMAP": "DevMap", "XSKMAP": "XSKMap",
	"PERCPU": "PerCPU", "TP": "TP", "UDP4": "UDP4", "UDP6": "UDP6", "RINGBUF": "RingBuf", "SOCKMAP": "SockMap",
	"SOCKHASH": "SockHash", "MAC": "MAC",
}

// camel turns PERF_EVENT_ARRAY into PerfEventArray.
func camel(upper string) string {
	var b strings.Builder
	for _, w := range strings.Split(upper, "_") {
		switch {
		case words[w] != "":
			b.WriteString(words[w])
		case w != "":
			b.WriteString(w[:1] + strings.ToLower(w[1:]))
		}
	}
	return b.String()
}

// progConst is the Go constant of BPF_PROG_TYPE_X.
func progConst(name string) string {
	return "ProgType" + camel(strings.TrimPrefix(name, "BPF_PROG_TYPE_"))
}

// attachConst is the Go constant of an attach type BPF_X, "0" if there is none.
func attachConst(name string) string {
	if !strings.HasPrefix(name, "BPF_") {
		return "0"
	}
	return "Attach" + camel(strings.TrimPrefix(name, "BPF_"))
}

// helperConst is the Go constant of a helper bpf_x.
func helperConst(name string) string {
	return "Helper" + camel(strings.ToUpper(strings.TrimPrefix(name, "bpf_")))
}

// version turns "6.18" into V(6, 18).
func version(s string) string {
	if s == "" {
		return "Never"
	}
	major, minor, _ := strings.Cut(s, ".")
	return fmt.Sprintf("V(%s, %s)", major, minor)
}

// target cuts what facts write before and after the name of a BTF target: "func:bpf_iter_task (sleepable)".
func target(s string) string {
	s, _, _ = strings.Cut(s, " (")
	s = strings.TrimPrefix(s, "func:")
	return strings.TrimPrefix(s, "struct ")
}
