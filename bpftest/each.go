package bpftest

import (
	"errors"
	"os"
	"runtime"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"

	"github.com/skepbpf/skep"
)

// Options are the choices of Each. The zero value is right for most users.
type Options struct {
	// Skep are the options of the collection in this process.
	Skep *skep.Options
	// Kernel are those of the collection on the kernel.
	Kernel ebpf.CollectionOptions
}

// Each runs a test as subtest "skep" in this process, and as subtest "kernel" on the kernel, each on a fresh collection. The
// spec is not changed. Options may be nil.
func Each(t *testing.T, spec *ebpf.CollectionSpec, opts *Options, test func(t *testing.T, c Collection)) {
	t.Helper()
	if opts == nil {
		opts = &Options{}
	}
	t.Run("skep", func(t *testing.T) {
		c, err := skep.NewCollection(spec.Copy(), opts.Skep)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		test(t, In(c))
	})
	t.Run("kernel", func(t *testing.T) {
		if runtime.GOOS != "linux" {
			t.Skip("there is no kernel to ask on ", runtime.GOOS)
		}
		// On kernels before 5.11 maps count as locked memory; an error shows when they are made.
		_ = rlimit.RemoveMemlock()
		c, err := ebpf.NewCollectionWithOptions(spec.Copy(), opts.Kernel)
		if errors.Is(err, os.ErrPermission) || errors.Is(err, ebpf.ErrNotSupported) {
			t.Skip("the kernel does not let us: ", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		test(t, On(c))
	})
}
