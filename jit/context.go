package jit

import "unsafe"

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
	goLR   uintptr // arm64: return address
	polls  int64   // what is left until native code has to come back; see site
	site   int64   // why native code came back: index of a site, or siteDone
	cpu    uint64  // of the run
	task   uint64  // what bpf_get_current_pid_tgid gives, if code needs it
	ticks  uintptr // the counters of the Env, if code needs them; see helpers.Env.Counters
	draws  uintptr

	save [8]uint64 // scratch of the thunks
}

// siteDone as context.site: the function has returned.
const siteDone = -1

// Offsets of the fields, for backends.
const (
	ctxRegs   = int32(unsafe.Offsetof(context{}.regs))
	ctxTarget = int32(unsafe.Offsetof(context{}.target))
	ctxBase   = int32(unsafe.Offsetof(context{}.base))
	ctxSP     = int32(unsafe.Offsetof(context{}.sp))
	ctxGoSP   = int32(unsafe.Offsetof(context{}.goSP))
	ctxGoFP   = int32(unsafe.Offsetof(context{}.goFP))
	ctxGoLR   = int32(unsafe.Offsetof(context{}.goLR))
	ctxPolls  = int32(unsafe.Offsetof(context{}.polls))
	ctxSite   = int32(unsafe.Offsetof(context{}.site))
	ctxCPU    = int32(unsafe.Offsetof(context{}.cpu))
	ctxTask   = int32(unsafe.Offsetof(context{}.task))
	ctxTicks  = int32(unsafe.Offsetof(context{}.ticks))
	ctxDraws  = int32(unsafe.Offsetof(context{}.draws))
	ctxSave   = int32(unsafe.Offsetof(context{}.save))
)
