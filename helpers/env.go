package helpers

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/skepbpf/skep/memory"
)

// An Env is the one door through which time, randomness and identity come to programs: with the same Env in the
// same state, a run gives the same result. The zero Env is deterministic: its clock starts at one second after boot and
// advances by a microsecond each time it is read, its random numbers have a fixed seed, and its task is pid 1.
//
// An Env may be shared by runs at the same time, if its functions may be called so. It must not be copied.
type Env struct {
	// Now is the time since boot, without the time spent suspended (CLOCK_MONOTONIC). Nil: see Env.
	Now func() time.Duration
	// Suspended is how far the clock that counts suspended time too (CLOCK_BOOTTIME) is ahead of Now.
	Suspended time.Duration
	// TAI is how far international atomic time is ahead of Now, that is, the time of boot.
	TAI time.Duration
	// HZ is the number of jiffies in a second, and so the grain of the coarse clock. 0 is 250.
	HZ uint64

	// Random gives 32 random bits. Nil: see Env.
	Random func() uint32

	// Task is the current task of runs that have none of their own (Run.Task). Nil: Init.
	Task *Task

	// NUMANode is the node of a CPU. Nil: 0.
	NUMANode func(cpu int) int

	counters atomic.Pointer[memory.Words] // made when first needed
}

// The counters of an Env.
const (
	counterTicks = iota // readings of the deterministic clock
	counterDraws        // random numbers drawn
)

// counter is one of the Env's counters.
func (e *Env) counter(n int) *atomic.Uint64 { return &e.words().Word[n] }

func (e *Env) words() *memory.Words {
	if w := e.counters.Load(); w != nil {
		return w
	}
	w := memory.NewWords()
	if !e.counters.CompareAndSwap(nil, w) {
		w.Free()
		return e.counters.Load()
	}
	runtime.AddCleanup(e, (*memory.Words).Free, w)
	return w
}

// Counters are the addresses of the counts of the clock's readings and of the random numbers drawn, for native code that
// reads and draws in place; see ClockTick and RandomStep. They are 0 where it must call the helper: where the Env has a clock
// or random numbers of its own. They hold while the Env is referred to.
func (e *Env) Counters() (ticks, draws uintptr) {
	w := e.words()
	if e.Now == nil {
		ticks = w.Addr(counterTicks)
	}
	if e.Random == nil {
		draws = w.Addr(counterDraws)
	}
	return ticks, draws
}

// A Task is whom a program runs on behalf of.
type Task struct {
	PID, TGID uint32 // as the kernel says: PID is the thread
	UID, GID  uint32
	Comm      string // at most 15 bytes
	CgroupID  uint64
	// Ancestors are the ids of the cgroups above, the root first.
	Ancestors []uint64
	// Addr is the address of its task_struct: what bpf_get_current_task returns.
	Addr uint64
	// Regs is the address of its struct pt_regs: what bpf_task_pt_regs returns.
	Regs uint64
}

// Init is the task of an Env without one.
var Init = Task{PID: 1, TGID: 1, Comm: "skep", CgroupID: 1, Addr: 0xffff_8880_0000_1000}

// The n-th reading of the deterministic clock, from 1 on, is ClockStart + n*ClockTick.
const (
	ClockStart = time.Second
	ClockTick  = time.Microsecond
)

// The n-th random number, from 1 on, is what splitmix64 makes of n*RandomStep: twice x ^= x>>shift, x *= factor; then the upper
// 32 bits.
const RandomStep = 0x9e3779b97f4a7c15

// RandomRounds are the shifts and factors.
var RandomRounds = [2]struct {
	Shift  uint8
	Factor uint64
}{{30, 0xbf58476d1ce4e5b9}, {27, 0x94d049bb133111eb}}

func (e *Env) now() uint64 {
	if e.Now != nil {
		return uint64(e.Now())
	}
	return uint64(ClockStart) + e.counter(counterTicks).Add(1)*uint64(ClockTick)
}

func (e *Env) hz() uint64 {
	if e.HZ == 0 {
		return 250
	}
	return e.HZ
}

// random is a number of a sequence that is the same in every run of a program (splitmix64), or of Env.Random.
func (e *Env) random() uint32 {
	if e.Random != nil {
		return e.Random()
	}
	x := e.counter(counterDraws).Add(1) * RandomStep
	for _, r := range RandomRounds {
		x = (x ^ x>>r.Shift) * r.Factor
	}
	return uint32(x >> 32)
}

func (e *Env) task() *Task {
	if e.Task != nil {
		return e.Task
	}
	return &Init
}
