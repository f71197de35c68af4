//go:build !unix && !windows

package memory

import (
	"errors"
	"fmt"
	"unsafe"
)

// guarded says that what is not committed faults: not here, where a Space is a slice.
const guarded = false

// maxSize is what a host without virtual memory can spare, as a slice is all there at once.
const maxSize uint64 = 64 << 20

// A region is a slice of words, so that it is aligned.
type region struct{ mem []uint64 }

func reserve(size uint64) (*region, error) {
	if size > 2*maxSize {
		return nil, fmt.Errorf("memory: reserve %d bytes: no virtual memory on this host", size)
	}
	return &region{make([]uint64, size/8)}, nil
}

func (r *region) at(off uint64) unsafe.Pointer {
	return unsafe.Add(unsafe.Pointer(&r.mem[0]), uintptr(off))
}

func (r *region) commit(off, n uint64) error { return nil }

func (r *region) release() error { return nil }

// open makes all of it accessible: not here, see Space.Open.
func (r *region) open() error {
	return errors.New("memory: this host cannot map memory that it need not have")
}
