package linux

import "sort"

// A Kfunc is a kernel function that programs may call by BTF. Its signature is in the kernel's BTF.
type Kfunc struct {
	Name   string
	Since  Version
	Flags  KfuncFlags
	Types  uint64 // program types that may call it, one bit each
	Attach uint64 // attach types that a program must have one of, one bit each; 0: any
}

// KfuncFlags say how a kernel function treats what it is passed and what it returns, what it is for, and what else tells
// it from others. The first are the kernel's own, KF_*.
type KfuncFlags uint32

const (
	KfuncAcquire KfuncFlags = 1 << iota
	KfuncRelease
	KfuncRetNull
	KfuncTrustedArgs
	KfuncSleepable
	KfuncDestructive
	KfuncRCU
	KfuncRCUProtected
	KfuncFastCall
	KfuncIterNew
	KfuncIterNext
	KfuncIterDestroy
	KfuncArenaRet
	KfuncArenaArg2
	KfuncImplicitArgs

	// What the kernel has no flags for: it knows these functions by name.

	KfuncLocked        // may be called while a lock is held
	KfuncCallback      // calls a callback before it returns: to compare nodes
	KfuncAsync         // arranges for a callback to be called later
	KfuncChangesPacket // the packet may move
	KfuncDeviceBound   // for programs that are bound to a device
	KfuncPerCPU        // is about local objects that each CPU has a copy of
	KfuncRetWritable   // the memory that it returns may be written

	// KfuncProbed: the kernel that the tables are of has it, and was asked which program types may call it.
	KfuncProbed
)

// Is reports whether all of the flags are set.
func (f KfuncFlags) Is(flags KfuncFlags) bool { return f&flags == flags }

// Is reports whether all of the flags are set.
func (f *Kfunc) Is(flags KfuncFlags) bool { return f.Flags.Is(flags) }

// Allowed reports whether programs of the type and attach type may call the function. Filters that look at the target are
// not in the tables.
func (f *Kfunc) Allowed(t ProgType, at AttachType) bool {
	return f.Types>>(t&63)&1 != 0 && (f.Attach == 0 || f.Attach>>at&1 != 0)
}

// FindKfunc returns the row of a kernel function; nil if there is none.
func FindKfunc(name string) *Kfunc {
	i := sort.Search(len(kfuncs), func(i int) bool { return kfuncs[i].Name >= name })
	if i == len(kfuncs) || kfuncs[i].Name != name {
		return nil
	}
	return &kfuncs[i]
}
