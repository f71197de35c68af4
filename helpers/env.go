package helpers

import (
	"sync/atomic"
	"time"
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

	ticks atomic.Int64  // readings of the deterministic clock
	draws atomic.Uint64 // numbers drawn
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

// tick is what a reading of the deterministic clock takes.
const tick = time.Microsecond

func (e *Env) now() uint64 {
	if e.Now != nil {
		return uint64(e.Now())
	}
	return uint64(time.Second + time.Duration(e.ticks.Add(1))*tick)
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
	x := e.draws.Add(1) * 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return uint32(x >> 32)
}

func (e *Env) task() *Task {
	if e.Task != nil {
		return e.Task
	}
	return &Init
}
