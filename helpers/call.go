package helpers

import (
	"errors"

	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/memory"
)

// A Helper is a function that programs may call: what the verifier believes about it and what the engines run.
type Helper struct {
	*Prototype
	// Call runs the helper; nil if it is not simulated: Why then says why.
	Call Func
	Why  string
}

// A Func does what a helper does and returns what it leaves in r0: for failures that programs are told of, an
// errno, negative. An error ends the program: it did what no verified program does, or an engine stopped it.
type Func func(c *Call) (uint64, error)

// A Call is one call of a helper. Run is never nil.
type Call struct {
	Args [5]uint64 // r1 to r5
	Run  *Run
}

// Frames of a run's stack.
const (
	MaxFrames = 8 // a program and the calls it is in
	// StackFrames is how many frames a stack has. A program that a function tail calls takes the place of the function alone:
	// it runs in its frame, and may make as many calls again.
	StackFrames = (MaxTailCalls+1)*(MaxFrames-1) + 1
	FrameSize   = 512 // bytes of each
)

// A Run is what a program runs on: a context, a packet, a stack, a CPU and an Env, and what comes out of it besides
// its return value. One program at a time uses it; it is meant to be used again and again.
type Run struct {
	Space *memory.Space
	Env   *Env
	CPU   int

	Type       linux.ProgType // of the program: some helpers differ
	AttachType linux.AttachType

	// Ctx is the address of the context: r1 of the program.
	Ctx memory.Addr
	// CtxSize is its size, for those who write it down; 0 if not known.
	CtxSize uint32
	// Packet is what the helpers that take packets work on. Nil: there is none.
	Packet *Packet

	// Stack is the lowest address of the stack: StackFrames elements, frame i at Stack + i*FrameStride. NewRun sets it.
	Stack memory.Addr

	// Task is the current task; nil is that of Env.
	Task *Task

	// Trace gets what bpf_trace_printk prints, a call each. The bytes are valid during the call. Nil: it is lost.
	Trace func(text []byte)
	// Kernel reads kernel memory for bpf_probe_read and its kin, where an address is not in the Space: it
	// fills p, or says that it cannot. Nil: it cannot.
	Kernel func(addr uint64, p []byte) bool
	// UserMem reads the memory of the current task; nil: as Kernel.
	UserMem func(addr uint64, p []byte) bool

	// Clone gets the packets of bpf_clone_redirect: valid during the call. Its error is what the program gets. Nil: they are lost.
	Clone func(p *Packet, ifindex uint32, ingress bool) error

	// Redirect is where the packet is to go, if the program asked for that; see Redirect.
	Redirect Redirect

	// Retval is what bpf_set_retval set, or the return value so far that bpf_get_retval returns.
	Retval int64
	// Override tells that bpf_override_return was called: the function probed is to return Retval at once.
	Override bool

	// What a program asks about where it is attached.

	Cookie   uint64 // of the attachment (bpf_get_attach_cookie)
	FuncIP   uint64 // address of the function traced
	FuncArgs int    // number of its arguments: the words of the context before its return value

	SocketCookie uint64 // of the packet's or event's socket
	SocketUID    uint32
	NetnsCookie  uint64
	// SocketCgroups are the ids of the cgroups of that socket, the root first. Empty: the root, with the id 1.
	SocketCgroups []uint64
	// MTU is that of a device; nil: 65536, as the loopback device has, which test runs are on.
	MTU func(ifindex uint32) uint32

	// CPUs is the number of CPUs that programs may ask about; 0 is 1.
	CPUs int
	// PerCPU is where the variable of a CPU is that the program knows by an address. Nil: all CPUs share it.
	PerCPU func(variable uint64, cpu int) uint64

	// Callers are the return addresses of the kernel's stack, and UserCallers of the task's, for bpf_get_stack: innermost
	// first.
	Callers, UserCallers []uint64
	// Signal gets the numbers of bpf_send_signal; nil: they are lost.
	Signal func(sig int)
	// Seq gets what an iterator writes: valid during the call. Nil: it is lost.
	Seq func(b []byte)

	// Sysctl is what programs on sysctls are asked about; nil: nothing.
	Sysctl *Sysctl
	// Sockopt sets or gets an option of the run's socket, for bpf_setsockopt and bpf_getsockopt. Nil: there are none.
	Sockopt func(set bool, level, name int32, value []byte) error
	// Bind binds the run's socket to a struct sockaddr_in or sockaddr_in6. Nil: it cannot be bound.
	Bind func(addr []byte) error
	// FindSocket finds a socket for bpf_sk_lookup_tcp and its kin, by a struct bpf_sock_tuple. Nil: there are none.
	FindSocket func(protocol uint8, tuple []byte) *Sock
	// SocketAt is the socket at an address that a map of sockets gave out; nil: there are no such maps.
	SocketAt func(a memory.Addr) *Sock
	// Assigned is the socket that bpf_sk_assign chose.
	Assigned *Sock

	// FIB answers bpf_fib_lookup: it reads and writes the struct bpf_fib_lookup and returns a BPF_FIB_LKUP_RET_*, or an
	// errno, negative. Nil: there are no routes.
	FIB func(params []byte, flags uint32) int
	// Timers has the timers; nil: Timers of the Run's own are made when a program asks for them.
	Timers *Timers

	// Objects has the objects that programs make, and their lists and trees; nil: as with Timers.
	Objects *Objects

	// Cancel, once it is closed, ends a run that goes on for long: engines look at it now and then. It may be nil.
	Cancel <-chan struct{}

	// What follows is the engine's, who sets it before it calls a helper.

	// Invoke calls the program's function at an address that a helper got as an ArgFunc.
	Invoke func(fn uint64, args *[5]uint64) (uint64, error)
	// Later gives a way to call the function after the run.
	Later func(fn uint64) (Callback, error)
	// TypeSize is the size of a type of the program's BTF; 0 if there is none.
	TypeSize func(id uint32) uint32
	// Engine is what an engine keeps with the Run between runs; nobody else looks at it.
	Engine any
	// Tail is what bpf_tail_call asks for: the engine looks at it after each call of it, and sets it to nil.
	// Its type is that of the elements of a prog array.
	Tail any
	// TailCalls counts the tail calls of the run. The engine sets it to 0 at the start.
	TailCalls int

	stack   memory.Addr // what to free
	packet  *Packet     // kept for reuse
	sock    memory.Addr
	mem     memory.Addr           // of Mem
	found   map[memory.Addr]*Sock // sockets by address, that of the run among them
	ctx     memory.Addr
	ctxCap  uint32
	lock    memory.Addr        // the spin lock held
	args    [5]uint64          // scratch, of callbacks
	key     [8]byte            // scratch, of keys
	values  [maxVarargs]uint64 // scratch, of values to format
	textBuf []byte             // scratch, of formatted text
}

// FrameStride is the distance of two frames: frames do not touch, so that running off one does not hit another.
const FrameStride = FrameSize + 64

// NewRun makes a Run with a stack. Close gives it back.
func NewRun(space *memory.Space, env *Env) (*Run, error) {
	const last = StackFrames - 1
	a, err := space.AllocElems(last*FrameStride+FrameSize,
		memory.Elems{Stride: FrameStride, Size: FrameSize, Count: StackFrames}, memory.Stack, memory.Read|memory.Write, "")
	if err != nil {
		return nil, err
	}
	if env == nil {
		env = new(Env)
	}
	return &Run{Space: space, Env: env, Stack: a, stack: a}, nil
}

// Close frees what the Run has in the Space: stack, context, packet.
func (r *Run) Close() error {
	var errs []error
	for _, a := range []memory.Addr{r.stack, r.ctx, r.sock, r.mem} {
		if a != 0 {
			errs = append(errs, r.Space.Free(a))
		}
	}
	if r.packet != nil {
		errs = append(errs, r.packet.free())
	}
	*r = Run{}
	return errors.Join(errs...)
}

// Reset forgets what was set for a run: the Run is as NewRun made it, but for its CPU and what it keeps to use again.
func (r *Run) Reset() {
	*r = Run{Space: r.Space, Env: r.Env, Engine: r.Engine, CPU: r.CPU, CPUs: r.CPUs, Stack: r.stack, Trace: r.Trace, Timers: r.Timers, Objects: r.Objects,
		stack: r.stack, packet: r.packet, sock: r.sock, mem: r.mem, ctx: r.ctx, ctxCap: r.ctxCap, textBuf: r.textBuf}
}

// ErrCancelled is the error of a run that Run.Cancel has ended.
var ErrCancelled = errors.New("the run was cancelled")

// Cancelled is ErrCancelled if the run is to end.
func (r *Run) Cancelled() error {
	if r.Cancel == nil {
		return nil
	}
	select {
	case <-r.Cancel:
		return ErrCancelled
	default:
		return nil
	}
}

// Finish ends what a program that did not run to its end has left behind: the spin lock that it held. Engines call it
// after each run.
func (r *Run) Finish() {
	if r.lock != 0 {
		if w := r.Space.Half(r.lock); w != nil {
			w.Store(0)
		}
		r.lock = 0
	}
}

// Current is the current task: whom the run is on behalf of.
func (r *Run) Current() *Task {
	if r.Task != nil {
		return r.Task
	}
	return r.Env.task()
}

// funcBase is where the functions of a program are, for those who look at the addresses in registers: nowhere in the
// Space, and not at an address that the kernel has anything at.
const funcBase = 0xffff_fe00_0000_0000

// FuncAddr is the address that stands for the program's function at the instruction.
func FuncAddr(insn int) uint64 { return funcBase + uint64(uint32(insn))*8 }

// FuncInsn is the instruction that an address from FuncAddr stands for; false if it is none of those.
func FuncInsn(addr uint64) (int, bool) {
	i := addr - funcBase
	return int(i / 8), i%8 == 0 && i>>35 == 0
}

// ErrNoCallbacks is the error of a call back into a program by an engine that cannot.
var ErrNoCallbacks = errors.New("this engine does not call back")

// invoke calls back into the program.
func (r *Run) invoke(fn uint64, args *[5]uint64) (uint64, error) {
	if r.Invoke == nil {
		return 0, ErrNoCallbacks
	}
	return r.Invoke(fn, args)
}

// mem is the n bytes at addr, which the engine or the verifier has checked; nil if there is no memory there.
func (c *Call) mem(addr uint64, n uint32) []byte {
	if addr>>32 != 0 {
		return nil
	}
	return c.Run.Space.Bytes(memory.Addr(addr), n)
}

// A BadArg is an argument that no verified program passes.
type BadArg struct {
	Arg int // from 1, as registers are
	Err error
}

// Error names the register.
func (e *BadArg) Error() string { return "R" + string(rune('0'+e.Arg)) + ": " + e.Err.Error() }

// Unwrap gives what is wrong with it.
func (e *BadArg) Unwrap() error { return e.Err }

var (
	errNoMap    = errors.New("not a map")
	errNoFunc   = errors.New("not a function of the program")
	errNoCtx    = errors.New("not the context")
	errNoMem    = errors.New("no memory there")
	errBadSize  = errors.New("not a size that memory can have")
	errNoString = errors.New("no zero ends the string")
	errWrongMap = errors.New("not a map of a type that the helper takes")
	errNoPacket = errors.New("the run has no packet of that kind")
	errRecord   = errors.New("not a record that was reserved")
	errLock     = errors.New("not the lock that is held")
	errNoType   = errors.New("not a type of the program's that has a size")
	errNoObject = errors.New("not an object that a program made")
	errDeadlock = errors.New("a lock is held already")
)

// bad makes the error of argument i, from 0.
func bad(i int, err error) (uint64, error) { return 0, &BadArg{i + 1, err} }
