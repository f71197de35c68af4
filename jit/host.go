package jit

import (
	"runtime"

	"golang.org/x/sys/cpu"
)

// hostBackend is the backend of this host, with what its processor has; nil if there is no native code here.
func hostBackend() backend {
	if runtime.GOOS != "linux" {
		return nil
	}
	// Package cpu does not tell of MOVBE: every processor with BMI2 has it.
	return backendOf(runtime.GOARCH, cpu.X86.HasBMI2 || cpu.ARM64.HasATOMICS)
}

// backendOf is the backend of an architecture; modern says that the processor has BMI2 and MOVBE, or LSE.
func backendOf(arch string, modern bool) backend {
	switch arch {
	case "amd64":
		return &x86{bmi2: modern, movbe: modern}
	case "arm64":
		return &arm{lse: modern}
	}
	return nil
}
