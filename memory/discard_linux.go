package memory

import "golang.org/x/sys/unix"

// discard gives pages back to the host and reports whether they read as zero from now on.
func (r *region) discard(off, n uint64) bool {
	return unix.Madvise(r.mem[off:off+n], unix.MADV_DONTNEED) == nil
}

// hugePages asks for large pages, which matter for tables that are accessed at random. It is only advice.
func (r *region) hugePages(off, n uint64) {
	_ = unix.Madvise(r.mem[off:off+n], unix.MADV_HUGEPAGE)
}

// noReserve keeps memory that is mapped and not touched out of the host's account.
const noReserve = unix.MAP_NORESERVE
