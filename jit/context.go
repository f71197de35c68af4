package jit

import (
	"unsafe"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/memory"
)

// A context is what native code and Go share of a run. It lies in memory of the host's, next to the native stack, so that
// it does not move and native code holds no pointer of Go's. Native code has its address in a register.
type context struct {
	regs   [11]uint64 // of the program, while native code is not running
	entry  uintptr    // where enter jumps to
	target uintptr    // where the code there goes on
	base   uintptr    // of the Space
	sp     uintptr    // native stack pointer, while native code is not running
	goSP   uintptr    // Go's stack pointer and frame pointer, while it is
	goFP   uintptr
	goLR   uintptr           // arm64: return address
	polls  int64             // what is left until native code has to come back; see site
	site   int64             // why native code came back: index of a site, or siteDone
	cpu    uint64            // of the run
	task   helpers.TaskWords // of the current task, if code needs them
	ticks  uintptr           // the counters of the Env, if code needs them; see helpers.Env.Counters
	draws  uintptr

	cleared uint64  // bytes of frame 0 that this run has cleared, from its top
	lack    need    // what programs may need and is not there
	tailed  uint64  // tail calls of the run, of programs that do them in place
	running uintptr // the tail that native code has jumped by since it was entered; 0: none
	tails   [numTails]tail
}

// numTails is how many tails a context has: a power of two.
const numTails = 16

// A tail is where a tail call has led: native code jumps there itself as long as the prog array stays what it is.
type tail struct {
	version uint64 // of the prog array, when its element was looked at
	index   uint32
	need    need
	target  uintptr // main function of the program, after its stack was cleared
	depth   uint64  // bytes of stack that it wants cleared, a multiple of 16
}

// A tail's size is 1 << tailShift.
var _ = [1]struct{}{}[unsafe.Sizeof(tail{})-1<<tailShift]

// tailOf is the number of the tail for an element of a prog array.
func tailOf(array memory.Addr, index uint32) uint32 { return (index + tailSalt(array)) % numTails }

// tailSalt spreads prog arrays.
func tailSalt(array memory.Addr) uint32 { return uint32(array) / 16 % numTails }

// jumped is the number of the tail that native code has jumped by, which is forgotten; false if there is none.
func (c *context) jumped() (n uintptr, ok bool) {
	if c.running == 0 {
		return 0, false
	}
	n = (c.running - uintptr(unsafe.Pointer(&c.tails))) / unsafe.Sizeof(tail{})
	c.running = 0
	return n, true
}

// siteDone as context.site: the function has returned.
const siteDone = -1

// Offsets of the fields, for backends.
const (
	ctxRegs    = int32(unsafe.Offsetof(context{}.regs))
	ctxTarget  = int32(unsafe.Offsetof(context{}.target))
	ctxBase    = int32(unsafe.Offsetof(context{}.base))
	ctxSP      = int32(unsafe.Offsetof(context{}.sp))
	ctxGoSP    = int32(unsafe.Offsetof(context{}.goSP))
	ctxGoFP    = int32(unsafe.Offsetof(context{}.goFP))
	ctxGoLR    = int32(unsafe.Offsetof(context{}.goLR))
	ctxPolls   = int32(unsafe.Offsetof(context{}.polls))
	ctxSite    = int32(unsafe.Offsetof(context{}.site))
	ctxCPU     = int32(unsafe.Offsetof(context{}.cpu))
	ctxPIDTGID = int32(unsafe.Offsetof(context{}.task) + unsafe.Offsetof(helpers.TaskWords{}.PIDTGID))
	ctxUIDGID  = int32(unsafe.Offsetof(context{}.task) + unsafe.Offsetof(helpers.TaskWords{}.UIDGID))
	ctxCgroup  = int32(unsafe.Offsetof(context{}.task) + unsafe.Offsetof(helpers.TaskWords{}.Cgroup))
	ctxTask    = int32(unsafe.Offsetof(context{}.task) + unsafe.Offsetof(helpers.TaskWords{}.Addr))
	ctxTicks   = int32(unsafe.Offsetof(context{}.ticks))
	ctxDraws   = int32(unsafe.Offsetof(context{}.draws))

	ctxCleared = int32(unsafe.Offsetof(context{}.cleared))
	ctxLack    = int32(unsafe.Offsetof(context{}.lack))
	ctxTailed  = int32(unsafe.Offsetof(context{}.tailed))
	ctxRunning = int32(unsafe.Offsetof(context{}.running))
	ctxTails   = int32(unsafe.Offsetof(context{}.tails))

	tailVersion = int32(unsafe.Offsetof(tail{}.version))
	tailIndex   = int32(unsafe.Offsetof(tail{}.index))
	tailNeed    = int32(unsafe.Offsetof(tail{}.need))
	tailTarget  = int32(unsafe.Offsetof(tail{}.target))
	tailDepth   = int32(unsafe.Offsetof(tail{}.depth))
	tailShift   = 5 // its size as a power of two
)
