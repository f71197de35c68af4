package hook

import "encoding/binary"

// An arch says how functions are called and where registers are in a struct pt_regs.
type arch struct {
	size    int    // of a struct pt_regs, in bytes
	args    []int  // offsets of the arguments of a function
	sysargs []int  // offsets of the arguments of a system call
	ret     int    // offset of the return value
	ip, sp  int    // offsets of the program counter and the stack pointer
	sysnr   int    // offset of the number of the system call; -1 if it is in ret's place
	prefix  string // of the functions that do system calls, which take a struct pt_regs
}

var arches = map[string]*arch{
	"amd64": {size: 168, args: []int{112, 104, 96, 88, 72, 64}, sysargs: []int{112, 104, 96, 56, 72, 64}, ret: 80,
		ip: 128, sp: 152, sysnr: 120, prefix: "__x64_"},
	// struct user_pt_regs, and after it what the kernel keeps: orig_x0, syscallno and more.
	"arm64": {size: 336, args: []int{0, 8, 16, 24, 32, 40, 48, 56}, sysargs: []int{0, 8, 16, 24, 32, 40}, ret: 0,
		ip: 256, sp: 248, sysnr: 280, prefix: "__arm64_"},
}

func archOf(name string) *arch {
	if a := arches[name]; a != nil {
		return a
	}
	return arches["amd64"]
}

// regs is a struct pt_regs with arguments at these offsets; those that there are no registers for are not in it.
func (a *arch) regs(ip uint64, at []int, args []uint64) []byte {
	b := make([]byte, a.size)
	for i, v := range args {
		if i < len(at) {
			binary.NativeEndian.PutUint64(b[at[i]:], v)
		}
	}
	binary.NativeEndian.PutUint64(b[a.ip:], ip)
	return b
}

// returns is a struct pt_regs as it is when a function returns.
func (a *arch) returns(ip, ret uint64) []byte {
	b := make([]byte, a.size)
	binary.NativeEndian.PutUint64(b[a.ret:], ret)
	binary.NativeEndian.PutUint64(b[a.ip:], ip)
	return b
}
