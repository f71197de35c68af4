//go:build !linux

package maps

// Other hosts have other numbers.
func (e Errno) isSyscall(target error) bool { return false }
