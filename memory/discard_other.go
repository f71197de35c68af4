//go:build !linux

package memory

// discard gives pages back to the host and reports whether they read as zero from now on. Other hosts
// than Linux have no call that promises both.
func (r *region) discard(off, n uint64) bool { return false }

// hugePages asks for large pages. There is no portable way.
func (r *region) hugePages(off, n uint64) {}

// noReserve: no flag is known to keep memory that is not touched out of the account.
const noReserve = 0
