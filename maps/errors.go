package maps

import (
	"errors"
	"fmt"
	"io/fs"
)

// An Errno is a Linux error number, the same on every host.
type Errno uint32

// The errors that maps and the helpers around them return.
const (
	EPERM      Errno = 1
	ENOENT     Errno = 2
	E2BIG      Errno = 7
	EBADF      Errno = 9
	EAGAIN     Errno = 11
	ENOMEM     Errno = 12
	EACCES     Errno = 13
	EFAULT     Errno = 14
	EBUSY      Errno = 16
	EEXIST     Errno = 17
	ENODEV     Errno = 19
	EINVAL     Errno = 22
	ENOSPC     Errno = 28
	EOVERFLOW  Errno = 75
	ENOTSOCK   Errno = 88
	EOPNOTSUPP Errno = 95
	ENOTSUPP   Errno = 524
)

var errnoText = map[Errno]string{
	EPERM: "operation not permitted", ENOENT: "no such file or directory", E2BIG: "argument list too long",
	EBADF: "bad file descriptor", EAGAIN: "resource temporarily unavailable", ENOMEM: "cannot allocate memory",
	EACCES: "permission denied", EFAULT: "bad address", EBUSY: "device or resource busy", EEXIST: "file exists",
	EINVAL: "invalid argument", ENODEV: "no such device",
	ENOTSOCK: "socket operation on non-socket", ENOSPC: "no space left on device", EOPNOTSUPP: "operation not supported",
	EOVERFLOW: "value too large for defined data type", ENOTSUPP: "errno 524",
}

func (e Errno) Error() string {
	if t, ok := errnoText[e]; ok {
		return t
	}
	return fmt.Sprintf("errno %d", uint32(e))
}

// Is lets errors.Is match the errors of package io/fs, and on Linux syscall.Errno.
func (e Errno) Is(target error) bool {
	switch target {
	case fs.ErrNotExist:
		return e == ENOENT
	case fs.ErrExist:
		return e == EEXIST
	case fs.ErrPermission:
		return e == EPERM || e == EACCES
	case errors.ErrUnsupported:
		return e == EOPNOTSUPP || e == ENOTSUPP
	}
	return e.isSyscall(target)
}

// Errors that users of cilium/ebpf know by these names. Each wraps an Errno.
var (
	ErrKeyNotExist  = &Error{"key does not exist", ENOENT}
	ErrKeyExist     = &Error{"key already exists", EEXIST}
	ErrFull         = &Error{"map is full", E2BIG}
	ErrNoSpace      = &Error{"map is full", ENOSPC}
	ErrIndex        = &Error{"index past the end of the array", E2BIG}
	ErrFrozen       = &Error{"map is frozen", EPERM}
	ErrReadOnly     = &Error{"map is read-only", EPERM}
	ErrWriteOnly    = &Error{"map is write-only", EPERM}
	ErrNotSupported = &Error{"not supported by this type of map", ENOTSUPP}
	ErrInvalid      = &Error{"invalid argument", EINVAL}
	ErrNoMemory     = &Error{"no memory", ENOMEM}
	ErrIncompatible = &Error{"inner map is unlike the template", EINVAL}
	ErrClosed       = &Error{"closed", EBADF}
	ErrEmpty        = &Error{"no element", ENOENT}
	ErrAgain        = &Error{"no room, or no record", EAGAIN}
)

// An Error says what went wrong in words and as an Errno.
type Error struct {
	Text  string
	Errno Errno
}

func (e *Error) Error() string { return e.Text }

// Unwrap gives the Errno.
func (e *Error) Unwrap() error { return e.Errno }

// ErrnoOf is the Errno in err: 0 if err is nil, EINVAL if there is none.
func ErrnoOf(err error) Errno {
	if err == nil {
		return 0
	}
	var e Errno
	if errors.As(err, &e) {
		return e
	}
	return EINVAL
}

// refuse makes the error of a map that cannot be created.
func refuse(e Errno, format string, args ...any) error {
	return fmt.Errorf("maps: "+format+": %w", append(args, e)...)
}
