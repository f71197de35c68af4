package fuzz

import (
	"fmt"
	"os"
	"strings"
)

// CPUs is how many CPUs the running kernel may have; 0 if that cannot be told.
func CPUs() int {
	b, err := os.ReadFile("/sys/devices/system/cpu/possible")
	if err != nil {
		return 0
	}
	s := strings.TrimSpace(string(b))
	var lo, hi int
	if _, err := fmt.Sscanf(s, "%d-%d", &lo, &hi); err == nil {
		return hi + 1
	}
	return 1
}
