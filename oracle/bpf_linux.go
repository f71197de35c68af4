//lint:file-ignore U1000 the kernel reads the fields

package oracle

import (
	"bytes"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The structures below are the parts of union bpf_attr (UAPI linux/bpf.h) that each command reads.
// Kernels that know fewer fields take them as long as those they do not know are zero.

type mapCreateAttr struct {
	mapType, keySize, valueSize, maxEntries, flags, innerFD, numaNode uint32
	name                                                              [16]byte
	ifindex, btfFD, btfKey, btfValue, btfVmlinuxValue                 uint32
	extra                                                             uint64
}

type mapElemAttr struct {
	fd, _             uint32
	key, value, flags uint64
}

type progLoadAttr struct {
	progType, insnCnt           uint32
	insns, license              uint64
	logLevel, logSize           uint32
	logBuf                      uint64
	kernVersion, flags          uint32
	name                        [16]byte
	ifindex, expectedAttachType uint32
	btfFD, funcInfoRec          uint32
	funcInfo                    uint64
	funcInfoCnt, lineInfoRec    uint32
	lineInfo                    uint64
	lineInfoCnt, attachBTFID    uint32
	attachFD, coreReloCnt       uint32
	fdArray, coreRelos          uint64
	coreReloRec, logTrueSize    uint32
}

type btfLoadAttr struct {
	btf, logBuf                uint64
	size, logSize, logLevel, _ uint32
}

type testRunAttr struct {
	fd, retval, dataSizeIn, dataSizeOut   uint32
	dataIn, dataOut                       uint64
	repeat, duration, ctxSizeIn, ctxSizeO uint32
	ctxIn, ctxOut                         uint64
	flags, cpu, batch, _                  uint32
}

// bpf is bpf(2). EAGAIN is what the verifier answers to a signal.
func bpf[T any](cmd int, attr *T) (int, error) {
	for {
		fd, _, errno := unix.Syscall(unix.SYS_BPF, uintptr(cmd), uintptr(unsafe.Pointer(attr)), unsafe.Sizeof(*attr))
		if errno == unix.EINTR || errno == unix.EAGAIN {
			continue
		}
		runtime.KeepAlive(attr)
		if errno != 0 {
			return -1, errno
		}
		return int(fd), nil
	}
}

// addr is the address of b for the kernel; the caller keeps b alive (and b escapes, so it does not move).
func addr(b []byte) uint64 {
	if len(b) == 0 {
		return 0
	}
	return uint64(uintptr(unsafe.Pointer(&b[0])))
}

// firstFD keeps our descriptors apart from small numbers, which programs name to be refused
// (object.Program.BadFDs) or by a mistake that a fuzzer makes.
const firstFD = 1000

// moveUp moves a descriptor out of the way; where the limit forbids it, the descriptor stays.
func moveUp(fd int) int {
	if fd >= firstFD {
		return fd
	}
	up, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, firstFD)
	if err != nil {
		return fd
	}
	unix.Close(fd)
	return up
}

func btfLoad(b []byte) (int, error) {
	fd, err := bpf(unix.BPF_BTF_LOAD, &btfLoadAttr{btf: addr(b), size: uint32(len(b))})
	runtime.KeepAlive(b)
	if err != nil {
		return -1, err
	}
	return moveUp(fd), nil
}

// MapLookup reads an element of a map into value, whose size the caller knows (of a per-CPU map: the
// size rounded up to 8, times the possible CPUs).
func MapLookup(fd int, key, value []byte) error {
	_, err := bpf(unix.BPF_MAP_LOOKUP_ELEM, &mapElemAttr{fd: uint32(fd), key: addr(key), value: addr(value)})
	runtime.KeepAlive(key)
	runtime.KeepAlive(value)
	return err
}

// MapUpdate writes an element of a map.
func MapUpdate(fd int, key, value []byte, flags uint64) error {
	_, err := bpf(unix.BPF_MAP_UPDATE_ELEM, &mapElemAttr{fd: uint32(fd), key: addr(key), value: addr(value), flags: flags})
	runtime.KeepAlive(key)
	runtime.KeepAlive(value)
	return err
}

// MapDelete deletes an element of a map.
func MapDelete(fd int, key []byte) error {
	_, err := bpf(unix.BPF_MAP_DELETE_ELEM, &mapElemAttr{fd: uint32(fd), key: addr(key)})
	runtime.KeepAlive(key)
	return err
}

// MapNextKey writes into next the key after key, the first one if key is nil.
func MapNextKey(fd int, key, next []byte) error {
	_, err := bpf(unix.BPF_MAP_GET_NEXT_KEY, &mapElemAttr{fd: uint32(fd), key: addr(key), value: addr(next)})
	runtime.KeepAlive(key)
	runtime.KeepAlive(next)
	return err
}

// MapFreeze makes a map read-only for user space.
func MapFreeze(fd int) error {
	_, err := bpf(unix.BPF_MAP_FREEZE, &mapElemAttr{fd: uint32(fd)})
	return err
}

// TestRun runs a loaded program (Result.FD) on a packet and a context, either of which may be nil. Types
// without packets refuse a repeat other than 0.
func TestRun(fd int, data, ctx []byte, repeat uint32) (*Run, error) {
	r, err := testRun(fd, data, ctx, repeat, true)
	if err == unix.EINVAL && len(ctx) > 0 {
		// Types whose context is the caller's memory refuse another buffer to write it to.
		r, err = testRun(fd, data, ctx, repeat, false)
	}
	return r, err
}

func testRun(fd int, data, ctx []byte, repeat uint32, twoContexts bool) (*Run, error) {
	in := bytes.Clone(ctx)
	out := in
	a := testRunAttr{fd: uint32(fd), repeat: repeat,
		dataIn: addr(data), dataSizeIn: uint32(len(data)), ctxIn: addr(in), ctxSizeIn: uint32(len(in))}
	var dataOut []byte
	if len(data) > 0 { // types without packets refuse a buffer for one
		dataOut = make([]byte, len(data)+4096)
		a.dataOut, a.dataSizeOut = addr(dataOut), uint32(len(dataOut))
	}
	if len(ctx) > 0 && twoContexts {
		out = make([]byte, len(ctx))
		a.ctxOut, a.ctxSizeO = addr(out), uint32(len(out))
	}
	_, err := bpf(unix.BPF_PROG_TEST_RUN, &a)
	runtime.KeepAlive(data)
	runtime.KeepAlive(in)
	if err != nil {
		return nil, err
	}
	if twoContexts {
		out = out[:min(int(a.ctxSizeO), len(out))]
	}
	return newRun(a.retval, a.duration, dataOut[:min(int(a.dataSizeOut), len(dataOut))], out), nil
}
