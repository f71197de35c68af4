package domain_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	. "github.com/skepbpf/skep/verifier/domain"
)

// This file asks the running kernel: it loads a program and reads the states in the verifier's log.

func bpf(cmd uintptr, attr []byte) (int, error) {
	fd, _, errno := unix.Syscall(unix.SYS_BPF, cmd, uintptr(unsafe.Pointer(&attr[0])), uintptr(len(attr)))
	runtime.KeepAlive(attr)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// newMap creates an array map of one value, a source of unknown scalars, or skips the test.
func newMap(t *testing.T) int {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Skip("no uname:", err)
	}
	release := string(bytes.TrimRight(u.Release[:], "\x00"))
	if !strings.HasPrefix(release, "6.18.") {
		t.Skip("the domain models Linux 6.18; this kernel is", release)
	}
	attr := make([]byte, 72)
	for i, v := range []uint32{unix.BPF_MAP_TYPE_ARRAY, 4, 64, 1} {
		binary.NativeEndian.PutUint32(attr[4*i:], v)
	}
	fd, err := bpf(unix.BPF_MAP_CREATE, attr)
	if err != nil {
		t.Skip("cannot create a BPF map (needs root):", err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

var logBuffer = make([]byte, 32<<20)

// load verifies a socket filter and returns the log.
func load(code []byte) (string, error) {
	license := []byte("GPL\x00")
	attr := make([]byte, 148)
	put := func(off int, v uint64, size int) {
		if size == 4 {
			binary.NativeEndian.PutUint32(attr[off:], uint32(v))
		} else {
			binary.NativeEndian.PutUint64(attr[off:], v)
		}
	}
	put(0, unix.BPF_PROG_TYPE_SOCKET_FILTER, 4)
	put(4, uint64(len(code)/8), 4)
	put(8, uint64(uintptr(unsafe.Pointer(&code[0]))), 8)
	put(16, uint64(uintptr(unsafe.Pointer(&license[0]))), 8)
	put(24, 2, 4) // BPF_LOG_LEVEL2: the state after every instruction
	put(28, uint64(len(logBuffer)), 4)
	put(32, uint64(uintptr(unsafe.Pointer(&logBuffer[0]))), 8)
	logBuffer[0] = 0
	fd, err := bpf(unix.BPF_PROG_LOAD, attr)
	for err == unix.EAGAIN { // a signal of the Go scheduler interrupted the verifier
		fd, err = bpf(unix.BPF_PROG_LOAD, attr)
	}
	runtime.KeepAlive(code)
	runtime.KeepAlive(license)
	if err == nil {
		unix.Close(fd)
	}
	return string(logBuffer[:bytes.IndexByte(logBuffer, 0)]), err
}

// A logged state: registers by number, as printed.
type regs map[int]string

// A trace is what the log says about a program without joins.
type trace struct {
	after map[int]regs    // after instruction pc, on the path that falls through
	taken map[[2]int]regs // at the start of a branch explored later, by jump and target
	next  map[int]int     // the instruction verified right after pc
	bugs  map[int]string  // contradictions reported at pc, one a line
}

var (
	lineInsn = regexp.MustCompile(`^(\d+): \(..\) `)
	lineRegs = regexp.MustCompile(`^\d+: (R.*)$`)
	lineFrom = regexp.MustCompile(`^from (\d+) to (\d+): (.*)$`)
	oneReg   = regexp.MustCompile(`R(\d+)(?:_[rwD]+)?=((?:[^ (]|\([^()]*(?:\([^()]*\)[^()]*)*\))*)`)
	oneOff   = regexp.MustCompile(`,off=-?\w+`)
	oneID    = regexp.MustCompile(`id=\d+([+-]\w+)?,?`)
)

func parseRegs(s string) regs {
	r := regs{}
	for _, m := range oneReg.FindAllStringSubmatch(s, -1) {
		n, _ := strconv.Atoi(m[1])
		// Precision, ids and the fixed offset of pointers are not the domain's.
		r[n] = oneOff.ReplaceAllString(oneID.ReplaceAllString(strings.TrimPrefix(m[2], "P"), ""), "")
	}
	return r
}

func parseLog(log string) trace {
	tr := trace{map[int]regs{}, map[[2]int]regs{}, map[int]int{}, map[int]string{}}
	prev, forked := -1, -1
	for line := range strings.Lines(log) {
		line = strings.TrimSuffix(line, "\n")
		if m := lineFrom.FindStringSubmatch(line); m != nil {
			from, _ := strconv.Atoi(m[1])
			to, _ := strconv.Atoi(m[2])
			// A fork verifies an instruction again, and what follows it: not of interest here, unlike
			// the older branches that come after.
			if from == to && (forked < 0 || from < forked) {
				forked = from
			}
			if forked >= 0 && from >= forked {
				prev = -1
				continue
			}
			forked = -1
			tr.taken[[2]int{from, to}] = parseRegs(m[3])
			prev = -1
		} else if forked >= 0 {
			continue
		} else if m := lineInsn.FindStringSubmatch(line); m != nil {
			pc, _ := strconv.Atoi(m[1])
			if prev >= 0 {
				tr.next[prev] = pc
			}
			prev = pc
			if _, state, ok := strings.Cut(line, "; R"); ok {
				tr.after[pc] = parseRegs("R" + state)
			}
		} else if _, bug, ok := strings.Cut(line, "REG INVARIANTS VIOLATION "); ok {
			tr.bugs[prev] += bug + "\n"
		} else if m := lineRegs.FindStringSubmatch(line); m != nil && prev >= 0 {
			tr.after[prev] = parseRegs(m[1])
		}
	}
	return tr
}

// pointer is the text of the pointer to the map's value at a variable offset.
const pointer = "map_value(ks=4,vs=64"

func text(reg int, s *Scalar) string {
	if reg != 6 {
		return s.String()
	}
	if s.IsConst() {
		return pointer + ")"
	}
	return string(s.AppendRanges([]byte(pointer), true)) + ")"
}

// parseScalar reads the log's text back.
func parseScalar(s string) (Scalar, error) {
	out := Unknown()
	if rest, ok := strings.CutPrefix(s, pointer); ok {
		if rest == ")" {
			return Const(0), nil
		}
		s = "scalar(" + strings.TrimPrefix(rest, ",")
	}
	if !strings.HasPrefix(s, "scalar(") {
		v, err := parseNumber(s)
		return Const(v), err
	}
	s = strings.TrimSuffix(strings.TrimPrefix(s, "scalar("), ")")
	if before, after, ok := strings.Cut(s, "var_off=("); ok {
		if _, err := fmt.Sscanf(after, "0x%x; 0x%x)", &out.Bits.Value, &out.Bits.Mask); err != nil {
			return out, err
		}
		s = before
	}
	for group := range strings.SplitSeq(strings.TrimSuffix(s, ","), ",") {
		if group == "" {
			continue
		}
		names := strings.Split(group, "=")
		v, err := parseNumber(names[len(names)-1])
		if err != nil {
			return out, err
		}
		for _, name := range names[:len(names)-1] {
			switch name {
			case "smin":
				out.SMin = int64(v)
			case "smax":
				out.SMax = int64(v)
			case "umin":
				out.UMin = v
			case "umax":
				out.UMax = v
			case "smin32":
				out.S32Min = int32(v)
			case "smax32":
				out.S32Max = int32(v)
			case "umin32":
				out.U32Min = uint32(v)
			case "umax32":
				out.U32Max = uint32(v)
			default:
				return out, fmt.Errorf("bound %q in %q", name, s)
			}
		}
	}
	return out, nil
}

func parseNumber(s string) (uint64, error) {
	if strings.HasPrefix(s, "-") {
		v, err := strconv.ParseInt(s, 0, 64)
		return uint64(v), err
	}
	return strconv.ParseUint(s, 0, 64)
}
