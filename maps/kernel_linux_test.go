package maps

import (
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A kernelMap is a map of the running kernel.
type kernelMap struct {
	fd    int
	value int // bytes as user space sees them
}

// bpf is the system call, with an error as an Errno.
func bpf(cmd uintptr, attr unsafe.Pointer, size uintptr) (int, Errno) {
	for {
		r, _, e := unix.Syscall(unix.SYS_BPF, cmd, uintptr(attr), size)
		// A signal, such as those by which Go preempts, ends the verifier and test runs.
		if e == unix.EINTR || e == unix.EAGAIN && cmd == unix.BPF_PROG_LOAD {
			continue
		}
		return int(r), Errno(e)
	}
}

type kernelSpec struct {
	mapType, key, value, entries, flags, inner, numa uint32
	name                                             [16]byte
	ifindex, btf, btfKey, btfValue, vmlinux          uint32
	extra                                            uint64
}

// kernelCreate makes a map; it must be closed.
func kernelCreate(s *Spec, inner *kernelMap, cpus int) (*kernelMap, Errno) {
	return kernelCreateTyped(s, inner, cpus, nil)
}

func kernelCreateTyped(s *Spec, inner *kernelMap, cpus int, types *mapTypes) (*kernelMap, Errno) {
	a := &kernelSpec{mapType: uint32(s.Type), key: s.KeySize, value: s.ValueSize, entries: s.MaxEntries, flags: s.Flags,
		extra: s.Extra}
	copy(a.name[:15], s.Name)
	if inner != nil {
		a.inner = uint32(inner.fd)
	}
	if types != nil {
		a.btf, a.btfKey, a.btfValue = uint32(types.handle.FD()), uint32(types.key), uint32(types.value)
	}
	fd, e := bpf(unix.BPF_MAP_CREATE, unsafe.Pointer(a), unsafe.Sizeof(*a))
	if e != 0 {
		return nil, e
	}
	m := &kernelMap{fd, int(s.ValueSize)}
	if s.Type.PerCPU() {
		m.value = int(roundUp(s.ValueSize, 8)) * cpus
	}
	return m, 0
}

func (m *kernelMap) close() { unix.Close(m.fd) }

// needKernel skips a test where there is no kernel to ask.
func needKernel(t *testing.T) {
	t.Helper()
	m, e := kernelCreate(&Spec{Type: Array, KeySize: 4, ValueSize: 4, MaxEntries: 1}, nil, 1)
	if e != 0 {
		t.Skipf("bpf(2) does not let us create a map: %v", e)
	}
	m.close()
}

type kernelElem struct {
	fd         uint32
	_          uint32
	key, value unsafe.Pointer
	flags      uint64
}

func (m *kernelMap) elem(cmd uintptr, key, value []byte, flags uint64) Errno {
	a := &kernelElem{fd: uint32(m.fd), flags: flags}
	if len(key) > 0 {
		a.key = unsafe.Pointer(&key[0])
	}
	if len(value) > 0 {
		a.value = unsafe.Pointer(&value[0])
	}
	_, e := bpf(cmd, unsafe.Pointer(a), unsafe.Sizeof(*a))
	runtime.KeepAlive(key)
	runtime.KeepAlive(value)
	return e
}

func (m *kernelMap) get(key, value []byte, flags uint64) Errno {
	return m.elem(unix.BPF_MAP_LOOKUP_ELEM, key, value, flags)
}

func (m *kernelMap) put(key, value []byte, flags uint64) Errno {
	return m.elem(unix.BPF_MAP_UPDATE_ELEM, key, value, flags)
}

func (m *kernelMap) remove(key []byte) Errno { return m.elem(unix.BPF_MAP_DELETE_ELEM, key, nil, 0) }

func (m *kernelMap) take(key, value []byte) Errno {
	return m.elem(unix.BPF_MAP_LOOKUP_AND_DELETE_ELEM, key, value, 0)
}

func (m *kernelMap) next(key []byte, size uint32) ([]byte, Errno) {
	next := make([]byte, max(size, 1))
	e := m.elem(unix.BPF_MAP_GET_NEXT_KEY, key, next, 0)
	return next[:size], e
}

func (m *kernelMap) freeze() Errno {
	a := &kernelElem{fd: uint32(m.fd)}
	_, e := bpf(unix.BPF_MAP_FREEZE, unsafe.Pointer(a), 4)
	return e
}
