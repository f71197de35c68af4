package helpers

import "github.com/skepbpf/skep/maps"

// Error numbers of Linux that helpers return and that maps do not.
const (
	esrch        maps.Errno = 3
	enxio        maps.Errno = 6
	erange       maps.Errno = 34
	edeadlk      maps.Errno = 35
	eafnosupport maps.Errno = 97
	enametoolong maps.Errno = 36
	enodata      maps.Errno = 61
	eproto       maps.Errno = 71
	emsgsize     maps.Errno = 90
	enotconn     maps.Errno = 107
)

// fail is what a helper returns for an errno: the number, negative.
func fail(e maps.Errno) (uint64, error) { return negative(e), nil }

func negative(e maps.Errno) uint64 { return -uint64(e) }

// result is what a helper returns for what a map's method returned: 0 or the errno, negative.
func result(err error) (uint64, error) { return negative(maps.ErrnoOf(err)), nil }
