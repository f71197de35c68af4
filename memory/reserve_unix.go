//go:build unix

package memory

import (
	"errors"
	"fmt"
	"math"
	"unsafe"

	"golang.org/x/sys/unix"
)

// guarded says that what is not committed faults.
const guarded = true

// maxSize leaves a 32-bit host most of its address space.
const maxSize uint64 = (math.MaxInt>>32)<<33 | 256<<20

// A region is reserved virtual memory, committed in parts.
type region struct{ mem []byte }

func reserve(size uint64) (*region, error) {
	if size > math.MaxInt {
		return nil, fmt.Errorf("memory: reserve %d bytes: address space too small", size)
	}
	mem, err := unix.Mmap(-1, 0, int(size), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|noReserve)
	if err != nil {
		return nil, fmt.Errorf("memory: reserve %d bytes: %w", size, err)
	}
	return &region{mem}, nil
}

func (r *region) at(off uint64) unsafe.Pointer { return unsafe.Pointer(&r.mem[off]) }

func (r *region) commit(off, n uint64) error {
	if err := unix.Mprotect(r.mem[off:off+n], unix.PROT_READ|unix.PROT_WRITE); err != nil {
		return fmt.Errorf("memory: commit %d bytes: %w", n, err)
	}
	return nil
}

// open makes all of it accessible. Pages count only when they are written to: see noReserve.
func (r *region) open() error {
	if noReserve == 0 {
		return errors.New("memory: this host cannot map memory that it need not have")
	}
	if err := unix.Mprotect(r.mem, unix.PROT_READ|unix.PROT_WRITE); err != nil {
		return fmt.Errorf("memory: open the space: %w", err)
	}
	return nil
}

func (r *region) release() error { return unix.Munmap(r.mem) }
