package maps

import "syscall"

func (e Errno) isSyscall(target error) bool {
	t, ok := target.(syscall.Errno)
	return ok && uint32(t) == uint32(e)
}
