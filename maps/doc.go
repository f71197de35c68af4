// Package maps has every map type that programs and user space share, one file a type. Their
// values live in a memory.Space at addresses that do not change, so a lookup gives a program the
// address of the value itself.
//
// A map has two sides. Lookup, Update, Delete and Range are the program's: they know the CPU it
// runs on and take keys and values as slices of the Space. Get, Put, Remove, Take and NextKey are user
// space's: they copy, see the values of all CPUs at once, and obey BPF_F_RDONLY, BPF_F_WRONLY and
// Freeze. Errors are Errnos, or wrap them, as bpf(2) and the helpers return them.
//
// # Concurrency
//
// All methods may be called at the same time from any number of goroutines, except Close. Lookups in arrays, hash
// tables, tries, and maps of maps take no lock, and none allocates memory. As in the kernel, a program that holds
// the address of a value reads and writes it without further ado; an element of a hash map may be deleted, and
// given to another key, while a program still holds it, and its bytes stay a value of that map for as long as the
// map lives. User space copies aligned 8-byte words whole.
//
// # What differs from Linux
//
// Hash functions have fixed seeds, so that runs are repeatable. LRU maps hold exactly max_entries and choose
// what to evict by one clock hand (second chance) over all elements, where Linux keeps approximate lists per CPU
// and may evict earlier. An update replaces an element in one step, so a lookup never misses a key that
// is being updated; in Linux it can.
//
// There are no descriptors. Where user space gives Linux one, for a map in a map, a program, the owner of a local storage,
// it gives the number of a handle in the Space here (memory.Space.HandleID), or uses a method that takes the thing itself.
// A map of maps keeps a map that was replaced until Reclaim or Close, where Linux waits for programs to end.
//
// Maps for sockets, devices, and control groups hold what they are given; that such things exist is up to their users,
// and so is BTF, which some types of Linux insist on.
package maps
