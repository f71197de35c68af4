// Package memory is the one address space that a BPF program sees: stack, context, packet, map
// values, rings all live in a Space, and a pointer in a BPF register is an Addr, an offset into it.
//
// # Layout
//
// A Space is one reservation of virtual memory, 4 GiB between two guard regions, committed as it is
// used:
//
//	| guard | 64 KiB never mapped | objects, growing upwards ...      | not committed | guard |
//	        ^ Base, Addr 0 = NULL                                     ^ limit         ^ 4 GiB
//
// Each guard is longer than a signed 16-bit displacement and the widest access, so that
// base + 32-bit index + displacement never leaves the reservation, whatever the index.
//
// # The shadow
//
// Two bitmaps, one bit per byte of the Space, say which bytes may be read and which may be written.
// An access is allowed if all its bits are set, so objects are exact to the byte, at either end. Bytes
// between objects (red zones, at least 16 bytes) have no bits set. The planes are read without a lock;
// they are written by the allocator under its lock, or by the owner of an object, and never do two
// objects share a byte of a plane.
//
// # Concurrency
//
// Alloc, Free, SetRights, Resize and Object take a lock. Checked access takes none, so a program
// that runs while another goroutine frees an object gets a Fault or the old content, as on real
// hardware; it never leaves the Space. The memory is not Go's: the race detector does not watch it, the
// garbage collector does not look at it, it never moves.
package memory
