package linux_test

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	. "github.com/skepbpf/skep/linux"
)

// This file asks the running kernel by loading programs.

// needKernel skips the test where the kernel that the tables describe cannot be asked.
func needKernel(t testing.TB) {
	t.Helper()
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Skip("no uname:", err)
	}
	release := string(bytes.TrimRight(u.Release[:], "\x00"))
	if v, err := ParseVersion(release); err != nil || v != Default.Version {
		t.Skipf("the tables are of Linux %v; this kernel is %s", Default.Version, release)
	}
	if _, err := load(request{typ: ProgTypeSocketFilter, code: code(movImm(0, 0), exit)}); err != nil {
		t.Skip("cannot load BPF programs (needs root):", err)
	}
}

// slot is an encoded instruction.
type slot [8]byte

func insn(op, dst, src uint8, off int16, imm int32) (s slot) {
	s[0], s[1] = op, src<<4|dst
	binary.LittleEndian.PutUint16(s[2:], uint16(off))
	binary.LittleEndian.PutUint32(s[4:], uint32(imm))
	return s
}

// sizes are the size bits of a memory instruction, by log2 of the width.
var sizes = [4]uint8{0x10, 0x08, 0x00, 0x18}

var exit = insn(0x95, 0, 0, 0, 0)

func movImm(dst uint8, imm int32) slot { return insn(0xb7, dst, 0, 0, imm) }
func loadMem(w int, dst, src uint8, off int) slot {
	return insn(0x61&^0x18|sizes[w], dst, src, int16(off), 0)
}
func loadSX(w int, dst, src uint8, off int) slot { return insn(0x81|sizes[w], dst, src, int16(off), 0) }
func storeReg(w int, dst, src uint8, off int) slot {
	return insn(0x63&^0x18|sizes[w], dst, src, int16(off), 0)
}
func storeImm(w int, dst uint8, off int) slot {
	return insn(0x62&^0x18|sizes[w], dst, 0, int16(off), 0)
}
func call(id int32) slot { return insn(0x85, 0, 0, 0, id) }

func code(slots ...slot) (b []byte) {
	for _, s := range slots {
		b = append(b, s[:]...)
	}
	return b
}

// A request is a program to load.
type request struct {
	typ       ProgType
	attach    AttachType
	target    string // BTF name
	sleepable bool
	license   string // "GPL" if empty
	code      []byte
}

var logBuffer = make([]byte, 1<<20)

// load loads a program and returns the log; the program is unloaded at once.
func load(r request) (string, error) {
	if r.license == "" {
		r.license = "GPL"
	}
	license := append([]byte(r.license), 0)
	attr := make([]byte, 148)
	put32 := func(off int, v uint32) { binary.NativeEndian.PutUint32(attr[off:], v) }
	put64 := func(off int, v uint64) { binary.NativeEndian.PutUint64(attr[off:], v) }
	put32(0, uint32(r.typ))
	put32(4, uint32(len(r.code)/8))
	put64(8, uint64(uintptr(unsafe.Pointer(&r.code[0]))))
	put64(16, uint64(uintptr(unsafe.Pointer(&license[0]))))
	put32(24, 2) // log_level
	put32(28, uint32(len(logBuffer)))
	put64(32, uint64(uintptr(unsafe.Pointer(&logBuffer[0]))))
	if r.sleepable {
		put32(44, 1<<4)
	}
	put32(68, uint32(r.attach))
	if r.target != "" {
		put32(108, targetID(r.target))
	}
	logBuffer[0] = 0
	fd, err := bpf(unix.BPF_PROG_LOAD, attr)
	for err == unix.EAGAIN { // a signal was pending: the Go runtime sends itself some
		logBuffer[0] = 0
		fd, err = bpf(unix.BPF_PROG_LOAD, attr)
	}
	runtime.KeepAlive(r.code)
	runtime.KeepAlive(license)
	if err == nil {
		unix.Close(fd)
	}
	log, _, _ := strings.Cut(string(logBuffer), "\x00")
	return log, err
}

func bpf(cmd uintptr, attr []byte) (int, error) {
	fd, _, errno := unix.Syscall(unix.SYS_BPF, cmd, uintptr(unsafe.Pointer(&attr[0])), uintptr(len(attr)))
	runtime.KeepAlive(attr)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// message is the last line of a log that is not a figure.
func message(log string) string {
	lines := strings.Split(strings.TrimRight(log, "\n"), "\n")
	for len(lines) > 1 && (strings.HasPrefix(lines[len(lines)-1], "processed ") || strings.HasPrefix(lines[len(lines)-1], "verification time")) {
		lines = lines[:len(lines)-1]
	}
	return lines[len(lines)-1]
}

var kernelBTF = sync.OnceValues(btf.LoadKernelSpec)

// targetID is the id of the function, struct or typedef in the kernel's BTF; 0 if there is none.
func targetID(name string) uint32 {
	spec, err := kernelBTF()
	if err != nil {
		return 0
	}
	types, err := spec.AnyTypesByName(name)
	if err != nil {
		return 0
	}
	at := max(0, slices.IndexFunc(types, func(t btf.Type) bool { _, ok := t.(*btf.Func); return ok })) // also a struct
	id, err := spec.TypeID(types[at])
	if err != nil {
		return 0
	}
	return uint32(id)
}
