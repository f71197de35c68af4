//go:build !linux

package oracle

import (
	"fmt"
	"runtime"

	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
)

var errOther = fmt.Errorf("oracle: %w: this is %s", ErrUnavailable, runtime.GOOS)

// A Kernel is the running kernel. There is none here.
type Kernel struct{}

// Open answers ErrUnavailable.
func Open() (*Kernel, error) { return nil, errOther }

// Close does nothing.
func (*Kernel) Close() {}

// Release is the version of the kernel.
func (*Kernel) Release() string { return "" }

// Facts answers ErrUnavailable.
func (*Kernel) Facts() (*linux.Kernel, error) { return nil, errOther }

// BTF answers ErrUnavailable.
func (*Kernel) BTF() (*object.BTF, error) { return nil, errOther }

// Load answers ErrUnavailable.
func (*Kernel) Load(*object.Program, Options) (*Result, error) { return nil, errOther }

// CreateMap answers ErrUnavailable.
func (*Kernel) CreateMap(*object.Map) (int, error) { return -1, errOther }

// MapLookup answers ErrUnavailable.
func MapLookup(fd int, key, value []byte) error { return errOther }

// MapUpdate answers ErrUnavailable.
func MapUpdate(fd int, key, value []byte, flags uint64) error { return errOther }

// MapDelete answers ErrUnavailable.
func MapDelete(fd int, key []byte) error { return errOther }

// MapNextKey answers ErrUnavailable.
func MapNextKey(fd int, key, next []byte) error { return errOther }

// MapFreeze answers ErrUnavailable.
func MapFreeze(fd int) error { return errOther }

// CloseMap does nothing.
func CloseMap(fd int) {}

// TestRun answers ErrUnavailable.
func TestRun(fd int, data, ctx []byte, repeat uint32) (*Run, error) { return nil, errOther }
