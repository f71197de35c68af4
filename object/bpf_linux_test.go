package object_test

import (
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// btfByID reads a blob back from the kernel.
func btfByID(t *testing.T, id uint32) []byte {
	t.Helper()
	get := struct{ id, next, flags, owner uint32 }{id: id}
	fd := bpf(t, unix.BPF_BTF_GET_FD_BY_ID, unsafe.Pointer(&get), unsafe.Sizeof(get))
	defer unix.Close(int(fd))
	var info struct {
		btf      uint64
		size, id uint32
	}
	query := struct {
		fd, size uint32
		info     uint64
	}{uint32(fd), uint32(unsafe.Sizeof(info)), uint64(uintptr(unsafe.Pointer(&info)))}
	bpf(t, unix.BPF_OBJ_GET_INFO_BY_FD, unsafe.Pointer(&query), unsafe.Sizeof(query))
	out := make([]byte, info.size)
	info.btf = uint64(uintptr(unsafe.Pointer(&out[0])))
	bpf(t, unix.BPF_OBJ_GET_INFO_BY_FD, unsafe.Pointer(&query), unsafe.Sizeof(query))
	runtime.KeepAlive(out)
	return out
}

func bpf(t *testing.T, cmd uintptr, attr unsafe.Pointer, size uintptr) uintptr {
	t.Helper()
	r, _, errno := unix.Syscall(unix.SYS_BPF, cmd, uintptr(attr), size)
	require.Zero(t, errno, "bpf(%d): %v", cmd, errno)
	return r
}
