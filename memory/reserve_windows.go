package memory

import (
	"errors"
	"fmt"
	"math"
	"unsafe"

	"golang.org/x/sys/windows"
)

// guarded says that what is not committed faults.
const guarded = true

// maxSize leaves a 32-bit host most of its address space.
const maxSize uint64 = (math.MaxInt>>32)<<33 | 256<<20

// A region is reserved virtual memory, committed in parts.
type region struct{ addr uintptr }

func reserve(size uint64) (*region, error) {
	addr, err := windows.VirtualAlloc(0, uintptr(size), windows.MEM_RESERVE, windows.PAGE_NOACCESS)
	if err != nil {
		return nil, fmt.Errorf("memory: reserve %d bytes: %w", size, err)
	}
	return &region{addr}, nil
}

// at goes through memory to make a pointer of an address that is not Go's.
func (r *region) at(off uint64) unsafe.Pointer {
	p := r.addr + uintptr(off)
	return *(*unsafe.Pointer)(unsafe.Pointer(&p))
}

func (r *region) commit(off, n uint64) error {
	_, err := windows.VirtualAlloc(r.addr+uintptr(off), uintptr(n), windows.MEM_COMMIT, windows.PAGE_READWRITE)
	if err != nil {
		return fmt.Errorf("memory: commit %d bytes: %w", n, err)
	}
	return nil
}

func (r *region) release() error { return windows.VirtualFree(r.addr, 0, windows.MEM_RELEASE) }

// open makes all of it accessible: not here, see Space.Open.
func (r *region) open() error {
	return errors.New("memory: this host cannot map memory that it need not have")
}
