package skep

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep/maps"
)

// wrapMapError says what failed, and lets errors.Is find cilium/ebpf's errors beside the errno.
func wrapMapError(doing string, err error) error {
	if err == nil {
		return nil
	}
	var errno maps.Errno
	if !errors.As(err, &errno) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	for _, known := range [...]struct {
		errno maps.Errno
		as    error
	}{{maps.ENOENT, ebpf.ErrKeyNotExist}, {maps.EEXIST, ebpf.ErrKeyExist}, {maps.ENOTSUPP, ebpf.ErrNotSupported}} {
		if errno == known.errno {
			return &mapError{doing, err, known.as}
		}
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// A mapError is an error that cilium/ebpf has a name for.
type mapError struct {
	doing string
	err   error // with the errno
	as    error // cilium/ebpf's
}

// Error reads as cilium/ebpf's does.
func (e *mapError) Error() string { return e.doing + ": " + e.as.Error() }

// Unwrap gives both errors.
func (e *mapError) Unwrap() []error { return []error{e.as, e.err} }
