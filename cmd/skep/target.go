package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
)

// A target is the kernel that programs are judged for, as flags say it.
type target struct {
	kernel string
	btf    string
}

func (t *target) flags(c *cobra.Command) {
	c.Flags().StringVar(&t.kernel, "kernel", "", "`version` of Linux, such as 6.6 (default "+linux.Default.Version.String()+")")
	c.Flags().StringVar(&t.btf, "btf", "", "`file` with the kernel's types (raw BTF, vmlinux, either gzipped), or \"host\" for the running kernel's")
}

// resolve gives the kernel and its types, which are nil if no flag names them.
func (t *target) resolve() (*linux.Kernel, *object.BTF, error) {
	k := linux.Default
	if t.kernel != "" {
		v, err := linux.ParseVersion(t.kernel)
		if err != nil {
			return nil, nil, &exit{exitUsage, err}
		}
		k = linux.For(v)
	}
	if t.btf == "" {
		return k, nil, nil
	}
	path := t.btf
	if path == "host" {
		path = object.HostBTF
	}
	types, err := object.LoadBTF(path)
	if err != nil {
		return nil, nil, fmt.Errorf("--btf: %w", err)
	}
	return k, types, nil
}
